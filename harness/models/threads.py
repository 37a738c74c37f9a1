"""A number of threads flows in; fits and predictions that keep to it flow out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

from harness.models.predictions import library, parts

__tracebackhide__ = True

_ALIASES = ("n_jobs", "nthread", "nthreads", "num_thread", "num_threads")


def available() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def bound(threads: int, estimator: Any = None) -> Iterator[None]:
    """Keep OpenMP and BLAS to `threads` threads during the block.

    LightGBM asks OpenMP for a number of its own, and so may XGBoost: of such estimators within `estimator`
    (in pipelines and meta-estimators too) `n_jobs` is `threads` during the block, unless the user gave a
    number, which wins.
    """
    free = [part for part in parts(estimator) if library(part) and _undecided(part)]
    with threadpool_limits(threads):
        for part in free:
            part.n_jobs = threads
        try:
            yield
        finally:
            for part in free:
                part.n_jobs = None


def _undecided(booster: Any) -> bool:
    given = booster.get_params(deep=False)
    return "n_jobs" in given and all(given.get(name) is None for name in _ALIASES)
