"""Records in; tags of MLflow runs, what one looks for first and the machinery last, out; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from harness.results import ContractRecord, RunRecord, TrialRecord
from harness.tracking import notes
from harness.tracking.entries import KEY, RUN
from harness.tracking.grouped import Group
from harness.tracking.names import rename, shorten

__tracebackhide__ = True

_NOTE = "mlflow.note.content"
_PARAMS = 5000


def of_experiment(run: RunRecord, group: Group, outcome: str, objective: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a parent run; a gate is a tag of its own name."""
    tags = {"outcome": outcome, **objective}
    winner = group.winner
    if winner is not None:
        tags["best.trial"] = winner.id or winner.experiment
        tags["best.params"] = shorten(json.dumps(winner.params, default=repr), _PARAMS)
    for gate in group.gates:
        (key,) = rename({gate.name: None}, taken=[*tags]).values()
        tags[key] = gate.outcome
    return {
        **tags,
        **_data(group.contract),
        "trials": str(len(group.trials)),
        **_machinery(run, "experiment", group.node_id),
        _NOTE: notes.of_experiment(group),
    }


def of_trial(
    run: RunRecord, group: Group, trial: TrialRecord, objective: Mapping[str, str]
) -> dict[str, str]:
    """Return the tags of a child run."""
    tags: dict[str, str] = {"outcome": trial.outcome}
    if trial is group.winner:
        tags["best"] = "true"
    tags |= objective
    if trial.message:
        tags["message"] = notes.gist(trial.message)
    if trial.estimator:
        tags["estimator"] = trial.estimator
    if trial.features:
        tags["features"] = ", ".join(trial.features)
    tags |= _data(group.contracts.get(trial.dataset or ""))
    if trial.data_digest:
        tags["harness.data_digest"] = trial.data_digest
    tags |= {"harness.experiment": trial.experiment, "harness.trial": str(trial.index)}
    tags |= _machinery(run, "trial", trial.node_id)
    note = notes.of_trial(trial)
    return {**tags, _NOTE: note} if note else tags


def objectives(group: Group, keys: Sequence[str | None]) -> list[dict[str, str]]:
    """Return for each trial which metric decides and in which direction.

    keys: MLflow key of each trial's objective. A trial without one has that of the first other
    trial with the same objective; one that did not get as far as to have any, that of the first.
    """
    known: dict[str | None, dict[str, str]] = {}
    found = []
    for trial, key in zip(group.trials, keys, strict=True):
        direction = "maximize" if trial.greater_is_better else "minimize"
        tags = {"objective": key, "objective.direction": direction} if key is not None else {}
        found.append(tags)
        if tags:
            known.setdefault(trial.objective, tags)
            known.setdefault(None, tags)
    return [tags or known.get(t.objective, {}) for t, tags in zip(group.trials, found, strict=True)]


def renamed(keys: Mapping[str, str]) -> dict[str, str]:
    """Return a tag for every parameter that MLflow knows by another name."""
    return {f"renamed.{key}": name for name, key in keys.items() if name != key}


def _data(contract: ContractRecord | None) -> dict[str, str]:
    if contract is None:
        return {}
    tags = {"harness.dataset": contract.dataset, "harness.contract": contract.verdict}
    return {**tags, "harness.data_digest": contract.digest} if contract.digest else tags


def _machinery(run: RunRecord, kind: str, node_id: str) -> dict[str, str]:
    tags = {
        "harness.kind": kind,
        RUN: run.id,
        KEY: f"{kind}:{node_id}",
        "harness.node_id": node_id,
        "harness.version": run.harness_version,
        "harness.backend": run.backend,
        "mlflow.source.name": node_id.partition("::")[0],
        "mlflow.source.type": "LOCAL",
    }
    if run.commit:
        tags["mlflow.source.git.commit"] = run.commit
    if run.dirty is not None:
        tags["harness.git.dirty"] = str(run.dirty).lower()
    return tags
