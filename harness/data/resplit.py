"""The rows that are no test rows in, divided once more: positions to train and to validate on out; pure."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.consistency import names, shares
from harness.data.keys import hashes
from harness.data.labels import counted, encode
from harness.declarations import DatasetDeclaration, ExperimentDeclaration
from harness.errors import DataError, DeclarationError
from harness.scikit import model_selection

__all__ = ["Manner", "Pair", "Repeat", "check", "columns", "manner", "rounds", "splits"]
__tracebackhide__ = True

Pair = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Ascending positions of the rows to train on and of those to validate on."""
Manner = Mapping[str, Any]
"""How a data set divides its rows, as JSON: see `manner`."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One fit of a trial beside that on the declared split."""

    number: int
    """2 … total of repeats, since the declared split is the first; 1 … total of folds."""
    total: int
    fold: bool = False

    def __str__(self) -> str:
        return f"{'fold' if self.fold else 'repeat'} {self.number} of {self.total}"

    @property
    def key(self) -> str:
        """What decides which rows stand where: the second of three repeats is the second of five."""
        return str(self) if self.fold else f"repeat {self.number}"

    def digest(self, declared: str) -> str:
        """Return the digest of this division of a data set; declared: that of the declared one."""
        return hashlib.blake2b(f"{declared}\n{self.key}".encode(), digest_size=16).hexdigest()


def rounds(repeats: int, folds: int | None) -> tuple[Repeat, ...]:
    """Return the fits that `@experiment(repeats=…)` or `folds=` asks for besides the declared one."""
    if folds is not None:
        return tuple(Repeat(number, folds, fold=True) for number in range(1, folds + 1))
    return tuple(Repeat(number, repeats) for number in range(2, repeats + 1))


def check(place: str, stated: ExperimentDeclaration, datasets: Sequence[DatasetDeclaration]) -> None:
    """Raise DeclarationError if an experiment's data cannot be divided again as it wants; name its `place`.

    datasets: all that it asks for.
    """
    if stated.folds is not None and not datasets:
        raise DeclarationError(
            f"{place}: @experiment(folds={stated.folds}) above an experiment without data",
            f"write repeats={stated.folds} to run it {stated.folds} times, or let it ask for a data set",
        )
    for declaration in datasets:
        if stated.repeats > 1 and declaration.time is not None:
            raise DeclarationError(
                f"{place}: @experiment(repeats={stated.repeats}), and data set {declaration.name!r} has "
                f"time={declaration.time!r}: rows in the order of time are divided in one way only",
                f"write folds={stated.repeats} for expanding windows",
            )


def manner(declaration: DatasetDeclaration, task: str) -> dict[str, Any]:
    """Return how a data set of a task divides its rows, as JSON values.

    "seed"; "share" (text) of validation rows among those that are no test rows; "stratify" (name of a
    column, perhaps the target, or None), "group" (the same), "time" and "key" (names of columns).
    """
    d = declaration
    _, validation, test = shares(d.split)
    by: Any = d.target if d.stratify in (None, True) else d.stratify or None
    alone = d.group is None and d.time is None and d.key is None
    return {
        "seed": int(d.seed),
        "share": str(validation / (1 - test)),
        "target": d.target,
        "stratify": by if alone and not (d.stratify is None and task == "regression") else None,
        "group": d.group,
        "time": list(names(d.time)),
        "key": list(names(d.key)),
    }


def by_target(how: Manner) -> bool:
    """Return whether the rows are divided class by class."""
    return how.get("stratify") is not None and how["stratify"] == how["target"]


def columns(how: Manner) -> list[str]:
    """Return the columns, besides the target, that `splits` must see."""
    wanted = [how["stratify"], how["group"], *how["time"], *how["key"]]
    return [name for name in dict.fromkeys(wanted) if name is not None and name != how["target"]]


def splits(
    frame: pd.DataFrame, target: NDArray[Any], validation: int, how: Manner, repeat: Repeat, *, name: str
) -> Pair:
    """Divide the declared training and validation rows once more, in the manner of the declaration.

    frame: their `columns(how)`, the training rows first, (n, any); of a split by time in its order.
    target: (n,) class codes or values. validation: number of declared validation rows, the last ones.
    name: of the data set, for messages.

    Repeat k of a random or grouped split is scikit-learn's `train_test_split` or `GroupShuffleSplit`
    with the declared number of validation rows or groups and `random_state=seed + k - 1`; by key, the
    rows whose hash with that seed is below validation's share. Folds are `KFold` or `StratifiedKFold`,
    shuffled by the seed, `GroupKFold`, the hash modulo their number, or for `time=` windows: the rows
    are cut at `n - i * (n // (folds + 1))`, as in `TimeSeriesSplit`, equal times wholly to the later
    part, and each part but the first is validated by what was trained on all before it.

    Returns two disjoint arrays, none empty, which are all n rows unless folds are by time.
    Raises DataError where the rows cannot be divided so.
    """
    n = len(target)
    if how["group"] is not None:
        taken = _by_group(frame[str(how["group"])], validation, how, repeat, name=name)
    elif how["time"]:
        return _by_time([frame[column] for column in how["time"]], repeat, name)
    elif how["key"]:
        taken = _by_key([frame[column] for column in how["key"]], how, repeat)
    else:
        strata = _strata(frame, target, how)
        taken = (
            _fold(strata, n, how, repeat, name=name)
            if repeat.fold
            else _draw(strata, n, validation, how, repeat)
        )
    held = np.zeros(n, dtype=bool)
    held[taken] = True
    pair = np.flatnonzero(~held).astype(np.int64), np.flatnonzero(held).astype(np.int64)
    for part, rows in zip(("train", "validation"), pair, strict=True):
        if not len(rows):
            raise DataError(
                f"data set {name!r} has no {part} row in {repeat}: the hash of key={how['key']!r} puts none "
                f"of {counted(n, 'row')} there",
                f"load more rows, or ask for {'fewer folds' if repeat.fold else 'other repeats'}",
            )
    return pair


