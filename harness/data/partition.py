"""Which row stands in which split: rows and a declaration in, positions of train, validation and test out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.consistency import check, names, shares
from harness.data.keys import hashes
from harness.data.labels import counted, encode, quote
from harness.declarations import DatasetDeclaration
from harness.errors import DataError, DeclarationError
from harness.scikit import model_selection

__all__ = ["Partition", "check", "divide", "shares"]
__tracebackhide__ = True

_ISO = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?)?|-?Q\d|-?W\d\d)?")
"""Texts whose alphabetical order is their order in time."""

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Positions in the loaded order, every one in exactly one of the three; none is empty.

    Random splits keep the order that scikit-learn returns, a split by time the order of time, the
    others the loaded order.
    """

    train: Positions
    validation: Positions
    test: Positions

    def items(self) -> tuple[tuple[str, Positions], ...]:
        """Return name and positions of each split."""
        return ("train", self.train), ("validation", self.validation), ("test", self.test)


def divide(
    frame: pd.DataFrame, codes: NDArray[np.int64], task: str, declaration: DatasetDeclaration
) -> Partition:
    """Divide the rows of `frame` as `declaration`, which `check` has passed, says.

    codes: the class of each row as its rank among the sorted labels; not read for a regression.

    Random (scikit-learn's `train_test_split`) and grouped (`GroupShuffleSplit`) splits take the
    test part first, then the validation part of the rest, both as integers: `ceil(share * n)` rows
    or groups. `time=` cuts a stable sort at the same counts; rows of one time go wholly to the later
    split. `key=` compares the first 8 bytes of blake2b over `json.dumps([seed, text, ...])`, as a
    big-endian integer over 2**64, with the shares: the lowest are test, the next validation.

    Raises DataError where the rows cannot be divided so, DeclarationError for `stratify=True` on a
    regression.
    """
    if declaration.group is not None:
        return _by_group(frame, declaration)
    if declaration.time is not None:
        return _by_time(frame, declaration)
    if declaration.key is not None:
        return _by_key(frame, declaration)
    return _by_chance(frame, codes, task, declaration)


def _by_chance(
    frame: pd.DataFrame, codes: NDArray[np.int64], task: str, declaration: DatasetDeclaration
) -> Partition:
    n_test, n_validation = _counts(len(frame), "row", declaration)
    column, strata = _strata(frame, codes, task, declaration)
    seed = int(declaration.seed)
    rest = np.arange(len(frame), dtype=np.int64)
    parts = []
    for part, size in (("test", n_test), ("validation", n_validation)):
        chosen = None if strata is None else strata[rest]
        if chosen is not None:
            _needs_strata(frame[column].iloc[rest], chosen, part, size, declaration)
        rest, taken = model_selection.train_test_split(
            rest, test_size=size, random_state=seed, stratify=chosen
        )
        parts.append(taken)
    return Partition(train=rest, validation=parts[1], test=parts[0])


def _by_group(frame: pd.DataFrame, declaration: DatasetDeclaration) -> Partition:
    column = declaration.group or ""
    _needs_values(frame, column, "group", declaration)
    groups, labels = encode(frame[column])
    n_test, n_validation = _counts(len(labels), "group", declaration)
    rest = np.arange(len(frame), dtype=np.int64)
    parts = []
    for size in (n_test, n_validation):
        splitter = model_selection.GroupShuffleSplit(
            n_splits=1, test_size=size, random_state=int(declaration.seed)
        )
        kept, taken = next(splitter.split(rest, groups=groups[rest]))
        parts.append(rest[taken])
        rest = rest[kept]
    return Partition(train=rest, validation=parts[1], test=parts[0])


