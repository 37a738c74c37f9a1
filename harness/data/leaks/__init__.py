"""Loaded rows and how they are split in; what makes scores better than the model deserves, out."""

from __future__ import annotations

import pandas as pd

from harness.data.leaks.alone import telling_columns
from harness.data.leaks.kept import Kept
from harness.data.leaks.leak import Leak, refusal
from harness.data.leaks.order import overlaps
from harness.data.leaks.together import telling_pair
from harness.data.leaks.twins import shared_rows
from harness.data.partition import Partition, divide
from harness.data.target import Target, read_target
from harness.declarations import DatasetDeclaration
from harness.store import Store

__all__ = ["Leak", "find", "leaks", "refusal"]
__tracebackhide__ = True


def leaks(
    frame: pd.DataFrame, declaration: DatasetDeclaration, *, digest: str, store: Store
) -> tuple[Leak, ...]:
    """Return the leaks of a prepared data set, from the store if they were looked for before.

    frame: as loaded; one that `preparation.prepare` has let pass.
    digest: of the prepared data set. `leaks=` of the declaration changes nothing here.
    A damaged entry of the store is made anew. Raises StoreError if a new one cannot be written.
    """
    kept = Kept(store, digest)
    known = kept.load()
    if known is None:
        target = read_target(frame, declaration)
        partition = divide(frame, target.ranks, target.task, declaration)
        known = find(frame, declaration, target, partition)
        kept.keep(known)
    return known


def find(
    frame: pd.DataFrame, declaration: DatasetDeclaration, target: Target, partition: Partition
) -> tuple[Leak, ...]:
    """Return what would let scores on validation and test rows be better than the model deserves.

    Groups or times that overlap come first, then rows in two splits, then columns that give the target
    away. It is a search with thresholds: an empty tuple is no proof that nothing leaks.
    """
    single = telling_columns(frame, declaration, target, partition)
    known = {column for leak in single for column in leak.columns}
    return (
        *overlaps(frame, declaration, partition),
        *shared_rows(frame, declaration, target, partition),
        *single,
        *telling_pair(frame, declaration, target, partition, known),
    )
