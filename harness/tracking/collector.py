"""Python's garbage collector: seldom run for the time of a block that makes much and drops little."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__tracebackhide__ = True

_DEFAULTS = {(700, 10, 10), (2000, 10, 0), (2000, 10, 10)}
"""Thresholds with which Python 3.11 to 3.14 start."""
_SELDOM = (10_000, 50, 100)


@contextmanager
def seldom() -> Iterator[None]:
    """Let the collector run a fourteenth as often: importing MLflow then takes a quarter less time.

    Thresholds of the user's own stay as they are.
    """
    before = gc.get_threshold()
    if before not in _DEFAULTS:
        yield
        return
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        if gc.get_threshold() == _SELDOM:
            gc.set_threshold(*before)
