"""Pytest's hooks in a session that has experiments: selection, order, outcome and report of every item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from harness.catalogue import Catalogue
from harness.collection import ExperimentModule, requested, role
from harness.errors import HarnessError
from harness.selection import contracts, judges, widen
from harness.settings import Settings
from harness.wording import counted

if TYPE_CHECKING:
    from harness.execution import Execution
    from harness.report import Line
    from harness.run import Run

__tracebackhide__ = True


class Conductor:
    """Registered with pytest when the first experiment file, or the first use of a data set, is met."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.catalogue = Catalogue(config, settings.experiment_files)
        self._execution: Execution | None = None
        self._counted: set[pytest.Item] = set()
        self._added: Sequence[pytest.Item] = ()
        self._told = False
        self._judges: Mapping[str, Sequence[str]] = {}
        self._summary: Sequence[Line] = ()

    # Collection

    def add(self, module: ExperimentModule) -> None:
        """Take in an experiment file."""
        self.catalogue.add(module)

    def pytest_plugin_registered(self, plugin: object) -> None:
        self.catalogue.registered(plugin)

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
        self._added = added
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
        needing = f", for {counted(gates, 'gate')}" if gates else ""
        kinds = Counter(role(item) for item in self._added)
        added = [counted(kinds[kind], kind) for kind in ("contract", "trial") if kinds[kind]]
        return [f"selected as well{needing}: {' and '.join(added)}"]

    # Running

    @property
    def run(self) -> Run | None:
        """What fixtures ask; None unless items run."""
        return self._execution.run if self._execution else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        halted = session.testsfailed and not self.config.getoption("continue_on_collection_errors")
        halted = halted or hasattr(self.config, "workerinput")
        if self.config.option.collectonly or halted or not self._involved(session):
            return (yield)
        from harness.execution import Execution
        from harness.tracking.address import check_writable

        try:
            if self.settings.tracking:
                check_writable(self.settings.root)
            if self.settings.promote is not None:
                from harness.promotion import check

                check(self.settings)
                self._judges = judges(self.catalogue, session, session.items)
            self._execution = Execution(self.config, self.settings, self.catalogue, session)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
        with self._execution:
            return (yield)

    def _involved(self, session: pytest.Session) -> bool:
        return any(role(item) is not None or "_harness" in requested(item) for item in session.items)

    # Reporting

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._execution is None:
            return
        from harness.closing import close

        closing = close(self._execution, exit=int(exitstatus), judges=self._judges, progress=self._progress)
        if self._told:
            self._terminal().line("")
        if not closing.well and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._summary = closing.lines

    def _progress(self, done: int, total: int) -> None:
        """Say how far MLflow is, on one line, if somebody has to wait for it."""
        terminal = self._terminal()
        if terminal is None:
            return
        terminal.ensure_newline()
        if terminal.isatty:
            terminal.rewrite(f"MLflow: {done} of {total} records written", erase=True)
            self._told = True
        elif not self._told and done < total:
            terminal.write(f"MLflow: {done} of {total} records written, the rest follows")
            self._told = True

    def _terminal(self) -> Any:
        return self.config.pluginmanager.get_plugin("terminalreporter")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._summary:
            terminalreporter.write_sep("=", "experiments")
            for line in self._summary:
                terminalreporter.write_line(line.text, **line.markup)
