"""One way in which rows or columns tell more than they may, as a record without any value of a cell."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.data.labels import quote
from harness.results import JsonRecord

Kind = Literal["group", "time", "rows", "column", "columns"]

_WIDTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak(JsonRecord):
    """One finding about one data set."""

    kind: Kind
    columns: Sequence[str]
    """Those it is about; none for whole rows."""
    problem: str
    """Names of columns, counts and scores, and nothing of any single row."""
    remedy: str

    @property
    def text(self) -> str:
        """Both in one sentence."""
        return f"{self.problem}; {self.remedy}"


def listed(columns: Sequence[str]) -> str:
    """Return up to three names as in a sentence: "'a', 'b' and 'c'", "'a', 'b' and 4 more"."""
    shown = [quote(name) for name in columns[:3]]
    if len(columns) > 3:
        shown = [*shown[:2], f"{len(columns) - 2} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def percent(part: int, whole: int) -> str:
    """Return a share as in "6.4 %", "0.03 %"."""
    share = 100 * part / whole
    return f"{share:.1f} %" if share >= 0.1 else f"{share:.1g} %"


def refusal(leaks: Sequence[Leak], *, dataset: str) -> str:
    """Return why a data set with `leaks="error"` is not used: all of them, in lines of 80 characters."""
    ways = "one way" if len(leaks) == 1 else f"{len(leaks)} ways"
    lines = [f"data set {dataset} leaks in {ways}, and has leaks='error'", ""]
    for leak in leaks:
        lines += _wrapped(leak.problem, "  ") + _wrapped(leak.remedy, "      ") + [""]
    lines += _wrapped(
        "Write leaks='warn' to be told in the summary only, leaks='off' if nobody shall look.", ""
    )
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent="      " if indent else "",
        break_on_hyphens=False,
    )
