"""The records of a run in, those of each experiment together out; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.results import BestRecord, ContractRecord, GateRecord, TrialRecord
from harness.rundir import Records

__tracebackhide__ = True


ENDED_EARLY = ("skipped", "pruned")
"""Outcomes of trials that gave no result, through no fault of theirs."""


@dataclass(frozen=True, slots=True)
class Group:
    """The records of one experiment function."""

    trials: Sequence[TrialRecord]
    """At least one."""
    gates: Sequence[GateRecord]
    contracts: Mapping[str, ContractRecord]
    """Of every data set of the run, by name."""
    best: BestRecord | None

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.trials[0].experiment

    @property
    def node_id(self) -> str:
        """Of the function, without parameters."""
        return function(self.trials[0])

    @property
    def key(self) -> str:
        """Of the parent run."""
        return f"experiment:{self.node_id}"

    @property
    def contract(self) -> ContractRecord | None:
        """Of the first data set that a trial used."""
        found = (self.contracts.get(trial.dataset or "") for trial in self.trials)
        return next(filter(None, found), None)

    @property
    def winner(self) -> TrialRecord | None:
        """The best trial."""
        found = (trial for trial in self.trials if self.best and trial.node_id == self.best.node_id)
        return next(found, None)

    @property
    def failed(self) -> bool:
        """Whether a trial or a gate was red."""
        return any(trial.outcome not in {"passed", *ENDED_EARLY} for trial in self.trials) or any(
            gate.outcome == "failed" for gate in self.gates
        )


def function(trial: TrialRecord) -> str:
    """Return the node id of a trial's function, without parameters."""
    return trial.node_id.removesuffix(f"[{trial.id}]") if trial.id else trial.node_id


def groups(records: Records) -> list[Group]:
    """Return the experiments of a run in the order of their first trials."""
    contracts = {record.dataset: record for record in records.contracts}
    bests = {record.experiment: record for record in records.bests}
    by_name: dict[str, list[TrialRecord]] = {}
    for trial in records.trials:
        by_name.setdefault(trial.experiment, []).append(trial)
    return [
        Group(
            trials, [gate for gate in records.gates if name in gate.experiments], contracts, bests.get(name)
        )
        for name, trials in by_name.items()
    ]
