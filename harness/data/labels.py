"""Labels: a column in, ranks and plain values in sorted order out; and how values look in messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def encode(values: pd.Series) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the rank of every value among the distinct ones, and these in sorted order.

    Ranks are int64, -1 for a null. The distinct values are plain Python objects; only those that
    occur count (not every level of a category), in their natural order (not that of the
    category), or in that of their text if they cannot be compared.
    """
    sortable = not isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.kind in "iufbmM"
    codes, uniques = pd.factorize(values, sort=sortable)
    found = [value.item() if isinstance(value, np.generic) else value for value in uniques.tolist()]
    if sortable:
        return codes.astype(np.int64), found
    order = list(range(len(found)))
    try:
        order.sort(key=found.__getitem__)
    except TypeError:
        order.sort(key=lambda i: (str(found[i]), type(found[i]).__name__))
    ranks = np.full(len(found) + 1, -1, dtype=np.int64)  # the last serves code -1
    ranks[order] = np.arange(len(found))
    return ranks[codes], [found[i] for i in order]


def quote(value: Any) -> str:
    """Return a value as a user would type it, at most 60 characters."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def counted(number: int, noun: str) -> str:
    """Return "1 row", "2 rows"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
