"""Jobs in; the trials that have ended, told by a thread that asks no more often than it must, out."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

from harness.backends.sagemaker.jobs import Ended, Jobs
from harness.backends.sagemaker.service import PassingError
from harness.errors import HarnessError

SHORTEST, LONGEST = 0.25, 15.0
"""Seconds between two looks: short ones while things happen."""
_GROWTH = 1.4
PATIENCE = 600.0
"""Seconds without any answer after which trials count as lost."""


class Watch:
    """Looks after jobs until every trial has ended.

    ended: told of each trial, in the watching thread; PassingError from it: to be told once more.
    fault: told of a mistake that ends the watch. news: told that counts may have changed.
    """

    def __init__(
        self,
        jobs: Sequence[Jobs],
        *,
        ended: Callable[[Ended], None],
        fault: Callable[[BaseException], None],
        news: Callable[[], None],
        patience: float = PATIENCE,
    ) -> None:
        self._jobs = list(jobs)
        self._ended = ended
        self._fault = fault
        self._news = news
        self._patience = patience
        self._halted = threading.Event()
        self._abandoned = False
        self._wake = threading.Event()
        self._waiting: list[Ended] = []
        self.trouble: str | None = None
        """Why SageMaker does not answer at the moment."""
        self._thread = threading.Thread(target=self._run, name="harness sagemaker", daemon=True)

    def begin(self) -> None:
        """Start looking."""
        self._thread.start()

    def halt(self) -> None:
        """Stop all jobs, in the watching thread."""
        self._halted.set()
        self._wake.set()

    def abandon(self) -> None:
        """Look no more."""
        self._abandoned = True
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end; return whether it has come."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # noqa: BLE001  # for the thread that waits for answers
            self._fault(error)

    def _watch(self) -> None:
        delay, answered, stopped = SHORTEST, time.monotonic(), False
        while not self._abandoned and (self._waiting or not all(jobs.done for jobs in self._jobs)):
            try:
                if self._halted.is_set() and not stopped:
                    for jobs in self._jobs:
                        jobs.stop()
                    stopped, delay = True, SHORTEST
                happened = self._look()
                answered, self.trouble = time.monotonic(), None
                delay = SHORTEST if happened else min(delay * _GROWTH, LONGEST)
            except PassingError as error:
                self.trouble = str(error)
                if time.monotonic() - answered > self._patience:
                    raise HarnessError(
                        f"SageMaker has not answered for {self._patience:.0f} seconds: {error}",
                        "the jobs may still run: look at the console, and stop them there",
                    ) from None
                delay = min(delay * 2, LONGEST)
            self._news()
            self._wake.wait(delay * random.uniform(0.8, 1.2))
            self._wake.clear()

    def _look(self) -> bool:
        """Ask once; return whether something has happened."""
        trouble: PassingError | None = None
        happened = False
        for jobs in self._jobs:
            if jobs.done:
                continue
            try:
                found = jobs.look()
            except PassingError as error:
                trouble = error
                continue
            happened = happened or bool(found)
            self._waiting += found
        while self._waiting:
            self._ended(self._waiting[0])
            del self._waiting[0]
        if trouble is not None:
            raise trouble
        return happened
