"""Fitted features in; files that every process of a run maps into memory out."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from harness.data import mapped
from harness.data.dataset import Dataset
from harness.errors import StoreError
from harness.lock import exclusive
from harness.models.columns import Column
from harness.models.model import Step
from harness.models.pickling import loads
from harness.models.transforms import Fitted
from harness.store import Store

FEATURES = "features"

_STEP, _META = "step.pkl", "meta.json"


@dataclass(frozen=True, slots=True, eq=False)
class Shelved:
    """Fitted features, and whether every process has the same."""

    fitted: Fitted
    shared: bool = True
    problem: StoreError | None = None
    """Why the store did not take them."""


class Shelf:
    """The fitted features of a store, each under a key that tells all that it was made of.

    `features/KEY/` holds the pickled step, the transformed training and validation rows, and digests
    of these files. There is nothing of a test row in it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opened = time.time_ns()

    def fetch(self, key: str, dataset: Dataset, fit: Callable[[], Fitted]) -> Shelved:
        """Return the features of a key; fit them if no process has done so, one process at a time.

        dataset: what they are fitted on. What `fit` raises goes through, and nothing is kept: every
        process that asks meets it itself. A store that cannot be written costs only the sharing.
        """
        found = self.read(key, dataset)
        if found is not None:
            return Shelved(found)
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self._store.path(FEATURES, f"{key}.lock")))
            except StoreError as error:
                return Shelved(fit(), shared=False, problem=error)
            found = self.read(key, dataset)
            if found is not None:
                return Shelved(found)
            fitted = fit()
            try:
                found = self.write(key, fitted, dataset)
            except StoreError as error:
                return Shelved(fitted, shared=False, problem=error)
            return Shelved(found or fitted, shared=found is not None)

    def read(self, key: str, dataset: Dataset) -> Fitted | None:
        """Return the features that were fitted on `dataset`; None unless they are there and undamaged.

        What any process has used since this shelf was made has been examined then.
        """
        indices = _indices(dataset)
        folder = self._store.path(FEATURES, key)
        examined = _changed(folder / _META) >= self._opened
        meta: Any = self._store.read_json(FEATURES, key, _META)
        try:
            if meta["checksum"] != _checksum(meta["files"]):
                return None
            if not examined and meta["files"] != _digests(folder):
                return None
            found = _read(folder, indices)
        except Exception:  # noqa: BLE001  # unpickling runs code of every class in the step
            return None
        with suppress(OSError):
            _touch(folder / _META)
        return found

    def write(self, key: str, fitted: Fitted, dataset: Dataset) -> Fitted | None:
        """Keep features; return what any other process will read, or None if they cannot be kept.

        None: a column of Python objects cannot be pickled, or what was pickled cannot be loaded.
        Raises StoreError where the store cannot be written.
        """
        indices = _indices(dataset)
        try:
            with self._store.folder(FEATURES, key) as draft:
                draft.joinpath(_STEP).write_bytes(fitted.pickled)
                for split, X in (("train", fitted.train), ("validation", fitted.validation)):
                    mapped.write(draft, split, X)
                files = _digests(draft)
                content = json.dumps({"checksum": _checksum(files), "files": files}, indent=1)
                draft.joinpath(_META).write_text(content, encoding="utf-8")
                _touch(draft / _META)
            return _read(self._store.path(FEATURES, key), indices)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001  # pickling runs code of every class in the rows and the step
            self._remove(key)
            return None

    def _remove(self, name: str) -> None:
        with suppress(StoreError):
            self._store.remove(FEATURES, name)


def _indices(dataset: Dataset) -> Mapping[str, pd.Index]:
    splits = {"train": dataset.train, "validation": dataset.validation}
    return {name: pd.Index(split.positions, copy=False) for name, split in splits.items()}


def _read(folder: Path, indices: Mapping[str, pd.Index]) -> Fitted:
    pickled = (folder / _STEP).read_bytes()
    step = loads(pickled)
    # from another process it comes with copies of these two classes
    columns = {
        name: Column(*(getattr(column, field.name) for field in fields(Column)))
        for name, column in step.dtypes.items()
    }
    rows: dict[str, Any] = {name: mapped.read(folder, name, index) for name, index in indices.items()}
    return Fitted(Step(step.name, step.transformer, step.names, columns), pickled, **rows)


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file but the one that holds them."""
    return {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != _META}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _checksum(files: Mapping[str, str]) -> str:
    return hashlib.blake2b(json.dumps(files).encode(), digest_size=16).hexdigest()


def _touch(path: Path) -> None:
    """Note that an entry was examined, by the clock that the shelf reads: the kernel's own lags behind it."""
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # another process has just deleted it, or it never was
        return time.time_ns()
