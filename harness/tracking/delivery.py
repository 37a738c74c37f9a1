"""Which records MLflow lacks, and their delivery: the store in, a count of what was written out."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import TrackingError
from harness.rundir import RunFolder, runs
from harness.store import Store
from harness.tracking.address import address, artifacts, check_writable, default, public
from harness.tracking.entries import Plan
from harness.tracking.lock import exclusive
from harness.tracking.plan import plan
from harness.tracking.quiet import quiet
from harness.tracking.writer import Writer

if TYPE_CHECKING:
    from harness.tracking.runs import Runs

__tracebackhide__ = True

_REASON = 400
_DAY = 24 * 60 * 60.0
_CAUSE = re.compile(r"""Caused by \w+\(["'][^"]*?\): (.*?)["']\)""")  # of a request that urllib3 gave up


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


@dataclass(frozen=True, slots=True)
class _Due:
    """A run that no tracking store has received whole."""

    folder: RunFolder
    plan: Plan
    size: int

    def missing(self) -> set[str]:
        """Return the keys that the tracking store with most of the run lacks."""
        wanted = self.plan.digests
        stores = [
            {key for key, digest in wanted.items() if key not in marks or marks[key].digest != digest}
            for marks in self.folder.delivered().values()
        ]
        return min([set(wanted), *stores], key=len)


def deliver(store: Store, *, root: Path, uri: str | None = None) -> Delivery:
    """Write every record of every run in the store that MLflow lacks; safe to repeat at any time.

    root: the project's folder, beside whose `mlflow.db` is the default store; uri: another store.

    A store that cannot be reached or written raises nothing: the result says so in `problem`, and
    the next delivery completes what is missing.
    """
    target = uri or address(root)
    count: Counter[str] = Counter()
    due: list[_Due] = []
    problems: list[str] = []
    if any(not folder.settled for folder in runs(store)):
        try:
            with exclusive(store):
                due = _due(store)
                if due:
                    check_writable(root, target)
                    problems = _deliver(due, target, root, count)
        except TrackingError as error:
            problems, due = [str(error)], due or _due(store)
    return Delivery(
        uri=public(target),
        runs=count["experiment"],
        trials=count["trial"],
        models=count["model"],
        pending=sum(len(item.missing()) for item in due),
        problem=problems[0] if problems else None,
    )


def prune(store: Store, keep: int = 10) -> int:
    """Delete the oldest run folders beyond `keep` that are finished and wholly delivered or withheld.

    One that recorded nothing for a day without having finished is a run that died.
    Returns the number of deleted folders.
    """
    folders = runs(store)
    old = folders[: max(len(folders) - keep, 0)]
    dead = time.time() - _DAY
    gone = [f for f in old if f.settled and (f.written < dead or f.records().finished)]
    for folder in gone:
        folder.delete()
    return len(gone)


def _due(store: Store) -> list[_Due]:
    """Return the runs that no tracking store has received whole, oldest first; settle the others."""
    due = []
    for folder in runs(store):
        if folder.settled:
            continue
        size = folder.size  # before the records are read: what is written meanwhile is due again
        item = _Due(folder, plan(folder.run, folder.records()), size)
        if item.missing():
            due.append(item)
        else:
            folder.settle(size)
    return due


def _deliver(due: Sequence[_Due], uri: str, root: Path, count: Counter[str]) -> list[str]:
    """Write runs until the store fails; return what went wrong."""
    projects: dict[str, Runs] = {}
    problems: list[str] = []
    for item in due:
        project = item.folder.run.project
        failed = "cannot be used"
        try:
            if project not in projects:
                with quiet(first_contact=True):
                    projects[project] = _connect(uri, project, root)
            failed = f"did not take all of run {item.folder.run.id}"
            with quiet():
                writer = Writer(item.folder, item.plan, public(uri), projects[project], count)
                problems += writer.write()
            if not item.missing():
                item.folder.settle(item.size)
        except Exception as error:  # noqa: BLE001 - MLflow's stores raise what their libraries raise
            problems.append(f"MLflow at {public(uri)} {failed}: {_reason(error)}")
            if getattr(error, "error_code", None) != "INVALID_PARAMETER_VALUE":
                break  # not this run's fault: the store is gone
    return problems


def _connect(uri: str, project: str, root: Path) -> Runs:
    from harness.tracking.runs import Runs  # imports mlflow

    return Runs(uri, project, artifacts(root) if uri == default(root) else None)


def _reason(error: Exception) -> str:
    text = public(" ".join(str(error).split()))
    cause = _CAUSE.search(text)
    if cause:
        return cause[1]
    return f"{type(error).__name__}: {text if len(text) <= _REASON else text[:_REASON] + '…'}"
