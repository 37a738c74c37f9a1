"""Records from a queue in; trials in MLflow, written one after another in a thread of its own, out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import suppress

from harness.results import Record, TrialRecord
from harness.rundir import RunFolder
from harness.tracking.address import public
from harness.tracking.children import Children
from harness.tracking.collector import seldom
from harness.tracking.courier import Courier
from harness.tracking.entries import Entry, Plan
from harness.tracking.faults import refused, told
from harness.tracking.silence import Silence
from harness.tracking.writer import Writer

__tracebackhide__ = True

_AT_ONCE = 100
"""Records that are taken from the queue together, when trials end faster than they are written."""
_PAUSE = 30.0
"""Seconds until the next attempt after the store has failed."""


class Scribe:
    """Writes the trials of a new run as they come, and knows how far it got."""

    def __init__(self, courier: Courier, folder: RunFolder, silence: Silence) -> None:
        self.writer: Writer | None = None
        """Has written what is there so far; None until the store was reached."""
        self.failure: str | None = None
        """Why the store does not take any more, as far as is known."""
        self._courier = courier
        self._folder = folder
        self._silence = silence
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._children = Children(folder.run)
        self._ending = threading.Event()
        self._ended = False
        self._abandoned = False
        self._rehearsed = False

    # For any thread.

    def take(self, record: Record) -> None:
        """Have a record written; returns at once."""
        self._queue.put(record)

    def end(self) -> None:
        """Let the writing end after what was taken so far."""
        self._ending.set()
        self._queue.put(None)

    def abandon(self) -> None:
        """Let the writing end after the write under way."""
        self._abandoned = True
        self.end()

    # For the thread.

    def write(self) -> None:
        """Write until the end; when the store fails, try again after half a minute."""
        self._silence.begin()
        while not self._ended:
            try:
                self._write_all()
            except _AbandonedError:
                return
            except Exception as error:  # noqa: BLE001 - MLflow's stores raise what their libraries raise
                if self.writer is not None and refused(error):
                    continue  # it always will; whoever writes the rest tells it
                short = f"did not take all of run {self._folder.run.id}"
                self.failure = told(error, self._courier.uri, *([short] if self.writer else []))
                if self._ending.wait(_PAUSE):
                    return

    def _write_all(self) -> None:
        with seldom():
            import harness.tracking.runs  # noqa: F401 - imports mlflow
        self._silence.loggers()
        target = self._courier.contact(self._folder.run.project)
        self._silence.loggers()
        if self.writer is None:
            uri, count = public(self._courier.uri), self._courier.count
            self.writer = Writer(self._folder, uri, target, count, tick=self._check, new=True)
        while not self._ended:
            records = self._next()
            self._check()
            self._write_trials(self.writer, records)
            self.failure = None
            if not self._ending.is_set() and not self._rehearsed and any(map(_has_model, records)):
                self._rehearsed = True
                self._rehearse()

    def _next(self) -> Sequence[Record]:
        """Wait for records and return those that are there."""
        records: list[Record] = []
        while not records or (len(records) < _AT_ONCE and not self._queue.empty()):
            record = self._queue.get()
            if record is None:
                self._ended = True
                break
            records.append(record)
        return records

    def _write_trials(self, writer: Writer, records: Sequence[Record]) -> None:
        """Write the trials among some records; what is wrong with a file is told at the end."""
        below: dict[str, tuple[Entry, list[Entry]]] = {}
        for record in records:
            found = self._children.take(record)
            if found is not None:
                below.setdefault(found[0].key, (found[0], []))[1].append(found[1])
        for experiment, trials in below.values():
            writer.write_trials(experiment, trials, Plan.of(trials).digests, {})

    def _rehearse(self) -> None:
        """Make MLflow ready for the model of the best."""
        with seldom(), suppress(Exception):  # what is wrong is told when it counts
            from harness.tracking.models import rehearse

            rehearse()
            self._silence.loggers()

    def _check(self) -> None:
        if self._abandoned:
            raise _AbandonedError


def _has_model(record: Record) -> bool:
    return isinstance(record, TrialRecord) and "model" in record.files


class _AbandonedError(Exception):
    """Nobody waits for what is left."""
