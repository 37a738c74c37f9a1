"""What rows add to a statistic flows in; its value in resamples and the influence of each unit flow out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.uncertainty.resamples import Units, blocks

__tracebackhide__ = True


class Statistic(Protocol):
    """A number computed from rows, each of which may stand there several times or not at all.

    smooth: whether it moves little when a row comes or goes, as a mean does and a median does not.
    """

    @property
    def smooth(self) -> bool: ...  # noqa: D102

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the statistic of B resamples, nan where it has none.

        counts: (B, u) how often each unit stands there, or weights.
        """
        ...

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) how the statistic moves with each unit: its derivative, or what leaving it out does."""
        ...


@dataclass(frozen=True, slots=True)
class Moments:
    """A smooth function of sums over rows.

    terms: (n, m) what each row adds to m sums.
    function: from sums (B, m) to values (B,).
    """

    terms: NDArray[np.float64]
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    smooth: bool = True

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the statistic of B resamples."""
        summed = units.summed(self.terms)
        with np.errstate(all="ignore"):
            return self.function(
                np.concatenate([part.astype(np.float64) @ summed for part in blocks(counts)])
            )

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) what leaving each unit out takes away."""
        summed = units.summed(self.terms)
        total = summed.sum(axis=0, keepdims=True)
        with np.errstate(all="ignore"):
            return self.function(total) - self.function(total - summed)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of several statistics of the same rows, such as one-vs-rest areas."""

    parts: tuple[Statistic, ...]
    smooth: bool = True

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the mean of the parts in each resample."""
        return np.asarray(np.mean([part.values(units, counts) for part in self.parts], axis=0))

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) the mean of the parts' derivatives."""
        return np.asarray(np.mean([part.influence(units) for part in self.parts], axis=0))


@dataclass(frozen=True, slots=True)
class Linear:
    """A statistic by its derivatives: as good for very many rows, and much quicker if it has to be sorted.

    estimate: the statistic of the rows as they are.
    """

    statistic: Statistic
    estimate: float
    smooth: bool = True

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the statistic of B resamples, but for terms of 1 / n."""
        influence = self.influence(units)
        # Not all resamples are as large as the rows: those left out of one are a third, and count as whole.
        moved = [
            part.astype(np.float64) @ influence / part.mean(axis=1) - influence.sum()
            for part in blocks(counts)
        ]
        return self.estimate + np.concatenate(moved)

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) the statistic's own derivatives."""
        return self.statistic.influence(units)


@dataclass(frozen=True, slots=True)
class Difference:
    """One statistic minus another, of the same rows."""

    a: Statistic
    b: Statistic

    @property
    def smooth(self) -> bool:
        """Whether both are."""
        return self.a.smooth and self.b.smooth

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the difference in each resample."""
        return self.a.values(units, counts) - self.b.values(units, counts)

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) the difference of the derivatives."""
        return self.a.influence(units) - self.b.influence(units)


@dataclass(frozen=True, slots=True)
class Called:
    """Any function of rows, called once for each resample.

    function: from (m,) positions of rows, with repetitions, to a number; what it raises means nan.
    n: the number of rows.
    """

    function: Callable[[NDArray[np.intp]], Any]
    n: int
    smooth: bool = True

    _PARTS = 200

    def values(self, units: Units, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return (B,) the statistic of B resamples."""
        rows = np.arange(self.n)
        return np.array([self._of(np.repeat(rows, count[units.column])) for count in counts])

    def influence(self, units: Units) -> NDArray[np.float64]:
        """Return (u,) what leaving out each of 200 parts of the units takes away, shared within the part."""
        rows, parts = np.arange(self.n), np.arange(len(units)) * min(self._PARTS, len(units)) // len(units)
        whole, part = self._of(rows), parts[units.column]
        lost = np.array([whole - self._of(rows[part != k]) for k in range(parts[-1] + 1)])
        return (lost / np.bincount(parts))[parts]

    def _of(self, rows: NDArray[np.intp]) -> float:
        try:
            return float(self.function(rows))
        except Exception:  # noqa: BLE001  # code of the user's own, on rows that may lack a class
            return float("nan")
