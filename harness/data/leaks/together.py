"""Numeric columns and a numeric target in; the two columns that make it up together, out."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from harness.data.labels import quote
from harness.data.leaks.leak import Leak
from harness.data.leaks.measure import Numbers, r2
from harness.data.leaks.sample import sample
from harness.data.loaded import feature_columns
from harness.data.partition import Partition
from harness.data.target import Target
from harness.declarations import DatasetDeclaration

LIMIT = 0.9999
"""R², on training and on validation rows, of a weighted sum of two columns."""
_TRAIN, _VALIDATION = 5_000, 5_000
_COLUMNS = 1_000
"""The first so many are looked at: pairs grow with their square."""
_FEWEST = 10
"""Training rows below which a good fit of three numbers says nothing."""


def telling_pair(
    frame: pd.DataFrame,
    declaration: DatasetDeclaration,
    target: Target,
    partition: Partition,
    known: Collection[str],
) -> tuple[Leak, ...]:
    """Return a leak if the target of a regression is a weighted sum of two columns, the best two.

    known: columns that predict the target alone, which would do so with any other.
    A total with its parts left in is the leak that no look at single columns finds.
    """
    names = [n for n in feature_columns(frame, declaration) if n not in known and _numeric(frame[n])]
    if target.classes is not None or len(names) < 2 or len(partition.train) < _FEWEST:
        return ()
    names = names[:_COLUMNS]
    train, validation = sample(partition.train, _TRAIN), sample(partition.validation, _VALIDATION)
    x, y = _values(frame, names, train), target.values[train].astype(np.float64)
    one, other = _best_pair(_standard(x), _standard(y[:, None])[:, 0])
    chosen = [names[one], names[other]]
    basis = np.column_stack([np.ones(len(y)), x[:, [one, other]]])
    weights, *_ = np.linalg.lstsq(basis, y, rcond=None)
    new = _values(frame, chosen, validation)
    truth = target.values[validation].astype(np.float64)
    scores = (r2(y, basis @ weights), r2(truth, weights[0] + new @ weights[1:]))
    if any(score is not None and score < LIMIT for score in scores):
        return ()
    first, second = (quote(name) for name in chosen)
    problem = f"columns {first} and {second} together are the target, as a weighted sum"
    remedy = f"write drop=[{first}, {second}] if they are not known before it"
    return (Leak(kind="columns", columns=tuple(chosen), problem=problem, remedy=remedy),)


def _numeric(column: pd.Series) -> bool:
    return types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype)


def _values(frame: pd.DataFrame, names: list[str], rows: NDArray[np.int64]) -> Numbers:
    """Return numbers of shape (rows, columns), 0 for what is missing or infinite."""
    columns = [frame[name].iloc[rows].to_numpy(dtype="float64", na_value=np.nan) for name in names]
    values: Numbers = np.column_stack(columns)
    return np.where(np.isfinite(values), values, 0.0)


def _standard(columns: Numbers) -> Numbers:
    """Return columns of length 1 around 0; constant ones stay 0."""
    largest = np.abs(columns).max(axis=0)
    columns = columns / np.where(largest > 0, largest, 1)  # squares of huge numbers would overflow
    centred = columns - columns.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    standard: Numbers = centred / np.where(length > 1e-12, length, np.inf)
    return standard


def _best_pair(x: Numbers, y: Numbers) -> tuple[int, int]:
    """Return the two columns whose weighted sum is nearest to y, from their correlations."""
    to_target = x.T @ y
    mutual = x.T @ x
    rest = 1 - mutual**2
    r = to_target
    gain = r[:, None] ** 2 + r[None, :] ** 2 - 2 * np.outer(r, r) * mutual
    reached = np.where(rest > 1e-9, gain / np.where(rest > 1e-9, rest, 1), 0)
    np.fill_diagonal(reached, -1)
    one, other = np.unravel_index(int(reached.argmax()), reached.shape)
    return min(int(one), int(other)), max(int(one), int(other))
