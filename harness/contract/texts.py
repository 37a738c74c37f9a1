"""Values, results and verdicts of contracts as text that fits into 80 columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.contract.verdict import SEVERITIES, Verdict, Violation

_VALUE = 40
_EXAMPLE = 66
_WIDTH = 80


def shorten(text: str, width: int) -> str:
    """Return the text in one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def value(cell: Any) -> str:
    """Return a cell as text of at most 40 characters; a missing one is `null`."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell)):
        return "null"
    return shorten(repr(cell) if isinstance(cell, str) else str(cell), _VALUE)


def arguments(kwargs: Mapping[str, Any]) -> str:
    """Return the kwargs of an expectation as they would stand in a call, long ones cut."""
    return ", ".join(f"{name}={shorten(repr(argument), 60)}" for name, argument in kwargs.items())


def found(expectation: str, result: Mapping[str, Any]) -> tuple[int | None, int | None, str]:
    """Return the unexpected count, the number judged, and both in words; no value of a cell."""
    count, elements = result.get("unexpected_count"), result.get("element_count")
    if count is None or elements is None:
        words = _observed(result) if _harmless(expectation) else ""
        return count, None, words
    total = int(elements) - int(result.get("missing_count") or 0)
    return int(count), total, f"{count} of {total} ({100 * count / max(total, 1):.3g} %)"


def _harmless(expectation: str) -> bool:
    """Whether the observed value is a property of the table or a column, never a cell's content."""
    return expectation.startswith("expect_table_") or "_type" in expectation


def _observed(result: Mapping[str, Any]) -> str:
    mismatched = (result.get("details") or {}).get("mismatched")
    if isinstance(mismatched, Mapping):
        clauses = [f"{word} {', '.join(map(str, names))}" for word, names in mismatched.items() if names]
        return "; ".join(sorted(clauses))
    if isinstance(mismatched, list):
        at, wanted, there = (mismatched[0][key] for key in ("Expected Column Position", "Expected", "Found"))
        return f"column {at} is {there!r}, expected {wanted!r}"
    observed = result.get("observed_value")
    return "" if observed is None else f"observed {shorten(str(observed), 60)}"


def examples(result: Mapping[str, Any], expectation: str) -> tuple[str, ...]:
    """Return lines with rows and values that break the rule, or the observed value of a column."""
    values = result.get("partial_unexpected_list") or []
    rows = result.get("partial_unexpected_index_list") or []
    texts = [_example(cell) for cell in values]
    if rows and len(rows) == len(texts):
        return tuple(f"row {row}: {text}" for row, text in zip(rows, texts, strict=True))
    if texts or _harmless(expectation):
        return tuple(texts)
    observed = _observed(result)
    return (observed,) if observed else ()


def _example(cell: Any) -> str:
    if isinstance(cell, Mapping):
        return shorten(", ".join(f"{name}={value(inner)}" for name, inner in cell.items()), _EXAMPLE)
    if isinstance(cell, tuple):
        return shorten(", ".join(map(value, cell)), _EXAMPLE)
    return value(cell)


def render(verdict: Verdict, *, dataset: str, examples: int) -> str:
    """Return the report of a verdict: every violation, with counts and at most `examples` rows each.

    examples: 0 leaves out rows and values, which may be personal data; counts stay.
    """
    lines = _heading(verdict, dataset)
    for title, group in _groups(verdict):
        lines += ["", title]
        for violation in group:
            lines += _block(violation, examples)
    if verdict.notes:
        lines += ["", *_wrap(verdict.notes, "")]
    if examples and any(line.startswith("row ") for v in verdict.violations for line in v.examples):
        lines += ["", "Rows are counted from 0 as loaded: frame.iloc[ROW]."]
    return "\n".join(lines)


def _heading(verdict: Verdict, dataset: str) -> list[str]:
    state = "is broken" if verdict.broken else verdict.word
    broken = f"does not meet {len(verdict.violations)} of {verdict.expectations} expectations"
    finding = broken if verdict.violations else f"meets all {verdict.expectations} expectations"
    return _wrap(f"contract {verdict.contract} {state}: data set {dataset} {finding}", "")


def _groups(verdict: Verdict) -> Iterator[tuple[str, list[Violation]]]:
    unknown = [violation for violation in verdict.violations if violation.reason]
    if unknown:
        yield "could not be evaluated (breaks the contract)", unknown
    for severity in SEVERITIES:
        group = [v for v in verdict.violations if v.severity == severity and not v.reason]
        if group:
            yield severity if group[0].breaks else f"{severity} (does not break the contract)", group


def _block(violation: Violation, examples: int) -> list[str]:
    lines = _wrap(violation.text, "  ", hanging="      ")
    for line in violation.examples[:examples]:
        lines += _wrap(line, "      ", hanging="        ")
    rest = (violation.unexpected or 0) - examples
    if examples and violation.examples and rest > 0:
        lines.append(f"      … and {rest} more")
    return lines + (_wrap(violation.notes, "      ") if violation.notes else [])


def _wrap(text: str, indent: str, hanging: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_on_hyphens=False,
    )
