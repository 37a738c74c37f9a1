"""Records of the run that goes on in, MLflow runs out, beside the trials and not in their way."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from harness.errors import TrackingError
from harness.results import Record
from harness.rundir import RunFolder
from harness.store import Store
from harness.tracking.address import sqlite_file
from harness.tracking.courier import Courier, Delivery, Load
from harness.tracking.lock import claim
from harness.tracking.pace import Progress
from harness.tracking.quiet import beside_items
from harness.tracking.scribe import Scribe
from harness.tracking.silence import Silence

__tracebackhide__ = True

_FAREWELL = 0.15
"""Seconds that whoever gives up waits for the write under way."""


class Background:
    """One thread that writes the trials of this run to MLflow while others run.

    Everything but `take` is for the main thread. What the thread did not get to, and what is known at
    the end only (best trials, gates, models), `finish` writes there.
    """

    def __init__(self, store: Store, folder: RunFolder, *, root: Path, uri: str | None = None) -> None:
        """Claim a run that was just made, so that no other process delivers it.

        root: the project's folder, beside whose `mlflow.db` is the default store; uri: another store.
        """
        self._folder = folder
        self._courier = Courier(store, root, uri)
        self._silence = Silence()
        self._scribe = Scribe(self._courier, folder, self._silence)
        self._surroundings = ExitStack()
        # The interpreter must be able to end although a server has not answered yet.
        self._thread = threading.Thread(target=self._scribe.write, name="harness-mlflow", daemon=True)
        self._claimed: ExitStack | None = None
        try:
            self._claimed = claim(folder)
            if self._claimed is None:
                self._scribe.failure = f"another process delivers run {folder.run.id}"
            else:
                # Here already, for pytest takes back what is set during an item: between two of them and
                # until `hush` at the end of the session the thread is at work as well.
                self._silence.warnings()
        except TrackingError as error:
            self._scribe.failure = str(error)

    def begin(self) -> None:
        """Start the thread, which imports MLflow and opens its store; returns at once."""
        if self._claimed is None:
            return
        server = sqlite_file(self._courier.uri) is None
        self._surroundings.enter_context(beside_items(server=server))
        self._silence.warnings()
        self._thread.start()

    def take(self, record: Record) -> None:
        """Have a record written that is in the journal; for any thread, returns at once."""
        self._scribe.take(record)

    def hush(self) -> None:
        """Keep the thread's warnings out of what begins: pytest has just set its filters."""
        if self._thread.is_alive():
            self._silence.warnings()

    def finish(self, progress: Progress | None = None) -> Delivery:
        """Write all that is missing, of this run and of those before it; its journal has come to its end.

        progress: told, once a second, how many of how many experiments, trials and models are written.
        Returns what was written since `begin`, and raises nothing that is MLflow's fault. Ctrl-C
        abandons what is left.
        """
        courier, scribe = self._courier, self._scribe
        try:
            load = Load.of(self._folder)
            courier.follow(progress)
            courier.pace.expect(load.missing())
            scribe.end()
            while self._thread.is_alive():
                self._thread.join(0.1)
                courier.pace.tick()
            self._restore()
            if scribe.failure is not None and scribe.writer is None:
                courier.refuse(scribe.failure)
            courier.bring(load, scribe.writer, impatient=scribe.failure is not None)
            courier.bring_rest(besides=self._folder.run.id)
            return courier.delivery
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Stop after the write under way, or leave it to its fate; the next delivery completes the rest."""
        self._scribe.abandon()
        if self._thread.is_alive():
            self._thread.join(_FAREWELL)
        self._restore()
        if self._thread.is_alive():
            return  # what it has open and claimed is its own until the process ends
        self._courier.close()
        if self._claimed is not None:
            self._claimed.close()

    def _restore(self) -> None:
        self._surroundings.close()
        if not self._thread.is_alive():
            self._silence.lift()
