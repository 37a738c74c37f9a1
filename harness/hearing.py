"""What the gate that runs reads, compares and is told, in; the record of that, and what it proves, out."""

from __future__ import annotations

from harness.policy import objection
from harness.results import ComparisonRecord
from harness.scoring.score import Claim
from harness.verdicts import asserted, judge

__tracebackhide__ = True


class Hearing:
    """One gate after another; scores that outlive their gate tell the one that runs.

    confidence: of the scores' intervals, two-sided.
    """

    def __init__(self, confidence: float) -> None:
        self.confidence = confidence
        self.readings: dict[str, float] = {}
        """Scores that were read, by their full names."""
        self.claims: list[Claim] = []
        """Comparisons that were made."""
        self._notes: dict[str, None] = {}
        self._held = False
        self._judged: tuple[int, tuple[ComparisonRecord, ...]] = (0, ())

    def begin(self) -> None:
        """Forget what the gate before has read and compared."""
        self.readings = {}
        self.claims = []
        self._notes = {}
        self._held = False
        self._judged = (0, ())

    def read(self, name: str, value: float) -> None:
        """Take in a score that was read."""
        self.readings[name] = value

    def compare(self, claim: Claim) -> None:
        """Take in a comparison."""
        self.claims.append(claim)

    def note(self, text: str) -> None:
        """Take in what a reader of the outcome should know besides."""
        self._notes[text] = None

    @property
    def notes(self) -> list[str]:
        """What a reader of the outcome should know besides."""
        return list(self._notes)

    @property
    def comparisons(self) -> tuple[ComparisonRecord, ...]:
        """What was compared so far, and what that proves."""
        if self._judged[0] != len(self.claims):
            self._judged = len(self.claims), judge(self.claims, self.confidence)
        return asserted(self._judged[1]) if self._held else self._judged[1]

    def objection(self, policy: str) -> str | None:
        """Return what the policy has against a gate whose asserts have all held; None: nothing."""
        self._held = True
        return None if policy == "point" else objection(self.comparisons)
