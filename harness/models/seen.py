"""Rows and the columns a model was trained on in; one number a row, by which it knows them again, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.models.columns import Column, conform

__tracebackhide__ = True

Hashes = NDArray[np.uint64]

_MISSING = np.uint64(0x2545F4914F6CDD1D)
"""Stands for a missing text or level; any number would do."""

_MIX = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio: an odd number whose multiples fall far from each other."""


def hashes(X: pd.DataFrame, y: Any, classes: Sequence[Any] | None, columns: Mapping[Any, Column]) -> Hashes:
    """Return (n,) numbers that are equal for rows with equal inputs of the model and equal target.

    X: (n, …) raw rows; columns: of the model, to which they are conformed, so that neither a new column
        nor another dtype of the same values makes an old row look new. y: (n,) codes or values;
    classes: the K labels of the codes, None: y are values.

    Chance makes two of 100,000 rows equal once in 3 billion data sets. Raises ValueError as `conform` does.
    """
    rows = conform(X, columns)
    labels = np.asarray(y) if classes is None else _labels(classes)[np.asarray(y)]
    made: Hashes = np.zeros(len(rows), dtype=np.uint64)
    for column in (*(rows.iloc[:, i] for i in range(rows.shape[1])), pd.Series(labels)):
        made = (made ^ _hashed(column)) * _MIX
        made ^= made >> np.uint64(32)
    return made


def _labels(classes: Sequence[Any]) -> NDArray[Any]:
    # by their text: 1 and "1" are never both classes of one data set
    return np.asarray([str(label) for label in classes], dtype=object)


def _hashed(column: pd.Series) -> Hashes:
    """Return one number a value. All numbers are float64: a missing one among whole numbers makes them so."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.append(_hashed(pd.Series(column.cat.categories)), _MISSING)[column.cat.codes.to_numpy()]
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # no negative zero
        numbers[np.isnan(numbers)] = np.nan  # there are many
        return _plain(pd.Series(numbers))
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
        return _plain(column)
    codes, levels = _levels(column)
    return np.append(_plain(levels), _MISSING)[codes]


def _levels(column: pd.Series) -> tuple[NDArray[np.intp], pd.Series]:
    """Return the different texts of a column, and the position of each value among them; -1: missing."""
    try:
        codes, known = pd.factorize(column)
    except TypeError:  # values that cannot be hashed, such as lists
        codes, known = pd.factorize(column.map(str, na_action="ignore"))
    return codes, pd.Series([str(value) for value in known], dtype=object)


def _plain(values: pd.Series) -> Hashes:
    return np.asarray(pd.util.hash_pandas_object(values, index=False), dtype=np.uint64)


def unique(*some: Hashes) -> Hashes:
    """Return the sorted different numbers of several arrays."""
    return np.unique(np.concatenate(some))


def save(path: Path, known: Hashes) -> None:
    """Write the numbers of `unique` to an .npy file."""
    np.save(path, np.append(_probe(), known), allow_pickle=False)


def load(path: Path) -> Hashes:
    """Return what `save` wrote; raise OSError or ValueError for a file that is missing or something else."""
    found: NDArray[Any] = np.load(path, allow_pickle=False)
    if found.dtype != np.uint64 or found.ndim != 1:
        raise ValueError(f"{path.name} holds {found.dtype} of shape {found.shape}, not the numbers of rows")
    if not np.array_equal(found[:1], _probe()):
        raise ValueError(f"{path.name} was written by a pandas that numbers rows otherwise")
    return found[1:]


def _probe() -> Hashes:
    """Return what pandas makes of a few values: rows are known again only by one that makes the same."""
    found = _plain(pd.Series([0.0, -1.5])) ^ _plain(pd.Series(["a", "é"], dtype=object))
    return found[:1] ^ (found[1:] >> np.uint64(1))
