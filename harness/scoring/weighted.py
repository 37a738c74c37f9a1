"""A metric and evidence flow in; the metric as a statistic of resampled rows flows out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ScoreError
from harness.scoring.evidence import Evidence
from harness.scoring.ranks import AveragePrecision, RocArea, Sorted, cumulated
from harness.scoring.standard import Metric
from harness.uncertainty.resamples import Units, blocks
from harness.uncertainty.statistics import Called, Combination, Linear, Moments, Statistic

__tracebackhide__ = True

Array = NDArray[np.float64]

MOST_SORTED = 60_000
"""Rows times classes; beyond it statistics of sorted rows are taken by their derivatives."""


def statistic(metric: Metric, evidence: Evidence) -> Statistic:
    """Return `metric` as a function of how often each row of `evidence` is drawn; its weight goes along.

    Raise `ScoreError` for `max_error`, which no bootstrap fits.
    """
    if metric.place:
        return Called(lambda rows: metric.function(evidence.at(rows)), len(evidence))
    return FORMS[metric.name](metric, evidence)


def _total(per_class: NDArray[Any]) -> Array:
    return np.asarray(per_class.sum(axis=1), dtype=np.float64)


def _weight(e: Evidence) -> Array:
    return np.ones(len(e)) if e.weight is None else e.weight


# Labels ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of weights (B, K) by class: of the rows that have it, are said to have it, and are so rightly.

    rows: (B, K) not of weights: how many rows have the class or are said to.
    """

    right: Array
    true: Array
    said: Array
    rows: Array

    @property
    def all(self) -> Array:
        return _total(self.true)


def _labels(function: Callable[[_Sums], Array], _: Metric, e: Evidence) -> Statistic:
    w = _weight(e)[:, None]
    true, said = (np.eye(e.n_classes)[codes] for codes in (e.y, e.predictions.labels))
    terms = np.hstack([true * said * w, true * w, said * w, np.maximum(true, said)])
    return Moments(terms, lambda sums: function(_Sums(*np.split(sums, 4, axis=1))))


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _over_classes(values: Array, rows: Array) -> Array:
    if values.shape[1] == 2:
        return values[:, 1]  # binary scores are those of the positive class, the last
    return _total(values) / _total(rows > 0)


def _accuracy(s: _Sums) -> Array:
    return _total(s.right) / s.all


def _balanced_accuracy(s: _Sums) -> Array:
    return _total(_ratio(s.right, s.true)) / _total(s.true > 0)


def _precision(s: _Sums) -> Array:
    return _over_classes(_ratio(s.right, s.said), s.rows)


def _recall(s: _Sums) -> Array:
    return _over_classes(_ratio(s.right, s.true), s.rows)


def _f1(s: _Sums) -> Array:
    return _over_classes(_ratio(2 * s.right, s.true + s.said), s.rows)


def _matthews(s: _Sums) -> Array:
    together, whole = _total(s.right) * s.all - _total(s.true * s.said), s.all**2
    true, said = (whole - _total(sums**2) for sums in (s.true, s.said))
    some = np.minimum(true, said) > 1e-12 * whole  # else but one class, and what is left is rounding
    return _ratio(together, np.sqrt(np.where(some, true * said, 0)))


def _kappa(s: _Sums) -> Array:
    chance = _total(s.true * s.said) / s.all
    return np.asarray((_total(s.right) - chance) / (s.all - chance))


# Rows one by one ------------------------------------------------------------------------------------------


def _mean(loss: Callable[[Evidence], Array], _: Metric, e: Evidence) -> Statistic:
    w = _weight(e)
    return Moments(np.column_stack([w * loss(e), w]), _quotient)


def _root_mean(loss: Callable[[Evidence], Array], _: Metric, e: Evidence) -> Statistic:
    w = _weight(e)
    return Moments(np.column_stack([w * loss(e), w]), lambda sums: np.sqrt(_quotient(sums)))


def _quotient(sums: Array) -> Array:
    return np.asarray(sums[:, 0] / sums[:, 1])


def _probability(e: Evidence) -> Array:
    assert e.predictions.probability is not None, "Scores refuses a metric whose input is missing"
    return np.asarray(np.minimum(e.predictions.probability, 1))


def _surprise(e: Evidence) -> Array:
    p = _probability(e)
    least = np.finfo(p.dtype).eps
    return np.asarray(-np.log(np.clip(p[np.arange(len(e)), e.y], least, 1 - least)), dtype=np.float64)


def _brier(e: Evidence) -> Array:
    off = (_probability(e) - np.eye(e.n_classes)[e.y]) ** 2
    return np.asarray(off.sum(axis=1) / (2 if e.n_classes == 2 else 1), dtype=np.float64)


