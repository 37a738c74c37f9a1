"""One delivery at a time: a store in, the right to deliver it out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.errors import TrackingError
from harness.store import Store

__tracebackhide__ = True


@contextmanager
def exclusive(store: Store, *, seconds: float = 60.0) -> Iterator[None]:
    """Hold the store's delivery lock for the block; wait for another holder up to `seconds`.

    The lock is an open SQLite transaction: a kernel lock on every system, which a killed holder
    lets go of. A file that is no database is deleted: nobody can hold it.
    Raises TrackingError if another delivery holds the lock for too long.
    """
    path = store.path("runs", "delivery.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = _locked(path, seconds)
        except sqlite3.DatabaseError as error:
            if _code(error) not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise
            path.unlink(missing_ok=True)
            connection = _locked(path, seconds)
    except (OSError, sqlite3.Error) as error:
        if _code(error) == sqlite3.SQLITE_BUSY:
            raise TrackingError(
                f"another process has been delivering the runs of {store.root} for {seconds:g} s ({error})",
                "wait for it to end, then type: harness sync",
            ) from error
        raise TrackingError(f"{path} cannot be locked: {error}", "make the store writable") from error
    with closing(connection):
        yield


def _locked(path: Path, seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except BaseException:
        connection.close()
        raise
    return connection


def _code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 if the error has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
