"""Conditions on columns flow in; a mask of the rows that meet them all and their wording flow out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series
from pandas.api.types import is_bool_dtype, is_list_like, is_numeric_dtype, is_scalar

from harness.errors import ScoreError
from harness.scoring.metrics import advice

__tracebackhide__ = True

_SHOWN = 5  # values of a column or a condition that a message lists


def mask(frame: DataFrame, conditions: Mapping[str, Any], subject: str) -> NDArray[np.bool_]:
    """Return (n,) True where a row of `frame` (n rows) meets every condition.

    A condition is a value, a collection of values, or a callable from the column to (n,) booleans.
    A missing value among the values stands for the rows where the column is missing.

    subject: names the rows in messages, such as "the 12 validation rows of income".

    Raise `ScoreError` for an unknown column, a callable's result that is no mask, or no row at all.
    """
    if not conditions:
        raise ScoreError("where() was given no condition", "write where(column=value)")
    both = np.ones(len(frame), dtype=bool)
    for column, condition in conditions.items():
        if column not in frame.columns:
            raise ScoreError(
                f"there is no column {column!r} in {subject}", advice(column, map(str, frame.columns))
            )
        one = _matches(frame[column], column, condition)
        if not one.any():
            raise ScoreError(
                f"none of {subject} has {wording({column: condition})}", _existing(frame[column])
            )
        both &= one
    if not both.any():
        raise ScoreError(
            f"none of {subject} has {wording(conditions)} together",
            "each condition holds for some rows alone; leave one out",
        )
    return both


def wording(conditions: Mapping[str, Any]) -> str:
    """Return the conditions as one would write them, the same in every process."""
    return ", ".join(f"{column}={_word(condition)}" for column, condition in conditions.items())


def _matches(column: Series[Any], name: str, condition: Any) -> NDArray[np.bool_]:
    if callable(condition):
        return _called(column, name, condition)
    values = list(condition) if is_list_like(condition) else [condition]
    present = [value for value in values if not _missing(value)]
    if column.dtype.kind in "mM":  # only == reads "2012-01-31" as a date
        found = np.zeros(len(column), dtype=bool)
        for value in present:
            found |= (column == value).to_numpy(dtype=bool, na_value=False)
    else:
        found = column.isin(present).to_numpy(dtype=bool)
    return found if len(present) == len(values) else found | column.isna().to_numpy(dtype=bool)


def _called(column: Series[Any], name: str, condition: Any) -> NDArray[np.bool_]:
    given = condition(column)
    if is_list_like(given) and len(given) == len(column):
        result = Series(list(given), dtype=getattr(given, "dtype", None))
        if is_bool_dtype(result.dtype):
            return np.asarray(result.to_numpy(dtype=bool, na_value=False))
    size = f" of {len(given):,}" if hasattr(given, "__len__") else ""
    raise ScoreError(
        f"where({name}={_word(condition)}) returned a {type(given).__name__}{size}",
        f"return one boolean for each of the {len(column):,} values of the column",
    )


def _missing(value: Any) -> bool:
    return bool(is_scalar(value) and pd.isna(value))


def _existing(column: Series[Any]) -> str:
    counts = column.value_counts()
    counts = counts[counts > 0]  # a category may have no row
    if len(counts) > _SHOWN and is_numeric_dtype(column.dtype):
        return f"{column.name} goes from {_word(column.min())} to {_word(column.max())}"
    shown = ", ".join(f"{_word(value)} ({n:,})" for value, n in counts.head(_SHOWN).items())
    rest = f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""
    return f"{column.name} has {shown}{rest}" if shown else f"every {column.name} is missing"


def _word(value: Any) -> str:
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    if is_list_like(value):
        return _words(value)
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _words(values: Collection[Any]) -> str:
    # Sets have an order of their own in every process.
    words = [_word(value) for value in values]
    words = sorted(words) if isinstance(values, (set, frozenset)) else words
    return "[" + ", ".join(words[:_SHOWN]) + (f", … {len(words)} values]" if len(words) > _SHOWN else "]")
