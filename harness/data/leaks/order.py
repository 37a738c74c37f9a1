"""Groups and times that should part the splits in; where they do not, out.

Nothing here is shared with the code that made the splits: it would share the fault, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import pandas as pd
from pandas.api import types

from harness.data.consistency import names
from harness.data.labels import counted, quote
from harness.data.leaks.leak import Leak, listed, percent
from harness.data.loaded import feature_columns
from harness.data.partition import Partition
from harness.declarations import DatasetDeclaration

_FAULT = "the harness has divided the rows wrongly: please report it"


def overlaps(frame: pd.DataFrame, declaration: DatasetDeclaration, partition: Partition) -> Iterator[Leak]:
    """Yield a leak if a group stands in two splits, or rows of a later split are not later.

    Without `group=`, `time=` and `key=`, one if models see dates and rows are tested that are older than
    some that were trained on: that is a forecast of the past.
    """
    if declaration.group is not None:
        yield from _groups(frame[declaration.group], partition)
    elif declaration.time is not None:
        yield from _times(frame, names(declaration.time), partition)
    elif declaration.key is None:
        yield from _dates(frame, declaration, partition)


def _groups(column: pd.Series, partition: Partition) -> Iterator[Leak]:
    parts = [set(column.iloc[positions].tolist()) for _, positions in partition.items()]
    shared = set().union(*(one & other for one, other in combinations(parts, 2)))
    if shared:
        found = (
            f"{counted(len(shared), 'group')} of {quote(column.name)} {_stands(len(shared))} in two splits"
        )
        yield Leak(kind="group", columns=(str(column.name),), problem=found, remedy=_FAULT)


def _stands(number: int) -> str:
    return "stands" if number == 1 else "stand"


def _times(frame: pd.DataFrame, columns: tuple[str, ...], partition: Partition) -> Iterator[Leak]:
    moments = [_moments(frame[list(columns)].iloc[positions]) for _, positions in partition.items()]
    for (earlier, later), word in zip(
        pairwise(moments),
        ("validation rows are not later than all training rows", "test rows are not later than all others"),
        strict=True,
    ):
        last = max(earlier)
        wrong = sum(moment <= last for moment in later)
        if wrong:
            problem = f"{wrong:,} of {len(later):,} {word}, by {listed(columns)}"
            yield Leak(kind="time", columns=columns, problem=problem, remedy=_FAULT)


def _moments(columns: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the time of each row as something that compares."""
    parts = []
    for _, column in columns.items():
        ordered = isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered
        parts.append((column.cat.codes if ordered else column).tolist())
    return list(zip(*parts, strict=True))


def _dates(frame: pd.DataFrame, declaration: DatasetDeclaration, partition: Partition) -> Iterator[Leak]:
    seen = [n for n in feature_columns(frame, declaration) if types.is_datetime64_any_dtype(frame[n].dtype)]
    older = {}
    for name in seen:
        column = frame[name]
        newest = column.iloc[partition.train].max()
        older[name] = int((column.iloc[partition.test] < newest).sum())
    dates = [name for name in seen if older[name]]
    if dates:
        first, rows = dates[0], len(partition.test)
        problem = (
            f"{older[first]:,} of {rows:,} test rows ({percent(older[first], rows)}) are older than the "
            f"newest training row by {quote(first)}, since the split is random"
        )
        remedy = f"write time={quote(first)} if models shall predict what comes later, or drop={quote(first)}"
        yield Leak(kind="time", columns=tuple(dates), problem=problem, remedy=remedy)
