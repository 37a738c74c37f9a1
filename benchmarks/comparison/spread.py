"""Numbers of repeated runs in, median with lowest and highest out; ratios only of runs that are pairs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from comparison.records import Run


@dataclass(frozen=True, slots=True)
class Spread:
    """What repeated runs gave."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as "6.81 (6.70–7.12)": three digits, and at most two decimals."""
        return f"{_short(self.median)} ({_short(self.low)}–{_short(self.high)})"


def _short(value: float) -> str:
    decimals = next((n for n in (2, 1) if round(value, n) < 10 ** (3 - n)), 0)
    return f"{value:.{decimals}f}"


def spread(values: Sequence[float]) -> Spread | None:
    """Return median, lowest and highest; None without values."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def counted(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that may be counted: those that ended well."""
    return [run for run in runs if not run.problem]


def walls(runs: Sequence[Run]) -> list[float]:
    """Return wall seconds of the runs that may be counted."""
    return [run.cost.wall for run in counted(runs)]


def ratios(above: Sequence[Run], below: Sequence[Run]) -> list[float]:
    """Return the ratio of wall times of each pair of which both may be counted."""
    return [
        one.cost.wall / other.cost.wall
        for one, other in zip(above, below, strict=False)
        if not one.problem and not other.problem
    ]
