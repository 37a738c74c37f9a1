"""The answer of a trial that ran elsewhere in; what pytest and its plugins see as if it had run here, out."""

from __future__ import annotations

import sys
from typing import TextIO

import pytest

from harness.pool.messages import Answer
from harness.pool.warned import tell

__tracebackhide__ = True


def replay(item: pytest.Item, answer: Answer) -> None:
    """Let pytest see the reports and warnings of a trial, from its start to its end."""
    hook = item.ihook
    # The worker has looked where the trial stands: pytest would have to look once more.
    known = next((report["location"] for report in answer.reports), None)
    location = item.location if known is None else tuple(known)
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=location)
    told(item, answer)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=location)


def told(item: pytest.Item, answer: Answer) -> None:
    """Let pytest see reports and warnings alone: of what came after the end of a trial."""
    config, hook = item.config, item.ihook
    capture = config.getoption("capture")
    for warning in answer.warnings:
        tell(config, warning)
    for data in answer.reports:
        report = config.hook.pytest_report_from_serializable(config=config, data=dict(data))
        if isinstance(report.longrepr, list):  # of a skip; JSON knows no tuples, pytest insists on one
            report.longrepr = tuple(report.longrepr)
        report.sections = [tuple(section) for section in report.sections]
        report.user_properties = [tuple(pair) for pair in report.user_properties]
        if capture in ("no", "tee-sys"):
            _print(report)
        if capture == "no":
            report.sections = [section for section in report.sections if _stream(section[0]) is None]
        hook.pytest_runtest_logreport(report=report)


def _stream(title: str) -> TextIO | None:
    """Return where a section's text was printed to; None for one of logs, say."""
    streams = {"Captured stdout": sys.stdout, "Captured stderr": sys.stderr}
    return next((stream for start, stream in streams.items() if title.startswith(start)), None)


def _print(report: pytest.TestReport) -> None:
    """Print what was printed in this phase; later reports have the sections of earlier ones, too."""
    for title, text in report.sections:
        stream = _stream(title)
        if stream is not None and title.endswith(f" {report.when}"):
            stream.write(text)
