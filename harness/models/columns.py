"""A frame of any origin flows in; the columns a model was trained on, in their order and dtypes, flow out.

Stands alone (pandas and numpy): it travels inside a pickled model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import pandas_dtype

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """How a column looked in training."""

    dtype: str
    """Pandas' name of the dtype, "category" for categories; empty if no name leads back to it."""
    levels: pd.Index | None = None
    """Of categories, in training order; None for other dtypes."""
    ordered: bool = False


def describe(frame: pd.DataFrame) -> dict[Any, Column]:
    """Return what `conform` needs to give other rows the columns of `frame`."""
    dtypes = list(frame.dtypes)
    plain = {dtype: _column(dtype) for dtype in {dtype for dtype in dtypes if isinstance(dtype, np.dtype)}}
    columns = (plain[dtype] if isinstance(dtype, np.dtype) else _column(dtype) for dtype in dtypes)
    return dict(zip(frame.columns, columns, strict=True))


def _column(dtype: Any) -> Column:
    if isinstance(dtype, pd.CategoricalDtype):
        return Column("category", dtype.categories, bool(dtype.ordered))
    try:
        named = pandas_dtype(str(dtype)) == dtype
    except (TypeError, NotImplementedError):
        named = False
    return Column(str(dtype) if named else "")


def conform(frame: Any, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return `columns` of `frame`, cast to their training dtypes; other columns are left out.

    A category that training did not know becomes missing. Missing values in a column of whole
    numbers or booleans make it float64, as when pandas reads such a file; so do fractions.

    Raises ValueError naming the columns that are missing, doubled, or hold what their dtype cannot.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(
            f"the rows are a {type(frame).__name__}, not a DataFrame; give one with {_named(list(columns))}"
        )
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise ValueError(f"the rows lack {_named(absent)}; the model was trained on {_named(list(columns))}")
    picked = frame[list(columns)]
    if len(picked.columns) > len(columns):
        doubled = picked.columns[picked.columns.duplicated()].unique().tolist()
        raise ValueError(f"the rows have {_named(doubled)} more than once; give each column once")
    for name, column in columns.items():
        if not _same(picked[name], column):
            picked[name] = _cast(picked[name], column)
    return picked


def _named(names: list[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


def _same(series: pd.Series, column: Column) -> bool:
    if column.levels is None:
        return not column.dtype or bool(series.dtype == pandas_dtype(column.dtype))
    return (
        isinstance(series.dtype, pd.CategoricalDtype)
        and series.dtype.categories.equals(column.levels)
        and bool(series.dtype.ordered) == column.ordered
    )


def _cast(series: pd.Series, column: Column) -> pd.Series:
    if column.levels is not None:
        # pandas deprecates building a Categorical from values that are none of its categories
        codes = column.levels.get_indexer(pd.Index(series))
        levels = pd.CategoricalDtype(column.levels, column.ordered)
        return pd.Series(pd.Categorical.from_codes(codes, dtype=levels), index=series.index)
    dtype = pandas_dtype(column.dtype)
    try:
        if isinstance(dtype, np.dtype) and dtype.kind in "iubf":
            return _number(series, dtype)
        return series.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"column {series.name!r} is {series.dtype} and cannot become {column.dtype}, "
            f"as it was in training: {error}"
        ) from error


def _number(series: pd.Series, dtype: np.dtype[Any]) -> pd.Series:
    missing = series.isna()
    if missing.any():
        # a plain cast makes None False, and fails for pandas.NA
        series = series.astype(object).where(~missing, np.nan).astype("float64")
        return series.astype(dtype) if dtype.kind == "f" else series
    numbers = pd.to_numeric(series.astype(object)) if series.dtype.kind not in "iubf" else series
    whole = numbers.astype(dtype)
    return whole if dtype.kind == "f" or bool((whole == numbers).all()) else numbers
