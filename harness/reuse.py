"""Trials of earlier runs in; those that may stand for trials of this run, with their files, out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.bests import best
from harness.errors import StoreError
from harness.results import MODEL, TrialRecord
from harness.rundir import RunFolder

__tracebackhide__ = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial of an earlier run that equals one of this run; all of its files are there but perhaps one."""

    record: TrialRecord
    """As it would stand in this run: its place, and the paths that its files would have."""
    source: RunFolder
    files: Mapping[str, str]
    """Path within the source by role."""
    whole: bool
    """Whether its model is there, too, or it never had one."""
    peers: frozenset[str] = frozenset()
    """Node ids of the finished trials of its experiment in the source."""

    @property
    def node_id(self) -> str:
        """Name of the trial, in both runs."""
        return self.record.node_id


def usable(candidates: Iterable[Candidate], ran: Sequence[TrialRecord] = ()) -> frozenset[str]:
    """Return the node ids of the candidates of one experiment that may be reused together.

    ran: records of this run's own trials of the experiment, so far.

    The best trial needs its model: a finished trial without it is usable if it comes after one with its
    model, reused or run. A pruned trial was hopeless beside others: it is usable if all of those count
    again.
    """
    known = list(candidates)
    winner = best([*ran, *(c.record for c in known if c.whole)])
    finished = {c.node_id for c in known if c.record.finished and (c.whole or _comes_after(c.record, winner))}
    there = finished | {record.node_id for record in ran if record.finished}
    pruned = {c.node_id for c in known if c.record.outcome == "pruned" and there and c.peers <= there}
    return frozenset(finished | pruned)


def _comes_after(record: TrialRecord, winner: TrialRecord | None) -> bool:
    if record.value is None:  # it can never be the best
        return True
    return winner is not None and best([winner, record]) is winner


def leader(candidates: Iterable[Candidate], ran: Sequence[TrialRecord] = ()) -> str | None:
    """Return the trial to run first, for all others may be reused if it gives the same once more.

    It is the best of the finished candidates that are not `usable`; None if all are.
    """
    known = list(candidates)
    chosen = usable(known, ran)
    found = best([c.record for c in known if c.node_id not in chosen])
    return None if found is None else found.node_id


def reuse(
    candidates: Iterable[Candidate], target: RunFolder, ran: Sequence[TrialRecord] = ()
) -> dict[str, TrialRecord]:
    """Take over the usable candidates of one experiment; return their new records by node id.

    ran: as for `usable`. Files come first and one by one, whole: a run that dies meanwhile has files that no
    record names. A candidate whose files are gone by now is left out, with all that leant on it.

    Raises StoreError if this run's folder cannot be written.
    """
    left = {candidate.node_id: candidate for candidate in candidates}
    made: dict[str, TrialRecord] = {}
    # Whoever others lean on comes before them.
    steps: tuple[Callable[[Candidate], bool], ...] = (
        lambda c: c.record.finished and c.whole,
        lambda c: c.record.finished and not c.whole,
        lambda c: not c.record.finished,
    )
    for step in steps:
        chosen = usable(left.values(), ran)
        for candidate in [c for c in left.values() if step(c) and c.node_id in chosen]:
            if adopt(candidate, target):
                made[candidate.node_id] = candidate.record
            else:
                del left[candidate.node_id]
    return made


def adopt(candidate: Candidate, target: RunFolder) -> bool:
    """Give a run the files of a candidate as its own; return False, and leave none, if one of them is gone.

    Files are linked, or copied where the file system has no links, so nobody may write into them.
    Raises StoreError if the run's folder cannot be written.
    """
    taken: list[Path] = []
    try:
        for role, path in candidate.record.files.items():
            if role == MODEL and not candidate.whole:
                continue
            goal = target.path / path
            taken.append(goal)
            _take(candidate.source.path / candidate.files[role], goal)
    except FileNotFoundError:
        for goal in taken:  # the trial will write its own
            goal.unlink(missing_ok=True)
        return False
    except OSError as error:
        raise StoreError(
            f"files of {candidate.node_id} cannot be reused in {target.path}: {error.strerror or error}",
            "free space or make it writable, or run without --resume",
        ) from error
    return True


def _take(source: Path, goal: Path) -> None:
    goal.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, goal)
        return
    except OSError:  # another file system, one without links, or something in the way
        draft = goal.with_name(f".draft-{goal.name}")
    try:
        shutil.copyfile(source, draft)
        draft.replace(goal)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
