"""A lock between processes: a path of the store in, the right to go on alone out."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.errors import StoreError

__tracebackhide__ = True

_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Seconds between two attempts; the last one for ever."""


class HeldError(StoreError):
    """Another process, or another block of this one, has held the lock for too long."""


@contextmanager
def exclusive(path: Path, *, seconds: float | None = None) -> Iterator[None]:
    """Hold the lock at `path` for the block; wait for another holder up to `seconds`, None: for ever.

    The lock is an open SQLite transaction in a file that stays empty: a kernel lock on every system,
    which a killed holder lets go of, and which a process that the holder forks does not inherit.
    Whoever waits can be interrupted. It is not re-entrant. A file that is no database is deleted:
    nobody can hold it.

    Raises HeldError when the time is up, StoreError where the file cannot be made or locked.
    """
    with closing(_held(path, seconds)):
        yield


def _held(path: Path, seconds: float | None) -> sqlite3.Connection:
    """Return the connection that holds the lock until it is closed."""
    started = time.monotonic()
    pauses = iter(_PAUSES)
    pause = 0.0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                return _begun(path)
            except sqlite3.DatabaseError as error:
                code = _code(error)
                if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    path.unlink(missing_ok=True)
                elif code != sqlite3.SQLITE_BUSY:
                    raise
                elif seconds is not None and time.monotonic() - started >= seconds:
                    raise HeldError(
                        f"{path} has been held by another process for {seconds:g} s",
                        "wait for it to end, or end it",
                    ) from None
            pause = next(pauses, pause)
            time.sleep(pause)
    except HeldError:
        raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path} cannot be locked: {error}",
            "make the store writable, or name another folder with -o experiment_store=FOLDER",
        ) from error


def _begun(path: Path) -> sqlite3.Connection:
    # not SQLite's own waiting: it would not let an interrupt through
    # perhaps closed by whichever thread collects garbage
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except BaseException:
        connection.close()
        raise
    return connection


def _code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 if the error has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
