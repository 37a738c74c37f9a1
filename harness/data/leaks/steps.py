"""One column and what is true of training rows in; what the column alone says of other rows, out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

_RANGES = 256
_ROWS = 5
"""Training rows in a range, at least, but for its ends: there, ranges of 1, 1, 2, 4 … rows follow."""

_MANY = 2_000
"""Training rows; the ranges of so many follow any line or curve."""

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of one column in some rows."""

    codes: Rows
    """Equal for equal values, from 0; missing is a value."""
    numbers: Numbers | None
    """NaN: missing; None: they are no numbers and no times."""


def read(column: pd.Series) -> Column:
    """Return a column as codes and, if it has an order in which distances mean something, as numbers."""
    try:
        codes = pd.factorize(column, use_na_sentinel=False)[0]
    except TypeError:  # lists
        codes = pd.factorize(column.map(repr), use_na_sentinel=False)[0]
    return Column(codes.astype(np.int64), _numbers(column))


def _numbers(column: pd.Series) -> Numbers | None:
    dtype = column.dtype
    if dtype.kind in "mM":
        ticks = column.to_numpy(dtype="datetime64[us]" if dtype.kind == "M" else "timedelta64[us]")
        return np.where(column.isna(), np.nan, ticks.astype(np.int64).astype(np.float64))
    if types.is_complex_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return None
    if not (types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)):
        try:
            column = pd.to_numeric(column)  # numbers kept as text or objects
        except (TypeError, ValueError):
            return None
        if not types.is_numeric_dtype(column.dtype):
            return None
    values: Numbers = column.to_numpy(dtype="float64", na_value=np.nan)
    size = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    return np.clip(values / size if size else values, -2, 2)  # beyond 1 are only infinities


def predictions(column: Column, truth: Numbers, learnt: Rows, asked: Rows) -> Iterator[Numbers]:
    """Yield what is expected of the rows asked for, each time in another way.

    truth: of the rows learnt from, of shape (rows, targets); as are the answers.
    learnt, asked: places in the column.
    """
    if column.numbers is None or 2 * np.count_nonzero(np.bincount(column.codes[learnt])) <= len(learnt):
        yield _means(column.codes[learnt], column.codes[asked], truth)
    if column.numbers is None:
        return
    x, new = column.numbers[learnt], column.numbers[asked]
    there = ~np.isnan(x)
    if not there.any():
        return
    missing = truth[~there].mean(axis=0) if not there.all() else truth.mean(axis=0)
    for way in (_steps, _line, _curve) if len(learnt) < _MANY else (_steps,):
        answer = way(x[there], new, truth[there])
        answer[np.isnan(new)] = missing
        yield answer


def _means(known: Rows, asked: Rows, truth: Numbers) -> Numbers:
    """Return the mean truth of equal codes; for a code never met, of the codes met once."""
    size = int(max(known.max(), asked.max())) + 1
    counts = np.bincount(known, minlength=size)
    once = counts[known] == 1
    means = np.tile(truth[once].mean(axis=0) if once.any() else truth.mean(axis=0), (size, 1))
    for target in range(truth.shape[1]):
        sums = np.bincount(known, weights=truth[:, target], minlength=size)
        np.divide(sums, counts, out=means[:, target], where=counts > 0)
    return means[asked]


def _cuts(x: Numbers) -> Numbers:
    """Return where the ranges of a number end: between equal counts of rows, and finer at both ends.

    Few rows far out can be most of what a mean squared error is made of.
    """
    ordered = np.sort(x)
    rows = len(ordered)
    even = np.linspace(0, rows, min(_RANGES, max(rows // _ROWS, 2)) + 1)[1:-1].astype(int)
    ends = 2 ** np.arange(int(np.log2(max(rows // 8, 1))) + 1)[:14]
    places = np.unique(np.concatenate([even, ends, rows - ends]))
    places = places[(places > 0) & (places < rows)]
    return np.unique((ordered[places - 1] + ordered[places]) / 2)


def _steps(x: Numbers, new: Numbers, truth: Numbers) -> Numbers:
    cuts = _cuts(x)
    asked = np.searchsorted(cuts, np.nan_to_num(new), side="left")
    return _means(np.searchsorted(cuts, x, side="left"), asked, truth)


def _line(x: Numbers, new: Numbers, truth: Numbers) -> Numbers:
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = (centred @ truth) / spread if spread else np.zeros(truth.shape[1])
    answer: Numbers = truth.mean(axis=0) + np.outer(new - x.mean(), slope)
    return answer


def _curve(x: Numbers, new: Numbers, truth: Numbers) -> Numbers:
    """Return what lies between the means of neighbouring ranges: few rows make few of them."""
    place = np.searchsorted(_cuts(x), x, side="left")
    counts = np.bincount(place)
    used = counts > 0
    knots = (np.bincount(place, weights=x)[used]) / counts[used]
    levels = [np.bincount(place, weights=truth[:, k])[used] / counts[used] for k in range(truth.shape[1])]
    return np.column_stack([np.interp(new, knots, level) for level in levels])
