"""How many trials are where in; a line that somebody who waits can read out."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from typing import Any

import pytest

from harness.backends.sagemaker.jobs import Counts

_UP = "\x1b[1A"
"""Moves a terminal's cursor to the line above."""
_PAUSE = 60.0
"""Seconds between two lines where a line cannot be written anew."""


def line(counts: Counts, failed: int, best: str, trouble: str | None) -> str:
    """Return how things stand; best: the best value so far with its name, or an empty text."""
    parts = [
        f"{counts.queued} queued" if counts.queued else "",
        f"{counts.running} running" if counts.running else "",
        f"{counts.ended - failed} done" if counts.ended - failed else "",
        f"{failed} failed" if failed else "",
        f"best {best}" if best else "",
        f"waiting: {trouble}" if trouble else "",
    ]
    return "SageMaker: " + ", ".join(filter(None, parts))


class Progress:
    """Shows one line, on a terminal always the same one."""

    def __init__(self, config: pytest.Config) -> None:
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._quiet = config.get_verbosity() < 0
        self._width = config.get_terminal_writer().fullwidth if self._terminal is not None else 0
        self._shown = ""
        self._when = time.monotonic()

    def say(self, lines: Sequence[str]) -> None:
        """Write whole lines, wrapped."""
        if self._terminal is None:
            return
        self._terminal.ensure_newline()
        if self._quiet:  # dots stand there, of which nobody knows
            self._terminal.line("")
        for line in lines:
            for part in textwrap.wrap(line, self._width, subsequent_indent="  ", break_on_hyphens=False):
                self._terminal.write_line(part)

    def show(self, text: str) -> None:
        """Show how things stand, if it is other than before."""
        if self._terminal is None or text == self._shown:
            return
        if self._terminal.isatty:
            if not self._shown:
                self._terminal.ensure_newline()
            self._terminal.rewrite(text[: self._width - 1], erase=True)
        elif time.monotonic() - self._when >= _PAUSE:
            self._terminal.ensure_newline()
            self._terminal.write_line(text)
            self._when = time.monotonic()
        else:
            return
        self._shown = text

    def clear(self, *, outcome: bool = False) -> None:
        """Make room for what pytest writes next; outcome: it is that of a trial."""
        if self._terminal is not None and self._terminal.isatty and self._shown:
            self._terminal.rewrite("", erase=True)
            if outcome:  # it begins a line of its own
                self._terminal.write(_UP)
        self._shown = ""
