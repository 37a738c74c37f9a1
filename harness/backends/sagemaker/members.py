"""A tar.gz of which nothing is trusted in; its members out, one by one, or what is wrong with which."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, cast

from harness.errors import HarnessError

_CHUNK = 1 << 16
"""Bytes to read at once."""
_DESCRIPTION = 1 << 16
"""Bytes that say what a member is, a long name included."""
_PADDING = 1 << 20
"""Bytes that may follow the end; tar fills its last record with zeros."""


_FAULTS = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    RecursionError,
)
"""What gzip and tarfile raise for bytes that somebody made up."""


class ArchiveError(HarnessError):
    """An archive cannot be made, or is not what a container should have given."""


class Members:
    """The members of an archive, in order; whether they are harmless is for others to judge.

    Raises ArchiveError unless the archive is whole up to its very last byte.
    """

    def __init__(self, file: BinaryIO, called: str) -> None:
        """Read from where a file stands; `called` is what errors call it."""
        self._source = _Source(file)
        self._called = called
        self._tar: tarfile.TarFile | None = None
        self._member: tarfile.TarInfo | None = None

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        while (member := self._next()) is not None:
            yield member
        with self._told():
            self._source.end()

    def _next(self) -> tarfile.TarInfo | None:
        with self._told():
            self._source.allow(_DESCRIPTION)
            if self._tar is None:
                self._tar = tarfile.open(fileobj=cast(Any, self._source), mode="r:")  # noqa: SIM115
            member = self._tar.next()
        if member is not None:
            self._member = member
            if member.size < 0:
                raise self.refused("has less than no bytes")
        return member

    def copy(self, file: IO[bytes]) -> None:
        """Write what the current member holds; OSError if the file does not take it."""
        assert self._tar is not None
        assert self._member is not None
        content = self._tar.extractfile(self._member)
        assert content is not None
        self._source.allow(self._member.size)
        left = self._member.size
        while left > 0:
            with self._told():
                chunk = content.read(min(left, _CHUNK))
            left -= len(chunk)
            file.write(chunk)

    def refused(self, why: str) -> ArchiveError:
        """Return the error that names the current member."""
        assert self._member is not None
        return ArchiveError(f"{self._member.name!r} in {self._called} {why}", "nothing of it was unpacked")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            where = "" if self._member is None else f" at or after {self._member.name!r}"
            raise ArchiveError(
                f"{self._called} is cut short, damaged or no tar.gz{where}: {error}",
                "nothing of it was unpacked",
            ) from error


class _Source:
    """What gzip unpacks, as tarfile reads it: forwards only, and never more than it was allowed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=file, mode="rb")
        self._place = 0
        self._until = 0
        self._last = b""

    def allow(self, size: int) -> None:
        """Let so many bytes be read from here on, and what fills the last block of them."""
        self._until = self._place + size + tarfile.BLOCKSIZE

    def read(self, size: int) -> bytes:
        if size < 0 or self._place + size > self._until:
            raise tarfile.ReadError("what describes a member is too long")
        self._last = self._file.read(size)
        self._place += len(self._last)
        return self._last

    def seek(self, place: int) -> None:
        if place < self._place:
            raise tarfile.ReadError("a member begins before the one before it")
        while place > self._place and self.read(min(place - self._place, _CHUNK)):
            pass

    def tell(self) -> int:
        return self._place

    def end(self) -> None:
        """Read the rest; raise ReadError unless tar's mark of the end came, and nothing after it."""
        # To tarfile, a header that is damaged or missing is an end like any other.
        if self._last != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("the mark of the end is missing")
        self.allow(_PADDING)
        while rest := self.read(_CHUNK):
            if rest.strip(tarfile.NUL):
                raise tarfile.ReadError("something follows the end")
