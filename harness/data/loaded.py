"""What a loader returned: any object in; silence, or a DataError if it cannot be split or learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from harness.data.consistency import close, names
from harness.data.labels import counted, quote
from harness.data.table import REFUSALS, arrow
from harness.declarations import DatasetDeclaration
from harness.errors import DataError

__tracebackhide__ = True


def needs_frame(frame: Any, name: str) -> None:
    """Raise DataError unless a loader returned a pandas DataFrame; `name` is the data set's."""
    if not isinstance(frame, pd.DataFrame):
        remedy = "end it with return frame" if frame is None else "convert it, for example pd.DataFrame(...)"
        raise DataError(
            f"the loader of data set {name!r} returned {'None' if frame is None else type(frame).__name__}, "
            "not a pandas DataFrame",
            remedy,
        )


def examine(frame: Any, declaration: DatasetDeclaration) -> None:
    """Raise DataError for loaded rows that no split, store or model can use."""
    needs_frame(frame, declaration.name)
    _check_names(frame, declaration)
    if not len(frame):
        raise DataError(
            f"the loader of data set {declaration.name!r} returned no rows", "look at its source and filters"
        )
    _check_known(frame, declaration)
    if not feature_columns(frame, declaration):
        raise DataError(
            f"data set {declaration.name!r} has no feature column left: target, weight= and drop= take all "
            f"{len(frame.columns)}",
            "load more columns or drop fewer",
        )
    for column in frame.columns:
        if column != declaration.target:  # stored as codes
            _check_storable(frame[column], declaration.name)
    if declaration.weight is not None:
        weights(frame, declaration)


def feature_columns(frame: pd.DataFrame, declaration: DatasetDeclaration) -> list[str]:
    """Return the columns that models see, in loaded order."""
    hidden = {declaration.target, declaration.weight, *names(declaration.drop)}
    return [column for column in frame.columns if column not in hidden]


def weights(frame: pd.DataFrame, declaration: DatasetDeclaration) -> NDArray[np.float64]:
    """Return the weights as float64; raise DataError unless they are finite, >= 0 and not all 0."""
    column = frame[declaration.weight]
    who = f"weight={declaration.weight!r} of data set {declaration.name!r}"
    if not types.is_numeric_dtype(column.dtype) or types.is_complex_dtype(column.dtype):
        raise DataError(
            f"{who} is {column.dtype}, not a number", "convert it in the loader, or leave out weight="
        )
    nulls = int(column.isna().sum())
    values = column.to_numpy(dtype="float64", na_value=np.nan)
    faults = {"null": nulls, "negative": int((values < 0).sum()), "infinite": int(np.isinf(values).sum())}
    for fault, found in faults.items():
        if found:
            raise DataError(
                f"{who} has {counted(found, f'{fault} value')} in {len(column)} rows",
                "fill, clip or drop them in the loader",
            )
    if not values.any():
        raise DataError(f"{who} is 0 in all {len(column)} rows", "leave out weight=, or load weights above 0")
    return values


def _check_names(frame: pd.DataFrame, declaration: DatasetDeclaration) -> None:
    strange = [name for name in frame.columns if not isinstance(name, str)]
    if strange:
        raise DataError(
            f"data set {declaration.name!r} has the column name {quote(strange[0])}, "
            f"a {type(strange[0]).__name__}",
            "name columns by text: frame.columns = [str(name) for name in frame.columns]",
        )
    doubled = frame.columns[frame.columns.duplicated()].unique().tolist()
    if doubled:
        raise DataError(
            f"data set {declaration.name!r} has more than one column {' and '.join(map(repr, doubled[:5]))}",
            "rename or remove the copies in the loader",
        )


def _check_known(frame: pd.DataFrame, declaration: DatasetDeclaration) -> None:
    for option in ("target", "stratify", "group", "time", "key", "weight", "drop"):
        value = getattr(declaration, option)
        for column in () if isinstance(value, bool) else names(value):
            if column not in frame.columns:
                shown = ", ".join(map(repr, frame.columns[:20])) + ", ..." * (len(frame.columns) > 20)
                raise DataError(
                    f"data set {declaration.name!r} has no column {column!r}, which {option}= names",
                    f"{close(column, frame.columns)}its columns are {shown}",
                )


def _check_storable(column: pd.Series, name: str) -> None:
    who = f"column {column.name!r} of data set {name!r}"
    remedy = (
        f"convert it in the loader, for example frame[{column.name!r}].astype(str), or leave it out there"
    )
    if types.is_object_dtype(column.dtype):
        kinds = set(column.dropna().map(type))
        if not _of_one_kind(kinds):
            mixed = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DataError(f"{who} mixes values of types {mixed}, which Arrow cannot store", remedy)
    try:
        arrow(column)
        if not isinstance(column.dtype, pd.CategoricalDtype | pd.ArrowDtype):
            types.pandas_dtype(str(column.dtype))
    except REFUSALS as error:
        reason = str(error).strip().split("\n")[0][:100]
        raise DataError(f"{who} is {column.dtype}, which Arrow cannot store ({reason})", remedy) from error


def _of_one_kind(found: set[type]) -> bool:
    """Return whether all values have one type; Arrow would make a bool among floats 1.0 without a word."""
    kinds = {float if issubclass(k, int | np.number) and not issubclass(k, bool) else k for k in found}
    bases = kinds - {object}
    return len(kinds) < 2 or any(all(issubclass(kind, base) for kind in kinds) for base in bases)
