"""JSON values in, length-prefixed frames over a pipe out, and back."""

from __future__ import annotations

import json
import struct
import threading
from typing import Any, BinaryIO

_HEAD = struct.Struct("!Q")


class Channel:
    """Two one-way pipes to another process, or one socket; `send` may be called by several threads."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        """Write one message; what JSON has no word for goes as its `str`.

        Raises OSError or ValueError if the other side is gone.
        """
        content = json.dumps(message, default=str).encode()
        with self._lock:
            self._writer.write(_HEAD.pack(len(content)) + content)
            self._writer.flush()

    def receive(self) -> Any:
        """Wait for one message and return it; raise EOFError when the other side is gone.

        A frame that was cut short counts as none, and so does what is no frame.
        """
        (size,) = _HEAD.unpack(self._exactly(_HEAD.size))
        try:
            return json.loads(self._exactly(size))
        except (ValueError, MemoryError, OverflowError):
            raise EOFError from None

    def _exactly(self, size: int) -> bytes:
        try:
            found = self._reader.read(size)
        except (OSError, ValueError):  # closed meanwhile
            found = b""
        if len(found) < size:
            raise EOFError
        return found

    def close(self) -> None:
        """Let go of the pipes; a reader that waits in another thread ends when the other side does."""
        for end in (self._writer, self._reader):
            try:
                end.close()
            except (OSError, ValueError):  # what could not be flushed: the other side is gone
                continue
