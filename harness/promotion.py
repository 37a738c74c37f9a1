"""A run whose gates have judged in; its best models registered in MLflow, and lines that say so, out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from harness.eligibility import Standing, choose
from harness.errors import TrackingError
from harness.provenance import commit
from harness.report import GREEN, RED, YELLOW, Line, sentence
from harness.run import Run
from harness.settings import Settings
from harness.tracking.evidence import promotion
from harness.tracking.grouped import groups
from harness.tracking.registry import promote

__tracebackhide__ = True


def check(settings: Settings) -> None:
    """Raise UsageError if what is promoted could not be found again: its sources are in no commit."""
    head, dirty = commit(settings.root, besides=settings.ledger)
    if dirty and not settings.allow_dirty:
        raise pytest.UsageError(
            f"--promote: tracked files differ from commit {(head or '')[:12]}, so that nobody could train "
            "the model again; commit them, or allow it with --allow-dirty"
        )


def standings(run: Run, judges: Mapping[str, Sequence[str]]) -> list[Standing]:
    """Return what decides about each experiment of a run; judges: node ids of all gates by experiment."""
    return [
        Standing(
            name=name,
            registered=run.registered_name(name),
            judges=judges.get(name, ()),
            gates=run.findings.gates,
            planned=[item.nodeid for item in run.catalogue.trials(run.session, name)],
            trials=run.findings.trials,
            best=run.findings.bests.get(name),
        )
        for name in run.experiments
    ]


def promoted(run: Run, judges: Mapping[str, Sequence[str]]) -> tuple[list[Line], bool]:
    """Promote what may be, after MLflow was given the run; return what is said, and whether all went well."""
    alias = run.settings.promote
    assert alias is not None
    all_well = True
    shown: list[Line] = []
    found = standings(run, judges)
    decided = choose(found)
    records = run.folder.records()
    known = {group.name: group for group in groups(records)}
    marks = run.folder.delivered()
    for standing in found:
        reason = decided[standing.name]
        if reason is not None:
            shown += sentence(f"not promoted: {standing.name}: {reason}", YELLOW)
            continue
        wanted = promotion(run.folder.run, known[standing.name], name=standing.registered, alias=alias)
        try:
            made = promote(wanted, marks, root=run.settings.root)
        except TrackingError as error:
            all_well = False
            shown += sentence(f"not promoted: {standing.name}: {error}", RED)
            continue
        named = f"{standing.registered} version {made.version}"
        if made.fresh:
            text = f"promoted {standing.name}: {named} is {alias}{_without_commit(run)}"
        else:
            text = f"not promoted: {standing.name}: {named}, which is {alias}, is the same model"
        shown += sentence(text, GREEN)
    return shown, all_well


def interrupted(names: Iterable[str]) -> list[Line]:
    """Return what is said of experiments whose run did not come to its end."""
    return [
        line for name in names for line in sentence(f"not promoted: {name}: the run was interrupted", YELLOW)
    ]


def _without_commit(run: Run) -> str:
    if run.folder.run.commit is None:
        return " (of no commit: there is no git repository)"
    return " (of a dirty work tree)" if run.folder.run.dirty else ""