def _off(e: Evidence) -> Array:
    return np.asarray(e.y - e.predictions.labels, dtype=np.float64)


def _squared(e: Evidence) -> Array:
    return _off(e) ** 2


def _absolute(e: Evidence) -> Array:
    return np.asarray(np.abs(_off(e)), dtype=np.float64)


def _relative(e: Evidence) -> Array:
    return np.asarray(_absolute(e) / np.maximum(np.abs(e.y), np.finfo(np.float64).eps))


def _explained(centred: bool, _: Metric, e: Evidence) -> Statistic:
    w, off = _weight(e), _off(e)
    y = np.asarray(e.y, dtype=np.float64) - np.average(
        e.y, weights=w
    )  # squares of large numbers cancel badly
    terms = np.column_stack([w, w * y, w * y * y, w * off, w * off * off])

    def function(sums: Array) -> Array:
        n, y, yy, off, square = np.moveaxis(sums, -1, 0)
        left = square - off**2 / n if centred else square
        whole = yy - y**2 / n
        constant = whole <= 1e-12 * yy  # then scikit-learn says 1 without any error, else 0
        return np.asarray(
            np.where(constant, np.where(left <= 0, 1.0, 0.0), 1 - left / np.where(constant, 1, whole))
        )

    return Moments(terms, function)


# Rows in order --------------------------------------------------------------------------------------------


def _sorted(kind: type[RocArea] | type[AveragePrecision], metric: Metric, e: Evidence) -> Statistic:
    ranking = e.predictions.ranking
    assert ranking is not None, "Scores refuses a metric whose input is missing"
    columns = {1: ranking} if e.n_classes == 2 else dict(enumerate(ranking.T))
    parts = [kind(Sorted.of(e.y == code, column, e.weight)) for code, column in columns.items()]
    whole = Combination(tuple(parts), (1 / len(parts),) * len(parts)) if len(parts) > 1 else parts[0]
    return Linear(whole, float(metric.function(e))) if len(e) * len(parts) > MOST_SORTED else whole


@dataclass(frozen=True, slots=True)
class Median:
    """The median of values (n,), or what has half of the weight (n,) on either side."""

    of: Array
    weight: Array | None
    smooth: bool = False

    def values(self, units: Units, counts: NDArray[Any]) -> Array:
        """Return (B,) the median in each resample."""
        order = np.argsort(self.of, kind="stable")
        column, found = units.column[order], []
        for part in blocks(counts):
            drawn = part[:, column]
            sums = cumulated(drawn if self.weight is None else drawn * self.weight[order])[:, 1:]
            half = sums[:, -1:] / 2
            # Half of the weight may end exactly between two values; their middle is meant then.
            low, high = (sums >= half).argmax(axis=1), (sums > half).argmax(axis=1)
            found.append((self.of[order[low]] + self.of[order[high]]) / 2)
        return np.concatenate(found)

    def influence(self, units: Units) -> Array:
        """Return (u,) zeros: a median has no derivative by the weights of rows."""
        return np.zeros(len(units))


def _median(_: Metric, e: Evidence) -> Statistic:
    return Median(_absolute(e), e.weight)


def _extreme(metric: Metric, e: Evidence) -> Statistic:
    raise ScoreError(
        f"{metric.name} has no interval: resampled rows never hold a larger error than these {len(e):,} rows",
        "use rmse, mae or median_absolute_error in a gate that is to be proven",
    )


FORMS: Mapping[str, Callable[[Metric, Evidence], Statistic]] = MappingProxyType(
    {
        "accuracy": partial(_labels, _accuracy),
        "balanced_accuracy": partial(_labels, _balanced_accuracy),
        "precision": partial(_labels, _precision),
        "recall": partial(_labels, _recall),
        "f1": partial(_labels, _f1),
        "roc_auc": partial(_sorted, RocArea),
        "average_precision": partial(_sorted, AveragePrecision),
        "log_loss": partial(_mean, _surprise),
        "brier_score": partial(_mean, _brier),
        "matthews_corrcoef": partial(_labels, _matthews),
        "cohen_kappa": partial(_labels, _kappa),
        "r2": partial(_explained, False),
        "rmse": partial(_root_mean, _squared),
        "mae": partial(_mean, _absolute),
        "mse": partial(_mean, _squared),
        "mape": partial(_mean, _relative),
        "median_absolute_error": _median,
        "max_error": _extreme,
        "explained_variance": partial(_explained, True),
    }
)
"""How each built-in metric is computed for many resamples at once."""