def _state(how: Manner, repeat: Repeat) -> int:
    shift = 0 if repeat.fold else repeat.number - 1
    return int((how["seed"] + shift) % 2**32)


def _strata(frame: pd.DataFrame, target: NDArray[Any], how: Manner) -> NDArray[np.int64] | None:
    by = how["stratify"]
    if by is None:
        return None
    values: pd.Series = pd.Series(target) if by == how["target"] else frame[str(by)]
    strata, levels = encode(values)
    return np.where(strata < 0, len(levels), strata)  # nulls are a stratum of their own


def _draw(
    strata: NDArray[np.int64] | None, n: int, validation: int, how: Manner, repeat: Repeat
) -> NDArray[np.int64]:
    _, taken = model_selection.train_test_split(
        np.arange(n), test_size=validation, random_state=_state(how, repeat), stratify=strata
    )
    return np.asarray(taken, dtype=np.int64)


def _fold(
    strata: NDArray[np.int64] | None, n: int, how: Manner, repeat: Repeat, *, name: str
) -> NDArray[np.int64]:
    rows = np.arange(n)
    state = _state(how, repeat)
    if n < repeat.total:
        raise _too_few(name, counted(n, "training and validation row"), repeat, n)
    if strata is None:
        splitter = model_selection.KFold(repeat.total, shuffle=True, random_state=state)
        return _nth(splitter.split(rows), repeat)
    most = int(np.bincount(strata).max())
    if most < repeat.total:
        few = f"at most {counted(most, 'training or validation row')} of each value of {how['stratify']!r}"
        raise _too_few(name, few, repeat, most)
    splitter = model_selection.StratifiedKFold(repeat.total, shuffle=True, random_state=state)
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return _nth(splitter.split(rows, strata), repeat)  # a rare value is not in every fold


def _by_group(
    values: pd.Series, validation: int, how: Manner, repeat: Repeat, *, name: str
) -> NDArray[np.int64]:
    groups, labels = encode(values)
    rows = np.arange(len(groups), dtype=np.int64)
    if repeat.fold:
        if len(labels) < repeat.total:
            few = f"{counted(len(labels), 'group')} of {how['group']!r} among training and validation rows"
            raise _too_few(name, few, repeat, len(labels))
        return _nth(model_selection.GroupKFold(repeat.total).split(rows, groups=groups), repeat)
    count = len(np.unique(groups[len(groups) - validation :]))
    splitter = model_selection.GroupShuffleSplit(
        n_splits=1, test_size=count, random_state=_state(how, repeat)
    )
    return np.asarray(next(splitter.split(rows, groups=groups))[1], dtype=np.int64)


def _by_key(values: Sequence[pd.Series], how: Manner, repeat: Repeat) -> NDArray[np.int64]:
    found_at = hashes(values, _state(how, repeat))
    if repeat.fold:
        held = found_at % np.uint64(repeat.total) == np.uint64(repeat.number - 1)
    else:
        held = found_at < np.uint64(math.ceil(Fraction(how["share"]) * 2**64))
    return np.flatnonzero(held).astype(np.int64)


def _by_time(values: Sequence[pd.Series], repeat: Repeat, name: str) -> Pair:
    n = len(values[0])
    ranks = [pd.factorize(column)[0] for column in values]
    changes = np.any([rank[1:] != rank[:-1] for rank in ranks], axis=0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
    window = n // (repeat.total + 1)
    cuts = n - window * np.arange(repeat.total, 0, -1)
    firsts = starts[np.searchsorted(starts, cuts, side="right") - 1]
    if window == 0 or firsts[0] == 0 or len(np.unique(firsts)) < len(firsts):
        few = f"{counted(len(starts), 'distinct time')} in {counted(n, 'training and validation row')}"
        raise _too_few(name, few, repeat, None)
    ends = [*firsts[1:], n]
    first, end = int(firsts[repeat.number - 1]), int(ends[repeat.number - 1])
    return np.arange(first, dtype=np.int64), np.arange(first, end, dtype=np.int64)


def _nth(pairs: Any, repeat: Repeat) -> NDArray[np.int64]:
    _, taken = next(islice(pairs, repeat.number - 1, None))
    return np.asarray(taken, dtype=np.int64)


def _too_few(name: str, what: str, repeat: Repeat, most: int | None) -> DataError:
    fewer = "ask for fewer folds" if most is None else f"write folds={most} or fewer"
    remedy = "load more rows" if most is not None and most < 2 else f"{fewer}, or load more rows"
    return DataError(f"data set {name!r} has {what}, too few for folds={repeat.total}", remedy)
