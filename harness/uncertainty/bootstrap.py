"""A statistic and the units of its rows flow in; its bootstrap interval flows out."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from harness.errors import ScoreError
from harness.uncertainty.interval import Interval
from harness.uncertainty.resamples import RESAMPLES, Units, shares
from harness.uncertainty.statistics import Statistic

__tracebackhide__ = True


class AlikeError(ScoreError):
    """All resamples give the same value: no row goes wrong, and how many may is not known from resampling."""


MOST_UNDEFINED = 0.05
"""Of the resamples; more of them, and the rest is no picture of what the rows could have been."""


def interval(
    statistic: Statistic,
    estimate: float,
    units: Units,
    confidence: float,
    *,
    method: str,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the BCa interval (Efron 1987, JASA 82:171), or that of percentiles if not smooth.

    estimate: the statistic of the rows as they are, which the interval is extended to contain.
    method: what the interval says of itself.

    Resamples are drawn with a fixed seed, within strata. Quantiles are those of Student's distribution with
    as many degrees of freedom as there are units, less one a stratum (Hesterberg 2015, American
    Statistician 69:371): plain ones are too narrow for few.

    Raise `ScoreError` if there is but one unit, if more than 5 % of the resamples have no finite value, or
    if all have the same (no error at all, say), for the bootstrap knows only what it has seen.
    """
    if len(units) <= len(units.sizes):
        raise ScoreError(
            f"a bootstrap of {len(units)} unit{'' if len(units) == 1 else 's'} says nothing",
            "an interval needs at least two rows of each class, or two groups",
        )
    values = statistic.values(units, units.counts(resamples))
    defined = np.isfinite(values)
    if (lost := 1 - defined.mean()) > MOST_UNDEFINED:
        raise ScoreError(
            f"{lost:.0%} of {resamples:,} resamples of these rows have no such score",
            "take more rows or groups, or a score that does not need every class",
        )
    values = values[defined]
    if float(np.ptp(values)) <= _near(values):
        raise AlikeError(
            f"all {resamples:,} resamples of these rows give the same value",
            "take more rows, or compare a score whose interval counts rows, such as accuracy",
        )
    reach, tail = _reach(units, confidence), NormalDist().cdf
    tails = tail(-reach), tail(reach)
    if statistic.smooth:
        tails = _corrected(values, estimate, _acceleration(statistic, units), reach)
    lower, upper = (float(end) for end in np.quantile(values, tails))
    found = Interval(lower=lower, upper=upper, n=len(units.column), method=method)
    return found.around(estimate)


def bound(statistic: Statistic, units: Units, sizes: tuple[int, ...], tail: float) -> float:
    """Return the `tail` quantile of the Bayesian bootstrap, in which a statistic has a density.

    units: of the rows and one more, added as the worst there can be. sizes: of the strata without it.

    The bound holds though few rows went wrong, or none: of a share it is the exact one of Clopper and
    Pearson, and the difference of two shares on the same rows is above it where McNemar's exact test says so.
    """
    with np.errstate(all="ignore"):
        values = np.concatenate([statistic.values(units, part) for part in shares(units, sizes)])
    return float(np.quantile(values, tail))


def _reach(units: Units, confidence: float) -> float:
    from scipy.special import stdtrit

    free = len(units) - len(units.sizes)
    return float(stdtrit(free, (1 + confidence) / 2) * np.sqrt(len(units) / free))


def _acceleration(statistic: Statistic, units: Units) -> float:
    influence = statistic.influence(units)
    if not np.isfinite(influence).all():  # without its one row a class has no score
        influence = np.where(np.isfinite(influence), influence, 0.0)
    sums = np.bincount(units.stratum, influence)
    off = influence - (sums / units.sizes)[units.stratum]  # strata keep their sizes
    spread = float((off**2).sum())
    return float((off**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0


def _corrected(
    values: NDArray[np.float64], estimate: float, acceleration: float, reach: float
) -> tuple[float, float]:
    normal = NormalDist()
    near = _near(values)
    below = float(np.mean(values < estimate - near) + np.mean(values <= estimate + near)) / 2
    bias = normal.inv_cdf(min(max(below, 0.5 / len(values)), 1 - 0.5 / len(values)))

    def moved(z: float) -> float:
        z += bias
        return normal.cdf(bias + z / max(1 - acceleration * z, 0.1))

    return moved(-reach), moved(reach)


def _near(values: NDArray[np.float64]) -> float:
    """Return how far values lie apart that are equal but for the order of summation."""
    return 1e-12 * float(np.abs(values).max())
