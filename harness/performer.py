"""Orders in, serialised reports of trials out: what a pytest session does in a worker instead of its loop."""

from __future__ import annotations

import contextlib
import gc
import signal
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.catalogue import Catalogue
from harness.collection import VALUES, ExperimentModule, role, searched
from harness.data.preparation import Prepared
from harness.materials import Materials
from harness.pool.frames import Channel
from harness.pool.inbox import Inbox
from harness.pool.messages import Opening, Order, alike, plain
from harness.pool.warned import pack
from harness.pruning import Bar
from harness.recorder import recorded_parameters
from harness.settings import SETTINGS
from harness.stage import BARS, Stage
from harness.staging import Staging
from harness.store import Store

__tracebackhide__ = True


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no interrupt come between the parts of the block."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


class _Neighbour(pytest.Item):
    """An item that does nothing and has no fixtures; a hook of the project finds it to be like a function."""

    fixturenames: Sequence[str] = ()
    originalname = "neighbour"

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.function = self.obj = self.runtest
        self.funcargs: dict[str, Any] = {}

    def runtest(self) -> None:
        """Do nothing."""


class Performer:
    """The plugin that stands where the conductor stands in the pytest process."""

    def __init__(self, config: pytest.Config, channel: Channel, opening: Opening) -> None:
        self.config = config
        self.catalogue = Catalogue(config, config.stash[SETTINGS].experiment_files)
        self.run: Stage | None = None
        self._channel = channel
        self._opening = opening
        self._inbox = Inbox(channel)
        self.met = False
        """Whether the other side was told that the trials are there, or why they are not."""
        self._problems: list[str] = []
        self._reports: list[Mapping[str, Any]] = []
        self._warnings: list[Mapping[str, Any]] = []
        self._last: pytest.Item | None = None
        self._neighbours: dict[pytest.Collector, pytest.Item] = {}

    # Collection

    def add(self, module: ExperimentModule) -> None:
        """Take in an experiment file."""
        self.catalogue.add(module)

    def pytest_plugin_registered(self, plugin: object) -> None:
        """Take in what it declares."""
        self.catalogue.registered(plugin)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected."""
        if report.failed:
            self._problems.append(report.longreprtext)

    # Trials

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Do what is ordered, until there is nothing more."""
        if self._problems:
            self.met = True
            self._say({"event": "refused", "reason": "\n".join(self._problems)})
            return True
        self.catalogue.check()
        self.run = self._stage()
        self.config.pluginmanager.register(Staging(self.run), "harness-staging")
        trials = {item.nodeid: item for item in session.items if role(item) == "trial"}
        gc.freeze()  # items and modules stay: no collection needs to look at them
        self.met = True
        self._say({"event": "ready"})
        while (order := self._inbox.take()) is not None:
            if isinstance(order, Order):
                self._obey(order, trials.get(order.node_id))
            else:
                for values in order.values():
                    self.run.materials.adopt(Prepared.from_json(values))
        self._leave(None)
        self._say({"event": "ended"})
        return True

    def _say(self, message: Mapping[str, Any]) -> None:
        with _undisturbed():
            self._channel.send(message)

    def _stage(self) -> Stage:
        settings = self.config.stash[SETTINGS]
        folder, threads = Path(self._opening.run), self._opening.threads
        materials = Materials(
            store=Store(settings.store),
            project=settings.root,
            expectations=settings.expectations,
            examples=settings.examples,
            base_seed=settings.seed,
            shelf=Store(folder),
            threads=threads,
        )
        return Stage(settings, self.catalogue, materials=materials, folder=folder, threads=threads)

    def _obey(self, order: Order, item: pytest.Item | None) -> None:
        if item is None:
            reason = "its id differs from process to process"
        elif order.params is not None and not alike(order.params, recorded_parameters(item)):
            reason = "its parameters differ from process to process"
        else:
            self._perform(item, order)
            return
        self._say({"event": "strange", "node_id": order.node_id, "reason": reason})

    def _perform(self, item: pytest.Item, order: Order) -> None:
        search = searched(item)
        if search is not None and order.values is not None:
            item.stash[VALUES] = search.values(order.values)
        item.stash[BARS] = None if order.bars is None else [Bar.from_json(bar) for bar in order.bars]
        if self._last is not None and self._last.parent is not item.parent:
            self._leave(item)
        self._last = item
        self._run(item, self._neighbour(item), item)
        self._say(
            {
                "event": "result",
                "node_id": item.nodeid,
                "reports": self._reports,
                "warnings": self._warnings,
            }
        )

    def _run(self, item: pytest.Item, following: pytest.Item | None, trial: pytest.Item) -> None:
        """Let pytest run an item; tell of what ends the session, for which it is the trial's fault."""
        self._reports, self._warnings = [], []
        try:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        except (pytest.exit.Exception, KeyboardInterrupt) as error:
            reason, code = str(error) or type(error).__name__, getattr(error, "returncode", None)
            self._say({"event": "exit", "node_id": trial.nodeid, "reason": reason, "code": code})
            raise

    def _neighbour(self, item: pytest.Item) -> pytest.Item:
        """Return an item beside this one, so that pytest keeps what is set up for the whole file or class.

        Which trial comes next is not known yet.
        """
        parent = item.parent
        assert parent is not None
        if parent not in self._neighbours:
            self._neighbours[parent] = _Neighbour.from_parent(parent, name="the next trial")
        return self._neighbours[parent]

    def _leave(self, following: pytest.Item | None) -> None:
        """Tear down what the following trial does not share with the last one."""
        last = self._last
        if last is None:
            return
        neighbour = self._neighbour(last)
        self._run(neighbour, following, last)
        faults = [report for report in self._reports if report["outcome"] == "failed"]
        if faults or self._warnings:
            place = {"nodeid": last.nodeid, "location": list(last.location)}
            self._say(
                {
                    "event": "late",
                    "node_id": last.nodeid,
                    "reports": [{**report, **place} for report in faults],
                    "warnings": [{**warning, "nodeid": last.nodeid} for warning in self._warnings],
                }
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the trial show what failed beside it: an item that is no function shows pytest's own frames."""
        report = yield
        if isinstance(item, _Neighbour) and report.failed and call.excinfo and self._last is not None:
            report.longrepr = self._last.repr_failure(call.excinfo)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a report of the item that runs."""
        if report.when == "call" and report.passed:
            # As the terminal would, did anybody look: pytest fails a trial for its subtests there.
            self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        data["user_properties"] = [(name, plain(value)) for name, value in report.user_properties]
        self._reports.append(data)

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: Any
    ) -> None:
        """Keep a warning."""
        self._warnings.append(pack(warning_message, when, nodeid, location))
