"""The protocol of a place where trials run: node ids in, serialised pytest reports out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Backend(Protocol):
    """A place where trials run.

    The session calls `start` once, before the first trial and after every contract that was
    judged; then `reports` once for each trial it reaches, in declared order; then `stop`, also
    after an interrupt. A trial is named by its node id; a result is what pytest's own
    `pytest_report_to_serializable` made of the trial's set-up, call and tear-down.
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

    def start(self, node_ids: Sequence[str]) -> None:
        """Learn every trial that will be asked for, in order."""

    def reports(self, node_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Wait for a trial and return its reports, or None: pytest is to run it in this process."""

    def stop(self) -> None:
        """Stop what still runs and leave nothing behind."""
