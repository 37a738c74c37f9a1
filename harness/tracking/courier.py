"""Runs of the store in; one tracking store that has them, and a count of what was written, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import TrackingError
from harness.rundir import RunFolder, runs
from harness.store import Store
from harness.tracking import database
from harness.tracking.address import address, artifacts, check_writable, default, public, sqlite_file
from harness.tracking.collector import seldom
from harness.tracking.entries import Plan
from harness.tracking.faults import refused, told
from harness.tracking.lock import claim, exclusive
from harness.tracking.pace import Pace, Progress
from harness.tracking.plan import plan
from harness.tracking.quiet import quiet
from harness.tracking.writer import Writer

if TYPE_CHECKING:
    from harness.tracking.runs import Runs

__tracebackhide__ = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one delivery wrote, and what it could not."""

    uri: str
    """Of the tracking store, without a password."""
    runs: int = 0
    """Experiments delivered or completed, each an MLflow parent run."""
    trials: int = 0
    models: int = 0
    pending: int = 0
    """Experiments, trials and models that MLflow still lacks."""
    problem: str | None = None
    """Why something is pending; None if nothing is."""
    busy: int = 0
    """Runs of pytest left out, because other processes are at them just now."""
    experiments: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Ids of MLflow's experiments by the project's name."""


@dataclass(frozen=True, slots=True)
class Load:
    """What MLflow is to hold about a run, as far as its journal goes."""

    folder: RunFolder
    plan: Plan
    size: int
    """Bytes of the journal."""

    @classmethod
    def of(cls, folder: RunFolder) -> Load:
        """Read a run."""
        size = folder.size  # before the records are read: what is written meanwhile is due again
        return cls(folder, plan(folder.run, folder.records()), size)

    def missing(self) -> int:
        """Return how much the tracking store lacks that has most of the run."""
        wanted = self.plan.digests
        stores = [
            sum(key not in marks or marks[key].digest != digest for key, digest in wanted.items())
            for marks in self.folder.delivered().values()
        ]
        return min([len(wanted), *stores])


class Courier:
    """Brings runs to one tracking store, until it fails."""

    def __init__(self, store: Store, root: Path, uri: str | None = None) -> None:
        self.uri = uri or address(root)
        self.count: Counter[str] = Counter()
        self.pace = Pace(self.count)
        self._store = store
        self._root = root
        self._opened: dict[str, Runs] = {}
        self._problems: list[str] = []
        self._pending = 0
        self._busy = 0
        self._gone = False

    @property
    def delivery(self) -> Delivery:
        """What was done so far."""
        return Delivery(
            uri=public(self.uri),
            runs=self.count["experiment"],
            trials=self.count["trial"],
            models=self.count["model"],
            pending=self._pending,
            problem=self._problems[0] if self._problems else None,
            busy=self._busy,
            experiments={project: runs.experiment for project, runs in self._opened.items()},
        )

    def contact(self, project: str) -> Runs:
        """Return the MLflow experiment of a project; import MLflow and make its store if need be.

        Raises TrackingError if the store cannot be written, or what MLflow raises.
        """
        if project not in self._opened:
            check_writable(self._root, self.uri)
            folder = artifacts(self._root) if self.uri == default(self._root) else None
            path = sqlite_file(self.uri)
            with seldom():
                from harness.tracking.runs import Runs  # imports mlflow

                with exclusive(self._store):
                    if path is not None and "?" not in self.uri:
                        database.make(path)
                    self._opened[project] = Runs(self.uri, project, folder)
        return self._opened[project]

    def follow(self, progress: Progress | None) -> None:
        """Say from now on how far it got."""
        self.pace = Pace(self.count, progress)

    def refuse(self, problem: str) -> None:
        """Bring nothing more, for the reason that the delivery tells."""
        self._problems.append(problem)
        self._gone = True

    def bring(self, load: Load, writer: Writer | None = None, *, impatient: bool = False) -> None:
        """Write what MLflow lacks of a run that is claimed.

        writer: that has written a part of it; impatient: give a server ten seconds for every answer.
        """
        missing = load.missing()
        self.pace.expect(missing)
        if missing and not self._gone:
            self._write(load, writer, impatient)
            missing = load.missing()
        if not missing:
            load.folder.settle(load.size)
        self._pending += missing

    def bring_rest(self, besides: str | None = None) -> None:
        """Write what MLflow lacks of all runs that no other process is at; besides: id of one left out."""
        for folder in runs(self._store):
            if folder.run.id == besides or folder.settled:
                continue
            try:
                claimed = claim(folder)
            except TrackingError as error:
                self._problems.append(str(error))
                self._pending += Load.of(folder).missing()
                continue
            if claimed is None:
                self._busy += 1
                continue
            with claimed:
                self.bring(Load.of(folder))

    def _write(self, load: Load, writer: Writer | None, impatient: bool) -> None:
        run = load.folder.run
        failed = "cannot be used"
        try:
            if writer is None:
                with quiet(first_contact=True):
                    target = self.contact(run.project)
            failed = f"did not take all of run {run.id}"
            with quiet(first_contact=impatient):
                if writer is None:
                    writer = Writer(load.folder, public(self.uri), target, self.count)
                writer.tick = self.pace.tick
                self._problems += writer.write(load.plan)
        except Exception as error:  # noqa: BLE001 - MLflow's stores raise what their libraries raise
            self._problems.append(told(error, self.uri, failed))
            self._gone = not refused(error)

    def close(self) -> None:
        """Let go of the tracking store."""
        for opened in self._opened.values():
            opened.close()
