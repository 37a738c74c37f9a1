"""The protocol of a place where trials run: node ids in, what pytest is to see of them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.pool.host import Host
from harness.pool.messages import Answer
from harness.results import Objective
from harness.space import Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a backend that plans ahead must know of a trial before it starts."""

    node_id: str
    experiment: str
    folder: str
    """For its files, relative to the run's."""
    params: Mapping[str, Any] | None
    """Hyperparameters in JSON's words; None: they are not chosen yet."""
    search: Search | None
    objective: Objective | None
    """None: it has none, or which one only the trial itself will tell."""
    datasets: Sequence[str]
    """Names of the data sets that it needs."""


class Planner(Host, Protocol):
    """A host that tells of trials ahead."""

    def brief(self, node_id: str) -> Brief:
        """Return what is known of a trial."""

    def choose(self, node_id: str, values: Mapping[str, Any]) -> None:
        """Learn the values, in their plain form, that another sampler has chosen for a trial of a search."""

    def best(self) -> tuple[str, float] | None:
        """Return the best objective so far, name and value, where a trial has finished last."""


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
