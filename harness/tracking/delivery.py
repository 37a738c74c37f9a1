"""Which records MLflow lacks, and their delivery: the store in, a count of what was written out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from harness.store import Store
from harness.tracking.courier import Courier, Delivery
from harness.tracking.pace import Progress

__tracebackhide__ = True


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
