"""Workers that are new interpreters: where there is no fork."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping

from harness.pool.frames import Channel
from harness.pool.processes import WORKER, Log, Process, python


class Spawned:
    """A worker in a new interpreter."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._log = Log()
        self._process = subprocess.Popen(
            python(WORKER),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.file,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.channel = Channel(self._process.stdout, self._process.stdin)  # type: ignore[arg-type]

    def kill(self) -> None:
        """End it at once, and what it has started."""
        if self._process.poll() is None:
            self._sweep()
            self._process.kill()

    def interrupt(self) -> None:
        """Let it end as by Ctrl-C."""
        if os.name == "posix":  # elsewhere it is told to end, and killed if it does not
            self._process.send_signal(signal.SIGINT)

    def status(self, seconds: float) -> int | None:
        """Wait for its end; return how it ended, None: not known."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._sweep()
        return status

    def _sweep(self) -> None:
        """Kill what it has started, too."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def printed(self) -> str:
        """Return the last of what it printed, or why it could not be started."""
        return self._log.last()

    def turn_page(self) -> None:
        """Leave out of that what it has printed up to now."""
        self._log.turn_page()

    def close(self) -> None:
        """Let go of what leads to it."""
        self.channel.close()
        self._log.close()


class Spawn:
    """Starts a new interpreter for each worker."""

    alive = True

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._made: list[Spawned] = []

    def launch(self) -> Process:
        """Start a worker."""
        made = Spawned(self._environment)
        self._made.append(made)
        return made

    def close(self) -> None:
        """Kill every worker that is left."""
        for process in self._made:
            process.kill()
        for process in self._made:
            process.status(5)
