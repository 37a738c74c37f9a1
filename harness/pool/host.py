"""The protocol of who is told what happens to trials that run in workers."""

from __future__ import annotations

from typing import Protocol

from harness.pool.messages import Answer, Order


class Host(Protocol):
    """Who is told what happens to trials."""

    def assign(self, node_id: str) -> Order:
        """Return the order of a trial that is about to start; asked once for each."""

    def arrived(self, node_id: str, answer: Answer) -> None:
        """Take in what a trial gave, at once: pytest sees it later, in declared order."""

    def spoilt(self, node_id: str, answer: Answer) -> None:
        """Take in that what the trial shared with others failed at its end, after the trial's answer."""

    def died(self, node_id: str, reason: str, printed: str, seconds: float) -> Answer:
        """Return what stands for a trial whose worker died, `seconds` after it had begun with it."""

    def fell(self, node_id: str, reason: str, printed: str) -> Answer:
        """Return what stands for the death of a worker after its last trial: its fixtures did not end."""

    def exited(self, node_id: str, reason: str, code: int | None) -> None:
        """Learn that a trial called `pytest.exit`."""
