"""Openings of sealed test rows in; lines of a file that is committed with the project, each once, out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import lock
from harness.errors import HarnessError, StoreError
from harness.results import JsonRecord

__tracebackhide__ = True

BY_HAND = ""
"""Stands for a model's digest where a gate looked at test rows and judged no model by them."""
_PATIENCE = 30.0
"""Seconds that one process waits for another to write a few lines."""


class LedgerError(HarnessError, OSError):
    """The ledger cannot be read or written; nothing else of a run depends on it."""

    def __str__(self) -> str:
        return HarnessError.__str__(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(JsonRecord):
    """The first time that somebody saw what one model says about some test rows."""

    test_rows: str
    """Digest of the rows themselves, whatever the data set is called."""
    model: str
    """Digest, or BY_HAND."""
    dataset: str
    experiment: str
    opened: str
    """ISO 8601, UTC."""
    commit: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes two openings one."""
        return self.test_rows, self.model


@dataclass(frozen=True, slots=True)
class Ledger:
    """All openings that a file holds."""

    openings: Sequence[Opening] = ()
    """Each once, the earliest first."""
    unreadable: Sequence[int] = ()
    """Numbers of the lines that hold none, from 1: conflict marks, torn or foreign lines."""

    def models(self, test_rows: str) -> int:
        """Return for how many different models some test rows have been opened."""
        return sum(o.test_rows == test_rows and o.model != BY_HAND for o in self.openings)


def read(path: Path) -> Ledger:
    """Return what a ledger holds; nothing if there is none.

    Lines may stand in any order and more than once, as git leaves them with `merge=union`. Of two that
    tell of one opening the earlier counts. Raises LedgerError if the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        raise _refused(path, "read", error) from error
    found: dict[tuple[str, str], Opening] = {}
    unreadable = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        opening = _parsed(line)
        if opening is None:
            unreadable.append(number)
        elif opening.key not in found or opening.opened < found[opening.key].opened:
            found[opening.key] = opening
    return Ledger(sorted(found.values(), key=lambda o: (o.opened, o.key)), unreadable)


def record(path: Path, openings: Iterable[Opening], guard: Path) -> Ledger:
    """Add the openings that a ledger lacks, and return all that it holds then.

    guard: path of a lock, so that of two processes which open the same rows for the same model one
        writes the line. What is there is never changed. Raises LedgerError if the file cannot be
        read or written.
    """
    wanted = {opening.key: opening for opening in openings}
    try:
        with lock.exclusive(guard, seconds=_PATIENCE):
            held = read(path)
            known = {opening.key for opening in held.openings}
            fresh = [opening for key, opening in wanted.items() if key not in known]
            if not fresh:
                return held
            _append(path, fresh)
            return read(path)
    except LedgerError:
        raise
    except StoreError as error:  # of the lock
        raise LedgerError(error.problem, error.remedy) from error


def _parsed(line: bytes) -> Opening | None:
    try:
        values: Any = json.loads(line)
        opening = Opening.from_json(values)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    texts = (opening.test_rows, opening.model, opening.dataset, opening.experiment, opening.opened)
    known = all(isinstance(text, str) for text in texts) and isinstance(opening.commit, str | None)
    return opening if known and opening.test_rows else None


def _append(path: Path, openings: Sequence[Opening]) -> None:
    """Write all lines at once, after whatever stands there."""
    content = b"".join(json.dumps(opening.to_json()).encode() + b"\n" for opening in openings)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, flags, 0o666)
        try:
            if os.lseek(file, 0, os.SEEK_END):
                os.lseek(file, -1, os.SEEK_END)
                if os.read(file, 1) != b"\n":  # a writer died inside its line, or an editor left it so
                    content = b"\n" + content
            while content:
                content = content[os.write(file, content) :]
        finally:
            os.close(file)
    except OSError as error:
        raise _refused(path, "written", error) from error


def _refused(path: Path, verb: str, error: OSError) -> LedgerError:
    return LedgerError(
        f"the ledger {path} cannot be {verb}: {error.strerror or error}",
        "make it a writable file, or name another one with -o ledger=FILE",
    )
