"""Pytest's hooks around a trial, in whichever process it runs; its record rides on its tear-down report."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NoReturn

import pytest

from harness.collection import role
from harness.errors import HarnessError
from harness.properties import properties
from harness.pruning import Pruned
from harness.recorder import observe
from harness.repetition import Repetition
from harness.results import PAYLOAD, pack
from harness.stage import PRUNED, TRIAL, Stage

__tracebackhide__ = True

_DRAW_NOTHING = frozenset({"_pytest.python", "_pytest.fixtures", "harness.plugin"})
"""Modules of the fixtures that only hand on a parameter, or `trial`."""

PRUNED_WORD = "pruned"
"""Attribute of a report of a trial that was stopped as hopeless."""


def fail(text: str) -> NoReturn:
    """Fail the item that runs by a text that says it all."""
    __tracebackhide__ = False  # where every frame is hidden, pytest adds a line about that
    pytest.fail(text, pytrace=False)


class Staging:
    """A plugin that prepares trials, ends them and takes their records."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.stage.begin(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        if fixturedef.func.__module__ in _DRAW_NOTHING:
            return (yield)
        with self.stage.fixture(fixturedef.argname, request.node):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        if role(pyfuncitem) != "trial" or Repetition.running(pyfuncitem):
            return (yield)
        self.stage.seed_again(pyfuncitem)
        trial = pyfuncitem.stash.get(TRIAL, None)
        if trial is None:
            fail("a fixture of the project is called `trial` and hides the harness' own; rename it")
        repetition = Repetition.of(self.stage, pyfuncitem)
        problem = pruned = None
        result = None
        try:
            result = yield
            more = {} if repetition is None else repetition.run(trial)
            try:
                trial.finish(more)
            except HarnessError as error:
                problem = str(error)
                trial.abandon()
        except Pruned as stop:
            trial.abandon()
            pruned = str(stop)
        except BaseException:
            trial.abandon()
            raise
        if problem is not None:
            fail(problem)
        if pruned is not None:
            pyfuncitem.stash[PRUNED] = pruned
            pytest.skip(pruned)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if role(item) == "trial":
            if call.when == "call" and PRUNED in item.stash:
                setattr(report, PRUNED_WORD, True)
                report.longrepr = (str(item.path), (item.location[1] or 0) + 1, item.stash[PRUNED])
            observe(item, call, report)
            if call.when == "teardown":
                record = self.stage.record(item, report)
                report.user_properties.extend(properties(record))
                setattr(report, PAYLOAD, pack(record))
        return report
