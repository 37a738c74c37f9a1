"""The files of one prepared data set: rows and their partition in, two folders of the store out, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from harness.data import table
from harness.data.partition import Partition
from harness.data.table import Rows
from harness.errors import StoreError
from harness.store import Store

DATA, SEALED = "data", "sealed"

_FOLDERS: Mapping[str, tuple[str, ...]] = {SEALED: ("test",), DATA: ("train", "validation")}
"""In the order of writing: an entry exists when the last folder does."""


def write(
    store: Store,
    digest: str,
    record: Mapping[str, Any],
    *,
    columns: pd.DataFrame,
    target: NDArray[Any],
    partition: Partition,
) -> None:
    """Write an entry of the store: `sealed/DIGEST` with the test rows, then `data/DIGEST` with the others.

    record: JSON that `find` returns, with the data set's name. columns, target: all loaded rows.
    Categories have the levels that occur in the rows: in the training rows, in these and the validation
    rows together, in the test rows; what the training rows have not becomes missing by `conform`.
    Nothing in one folder tells of a row in the other. Raises StoreError.
    """
    # every split gets the Arrow types of the whole, whatever nulls it happens to have
    kinds = {
        name: table.arrow(columns[name]).type
        for name in columns.columns
        if pd.api.types.is_object_dtype(columns[name].dtype)
    }
    token = hashlib.blake2b(b"".join(at.tobytes() for _, at in partition.items()), digest_size=16).hexdigest()
    places = dict(partition.items())
    try:
        for folder, splits in _FOLDERS.items():
            known, seen = {}, np.empty(0, dtype=np.int64)
            for split in splits:
                seen = np.concatenate([seen, places[split]])
                known[split] = levels(columns.select_dtypes("category").iloc[seen])
            with store.folder(folder, digest) as draft:
                digests = {}
                for split in splits:
                    at = places[split]
                    path = _file(draft, split)
                    frame = with_levels(columns.iloc[at], known[split])
                    table.write(path, Rows(at, target[at], frame), kinds)
                    digests[split] = _file_digest(path)
                meta = {
                    "partition": token,
                    "files": digests,
                    "record": dict(record) if folder == DATA else {},
                }
                content = json.dumps({"checksum": _checksum(meta), **meta}, indent=1)
                (draft / "meta.json").write_text(content, encoding="utf-8")
    except (StoreError, pa.ArrowException) as error:
        if find(store, digest) is not None:  # another run has just written the same
            return
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"the splits of data set {record['name']!r} cannot be written to {store.root}: {error}",
            "make room there, or name another folder with -o experiment_store=FOLDER",
        ) from error


def find(store: Store, digest: str) -> Mapping[str, Any] | None:
    """Return the record of an entry; None unless its files are all there, undamaged and of one partition."""
    partitions = set()
    meta: Any = None
    try:
        for folder, splits in _FOLDERS.items():
            meta = store.read_json(folder, digest, "meta.json")
            if meta.pop("checksum") != _checksum(meta):
                return None
            partitions.add(meta["partition"])
            for split in splits:
                if _file_digest(_file(store.path(folder, digest), split)) != meta["files"][split]:
                    return None
        record: Mapping[str, Any] = meta["record"]
    except (OSError, LookupError, TypeError, AttributeError):
        return None
    return record if len(partitions) == 1 else None


def read(store: Store, digest: str, split: str, size: int, name: str) -> Rows:
    """Return the `size` rows of a split, memory-mapped.

    name: of the data set, for the StoreError about a missing or damaged file.
    """
    folder = store.path(SEALED if split == "test" else DATA, digest)
    path = _file(folder, split)
    try:
        rows = table.read(path)
        if len(rows.positions) != size:
            raise ValueError(f"it has {len(rows.positions)} rows, not {size}")
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        raise StoreError(
            f"the {split} rows of data set {name!r} cannot be read from {path}: {error}",
            f"delete the folder {folder}, and the next run writes it anew",
        ) from error
    return rows


def conform(rows: Rows, train: pd.DataFrame) -> Rows:
    """Return rows with the category levels of the training rows; others become missing."""
    levels = {str(name): train[name].cat.categories for name in train.select_dtypes("category")}
    return rows._replace(frame=with_levels(rows.frame, levels))


def levels(frame: pd.DataFrame) -> dict[str, pd.Index]:
    """Return the levels that occur in each category column, in order."""
    categories = frame.select_dtypes("category")
    return {
        str(name): column.cat.remove_unused_categories().cat.categories for name, column in categories.items()
    }


def with_levels(frame: pd.DataFrame, levels: Mapping[str, pd.Index]) -> pd.DataFrame:
    """Return rows whose category columns have these levels; others become missing."""
    frame = frame.copy(deep=False)
    for name, known in levels.items():
        if not frame[name].cat.categories.equals(known):
            frame[name] = frame[name].cat.set_categories(known)
    return frame


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.arrow"


def _checksum(meta: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(meta).encode(), digest_size=16).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
