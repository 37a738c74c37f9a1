"""True classes and rankings flow in; areas under the ROC curve, their intervals and differences flow out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.uncertainty.interval import Interval, normal_quantile

__tracebackhide__ = True

METHOD = "DeLong"

_ROUNDING = 1e-28  # a variance below it is that of equal components, summed in floating point


@dataclass(frozen=True, slots=True)
class Area:
    """An area under the ROC curve, or the mean of the one-vs-rest areas of K classes.

    value: in 0..1, ties counted half.
    components: (n,) what each row adds; `value` moves by the mean over its class of what they differ by.
    """

    value: float
    components: NDArray[np.float64]


def area(y: NDArray[Any], ranking: NDArray[Any], n_classes: int) -> Area:
    """Return the area and its structural components (DeLong et al. 1988, Biometrics 44:837).

    y: (n,) codes 0..K-1, each with a row; ranking: (n,) for two classes (higher means code 1), else (n, K).

    They are found by sorting, as by Sun & Xu 2014 (IEEE Signal Processing Letters 21:1389), in
    O(K n log n).
    """
    columns = ranking[:, None] if n_classes == 2 else ranking
    codes = [1] if n_classes == 2 else range(n_classes)
    value, components = 0.0, np.zeros(len(y))
    sizes = np.bincount(y, minlength=n_classes)
    for column, code in enumerate(codes):
        positive = y == code
        higher, lower = columns[positive, column], columns[~positive, column]
        above = _placed(higher, lower) / len(lower)
        below = 1 - _placed(lower, higher) / len(higher)
        value += float(above.mean()) / len(codes)
        components[positive] += above / len(codes)
        # Rows of the rest count by the size of the rest; the variance is taken within their own class.
        components[~positive] += below * (sizes[y[~positive]] / len(lower)) / len(codes)
    return Area(min(value, 1.0), components)


def auc_interval(y: NDArray[Any], ranking: NDArray[Any], n_classes: int, confidence: float) -> Interval:
    """Return the interval of an area by DeLong's variance on the logit scale, so that it lies in 0..1.

    y, ranking: as in `area`. The scale is that of Pepe (2003, The Statistical Evaluation of Medical
    Tests, 5.2.4); Qin & Hotilovac (2008, Statistical Methods in Medical Research 17:207) compare such
    intervals. Where the variance says nothing (an area of 0 or 1, equal rankings, a class of one row) the
    ends are those of Hoeffding's inequality for U-statistics (1963, JASA 58:13) with as many disjoint pairs
    as the smallest class has rows; for an area of 1 and k pairs that is exactly (alpha/2) ** (1/k).
    """
    found = area(y, ranking, n_classes)
    variance = _variance(y, found.components)
    if 0 < found.value < 1 and variance > _ROUNDING:
        middle = math.log(found.value / (1 - found.value))
        half = normal_quantile(confidence) * math.sqrt(variance) / (found.value * (1 - found.value))
        lower, upper = _expit(middle - half), _expit(middle + half)
    else:
        lower, upper = _hoeffding(found.value, _pairs(y, n_classes), (1 - confidence) / 2)
    return Interval(lower=lower, upper=upper, n=len(y), method=METHOD).around(found.value)


def auc_difference(
    y: NDArray[Any],
    ranking_a: NDArray[Any],
    ranking_b: NDArray[Any],
    n_classes: int,
    confidence: float,
) -> Interval:
    """Return the interval of area a minus area b on the same rows, by DeLong's covariance, within -1..1.

    y, ranking_a, ranking_b: as in `area`. Rankings that order all rows alike give exactly [0, 0]; where
    else the variance says nothing, the ends are those of Hoeffding's inequality.
    """
    a, b = area(y, ranking_a, n_classes), area(y, ranking_b, n_classes)
    value = a.value - b.value
    variance = _variance(y, a.components - b.components)
    if _same_order(ranking_a, ranking_b):
        lower = upper = 0.0
    elif variance > _ROUNDING:
        half = normal_quantile(confidence) * math.sqrt(variance)
        lower, upper = max(value - half, -1.0), min(value + half, 1.0)
    else:
        # The difference of two kernels in 0..1 lies in -1..1.
        low, high = _hoeffding((abs(value) + 1) / 2, _pairs(y, n_classes), (1 - confidence) / 2)
        lower, upper = (2 * low - 1, 2 * high - 1) if value >= 0 else (1 - 2 * high, 1 - 2 * low)
    return Interval(lower=lower, upper=upper, n=len(y), method=METHOD).around(value)


def _placed(values: NDArray[Any], among: NDArray[Any]) -> NDArray[np.float64]:
    """Return for each value how many of the others lie below it, equal ones counted half."""
    others = np.sort(among)
    return (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / 2


def _variance(y: NDArray[Any], components: NDArray[np.float64]) -> float:
    sizes = np.bincount(y)
    sizes, row = sizes[sizes > 0], np.unique(y, return_inverse=True)[1]
    if sizes.min() < 2:
        return 0.0
    off = components - (np.bincount(row, components) / sizes)[row]
    return float((np.bincount(row, off * off) / ((sizes - 1) * sizes)).sum())


def _pairs(y: NDArray[Any], n_classes: int) -> int:
    sizes = np.bincount(y, minlength=n_classes)
    return int(np.minimum(sizes, len(y) - sizes).min())


def _hoeffding(value: float, pairs: int, tail: float) -> tuple[float, float]:
    """Return the values whose mean over `pairs` independent pairs reaches `value` with `tail` at most."""
    if value < 0.5:
        lower, upper = _hoeffding(1 - value, pairs, tail)
        return 1 - upper, 1 - lower

    def unlikely(true: float) -> bool:
        return pairs * _divergence(value, true) >= -math.log(tail)

    lower = tail ** (1 / pairs) if value == 1 else _edge(unlikely, value, 0.0)
    return lower, 1.0 if value == 1 else _edge(unlikely, value, 1.0)


def _edge(unlikely: Callable[[float], bool], near: float, far: float) -> float:
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (near, middle) if unlikely(middle) else (middle, far)
    return far


def _divergence(value: float, true: float) -> float:
    parts = ((value, true), (1 - value, 1 - true))
    return sum(p * math.log(p / max(q, 1e-300)) for p, q in parts if p > 0)


def _same_order(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether both order all rows alike, equal ones included, in every column."""
    pairs = zip(np.atleast_2d(a.T), np.atleast_2d(b.T), strict=True)
    return all(
        bool((np.unique(one, return_inverse=True)[1] == np.unique(other, return_inverse=True)[1]).all())
        for one, other in pairs
    )


def _expit(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > 0 else math.exp(logit) / (1 + math.exp(logit))
