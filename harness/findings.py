"""Records of one run in as they are made; kept for gates and report, and in the run's folder, out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harness.results import MODEL, BestRecord, ContractRecord, GateRecord, Record, TrialRecord
from harness.rundir import RunFolder


class Findings:
    """What a run has found so far; of two records of one item the later counts."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.listener: Callable[[Record], None] | None = None
        """Told of every record that is in the journal; it returns at once."""
        self._lock = threading.Lock()  # records of trials come from threads of a backend
        self.contracts: dict[str, ContractRecord] = {}
        """By data set."""
        self.trials: dict[str, TrialRecord] = {}
        """By node id."""
        self.gates: dict[str, GateRecord] = {}
        """By node id."""
        self.bests: dict[str, BestRecord] = {}
        """By experiment."""

    def take(self, record: Record) -> None:
        """Keep a record that was just made, here or elsewhere; raise StoreError if it cannot be."""
        with self._lock:
            self.folder.record(record)
            match record:
                case TrialRecord():
                    self.trials[record.node_id] = record
                case GateRecord():
                    self.gates[record.node_id] = record
                case ContractRecord():
                    self.contracts[record.dataset] = record
                case BestRecord():
                    self.bests[record.experiment] = record
            if self.listener is not None:
                self.listener(record)

    def close(self, exit: int) -> None:
        """End the journal with pytest's exit code, and drop what only the best trials keep."""
        kept = {best.node_id for best in self.bests.values()}
        for record in self.trials.values():
            if record.node_id not in kept and MODEL in record.files:
                (self.folder.path / record.files[MODEL]).unlink(missing_ok=True)
        self.folder.finish(exit, time.time())
