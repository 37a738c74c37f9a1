"""Lines that jobs print in; events of CloudWatch Logs out, in moto's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from moto.backends import get_backend

from harness.rehearsal.address import REGION
from harness.rehearsal.isolation import HOST

GROUP = "/aws/sagemaker/TrainingJobs"
_LONGEST = 256_000
"""Characters of an event; CloudWatch takes 256 KiB."""


class Logs:
    """The logs of one account's training jobs; threads share it under the lock that guards moto."""

    def __init__(self, account: str, lock: threading.RLock) -> None:
        self._moto: Any = get_backend("logs")[account][REGION]
        self._lock = lock
        with lock:
            if GROUP not in self._moto.groups:
                self._moto.create_log_group(GROUP, {})

    def stream(self, job: str) -> Stream:
        """Return the stream of a job that starts now."""
        return Stream(self._moto, self._lock, f"{job}/{HOST}-{int(time.time())}")


class Stream:
    """The log stream of one job, made with its first line."""

    def __init__(self, moto: Any, lock: Any, name: str) -> None:
        self._moto, self._lock, self.name = moto, lock, name
        self._made = False

    def put(self, lines: Iterable[str]) -> None:
        """Append lines."""
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line[:_LONGEST]} for line in lines if line]
        if not events:
            return
        with self._lock:
            if not self._made:
                self._moto.create_log_stream(GROUP, self.name)
                self._made = True
            self._moto.put_log_events(GROUP, self.name, events)
