"""The records of a run in, what MLflow is to hold about it out; pure."""

from __future__ import annotations

from harness.results import ContractRecord, RunRecord, TrialRecord
from harness.rundir import Records
from harness.tracking import measures, tags
from harness.tracking.entries import Entry, ModelEntry, Plan
from harness.tracking.grouped import Group, groups
from harness.tracking.inputs import Input, data_input
from harness.tracking.names import rename, shorten

__tracebackhide__ = True

_STATUS = {
    "passed": "FINISHED",
    "failed": "FINISHED",
    "raised": "FAILED",
    "skipped": "KILLED",  # as a pruned trial: it ended before it could give a result
    "error": "FAILED",
}
_NAME, _PARAM = 250, 6000


def plan(run: RunRecord, records: Records) -> Plan:
    """Return what MLflow is to hold about a run, from what it has recorded so far."""
    entries: list[Entry] = []
    models = []
    for group in groups(records):
        winner = group.winner
        measured = [measures.of_trial(t, group.best if t is winner else None) for t in group.trials]
        objectives = tags.objectives(group, [found.objective for found in measured])
        entries.append(_above(run, records, group, objectives))
        for trial, found, objective in zip(group.trials, measured, objectives, strict=True):
            entries.append(_below(run, group, trial, found, objective))
        if winner and "model" in winner.files:
            models.append(_model(group, winner))
    return Plan.of(entries, models)


def _model(group: Group, winner: TrialRecord) -> ModelEntry:
    return ModelEntry(
        key=f"model:{winner.node_id}",
        trial=f"trial:{winner.node_id}",
        file=winner.files["model"],
        example=group.best.example if group.best else None,
    )


def _above(run: RunRecord, records: Records, group: Group, objectives: list[dict[str, str]]) -> Entry:
    winner, best = group.winner, group.best
    interrupted = records.exit in {None, 2}  # 2: Ctrl-C
    ran = "skipped" if all(trial.outcome == "skipped" for trial in group.trials) else "passed"
    outcome = "interrupted" if interrupted else "failed" if group.failed else ran
    decided = objectives[group.trials.index(winner)] if winner else next(filter(None, objectives), {})
    shown = tags.of_experiment(run, group, outcome, decided)
    params: dict[str, str] = {}
    if winner and records.finished:  # MLflow lets no parameter change, and the best may until then
        params, spelt = _params(winner)
        shown |= spelt
    return Entry(
        key=group.key,
        parent=None,
        name=shorten(group.name, _NAME),
        status="KILLED" if interrupted else "FINISHED" if records.exit in {0, 1, 5} else "FAILED",
        started=_milliseconds(min(trial.started for trial in group.trials)),
        ended=_milliseconds(max(trial.started + trial.seconds for trial in group.trials)),
        tags=shown,
        params=params,
        metrics=measures.of_best(winner, best).values if winner and best else {},
        input=_input(run, group.contract),
        best=f"trial:{winner.node_id}" if winner is not None else None,
    )


def _below(
    run: RunRecord,
    group: Group,
    trial: TrialRecord,
    measured: measures.Measures,
    objective: dict[str, str],
) -> Entry:
    params, spelt = _params(trial)
    return Entry(
        key=f"trial:{trial.node_id}",
        parent=group.key,
        name=shorten(f"{trial.experiment.removeprefix('experiment_')} {trial.id}".strip(), _NAME),
        status=_STATUS[trial.outcome],
        started=_milliseconds(trial.started),
        ended=_milliseconds(trial.started + trial.seconds),
        tags=tags.of_trial(run, group, trial, objective) | spelt,
        params=params,
        metrics=measured.values,
        curves=measured.curves,
        # MLflow takes 4 ms for it: the others have the digest as a tag
        input=_input(run, group.contracts.get(trial.dataset or "")) if trial is group.winner else None,
        files={
            role.removeprefix("artifact/"): file
            for role, file in trial.files.items()
            if role.startswith("artifact/")
        },
    )


def _params(trial: TrialRecord) -> tuple[dict[str, str], dict[str, str]]:
    """Return the hyperparameters by MLflow key, and the tags that tell the names of the renamed."""
    keys = rename(trial.params)
    params = {key: shorten(str(trial.params[name]), _PARAM) for name, key in keys.items()}
    return params, tags.renamed(keys)


def _input(run: RunRecord, contract: ContractRecord | None) -> Input | None:
    return data_input(run, contract) if contract else None


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
