"""Who waits for SageMaker sees how things stand, on one line of a terminal, seldom in a log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.backends.sagemaker import progress
from harness.backends.sagemaker.jobs import Counts
from harness.backends.sagemaker.progress import Progress, line


class Terminal:
    """What pytest's terminal reporter is asked for."""

    def __init__(self, *, isatty):
        self.isatty = isatty
        self.written = []

    def ensure_newline(self):
        self.written.append("newline")

    def rewrite(self, text, *, erase):
        self.written.append(f"again: {text}")

    def write(self, text):
        self.written.append(repr(text))

    def line(self, text):
        self.written.append(f"line {text!r}")

    def write_line(self, text):
        self.written.append(text)


def made(terminal, verbosity=0):
    plugins = SimpleNamespace(get_plugin=lambda name: terminal)
    writer = SimpleNamespace(fullwidth=30)
    config = SimpleNamespace(
        pluginmanager=plugins, get_terminal_writer=lambda: writer, get_verbosity=lambda: verbosity
    )
    return Progress(config)


@pytest.mark.parametrize(
    ("counts", "failed", "best", "trouble", "text"),
    [
        (Counts(3, 0, 0), 0, "", None, "SageMaker: 3 queued"),
        (Counts(1, 2, 4), 1, "f1 0.9", None, "SageMaker: 1 queued, 2 running, 3 done, 1 failed, best f1 0.9"),
        (Counts(0, 1, 0), 0, "", "Rate exceeded", "SageMaker: 1 running, waiting: Rate exceeded"),
    ],
)
def test_the_line_says_what_there_is_to_say(counts, failed, best, trouble, text):
    assert line(counts, failed, best, trouble) == text


def test_a_terminal_shows_one_line_and_only_what_is_new():
    terminal = Terminal(isatty=True)
    shown = made(terminal)

    for text in ("one", "one", "two", "x" * 99):
        shown.show(text)
    shown.clear(outcome=True)
    shown.clear()

    assert terminal.written == [
        "newline", "again: one", "again: two", f"again: {'x' * 29}", "again: ", r"'\x1b[1A'",
    ]  # fmt: skip


def test_a_log_has_a_line_a_minute(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    terminal = Terminal(isatty=False)
    shown = made(terminal)

    for now[0] in (1, 30, 61, 90, 122):
        shown.show(f"at {now[0]}")
    shown.clear()

    assert terminal.written == ["newline", "at 61", "newline", "at 122"]


def test_whole_lines_are_wrapped():
    terminal = Terminal(isatty=False)

    made(terminal).say(["a line that is longer than the terminal is wide"])

    assert terminal.written == ["newline", "a line that is longer than the", "  terminal is wide"]


def test_under_q_lines_do_not_follow_the_dots():
    terminal = Terminal(isatty=False)

    made(terminal, verbosity=-1).say(["a line"])

    assert terminal.written == ["newline", "line ''", "a line"]


def test_where_nobody_looks_nothing_is_shown(capsys):
    shown = made(None)
    shown.say(["a"])
    shown.show("b")
    shown.clear()

    assert capsys.readouterr() == ("", "")
