"""Rows in two splits: what models see of each row in, how many stand in a second split too, out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from harness.data.consistency import names
from harness.data.leaks.leak import Leak, listed, percent
from harness.data.loaded import feature_columns
from harness.data.partition import Partition
from harness.data.target import Target
from harness.declarations import DatasetDeclaration

_PAIRS = (("test", "train"), ("validation", "train"), ("test", "validation"))
_ROWS = {"train": "training rows", "validation": "validation rows", "test": "test rows"}
_REMEDY = "drop the copies in the loader, or keep rows that belong together in one split with group="

_RARE = 0.01
"""Twins that chance lets expect of a row; below it, a twin that is there is another's doing."""
_BEYOND = 3
"""So many times what chance lets expect of such rows, and we speak of it."""
_OF_ALL = 0.05
"""Of the rows with twins; fewer are the edge of what chance does, where it is hard to reckon."""
_FEWEST = 3
"""Rows; fewer are no evidence where chance makes twins, too."""
_SHARE = 0.001
"""Of a split; fewer rows than that change no score that anyone reads."""
_FINE = 0.1
"""Of the rows; a column with more values, and more than 20, is one where equal values are no chance."""
_DECIDED = 0.9
"""Of the distinct rows; with so many values, a column has none twice but in copies, or is all there is."""
_DISTINCT = 1 / 3
"""Of the rows; with fewer distinct ones, such a column is all there is."""

Hashes = NDArray[np.uint64]


def shared_rows(
    frame: pd.DataFrame, declaration: DatasetDeclaration, target: Target, partition: Partition
) -> Iterator[Leak]:
    """Yield a leak for each pair of splits that share rows which chance does not explain.

    Twins are rows equal in all columns that models see, but for key columns, and numbers and texts that
    differ in every row, as ids do. Data of few, coarse columns has twins without any fault: two people of
    one age, job and so on. So each row is asked how many twins it should have by chance: for each column,
    how many rows agree in all others and differ in this one, times the odds of its value; the highest of
    these counts. A leak is told if rows of which that is below 0.01 have twins with the same target three
    times as often as they should, and are three rows, a thousandth of the split and a twentieth of all
    rows with twins. If a column has no value twice but in twins, chance has no part in it, and one is enough.
    """
    columns = [n for n in feature_columns(frame, declaration) if n not in names(declaration.key)]
    ids = [name for name in columns if _identifies(frame[name])]
    compared = [name for name in columns if name not in ids]
    if not compared:
        return

    def hashed(name: str) -> Hashes:  # anew for each use: all at once would be another copy of the data
        return _hashes(frame[name], compared.index(name))

    rows = np.zeros(len(frame), dtype=np.uint64)
    for name in compared:
        rows += hashed(name)
    with_target = rows + _hashes(pd.Series(target.values), len(compared))
    where = "in every column that models see"
    if ids:
        where += f" but {listed(ids)}, which differ{'s' * (len(ids) == 1)} in every row"
    parts = dict(partition.items())
    asked = np.concatenate([partition.validation, partition.test])
    rates: NDArray[np.float64] | None = None
    for split, other in _PAIRS:
        mine, others = parts[split], parts[other]
        same = _counts(with_target[mine], with_target[others]) > 0
        if same.sum() < max(1, _SHARE * len(mine)):
            continue
        if rates is None:
            rates = np.zeros(len(rows))
            if not _decided(rows, map(hashed, compared)):
                rates[asked] = _rates(rows, map(hashed, compared), asked)
            elif len(np.unique(rows)) < _DISTINCT * len(rows):
                return
        found = _counts(rows[mine], rows[others]) > 0
        expected = rates[mine] * len(others)
        rare = expected < _RARE
        fewest = _FEWEST if rates.any() else 1
        least = max(fewest, _SHARE * len(mine), _OF_ALL * found.sum(), _BEYOND * expected[rare].sum())
        if (same & rare).sum() < least:
            continue
        n, unlike = int(found.sum()), int((found & rare).sum())
        problem = (
            f"{n:,} of {len(mine):,} {_ROWS[split]} ({percent(n, len(mine))}) stand among the {_ROWS[other]} "
            f"as well, {where}, {int(same.sum()):,} of them with the same target"
        )
        if unlike < n:
            problem += f"; chance can explain all but {unlike:,}"
        yield Leak(kind="rows", columns=(), problem=problem, remedy=_REMEDY)


def _rates(rows: Hashes, columns: Iterable[Hashes], asked: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of all rows that should be twins by chance, of each row asked for.

    Its twins count neither as rows that are near nor, where a column has many values, for the odds of
    one, or copies would explain themselves.
    """
    twins = _counts(rows[asked], rows)
    highest = np.zeros(len(asked))
    for own in columns:
        rest = rows - own
        near = _counts(rest[asked], rest) - twins
        fine = len(np.unique(own)) > max(_FINE * len(rows), 20)
        share = (_counts(own[asked], own) - twins * fine) / len(rows)
        np.maximum(highest, near * share / np.maximum(1 - share, 1e-9), out=highest)
    return highest / len(rows)


def _decided(rows: Hashes, columns: Iterable[Hashes]) -> bool:
    """Return whether one column tells nearly every row from every other that is not its twin."""
    distinct = len(np.unique(rows))
    return any(len(np.unique(own)) >= _DECIDED * distinct for own in columns)


def _identifies(column: pd.Series) -> bool:
    """Return whether it is numbers without fractions, or text, of which none occurs twice."""
    dtype = column.dtype
    discrete = types.is_integer_dtype(dtype) or types.is_string_dtype(dtype)
    return discrete and all(_unique(part) for part in (column.iloc[:1000], column))


def _unique(column: pd.Series) -> bool:
    try:
        return bool(column.is_unique)
    except TypeError:  # lists
        return False


def _hashes(column: pd.Series, place: int) -> Hashes:
    """Return a number for each row: equal for equal values, missing ones among them, of one column.

    place: of the column. Numbers of a row's columns are to be added up, and those of one taken away again.
    """
    values = column.to_numpy() if isinstance(column.dtype, np.dtype) else None
    if values is None or values.dtype.kind not in "iufb":
        try:
            values = pd.factorize(column, use_na_sentinel=False)[0]
        except TypeError:  # lists
            values = pd.factorize(column.map(repr), use_na_sentinel=False)[0]
    elif values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, and no -0.0
    factor = np.random.default_rng(place).integers(2**62, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return pd.util.hash_array(values) * factor


def _counts(mine: Hashes, others: Hashes) -> NDArray[np.int64]:
    """Return how often each of mine occurs among the others."""
    distinct, number = np.unique(others, return_counts=True)
    at = np.minimum(np.searchsorted(distinct, mine), len(distinct) - 1)
    return np.where(distinct[at] == mine, number[at], 0)
