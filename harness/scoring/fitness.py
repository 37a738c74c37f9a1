"""A metric, and the evidence it would be computed from, in; what is lacking or spoilt, with a remedy, out."""

from __future__ import annotations

from collections.abc import Sequence

from harness.scoring.evidence import Evidence
from harness.scoring.metrics import Metric
from harness.scoring.subject import Subject

__tracebackhide__ = True

_CALIBRATE = "wrap it in CalibratedClassifierCV"
_INPUTS = {
    "probability": ("probabilities", _CALIBRATE),
    "ranking": ("probabilities or a decision function", "use an estimator with predict_proba"),
}


def lack(
    metric: Metric, evidence: Evidence, subject: Subject, known: Sequence[str]
) -> tuple[str, str] | None:
    """Return what the task, the predictions or the rows lack for `metric`, and a remedy.

    known: names of the scores of this task.
    """
    name, needs = metric.name, metric.needs
    if subject.task not in metric.tasks:
        kind = "regression" if "regression" in metric.tasks else "classification"
        return f"{name} is a {kind} score; {subject.dataset} is {subject.task}", f"use {', '.join(known)}"
    ranking = evidence.predictions.ranking
    given = {"probability": evidence.predictions.probability, "ranking": ranking}
    if needs in given and given[needs] is None:
        noun, remedy = _INPUTS[needs]
        other = "accuracy" if ranking is None else "roc_auc"
        return f"{name} needs {noun}, and {subject.estimator} gives none", f"{remedy} or use {other}"
    if needs == "probability" and not evidence.normalized:
        problem = f"{name} needs probabilities, and those of {subject.estimator} do not sum to 1 a row"
        return problem, f"{_CALIBRATE} or use roc_auc"
    if len(evidence) < metric.least:
        return f"{name} needs at least {metric.least} rows, not {subject}", "take a larger slice"
    if needs == "ranking" and (absent := evidence.absent()):
        shown = ", ".join(repr(subject.classes[code]) for code in absent[:5])
        more = f" or one of {len(absent) - 5} more" if len(absent) > 5 else ""
        problem = f"{name} needs every class, and none of {subject} is {shown}{more}"
        return problem, "use accuracy here, or take more rows"
    return None


def fault(metric: Metric, evidence: Evidence, subject: Subject) -> tuple[str, str] | None:
    """Return what spoils the predictions or weights for `metric`, and a remedy."""
    weight = evidence.weight
    if weight is not None and not weight.sum() > 0:
        return f"the weights of {subject} sum to {weight.sum():g}", "take rows that have a weight"
    if bad := evidence.unfit(metric.needs):
        wrong = "nan, infinity or an unknown class" if subject.classes else "nan or infinity"
        problem = f"{subject.estimator} predicted {wrong} for {bad:,} of {subject}"
        return problem, "a score needs a proper prediction for every row"
    return None
