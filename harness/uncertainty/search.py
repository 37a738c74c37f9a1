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


def by_two_widths(n: int, half: float, times: int, narrower: float, distance: float) -> int | None:
    """Return how many rows narrow a half width to the distance; None for no distance, or beyond 10**9 rows.

    half: of n rows; narrower: of times n. One part of it shrinks as the square root of their number, and one,
    due to a single row, as the number itself.
    """
    if distance <= 0:
        return None
    slow = min(max((times * narrower - half) / (math.sqrt(times) - 1), 0.0), half)
    quick = half - slow
    if quick == 0:
        return by_square_root(n, half, distance)
    # slow * u + quick * u**2 = distance, where u is the square root of the share of rows that n is
    u = 2 * distance / (slow + math.sqrt(slow**2 + 4 * quick * distance))
    return None if u**2 * MOST_ROWS < n else max(math.ceil(n / u**2), 1)


def by_square_root(n: int, half: float, distance: float) -> int | None:
    """Return how many rows narrow a half width of n rows to the distance; None for no distance."""
    if distance == 0 or half / distance >= (MOST_ROWS / n) ** 0.5:
        return None
    return max(math.ceil(n * (half / distance) ** 2), 1)
