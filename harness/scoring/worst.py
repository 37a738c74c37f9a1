"""A metric and evidence flow in; bounds that allow for a row worse than any that was seen flow out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.model import Predictions
from harness.models.threads import bound
from harness.scoring.evidence import Evidence
from harness.scoring.standard import Metric
from harness.scoring.weighted import statistic
from harness.uncertainty import bootstrap
from harness.uncertainty.resamples import MOST_UNITS, Units
from harness.uncertainty.statistics import Combination, Statistic

__tracebackhide__ = True


def bounded(metric: Metric) -> bool:
    """Whether no single row can make the score arbitrarily bad."""
    return not metric.place and "binary" in metric.tasks and metric.name != "log_loss"


def lower_bound(metric: Metric, evidence: Evidence, tail: float) -> float:
    """Return what the true score of a `bounded` metric lies below with probability `tail` at most.

    It is that of `bootstrap.bound`, of the rows and one more: of the class where it makes the score lowest,
    or for labels and probabilities of two classes one of each, for these do not make up for each other,
    unless it is accuracy and the classes were drawn together. Then it may be a class that no row has.
    """
    return _lowest(metric, [(evidence, 1)], tail)


def upper_bound(metric: Metric, evidence: Evidence, tail: float) -> float:
    """Return what the true score of a `bounded` metric lies above with probability `tail` at most."""
    return -_lowest(metric, [(evidence, -1)], tail)


def lower_bound_of_difference(metric: Metric, a: Evidence, b: Evidence, tail: float) -> float:
    """Return what the true score of a minus that of b lies below with probability `tail` at most.

    The row that is added is wrong for the one and right for the other.
    """
    return _lowest(metric, [(a, 1), (b, -1)], tail)


def with_more(evidence: Evidence, codes: NDArray[Any], *, right: bool) -> Evidence:
    """Return the n rows and one more of each class in `codes`, all as good, or all as bad, as rows can be.

    Such a row weighs as much as any of its class. Where rows belong to groups, it is a group of its own,
    which weighs as much of its class as any group does: the heavy ones are the few that may be missing.
    """
    e, weight, groups = evidence, evidence.weight, evidence.groups
    if weight is not None or groups is not None:
        known = np.ones(len(e)) if weight is None else weight
        units = np.arange(len(e)) if groups is None else groups
        most = [_heaviest(units, known, e.y == code) for code in codes]
        weight = np.concatenate([known, most])
    if groups is not None:
        groups = np.concatenate([groups, groups.max() + 1 + np.arange(len(codes))])
    return replace(
        e, y=np.append(e.y, codes), predictions=_predictions(e, codes, right), weight=weight, groups=groups
    )


def _heaviest(units: NDArray[Any], weight: NDArray[np.float64], rows: NDArray[np.bool_]) -> float:
    """Return the most that some rows of one unit weigh; of all rows, if there are none of these."""
    chosen = rows if rows.any() else np.ones_like(rows)
    return float(np.bincount(units[chosen], weight[chosen]).max())


def _predictions(e: Evidence, codes: NDArray[Any], right: bool) -> Predictions:
    said, classes = e.predictions, np.eye(e.n_classes, dtype=bool)
    labels = codes if right else np.array([_mistaken(e, code) for code in codes])
    ranking = np.where(classes[codes] == right, np.inf, -np.inf)  # at one end of every order
    if e.n_classes == 2:
        ranking = ranking[:, 1]
    return Predictions(
        labels=np.append(said.labels, labels),
        probability=None if said.probability is None else np.concatenate([said.probability, classes[labels]]),
        ranking=None if said.ranking is None else np.concatenate([said.ranking, ranking]),
    )


def _mistaken(e: Evidence, code: int) -> int:
    """Return what rows of a class are most often mistaken for, the next class if none ever is."""
    said = e.predictions.labels[(e.y == code) & (e.predictions.labels != code)]
    return int(np.bincount(said).argmax()) if len(said) else (int(code) + 1) % e.n_classes


def _lowest(metric: Metric, signed: Sequence[tuple[Evidence, int]], tail: float) -> float:
    """Return the lower bound of a sum of scores, each times 1 or -1."""
    e = signed[0][0]
    drawn_together = len(e.units.sizes) == 1
    codes = np.arange(e.n_classes) if drawn_together else np.unique(e.y)  # any may come next
    one_counts_as_another = metric.name == "accuracy" and drawn_together
    if e.n_classes != 2 or metric.needs == "ranking" or one_counts_as_another:
        codes = codes[[_most_harmful(metric, signed, codes)]]
    total, units = _extended(metric, signed, codes)
    with bound(1):  # threads of BLAS only wait for each other here
        end = bootstrap.bound(total, units, e.units.sizes, tail)
    return min(end, sum(sign * float(metric.function(e)) for e, sign in signed))


def _most_harmful(metric: Metric, signed: Sequence[tuple[Evidence, int]], codes: NDArray[Any]) -> int:
    """Return the place of the class of which one more row lowers the sum most."""
    e = signed[0][0]
    if len(e) > MOST_UNITS:  # one row does little harm there
        return int(np.bincount(e.y, minlength=e.n_classes)[codes].argmin())
    total, units = _extended(metric, signed, codes)
    counts = np.ones((len(codes), len(units)))
    counts[:, units.column[len(e) :]] = np.eye(len(codes))
    return int(np.nan_to_num(total.values(units, counts), nan=np.inf).argmin())


def _extended(
    metric: Metric, signed: Sequence[tuple[Evidence, int]], codes: NDArray[Any]
) -> tuple[Statistic, Units]:
    sides = [with_more(e, codes, right=(sign < 0) == metric.greater_is_better) for e, sign in signed]
    parts = tuple(statistic(metric, side) for side in sides)
    return Combination(parts, tuple(float(sign) for _, sign in signed)), sides[0].units
