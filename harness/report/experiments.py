"""Trials of experiments and what their best are held against in; a table with details out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.bests import best
from harness.report.line import NAME, SHOWN, WIDTH, YELLOW, Line, cut, flow, listed, row
from harness.results import STOPPED_EARLY, BestRecord, TrialRecord
from harness.wording import number, reason


def table(
    experiments: Mapping[str, Sequence[TrialRecord]],
    bests: Mapping[str, BestRecord],
    planned: Mapping[str, int],
) -> Iterator[Line]:
    """Yield a line for each experiment with its best trial below; planned: number of selected trials."""
    if not any(experiments.values()):
        return
    cells = {name: _cells(name, records, bests, planned[name]) for name, records in experiments.items()}
    heads = ("trials", "objective", "best", "baseline")
    width = min(NAME, max(len(name) for name in ("experiment", *cells)))
    widths = [max(map(len, column)) for column in zip(heads, *cells.values(), strict=True)]
    widths[1] = min(widths[1], WIDTH - width - 2 * len(widths) - sum(widths[:1] + widths[2:]))

    def line(trials: str, objective: str, *numbers: str) -> str:
        right = "".join(f"  {text:>{n}}" for text, n in zip(numbers, widths[2:], strict=True))
        return f"{trials:>{widths[0]}}  {cut(objective, widths[1]):<{widths[1]}}{right}".rstrip()

    yield Line(f"{'experiment':<{width}}  {line(*heads)}", {"bold": True})
    for name, numbers in cells.items():
        yield from row(name, width, line(*numbers), {})
        found = best(experiments[name])
        if found is not None:
            yield from _best(found)
            yield from _chosen(found, bests.get(name), sum(one.finished for one in experiments[name]))
        reused = sum(record.reused_from is not None for record in experiments[name])
        if reused:
            yield Line(f"  {reused} reused from earlier runs, unchanged")
        yield from _unfinished(experiments[name])
        if planned[name] > len(experiments[name]):
            yield Line(f"  {planned[name] - len(experiments[name])} not run", YELLOW)


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
    yield from listed("best", [f"{name}={value}" for name, value in found.params.items()])
    yield from _repeats(found)
    scores = found.scores.get("validation", {})
    for title, values in (("validation", scores), ("logged", found.logged)):
        others = {name: value for name, value in values.items() if name != found.objective}
        yield from listed(title, [f"{name} {number(value)}" for name, value in others.items()])


def _chosen(found: TrialRecord, kept: BestRecord | None, trials: int) -> Iterator[Line]:
    """Yield by how much the best score flatters the model that has it."""
    if kept is not None and kept.corrected is not None:
        text = f"{number(kept.corrected)} corrected for being the best of {trials}"
        yield from flow(text, f"  {found.objective}: ", 4, {})
    if kept is not None and kept.uncorrected:
        yield from flow(
            f"not corrected for the choice, for {kept.uncorrected}", f"  {found.objective}: ", 4, {}
        )
    if found.stopped_early:
        yield from flow(STOPPED_EARLY, "  validation: ", 4, {})


def _repeats(found: TrialRecord) -> Iterator[Line]:
    """Yield the mean over repeats or folds with its spread, and the value on the declared split."""
    value, spread, declared = found.value, found.spread, found.declared
    if value is None or spread is None:
        return
    text = f"mean of {len(found.repeats)} {'folds' if found.folds else 'repeats'} {number(value)}"
    text += f" ± {number(spread)}"
    if declared is not None:
        text += f" ({number(declared)} on the declared split)"
    yield from flow(text, "  ", 4, {})


def _unfinished(records: Sequence[TrialRecord]) -> Iterator[Line]:
    """Yield how many trials did not finish, by outcome and reason."""
    counts = Counter(
        # each pruned trial has numbers of its own
        (r.outcome, "" if r.outcome == "pruned" else reason(r.message))
        for r in records
        if not r.finished
    )
    for (outcome, why), n in counts.most_common(SHOWN):
        yield from flow(why, f"  {n} {outcome}{': ' if why else ''}", 4, YELLOW)
    rest = sum(n for _, n in counts.most_common()[SHOWN:])
    if rest:
        yield Line(f"  … and {rest} more", YELLOW)
