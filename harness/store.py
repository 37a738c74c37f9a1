"""The store folder: reusable files under the digest of what made them, and one journal a run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.errors import StoreError


class Store:
    """A folder that survives runs; every file in it appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self) -> None:
        """Create the folder if need be; raise StoreError unless it can be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            descriptor, probe = tempfile.mkstemp(dir=self.root)
            os.close(descriptor)
            Path(probe).unlink()
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be written: {error.strerror or error}",
                "make it a writable folder, or name another one with -o experiment_store=FOLDER",
            ) from error

    def path(self, *parts: str) -> Path:
        """Return the path of an entry, which need not exist."""
        return self.root.joinpath(*parts)

    @contextmanager
    def folder(self, *parts: str) -> Iterator[Path]:
        """Fill a folder that appears under its name only when the block ends without an error.

        Raises StoreError for every OSError, also of the block.
        """
        target = self.path(*parts)
        with _told(self.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
            try:
                yield draft
                while not _renamed(draft, target):
                    _remove(target)  # an older one, or one that another process has just finished
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def remove(self, *parts: str) -> None:
        """Delete a folder: whoever opens it meets the whole of it or nothing. StoreError if it cannot be."""
        with _told(self.root):
            _remove(self.path(*parts))

    def write_bytes(self, data: bytes, *parts: str) -> Path:
        """Write one file, whole or not at all; raise StoreError if it cannot be written."""
        target = self.path(*parts)
        with _told(self.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, draft = tempfile.mkstemp(prefix=".draft-", dir=target.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                Path(draft).replace(target)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
        return target

    def write_json(self, value: Any, *parts: str) -> Path:
        """Write a JSON file, whole or not at all; raise StoreError if it cannot be written."""
        return self.write_bytes(json.dumps(value, indent=1).encode(), *parts)

    def read_json(self, *parts: str) -> Any | None:
        """Return the content of a JSON file; None if it is missing or corrupt."""
        try:
            return json.loads(self.path(*parts).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def journal(self, *parts: str) -> Journal:
        """Return the journal at a path."""
        return Journal(self.path(*parts), self.root)


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Turn what the system says, such as that the disk is full, into a StoreError with a remedy."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StoreError(
            f"the store {root} cannot be written: {error.strerror or error}{where}",
            "free space or make it writable, or name another folder with -o experiment_store=FOLDER",
        ) from error


def _renamed(draft: Path, target: Path) -> bool:
    try:
        draft.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        return False
    return True


def _remove(target: Path) -> None:
    """Take an entry away at once, so that nobody meets half of it, then delete it."""
    parent = target.parent
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=parent) as away, suppress(FileNotFoundError):
        target.rename(Path(away, target.name))


class Journal:
    """JSON lines that are only ever appended to; a torn last line is left out when read."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self._root = root  # of the store

    def append(self, record: dict[str, Any]) -> None:
        """Add one record and hand it to the operating system before returning; StoreError if it cannot."""
        line = json.dumps(record).encode() + b"\n"
        with _told(self._root):
            file = self._opened()
            try:
                if os.lseek(file, 0, os.SEEK_END) and not self._ends_with_newline(file):
                    line = b"\n" + line  # a writer died inside its line: end it, or this one is lost too
                while line:
                    line = line[os.write(file, line) :]
            finally:
                os.close(file)

    def _opened(self) -> int:
        """Return a descriptor: Python's file objects would take longer than all the rest."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            return os.open(self.path, flags, 0o666)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o666)

    @staticmethod
    def _ends_with_newline(file: int) -> bool:
        os.lseek(file, -1, os.SEEK_END)
        return os.read(file, 1) == b"\n"

    def read(self) -> list[dict[str, Any]]:
        """Return the whole records, oldest first; none if there is no journal."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        records = []
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                records.append(record)
        return records
