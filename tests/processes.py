"""Python in processes of their own, of which nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Processes:
    """Starts Python; its input, output and errors are pipes of text."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: object, **variables: str) -> subprocess.Popen[str]:
        """Start Python with arguments; variables: of the environment, besides those of this process."""
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill whatever runs and close the pipes."""
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@contextmanager
def processes() -> Iterator[Processes]:
    """Give a starter of processes, and end them all."""
    made = Processes()
    try:
        yield made
    finally:
        made.end()


def printed_with_any_hash_seed(script: str, variables: Mapping[str, str] | None = None) -> str:
    """Return what a script prints, which must not depend on the order of sets."""
    shown = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **(variables or {}), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(shown) == 1, shown
    return shown.pop()
