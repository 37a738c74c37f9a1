"""A record in; the properties that JUnit's file shows of its item out."""

from __future__ import annotations

from collections.abc import Sequence

from harness.results import ComparisonRecord, ContractRecord, GateRecord, Record, TrialRecord
from harness.verdicts import whole_text

__tracebackhide__ = True


def properties(record: Record) -> list[tuple[str, str]]:
    """Return names and values, whole numbers and floats with every digit.

    Of a trial its objective, its scores by the names that MLflow has (`validation_roc_auc`) and what it
    logged; of a gate its policy, its verdict and each comparison by the name of the score; of a contract
    its verdict, the digest of the data and the number of rows of each split.
    """
    match record:
        case TrialRecord():
            found = _trial(record)
        case GateRecord():
            found = _gate(record)
        case ContractRecord():
            found = [("contract", record.verdict)]
            found += [("data_digest", record.digest)] if record.digest else []
            found += [(f"{split}_rows", str(n)) for split, n in record.rows.items()]
        case _:
            found = []
    return found


def _trial(record: TrialRecord) -> list[tuple[str, str]]:
    found = [("objective", record.objective)] if record.objective else []
    for split, scores in record.scores.items():
        found += [(f"{split}_{name}", repr(value)) for name, value in scores.items()]
    return found + [(name, repr(value)) for name, value in record.logged.items()]


def _gate(record: GateRecord) -> list[tuple[str, str]]:
    found = [("gate_policy", record.policy)]
    found += [("verdict", _verdict(record.compared))] if record.comparisons else []
    found += [(name, repr(value)) for name, value in record.uncompared.items()]
    return found + [(one.score, whole_text(one)) for one in record.compared]


def _verdict(comparisons: Sequence[ComparisonRecord]) -> str:
    """Return what a gate's comparisons prove together: PROVEN if each of them is."""
    known = {one.verdict for one in comparisons}
    return next((word for word in ("REFUTED", "NOT PROVEN") if word in known), "PROVEN")
