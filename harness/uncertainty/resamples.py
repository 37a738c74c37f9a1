"""Strata or groups of rows flow in; how often each unit stands in each of many resamples flows out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__tracebackhide__ = True

RESAMPLES = 2000
SEED = 1979
"""Fixed, so that the same data has the same interval."""
MOST_UNITS = 16_384
"""Beyond it units are joined at random: so many are as good, and their resamples fit in 32 MB."""
_BLOCK = 160_000  # counts that are made floats at once: they stay in the cache, and BLAS starts no threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What is drawn with replacement: single rows, or groups of rows that belong together.

    column: (n,) the unit of each row; the units of a stratum stand side by side.
    sizes: the number of units of each stratum, which every resample keeps.
    """

    column: NDArray[np.intp]
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def stratum(self) -> NDArray[np.intp]:
        """(u,) the stratum of each unit."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def summed(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (u, m) the sums over the rows of each unit of `terms` (n, m)."""
        if len(self) == len(self.column):
            summed = np.empty_like(terms)
            summed[self.column] = terms
            return summed
        return np.column_stack([np.bincount(self.column, term, minlength=len(self)) for term in terms.T])

    def counts(self, resamples: int = RESAMPLES) -> NDArray[np.uint8]:
        """Return (resamples, u) how often each unit stands in each resample."""
        return drawn(self.sizes, resamples, SEED)


def units(n: int, strata: NDArray[Any] | None = None, groups: NDArray[Any] | None = None) -> Units:
    """Return the units of n rows.

    strata: (n,) codes; a resample has as many units of each as the data. groups: (n,) codes of rows that
    are only drawn together; they are drawn within strata only if none lies in two.
    """
    strata = np.zeros(n, dtype=np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
    if groups is None:
        unit, stratum = np.arange(n), strata
    else:
        _, first, unit = np.unique(groups, return_index=True, return_inverse=True)
        stratum = strata[first]
        if (stratum[unit] != strata).any():
            stratum = np.zeros(len(first), dtype=np.intp)
    order = np.argsort(stratum, kind="stable")
    sizes = np.bincount(stratum)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    if len(order) > MOST_UNITS:
        joined, sizes = _joined(sizes)
        place = joined[place]
    return Units(column=place[unit], sizes=tuple(sizes.tolist()))


def _joined(sizes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each unit, ordered by stratum, the place of the one that it is joined to."""
    rng = np.random.default_rng(SEED)
    kept = np.minimum(sizes, np.maximum(sizes * MOST_UNITS // sizes.sum(), 2))
    starts = np.cumsum(kept) - kept
    parts = [s + rng.permutation(n) * k // n for s, n, k in zip(starts, sizes, kept, strict=True)]
    return np.concatenate(parts), kept


@lru_cache(maxsize=1)  # the metrics of one split share their resamples, and so do its trials
def drawn(sizes: tuple[int, ...], resamples: int, seed: int) -> NDArray[np.uint8]:
    """Return (resamples, sum of sizes) how often each unit is drawn, stratum by stratum."""
    rng = np.random.default_rng(seed)
    counts = np.empty((resamples, sum(sizes)), dtype=np.uint8)
    for row in counts:
        start = 0
        for size in sizes:
            # One of more than 255 units is not drawn 256 times in the age of the universe.
            row[start : start + size] = np.bincount(rng.integers(0, size, size), minlength=size)
            start += size
    counts.flags.writeable = False
    return counts


def shares(units: Units, resamples: int = RESAMPLES) -> Iterator[NDArray[np.float64]]:
    """Yield by parts of the resamples (b, u) weights of the Bayesian bootstrap (Rubin 1981, AoS 9:130).

    Those of a stratum are all equally likely and sum to one less than its units, of which one was added.
    """
    rng = np.random.default_rng(SEED)
    step = max(10 * _BLOCK // len(units), 1)
    for start in range(0, resamples, step):
        drawn = rng.standard_exponential((min(step, resamples - start), len(units)))
        first = 0
        for size in units.sizes:
            part = drawn[:, first : first + size]
            part *= max(size - 1, 1) / part.sum(axis=1, keepdims=True)
            first += size
        yield drawn


def blocks(counts: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the resamples in parts that stay small when turned into floats."""
    step = max(_BLOCK // counts.shape[1], 1)
    for start in range(0, len(counts), step):
        yield counts[start : start + step]
