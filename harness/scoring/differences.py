"""The scores of two models on the same rows in; their paired differences, by the same names, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import ScoreError
from harness.scoring.estimates import Paired
from harness.scoring.score import Score
from harness.scoring.subject import rows

if TYPE_CHECKING:
    from harness.scoring.scores import Scores

__tracebackhide__ = True


class Differences:
    """What one model's scores are above another's on the same rows: `a.test - b.test`.

    An attribute is the difference of the two scores of that name, a score with an interval of its own:
    for `roc_auc` DeLong's, otherwise by a bootstrap that draws the same rows for both.
    """

    def __init__(self, a: Scores, b: Scores) -> None:
        """Take scores on the same rows in the same order."""
        self._a, self._b = a, b
        self._cache: dict[str, Score] = {}

    def where(self, /, **conditions: Any) -> Differences:
        """Return the differences on the rows that meet every condition, as `Scores.where` has them."""
        return Differences(self._a.where(**conditions), self._b.where(**conditions))

    def values(self) -> dict[str, float]:
        """Return the differences of all scores that both have, as plain floats."""
        a, b = self._a.values(), self._b.values()
        return {name: a[name] - b[name] for name in a if name in b}

    def __getattr__(self, name: str) -> Score:
        if name.startswith("_"):
            raise AttributeError(f"'Differences' object has no attribute {name!r}")
        if name not in self._cache:
            self._cache[name] = self._difference(name)
        return self._cache[name]

    def _difference(self, name: str) -> Score:
        found: Score = getattr(self._a, name) - getattr(self._b, name)
        if not isinstance(found.estimate, Paired):
            raise ScoreError(f"there is no difference of the scores {name}", "name a score that both have")
        return found

    def __len__(self) -> int:
        return len(self._a)

    def __dir__(self) -> list[str]:
        theirs = set(dir(self._b))
        return [name for name in dir(self._a) if name in theirs]

    def __str__(self) -> str:
        known = ", ".join(f"{name} {value:+.4g}" for name, value in self.values().items())
        return f"{self!r}: {known}"

    def __repr__(self) -> str:
        a, b = (scores._subject.owner for scores in (self._a, self._b))
        return f"Differences({a} - {b}, {rows(len(self))})"
