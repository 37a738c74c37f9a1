"""What one or two models say about some rows in; how sure a score or a difference is, when asked, out."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import ScoreError
from harness.scoring import intervals
from harness.scoring.evidence import Evidence
from harness.scoring.standard import Metric
from harness.uncertainty.interval import Interval
from harness.uncertainty.search import MOST_ROWS

__tracebackhide__ = True

Side = Literal["above", "below"]


class Estimate(Protocol):
    """A score, or a difference of two, that was estimated from some rows."""

    def interval(self) -> Interval:
        """Return its two-sided confidence interval; raise ScoreError if there is none."""

    def proof(self, threshold: float, share: float = 1.0) -> Side | None:
        """Return on which side of `threshold` the true value is proven to lie; None: on neither.

        The chance to be wrong is at most (1 - confidence) / 2 * share on either side.
        """

    def settling(self, threshold: float) -> int | None:
        """Return how many rows would prove a side if the value stays as it is; None: no number would."""

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference to another score: `Unknown` if it cannot be told."""

    @property
    def certain(self) -> bool:
        """Whether its value is the true one, whatever the rows."""

    @property
    def about(self) -> Hashable:
        """Which rows it was estimated from."""

    @property
    def reach(self) -> tuple[float, float]:
        """The lowest and the highest value that there can be."""

    @property
    def note(self) -> str:
        """What else is to be said of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Which rows of loaded data, whatever columns and features were made of them."""

    content: str
    """Digest of the loaded data; empty if nobody knows where the rows come from."""
    positions: NDArray[np.int64]
    """(n,) in the loaded data."""

    def same(self, other: Rows) -> bool:
        """Return whether two scores are of the very same rows, in the same order."""
        return self.content == other.content and np.array_equal(self.positions, other.positions)

    def apart(self, other: Rows) -> bool:
        """Return whether no row is in both, of the same loaded data."""
        return self.content == other.content and not np.isin(self.positions, other.positions).any()


@dataclass(frozen=True, slots=True, eq=False)
class _Estimate:
    """What estimates have in common unless they know better."""

    @property
    def certain(self) -> bool:
        return False

    @property
    def about(self) -> Hashable:
        return None

    @property
    def reach(self) -> tuple[float, float]:
        return -math.inf, math.inf

    @property
    def note(self) -> str:
        return ""

    def minus(self, other: Estimate) -> Estimate:
        return Unknown("of a difference of differences nothing is known")


@dataclass(frozen=True, slots=True, eq=False)
class Unknown(_Estimate):
    """A difference of two scores that belong to different things."""

    reason: str

    def interval(self) -> Interval:
        raise ScoreError(self.reason, "compare scores of one metric on the same rows: a.test - b.test")

    def proof(self, threshold: float, share: float = 1.0) -> Side | None:
        return None

    def settling(self, threshold: float) -> int | None:
        return None

    @property
    def note(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, eq=False)
