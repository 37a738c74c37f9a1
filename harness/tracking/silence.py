"""One thread's warnings and log lines in, nothing of them out: they are not the user's.

`warnings.catch_warnings` and the levels of loggers are shared by all threads, and pytest sets its own
around every item. A filter that asks which thread it runs in harms no other.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from typing import Any

__tracebackhide__ = True

_FAMILIES = ("mlflow", "alembic", "sqlalchemy", "urllib3")
_TALKATIVE = ("mlflow.store.db.utils", "alembic.runtime.migration", "urllib3.connectionpool")
"""Loggers that speak as soon as their modules are imported."""


class Silence:
    """A filter of `warnings` and of `logging` that takes away what one thread says."""

    def __init__(self) -> None:
        # Not the thread's identity: when it has ended, another thread may get the same.
        self._here = threading.local()
        # The machinery of warnings asks `match` of whatever stands where a pattern of the text may.
        self._rule: Any = ("ignore", self, Warning, None, 0)
        self._base: list[Any] | None = None
        self._places: dict[int, logging.Filterer] = {}

    pattern = "(?!)"
    """Matches nothing: who copies filters for other threads or processes (scikit-learn) asks for it."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return re.compile, (self.pattern,)

    def begin(self) -> None:
        """Be about the thread that calls this."""
        self._here.silent = True

    def match(self, text: str) -> bool:  # noqa: ARG002 - the text does not matter
        """Say whether a warning is of that thread; `warnings` asks."""
        return hasattr(self._here, "silent")

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - nor does the record
        """Say whether a log line may pass, that is, comes from another thread; `logging` asks."""
        return not hasattr(self._here, "silent")

    def warnings(self) -> None:
        """Stand before all other filters of warnings that count now.

        To be repeated wherever a block sets filters of its own, as pytest does for each item.
        """
        filters: list[Any] = warnings.filters  # type: ignore[assignment]  # a list, as `insort` needs
        if not filters or filters[0] is not self._rule:
            filters.insert(0, self._rule)
        if self._base is None:
            self._base = filters

    def loggers(self) -> None:
        """Stand before the loggers that MLflow uses, as far as there are any yet, and their handlers."""
        for place in _places():
            place.addFilter(self)
            self._places[id(place)] = place

    def lift(self) -> None:
        """Let everything pass again."""
        self._here = threading.local()
        filters: list[Any] = warnings.filters  # type: ignore[assignment]
        for some in (filters, self._base or []):
            some[:] = [rule for rule in some if rule is not self._rule]
        self._base = None
        for place in self._places.values():
            place.removeFilter(self)
        self._places.clear()


def _places() -> list[logging.Filterer]:
    for name in _TALKATIVE:
        logging.getLogger(name)
    known = list(logging.root.manager.loggerDict.values())
    loggers = [some for some in known if isinstance(some, logging.Logger) and _family(some) in _FAMILIES]
    return [*loggers, *(handler for logger in loggers for handler in logger.handlers)]


def _family(logger: logging.Logger) -> str:
    return logger.name.partition(".")[0]
