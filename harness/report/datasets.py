"""Contracts and openings of sealed rows in; the lines about data sets out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.openings import Count
from harness.report.line import NAME, RED, SHOWN, YELLOW, Line, flow, row, sentence
from harness.results import ContractRecord
from harness.wording import counted


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
            shown += sentence(text, YELLOW)
        else:
            text = f"test rows of {count.dataset} opened for {models} ({file})"
            shown += sentence(text, {})
    if counts and unreadable:
        some = ", ".join(map(str, unreadable[:SHOWN])) + (", …" if len(unreadable) > SHOWN else "")
        lines = counted(len(unreadable), "line")
        text = f"{file}: {lines} cannot be read ({some}), and whatever they tell is not counted"
        shown += sentence(text, YELLOW)
    if problem is not None:
        shown += sentence(problem, YELLOW)
    return shown


def contracts(records: Sequence[ContractRecord]) -> Iterator[Line]:
    """Yield what became of each data set, its broken expectations and its leaks."""
    width = min(NAME, max((len(record.dataset) for record in records), default=0))
    for record in records:
        broken = record.outcome == "broken"
        if record.verdict == "leaks":  # its failure tells all of them, in full
            ways = "one way" if len(record.violations) == 1 else f"{len(record.violations)} ways"
            text = f"cannot be used: leaks in {ways}, see the failure of contract[{record.dataset}]"
            yield from row(record.dataset, width, text, RED)
            continue
        if record.contract is None:
            what = "cannot be used" if broken else "no contract"
        else:
            named = "contract" if record.contract == record.dataset else f"contract {record.contract}"
            what = f"{named} {'is broken' if broken else record.verdict}"
        sizes = ", ".join(f"{n:,} {split}" for split, n in record.rows.items())
        text = f"{what}: {sizes}" if sizes else what
        yield from row(record.dataset, width, text, RED if broken else {})
        for violation in record.violations[:SHOWN]:
            yield from flow(violation, "  ", 6, RED if broken else YELLOW)
        if len(record.violations) > SHOWN:
            yield Line(f"  … and {len(record.violations) - SHOWN} more", RED if broken else YELLOW)
        for leak in record.leaks[:SHOWN]:
            yield from flow(f"leak: {leak}", "  ", 6, YELLOW, keep=True)
        if len(record.leaks) > SHOWN:
            yield Line(f"  … and {len(record.leaks) - SHOWN} more leaks", YELLOW)
