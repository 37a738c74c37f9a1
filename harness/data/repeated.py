"""The stored training and validation rows of a data set in; the data set of one repeat or fold out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data import resplit, splits
from harness.data.dataset import Dataset, Split
from harness.data.labels import quote
from harness.data.resplit import Repeat, by_target
from harness.data.seal import Shut
from harness.data.table import Rows
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.data.preparation import Prepared

__tracebackhide__ = True


def repeated(prepared: Prepared, stored: Callable[[str], Rows], repeat: Repeat) -> Dataset:
    """Return the data set of a repeat: its training and validation rows are those of the declared split,
    divided once more by `resplit.splits`, in the order in which they are stored.

    prepared: has `manner`. stored: gives the rows of "train" and "validation" as they stand in the store.

    Categories have the levels that this repeat's training rows have; others become missing. Rows are
    copied when they are first asked for, and again after `Dataset.release`. `.test` raises SealedError,
    in a gate too. Raises DataError where the rows cannot be divided so, or not be learnt from.
    """
    target = np.concatenate([stored("train").target, stored("validation").target])
    boundary = len(stored("train").target)
    wanted = _Wanted(stored, boundary)
    everything = np.arange(len(target), dtype=np.int64)
    train, validation = resplit.splits(
        wanted.frame(resplit.columns(prepared.manner), everything),
        target,
        len(target) - boundary,
        prepared.manner,
        repeat,
        name=prepared.name,
    )
    at = {"train": train, "validation": validation}
    levels: dict[str, pd.Index] = {}
    known = wanted.categories()
    if known:
        levels |= splits.levels(wanted.frame(known, train))
    _check(prepared, target, wanted, at, repeat)
    positions = np.concatenate([stored("train").positions, stored("validation").positions])

    def rows(split: str, names: Sequence[str] | None = None) -> pd.DataFrame:
        frame = wanted.frame(list(stored("train").frame.columns) if names is None else names, at[split])
        frame.index = pd.Index(positions[at[split]], copy=False)
        return splits.with_levels(frame, {name: of for name, of in levels.items() if name in frame.columns})

    def load(split: str) -> Split:
        X = rows(split, list(prepared.columns))
        weight = None
        if prepared.weight is not None:
            weight = rows(split, [prepared.weight])[prepared.weight].astype("float64")
        y = pd.Series(target[at[split]], index=X.index, name=prepared.target, copy=False)
        return Split(X, y, weight, positions[at[split]])

    return Dataset(
        name=prepared.name,
        task=prepared.task,
        classes=prepared.classes,
        columns=list(prepared.columns),
        digest=repeat.digest(prepared.digest),
        sizes={**prepared.rows, **{split: len(found) for split, found in at.items()}},
        seal=Shut(repeat.key),
        load=load,
        rows=rows,
        group=prepared.manner.get("group"),
        in_order=bool(prepared.manner.get("time")),
        stratified=by_target(prepared.manner),
        content=prepared.content,
    )


class _Wanted:
    """Rows that stand in two files, as if they stood in one: training rows, then validation rows."""

    def __init__(self, stored: Callable[[str], Rows], boundary: int) -> None:
        self._stored = stored
        self._boundary = boundary

    def categories(self) -> list[str]:
        """Return the names of category columns."""
        return [str(name) for name in self._stored("train").frame.select_dtypes("category").columns]

    def frame(self, names: Sequence[str], at: NDArray[np.int64]) -> pd.DataFrame:
        """Return columns of the rows `at`, ascending; column by column, so that no more is held twice."""
        cut = int(np.searchsorted(at, self._boundary))
        columns = {name: self._column(name, at[:cut], at[cut:] - self._boundary) for name in names}
        return pd.DataFrame(columns, index=pd.RangeIndex(len(at)), copy=False)

    def _column(self, name: str, first: NDArray[np.int64], second: NDArray[np.int64]) -> pd.Series:
        train, validation = self._stored("train").frame[name], self._stored("validation").frame[name]
        if isinstance(train.dtype, pd.CategoricalDtype):
            train = train.cat.set_categories(validation.cat.categories)  # which has those of both
        parts = [part for part in (train.iloc[first], validation.iloc[second]) if len(part)]
        return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0].reset_index(drop=True)


def _check(
    prepared: Prepared,
    target: NDArray[Any],
    wanted: _Wanted,
    at: dict[str, NDArray[np.int64]],
    repeat: Repeat,
) -> None:
    """Refuse splits that cannot be learnt from or scored, as the declared one was."""
    name, train = prepared.name, at["train"]
    remedy = f"ask for other {'folds' if repeat.fold else 'repeats'}, or load more rows"
    if prepared.classes is not None:
        absent = set(range(len(prepared.classes))) - set(np.unique(target[train]).tolist())
        if absent:
            label = quote(prepared.classes[min(absent)])
            raise DataError(
                f"no training row of data set {name!r} is of class {label} in {repeat}", f"{remedy} of it"
            )
    elif np.ptp(target[train]) == 0:
        raise DataError(
            f"target {prepared.target!r} of data set {name!r} is the same in all {len(train)} training rows "
            f"of {repeat}",
            remedy,
        )
    if prepared.weight is not None:
        for split, rows in at.items():
            if not wanted.frame([prepared.weight], rows)[prepared.weight].any():
                raise DataError(
                    f"weight={prepared.weight!r} of data set {name!r} is 0 in every {split} row of {repeat}",
                    remedy,
                )
