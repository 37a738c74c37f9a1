"""A run whose items are done in; what is left to be recorded, delivered, promoted and said of it, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from harness.errors import StoreError
from harness.execution import Execution
from harness.markdown import page
from harness.promotion import interrupted, promoted
from harness.report import RED, YELLOW, Line, lines, sentence, tracked, unsealed
from harness.retention import prune
from harness.run import Run
from harness.summary import write
from harness.tracking import view_command
from harness.tracking.links import links

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What is said of a run at its end."""

    lines: Sequence[Line]
    well: bool = True
    """Whether all was recorded and promoted that could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivered:
    said: Sequence[Line]
    links: Mapping[str, str]


def close(
    execution: Execution,
    *,
    exit: int,
    judges: Mapping[str, Sequence[str]],
    progress: Callable[[int, int], None],
) -> Closing:
    """End a run: record its best trials, give MLflow what it lacks, promote, and write CI's page.

    exit: pytest's exit code so far; judges: node ids of all gates by experiment, read by `--promote`;
    progress: told, once a second, how far MLflow is.
    """
    run = execution.run
    if execution.tracker is not None:
        execution.tracker.hush()
    delivered = _Delivered(said=(), links={})
    said: list[Line] = []
    well = True
    try:
        run.finish(exit)
        delivered = _deliver(execution, exit, progress)
        if run.settings.promote is not None:
            said, well = _promote(run, exit, judges)
    except StoreError as error:  # a full disk
        if execution.tracker is not None:
            execution.tracker.abandon()
        said, well = sentence(str(error), RED), False
    notes = [*_openings(run), *(line for text in run.adjustments() for line in sentence(text, {}))]
    problem = _page(run, exit, delivered.links, [*notes, *said])
    closing = [*said, *delivered.said, *(sentence(problem, YELLOW) if problem else ())]
    shown = [*_records(run), *notes]
    return Closing(lines=[*shown, Line(""), *closing] if closing else shown, well=well)


def _deliver(execution: Execution, exit: int, progress: Callable[[int, int], None]) -> _Delivered:
    """Give MLflow what it lacks."""
    run, tracker = execution.run, execution.tracker
    if tracker is None:
        run.folder.withhold()
        prune(run.store)
        return _Delivered(said=(), links={})
    if exit == pytest.ExitCode.INTERRUPTED:  # who pressed Ctrl-C does not wait for MLflow
        tracker.abandon()
        told = Line("MLflow: the next run or `harness sync` delivers this one")
        return _Delivered(said=(told,), links={})
    delivery = tracker.finish(progress)
    prune(run.store)
    return _Delivered(
        said=tracked(delivery, view_command(run.settings.root)), links=links(run.folder, delivery)
    )


def _promote(run: Run, exit: int, judges: Mapping[str, Sequence[str]]) -> tuple[list[Line], bool]:
    """Register what its gates let pass."""
    if exit not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return interrupted(run.experiments), True
    return promoted(run, judges)


def _openings(run: Run) -> list[Line]:
    return unsealed(
        run.openings.counts,
        file=run.settings.ledger.name,
        bound=run.settings.ledger_bound,
        problem=run.openings.problem,
        unreadable=run.openings.unreadable,
    )


def _records(run: Run) -> list[Line]:
    return lines(
        list(run.findings.contracts.values()),
        {name: run.results_of(name) for name in run.experiments},
        run.findings.bests,
        list(run.findings.gates.values()),
        {name: len(items) for name, items in run.experiments.items()},
    )


def _page(run: Run, exit: int, addresses: Mapping[str, str], notes: Sequence[Line]) -> str | None:
    """Write the page for CI; return why it was not written."""
    made = page(
        list(run.findings.contracts.values()),
        {name: run.results_of(name) for name in run.experiments},
        run.findings.bests,
        list(run.findings.gates.values()),
        planned={name: len(items) for name, items in run.experiments.items()},
        links=addresses,
        notes=_whole(notes),
        exit=exit,
    )
    return write(made, run.settings.summary)


def _whole(notes: Sequence[Line]) -> list[str]:
    """Return sentences again that were broken into lines, of which the later are indented."""
    whole: list[str] = []
    for line in notes:
        if line.text.startswith("  ") and whole:
            whole[-1] += f" {line.text.strip()}"
        else:
            whole.append(line.text)
    return whole
