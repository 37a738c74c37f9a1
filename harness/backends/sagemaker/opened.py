"""What Python tells of the files it opens in; those of the project that were read meanwhile out."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

_CODE = frozenset({".py", ".pyc"})


class Opened:
    """The files below a folder that this process opens for reading between `begin` and `end`.

    Python tells of `open`, `os.open` and `sqlite3.connect`, in any thread, and so of what is built on
    them: pathlib, pandas, NumPy, pickle, zipfile, mmap. Not seen are child processes, names relative to a
    `dir_fd`, and libraries that open files by themselves in C, C++ or Rust: pyarrow (also for
    `pandas.read_parquet`), DuckDB, Polars, HDF5. Those files are known as data by their endings and by
    what they hold (`datafiles`).
    """

    def __init__(self, root: Path, *, apart: Collection[Path] = ()) -> None:
        """Listen to nothing yet.

        root: the folder. apart: folders below it whose files do not count, such as the store.
        """
        self._root = root.resolve()
        self._apart = frozenset(folder.resolve() for folder in apart)
        self._heard: dict[Path, None] = {}

    def begin(self) -> None:
        """Listen from now on, in addition to what was heard before."""
        _ear().add(self)

    def end(self) -> None:
        """Listen no more."""
        _ear().remove(self)

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def hear(self, path: Path) -> None:
        """Take the absolute path of what is being opened for reading."""
        self._heard[path] = None

    @property
    def paths(self) -> frozenset[Path]:
        """Resolved paths of the files, without Python's own: .py, .pyc and what is in __pycache__."""
        found = set()
        for heard in tuple(self._heard):
            with suppress(OSError, ValueError, RuntimeError):  # not the name of any file
                path = heard.resolve()
                if path.is_relative_to(self._root) and path.is_file() and self._counts(path):
                    found.add(path)
        return frozenset(found)

    def _counts(self, path: Path) -> bool:
        if path.suffix in _CODE or "__pycache__" in path.parts:
            return False
        return self._apart.isdisjoint(path.parents)


@cache
def _ear() -> _Ear:
    """Return the one of this process.

    It is kept here because Python cannot forget a hook: whoever made another one for each run would
    leave them all behind, each called with every event until the process ends.
    """
    ear = _Ear()
    sys.addaudithook(ear)
    return ear


class _Ear:
    """Calls those that listen; while there are none, it costs one call for each event of the interpreter."""

    def __init__(self) -> None:
        self._listeners: tuple[Opened, ...] = ()

    def add(self, listener: Opened) -> None:
        self._listeners = (*self._listeners, listener)

    def remove(self, listener: Opened) -> None:
        self._listeners = tuple(one for one in self._listeners if one is not listener)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._listeners or event not in ("open", "sqlite3.connect"):
            return
        with suppress(Exception):  # it would be raised where the file is opened
            path = _path(event, arguments)
            if path is not None:
                for listener in self._listeners:
                    listener.hear(path)


def _path(event: str, arguments: tuple[Any, ...]) -> Path | None:
    """Return the absolute path of what is opened for reading, None if it is something else."""
    given = arguments[0]
    if isinstance(given, int):
        return None  # a descriptor, of which Python told when it was opened
    name = os.fsdecode(given)
    if event == "sqlite3.connect":
        if name.startswith("file:"):
            name = unquote(urlsplit(name).path)
        if name in ("", ":memory:"):
            return None
    elif arguments[2] & (os.O_WRONLY | os.O_TRUNC):
        return None
    return Path(name).absolute()  # whoever asks later may be in another folder
