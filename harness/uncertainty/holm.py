"""The p-values of several tests flow in; p-values that allow for their number flow out."""

from __future__ import annotations

from collections.abc import Sequence

__tracebackhide__ = True


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values in the same order (Holm 1979, Scandinavian Journal of Statistics 6:65).

    To call significant what stays below alpha errs anywhere with a probability of alpha at most.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = highest
    return adjusted
