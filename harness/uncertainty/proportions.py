"""Counts of successes flow in; intervals of their share flow out, and how many rows would decide."""

from __future__ import annotations

import math

from harness.uncertainty.interval import Interval, normal_quantile
from harness.uncertainty.search import first

__tracebackhide__ = True


def wilson(successes: int, n: int, confidence: float) -> Interval:
    """Return the score interval of a share (Wilson 1927, JASA 22:209), which lies within 0..1.

    successes: 0..n; n: at least 1.
    """
    z = normal_quantile(confidence)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    ends = Interval(
        lower=max(centre - half, 0.0) if successes else 0.0,
        upper=min(centre + half, 1.0) if successes < n else 1.0,
        n=n,
        method="Wilson",
    )
    return ends.around(share)


def clopper_pearson(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper & Pearson 1934, Biometrika 26:404).

    Each end errs in at most (1 - confidence) / 2 of all samples, whatever the true share is.
    successes, n: may be fractions, which lie between the ends of whole numbers.
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    lower = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    upper = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return lower, upper


def settling(successes: int, n: int, threshold: float, confidence: float) -> int | None:
    """Return of how many rows with this share of successes the exact interval excludes the threshold.

    It is `n` or less if the rows at hand do already, None if the share equals the threshold or more than
    10**9 rows would be needed.
    """
    share = successes / n
    if share == threshold:
        return None

    def decided(rows: int) -> bool:
        lower, upper = clopper_pearson(share * rows, rows, confidence)
        return lower >= threshold if share > threshold else upper <= threshold

    return first(decided)
