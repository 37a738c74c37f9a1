"""Workers that are forked from a server which has imported their packages already."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from harness.pool.frames import Channel
from harness.pool.processes import WORKER, Log, Process, python
from harness.pool.server import HEAD

_PATIENCE = 1.0
"""Seconds that the server has to end its workers by itself."""


class Forked:
    """A worker that the fork server made."""

    def __init__(self, way: socket.socket, log: Log) -> None:
        self.channel = Channel(way.makefile("rb"), way.makefile("wb"))
        self._way = way
        self._log = log
        self._pid: int | None = None
        self._status: int | None = None
        self._problem = ""
        self._unwanted = False
        self._told = threading.Event()
        self._gone = False

    def kill(self) -> None:
        """End it at once, and what it has started."""
        self._unwanted = True
        if self._pid is not None and not self._gone:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Let it end as by Ctrl-C."""
        if self._pid is not None and not self._gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGINT)

    def status(self, seconds: float) -> int | None:
        """Wait for its end; return how it ended, None: not known."""
        self._told.wait(seconds)
        return self._status

    def printed(self) -> str:
        """Return the last of what it printed, or why it could not be started."""
        return self._problem or self._log.last()

    def turn_page(self) -> None:
        """Leave out of that what it has printed up to now."""
        self._log.turn_page()

    # What the server tells.

    def born(self, pid: int) -> None:
        """Learn the process id."""
        self._pid = pid
        if self._unwanted:
            self.kill()

    def stillborn(self, problem: str) -> None:
        """Learn that it could not be made."""
        self._problem = f"no process could be started: {problem}"
        self._told.set()

    def ended(self, status: int) -> None:
        """Learn how it ended."""
        self._gone = True
        self._status = status
        self._told.set()
        # A child that it sent into a session of its own may hold the socket, and the pool wait for it.
        late = threading.Timer(_PATIENCE, self._shut)
        late.daemon = True
        late.start()

    def orphaned(self) -> None:
        """Learn that nobody is left to tell how it ends."""
        self._told.set()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._way.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of what leads to it."""
        self.channel.close()
        self._way.close()
        self._log.close()


class ForkServer:
    """A process that imports packages while pytest still collects, and forks workers from then on.

    modules: names to import; environment: of the server.
    Raises OSError if it cannot be started.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self.modules = modules
        self._log = Log()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                python("harness.pool.server", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._log.file,
                stderr=self._log.file,
                start_new_session=True,
            )
        self._tokens = itertools.count()
        self._unborn: dict[int, Forked] = {}
        self._living: dict[int, Forked] = {}
        self._lock = threading.Lock()
        self._lost = False
        opening = json.dumps({"modules": list(modules), "worker": WORKER}).encode()
        with contextlib.suppress(OSError):  # it has died already: found out by `alive`
            self._control.sendall(HEAD.pack(len(opening)) + opening)
        self._listener = threading.Thread(target=self._listen, name="harness fork server", daemon=True)
        self._listener.start()

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        return not self._lost

    def printed(self) -> str:
        """Return the last of what it printed."""
        return self._log.last()

    def launch(self) -> Process:
        """Ask for a worker; it is there as soon as the server has imported everything."""
        log = Log()
        ours, theirs = socket.socketpair()
        made = Forked(ours, log)
        token = next(self._tokens)
        with self._lock:
            self._unborn[token] = made
        try:
            socket.send_fds(
                self._control, [json.dumps({"token": token}).encode()], [theirs.fileno(), log.file.fileno()]
            )
        except OSError:
            self._lost = True
            made.close()
            raise
        finally:
            theirs.close()
        return made

    def _listen(self) -> None:
        with self._control.makefile("rb") as lines, contextlib.suppress(OSError, ValueError):
            for line in lines:
                self._hear(json.loads(line))
        self._lost = True
        with self._lock:
            left = [*self._unborn.values(), *self._living.values()]
        for process in left:
            process.orphaned()

    def _hear(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            if "token" not in message:
                self._living.pop(message["pid"]).ended(message["status"])
            elif "pid" not in message:
                self._unborn.pop(message["token"]).stillborn(message["problem"])
            else:
                born = self._living[message["pid"]] = self._unborn.pop(message["token"])
                born.born(message["pid"])

    def close(self) -> None:
        """End the server, every worker that is left, and what they started."""
        if self._control.fileno() < 0:
            return
        self._lost = True
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)  # from which it learns that it is to end
        if self._unborn or self._living:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(_PATIENCE)
        if self._server.poll() is None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
        with self._lock:
            left = list(self._living.values())
        for process in left:
            process.kill()
        self._listener.join()
        self._control.close()
        self._log.close()
