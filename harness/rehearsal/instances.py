"""Jobs that want a machine in; shares of this machine's cores out, so many at once."""

from __future__ import annotations

import os
import threading
from collections import deque

from harness.cores import cores


class Instances:
    """The machines that jobs rent: equal shares of the cores, first come, first served."""

    def __init__(self, count: int | None = None) -> None:
        """Make as many as there are cores, or `count`; with more than there are cores, some share one."""
        usable, total = sorted(os.sched_getaffinity(0)), cores()
        self.count = count or total
        self.share = max(1, total // self.count)
        """Cores of each."""
        self._free = deque(range(self.count))
        self._usable = usable
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def take(self, cancelled: threading.Event) -> int | None:
        """Wait for a free one and return its number; None if cancelled meanwhile: see `wake`."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(
                    lambda: cancelled.is_set() or (self._free and self._waiting[0] is ticket)
                )
                return None if cancelled.is_set() else self._free.popleft()
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiting)

    def wake(self) -> None:
        """Let those who wait look whether they were cancelled."""
        with self._changed:
            self._changed.notify_all()

    def give_back(self, number: int) -> None:
        """Let the next one have it."""
        with self._changed:
            self._free.append(number)
            self._changed.notify_all()

    def cores(self, number: int) -> list[int]:
        """Return the ids of the cores of one."""
        first = number * self.share
        return [self._usable[(first + i) % len(self._usable)] for i in range(self.share)]
