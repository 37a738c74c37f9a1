"""The records of a run in; the lines that the terminal shows after pytest's own out."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.bests import best
from harness.openings import Count
from harness.results import (
    STOPPED_EARLY,
    BestRecord,
    ComparisonRecord,
    ContractRecord,
    GateRecord,
    TrialRecord,
)
from harness.verdicts import basis_text, claim_text, missing_text
from harness.wording import counted, number, reason

if TYPE_CHECKING:
    from harness.tracking import Delivery

WIDTH = 80
_NAME = 28
"""Columns of a name before what belongs to it goes to the next line."""
_SHOWN = 5
"""Broken expectations of a contract, and reasons why trials failed, that are listed."""
_LONGEST = 240
"""Characters of a value or a reason; the whole text stands above, in pytest's own part."""

_RED, _GREEN, _YELLOW = {"red": True}, {"green": True}, {"yellow": True}


@dataclass(frozen=True, slots=True)
class Line:
    """One line and how a terminal with colours shows it."""

    text: str
    markup: Mapping[str, bool] = field(default_factory=dict)


def lines(
    contracts: Sequence[ContractRecord],
    experiments: Mapping[str, Sequence[TrialRecord]],
    bests: Mapping[str, BestRecord],
    gates: Sequence[GateRecord],
    planned: Mapping[str, int] | None = None,
) -> list[Line]:
    """Return the table of data sets, experiments and gates, none longer than 80 characters.

    planned: number of selected trials by experiment, of which some may not have run.
    """
    counts = {name: len(records) for name, records in experiments.items()} | dict(planned or {})
    parts = [
        list(_contracts(contracts)),
        list(_experiments(experiments, bests, counts)),
        list(_gates(gates)),
    ]
    shown: list[Line] = []
    for part in filter(None, parts):
        if shown:
            shown.append(Line(""))
        shown.extend(part)
    return shown


def unsealed(
    counts: Sequence[Count],
    *,
    file: str,
    bound: int,
    problem: str | None = None,
    unreadable: Sequence[int] = (),
) -> list[Line]:
    """Return for how many models test rows were opened, and what is wrong with that.

    file: name of the ledger; bound: number of models above which scores are no longer honest, 0: none;
    problem: why the ledger lacks something; unreadable: numbers of its lines that hold no opening.
    """
    shown: list[Line] = []
    for count in counts:
        models = counted(count.models, "model") + (" and by a gate without one" if count.by_hand else "")
        if bound and count.models > bound:
            text = (
                f"the test rows of {count.dataset} were opened for {models} ({file}): their scores are no "
                "longer honest; draw a new test split"
            )
            shown += wrapped(text, _YELLOW)
        else:
            text = f"test rows of {count.dataset} opened for {models} ({file})"
            shown += wrapped(text, {})
    if counts and unreadable:
        some = ", ".join(map(str, unreadable[:_SHOWN])) + (", …" if len(unreadable) > _SHOWN else "")
        lines = counted(len(unreadable), "line")
        text = f"{file}: {lines} cannot be read ({some}), and whatever they tell is not counted"
        shown += wrapped(text, _YELLOW)
    if problem is not None:
        shown += wrapped(problem, _YELLOW)
    return shown


def tracked(delivery: Delivery | None, view: str) -> list[Line]:
    """Return where to look at the runs, or why they are not there yet.

    view: the command that opens MLflow's UI on the tracking store.
    """
    if delivery is None:
        return []
    if delivery.problem is not None:
        text = f"MLflow: {delivery.problem}. {delivery.pending} records wait in the store: `harness sync`"
        return list(_wrapped(text, "", 2, _YELLOW, keep=True))
    return list(_wrapped(view, "compare the runs: ", 2, {}, keep=True))


def wrapped(text: str, markup: Mapping[str, bool]) -> list[Line]:
    """Return a sentence as lines of at most 80 characters."""
    return list(_wrapped(text, "", 2, markup, keep=True))


def _contracts(contracts: Sequence[ContractRecord]) -> Iterator[Line]:
    width = min(_NAME, max((len(record.dataset) for record in contracts), default=0))
    for record in contracts:
        broken = record.outcome == "broken"
        if record.contract is None:
            what = "cannot be used" if broken else "no contract"
        else:
            named = "contract" if record.contract == record.dataset else f"contract {record.contract}"
            what = f"{named} {'is broken' if broken else record.verdict}"
        sizes = ", ".join(f"{n:,} {split}" for split, n in record.rows.items())
        text = f"{what}: {sizes}" if sizes else what
        yield from _row(record.dataset, width, text, _RED if broken else {})
        for violation in record.violations[:_SHOWN]:
            yield from _wrapped(violation, "  ", 6, _RED if broken else _YELLOW)
        if len(record.violations) > _SHOWN:
            yield Line(f"  … and {len(record.violations) - _SHOWN} more", _RED if broken else _YELLOW)
        for leak in record.leaks[:_SHOWN]:
            yield from _wrapped(f"leak: {leak}", "  ", 6, _YELLOW, keep=True)
        if len(record.leaks) > _SHOWN:
            yield Line(f"  … and {len(record.leaks) - _SHOWN} more leaks", _YELLOW)


