"""Two pipes in, a pytest session that works by them out: trials by node id one way, their reports the other.

The pool's workers are made of it, and whatever else runs trials away from the pytest process.
"""

from __future__ import annotations

import base64
import os
import pickle
import sys
from typing import Any, BinaryIO, NoReturn

import pytest

from harness.performer import Performer
from harness.pool.frames import Channel
from harness.pool.messages import Opening
from harness.settings import CONDUCTOR

__tracebackhide__ = True


def work(reader: BinaryIO, writer: BinaryIO) -> int:
    """Run trials as they are ordered until there are no more; return pytest's exit code.

    The process ends at once when the other side is gone.
    """
    channel = Channel(reader, writer)
    opening = Opening.from_json(channel.receive())
    os.chdir(opening.folder)
    os.environ.clear()
    os.environ.update(opening.environment)
    sys.path[:] = opening.path
    sys.argv = list(opening.command)
    entry = _Entry(channel, opening)
    code = int(pytest.main(list(opening.arguments), plugins=[entry]))
    sys.stdout.flush()
    if entry.performer is None or not entry.performer.met:
        reason = f"pytest ended there with exit code {code}"
        channel.send({"event": "refused", "reason": reason, "printed": True})
    return code


class _Muted:
    """Stands for pytest's terminal reporter: nobody looks, but its writer colours failures."""

    def __init__(self, writer: Any) -> None:
        self._tw = writer  # what `Config.get_terminal_writer` of pytest 9.2 asks it for


class _Entry:
    """What pytest is given at its start; makes the performer once there is a configuration."""

    def __init__(self, channel: Channel, opening: Opening) -> None:
        self._channel = channel
        self._opening = opening
        self._known: set[str] = set()
        self.performer: Performer | None = None

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        # Before any plugin that the user has named, and any conftest: these are pytest's own.
        self._known = set(vars(parser.parse_known_args([])))

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        for dest in (*self._opening.options, *self._opening.pickled):
            if dest not in self._known and hasattr(config.option, dest):
                setattr(config.option, dest, self._value(dest))

    def _value(self, dest: str) -> Any:
        """Return the value of an option; it may be of a class in a conftest, which is imported by now."""
        if dest in self._opening.options:
            return self._opening.options[dest]
        try:
            return pickle.loads(base64.b64decode(self._opening.pickled[dest]))
        except Exception as error:
            raise pytest.UsageError(
                f"the value of the option {dest!r} cannot be given to a worker"
            ) from error

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        config, plugins = session.config, session.config.pluginmanager
        terminal = plugins.get_plugin("terminalreporter")
        if terminal is not None:
            writer = config.get_terminal_writer()
            plugins.unregister(terminal)
            plugins.register(_Muted(writer), "terminalreporter")
        self.performer = config.stash[CONDUCTOR] = Performer(config, self._channel, self._opening)
        plugins.register(self.performer, "harness-conductor")


def main() -> NoReturn:
    """Work by standard input and output: a worker that was not forked."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    code = work(reader, writer)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as a forked worker does: threads that the project has left wait for nobody
