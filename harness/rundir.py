"""The folder of one pytest run: records in as they happen, typed records and delivery marks out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.results import (
    BestRecord,
    ContractRecord,
    GateRecord,
    Record,
    RunRecord,
    TrialRecord,
    pack,
    unpack,
)
from harness.store import Store

__tracebackhide__ = True


@dataclass(frozen=True, slots=True)
class Mark:
    """One MLflow run that a tracking store has received."""

    uri: str
    key: str
    """"experiment:NODE ID", "trial:NODE ID" or "model:NODE ID"."""
    mlflow_run: str
    digest: str
    """Of what was written, so that a record that changed since is written again."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a run has recorded so far; of two records of one item the later counts."""

    contracts: Sequence[ContractRecord] = ()
    trials: Sequence[TrialRecord] = ()
    gates: Sequence[GateRecord] = ()
    bests: Sequence[BestRecord] = ()
    exit: int | None = None
    """pytest's exit code; None: the run is still going on or died."""
    ended: float | None = None
    """Seconds since 1970."""

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.exit is not None


def _name(record: Record) -> str:
    if isinstance(record, ContractRecord):
        return record.dataset
    return record.experiment if isinstance(record, BestRecord) else record.node_id


class RunFolder:
    """`.harness/runs/RUN ID/`: run.json, journal.jsonl, delivered.jsonl and the files of its trials."""

    def __init__(self, store: Store, run: RunRecord) -> None:
        self.run = run
        self.path = store.path("runs", run.id)
        self._journal = store.journal("runs", run.id, "journal.jsonl")
        self._delivered = store.journal("runs", run.id, "delivered.jsonl")

    @classmethod
    def create(cls, store: Store, run: RunRecord) -> RunFolder:
        """Write run.json and return the folder."""
        store.write_json(run.to_json(), "runs", run.id, "run.json")
        return cls(store, run)

    def record(self, record: Record) -> None:
        """Append one record to the journal."""
        self._journal.append(pack(record))

    def finish(self, exit: int, ended: float) -> None:
        """Say that the run came to its end with pytest's exit code, `ended` seconds after 1970."""
        self._journal.append({"kind": "finished", "exit": exit, "ended": ended})

    def records(self) -> Records:
        """Return all whole records, in the order in which they were first written."""
        found: dict[tuple[type[Record], str], Record] = {}
        exit, ended = None, None
        for line in self._journal.read():
            if line.get("kind") == "finished":
                exit, ended = line.get("exit"), line.get("ended")
                continue
            record = unpack(line)
            if record is not None:
                found[type(record), _name(record)] = record
        return Records(
            contracts=[r for r in found.values() if isinstance(r, ContractRecord)],
            trials=[r for r in found.values() if isinstance(r, TrialRecord)],
            gates=[r for r in found.values() if isinstance(r, GateRecord)],
            bests=[r for r in found.values() if isinstance(r, BestRecord)],
            exit=exit,
            ended=ended,
        )

    def mentions(self, texts: Iterable[str]) -> bool:
        """Return whether the journal holds any of the texts; quicker by far than to read its records."""
        try:
            content = self._journal.path.read_bytes()
        except FileNotFoundError:
            return False
        return any(json.dumps(text)[1:-1].encode() in content for text in texts)

    def withhold(self) -> None:
        """Say that this run is never to be delivered (`--no-tracking`)."""
        self._delivered.append({"withheld": True})

    @property
    def size(self) -> int:
        """Bytes of the journal, which only ever grows."""
        try:
            return self._journal.path.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def written(self) -> float:
        """When the journal was last written, in seconds since 1970; the start of a run without one."""
        try:
            return self._journal.path.stat().st_mtime
        except FileNotFoundError:
            return self.run.started

    def settle(self, size: int) -> None:
        """Say that the first `size` bytes of the journal have been delivered whole."""
        self._delivered.append({"settled": size})

    @property
    def settled(self) -> bool:
        """Whether nothing was recorded since all was delivered, or nothing is ever to be."""
        lines = self._delivered.read()
        last: Any = next((line["settled"] for line in reversed(lines) if "settled" in line), None)
        return last == self.size or any(line.get("withheld") for line in lines)

    def mark(self, mark: Mark) -> None:
        """Remember that a tracking store has received something."""
        self._delivered.append(
            {"uri": mark.uri, "key": mark.key, "mlflow_run": mark.mlflow_run, "digest": mark.digest}
        )

    def delivered(self) -> dict[str, dict[str, Mark]]:
        """Return the latest mark of each key, by tracking URI."""
        marks: dict[str, dict[str, Mark]] = {}
        for line in self._delivered.read():
            try:
                mark = Mark(line["uri"], line["key"], line["mlflow_run"], line["digest"])
            except KeyError:
                continue
            marks.setdefault(mark.uri, {})[mark.key] = mark
        return marks

    def delete(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path)


def runs(store: Store) -> list[RunFolder]:
    """Return the folders of all runs, oldest first; a folder without a readable run.json is left out."""
    try:
        names = sorted(entry.name for entry in store.path("runs").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names:
        values: Any = store.read_json("runs", name, "run.json")
        try:
            run = RunRecord.from_json(values)
        except (TypeError, AttributeError):
            continue
        if run.id == name:
            found.append(RunFolder(store, run))
    return sorted(found, key=lambda folder: (folder.run.started, folder.run.id))
