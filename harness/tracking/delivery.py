"""Which records MLflow lacks, and their delivery: the store in, a count of what was written out."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from harness.rundir import runs
from harness.store import Store
from harness.tracking.courier import Courier, Delivery
from harness.tracking.pace import Progress

__tracebackhide__ = True

_DAY = 24 * 60 * 60.0


def deliver(
    store: Store, *, root: Path, uri: str | None = None, progress: Progress | None = None
) -> Delivery:
    """Write every record of every run in the store that MLflow lacks; safe to repeat at any time.

    root: the project's folder, beside whose `mlflow.db` is the default store; uri: another store;
    progress: told, once a second, how many of how many experiments, trials and models are written.
    A run that another process makes or delivers just now is left to it.

    A store that cannot be reached or written raises nothing: the result says so in `problem`, and
    the next delivery completes what is missing.
    """
    with closing(Courier(store, root, uri)) as courier:
        courier.follow(progress)
        courier.bring_rest()
        return courier.delivery


def prune(store: Store, keep: int = 10) -> int:
    """Delete the oldest run folders beyond `keep` that are finished and wholly delivered or withheld.

    One that recorded nothing for a day without having finished is a run that died.
    Returns the number of deleted folders.
    """
    folders = runs(store)
    old = folders[: max(len(folders) - keep, 0)]
    dead = time.time() - _DAY
    gone = [f for f in old if f.settled and (f.written < dead or f.records().finished)]
    for folder in gone:
        folder.delete()
    return len(gone)
