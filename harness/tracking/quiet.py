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
_NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true"}
_UNLESS_SET = {
    **_NO_TELEMETRY,
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

    For a block during which no other thread runs items of pytest: what it sets is everybody's.

    first_contact: give a server about ten seconds to answer instead of a minute or two. Limits that
    the user has set in MLflow's own environment variables win.
    """
    limits = {**_UNLESS_SET, **(_FIRST_CONTACT if first_contact else {})}
    with warnings.catch_warnings(), _environment(_ALWAYS, limits):
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401 - it sets up telemetry and loggers as it is imported

        with _silent():
            yield


@contextmanager
def beside_items(*, server: bool) -> Iterator[None]:
    """Set what MLflow needs while it works in a thread beside the user's trials: as little as possible.

    server: whether it speaks to one; then it prints nothing and is impatient, as at first contact.
    Whoever enters and leaves the block must be the main thread, for others read the environment.
    """
    if server:
        always = {name: _ALWAYS[name] for name in ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT",)}
        limits = {**_UNLESS_SET, **_FIRST_CONTACT}
    else:
        always, limits = {}, _NO_TELEMETRY
    with _environment(always, limits):
        yield


@contextmanager
def _environment(always: Mapping[str, str], unless_set: Mapping[str, str]) -> Iterator[None]:
    wanted = {**{name: value for name, value in unless_set.items() if name not in os.environ}, **always}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if os.environ.get(name) != wanted[name]:
                continue  # someone has set it meanwhile
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _silent() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    _set_levels(dict.fromkeys(_LOGGERS, logging.CRITICAL))
    try:
        yield
    finally:
        _set_levels(levels)


def _set_levels(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
