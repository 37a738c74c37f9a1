"""MLflow's surroundings: no telemetry, no chatter and limited patience for the time of a block."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__tracebackhide__ = True

_ALWAYS = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else the user's uv project is copied into every model
}
_UNLESS_SET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
_FIRST_CONTACT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
}
_LOGGERS = ("mlflow", "alembic", "urllib3.connectionpool")


@contextmanager
def quiet(*, first_contact: bool = False) -> Iterator[None]:
    """Silence MLflow's logs, warnings, prints and telemetry; restore everything afterwards.

    first_contact: give a server about ten seconds to answer instead of a minute or two. Limits that
    the user has set in MLflow's own environment variables win.
    """
    unless_set = {**_UNLESS_SET, **(_FIRST_CONTACT if first_contact else {})}
    wanted = {**{name: value for name, value in unless_set.items() if name not in os.environ}, **_ALWAYS}
    before = {name: os.environ.get(name) for name in wanted}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ.update(wanted)
        try:
            import mlflow  # noqa: F401 - it sets up telemetry and loggers as it is imported

            with _silent():
                yield
        finally:
            _restore(before)


@contextmanager
def _silent() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    _set_levels(dict.fromkeys(_LOGGERS, logging.CRITICAL))
    try:
        yield
    finally:
        _set_levels(levels)


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _set_levels(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
