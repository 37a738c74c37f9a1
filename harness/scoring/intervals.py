"""A metric and evidence flow in; intervals of scores and differences, and what they prove, flow out."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from harness.errors import ScoreError
from harness.models.threads import bound
from harness.scoring import worst
from harness.scoring.evidence import Evidence
from harness.scoring.standard import Metric
from harness.scoring.weighted import statistic
from harness.uncertainty import bootstrap, proportions
from harness.uncertainty import mcnemar as exact
from harness.uncertainty.delong import auc_difference, auc_interval
from harness.uncertainty.interval import Interval
from harness.uncertainty.resamples import MOST_UNITS
from harness.uncertainty.search import by_square_root, by_two_widths
from harness.uncertainty.statistics import Combination, Statistic

__tracebackhide__ = True

Side = Literal["above", "below"]

LEAST = 50
"""Rows, or groups, below which resampling proves nothing of losses that one row can make as large as it
likes: of 26 rows with normal errors, every twelfth proof about an rmse is false."""

BAYESIAN = "Bayesian bootstrap"
"""Method of an interval whose ends are those of `bootstrap.bound`."""

_MOST_REPEATED = MOST_UNITS // 4
"""Rows up to which it is found out, and not assumed, how a bound moves with their number."""

_FEW_ROWS = 256
"""Up to so many it is looked sixteen times as far as they reach, and not four times."""


def interval(metric: Metric, evidence: Evidence, confidence: float) -> Interval:
    """Return the interval of a score.

    Wilson for accuracy, binary precision and binary recall, DeLong for roc_auc; where rows have weights or
    belong to groups, and for all other metrics, the bootstrap.

    confidence: 0 < confidence < 1. Raise `ScoreError` where there is none.
    """
    if (counted := _counted(metric, evidence)) is not None:
        return proportions.wilson(*counted, confidence)
    ranking = evidence.predictions.ranking
    if _is(metric, "roc_auc") and _plain(evidence) and ranking is not None:
        found = auc_interval(evidence.y, ranking, evidence.n_classes, confidence)
        return _beyond_the_seen(metric, evidence, confidence) if found is None else found
    try:
        return _bootstrapped(
            metric, statistic(metric, evidence), float(metric.function(evidence)), evidence, confidence
        )
    except bootstrap.AlikeError:
        if not worst.bounded(metric):
            raise
        return _beyond_the_seen(metric, evidence, confidence)


def _beyond_the_seen(metric: Metric, evidence: Evidence, confidence: float) -> Interval:
    """Return the interval of a score of rows of which none tells how it may vary: all are right, say."""
    lower, upper = bounds(metric, evidence, confidence)
    return Interval(lower=lower, upper=upper, n=len(evidence), method=BAYESIAN)


def bounds(metric: Metric, evidence: Evidence, confidence: float) -> tuple[float, float]:
    """Return the lower and the upper bound of a proof, each of which errs in (1 - confidence) / 2 of samples.

    They are the exact ones of Clopper and Pearson for proportions. Other scores of labels and rankings, which
    no interval bounds well where few rows go wrong, have those of `bootstrap.bound`; the rest, which one
    row can make as bad as you like, have the ends of their interval.
    """
    return _bound(metric, evidence, confidence, "above"), _bound(metric, evidence, confidence, "below")


def proof(metric: Metric, evidence: Evidence, threshold: float, confidence: float) -> Side | None:
    """Return on which side of `threshold` the true score lies, None if the rows do not tell."""
    if _few(metric, evidence):
        return None
    value = float(metric.function(evidence))
    if value > threshold and _bound(metric, evidence, confidence, "above") >= threshold:
        return "above"
    if value < threshold and _bound(metric, evidence, confidence, "below") <= threshold:
        return "below"
    return None


def settling(metric: Metric, evidence: Evidence, threshold: float, confidence: float) -> int | None:
    """Return how many rows would tell on which side of `threshold` the true score lies.

    The score is taken to stay as it is. They are rows of the kind that `Interval.n` counts: exact for
    proportions, by the square root law for losses; else by what many times these rows would bring, for the
    row that is added to them weighs less and less. None if no number does: the score equals the threshold,
    or more than 10**9 rows would be needed.
    """
    if (counted := _counted(metric, evidence)) is not None:
        return proportions.settling(*counted, threshold, confidence)
    value = float(metric.function(evidence))
    side: Side = "above" if value > threshold else "below"
    half = abs(value - _bound(metric, evidence, confidence, side))
    if half and worst.bounded(metric) and len(evidence) <= _MOST_REPEATED:
        times = _times(evidence)
        narrower = abs(value - _bound(metric, evidence.repeated(times), confidence, side))
        return by_two_widths(len(evidence), half, times, narrower, abs(value - threshold))
    return _at_least(metric, evidence, by_square_root(len(evidence), half, abs(value - threshold)))


def difference(metric: Metric, a: Evidence, b: Evidence, confidence: float) -> Interval:
    """Return the interval of the score of a minus that of b, which are of the same rows in the same order.

    DeLong for roc_auc, else the paired bootstrap: both sides see the same resamples. Exchanging a and b
    mirrors it exactly. Two models that say the same of all these rows may differ on others: how much is told
    by `bootstrap.bound`.

    Raise `ScoreError` where there is none, as of equal predictions and a loss.
    """
    if (mine := _said(metric, a)) == (other := _said(metric, b)):
        return _beyond_the_same(metric, a, b, confidence)
    value_a, value_b = float(metric.function(a)), float(metric.function(b))
    if (value_a, mine) < (value_b, other):  # one order, so that no rounding depends on who is first
        return difference(metric, b, a, confidence).mirrored()
    if _is(metric, "roc_auc") and _plain(a):
        assert a.predictions.ranking is not None, "Scores refuses a metric whose input is missing"
        assert b.predictions.ranking is not None, "Scores refuses a metric whose input is missing"
        rankings = a.predictions.ranking, b.predictions.ranking
        found = auc_difference(a.y, *rankings, a.n_classes, confidence)
        if found is None:
            return _beyond_the_same(metric, a, b, confidence)
        return found.around(value_a - value_b)
    both = Combination((statistic(metric, a), statistic(metric, b)), (1.0, -1.0))
    return _bootstrapped(metric, both, value_a - value_b, a, confidence, paired=True)


def _beyond_the_same(metric: Metric, a: Evidence, b: Evidence, confidence: float) -> Interval:
    """Return the interval of a difference of which no row tells how it may vary."""
    if not worst.bounded(metric):
        raise bootstrap.AlikeError(
            f"{metric.name} has no interval: both models say the same of all {len(a):,} rows",
            "take more rows, or compare a score whose interval counts rows, such as accuracy",
        )
    lower, upper = difference_bounds(metric, a, b, confidence)
    return Interval(lower=lower, upper=upper, n=len(a), method=BAYESIAN)


def mcnemar(metric: Metric, a: Evidence, b: Evidence) -> float | None:
    """Return the exact two-sided p-value that both are equally accurate; None for other metrics and rows."""
    differing = _differing(metric, a, b)
    return None if differing is None else exact.two_sided(*differing)


def difference_bounds(metric: Metric, a: Evidence, b: Evidence, confidence: float) -> tuple[float, float]:
    """Return the lower and the upper bound of a proof about the score of a minus that of b.

    Scores of labels and rankings have those of `bootstrap.bound`, others the ends of the interval.
    """
    lower = _difference_bound(metric, a, b, confidence)
    return lower, -_difference_bound(metric, b, a, confidence)


def difference_proof(
    metric: Metric, a: Evidence, b: Evidence, threshold: float, confidence: float
) -> Side | None:
    """Return on which side of `threshold` the true difference, a minus b, lies; None if the rows do not tell.

    That one is more accurate than the other is told by McNemar's exact test, and that it ranks better by the
    interval of the difference; all else by `difference_bounds`.
    """
    if _few(metric, a):
        return None
    value = float(metric.function(a)) - float(metric.function(b))
    if value >= threshold and _exceeds(metric, a, b, threshold, confidence):
        return "above"
    if value <= threshold and _exceeds(metric, b, a, -threshold, confidence):
        return "below"
    return None


def difference_settling(
    metric: Metric, a: Evidence, b: Evidence, threshold: float, confidence: float
) -> int | None:
    """Return how many rows would tell on which side of `threshold` the true difference lies.

    The difference is taken to stay as it is; exact for accuracy and a threshold of 0, else as `settling`
    has it. None if no number does.
    """
    value = float(metric.function(a)) - float(metric.function(b))
    if value < threshold:
        a, b, value, threshold = b, a, -value, -threshold
    if threshold == 0 and (differing := _differing(metric, a, b)) is not None:
        return exact.settling(*differing, len(a), (1 - confidence) / 2)
    if metric.name == "roc_auc" and not metric.place and threshold >= 0:
        end = difference(metric, a, b, confidence).lower
        return by_square_root(len(a), value - end, value - threshold)
    half = value - _difference_bound(metric, a, b, confidence)
    if half and worst.bounded(metric) and len(a) <= _MOST_REPEATED:
        times = _times(a)
        narrower = value - _difference_bound(metric, a.repeated(times), b.repeated(times), confidence)
        return by_two_widths(len(a), half, times, narrower, value - threshold)
    return _at_least(metric, a, by_square_root(len(a), half, value - threshold))


def _times(evidence: Evidence) -> int:
    return 16 if len(evidence) <= _FEW_ROWS else 4


def _exceeds(metric: Metric, a: Evidence, b: Evidence, threshold: float, confidence: float) -> bool:
    """Return whether a is proven to be more than b by the threshold, or to be less by less than it."""
    differing = _differing(metric, a, b)
    if differing is not None:
        more = exact.one_sided(*differing) <= (1 - confidence) / 2
    elif metric.name == "roc_auc" and not metric.place:
        # The interval errs only where the worse one may go very wrong on rows yet unseen.
        found = difference(metric, a, b, confidence)
        if threshold > 0:
            return found.lower > threshold
        more = found.lower > 0
    else:
        return _difference_bound(metric, a, b, confidence) > threshold
    if threshold == 0 or more != (threshold > 0):
        return more
    return _difference_bound(metric, a, b, confidence) > threshold


def _bound(metric: Metric, evidence: Evidence, confidence: float, side: Side) -> float:
    """Return the end of which the true score is proven to lie above, or below."""
    if (counted := _counted(metric, evidence)) is not None:
        lower, upper = proportions.clopper_pearson(*counted, confidence)
    elif worst.bounded(metric):
        one_sided = worst.lower_bound if side == "above" else worst.upper_bound
        return one_sided(metric, evidence, (1 - confidence) / 2)
    else:
        found = interval(metric, evidence, confidence)
        lower, upper = found.lower, found.upper
    return lower if side == "above" else upper


def _difference_bound(metric: Metric, a: Evidence, b: Evidence, confidence: float) -> float:
    """Return the end above which the true difference, a minus b, is proven to lie."""
    if worst.bounded(metric):
        return worst.lower_bound_of_difference(metric, a, b, (1 - confidence) / 2)
    return difference(metric, a, b, confidence).lower


def shortage(metric: Metric, evidence: Evidence) -> str:
    """Return why so few rows prove nothing about such a score; empty if they may."""
    if not _few(metric, evidence):
        return ""
    kinds = {"cluster": "groups", "block": "blocks of neighbours in time"}
    kind = "rows" if evidence.groups is None else kinds[evidence.grouping]
    found = (
        f"are {len(evidence.units)}"
        if evidence.weight is None
        else f"weigh as much as {_worth(evidence):.0f}"
    )
    return f"{metric.name} proves nothing on fewer than {LEAST} {kind}, and these {found}"


def _few(metric: Metric, evidence: Evidence) -> bool:
    return not worst.bounded(metric) and _worth(evidence) < LEAST


def _worth(evidence: Evidence) -> float:
    """Return how many units of equal weight would be as much: (sum w)^2 / sum w^2 (Kish 1965)."""
    if evidence.weight is None:
        return len(evidence.units)
    weights = evidence.units.summed(evidence.weight[:, None])
    return float(weights.sum() ** 2 / (weights**2).sum())


def _at_least(metric: Metric, evidence: Evidence, rows: int | None) -> int | None:
    """Return the number of rows, or that from which on resampling proves anything."""
    if rows is None or not _few(metric, evidence):
        return rows
    return max(rows, math.ceil(LEAST * len(evidence) / _worth(evidence)))


def _refuse_nothing(metric: Metric, evidence: Evidence) -> None:
    """Raise `ScoreError` for precision, recall or f1 of two classes that no row has anything to do with."""
    if metric.place or evidence.n_classes != 2 or metric.name not in ("precision", "recall", "f1"):
        return
    truly, said = evidence.y == 1, evidence.predictions.labels == 1
    chosen = {"precision": said, "recall": truly, "f1": said | truly}[metric.name]
    if not chosen.any():
        what = {"precision": "predicted", "recall": "truly", "f1": "predicted or truly"}[metric.name]
        raise ScoreError(
            f"{metric.name} has no interval: none of {len(truly):,} rows is {what} positive",
            "use balanced_accuracy or roc_auc here, or take more rows",
        )


def _is(metric: Metric, name: str) -> bool:
    return metric.name == name and not metric.place


def _plain(evidence: Evidence) -> bool:
    return evidence.weight is None and evidence.groups is None


def _counted(metric: Metric, evidence: Evidence) -> tuple[int, int] | None:
    """Return successes and rows of a score that is a proportion of rows, None for others.

    Raise `ScoreError` if it is one of no rows.
    """
    _refuse_nothing(metric, evidence)
    if not _plain(evidence) or metric.place:
        return None
    y, said = evidence.y, evidence.predictions.labels
    if metric.name == "accuracy":
        return int((y == said).sum()), len(y)
    if evidence.n_classes != 2 or metric.name not in ("precision", "recall"):
        return None
    chosen = said == 1 if metric.name == "precision" else y == 1
    return int((y == said)[chosen].sum()), int(chosen.sum())


def _differing(metric: Metric, a: Evidence, b: Evidence) -> tuple[int, int] | None:
    """Return how many rows only a, and only b, has right; None where that is not what the metric compares."""
    if not _is(metric, "accuracy") or not _plain(a):
        return None
    mine, other = a.y == a.predictions.labels, b.y == b.predictions.labels
    return int((mine & ~other).sum()), int((other & ~mine).sum())


def _bootstrapped(
    metric: Metric,
    of: Statistic,
    estimate: float,
    evidence: Evidence,
    confidence: float,
    *,
    paired: bool = False,
) -> Interval:
    words = ["paired"] if paired else []
    words += [evidence.grouping] if evidence.groups is not None else []
    words += ["BCa" if of.smooth else "percentile", "bootstrap"]
    try:
        with bound(1):  # threads of BLAS only wait for each other here
            return bootstrap.interval(of, estimate, evidence.units, confidence, method=" ".join(words))
    except ScoreError as error:
        raise type(error)(f"{metric.name} has no interval: {error.problem}", error.remedy) from error


def _said(metric: Metric, evidence: Evidence) -> tuple[bytes, ...]:
    """Return the predictions that the metric looks at; a `@metric` may look at all of them."""
    said = evidence.predictions
    seen = ("labels", "probability", "ranking") if metric.place else (metric.needs,)
    parts = (getattr(said, name) for name in seen)
    return tuple(b"" if part is None else np.ascontiguousarray(part).tobytes() for part in parts)


def alike(metric: Metric, a: Evidence, b: Evidence) -> bool:
    """Return whether two models say the same of these rows, in what the metric looks at."""
    return _said(metric, a) == _said(metric, b)


def rests_on(metric: Metric, evidence: Evidence) -> int:
    """Return how many rows a score rests on: of recall those of the positive class, else all of them."""
    try:
        counted = _counted(metric, evidence)
    except ScoreError:  # of no row of that kind
        return 0
    return len(evidence) if counted is None else counted[1]
