"""Two ends, what they rest on and how they were found flow in; the record of an interval flows out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a true value lies with some confidence.

    lower, upper: the two ends, lower <= upper.
    n: the rows that the interval rests on (of recall, for one, those of the positive class only).
    method: a short name, such as "Wilson" or "BCa bootstrap".
    """

    lower: float
    upper: float
    n: int
    method: str

    def around(self, value: float) -> Interval:
        """Return the interval, extended to contain `value` if it does not."""
        return replace(self, lower=min(self.lower, value), upper=max(self.upper, value))

    def mirrored(self) -> Interval:
        """Return the interval of the negated value."""
        return replace(self, lower=-self.upper, upper=-self.lower)


def normal_quantile(confidence: float) -> float:
    """Return how many standard errors a two-sided interval reaches to each side: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
