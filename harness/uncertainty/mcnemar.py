"""Counts of rows on which two sides differ flow in; exact p-values flow out."""

from __future__ import annotations

from harness.uncertainty.search import first

__tracebackhide__ = True


def one_sided(more: int, fewer: int) -> float:
    """Return the exact p-value of McNemar's test (1947, Psychometrika 12:153) against "not better".

    more: rows that only the one side has right; fewer: rows that only the other has right.
    """
    from scipy.special import bdtrc

    # P(at least `more` of the rows that differ), each right for either side with 1/2.
    return float(bdtrc(more - 1, more + fewer, 0.5)) if more else 1.0


def two_sided(more: int, fewer: int) -> float:
    """Return the exact p-value of McNemar's test that both sides are equally often right."""
    return min(1.0, 2 * one_sided(max(more, fewer), min(more, fewer)))


def settling(more: int, fewer: int, n: int, tail: float) -> int | None:
    """Return of how many rows, with these shares that differ, the one-sided p-value is `tail` at most.

    n: the rows at hand. None if `more` is not the larger count, or if it takes more than 10**9 rows.
    """
    from scipy.special import betainc

    def decided(rows: int) -> bool:
        scale = rows / n
        return bool(betainc(more * scale, fewer * scale + 1, 0.5) <= tail)  # of whole numbers, the p-value

    return first(decided) if more > fewer else None
