"""Pytest's hooks around the items of a run: a backend runs its trials, contracts and gates run here."""

from __future__ import annotations

import gc
import itertools
import warnings
from collections.abc import Generator, Mapping
from types import TracebackType
from typing import Self

import pytest

from harness.backends.base import Backend
from harness.catalogue import Catalogue
from harness.collection import role
from harness.errors import HarnessError, NoChampion
from harness.pool.messages import Answer
from harness.pool.warned import warn
from harness.properties import properties
from harness.recorder import failed, observe
from harness.replay import replay, told
from harness.results import PAYLOAD, pack
from harness.roster import REUSED, Roster
from harness.run import Run
from harness.settings import SERVER, Settings
from harness.staging import PRUNED_WORD, Staging, fail
from harness.tracking import Background
from harness.workforce import workforce

__tracebackhide__ = True


class Execution:
    """From the first item to the last: a context that leaves no worker behind.

    Raises HarnessError for what cannot run at all.
    """

    def __init__(
        self, config: pytest.Config, settings: Settings, catalogue: Catalogue, session: pytest.Session
    ) -> None:
        self._config = config
        self._session = session
        self._settings = settings
        self._trials = [item for item in session.items if role(item) == "trial"]
        poolable = [item for item in self._trials if not catalogue.tied(item)]
        if settings.backend != "local":  # nobody pays for a trial that is skipped
            poolable = [item for item in poolable if item.get_closest_marker("skip") is None]
        self._elsewhere = {item.nodeid: item for item in poolable}
        force = workforce(config, settings, poolable)
        self.run = Run(
            settings, catalogue, session, run_id=force.run_id, threads=force.threads, shared=force.elsewhere
        )
        self.roster = Roster(
            config,
            self.run,
            maxfail=config.getoption("maxfail"),
            halt=lambda: self.backend.halt(),  # noqa: PLW0108  # there is no backend yet
            stop=self._stop,
        )
        self.backend: Backend = force.backend(self.roster)
        self.staging = Staging(self.run.stage)
        self.tracker: Background | None = None
        if settings.tracking:
            self.tracker = Background(self.run.store, self.run.folder, root=settings.root)
            self.run.findings.listener = self.tracker.take
        self._begun = False
        self._replaying = False
        self._running: pytest.Item | None = None
        self._position: dict[pytest.Item, int] | None = None

    def __enter__(self) -> Self:
        self._config.pluginmanager.register(self.staging, "harness-staging")
        self._config.pluginmanager.register(self, "harness-execution")
        if SERVER in self._config.stash and not gc.get_freeze_count():
            # Modules and items stay: no collection needs to look at them, nor Python when it ends.
            gc.freeze()
        self.backend.boot(len(self._elsewhere))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        at_once = isinstance(error, KeyboardInterrupt | pytest.exit.Exception)
        at_once = at_once and not isinstance(error, pytest.Session.Interrupted)  # of `session.shouldstop`
        try:
            if not at_once:
                self._replay_rest()
        except BaseException:
            at_once = True
            raise
        finally:
            self.backend.stop(now=at_once)
            self._replay_rest()  # what arrived meanwhile
            if self.backend.refusal is not None:
                warn(self._config, f"trials ran in this process, not in workers: {self.backend.refusal}")

    def _stop(self, reason: str) -> None:
        self._session.shouldstop = reason

    # Trials

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        if self.tracker is not None:
            self.tracker.hush()
        if not self._begun and role(item) != "contract":
            self._begin(item)
        if role(item) == "trial" and self._running is not item and not self.run.blocked(item):
            try:
                answer = self.roster.reused(item) or self._elsewhere_answered(item)
            except LookupError:  # halted; the session ends when it reaches the reason
                self.roster.leave(item.nodeid)
                return True
            if answer is not None:
                self._replay(item, answer)
                return True
            self.roster.take_up(item)
        return self._here(item, nextitem)

    def _elsewhere_answered(self, item: pytest.Item) -> Answer | None:
        return self.backend.answer(item.nodeid) if item.nodeid in self._elsewhere else None

    def _begin(self, first: pytest.Item) -> None:
        """Hand out all trials, now that the data are there; first: the item whose turn it is."""
        self._begun = True
        open_trials = [item for item in self._trials if not self.run.blocked(item)]
        if self._settings.resume:
            self.roster.resume(open_trials)
        ready = [
            item.nodeid
            for item in open_trials
            if item.nodeid in self._elsewhere and self.roster.reused(item) is None
        ]
        prepared = {name: made.to_json() for name, made in self.run.materials.prepared.items()}
        try:
            self.backend.start(ready, prepared)
        except HarnessError as error:
            if first.nodeid in self._elsewhere:  # so that JUnit's file is not green
                self._replay(first, self.roster.died(first.nodeid, str(error), "", 0.0))
            raise pytest.UsageError(str(error)) from None
        if self.tracker is not None and self._trials:
            self.tracker.begin()

    def _here(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        """Let pytest run an item, and tear down all that the next one here does not share."""
        if not self.backend.elsewhere or nextitem is None or self._running is item:
            return None
        following = self._next_here(item)
        if following is nextitem:
            return None
        self._running = item
        return item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

    def _next_here(self, item: pytest.Item) -> pytest.Item | None:
        """Return, up to the next item that runs here, the one that shares least with this one.

        Trials between them run elsewhere, but if workers cannot collect them, they run here after all.
        """
        if self._position is None:
            self._position = {other: i for i, other in enumerate(self._session.items)}
        chain = item.listchain()
        least: pytest.Item | None = None
        shared = len(chain)
        for other in itertools.islice(self._session.items, self._position[item] + 1, None):
            common = sum(a is b for a, b in zip(chain, other.listchain(), strict=False))
            if common < shared:
                least, shared = other, common
            if other.nodeid not in self._elsewhere:
                return least
        return None

    def _replay(self, item: pytest.Item, answer: Answer) -> None:
        self._replaying = True
        try:
            replay(item, answer)
        finally:
            self._replaying = False

    def _replay_rest(self) -> None:
        for node_id, answer in self.backend.rest():
            self._replay(self._elsewhere[node_id], answer)
        self._replaying = True
        try:
            for node_id, answer in self.backend.late():
                told(self._elsewhere[node_id], answer)
        finally:
            self._replaying = False

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, str | tuple[str, Mapping[str, bool]]] | None:
        if report.when != "call" or hasattr(report, "wasxfail"):
            return None
        if getattr(report, REUSED, False):
            return "reused", "r", ("REUSED", {"green": True})
        reason = self.roster.reason(report.nodeid)
        if getattr(report, PRUNED_WORD, False):
            word = "PRUNED" if reason is None else f"PRUNED ({reason})"
            return "pruned", "p", (word, {"yellow": True})
        if reason is None or not report.passed:
            return None
        return "passed", ".", f"PASSED ({reason})"

    # Contracts and gates

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        reason = self.run.blocked(item)
        if reason is not None:  # a mark, so that pytest names the item's line and not ours
            item.add_marker(pytest.mark.skip(reason=reason), append=False)
        elif role(item) == "gate":
            self.run.open(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        if role(pyfuncitem) != "gate":
            return (yield)
        self.run.stage.seed_again(pyfuncitem)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pytest.PytestReturnNotNoneWarning)
            problem: str | None = (
                f"{pyfuncitem.name} returned a value, which nobody reads; a gate judges by assert"
            )
            result = None
            try:
                result = yield
                # Where a subtest has failed, the gate has not relied on what it compared.
                problem = None if failed(pyfuncitem) else self.run.objection(pyfuncitem)
            except pytest.PytestReturnNotNoneWarning:
                pass
            except NoChampion:  # which the gate's record tells
                problem, result = None, True
        if problem is not None:
            fail(problem)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if role(item) not in ("contract", "gate"):
            return report
        if role(item) == "contract" and report.skipped:
            # Everything that needs the data would be skipped, and the run be green.
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            vars(report).pop("wasxfail", None)
            report.outcome = "failed"
            report.longrepr = f"{reason}: data cannot be skipped, skip the experiments that need it instead"
        observe(item, call, report)
        if role(item) == "gate" and report.failed:
            report.sections.extend(self.run.evidence(item))
        if call.when == "teardown":
            record = self.run.record(item)
            report.user_properties.extend(properties(record))
            setattr(report, PAYLOAD, pack(record))
            self.run.close()
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._replaying:  # the roster took it in when it arrived
            return
        if report.failed:
            self.roster.failed()
        payload = getattr(report, PAYLOAD, None)
        if payload is not None:
            self.roster.keep(payload)
