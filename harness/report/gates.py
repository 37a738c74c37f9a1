"""Gates and what they compared in; lines with value, interval, claim and verdict out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.report.line import GREEN, NAME, RED, WIDTH, YELLOW, Line, flow
from harness.results import ComparisonRecord, GateRecord
from harness.verdicts import missing_text, whole_text
from harness.wording import number, reason


def judgements(gates: Sequence[GateRecord]) -> Iterator[Line]:
    """Yield each gate with what it compared, what else it read, and why it did not pass."""
    labels = _labels(gates)
    width = min(NAME, max(map(len, labels), default=0))
    for record, label in zip(gates, labels, strict=True):
        markup = {"failed": RED, "passed": GREEN}.get(record.outcome, YELLOW)
        seen = [f"{name} {number(value)}" for name, value in record.uncompared.items()]
        seen += [record.note] if record.note else []
        if record.outcome != "passed":
            seen.append(reason(record.message))
        if record.comparisons:
            yield from _compared(record.compared, f"{record.outcome:<7} {label}", markup)
            for text in seen:
                yield from flow(text, _INDENT, 10, markup)
            continue
        beside = min(width, WIDTH - len("passed  ") - 2 - max(map(len, seen), default=0))
        column = len("passed  ") + beside + 2
        whole = f"{record.outcome:<7} {label:<{max(beside, 0)}}  "
        if len(label) > beside:
            yield from flow(label, f"{record.outcome:<7} ", 10, markup)
            whole, column = " " * 10, 10
        elif not seen:
            yield Line(whole.rstrip(), markup)
        for i, text in enumerate(seen):
            yield from flow(text, whole if i == 0 else " " * column, column + 2, markup)


_INDENT = " " * 8


def _compared(
    comparisons: Sequence[ComparisonRecord], start: str, markup: Mapping[str, bool]
) -> Iterator[Line]:
    """Yield what a gate has compared, the first beside its name if there is room."""
    for i, one in enumerate(comparisons):
        said = whole_text(one)
        beside = i == 0 and len(start) + 2 + len(said) <= WIDTH
        if i == 0 and not beside:
            yield from flow(start, "", 10, markup, keep=True)
        yield from flow(said, f"{start}  " if beside else _INDENT, 10, markup)
        for text in filter(None, (one.score, missing_text(one) or one.note)):
            yield from flow(text, _INDENT, 10, {} if one.verdict == "PROVEN" else YELLOW)


def _labels(gates: Sequence[GateRecord]) -> list[str]:
    """Return the names of gates, with the file where two have the same."""
    files = [record.node_id.partition("::")[0].rpartition("/")[2] for record in gates]
    named = [f"{record.name} ({file})" for record, file in zip(gates, files, strict=True)]
    once, twice = Counter(record.name for record in gates), Counter(named)
    return [
        record.name if once[record.name] == 1 else label if twice[label] == 1 else record.node_id
        for record, label in zip(gates, named, strict=True)
    ]
