"""What a pool asks of processes and of what starts them; what both kinds of them share."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from typing import BinaryIO, Protocol

from harness.pool.frames import Channel

WORKER = "harness.worker"
"""Module whose `work` a worker does; by name, for it stands above this package."""
_KEPT = 20_000
"""Bytes of what a worker printed last that are kept."""
_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Process(Protocol):
    """A worker's process; what it starts dies with it."""

    channel: Channel

    def kill(self) -> None:
        """End it at once."""

    def interrupt(self) -> None:
        """Let it end as by Ctrl-C."""

    def status(self, seconds: float) -> int | None:
        """Wait for its end; return the exit code, the negative number of a signal, or None: not known."""

    def printed(self) -> str:
        """Return the last of what it printed outside of pytest's capture: a crash report, say."""

    def turn_page(self) -> None:
        """Leave out of that what it has printed up to now."""

    def close(self) -> None:
        """Let go of what leads to it, once it has ended."""


class Launcher(Protocol):
    """Starts workers."""

    @property
    def alive(self) -> bool:
        """Whether it can start more of them."""

    def launch(self) -> Process:
        """Start one; raises OSError if that cannot be."""

    def close(self) -> None:
        """End every worker that is left, and what they started."""


class Log:
    """A file without a name that a process prints to."""

    def __init__(self) -> None:
        self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._page = 0

    def last(self) -> str:
        """Return the end of it, of this page; empty when it is closed."""
        try:
            size = self.file.seek(0, os.SEEK_END)
            self.file.seek(max(size - _KEPT, self._page))
            return self.file.read().decode(errors="replace").strip()
        except (OSError, ValueError):
            return ""

    def turn_page(self) -> None:
        """Begin a new page."""
        with contextlib.suppress(OSError, ValueError):  # closed
            self._page = os.fstat(self.file.fileno()).st_size  # the process writes where the file stands

    def close(self) -> None:
        """Let go of it."""
        self.file.close()


def limited(threads: int) -> dict[str, str]:
    """Return this environment with OpenMP and BLAS bounded: they read it once, when they are loaded."""
    return {**os.environ, **dict.fromkeys(_LIMITS, str(threads))}


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `main` of a module in a Python like this one, with the same sys.path.

    Not `-m`: the working directory, which would come first, could hide a module of the library.
    """
    code = f"import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from {module} import main; main()"
    flags = [f"-W{option}" for option in sys.warnoptions]
    flags += [f"-X{name}" if value is True else f"-X{name}={value}" for name, value in sys._xoptions.items()]
    flags += ["-O"] * sys.flags.optimize + ["-B"] * sys.dont_write_bytecode
    path = json.dumps([str(folder) for folder in sys.path])
    return [sys.executable, *flags, "-P", "-c", code, path, *arguments]
