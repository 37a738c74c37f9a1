"""A key that says what a training structure was made of flows in; the structure kept under it flows out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

__tracebackhide__ = True


SIZE = 4
"""Structures that are kept where trials are not repeated."""


class Structures:
    """Binned rows that the fits of one process share: XGBoost's quantile matrices, LightGBM's data sets.

    One for a process, held by whoever runs its trials. It keeps the `size` structures that were used last;
    each takes about a byte for every value of the training rows (two where max_bin is over 256), and as
    much for the validation rows if they were watched.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def widen(self, size: int) -> None:
        """Keep at least so many: fewer than a trial has repeats would be gone before the next one asks."""
        self._size = max(self._size, size)

    def find(self, key: Hashable) -> Any:
        """Return the structure kept under a key, or None."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: Hashable, structure: Any) -> None:
        """Keep a structure, and let go of the one that was not used for longest if there are too many."""
        self._kept[key] = structure
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        """Let go of a structure; one that is not kept is fine."""
        self._kept.pop(key, None)