class Known(_Estimate):
    """A score whose rows are no longer there: it came out of a pickle."""

    value: float
    known: Interval

    def interval(self) -> Interval:
        return self.known

    def proof(self, threshold: float, share: float = 1.0) -> Side | None:
        if share < 1:  # an interval of another confidence cannot be made of this one
            return None
        return (
            "above" if self.known.lower >= threshold else "below" if self.known.upper <= threshold else None
        )

    def settling(self, threshold: float) -> int | None:
        return enough(self.value, self.known, threshold)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Single(_Estimate):
    """A score of one model."""

    metric: Metric
    evidence: Evidence
    rows: Rows
    confidence: float
    value: float
    caveat: str = ""
    model: Callable[[], str | None] | None = None
    """Gives the digest of the model; None, or giving None, if nobody knows which it is."""

    def interval(self) -> Interval:
        return intervals.interval(self.metric, self.evidence, self.confidence)

    def proof(self, threshold: float, share: float = 1.0) -> Side | None:
        return intervals.proof(self.metric, self.evidence, threshold, _stricter(self.confidence, share))

    def settling(self, threshold: float) -> int | None:
        return intervals.settling(self.metric, self.evidence, threshold, self.confidence)

    def minus(self, other: Estimate) -> Estimate:
        if not isinstance(other, Single) or other.metric.name != self.metric.name:
            return Unknown("the two scores are not of one metric")
        if self.rows.same(other.rows):
            return Paired(
                metric=self.metric,
                a=self.evidence,
                b=other.evidence,
                confidence=self.confidence,
                itself=self._is(other),
                about=self.about,
            )
        if not self.rows.apart(other.rows):
            return Unknown("the two scores are on rows that are neither the same nor disjoint")
        if self.evidence.groups is not None:
            return Unknown("the two scores are on rows of groups, which may have rows in both")
        return Apart(a=self, b=other)

    def _is(self, other: Single) -> bool:
        """Return whether both are of one model, and not of two that say the same of these rows."""
        if self.evidence.predictions is other.evidence.predictions:
            return True
        if not intervals.alike(self.metric, self.evidence, other.evidence):
            return False  # without asking for digests, which are made of files
        if self.model is None or other.model is None:
            return False
        return (model := self.model()) is not None and model == other.model()

    @property
    def about(self) -> Hashable:
        return self.rows.content, self.rows.positions.tobytes()

    @property
    def reach(self) -> tuple[float, float]:
        return self.metric.lowest, self.metric.highest

    @property
    def note(self) -> str:
        few = intervals.shortage(self.metric, self.evidence)
        return "; ".join(text for text in (self.caveat, few) if text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paired(_Estimate):
    """The difference a - b of one metric for two models on the same rows."""

    metric: Metric
    a: Evidence
    b: Evidence
    confidence: float
    itself: bool = False
    """Whether both are the same model."""
    about: Hashable = None

    @property
    def value(self) -> float:
        return float(self.metric.function(self.a)) - float(self.metric.function(self.b))

    @property
    def certain(self) -> bool:
        return self.itself

    def interval(self) -> Interval:
        if self.itself:
            return Interval(lower=0.0, upper=0.0, n=len(self.a), method="the same model")
        return intervals.difference(self.metric, self.a, self.b, self.confidence)

    def proof(self, threshold: float, share: float = 1.0) -> Side | None:
        if self.itself:
            return None if threshold == 0 else "above" if threshold < 0 else "below"
        confidence = _stricter(self.confidence, share)
        return intervals.difference_proof(self.metric, self.a, self.b, threshold, confidence)

    def settling(self, threshold: float) -> int | None:
        return intervals.difference_settling(self.metric, self.a, self.b, threshold, self.confidence)

    @property
    def note(self) -> str:
        if self.itself:
            return ""
        p = intervals.mcnemar(self.metric, self.a, self.b)
        exact = "" if p is None else f"exact McNemar p {p:.2g}"
        return "; ".join(text for text in (exact, intervals.shortage(self.metric, self.a)) if text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Apart(_Estimate):
    """The difference a - b of one metric on rows of which none is in both, slices of one split say.

    Its interval is made of the two scores' own (MOVER: Zou and Donner, Statistics in Medicine 27, 2008,
    1693-1702).
    """

    a: Single
    b: Single

    def interval(self) -> Interval:
        a, b = self.a.interval(), self.b.interval()
        return _mover((self.a.value, a.lower, a.upper), (self.b.value, b.lower, b.upper), a.n + b.n, a.method)

    def proof(self, threshold: float, share: float = 1.0) -> Side | None:
        if self.note:
            return None
        value, found = self.a.value - self.b.value, self._bounds(share)
        if value > threshold and found.lower >= threshold:
            return "above"
        return "below" if value < threshold and found.upper <= threshold else None

    def settling(self, threshold: float) -> int | None:
        rows = enough(self.a.value - self.b.value, self._bounds(1.0), threshold)
        if rows is None or not self.note:
            return rows
        parts = (self.a.evidence, self.b.evidence)
        times = max(intervals.LEAST / len(part.units) for part in parts)
        return max(rows, math.ceil(times * sum(map(len, parts))))

    @property
    def note(self) -> str:
        few = [intervals.shortage(part.metric, part.evidence) for part in (self.a, self.b)]
        return next((text for text in few if text), "")

    @property
    def about(self) -> Hashable:
        return self.a.about, self.b.about

    def _bounds(self, share: float) -> Interval:
        ends = [
            (part.value, *intervals.bounds(part.metric, part.evidence, _stricter(part.confidence, share)))
            for part in (self.a, self.b)
        ]
        return _mover(ends[0], ends[1], len(self.a.evidence) + len(self.b.evidence), "")


def _mover(a: tuple[float, float, float], b: tuple[float, float, float], n: int, method: str) -> Interval:
    (x, x_low, x_high), (y, y_low, y_high) = a, b
    return Interval(
        lower=x - y - math.hypot(x - x_low, y_high - y),
        upper=x - y + math.hypot(x_high - x, y - y_low),
        n=n,
        method=f"MOVER of {method}",
    )


def enough(value: float, interval: Interval, threshold: float) -> int | None:
    """Return how many rows make the interval's end reach the threshold, its width shrinking by their root."""
    distance = abs(value - threshold)
    width = value - interval.lower if value >= threshold else interval.upper - value
    if not distance or width / distance > MOST_ROWS:  # which squares to no number at all
        return None
    rows = math.ceil(interval.n * (width / distance) ** 2)
    return rows if rows <= MOST_ROWS else None


def _stricter(confidence: float, share: float) -> float:
    """Return the two-sided confidence whose chance of an error is `share` of that of `confidence`."""
    return 1 - (1 - confidence) * share
