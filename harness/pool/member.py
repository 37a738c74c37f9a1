"""One worker of a pool, and what it has been given to do."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.pool.messages import Order
from harness.pool.processes import Process


@dataclass(slots=True, eq=False)
class Member:
    """One worker, as the pool sees it."""

    process: Process
    born: float = field(default_factory=time.monotonic)
    held: OrderedDict[str, Order] = field(default_factory=OrderedDict)
    """Trials that it was given and has not answered, by node id in order; it runs the first of them."""
    since: float = 0.0
    """When it began with the first of them, as near as is known."""
    last: str | None = None
    """The trial that it answered last."""
    ready: bool = False
    """It has collected."""
    retired: bool = False
    """It is given nothing more, and ends."""
    asked: bool = False
    """It is to give back what it has not begun."""
    late: bool = False
    """Killed for running longer than allowed."""
    done: bool = False
    """It ends after everything it had to do."""
    thread: threading.Thread | None = None

    @property
    def used(self) -> bool:
        """Whether it was ever given a trial."""
        return bool(self.held) or self.last is not None

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message; one to a worker that has just died is lost: its listener finds out."""
        try:
            self.process.channel.send(message)
        except (OSError, ValueError):
            return

    def give(self, orders: Sequence[Order]) -> None:
        """Hand out trials to it."""
        if not self.held:
            self.since = time.monotonic()
        self.held.update((order.node_id, order) for order in orders)
        self.tell({"do": "run", "orders": [order.to_json() for order in orders]})

    def free(self, node_id: str) -> Order | None:
        """Take a trial from it, answered or not begun; None if it does not hold it."""
        if node_id == next(iter(self.held), None):
            self.since = time.monotonic()  # with the next one
        return self.held.pop(node_id, None)

    def retire(self) -> None:
        """Let it tear down what its trials shared, and end."""
        if not self.retired:
            self.retired = True
            self.tell({"do": "end"})
