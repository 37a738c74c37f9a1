"""The runs in a store in; those that nobody needs any more, gone, out."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.rundir import RunFolder, runs
from harness.store import Store

__tracebackhide__ = True

_DAY = 24 * 60 * 60.0


def prune(store: Store, keep: int = 10, sources: int = 20) -> int:
    """Delete old run folders that are finished and wholly delivered or withheld.

    keep: how many of the newest stay. sources: how many older ones stay at most, the newest of those
    that hold the newest result of some trial, which `--resume` may want.

    One that recorded nothing for a day without having finished is a run that died.
    Returns the number of deleted folders.
    """
    folders = runs(store)
    old = folders[: max(len(folders) - keep, 0)]
    dead = time.time() - _DAY
    settled = [f for f in old if f.settled and (f.written < dead or f.records().finished)]
    results: dict[str, set[str]] = {}
    wanted = [folder for folder in settled if _is_source(folder, folders, results)]
    kept = wanted[-sources:] if sources else []
    gone = [folder for folder in settled if folder not in kept]
    for folder in gone:
        folder.delete()
    return len(gone)


def _is_source(folder: RunFolder, folders: Sequence[RunFolder], results: dict[str, set[str]]) -> bool:
    """Return whether a run holds the newest result of a trial.

    Newer runs are read from the newest, and mostly the first of them has all. results: by run, as read.
    """
    left = _results(folder, results)
    for newer in reversed(folders[folders.index(folder) + 1 :]):
        if not left:
            break
        left = left - _results(newer, results)
    return bool(left)


def _results(folder: RunFolder, known: dict[str, set[str]]) -> set[str]:
    """Return the trials whose result of a run may be reused, by node id."""
    if folder.run.id not in known:
        trials = folder.records().trials
        found = {r.node_id for r in trials if r.fingerprint and r.outcome in ("passed", "pruned")}
        known[folder.run.id] = found
    return known[folder.run.id]
