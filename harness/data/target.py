"""What is to be predicted: the target column in; task, classes and encoded values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from harness.data.consistency import close
from harness.data.labels import counted, encode, quote
from harness.declarations import DatasetDeclaration
from harness.errors import DataError, DeclarationError

__tracebackhide__ = True

_MOST_CLASSES = 20
"""An integer target with more distinct values is a quantity, unless `task=` says otherwise."""

_SPLITS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One target column."""

    task: str
    classes: list[Any] | None
    """Labels as plain str, int, float or bool in sorted order, the positive class last; None: regression."""
    values: NDArray[Any]
    """int64 positions in `classes`, or the numbers of a regression in their own dtype."""
    ranks: NDArray[np.int64]
    """int64 positions among the sorted labels, which `positive=` does not change; empty: regression."""


def read_target(frame: pd.DataFrame, declaration: DatasetDeclaration) -> Target:
    """Decide the task from the target column, or as declared, and encode it.

    Text, booleans and categories are classes; floats are a regression unless they have exactly two
    values; integers are classes up to 20 distinct values. Raises DataError for a target that
    cannot be learnt, DeclarationError where `task=` or `positive=` contradicts it.
    """
    column = frame[declaration.target].infer_objects()
    who = f"target {declaration.target!r} of data set {declaration.name!r}"
    nulls = int(column.isna().sum())
    if nulls:
        raise DataError(
            f"{who} has {counted(nulls, 'null')} in {len(column)} rows",
            f"drop these rows in the loader: frame.dropna(subset=[{declaration.target!r}])",
        )
    kind = _kind(column, who)
    if kind == "float":
        infinite = int(np.isinf(column.to_numpy(dtype="float64")).sum())
        if infinite:
            raise DataError(
                f"{who} has {counted(infinite, 'infinite value')}", "clip or drop these rows in the loader"
            )
    ranks, labels = encode(column)
    if len(labels) == 1:
        raise DataError(
            f"{who} is {quote(labels[0])} in all {len(column)} rows", "load rows with at least two values"
        )
    task = declaration.task or _infer(kind, len(labels))
    if task == "regression":
        if kind == "label":
            raise DeclarationError(
                f"{who} is {column.dtype}, not a number, and task='regression'",
                "leave out task=, or convert the column in the loader",
            )
        _positive(declaration, task, labels)
        return Target(task, None, _numbers(column), np.empty(0, dtype=np.int64))
    _check_classes(task, ranks, labels, who, declared=declaration.task is not None)
    last = _positive(declaration, task, labels)
    if last == 0:
        return Target(task, labels[::-1], 1 - ranks, ranks)
    return Target(task, labels, ranks, ranks)


def _kind(column: pd.Series, who: str) -> str:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) or types.is_bool_dtype(dtype):
        return "label"
    if types.is_integer_dtype(dtype):
        return "integer"
    if types.is_float_dtype(dtype):
        return "float"
    if types.is_string_dtype(dtype) and not types.is_object_dtype(dtype):
        return "label"
    found = sorted({type(value).__name__ for value in column.unique()})
    if types.is_object_dtype(dtype) and {"str", "int", "bool", "float"}.issuperset(found):
        return "label"
    raise DataError(
        f"{who} is {dtype} with values of type {', '.join(found)}",
        "convert it in the loader: .astype(float) for a regression, .astype(str) for classes",
    )


def _infer(kind: str, distinct: int) -> str:
    if kind == "float":
        return "binary" if distinct == 2 else "regression"
    if kind == "integer" and distinct > _MOST_CLASSES:
        return "regression"
    return "binary" if distinct == 2 else "multiclass"


def _numbers(column: pd.Series) -> NDArray[Any]:
    plain: Any = getattr(column.dtype, "numpy_dtype", column.dtype)  # of Int64 and Arrow's numbers
    return column.to_numpy(dtype=plain)


def _check_classes(
    task: str, ranks: NDArray[np.int64], labels: Sequence[Any], who: str, *, declared: bool
) -> None:
    strange = [label for label in labels if not isinstance(label, str | int | float)]
    if strange:
        raise DataError(
            f"{who} has classes of type {type(strange[0]).__name__}, such as {quote(strange[0])}",
            "convert it in the loader with .astype(str)",
        )
    if declared and (task == "binary") != (len(labels) == 2):
        other = "multiclass" if task == "binary" else "binary"
        raise DeclarationError(
            f"{who} has {len(labels)} classes ({_some(labels)}) and task={task!r}",
            f"write task={other!r}, or leave it out",
        )
    counts = np.bincount(ranks)
    rare = int(counts.argmin())
    if counts[rare] < _SPLITS:
        others = int((counts < _SPLITS).sum()) - 1
        raise DataError(
            f"class {quote(labels[rare])} of {who} has {counted(int(counts[rare]), 'row')}, "
            f"fewer than the {_SPLITS} splits"
            + (f", as have {others} more of its {len(labels)} classes" if others else ""),
            "load more of them, merge or drop rare classes in the loader"
            + ("" if isinstance(labels[rare], str) else ", or write task='regression' if it is a quantity"),
        )


def _positive(declaration: DatasetDeclaration, task: str, labels: Sequence[Any]) -> int | None:
    """Position of the positive class among the sorted labels; None: not declared."""
    positive = declaration.positive
    if positive is None:
        return None
    who = f"target {declaration.target!r} of data set {declaration.name!r}"
    if task != "binary":
        found = "is a regression" if task == "regression" else f"has {len(labels)} classes"
        raise DeclarationError(
            f"{who} {found} and positive={positive!r}",
            "a positive class exists for two classes only: leave out positive=",
        )
    for i, label in enumerate(labels):
        if label == positive:
            return i
    raise DataError(
        f"{who} has no class {quote(positive)}",
        f"{close(positive, map(str, labels))}write positive= one of its classes: {_some(labels)}",
    )


def _some(labels: Sequence[Any]) -> str:
    shown = ", ".join(quote(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown}, ..."
