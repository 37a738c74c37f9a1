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


class Shut(Seal):
    """The seal of a repeat: nobody sees test rows through it, no gate either."""

    def __init__(self, repeat: str) -> None:
        """Repeat: what the text calls it, such as "repeat 2" or "fold 2 of 5"."""
        super().__init__()
        self._repeat = repeat

    def pass_through(self, dataset: str) -> None:
        """Raise SealedError."""
        raise SealedError(
            f"{self._repeat} has no test rows of {dataset!r}: they stay the same, and sealed",
            "judge the model of the declared split, in a gate by .best.test",
        )
