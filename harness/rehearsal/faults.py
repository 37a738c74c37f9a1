"""What is to go wrong in; whether it does, call by call and job by job, out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Faults:
    """Faults on demand; threads may share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._throttle: Counter[str] = Counter()
            self._drop: Counter[str] = Counter()
            self._lose = 0
            self._forgotten: set[str] = set()
            self._forbidden: set[str] = set()
            self._denied: set[str] = set()
            self._images: dict[str, Path] = {}
            self.spot = True
            """Whether spot training is done where it is asked for."""

    def add(
        self,
        *,
        throttle: Mapping[str, int] | None = None,
        drop: Mapping[str, int] | None = None,
        lose: int = 0,
        forget: Iterable[str] = (),
        forbid: Iterable[str] = (),
        deny: Iterable[str] = (),
        spot: bool | None = None,
        images: Mapping[str, str] | None = None,
    ) -> None:
        """Let things go wrong.

        throttle, drop: how many of the next calls of an operation are too many, or get no answer;
        lose: how many of the jobs that start next are lost; forget: jobs that are unknown from now on;
        forbid: buckets that nobody may use; deny: operations that nobody may call;
        spot: False lets jobs be described as if spot training had not been asked for;
        images: another folder of programs for an image.
        """
        with self._lock:
            self._throttle.update(throttle or {})
            self._drop.update(drop or {})
            self._lose += lose
            self._forgotten.update(forget)
            self._forbidden.update(forbid)
            self._denied.update(deny)
            self._images.update({uri: Path(folder) for uri, folder in (images or {}).items()})
            self.spot = self.spot if spot is None else spot

    def throttled(self, operation: str) -> bool:
        """Return whether this call is one too many."""
        return self._counted(self._throttle, operation)

    def dropped(self, operation: str) -> bool:
        """Return whether this call gets no answer."""
        return self._counted(self._drop, operation)

    def lost(self) -> bool:
        """Return whether the job that starts now is lost."""
        with self._lock:
            self._lose -= 1
            if self._lose < 0:
                self._lose = 0
                return False
            return True

    def denied(self, operation: str) -> bool:
        """Return whether nobody may call an operation."""
        return operation in self._denied

    def forbidden(self, bucket: str) -> bool:
        """Return whether nobody may use a bucket."""
        return bucket in self._forbidden

    def forgotten(self, job: str) -> bool:
        """Return whether a job is unknown."""
        return job in self._forgotten

    def image(self, uri: str) -> Path | None:
        """Return the folder of programs that plays an image; None: as for every other."""
        return self._images.get(uri)

    def _counted(self, left: Counter[str], operation: str) -> bool:
        with self._lock:
            if left[operation] <= 0:
                return False
            left[operation] -= 1
            return True


def told(faults: Faults, request: Any) -> None:
    """Add what a JSON object asks for; raise ValueError for words that are none of `Faults.add`."""
    if not isinstance(request, Mapping):
        raise ValueError(f"{request!r} is no JSON object")
    try:
        faults.add(**request)
    except TypeError as error:
        raise ValueError(str(error)) from None
