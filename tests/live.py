"""A pytest run in a process of its own, to be interrupted, with all that it has started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0
"""Seconds to wait for what must come; a loaded machine takes its time."""


class Live:
    """Runs pytest in a folder, as a terminal would: it leads a process group of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._mark = f"HARNESS_TEST={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self._out = (folder / f"out-{value}.txt").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--no-tracking", "-p", "harness.plugin", *arguments],
            cwd=folder,
            env={**os.environ, name: value, "COLUMNS": "80", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=self._out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.sent = 0.0

    def wait_for(self, condition: Callable[[], object], what: str = "it") -> None:
        """Wait until a condition holds while pytest runs."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"pytest ended before {what}:\n{self.output}"
            assert time.monotonic() < end, f"waited for {what}:\n{self.output}"
            time.sleep(0.02)

    def wait_for_files(self, *names: str) -> None:
        """Wait until files are there."""
        self.wait_for(lambda: all((self.folder / name).exists() for name in names), f"files {names}")

    def interrupt(self, number: int = signal.SIGINT, *, group: bool = True) -> None:
        """Send a signal to the whole group, as a terminal does, or to pytest alone."""
        self.sent = time.monotonic()
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> int:
        """Wait for pytest's end and return its exit code."""
        code = self.process.wait(seconds)
        self._out.close()
        return code

    def stopped(self) -> float:
        """Wait until nothing but pytest itself is left; return the seconds since the signal was sent."""
        end = time.monotonic() + PATIENCE
        while set(self.processes()) - {self.process.pid}:
            assert time.monotonic() < end, self.left()
            time.sleep(0.01)
        return self.took

    @property
    def took(self) -> float:
        """Seconds since the signal was sent."""
        return time.monotonic() - self.sent

    @property
    def output(self) -> str:
        """What it has printed."""
        return Path(self._out.name).read_text(errors="replace")

    def processes(self) -> list[int]:
        """Return the ids of all living processes of the run, wherever they hang."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    environment = (folder / "environ").read_bytes()
                    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if self._mark.encode() in environment.split(b"\0") and state != "Z":
                    found.append(int(folder.name))
        return found

    def left(self, seconds: float = 2.0) -> list[str]:
        """Return the commands of processes that still live after `seconds`."""
        end = time.monotonic() + seconds
        while (found := self.processes()) and time.monotonic() < end:
            time.sleep(0.02)
        return [f"{pid} {_command(pid)}" for pid in found]

    def journal(self) -> dict[str, str]:
        """Return the outcomes of trials in the run's journal, by what stands in their brackets."""
        (path,) = (self.folder / ".harness" / "runs").glob("*/journal.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return {line["id"]: line["outcome"] for line in lines if line["kind"] == "trial"}

    def clear(self) -> None:
        """Kill what is left, so that one test does not disturb the next."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._out.close()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    except OSError:
        return ""