def _experiments(
    experiments: Mapping[str, Sequence[TrialRecord]],
    bests: Mapping[str, BestRecord],
    planned: Mapping[str, int],
) -> Iterator[Line]:
    if not any(experiments.values()):
        return
    table = {name: _cells(name, records, bests, planned[name]) for name, records in experiments.items()}
    heads = ("trials", "objective", "best", "baseline")
    width = min(_NAME, max(len(name) for name in ("experiment", *table)))
    widths = [max(map(len, column)) for column in zip(heads, *table.values(), strict=True)]
    widths[1] = min(widths[1], WIDTH - width - 2 * len(widths) - sum(widths[:1] + widths[2:]))

    def line(trials: str, objective: str, *numbers: str) -> str:
        right = "".join(f"  {text:>{n}}" for text, n in zip(numbers, widths[2:], strict=True))
        return f"{trials:>{widths[0]}}  {_cut(objective, widths[1]):<{widths[1]}}{right}".rstrip()

    yield Line(f"{'experiment':<{width}}  {line(*heads)}", {"bold": True})
    for name, cells in table.items():
        yield from _row(name, width, line(*cells), {})
        found = best(experiments[name])
        if found is not None:
            yield from _best(found)
            yield from _chosen(found, bests.get(name), len(experiments[name]))
        reused = sum(record.reused_from is not None for record in experiments[name])
        if reused:
            yield Line(f"  {reused} reused from earlier runs, unchanged")
        yield from _unfinished(experiments[name])
        if planned[name] > len(experiments[name]):
            yield Line(f"  {planned[name] - len(experiments[name])} not run", _YELLOW)


def _cells(
    name: str, records: Sequence[TrialRecord], bests: Mapping[str, BestRecord], planned: int
) -> tuple[str, str, str, str]:
    finished = sum(record.finished for record in records)
    count = str(finished) if finished == planned else f"{finished}/{planned}"
    found = best(records)
    if found is None or found.value is None:
        return count, _objective(records), "", ""
    reference = bests[name].baseline.get(found.objective or "") if name in bests else None
    return count, _objective(records), number(found.value), "" if reference is None else number(reference)


def _objective(records: Sequence[TrialRecord]) -> str:
    known = next((record for record in records if record.objective is not None), None)
    if known is None:
        return "none" if any(record.finished for record in records) else ""
    return f"{known.objective}{'' if known.greater_is_better else ' (lowest)'}"


def _best(found: TrialRecord) -> Iterator[Line]:
    yield from _listed("best", [f"{name}={value}" for name, value in found.params.items()])
    yield from _repeats(found)
    scores = found.scores.get("validation", {})
    for title, values in (("validation", scores), ("logged", found.logged)):
        others = {name: value for name, value in values.items() if name != found.objective}
        yield from _listed(title, [f"{name} {number(value)}" for name, value in others.items()])


def _chosen(found: TrialRecord, kept: BestRecord | None, trials: int) -> Iterator[Line]:
    """Yield by how much the best score flatters the model that has it."""
    if kept is not None and kept.corrected is not None:
        text = f"{number(kept.corrected)} corrected for being the best of {trials}"
        yield from _wrapped(text, f"  {found.objective}: ", 4, {})
    if kept is not None and kept.uncorrected:
        yield from _wrapped(kept.uncorrected, "  ", 4, _YELLOW)
    if found.stopped_early:
        yield from _wrapped(STOPPED_EARLY, "  validation: ", 4, {})


def _repeats(found: TrialRecord) -> Iterator[Line]:
    """Yield the mean over repeats or folds with its spread, and the value on the declared split."""
    value, spread, declared = found.value, found.spread, found.declared
    if value is None or spread is None:
        return
    text = f"mean of {len(found.repeats)} {'folds' if found.folds else 'repeats'} {number(value)}"
    text += f" ± {number(spread)}"
    if declared is not None:
        text += f" ({number(declared)} on the declared split)"
    yield from _wrapped(text, "  ", 4, {})


def _unfinished(records: Sequence[TrialRecord]) -> Iterator[Line]:
    """Yield how many trials did not finish, by outcome and reason."""
    counts = Counter(
        # each pruned trial has numbers of its own
        (r.outcome, "" if r.outcome == "pruned" else reason(r.message))
        for r in records
        if not r.finished
    )
    for (outcome, why), n in counts.most_common(_SHOWN):
        yield from _wrapped(why, f"  {n} {outcome}{': ' if why else ''}", 4, _YELLOW)
    rest = sum(n for _, n in counts.most_common()[_SHOWN:])
    if rest:
        yield Line(f"  … and {rest} more", _YELLOW)


