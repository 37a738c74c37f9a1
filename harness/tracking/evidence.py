"""The records of a promoted experiment in; what its registered version says of why it is there out; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.results import ContractRecord, GateRecord, RunRecord
from harness.tracking import notes
from harness.tracking.grouped import Group
from harness.tracking.names import rename, shorten
from harness.tracking.registry import Promotion
from harness.verdicts import gate_text

__tracebackhide__ = True

_TAG = 5000


def promotion(run: RunRecord, group: Group, *, name: str, alias: str) -> Promotion:
    """Return what is to be registered of an experiment's best trial, which it must have.

    name: of the registered model; alias: that it gets.
    """
    winner, best = group.winner, group.best
    assert winner is not None
    assert best is not None
    told = {
        "experiment": group.name,
        "registered_name": name,
        "alias": alias,
        "promoted": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run.id,
        "commit": run.commit,
        "dirty": run.dirty,
        "harness_version": run.harness_version,
        "backend": run.backend,
        "trial": {
            "node_id": winner.node_id,
            "params": dict(winner.params),
            "estimator": winner.estimator,
            "features": list(winner.features),
            "objective": winner.objective,
            "value": winner.value,
            "scores": {**winner.scores, "test": dict(best.test), "baseline": dict(best.baseline)},
            "logged": dict(winner.logged),
        },
        "trials": len(group.trials),
        "model_digest": best.model_digest,
        "data": _data(group.contracts.get(winner.dataset or "")),
        "test_rows": best.test_rows,
        "openings": best.openings,
        "gates": [gate.to_json() for gate in group.gates],
    }
    return Promotion(
        name=name,
        alias=alias,
        digest=best.model_digest or "",
        experiment=group.key,
        trial=f"trial:{winner.node_id}",
        tags=_tags(told, group),
        description=_description(told, group),
        evidence=told,
    )


def _data(contract: ContractRecord | None) -> dict[str, Any]:
    if contract is None:
        return {}
    names = ("dataset", "digest", "contract", "verdict", "rows", "columns", "violations")
    return {name: value for name, value in contract.to_json().items() if name in names}


def _tags(told: Mapping[str, Any], group: Group) -> dict[str, str]:
    data = told["data"]
    known = {
        "harness.experiment": told["experiment"],
        "harness.node_id": told["trial"]["node_id"],
        "harness.params": json.dumps(told["trial"]["params"], default=repr),
        "harness.dataset": data.get("dataset"),
        "harness.data_digest": data.get("digest"),
        "harness.contract": data.get("verdict"),
        "harness.test_rows": told["test_rows"],
        "harness.openings": told["openings"],
        "harness.run": told["run"],
        "harness.commit": told["commit"],
        "harness.git.dirty": None if told["dirty"] is None else str(told["dirty"]).lower(),
    }
    tags = {key: shorten(str(value), _TAG) for key, value in known.items() if value is not None}
    keys = rename({f"gate.{gate.node_id.rpartition('::')[2]}": None for gate in group.gates})
    gates = zip(keys.values(), group.gates, strict=True)
    return {**tags, **{key: shorten(_gate(gate), _TAG) for key, gate in gates}}


def _gate(gate: GateRecord) -> str:
    told = gate_text(gate)
    return f"{gate.outcome}: {told}" if told else gate.outcome


def _description(told: Mapping[str, Any], group: Group) -> str:
    commit, data = told["commit"], told["data"]
    where = f"commit {commit[:12]}" if commit else "no commit"
    where += " with changes" if told["dirty"] else ""
    verdict = f", contract {data['verdict']}" if data.get("contract") else ""
    rows = f"; {data['dataset']} {data['digest'][:12]}{verdict}" if data.get("digest") else ""
    return f"{group.name}, {where}{rows}\n\n{notes.of_experiment(group)}"
