"""The trials of a run and the journals of runs before it in; what is known of each trial out."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from harness.fingerprint import PARAMETERS, SOURCE, THREADS, UNSTABLE, VERSION
from harness.results import MODEL, TrialRecord
from harness.reuse import Candidate
from harness.rundir import RunFolder, runs
from harness.store import Store

_DONE = ("passed", "pruned")
"""Outcomes that the same trial would have again; a failure may be of the moment, and is what one works on."""

_SOME = 50
"""Texts that are sooner looked for in a journal than its records are read."""

_SAID = {
    "failed": "failed before",
    "raised": "failed before",
    "error": "was lost before",
    "skipped": "was skipped before",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A trial of this run."""

    node_id: str
    index: int
    """Position in declared order within its experiment."""
    folder: str
    """For its files, relative to the run's."""
    fingerprint: Mapping[str, str]
    open: Collection[str] = ()
    """Parts of the fingerprint that may be as in any record: the parameters of a search that has not
    chosen yet, threads that nobody asked for."""

    def beside(self, before: Mapping[str, str]) -> dict[str, str]:
        """Return the fingerprint to be compared with that of a record."""
        return {**self.fingerprint, **{name: before.get(name, UNSTABLE) for name in self.open}}


@dataclass(frozen=True, slots=True)
class Miss:
    """A trial that has to run."""

    reason: str
    """Follows its name: "never finished", "changed: source of experiment_tree, pandas 3.0.1 → 3.0.2"."""


class Earlier:
    """The runs in a store before this one."""

    def __init__(self, store: Store, current: str) -> None:
        """Take the store and the id of this run, which does not count."""
        self._store = store
        self._current = current

    def find(self, wanted: Iterable[Wanted]) -> dict[str, Candidate | Miss]:
        """Return by node id what is known of each trial; asked once for all of a run, it reads least.

        Runs are read from the newest until all trials are answered for. Of the records with an equal
        fingerprint the newest decides, whatever became of it: one that passed or was pruned is a
        candidate if its files are there (for the model see `reuse.usable`).
        """
        found: dict[str, Candidate | Miss] = {}
        pending = {trial.node_id: trial for trial in wanted}
        last: dict[str, TrialRecord] = {}
        done: dict[str, TrialRecord] = {}
        interrupted = None
        for folder in reversed(runs(self._store)):
            if not pending:
                break
            if folder.run.id == self._current:
                continue
            if interrupted is not None and not _may_tell(folder, pending, done):
                continue
            records = folder.records()
            if interrupted is None:
                interrupted = records.exit in (None, pytest.ExitCode.INTERRUPTED)
            peers, there = _finished(records.trials), _files(folder)
            for record in records.trials:
                trial = pending.get(record.node_id)
                if trial is None:
                    continue
                if _equal(trial, record):
                    found[trial.node_id] = _known(trial, record, folder, there, peers)
                    del pending[trial.node_id]
                    continue
                last.setdefault(trial.node_id, record)
                if record.outcome in _DONE:
                    done.setdefault(trial.node_id, record)
        for name, trial in pending.items():
            found[name] = Miss(_reason(trial, done.get(name) or last.get(name), interrupted or False))
        return found


def _may_tell(folder: RunFolder, pending: Mapping[str, Wanted], done: Collection[str]) -> bool:
    """Return whether a run may have something new to say of the trials; most of the time it need not be read.

    Of one that is known to have finished only an equal record is of interest, of another one any.
    """
    texts = {t.fingerprint.get(SOURCE, name) if name in done else name for name, t in pending.items()}
    return len(texts) > _SOME or folder.mentions(texts)


def _finished(records: Sequence[TrialRecord]) -> Mapping[str, frozenset[str]]:
    """Return the node ids of finished trials by experiment, of those where something was pruned."""
    pruned = {record.experiment for record in records if record.outcome == "pruned"}
    return {
        name: frozenset(r.node_id for r in records if r.experiment == name and r.finished) for name in pruned
    }


def _files(folder: RunFolder) -> set[str]:
    """Return the paths of all files of a run's trials within its folder: to ask for each takes longer."""
    start = len(str(folder.path)) + 1
    return {
        f"{where[start:]}/{name}".replace(os.sep, "/")
        for where, _, names in os.walk(folder.path / "trials")
        for name in names
    }


def _equal(trial: Wanted, record: TrialRecord) -> bool:
    now, before = trial.beside(record.fingerprint), record.fingerprint
    return bool(now) and now == before and UNSTABLE not in now.values()


def _known(
    trial: Wanted,
    record: TrialRecord,
    folder: RunFolder,
    there: Collection[str],
    peers: Mapping[str, frozenset[str]],
) -> Candidate | Miss:
    if record.outcome not in _DONE:
        return Miss(_SAID[record.outcome])
    gone = [role for role, path in record.files.items() if path not in there]
    lost = [role for role in gone if role != MODEL]
    if lost:
        return Miss(f"lost its {lost[0]} from the store")
    # What follows trials/NAME is the same in every run.
    files = {role: f"{trial.folder}/{path.split('/', 2)[-1]}" for role, path in record.files.items()}
    return Candidate(
        replace(record, index=trial.index, files=files, reused_from=record.reused_from or folder.run.id),
        folder,
        record.files,
        whole=not gone,
        peers=peers.get(record.experiment, frozenset()) if record.outcome == "pruned" else frozenset(),
    )


def _reason(trial: Wanted, before: TrialRecord | None, interrupted: bool) -> str:
    if before is None:
        return "never finished" if interrupted else "never ran before"
    if before.outcome not in _DONE:
        return _SAID[before.outcome]
    if not before.fingerprint:
        return "ran before without a fingerprint"
    return f"changed: {', '.join(changes(trial, before))}"


def changes(trial: Wanted, before: TrialRecord) -> list[str]:
    """Return in words which parts of a trial differ from those of an earlier record."""
    new, old = trial.beside(before.fingerprint), dict(before.fingerprint)
    names = [name for name in new | old if new.get(name) != old.get(name) or new.get(name) == UNSTABLE]
    return [_worded(name, old.get(name), new.get(name), before.experiment) for name in names]


def _worded(name: str, old: str | None, new: str | None, experiment: str) -> str:
    if name == SOURCE:
        return f"source of {experiment}" + (", which cannot be read" if new == UNSTABLE else "")
    if name == PARAMETERS and new == UNSTABLE:
        return "parameters that mean something in one process only"
    if name in ("seed", THREADS) or name.startswith(VERSION):
        subject = {"seed": "experiment_seed"}.get(name, name.removeprefix(VERSION))
        return f"{subject} {old or 'none'} → {new or 'none'}"
    return name
