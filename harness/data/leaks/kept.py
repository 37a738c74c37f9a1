"""Leaks that were found, or that none was, in the store under the digest of the prepared rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.data.leaks.leak import Leak
from harness.store import Store

_LAYOUT = 1
"""Of the entries, of what is looked for, and of how it is said; a new number forgets the old ones."""


class Kept:
    """What is known of one prepared data set, if anything."""

    def __init__(self, store: Store, digest: str) -> None:
        self._store = store
        self._parts = ("leaks", f"{digest}-{_LAYOUT}.json")

    def load(self) -> tuple[Leak, ...] | None:
        """Return the kept leaks; None if nothing is kept or its file is corrupt."""
        try:
            entry = self._store.read_json(*self._parts) or {}
            return tuple(map(_leak, entry["leaks"]))
        except (TypeError, ValueError, KeyError, AttributeError):
            return None

    def keep(self, leaks: Sequence[Leak]) -> None:
        """Keep what was found; raise StoreError if it cannot be written."""
        self._store.write_json({"leaks": [leak.to_json() for leak in leaks]}, *self._parts)


def _leak(entry: Any) -> Leak:
    leak = Leak.from_json({**entry, "columns": tuple(entry["columns"])})
    if not all(isinstance(word, str) for word in (leak.kind, leak.problem, leak.remedy, *leak.columns)):
        raise TypeError
    return leak
