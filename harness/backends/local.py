"""Trials in pytest's own process, one after the other: real tracebacks, real `--pdb`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.pool.messages import Answer


class InProcess:
    """A backend that leaves every trial to pytest."""

    name = "local"
    elsewhere = False
    in_flight = 1
    refusal = None

    def boot(self, trials: int) -> None:
        """Nothing to make ready."""

    def start(self, node_ids: Sequence[str], prepared: Mapping[str, Any]) -> None:
        """Nothing to begin: pytest reaches every trial by itself."""

    def answer(self, node_id: str) -> Answer | None:
        """Return None: pytest runs the trial here."""
        return None

    def late(self) -> Sequence[tuple[str, Answer]]:
        """Return nothing: what shared fixtures do at their end is in the last trial's report."""
        return ()

    def halt(self) -> None:
        """Nothing runs besides what pytest runs."""

    def rest(self) -> Sequence[tuple[str, Answer]]:
        """Return nothing: every answer was given."""
        return ()

    def stop(self, *, now: bool = False) -> None:
        """Nothing is left behind."""
