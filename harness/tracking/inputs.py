"""The contract record of a data set in, its description for MLflow by digest out; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from harness.results import ContractRecord, RunRecord

__tracebackhide__ = True

_DIGEST_LENGTH = 10  # of what the UI shows beside the name; the whole digest is a tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A data set as MLflow knows it; schema, profile and source are JSON."""

    name: str
    digest: str
    schema: str
    profile: str
    source: str
    context: str
    """Its splits, joined by plus signs."""


def data_input(run: RunRecord, contract: ContractRecord) -> Input | None:
    """Describe the data set of a contract; None if there were no rows to describe."""
    if contract.digest is None:
        return None
    tags = {"mlflow.source.name": contract.node_id, "mlflow.source.type": "LOCAL"}
    if run.commit:
        tags["mlflow.source.git.commit"] = run.commit
    columns = [
        {"name": name, "type": column_type(dtype) or "string", "required": True}
        for name, dtype in contract.columns.items()
    ]
    profile: Mapping[str, object] = {
        "num_rows": sum(contract.rows.values()),
        "num_columns": len(columns),
        **contract.rows,
    }
    return Input(
        name=contract.dataset,
        digest=contract.digest[:_DIGEST_LENGTH],
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps(profile),
        source=json.dumps({"tags": tags}),
        context="+".join(split for split, count in contract.rows.items() if count),
    )


def column_type(dtype: str) -> str | None:
    """Return MLflow's name of a pandas dtype; None if it has none."""
    if dtype.startswith(("int", "uint", "Int", "UInt")):
        return "long"
    if dtype.lower().startswith("float"):
        return "double"
    if dtype.lower().startswith("bool"):
        return "boolean"
    if dtype.startswith("datetime64") and "," not in dtype:  # a comma: with a time zone
        return "datetime"
    return "string" if dtype in {"str", "string", "object", "category"} else None
