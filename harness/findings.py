"""Records of one run in as they are made; kept for gates and report, and in the run's folder, out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from harness.results import BestRecord, ContractRecord, GateRecord, Record, TrialRecord, unpack
from harness.rundir import RunFolder

_OF_THE_BEST = ("model", "train_predictions")
"""Files that only the best trials keep after the run: the others' would fill the disk."""


class Findings:
    """What a run has found so far; of two records of one item the later counts."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.contracts: dict[str, ContractRecord] = {}
        """By data set."""
        self.trials: dict[str, TrialRecord] = {}
        """By node id."""
        self.gates: dict[str, GateRecord] = {}
        """By node id."""
        self.bests: dict[str, BestRecord] = {}
        """By experiment."""

    def take_packed(self, values: Mapping[str, Any]) -> None:
        """Keep a record that a report carried."""
        record = unpack(values)
        if record is not None:
            self.take(record)

    def take(self, record: Record) -> None:
        """Keep a record that was just made, here or elsewhere; raise StoreError if it cannot be."""
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

    def close(self, exit: int) -> None:
        """End the journal with pytest's exit code, and drop what only the best trials keep."""
        kept = {best.node_id for best in self.bests.values()}
        for record in self.trials.values():
            dropped = () if record.node_id in kept else _OF_THE_BEST
            for file in (record.files[role] for role in dropped if role in record.files):
                (self.folder.path / file).unlink(missing_ok=True)
        self.folder.finish(exit, time.time())