def _gates(gates: Sequence[GateRecord]) -> Iterator[Line]:
    labels = _labels(gates)
    width = min(_NAME, max(map(len, labels), default=0))
    for record, label in zip(gates, labels, strict=True):
        markup = {"failed": _RED, "passed": _GREEN}.get(record.outcome, _YELLOW)
        comparisons = [ComparisonRecord.from_json(one) for one in record.comparisons]
        known = " ".join(one.score for one in comparisons)
        seen = [f"{name} {number(value)}" for name, value in record.readings.items() if name not in known]
        seen += [record.note] if record.note else []
        if record.outcome != "passed":
            seen.append(reason(record.message))
        if comparisons:
            yield from _compared(comparisons, f"{record.outcome:<7} {label}", markup)
            for text in seen:
                yield from _wrapped(text, _INDENT, 10, markup)
            continue
        beside = min(width, WIDTH - len("passed  ") - 2 - max(map(len, seen), default=0))
        column = len("passed  ") + beside + 2
        whole = f"{record.outcome:<7} {label:<{max(beside, 0)}}  "
        if len(label) > beside:
            yield from _wrapped(label, f"{record.outcome:<7} ", 10, markup)
            whole, column = " " * 10, 10
        elif not seen:
            yield Line(whole.rstrip(), markup)
        for i, text in enumerate(seen):
            yield from _wrapped(text, whole if i == 0 else " " * column, column + 2, markup)


_INDENT = " " * 8


def _compared(
    comparisons: Sequence[ComparisonRecord], start: str, markup: Mapping[str, bool]
) -> Iterator[Line]:
    """Yield what a gate has compared, the first beside its name if there is room."""
    for i, one in enumerate(comparisons):
        said = f"{claim_text(one)}, {basis_text(one)}".removesuffix(", ")
        beside = i == 0 and len(start) + 2 + len(said) <= WIDTH
        if i == 0 and not beside:
            yield from _wrapped(start, "", 10, markup, keep=True)
        yield from _wrapped(said, f"{start}  " if beside else _INDENT, 10, markup)
        for text in filter(None, (one.score, missing_text(one) or one.note)):
            yield from _wrapped(text, _INDENT, 10, {} if one.verdict == "PROVEN" else _YELLOW)


def _labels(gates: Sequence[GateRecord]) -> list[str]:
    """Return the names of gates, with the file where two have the same."""
    files = [record.node_id.partition("::")[0].rpartition("/")[2] for record in gates]
    named = [f"{record.name} ({file})" for record, file in zip(gates, files, strict=True)]
    once, twice = Counter(record.name for record in gates), Counter(named)
    return [
        record.name if once[record.name] == 1 else label if twice[label] == 1 else record.node_id
        for record, label in zip(gates, named, strict=True)
    ]


def _row(name: str, width: int, text: str, markup: Mapping[str, bool]) -> Iterator[Line]:
    """Yield a name and what stands beside it, or below it if the name is long."""
    if len(name) > width:
        yield from _wrapped(name, "", 2, markup)
        name = ""
    yield from _wrapped(text, f"{name:<{width}}  ", width + 4, markup, keep=True)


def _listed(title: str, items: Iterable[str]) -> Iterator[Line]:
    """Yield items with commas between them; a line ends between two of them."""
    line = f"  {title}:"
    wanted = [_cut(item, _LONGEST) for item in items]
    for i, item in enumerate(wanted):
        text = item + "," * (i < len(wanted) - 1)
        if len(line) + 1 + len(text) > WIDTH and line.strip():
            yield from _broken(line)
            line = "   "
        line += f" {text}"
    if wanted:
        yield from _broken(line)


def _broken(line: str) -> Iterator[Line]:
    indent = line[: len(line) - len(line.lstrip())]
    yield from _wrapped(line.lstrip(), indent, len(indent) + 2, {})


def _wrapped(
    text: str, start: str, indent: int, markup: Mapping[str, bool], *, keep: bool = False
) -> Iterator[Line]:
    """Yield text after `start`, further lines indented; `keep` leaves runs of spaces as they are."""
    line = _plain(text) if keep else _cut(text, _LONGEST)
    if len(start) + len(line) <= WIDTH:
        yield Line((start + line).rstrip(), markup)
        return
    made = textwrap.wrap(
        line, WIDTH, initial_indent=start, subsequent_indent=" " * indent, break_on_hyphens=False
    )
    yield from (Line(part, markup) for part in made)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cut(text: str, width: int) -> str:
    """Return text in one printable line of at most `width` characters."""
    line = " ".join(_plain(text).split())
    return line if len(line) <= width else f"{line[: max(width - 1, 0)]}…"
