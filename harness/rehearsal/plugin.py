"""The pytest plugin of `--rehearse`: a rehearsal beside the session, and this process pointed at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest

from harness.rehearsal import isolation
from harness.rehearsal.address import Address, astray
from harness.rehearsal.process import Service, UnreachableError, ask, join
from harness.settings import SETTINGS, idle

Result = TypeVar("Result")

JOINED = "HARNESS_REHEARSAL"
"""Variable with the endpoint of a rehearsal that runs already."""
_NEEDED = ("moto", "werkzeug", "flask", "flask_cors", "sagemaker_training")


class _Rehearsed:
    """The rehearsal of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self._changed: dict[str, str | None] = {}
        self._before = {"training_jobs": 0, "objects_uploaded": 0}
        self._address: Address | None = None
        self._service: Service | None = None
        endpoint = os.environ.get(JOINED)
        if endpoint is not None:
            self._address = _reached(lambda: join(endpoint))
            self._before = _reached(lambda: ask(endpoint, "calls"))
            self.isolation = self._address.isolation
        else:
            _demand()
            store = config.stash[SETTINGS].store
            kind = isolation.FOLDER if isolation.unavailable() else isolation.BUBBLEWRAP
            self.isolation = kind
            self._service = Service(store / "rehearsal", isolation=kind, hide=[*_project(config), store])

    def enter(self, config: pytest.Config) -> None:
        """Wait until it listens; point AWS's tools and the harness at it."""
        if self._service is not None:
            self._address = _reached(self._service.address)
        address = self._address
        assert address is not None
        wanted = dict.fromkeys(astray(os.environ)) | address.environment
        self._changed = {name: os.environ.get(name) for name in wanted}
        _set(wanted)
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        offered = {
            "role": address.role,
            "bucket": address.bucket,
            "region": address.region,
            "image": f"{address.account}.dkr.ecr.{address.region}.amazonaws.com/rehearsal:{python}",
            "parallel_jobs": str(address.instances),
        }
        for name, value in offered.items():
            if getattr(config.option, f"sagemaker_{name}", None) is None:
                setattr(config.option, f"sagemaker_{name}", value)

    def counts(self) -> tuple[int, int] | None:
        """Return how many jobs it has trained and objects it was given; None if it cannot be asked."""
        if self._address is None:
            return None
        try:
            told = ask(self._address.endpoint, "calls")
        except UnreachableError:
            return None
        jobs, objects = (told[name] - self._before[name] for name in ("training_jobs", "objects_uploaded"))
        return jobs, objects

    def close(self) -> None:
        """End it, if it is this session's own, and give this process its environment back."""
        if self._service is not None:
            self._service.close()
        _set(self._changed)


_REHEARSED = pytest.StashKey[_Rehearsed]()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the rehearsal, to come up while pytest collects."""
    if not idle(config.option):
        config.stash[_REHEARSED] = _Rehearsed(config)


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    """Say plainly that this is not AWS."""
    if _REHEARSED not in config.stash:
        return None
    kind = config.stash[_REHEARSED].isolation
    return [
        "rehearsal: SageMaker is played on this machine, nothing of this is AWS",
        f"isolation of its jobs: {kind}",
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Point this process at the rehearsal, before anybody asks for an account."""
    if _REHEARSED in session.config.stash:
        session.config.stash[_REHEARSED].enter(session.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say once more what it was."""
    counts = config.stash[_REHEARSED].counts() if _REHEARSED in config.stash else None
    if counts is not None:
        jobs, objects = counts
        terminalreporter.write_line(
            f"rehearsed on this machine, not on AWS: {jobs} training job{'s' * (jobs != 1)}, "
            f"{objects} object{'s' * (objects != 1)} uploaded"
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the rehearsal."""
    if _REHEARSED in config.stash:
        config.stash[_REHEARSED].close()
        del config.stash[_REHEARSED]


def _demand() -> None:
    """Raise UsageError if something that a rehearsal needs is not installed."""
    try:
        isolation.program(isolation.default_image())
    except isolation.NoProgramError:
        lacking = True
    else:
        lacking = any(find_spec(name) is None for name in _NEEDED)
    if lacking:
        raise pytest.UsageError(
            "--rehearse needs moto and sagemaker-training: pip install 'harness[rehearsal]'"
        )


def _project(config: pytest.Config) -> list[Path]:
    """Return the project's folder, which no job sees: on AWS there is only what has travelled."""
    root = config.rootpath.resolve()
    return [] if root == root.parent else [root]  # all that there is cannot be hidden


def _reached(call: Callable[[], Result]) -> Result:
    """Return what a call returns; raise UsageError if there is no rehearsal."""
    try:
        return call()
    except UnreachableError as error:
        raise pytest.UsageError(f"--rehearse: {error}") from None


def _set(variables: Mapping[str, str | None]) -> None:
    """Set variables of this process; None: unset it."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
