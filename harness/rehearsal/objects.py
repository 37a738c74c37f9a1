"""Names of buckets and keys in; bytes out, from moto's S3, with a copy on disk of what clients have put."""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from moto.backends import get_backend

from harness.rehearsal.address import REGION

_PARTITION = "aws"
_EMPTY = "%"
"""File name of an empty part of a key: no quoted part is like it."""


class Objects:
    """The S3 of one account; threads share it under `lock`, as do calls that moto answers itself.

    On disk, below `folder`/s3/BUCKET/KEY, lies what was put by a client's call, until it is deleted by
    one; content alone, no metadata. An object whose name is also the folder of another one's, or is too
    long for a file, is not kept there.
    """

    def __init__(self, account: str, folder: Path) -> None:
        self.lock = threading.RLock()
        """Moto's dictionaries are not made for threads."""
        self._moto: Any = get_backend("s3")[account][_PARTITION]
        self._kept = folder / "s3"
        self._partial = folder / "partial"

    def restore(self) -> None:
        """Put into the buckets what is kept on disk."""
        shutil.rmtree(self._partial, ignore_errors=True)
        for folder in sorted(self._kept.glob("*")):
            bucket = unquote(folder.name)
            self.create(bucket)
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    self.write(bucket, _key(path.relative_to(folder)), path.read_bytes())

    def create(self, bucket: str) -> None:
        """Make a bucket, unless it is there."""
        with self.lock:
            if not self.has(bucket):
                self._moto.create_bucket(bucket, REGION)

    def has(self, bucket: str) -> bool:
        """Return whether a bucket is there."""
        return bucket in self._moto.buckets

    def under(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys with a prefix, as a plain string, in order; none of a bucket that is not there."""
        with self.lock:
            if not self.has(bucket):
                return []
            found, *_ = self._moto.list_objects(self._moto.head_bucket(bucket), prefix, None, None, None)
            return [key.name for key in found]

    def read(self, bucket: str, key: str) -> bytes:
        """Return an object; raise KeyError if it is not there."""
        with self.lock:
            found = self._moto.get_object(bucket, key) if self.has(bucket) else None
            if found is None:
                raise KeyError(f"s3://{bucket}/{key}")
            content: bytes = found.value
            return content

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object, for as long as the service lives."""
        with self.lock:
            self._moto.put_object(bucket, key, content)

    def keep(self, bucket: str, key: str) -> None:
        """Let disk say of an object what the bucket does: its content, or that it is gone."""
        path = self._path(bucket, key)
        try:
            content = self.read(bucket, key)
        except KeyError:
            with contextlib.suppress(OSError):
                path.unlink()
            return
        partial = self._partial / uuid.uuid4().hex
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(path)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            partial.unlink(missing_ok=True)
        except OSError as error:
            partial.unlink(missing_ok=True)
            if error.errno != errno.ENAMETOOLONG:
                raise

    def reconcile(self, bucket: str) -> None:
        """Let disk say of a whole bucket that what is gone is gone."""
        folder = self._kept / quote(bucket)
        keys = set(self.under(bucket, ""))
        for path in folder.rglob("*"):
            if path.is_file() and _key(path.relative_to(folder)) not in keys:
                path.unlink()
        if not self.has(bucket):
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Give back moto's memory: its accounts outlive a service in one process."""
        with self.lock:
            for bucket in list(self._moto.buckets):
                for key in self.under(bucket, ""):
                    self._moto.delete_object(bucket, key)
                self._moto.delete_bucket(bucket)

    def _path(self, bucket: str, key: str) -> Path:
        return self._kept.joinpath(quote(bucket), *(_part(part) for part in key.split("/")))


def _part(part: str) -> str:
    """Return a part of a key as the name of a file, in which nothing leads elsewhere."""
    if part in (".", ".."):
        return part.replace(".", "%2E")
    return quote(part, safe=" =+@,") or _EMPTY


def _key(path: Path) -> str:
    """Return the key whose parts are these names."""
    return "/".join("" if part == _EMPTY else unquote(part) for part in path.parts)


def address(uri: str) -> tuple[str, str]:
    """Return bucket and key of an s3:// address."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key
