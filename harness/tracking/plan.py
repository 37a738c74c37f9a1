"""The records of a run in, what MLflow is to hold about it out; pure."""

from __future__ import annotations

from functools import partial

from harness.results import RunRecord, TrialRecord
from harness.rundir import Records
from harness.tracking import measures, tags
from harness.tracking.children import child, params
from harness.tracking.entries import Entry, ModelEntry, Plan, milliseconds
from harness.tracking.grouped import ENDED_EARLY, Group, groups
from harness.tracking.inputs import data_input
from harness.tracking.names import RUN_NAME, shorten
from harness.tracking.traveller import facts

__tracebackhide__ = True


def plan(run: RunRecord, records: Records) -> Plan:
    """Return what MLflow is to hold about a run, from what it has recorded so far."""
    entries: list[Entry] = []
    models = []
    before = []
    for group in groups(records):
        winner = group.winner
        measured = [measures.of_trial(t, group.best if t is winner else None) for t in group.trials]
        objectives = tags.Objectives()
        for trial, found in zip(group.trials, measured, strict=True):
            objectives.learn(trial, found.objective)
        entries.append(_parent(run, records, group, objectives))
        for trial, found in zip(group.trials, measured, strict=True):
            entry = partial(
                child,
                run,
                trial,
                parent=group.key,
                decides=objectives.of(trial, found.objective),
                contract=group.contracts.get(trial.dataset or ""),
            )
            entries.append(entry(measured=found, best=group.best if trial is winner else None))
            if trial is winner:
                before.append(entry(measured=measures.of_trial(trial)))
        if winner and "model" in winner.files:
            models.append(_model(group, winner))
    return Plan.of(entries, models, before)


def _model(group: Group, winner: TrialRecord) -> ModelEntry:
    return ModelEntry(
        key=f"model:{winner.node_id}",
        trial=f"trial:{winner.node_id}",
        file=winner.files["model"],
        example=group.best.example if group.best else None,
        facts=facts(winner, group.best),
        rows=group.best.rows if group.best else None,
    )


def _parent(run: RunRecord, records: Records, group: Group, objectives: tags.Objectives) -> Entry:
    winner, best = group.winner, group.best
    interrupted = records.exit in {None, 2}  # 2: Ctrl-C
    ran = "skipped" if all(trial.outcome in ENDED_EARLY for trial in group.trials) else "passed"
    outcome = "interrupted" if interrupted else "failed" if group.failed else ran
    decided = objectives.first
    if winner:
        decided = objectives.of(winner, measures.of_trial(winner, best).objective)
    shown = tags.of_experiment(run, group, outcome, decided)
    chosen: dict[str, str] = {}
    if winner and records.finished:  # MLflow lets no parameter change, and the best may until then
        chosen, spelt = params(winner)
        shown |= spelt
    return Entry(
        key=group.key,
        parent=None,
        name=shorten(group.name, RUN_NAME),
        status="KILLED" if interrupted else "FINISHED" if records.exit in {0, 1, 5} else "FAILED",
        started=milliseconds(group.trials[0].started),
        ended=milliseconds(max(trial.started + trial.seconds for trial in group.trials)),
        tags=shown,
        params=chosen,
        metrics=measures.of_best(winner, best).values if winner and best else {},
        input=data_input(run, group.contract) if group.contract else None,
        best=f"trial:{winner.node_id}" if winner is not None else None,
    )