def _by_time(frame: pd.DataFrame, declaration: DatasetDeclaration) -> Partition:
    columns = names(declaration.time)
    ranks = [_rank_in_time(frame, column, declaration) for column in columns]
    order = np.lexsort(ranks[::-1]).astype(np.int64)
    n_test, n_validation = _counts(len(frame), "row", declaration)
    changes = np.any([rank[order][1:] != rank[order][:-1] for rank in ranks], axis=0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    cuts = np.array([len(frame) - n_test - n_validation, len(frame) - n_test])
    first, second = starts[np.searchsorted(starts, cuts, side="right") - 1]
    if first in (0, second):
        empty = "train" if first == 0 else "validation"
        raise DataError(
            f"data set {declaration.name!r} has {counted(len(starts), 'distinct time')} in "
            f"{len(frame)} rows, and since equal times stay in one split, no row is left for {empty}",
            "give time= a finer column, or several: time=(column, column)",
        )
    return Partition(train=order[:first], validation=order[first:second], test=order[second:])


def _by_key(frame: pd.DataFrame, declaration: DatasetDeclaration) -> Partition:
    columns = names(declaration.key)
    for column in columns:
        _needs_values(frame, column, "key", declaration)
    found_at = hashes([frame[column] for column in columns], int(declaration.seed))
    _, validation, test = shares(declaration.split)
    below_test = found_at < np.uint64(math.ceil(test * 2**64))
    below_both = found_at < np.uint64(math.ceil((test + validation) * 2**64))
    parts = {"train": ~below_both, "validation": below_both & ~below_test, "test": below_test}
    found = {part: np.flatnonzero(mask).astype(np.int64) for part, mask in parts.items()}
    for part, positions in found.items():
        if not len(positions):
            raise DataError(
                f"data set {declaration.name!r} has {counted(len(np.unique(found_at)), 'distinct key')} in "
                f"{counted(len(frame), 'row')}, and the hash puts none of them into {part}",
                "load more rows, name key columns that tell them apart, or leave out key=",
            )
    return Partition(**found)


def _rank_in_time(frame: pd.DataFrame, column: str, declaration: DatasetDeclaration) -> NDArray[np.int64]:
    _needs_values(frame, column, "time", declaration)
    values = frame[column]
    if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
        return values.cat.codes.to_numpy().astype(np.int64)
    if values.dtype.kind in "iufbmM":
        return pd.factorize(values, sort=True)[0].astype(np.int64)
    ranks, times = encode(values)
    strange = [time for time in times if isinstance(time, str) and not _ISO.fullmatch(time)]
    kinds = {type(time).__name__ for time in times}
    if strange or len(kinds - {"int", "float"}) > (len(kinds) == 1):
        found = f"the text {strange[0]!r}" if strange else f"values of types {', '.join(sorted(kinds))}"
        raise DataError(
            f"time={column!r} of data set {declaration.name!r} holds {found}, which does not sort by time",
            "convert it in the loader with pd.to_datetime, or make it an ordered category",
        )
    return ranks


def _needs_values(frame: pd.DataFrame, column: str, option: str, declaration: DatasetDeclaration) -> None:
    nulls = int(frame[column].isna().sum())
    if nulls:
        raise DataError(
            f"{option}={column!r} of data set {declaration.name!r} has {counted(nulls, 'null')} in "
            f"{counted(len(frame), 'row')}",
            "fill or drop these rows in the loader, so that every row has its split",
        )


def _counts(total: int, unit: str, declaration: DatasetDeclaration) -> tuple[int, int]:
    """Numbers of test and validation rows (or groups), at least one of each and one left to train."""
    _, validation, test = shares(declaration.split)
    n_test, n_validation = math.ceil(test * total), math.ceil(validation * total)
    if total - n_test - n_validation < 1:
        grouped = f" of {declaration.group!r}" if unit == "group" else ""
        raise DataError(
            f"data set {declaration.name!r} has {counted(total, unit)}{grouped}, too few for "
            f"split={tuple(declaration.split)!r}: {n_test} for test, {n_validation} for validation and "
            "none left for train",
            f"load more {unit}s or give train a larger share",
        )
    return n_test, n_validation


def _strata(
    frame: pd.DataFrame, codes: NDArray[np.int64], task: str, declaration: DatasetDeclaration
) -> tuple[str, NDArray[np.int64] | None]:
    by, target = declaration.stratify, declaration.target
    if by is False or (by is None and task == "regression"):
        return "", None
    if by is True and task == "regression":
        raise DeclarationError(
            f"data set {declaration.name!r} has stratify=True, but its target {target!r} has no classes",
            "leave stratify= out for a regression, or name a column with few values",
        )
    if isinstance(by, str) and not (by == target and task != "regression"):
        strata, levels = encode(frame[by])
        return by, np.where(strata < 0, len(levels), strata)  # nulls are a stratum of their own
    return target, codes


def _needs_strata(
    values: pd.Series, strata: NDArray[np.int64], part: str, size: int, declaration: DatasetDeclaration
) -> None:
    """Foresee what scikit-learn refuses, in the words of the declaration."""
    remedy = "load more rows, merge rare values, change split=, or write stratify=False"
    _, firsts, counts = np.unique(strata, return_index=True, return_counts=True)
    what = f"data set {declaration.name!r} cannot be stratified by {values.name!r}"
    if counts.min() < 2:
        rare = values.iloc[int(firsts[counts.argmin()])]
        left = "" if part == "test" else " left after the test rows were taken"
        raise DataError(f"{what}: {quote(rare)} has only 1 row{left}", remedy)
    for side, rows in ((part, size), ("other", len(strata) - size)):
        if rows < len(counts):
            few = counted(rows, f"{side} row")
            raise DataError(f"{what}: {few} cannot hold {len(counts)} different values", remedy)
