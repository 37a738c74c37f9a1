"""Trials on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class InProcess:
    """Trials in pytest's own process, one after the other: real tracebacks, real `--pdb`."""

    name = "local"
    elsewhere = False
    in_flight = 1

    def start(self, node_ids: Sequence[str]) -> None:
        """Nothing to prepare: pytest reaches every trial by itself."""

    def reports(self, node_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Return None: pytest runs the trial here."""
        return None

    def stop(self) -> None:
        """Nothing is left behind."""
