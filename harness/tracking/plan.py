"""The records of a run in, what MLflow is to hold about it out; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.results import BestRecord, ContractRecord, GateRecord, RunRecord, TrialRecord
from harness.rundir import Records
from harness.tracking.entries import KEY, RUN, Entry, ModelEntry, Plan
from harness.tracking.inputs import data_input
from harness.tracking.names import allowed, rename, shorten, thin

__tracebackhide__ = True

_STATUS = {
    "passed": "FINISHED",
    "failed": "FINISHED",
    "raised": "FAILED",
    "skipped": "KILLED",  # as a pruned trial: it ended before it could give a result
    "error": "FAILED",
}
_OURS = ("fit_seconds", "seconds", "peak_memory_mb")
_MESSAGE, _PARAM, _TAG = 1000, 6000, 5000


@dataclass(frozen=True, slots=True)
class _Experiment:
    """The records of one experiment function."""

    trials: Sequence[TrialRecord]
    gates: Sequence[GateRecord]
    contract: ContractRecord | None
    best: BestRecord | None

    @property
    def name(self) -> str:
        return self.trials[0].experiment

    @property
    def node_id(self) -> str:
        first = self.trials[0]
        return first.node_id.removesuffix(f"[{first.id}]") if first.id else first.node_id

    @property
    def winner(self) -> TrialRecord | None:
        found = (trial for trial in self.trials if self.best and trial.node_id == self.best.node_id)
        return next(found, None)

    @property
    def failed(self) -> bool:
        return any(trial.outcome not in {"passed", "skipped"} for trial in self.trials) or any(
            gate.outcome == "failed" for gate in self.gates
        )


def plan(run: RunRecord, records: Records) -> Plan:
    """Return what MLflow is to hold about a run, from what it has recorded so far."""
    contracts = {record.dataset: record for record in records.contracts}
    bests = {record.experiment: record for record in records.bests}
    by_name: dict[str, list[TrialRecord]] = {}
    for trial in records.trials:
        by_name.setdefault(trial.experiment, []).append(trial)
    entries, models = [], []
    for name, trials in by_name.items():
        experiment = _Experiment(
            trials,
            [gate for gate in records.gates if name in gate.experiments],
            next((contracts[t.dataset] for t in trials if t.dataset in contracts), None),
            bests.get(name),
        )
        above = _above(run, records, experiment)
        winner = experiment.winner
        entries.append(above)
        for trial in trials:
            best = experiment.best if trial is winner else None
            entries.append(_below(run, trial, contracts.get(trial.dataset or ""), above.key, best=best))
        if winner and "model" in winner.files:
            models.append(_model(experiment, winner))
    return Plan.of(entries, models)


def _model(experiment: _Experiment, winner: TrialRecord) -> ModelEntry:
    return ModelEntry(
        key=f"model:{winner.node_id}",
        trial=f"trial:{winner.node_id}",
        file=winner.files["model"],
        example=experiment.best.example if experiment.best else None,
    )


def _above(run: RunRecord, records: Records, experiment: _Experiment) -> Entry:
    ended = max(trial.started + trial.seconds for trial in experiment.trials)
    interrupted = records.exit in {None, 2}  # 2: Ctrl-C
    tags = {
        **_tags(run, "experiment", experiment.node_id, experiment.contract),
        "outcome": "interrupted" if interrupted else "failed" if experiment.failed else "passed",
        "trials": str(len(experiment.trials)),
    }
    scores: dict[str, float] = {}
    winner, best = experiment.winner, experiment.best
    if winner is not None and best is not None:
        tags["best.trial"] = winner.id or winner.experiment
        tags["best.params"] = shorten(json.dumps(winner.params, default=repr), _TAG)
        scores = {
            **_split_scores({"validation": winner.scores.get("validation", {}), "test": best.test}),
            **{f"baseline_{name}": value for name, value in best.baseline.items()},
        }
    readings: dict[str, float] = {}
    for gate in experiment.gates:
        tags[allowed(f"gate.{gate.name}")] = gate.outcome
        if gate.message:
            tags[allowed(f"gate.{gate.name}.message")] = _gist(gate.message)
        readings |= {f"{gate.name}.{name}": value for name, value in gate.readings.items()}
    metrics = _renamed(scores)
    return Entry(
        key=f"experiment:{experiment.node_id}",
        parent=None,
        name=experiment.name,
        status="KILLED" if interrupted else "FINISHED" if records.exit in {0, 1, 5} else "FAILED",
        started=_milliseconds(min(trial.started for trial in experiment.trials)),
        ended=_milliseconds(max(ended, records.ended or 0.0)),
        tags=tags,
        metrics=metrics | _renamed(readings, taken=[*metrics]),
        input=data_input(run, experiment.contract) if experiment.contract else None,
        best=f"trial:{winner.node_id}" if winner is not None else None,
    )


def _below(
    run: RunRecord,
    trial: TrialRecord,
    contract: ContractRecord | None,
    parent: str,
    *,
    best: BestRecord | None,
) -> Entry:
    tags = {
        **_tags(run, "trial", trial.node_id, contract),
        "outcome": trial.outcome,
        "harness.experiment": trial.experiment,
        "harness.trial": str(trial.index),
    }
    if trial.message:
        tags["message"] = _gist(trial.message)
    if trial.data_digest:
        tags["harness.data_digest"] = trial.data_digest
    if best is not None:
        tags["best"] = "true"
    metrics = {"seconds": trial.seconds}
    if trial.fit_seconds is not None:
        metrics["fit_seconds"] = trial.fit_seconds
    if trial.peak_memory is not None:
        metrics["peak_memory_mb"] = trial.peak_memory / 2**20
    metrics |= _renamed(_split_scores({**trial.scores, **({"test": best.test} if best else {})}), taken=_OURS)
    metrics |= _renamed(trial.logged, taken=[*metrics, *_OURS], prefix="logged_")
    curves = rename(trial.curves, taken=[*metrics, *_OURS], prefix="curve_")
    params = rename(trial.params)
    tags |= {f"renamed.{key}": name for name, key in params.items() if name != key}
    return Entry(
        key=f"trial:{trial.node_id}",
        parent=parent,
        name=trial.id or trial.experiment,
        status=_STATUS[trial.outcome],
        started=_milliseconds(trial.started),
        ended=_milliseconds(trial.started + trial.seconds),
        tags=tags,
        params={key: shorten(str(trial.params[name]), _PARAM) for name, key in params.items()},
        metrics=metrics,
        curves={key: thin(trial.curves[name]) for name, key in curves.items()},
        # MLflow takes 4 ms for it: the others have the digest as a tag
        input=data_input(run, contract) if contract and best else None,
        files={
            role.removeprefix("artifact/"): file
            for role, file in trial.files.items()
            if role.startswith("artifact/")
        },
    )


def _gist(message: str) -> str:
    """Return the error lines of a pytest failure without its source, or the start of any other text."""
    errors = [line[1:].strip() for line in message.splitlines() if line.startswith("E  ")]
    return shorten("\n".join(errors) or message, _MESSAGE)


def _renamed(values: Mapping[str, float], *, taken: Sequence[str] = (), prefix: str = "") -> dict[str, float]:
    names = rename(values, taken=taken, prefix=prefix)
    return {names[name]: float(value) for name, value in values.items()}


def _tags(run: RunRecord, kind: str, node_id: str, contract: ContractRecord | None) -> dict[str, str]:
    tags = {
        RUN: run.id,
        KEY: f"{kind}:{node_id}",
        "harness.node_id": node_id,
        "harness.kind": kind,
        "harness.version": run.harness_version,
        "harness.backend": run.backend,
        "mlflow.source.name": node_id.partition("::")[0],
        "mlflow.source.type": "LOCAL",
    }
    if run.commit:
        tags["mlflow.source.git.commit"] = run.commit
    if run.dirty is not None:
        tags["harness.git.dirty"] = str(run.dirty).lower()
    if contract is not None:
        tags["harness.dataset"] = contract.dataset
        tags["harness.contract"] = contract.verdict
        if contract.digest:
            tags["harness.data_digest"] = contract.digest
    return tags


def _split_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {f"{split}_{name}": value for split, values in scores.items() for name, value in values.items()}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
