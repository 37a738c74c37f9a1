"""The records of a run in; the lines that the terminal shows after pytest's own out."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.outcomes import best
from harness.results import BestRecord, ContractRecord, GateRecord, TrialRecord

if TYPE_CHECKING:
    from harness.tracking import Delivery

WIDTH = 80


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
) -> list[Line]:
    """Return the table of data sets, experiments and gates, none longer than 80 characters."""
    parts = [list(_contracts(contracts)), list(_experiments(experiments, bests)), list(_gates(gates))]
    shown: list[Line] = []
    for part in filter(None, parts):
        if shown:
            shown.append(Line(""))
        shown.extend(part)
    return shown


def _contracts(contracts: Sequence[ContractRecord]) -> Iterator[Line]:
    width = max((len(record.dataset) for record in contracts), default=0)
    for record in contracts:
        name = f"{record.dataset:<{width}}  "
        if record.outcome == "broken":
            what = f"contract {record.contract} is broken" if record.contract else "cannot be used"
            yield Line(name + what, {"red": True})
            continue
        verdict = f"contract {record.verdict}" if record.contract else record.verdict
        sizes = ", ".join(f"{n:,} {split}" for split, n in record.rows.items())
        yield from _wrapped(f"{name}{verdict}: {sizes}", len(name), {})
        for violation in record.violations:
            yield from _wrapped(f"{' ' * len(name)}{violation}", len(name) + 2, {"yellow": True})


def _experiments(
    experiments: Mapping[str, Sequence[TrialRecord]], bests: Mapping[str, BestRecord]
) -> Iterator[Line]:
    if not experiments:
        return
    width = min(34, max(len("experiment"), *(len(name) for name in experiments)))
    yield Line(f"{'experiment':<{width}}  trials  {'objective':<18}{'best':>9}{'baseline':>10}", {"bold": True})
    for name, records in experiments.items():
        found = best(records)
        finished = sum(record.finished for record in records)
        count = str(finished) if finished == len(records) else f"{finished}/{len(records)}"
        row = f"{name:<{width}}  {count:>6}"
        if found is None or found.value is None:
            yield Line(row + ("" if finished == len(records) else "  " + _tally(records)))
            continue
        reference = bests[name].baseline.get(found.objective or "") if name in bests else None
        direction = "" if found.greater_is_better else " (lowest)"
        objective = f"{found.objective}{direction}"
        yield Line(
            f"{row}  {objective:<18}{_number(found.value):>9}{'' if reference is None else _number(reference):>10}"
        )
        if found.params:
            text = ", ".join(f"{key}={value}" for key, value in found.params.items())
            yield from _wrapped(f"  best: {text}", 8, {})
        scores = {k: v for k, v in found.scores.get("validation", {}).items() if k != found.objective}
        if scores:
            text = ", ".join(f"{key} {_number(value)}" for key, value in scores.items())
            yield from _wrapped(f"  validation: {text}", 4, {})
        if finished < len(records):
            yield Line(f"  {_tally(records)}", {"yellow": True})


def _tally(records: Sequence[TrialRecord]) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in Counter(r.outcome for r in records).items())


def _gates(gates: Sequence[GateRecord]) -> Iterator[Line]:
    width = max((len(record.name) for record in gates), default=0)
    for record in gates:
        text = f"{record.outcome:<7}  {record.name:<{width}}  "
        seen = [f"{name} {_number(value)}" for name, value in record.readings.items()]
        if record.outcome == "skipped":
            seen = [record.message]
        markup = {"failed": {"red": True}, "passed": {"green": True}}.get(record.outcome, {"yellow": True})
        if len(text) > WIDTH // 2:
            yield Line(text.rstrip(), markup)
            text = " " * 9
        elif not seen:
            yield Line(text.rstrip(), markup)
        for i, part in enumerate(seen):
            yield from _wrapped((text if i == 0 else " " * len(text)) + part, len(text) + 2, markup)


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.2f}" if abs(value) < 1e6 else f"{value:.4g}"


def _wrapped(text: str, indent: int, markup: Mapping[str, bool]) -> Iterator[Line]:
    for line in textwrap.wrap(
        text, WIDTH, subsequent_indent=" " * indent, drop_whitespace=True, break_on_hyphens=False,
        initial_indent="", replace_whitespace=False,
    ):
        yield Line(line, markup)


def tracked(delivery: Delivery | None, view: str) -> list[Line]:
    """Return where to look at the runs, or why they are not there yet.

    view: the command that opens MLflow's UI on the tracking store.
    """
    if delivery is None:
        return []
    if delivery.problem is not None:
        text = f"MLflow: {delivery.problem}. {delivery.pending} records wait in the store: `harness sync`"
        return list(_wrapped(text, 2, {"yellow": True}))
    return [Line(f"compare the runs: {view}")]
