"""Stretches of time in, how long at least one of them lasted out."""

from __future__ import annotations

from collections.abc import Iterable


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of (start, end) pairs."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
