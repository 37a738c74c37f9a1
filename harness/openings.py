"""What gates saw of sealed rows in, as they end; lines of the ledger, and counts for the report, out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import ledger
from harness.ledger import Ledger, LedgerError, Opening

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One model, or nobody's (`ledger.BY_HAND`), that a gate held against test rows."""

    test_rows: str
    model: str
    dataset: str
    experiment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """For how many models the test rows of a data set were ever opened."""

    dataset: str
    models: int
    by_hand: bool
    """Whether a gate has also seen them without judging a model."""


class Openings:
    """The openings of one run, each in the ledger as soon as its gate has ended."""

    def __init__(self, path: Path, *, guard: Path, commit: str | None) -> None:
        """path: of the ledger; guard: of a lock beside the store; commit: of the work tree."""
        self.path = path
        self._guard = guard
        self._commit = commit
        self._held = Ledger()
        self._rows: dict[str, str] = {}
        self.problem: str | None = None
        """Why the ledger lacks something; None if it does not."""

    def enter(self, looks: Iterable[Look]) -> None:
        """Record what a gate saw; a ledger that cannot be written is a `problem`, never an error."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        made = [
            Opening(
                test_rows=look.test_rows,
                model=look.model,
                dataset=look.dataset,
                experiment=look.experiment,
                opened=now,
                commit=self._commit,
            )
            for look in looks
        ]
        if not made:
            return
        self._rows |= {opening.dataset: opening.test_rows for opening in made}
        try:
            self._held = ledger.record(self.path, made, self._guard)
        except LedgerError as error:
            self.problem = str(error)
            self._held = Ledger(_together([*self._held.openings, *made]), self._held.unreadable)

    def models(self, test_rows: str) -> int:
        """Return for how many models some test rows have been opened, this run's included."""
        return self._held.models(test_rows)

    @property
    def unreadable(self) -> tuple[int, ...]:
        """Numbers of the ledger's lines that hold no opening."""
        return tuple(self._held.unreadable)

    @property
    def counts(self) -> list[Count]:
        """Those of the data sets whose test rows this run has opened, in that order."""
        by_hand = {o.test_rows for o in self._held.openings if o.model == ledger.BY_HAND}
        return [
            Count(dataset=name, models=self.models(rows), by_hand=rows in by_hand)
            for name, rows in self._rows.items()
        ]


def _together(openings: Iterable[Opening]) -> list[Opening]:
    return list({opening.key: opening for opening in openings}.values())
