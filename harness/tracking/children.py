"""The record of one trial in; the MLflow run that holds it, below that of its experiment, out; pure.

What it needs to know of other trials is little, so that it can be written while they still run.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.results import BestRecord, ContractRecord, Record, RunRecord, TrialRecord
from harness.tracking import measures, tags
from harness.tracking.entries import KEY, RUN, Entry, milliseconds
from harness.tracking.grouped import function
from harness.tracking.inputs import data_input
from harness.tracking.names import RUN_NAME, rename, shorten

__tracebackhide__ = True

_STATUS = {
    "passed": "FINISHED",
    "failed": "FINISHED",
    "raised": "FAILED",
    "skipped": "KILLED",  # as a pruned trial: it ended before it could give a result
    "pruned": "KILLED",
    "error": "FAILED",
}
_PARAM = 6000


def child(
    run: RunRecord,
    trial: TrialRecord,
    *,
    parent: str,
    measured: measures.Measures,
    decides: Mapping[str, str],
    contract: ContractRecord | None,
    best: BestRecord | None = None,
) -> Entry:
    """Return the entry of a trial.

    parent: key of its experiment's entry; measured: its numbers; decides: tags that name the objective;
    contract: of the data set that it used; best: if it is the best of its experiment, as is known at the
    end.
    """
    values, spelt = params(trial)
    return Entry(
        key=f"trial:{trial.node_id}",
        parent=parent,
        name=shorten(f"{trial.experiment.removeprefix('experiment_')} {trial.id}".strip(), RUN_NAME),
        status=_STATUS[trial.outcome],
        started=milliseconds(trial.started),
        ended=milliseconds(trial.started + trial.seconds),
        tags=tags.of_trial(run, trial, contract, decides, best=best) | spelt,
        params=values,
        metrics=measured.values,
        curves=measured.curves,
        # MLflow takes 4 ms for it: the others have the digest as a tag
        input=data_input(run, contract) if best and contract else None,
        files={
            role.removeprefix("artifact/"): file
            for role, file in trial.files.items()
            if role.startswith("artifact/")
        },
    )


def params(trial: TrialRecord) -> tuple[dict[str, str], dict[str, str]]:
    """Return the hyperparameters by MLflow key, and the tags that tell the names of the renamed."""
    keys = rename(trial.params)
    values = {key: shorten(str(trial.params[name]), _PARAM) for name, key in keys.items()}
    return values, tags.renamed(keys)


class Children:
    """Turns the records of a run, as they are made, into entries of its trials."""

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._contracts: dict[str, ContractRecord] = {}
        self._parents: dict[str, tuple[Entry, tags.Objectives]] = {}

    def take(self, record: Record) -> tuple[Entry, Entry] | None:
        """Return the entry of a trial below that of its experiment as it is begun; None of another record.

        A trial that has no objective of its own gets that of the trials before it: should later ones
        know better, or should it be the best, the whole plan at the end of the run differs from it.
        """
        if isinstance(record, ContractRecord):
            self._contracts[record.dataset] = record
        if not isinstance(record, TrialRecord):
            return None
        measured = measures.of_trial(record)
        if record.experiment not in self._parents:
            self._parents[record.experiment] = (self._begun(record), tags.Objectives())
        parent, objectives = self._parents[record.experiment]
        objectives.learn(record, measured.objective)
        decides = objectives.of(record, measured.objective)
        contract = self._contracts.get(record.dataset or "")
        entry = child(
            self._run, record, parent=parent.key, measured=measured, decides=decides, contract=contract
        )
        return parent, entry

    def _begun(self, first: TrialRecord) -> Entry:
        """Return the entry of an experiment of which one trial is known."""
        key = f"experiment:{function(first)}"
        started = milliseconds(first.started)
        return Entry(
            key=key,
            parent=None,
            name=shorten(first.experiment, RUN_NAME),
            status="RUNNING",
            started=started,
            ended=started,
            tags={"outcome": "running", RUN: self._run.id, KEY: key},
        )
