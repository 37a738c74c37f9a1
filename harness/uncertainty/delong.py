"""True classes and rankings flow in; areas under the ROC curve, their intervals and differences flow out."""

from __future__ import annotations

import math
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


def auc_interval(
    y: NDArray[Any], ranking: NDArray[Any], n_classes: int, confidence: float
) -> Interval | None:
    """Return the interval of an area by DeLong's variance on the logit scale, so that it lies in 0..1.

    y, ranking: as in `area`. The scale is that of Pepe (2003, The Statistical Evaluation of Medical
    Tests, 5.2.4); Qin & Hotilovac (2008, Statistical Methods in Medical Research 17:207) compare such
    intervals. None where the variance says nothing: an area of 0 or 1, equal rankings, a class of one row.
    """
    found = area(y, ranking, n_classes)
    variance = _variance(y, found.components)
    if not 0 < found.value < 1 or variance <= _ROUNDING:
        return None
    middle = math.log(found.value / (1 - found.value))
    half = normal_quantile(confidence) * math.sqrt(variance) / (found.value * (1 - found.value))
    lower, upper = _expit(middle - half), _expit(middle + half)
    return Interval(lower=lower, upper=upper, n=len(y), method=METHOD).around(found.value)


def auc_difference(
    y: NDArray[Any],
    ranking_a: NDArray[Any],
    ranking_b: NDArray[Any],
    n_classes: int,
    confidence: float,
) -> Interval | None:
    """Return the interval of area a minus area b on the same rows, by DeLong's covariance, within -1..1.

    y, ranking_a, ranking_b: as in `area`. None where the variance says nothing, as where both order all rows
    alike.
    """
    a, b = area(y, ranking_a, n_classes), area(y, ranking_b, n_classes)
    value = a.value - b.value
    variance = _variance(y, a.components - b.components)
    if variance <= _ROUNDING:
        return None
    half = normal_quantile(confidence) * math.sqrt(variance)
    lower, upper = max(value - half, -1.0), min(value + half, 1.0)
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


def _expit(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > 0 else math.exp(logit) / (1 + math.exp(logit))
