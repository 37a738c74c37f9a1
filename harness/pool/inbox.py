"""What a worker is told, heard by a thread, in; one thing after the other, as it is ready for it, out."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NoReturn

from harness.pool.frames import Channel
from harness.pool.messages import Order

Entry = Order | Mapping[str, Any] | None


class Inbox:
    """Orders that have come and were not taken yet; ends the process when the other side is gone."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._entries: deque[Entry] = deque()
        self._lock = threading.Lock()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Rung for every entry."""
        threading.Thread(target=self._listen, name="harness orders", daemon=True).start()

    def take(self) -> Entry:
        """Wait for the next order, or records of data sets by name; None: there are no more."""
        while True:
            self._bell.get()
            with self._lock:
                if self._entries:  # or it was given back meanwhile
                    return self._entries.popleft()

    def _listen(self) -> None:
        while True:
            try:
                message = self._channel.receive()
                if message["do"] == "give back":
                    self._channel.send({"event": "given back", "node_ids": self._give_back()})
            except (EOFError, OSError, ValueError):
                leave()
            if message["do"] == "run":
                self._put(*map(Order.from_json, message["orders"]))
            elif message["do"] == "data":
                self._put(message["prepared"])
            elif message["do"] == "end":
                self._put(None)

    def _put(self, *entries: Entry) -> None:
        for entry in entries:
            with self._lock:
                self._entries.append(entry)
            self._bell.put(None)

    def _give_back(self) -> list[str]:
        """Take back the orders at the end that nobody has taken; return their node ids, in order."""
        found: list[str] = []
        with self._lock:
            while self._entries and isinstance(entry := self._entries[-1], Order):
                found.insert(0, entry.node_id)
                self._entries.pop()
        return found


def leave() -> NoReturn:
    """End this process at once, with everything that it has started: nobody waits for it any more."""
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
