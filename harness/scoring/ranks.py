"""Which rows are positive and how rows are ranked flow in; weighted areas of resamples flow out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.uncertainty.resamples import Units, blocks

__tracebackhide__ = True

_TINY = float(np.finfo(np.float32).tiny)  # instead of 0 / 0, where nothing was drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """Positive and negative rows by ascending rank.

    positive (p,), negative (q,): row numbers. weight: (n,) or None.
    """

    positive: NDArray[np.intp]
    negative: NDArray[np.intp]
    ranking: NDArray[Any]
    weight: NDArray[np.float64] | None

    @classmethod
    def of(
        cls, positive: NDArray[np.bool_], ranking: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> Sorted:
        """Return the rows sorted; positive: (n,) True for the class whose area it is; ranking: (n,)."""
        order = np.argsort(ranking, kind="stable")
        there = positive[order]
        return cls(positive=order[there], negative=order[~there], ranking=ranking, weight=weight)

    def below(self, side: str) -> NDArray[np.intp]:
        """Return (q,) how many positive rows lie below each negative one ("left": without its equals)."""
        values = self.ranking
        return np.searchsorted(values[self.positive], values[self.negative], side)  # type: ignore[call-overload,no-any-return]

    def weighed(
        self, units: Units, counts: NDArray[Any]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Yield by parts of the resamples: weights (b, p), their sums from below (b, p+1), weights (b, q)."""
        for part in blocks(counts):
            positive, negative = (self._times(part, units, rows) for rows in (self.positive, self.negative))
            yield positive, cumulated(positive), negative

    def once(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the weights of the positive (p,) and negative (q,) rows as they are."""
        weight = np.ones(len(self.ranking)) if self.weight is None else self.weight
        return weight[self.positive], weight[self.negative]

    def placed(
        self, units: Units, positive: NDArray[np.float64], negative: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (u,) the sums over units of what is given for the positive and the negative rows."""
        rows = np.empty((len(self.ranking), 1))
        rows[self.positive, 0], rows[self.negative, 0] = positive, negative
        return units.summed(rows)[:, 0]

    def _times(self, part: NDArray[Any], units: Units, rows: NDArray[np.intp]) -> NDArray[Any]:
        taken = part[:, units.column[rows]]
        return taken if self.weight is None else taken * self.weight[rows]


@dataclass(frozen=True, slots=True)
class RocArea:
    """The weighted area under the ROC curve, ties counted half."""

    rows: Sorted
    smooth: bool = True

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the area in each resample, nan where a class is absent."""
        left, right = self.rows.below("left"), self.rows.below("right")
        tied = bool((left != right).any())
        found = []
        for _, sums, negative in self.rows.weighed(units, counts):
            under = (sums[:, left] + sums[:, right]) / 2 if tied else sums[:, left]
            total, rest = sums[:, -1], negative.sum(axis=1, dtype=np.float64)
            wrong = np.einsum("ij,ij->i", under, negative, dtype=np.float64)
            with np.errstate(all="ignore"):
                found.append(1 - wrong / (total * rest))
        return np.concatenate(found)

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) the derivatives by the weights of units."""
        left, right = self.rows.below("left"), self.rows.below("right")
        positive, negative = self.rows.once()
        total, rest = positive.sum(), negative.sum()
        sums, from_below = cumulated(positive[None])[0], np.zeros(len(positive) + 1)
        above = 1 - (sums[left] + sums[right]) / (2 * total)
        # A negative row lies below the positive ones from `right` on, and below half of its equals.
        np.add.at(from_below, left, negative / 2)
        np.add.at(from_below, right, negative / 2)
        below = np.cumsum(from_below)[:-1] / rest
        value = float(above @ negative / rest)
        return self.rows.placed(units, (below - value) * positive / total, (above - value) * negative / rest)


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """The weighted mean, over positive rows, of the precision at the threshold that just includes them."""

    rows: Sorted
    smooth: bool = True

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the average precision of each resample, nan without a positive row."""
        equal, lower = self._starts()
        found = []
        for positive, sums, negative in self.rows.weighed(units, counts):
            total = sums[:, -1:]
            right = total - sums[:, equal]
            wrong = cumulated(negative)
            wrong = wrong[:, -1:] - wrong[:, lower]
            with np.errstate(all="ignore"):
                precision = np.divide(right, np.maximum(right + wrong, _TINY), dtype=np.float64)
                whole = np.einsum("ij,ij->i", precision, positive, dtype=np.float64)
                found.append(whole / total[:, 0])
        return np.concatenate(found)

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) the derivatives by the weights of units."""
        equal, lower = self._starts()
        positive, negative = self.rows.once()
        total, rest = positive.sum(), negative.sum()
        right = total - cumulated(positive[None])[0][equal]
        wrong = rest - cumulated(negative[None])[0][lower]
        precision = right / np.maximum(right + wrong, _TINY)
        value = float(precision @ positive / total)
        # A row counts at the threshold of every positive row that does not lie above it.
        each = positive / total / np.maximum(right + wrong, _TINY)
        gain, loss = cumulated((each * (1 - precision))[None])[0], cumulated((each * precision)[None])[0]
        ranking = self.rows.ranking
        after = np.searchsorted(ranking[self.rows.positive], ranking[self.rows.positive], "right")
        return self.rows.placed(
            units,
            ((precision - value) / total + gain[after]) * positive,
            -loss[self.rows.below("right")] * negative,
        )

    def _starts(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (p,) how many positive rows, and how many negative ones, lie below each positive row."""
        values = self.rows.ranking
        positive, negative = values[self.rows.positive], values[self.rows.negative]
        return np.searchsorted(positive, positive, "left"), np.searchsorted(negative, positive, "left")


def cumulated(weights: NDArray[Any]) -> NDArray[Any]:
    """Return (b, m+1) the sums from the left, the empty one first."""
    # Counts add up exactly in single precision up to 2**24, weights do not.
    kind = np.float32 if weights.dtype == np.uint8 else np.float64
    sums = np.zeros((len(weights), weights.shape[1] + 1), dtype=kind)
    np.cumsum(weights, axis=1, dtype=kind, out=sums[:, 1:])
    return sums
