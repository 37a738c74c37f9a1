"""Pytest's hooks in a session that has experiments: selection, order, outcome and report of every item."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from harness.catalogue import Catalogue
from harness.collection import ExperimentModule, requested, role
from harness.errors import HarnessError, StoreError
from harness.selection import contracts, widen
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.report import Line
    from harness.run import Run

__tracebackhide__ = True

PAYLOAD = "harness"
"""Attribute of a tear-down report that carries the item's record, as JSON, wherever the report goes."""


class Conductor:
    """Registered with pytest when the first experiment file, or the first use of a data set, is met."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.catalogue = Catalogue(config, settings.experiment_files)
        self.run: Run | None = None
        self._counted: set[pytest.Item] = set()
        self._added = 0
        self._summary: list[Line] = []

    # Collection

    def add(self, module: ExperimentModule) -> None:
        """Take in an experiment file."""
        self.catalogue.add(module)

    def pytest_plugin_registered(self, plugin: object) -> None:
        if isinstance(plugin, ModuleType):
            self.catalogue.scan(plugin)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._counted.update(node for node in report.result or () if isinstance(node, pytest.Item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        # A file that could not be collected: what it declares is not known. Or a worker of
        # pytest-xdist, where a test that needs a data set fails, and experiments are no more collected.
        if session.testsfailed or hasattr(self.config, "workerinput"):
            return (yield)
        try:
            self.catalogue.check()
            present = set(items)
            self._announce(
                session, found := [i for i in contracts(self.catalogue, session, items) if i not in present]
            )
            items[:0] = found
            result = yield
            before = set(items)
            items[:] = widen(self.catalogue, session, items)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
        added = [item for item in items if item not in before]
        self._added = len(added)
        self._announce(session, [item for item in added if item not in self._counted])
        self._reselect(added)
        return result

    def _announce(self, session: pytest.Session, items: Sequence[pytest.Item]) -> None:
        """Let pytest and its plugins know items that it did not collect itself."""
        for item in items:
            item.ihook.pytest_itemcollected(item=item)
        if items:
            report = pytest.CollectReport(session.nodeid, "passed", None, list(items))
            session.ihook.pytest_collectreport(report=report)

    def _reselect(self, items: Sequence[pytest.Item]) -> None:
        """Take items back from pytest's count of deselected ones."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and "deselected" in reporter.stats:
            back = set(items)
            reporter.stats["deselected"] = [i for i in reporter.stats["deselected"] if i not in back]

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        if not self._added:
            return []
        gates = sum(role(item) == "gate" for item in items)
        needing = f", for {gates} gate{'s' * (gates != 1)}" if gates else ""
        return [f"selected as well{needing}: {self._added} contracts and trials"]

    # Running

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        halted = session.testsfailed and not self.config.getoption("continue_on_collection_errors")
        halted = halted or hasattr(self.config, "workerinput")
        if self.config.option.collectonly or halted or not self._involved(session):
            return (yield)
        from harness.run import Run
        from harness.store import Store
        from harness.tracking.address import check_writable

        try:
            if self.settings.tracking:
                check_writable(self.settings.root)
            self.run = Run(self.settings, self.catalogue, session, Store(self.settings.store))
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
        try:
            self.run.backend.start([i.nodeid for i in session.items if role(i) == "trial"])
            return (yield)
        finally:
            self.run.backend.stop()

    def _involved(self, session: pytest.Session) -> bool:
        return any(role(item) is not None or "_harness" in requested(item) for item in session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        if self.run is None:
            return None
        if role(item) == "trial" and not self.run.blocked(item):
            reports = self.run.backend.reports(item.nodeid)
            if reports is not None:
                self._replay(item, reports)
                return True
        following = self._next_here(nextitem)
        if following is nextitem:
            return None
        return item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

    def _next_here(self, item: pytest.Item | None) -> pytest.Item | None:
        """Return the next item that is set up here: pytest tears down what it does not need."""
        assert self.run is not None
        if item is None or role(item) != "trial" or not self.run.backend.elsewhere:
            return item
        items = self.run.session.items
        coming = items[items.index(item) :]
        return next((other for other in coming if role(other) != "trial"), None)

    def _replay(self, item: pytest.Item, reports: Sequence[Mapping[str, Any]]) -> None:
        """Let pytest see the reports of a trial that ran elsewhere as if it had run here."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for data in reports:
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=data)
            if isinstance(report.longrepr, list):  # of a skip; JSON knows no tuples, pytest insists on one
                report.longrepr = tuple(report.longrepr)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self.run is None:
            return
        reason = self.run.blocked(item)
        if reason is not None:  # a mark, so that pytest names the item's line and not ours
            item.add_marker(pytest.mark.skip(reason=reason), append=False)
            return
        self.run.begin(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        if self.run is None:
            return (yield)
        with self.run.fixture(fixturedef.argname, request.node):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        if self.run is None or role(pyfuncitem) not in ("trial", "gate"):
            return (yield)
        self.run.seed_again(pyfuncitem)
        from harness.run import TRIAL, fail

        if role(pyfuncitem) == "gate":
            returned = False
            with warnings.catch_warnings():
                warnings.simplefilter("error", pytest.PytestReturnNotNoneWarning)
                try:
                    return (yield)
                except pytest.PytestReturnNotNoneWarning:
                    returned = True
            if returned:
                fail(f"{pyfuncitem.name} returned a value, which nobody reads; a gate judges by assert")

        trial = pyfuncitem.stash.get(TRIAL, None)
        if trial is None:
            fail("a fixture of the project is called `trial` and hides the harness' own; rename it")
        problem = None
        try:
            result = yield
            try:
                trial.finish()
            except HarnessError as error:
                problem = str(error)
                trial.abandon()
        except BaseException:
            trial.abandon()
            raise
        if problem is not None:
            fail(problem)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if self.run is None or role(item) is None:
            return report
        from harness.recorder import observe
        from harness.results import pack

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
            record = self.run.record(item, report)
            if record is not None:
                setattr(report, PAYLOAD, pack(record))
            self.run.end()
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        payload = getattr(report, PAYLOAD, None)
        if payload is not None and self.run is not None:
            try:
                self.run.findings.take_packed(payload)
            except StoreError as error:  # a full disk: what comes next could not be kept either
                self.run.session.shouldstop = str(error)

    # Reporting

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.run is None:
            return
        from harness.report import Line, lines

        run = self.run
        closing: list[Line] = []
        try:
            run.finish(int(exitstatus))
            closing = self._deliver(run, exitstatus)
        except StoreError as error:  # a full disk
            closing = [Line(str(error), {"red": True})]
            if exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._summary = lines(
            list(run.findings.contracts.values()),
            {name: run.results_of(name) for name in run.experiments},
            run.findings.bests,
            list(run.findings.gates.values()),
            {name: len(items) for name, items in run.experiments.items()},
        )
        if closing:
            self._summary += [Line(""), *closing]

    def _deliver(self, run: Run, exitstatus: int) -> list[Line]:
        """Give MLflow what it lacks; return what the summary says of it."""
        from harness.report import Line, tracked
        from harness.tracking import deliver, prune, view_command

        said: list[Line] = []
        if not self.settings.tracking:
            run.folder.withhold()
        elif exitstatus == pytest.ExitCode.INTERRUPTED:  # who pressed Ctrl-C does not wait for MLflow
            return [Line("MLflow: the next run or `harness sync` delivers this one")]
        else:
            root = self.settings.root
            said = tracked(deliver(run.store, root=root), view_command(root))
        prune(run.store)
        return said

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._summary:
            terminalreporter.write_sep("=", "experiments")
            for line in self._summary:
                terminalreporter.write_line(line.text, **line.markup)
