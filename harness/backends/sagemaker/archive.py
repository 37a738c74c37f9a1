"""Files in, one archive that is the same wherever it is made, out; and files of other archives, unpacked."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from harness.backends.sagemaker.members import ArchiveError, Members

_HEADER = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255))
"""Of gzip: neither name nor time, and no system."""
_BLOCK = 0xFFFF
"""Bytes that one stored block of a deflate stream holds at most."""
_MOST = 100_000
"""Members to unpack; each costs a file here, however small."""


def pack(members: Mapping[str, bytes | Path]) -> bytes:
    """Return a tar.gz of files by name: the same bytes for the same members, in any order and anywhere.

    Nothing but names and contents is kept; all files are readable, none is executable. Nothing is
    compressed: what zlib gives differs from one build of it to the next.

    Raises ArchiveError for a name that leads out of the folder it is unpacked in, and OSError.
    """
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        for name in sorted(members):
            if name in (".", "") or _normal(name) != name:
                raise ArchiveError(f"{name!r} is no name in an archive", "name it as in folder/file")
            member = members[name]
            content = member if isinstance(member, bytes) else member.read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(content))
    return _stored(tar.getvalue())


def _stored(content: bytes) -> bytes:
    parts = [_HEADER]
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        last = start + _BLOCK >= len(content)
        parts += (struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block)
    parts.append(struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))
    return b"".join(parts)


def digest(content: bytes) -> str:
    """Return 32 hex digits that stand for a content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def unpack(archive: Path | BinaryIO, folder: Path, *, limit: int) -> list[str]:
    """Unpack a tar.gz that a container gave; return the names of its files, sorted.

    folder: does not exist yet, and exists only if all of the archive was whole and harmless.
    limit: bytes that its files may have in sum.

    Only files and folders are taken, with nothing but names and contents. Raises ArchiveError for all
    else: links and devices, names that lead elsewhere or come twice, more bytes than the limit, what is
    cut short or no tar.gz, a folder that is there already, and a disk that is full.
    """
    if isinstance(archive, Path):
        try:
            file = archive.open("rb")
        except OSError as error:
            raise ArchiveError(f"{archive} cannot be read: {error.strerror}", "make it readable") from error
        with file:
            return unpack(file, folder, limit=limit)
    called = PurePosixPath(str(getattr(archive, "name", "the archive"))).name
    if folder.exists() or folder.is_symlink():
        raise ArchiveError(f"{folder} is there already", "unpack into a folder of its own")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder.parent) as draft:
            inner = Path(draft, "content")
            inner.mkdir()
            names = _unpacked(Members(archive, called), inner, limit)
            inner.rename(folder)
    except OSError as error:
        raise ArchiveError(
            f"{folder} cannot be unpacked: {error.strerror or error} ({error.filename})",
            "make room there and make it writable",
        ) from error
    return names


def _unpacked(members: Members, folder: Path, limit: int) -> list[str]:
    seen: set[str] = set()
    files: list[str] = []
    left = limit
    for member in members:
        name = _normal(member.name)
        if name is None:
            raise members.refused("has a name that leads out of its folder")
        if not (member.isdir() or member.isreg()) or member.issparse():
            raise members.refused("is neither a file nor a folder")
        if name in seen:
            raise members.refused("is there twice")
        if len(seen) >= _MOST:
            raise members.refused(f"comes after {_MOST:,} others")
        left -= member.size
        if left < 0:
            raise members.refused(f"makes it more than the {limit:,} bytes that are allowed")
        seen.add(name)
        try:
            _write(folder / name, members if member.isreg() else None)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise members.refused("lies where another member lies") from error
        except OSError as error:
            raise members.refused(f"cannot be written: {error.strerror}") from error
        if member.isreg():
            files.append(name)
    return sorted(files)


def _write(path: Path, members: Members | None) -> None:
    if members is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        members.copy(file)


def _normal(name: str) -> str | None:
    """Return a member's name without "./" and doubled slashes; None if it leads elsewhere."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or not {"\\", "\0"}.isdisjoint(name):
        return None
    return path.as_posix()
