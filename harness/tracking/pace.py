"""Counts of what is written in; now and then, how far it got, out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from harness.tracking.writer import WRITES

__tracebackhide__ = True

Progress = Callable[[int, int], None]
"""Told how many of how many experiments, trials and models are written."""


class Pace:
    """Says how far a delivery got: about once a second, and not before the first one is over."""

    def __init__(
        self,
        count: Counter[str],
        progress: Progress | None = None,
        *,
        seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._start = count[WRITES]
        self._total = 0
        self._progress = progress
        self._seconds = seconds
        self._clock = clock
        self._next = clock() + seconds

    def expect(self, number: int) -> None:
        """Say how much is still to be written."""
        self._total = max(self._total, self._done + number)

    def tick(self) -> None:
        """Say how far it got, if it is time."""
        if self._progress is not None and self._clock() >= self._next:
            self._next = self._clock() + self._seconds
            self._progress(min(self._done, self._total), self._total)

    @property
    def _done(self) -> int:
        return self._count[WRITES] - self._start
