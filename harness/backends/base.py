"""The protocol of a place where trials run: node ids in, what pytest is to see of them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from harness.pool.messages import Answer


class Backend(Protocol):
    """A place where trials run.

    The session calls `boot` once, before anything runs; `start` once, after every contract was judged;
    then `answer` once for each trial that it reaches, in declared order; `rest` at the end, also after
    a failure; and always `stop`. A trial is named by its node id.
    """

    @property
    def name(self) -> str:
        """What `--backend` calls it."""

    @property
    def elsewhere(self) -> bool:
        """Whether trials run in other processes, so that nothing of theirs is set up in this one."""

    @property
    def in_flight(self) -> int:
        """How many trials run at once; the cores are divided among them."""

    @property
    def refusal(self) -> str | None:
        """Why trials that were to run elsewhere run in this process; None if none do."""

    def boot(self, trials: int) -> None:
        """Make ready for at most so many trials, while data are being prepared."""

    def start(self, node_ids: Sequence[str], prepared: Mapping[str, Any]) -> None:
        """Begin with trials, in order.

        prepared: records (`Prepared.to_json`) of the data sets in the store, by name.
        """

    def answer(self, node_id: str) -> Answer | None:
        """Wait for a trial and return what it gave, or None: pytest is to run it in this process.

        Raises LookupError if it has not run and will not, for the backend was halted.
        """

    def late(self) -> Iterable[tuple[str, Answer]]:
        """Return what came of trials after their answers."""

    def halt(self) -> None:
        """Start nothing more; what runs may finish."""

    def rest(self) -> Iterable[tuple[str, Answer]]:
        """Halt, and return the answers that nobody has asked for, when the last one is there."""

    def stop(self, *, now: bool = False) -> None:
        """End what still runs, `now` within two seconds, and leave nothing behind."""
