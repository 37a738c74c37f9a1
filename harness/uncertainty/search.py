"""A condition on a number of rows flows in; the smallest number that meets it flows out."""

from __future__ import annotations

import math
from collections.abc import Callable

__tracebackhide__ = True

MOST_ROWS = 10**9
"""Beyond so many rows the answer is never."""


def first(decided: Callable[[int], bool]) -> int | None:
    """Return the smallest number of rows, at least 1, from which on `decided` holds; None if none does."""
    if not decided(MOST_ROWS):
        return None
    undecided, rows = 0, MOST_ROWS
    while rows - undecided > 1:
        middle = (undecided + rows) // 2
        undecided, rows = (undecided, middle) if decided(middle) else (middle, rows)
    return rows


def by_square_root(n: int, half: float, distance: float) -> int | None:
    """Return how many rows narrow a half width of n rows to the distance; None for no distance."""
    if distance == 0 or half / distance >= (MOST_ROWS / n) ** 0.5:
        return None
    return max(math.ceil(n * (half / distance) ** 2), 1)
