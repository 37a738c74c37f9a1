"""What became of a contract: the broken expectations of one suite on one frame, as a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

BREAKING = "critical"
SEVERITIES = (BREAKING, "warning", "info")
"""In the order of the report; an expectation without a severity is critical."""

EXAMPLES = 20
"""Example rows kept of each broken expectation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One expectation that does not hold, or that could not be evaluated."""

    entry: int
    """Position in the suite's list of expectations, from 0."""
    expectation: str
    """Its type, such as `expect_column_values_to_be_between`."""
    column: str | None
    """The column, or several with commas between them, cut to 60 characters; None for a table rule."""
    severity: str
    text: str
    """One line that says which rule does not hold and how often; no value of a cell is in it."""
    unexpected: int | None
    """Values, pairs or rows that break the rule; None where nothing is counted."""
    total: int | None
    """Values, pairs or rows that were judged; missing ones are not, unless the rule is about them."""
    examples: tuple[str, ...] = ()
    """At most `EXAMPLES` lines with what is in the data: `row POSITION: VALUE`, or an observed value."""
    reason: str = ""
    """Why it could not be evaluated; empty if it was."""
    notes: str = ""
    """The data owner's words from the suite."""

    @property
    def breaks(self) -> bool:
        """Whether it breaks the contract: a critical rule, or any rule nobody could check."""
        return self.severity == BREAKING or bool(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one suite says of one frame."""

    contract: str
    violations: tuple[Violation, ...]
    """In the order of the suite."""
    expectations: int
    """Expectations in the suite."""
    notes: str = ""
    """The data owner's words on the whole suite."""
    cached: bool = False
    """Whether it is the verdict of an earlier run on equal data."""

    @property
    def broken(self) -> bool:
        """Whether nothing may be trained on the data."""
        return any(violation.breaks for violation in self.violations)

    @property
    def word(self) -> str:
        """Either "passed", "passed with warnings" or "broken"."""
        if self.broken:
            return "broken"
        return "passed with warnings" if self.violations else "passed"

    def without_examples(self) -> Self:
        """Return the verdict without any value of a cell."""
        violations = tuple(dataclasses.replace(violation, examples=()) for violation in self.violations)
        return dataclasses.replace(self, violations=violations)

    def again(self, contract: str) -> Self:
        """Return the verdict as one of an earlier run."""
        return dataclasses.replace(self, contract=contract, cached=True)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the verdict of `to_json`; raise TypeError, KeyError or ValueError for anything else."""
        violations = tuple(
            Violation(**{**violation, "examples": tuple(violation["examples"])})
            for violation in values["violations"]
        )
        return cls(**{**values, "violations": violations})
