"""Records in; tags of MLflow runs, what one looks for first and the machinery last, out; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from harness.results import BestRecord, ContractRecord, RunRecord, TrialRecord
from harness.tracking import notes
from harness.tracking.entries import KEY, NOTE, RUN
from harness.tracking.grouped import Group
from harness.tracking.names import rename, shorten

__tracebackhide__ = True

_PARAMS = 5000


def of_experiment(run: RunRecord, group: Group, outcome: str, objective: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a parent run; a gate is a tag of its own name."""
    tags = {"outcome": outcome, **objective}
    winner = group.winner
    if winner is not None:
        tags["best.trial"] = winner.id or winner.experiment
        tags["best.params"] = shorten(json.dumps(winner.params, default=repr), _PARAMS)
        tags |= _repeats(winner)
    for gate in group.gates:
        (key,) = rename({gate.name: None}, taken=[*tags]).values()
        tags[key] = gate.outcome
    return {
        **tags,
        **_data(group.contract),
        "trials": str(len(group.trials)),
        **_machinery(run, "experiment", group.node_id),
        NOTE: notes.of_experiment(group),
    }


def of_trial(
    run: RunRecord,
    trial: TrialRecord,
    contract: ContractRecord | None,
    objective: Mapping[str, str],
    *,
    best: BestRecord | None,
) -> dict[str, str]:
    """Return the tags of a child run.

    contract: of the data set that the trial used; best: if it is the best of its experiment.
    """
    tags: dict[str, str] = {"outcome": trial.outcome}
    if best is not None:
        tags["best"] = "true"
    tags |= objective
    if trial.message:
        tags["message"] = notes.gist(trial.message)
    if trial.estimator:
        tags["estimator"] = trial.estimator
    if trial.features:
        tags["features"] = ", ".join(trial.features)
    tags |= _data(contract)
    if trial.data_digest:
        tags["harness.data_digest"] = trial.data_digest
    tags |= _sealed(best) if best is not None else {}
    if trial.reused_from:
        tags["harness.reused_from"] = trial.reused_from
    tags |= _repeats(trial)
    tags |= trial.origin
    tags |= {"harness.experiment": trial.experiment, "harness.trial": str(trial.index)}
    tags |= _machinery(run, "trial", trial.node_id)
    note = notes.of_trial(trial)
    return {**tags, NOTE: note} if note else tags


def _repeats(trial: TrialRecord) -> dict[str, str]:
    kind = "harness.folds" if trial.folds else "harness.repeats"
    return {kind: str(len(trial.repeats))} if trial.repeats else {}


class Objectives:
    """Which metric decides in an experiment, by what its trials gave so far."""

    def __init__(self) -> None:
        self._known: dict[str | None, dict[str, str]] = {}

    def learn(self, trial: TrialRecord, key: str | None) -> None:
        """Take in a trial; key: of its objective in MLflow, None if it gave no value for one."""
        if key is not None:
            tags = _objective(trial, key)
            self._known.setdefault(trial.objective, tags)
            self._known.setdefault(None, tags)

    def of(self, trial: TrialRecord, key: str | None) -> Mapping[str, str]:
        """Return the tags that say which metric decides and in which direction.

        A trial without a value has those of the first other trial with the same objective; one that
        did not get as far as to have an objective, those of the first.
        """
        return self._known.get(trial.objective, {}) if key is None else _objective(trial, key)

    @property
    def first(self) -> Mapping[str, str]:
        """Those of the first trial that has any."""
        return self._known.get(None, {})


def _objective(trial: TrialRecord, key: str) -> dict[str, str]:
    direction = "maximize" if trial.greater_is_better else "minimize"
    return {"objective": key, "objective.direction": direction}


def renamed(keys: Mapping[str, str]) -> dict[str, str]:
    """Return a tag for every parameter that MLflow knows by another name."""
    spelt = {f"renamed.{key}": name for name, key in keys.items() if name != key}
    return {key: spelt[tag] for tag, key in rename(spelt).items()}


def _data(contract: ContractRecord | None) -> dict[str, str]:
    if contract is None:
        return {}
    tags = {"harness.dataset": contract.dataset, "harness.contract": contract.verdict}
    if contract.leaks:
        tags["harness.leaks"] = str(len(contract.leaks))
    return {**tags, "harness.data_digest": contract.digest} if contract.digest else tags


def _sealed(best: BestRecord) -> dict[str, str]:
    """Return which model it is, and how often the test rows were opened that judged it."""
    known = {
        "harness.model_digest": best.model_digest,
        "harness.test_rows": best.test_rows,
        "harness.openings": best.openings,
    }
    return {tag: str(value) for tag, value in known.items() if value is not None}


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
