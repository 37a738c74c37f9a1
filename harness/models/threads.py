"""A number of threads flows in; fits and predictions that keep to it flow out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

from harness.models.predictions import library, parts

__tracebackhide__ = True

_ALIASES = ("n_jobs", "nthread", "nthreads", "num_thread", "num_threads")


class Threads:
    """A number of threads for many fits of one process, which knows the OpenMP and BLAS libraries there.

    To look for the libraries takes a millisecond, as long as a small fit: it is done again only when modules
    were imported meanwhile.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._libraries: ThreadpoolController | None = None
        self._modules = 0

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Keep OpenMP and BLAS to this number during the block."""
        if self._libraries is None or len(sys.modules) != self._modules:
            self._libraries = ThreadpoolController()
            self._modules = len(sys.modules)
        with self._libraries.limit(limits=self.number):
            yield


@contextmanager
def bound(threads: int | Threads, estimator: Any = None) -> Iterator[None]:
    """Keep OpenMP and BLAS to `threads` threads during the block.

    LightGBM asks OpenMP for a number of its own, and so may XGBoost: of such estimators within `estimator`
    (in pipelines and meta-estimators too) `n_jobs` is `threads` during the block, unless the user gave a
    number, which wins.
    """
    limit = threads if isinstance(threads, Threads) else Threads(threads)
    free = [part for part in parts(estimator) if library(part) and _undecided(part)]
    with limit.limited():
        for part in free:
            part.n_jobs = limit.number
        try:
            yield
        finally:
            for part in free:
                part.n_jobs = None


def _undecided(booster: Any) -> bool:
    given = booster.get_params(deep=False)
    return "n_jobs" in given and all(given.get(name) is None for name in _ALIASES)
