"""One delivery at a time: a store in, the right to deliver it out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from harness.errors import TrackingError
from harness.store import Store

__tracebackhide__ = True


@contextmanager
def exclusive(store: Store, *, seconds: float = 60.0) -> Iterator[None]:
    """Hold the store's delivery lock for the block; wait for another holder up to `seconds`.

    The lock is an open SQLite transaction: a kernel lock on every system, which a killed holder
    lets go of. Raises TrackingError if another delivery holds it for too long.
    """
    path = store.path("runs", "delivery.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise TrackingError(f"{path} cannot be locked: {error}", "make the store writable") from error
    with closing(connection):
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise TrackingError(
                f"another process has been delivering the runs of {store.root} for {seconds:g} s ({error})",
                "wait for it to end, then type: harness sync",
            ) from error
        yield
