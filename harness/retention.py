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
    wanted = _sources(folders)[-sources:] if settled and sources else []
    gone = [folder for folder in settled if folder not in wanted]
    for folder in gone:
        folder.delete()
    return len(gone)


def _sources(folders: Sequence[RunFolder]) -> list[RunFolder]:
    """Return the folders that hold the newest result of a trial, oldest first."""
    known: set[str] = set()
    found: list[RunFolder] = []
    for folder in reversed(folders):
        trials = folder.records().trials
        results = {r.node_id for r in trials if r.fingerprint and r.outcome in ("passed", "pruned")}
        if not results <= known:
            found.insert(0, folder)
        known |= results
    return found
