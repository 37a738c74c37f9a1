"""A command in; its output as it comes, and how it ended, out; whatever it starts dies with this process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.rehearsal import keeper
from harness.rehearsal.isolation import Command

_CHUNK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a command ended."""

    code: int
    """Exit code; 128 + the number of a signal."""
    reason: str
    """"ended" by itself, "stopped", "overtime" or "lost"."""


class Execution:
    """A command that runs; one thread reads it, others may end it."""

    def __init__(self, command: Command, cores: Sequence[int], seconds: float, grace: float) -> None:
        """Start it on these cores, to be ended after so many seconds; grace: seconds to tidy up then."""
        order = {
            "argv": list(command.argv),
            "environment": dict(command.environment),
            "folder": str(command.folder),
            "cores": list(cores),
            "seconds": seconds,
            "grace": grace,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(keeper.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for those who have asked for the job
        )

        told = json.dumps(order).encode()
        self._say(b"%010d" % len(told) + told)

    def _say(self, words: bytes) -> None:
        assert self._process.stdin is not None
        left = memoryview(words)
        with contextlib.suppress(OSError, ValueError):  # it has ended, which `ending` tells
            while left:
                left = left[self._process.stdin.write(left) :]

    def output(self) -> Iterator[bytes]:
        """Yield what it prints, as whole lines, without waiting for more than there is; ends when it has."""
        assert self._process.stdout is not None
        rest = b""
        while chunk := self._process.stdout.read(_CHUNK):
            whole, mark, rest = (rest + chunk).rpartition(b"\n")
            if mark:
                yield whole
        if rest:
            yield rest

    def stop(self) -> None:
        """Let it end with grace."""
        self._say(b"stop\n")

    def kill(self) -> None:
        """End it at once."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()

    def ending(self) -> Ending:
        """Wait for the end, once all output was read, and return how it was.

        Raises RuntimeError if the keeper broke.
        """
        assert self._process.stderr is not None
        told = self._process.stderr.read()
        self._process.wait()
        self.kill()
        self._process.stderr.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        try:
            return Ending(**json.loads(told.splitlines()[-1]))
        except (IndexError, ValueError, TypeError):
            raise RuntimeError(
                f"the process that keeps a job broke: {told.decode(errors='replace')}"
            ) from None
