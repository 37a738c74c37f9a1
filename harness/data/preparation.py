"""Loaded rows in; splits in the store, made once per content, and a `Dataset` that reads them out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness.data import splits, table
from harness.data.consistency import names
from harness.data.dataset import Dataset, Seal, Split
from harness.data.labels import quote
from harness.data.loaded import examine, feature_columns, needs_frame, weights
from harness.data.partition import Partition, divide, shares
from harness.data.repeated import repeated
from harness.data.resplit import by_target, manner
from harness.data.table import Rows
from harness.data.target import Target, read_target
from harness.declarations import DatasetDeclaration
from harness.errors import DataError
from harness.results import JsonRecord
from harness.store import Store

__tracebackhide__ = True

_LAYOUT = 3
"""Of the files in the store; another number makes every entry anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(JsonRecord):
    """One data set in the store: all that a process needs to open it."""

    name: str
    task: str
    """"binary", "multiclass" or "regression"."""
    classes: Sequence[Any] | None
    """Labels as plain values, in the order of the codes; None: regression."""
    target: str
    target_dtype: str
    """As loaded."""
    weight: str | None
    columns: Mapping[str, str]
    """Dtype by name of the columns that models see."""
    rows: Mapping[str, int]
    """Number of rows by split."""
    digest: str
    """Of the loaded rows, how they are split and what models see of them; names the folders."""
    content: str
    """Of the loaded rows alone, as `digest_frame` gives it."""
    manner: Mapping[str, Any] = field(default_factory=dict)
    """How the rows are divided, see `resplit.manner`."""
    test_rows: str = ""
    """Digest of the test rows alone, as loaded: the same whatever the data set is called or drops."""


def digest_frame(frame: Any, name: str = "") -> str:
    """Return the digest of loaded rows, see `table.digest`; DataError unless they are a DataFrame.

    name: of the data set, for the message.
    """
    needs_frame(frame, name)
    return table.digest(frame)


def prepare(
    declaration: DatasetDeclaration, frame: Any, store: Store, content: str | None = None
) -> Prepared:
    """Check, split and store what a loader returned; reuse the entry of equal rows and declaration.

    declaration: one that `consistency.check` has let pass.
    content: what `digest_frame` gives for the frame, if known.
    A damaged or missing file makes the whole entry anew. Raises DeclarationError or DataError for
    what cannot work, StoreError where it cannot be written.
    """
    examine(frame, declaration)
    target = read_target(frame, declaration)
    content = content or table.digest(frame)
    digest = _digest(content, declaration)
    known = splits.find(store, digest)
    if known is not None:
        return Prepared.from_json(known)
    partition = divide(frame, target.ranks, target.task, declaration)
    _check_splits(frame, target, partition, declaration)
    prepared = Prepared(
        name=declaration.name,
        task=target.task,
        classes=target.classes,
        target=declaration.target,
        target_dtype=str(frame[declaration.target].dtype),
        weight=declaration.weight,
        columns={name: str(frame[name].dtype) for name in feature_columns(frame, declaration)},
        rows={split: len(positions) for split, positions in partition.items()},
        digest=digest,
        content=content,
        manner=manner(declaration, target.task),
        test_rows=_rows_digest(frame.iloc[np.sort(partition.test)]),
    )
    columns = frame.drop(columns=declaration.target)
    record = prepared.to_json()
    splits.write(store, digest, record, columns=columns, target=target.values, partition=partition)
    return prepared


def _rows_digest(rows: pd.DataFrame) -> str:
    """Return the digest of some rows; levels that a category has in other rows do not count."""
    return table.digest(rows.astype(dict.fromkeys(rows.select_dtypes("category"), object)))


def _digest(content: str, declaration: DatasetDeclaration) -> str:
    d = declaration
    shaping = {
        "layout": _LAYOUT,
        "content": content,
        "name": d.name,
        "target": d.target,
        "task": d.task,
        "positive": None if d.positive is None else repr(d.positive),
        "split": [str(share) for share in shares(d.split)],
        "seed": int(d.seed),
        "stratify": d.stratify,
        "group": d.group,
        "time": names(d.time),
        "key": names(d.key),
        "weight": d.weight,
        "drop": sorted(names(d.drop)),
    }
    return hashlib.blake2b(json.dumps(shaping).encode(), digest_size=16).hexdigest()


def _check_splits(
    frame: pd.DataFrame, target: Target, partition: Partition, declaration: DatasetDeclaration
) -> None:
    """Refuse splits that cannot be learnt from or scored."""
    if target.classes is not None:
        absent = set(range(len(target.classes))) - set(np.unique(target.values[partition.train]).tolist())
        if absent:
            raise DataError(
                f"no training row of data set {declaration.name!r} is of class "
                f"{quote(target.classes[min(absent)])}",
                "divide the rows in another way, or load more of that class",
            )
    elif np.ptp(target.values[partition.train]) == 0:
        raise DataError(
            f"target {declaration.target!r} of data set {declaration.name!r} is the same in all "
            f"{len(partition.train)} training rows",
            "divide the rows in another way, or load more",
        )
    if declaration.weight is not None:
        values = weights(frame, declaration)
        for split, positions in partition.items():
            if not values[positions].any():
                raise DataError(
                    f"weight={declaration.weight!r} of data set {declaration.name!r} is 0 in every "
                    f"{split} row",
                    "divide the rows in another way, or leave out weight=",
                )


def open_dataset(prepared: Prepared, store: Store, seal: Seal) -> Dataset:
    """Return the data set of a record; its files are memory-mapped when a split is first asked for.

    Validation and test rows have the category levels that the training rows have: another one is missing.
    `.train` and the others raise StoreError for a file that is missing or damaged.
    """
    opened: dict[str, Rows] = {}
    conformed: dict[str, Rows] = {}

    def stored(split: str) -> Rows:
        if split not in opened:
            opened[split] = splits.read(store, prepared.digest, split, prepared.rows[split], prepared.name)
        return opened[split]

    def rows(split: str) -> Rows:
        if split not in conformed:
            conformed[split] = splits.conform(stored(split), stored("train").frame)
        return conformed[split]

    def load(split: str) -> Split:
        positions, values, frame = rows(split)
        weight = None if prepared.weight is None else frame[prepared.weight].astype("float64")
        y = pd.Series(values, index=frame.index, name=prepared.target, copy=False)
        return Split(frame[list(prepared.columns)], y, weight, positions)

    return Dataset(
        name=prepared.name,
        task=prepared.task,
        classes=prepared.classes,
        columns=list(prepared.columns),
        digest=prepared.digest,
        sizes=prepared.rows,
        seal=seal,
        load=load,
        rows=lambda split: rows(split).frame,
        group=prepared.manner.get("group"),
        in_order=bool(prepared.manner.get("time")),
        stratified=by_target(prepared.manner),
        content=prepared.content,
        resplit=lambda repeat: repeated(prepared, stored, repeat),
    )
