"""The seal on the test rows: the gate that runs in; a permission and a record of who saw them out."""

from __future__ import annotations

from harness.errors import SealedError

__tracebackhide__ = True


class Seal:
    """Whether the test rows may be seen now, and who saw which; shared by the data sets of a session."""

    def __init__(self) -> None:
        self.opened_by: str | None = None
        """Node id of the gate that runs, None outside of gates."""
        self.openings: set[tuple[str, str]] = set()
        """Data set and gate of every opening."""

    def pass_through(self, dataset: str) -> None:
        """Record that the gate that runs sees the test rows of a data set; SealedError outside of gates."""
        if self.opened_by is None:
            raise SealedError(
                f"the test rows of {dataset!r} are sealed: only a gate may open them",
                "write a gate_* function and ask for the experiment by its name, then use .best.test",
            )
        self.openings.add((dataset, self.opened_by))
