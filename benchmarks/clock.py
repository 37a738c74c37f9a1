"""A pytest plugin that writes where the time of a run went, by phase, to the file in PHASES_FILE."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from pathlib import Path

import pytest

_STARTED = float(os.environ["PHASES_STARTED"])  # before the interpreter, on the same clock


class Clock:
    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.collecting = time.time()

    def pytest_sessionstart(self) -> None:
        self.collecting = time.time()
        self.seconds["start: interpreter, pytest, plugins, conftest"] = self.collecting - _STARTED

    def pytest_collection_finish(self) -> None:
        self.seconds["collect: import the experiment files"] = time.time() - self.collecting

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2]
        if name.startswith("contract["):
            phase = "prepare: load, check, split, store"
        elif name.startswith("gate_"):
            phase = "gates: test rows, scores"
        elif report.when == "setup":
            phase = "features: fit and transform"
        else:
            phase = "trials"
        self.seconds[phase] += report.duration
        record = getattr(report, "harness", {})
        self.seconds["of which fits"] += record.get("fit_seconds") or 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self):
        started = time.time()
        result = yield
        self.seconds["finish: baselines, MLflow"] = time.time() - started
        return result

    def pytest_unconfigure(self) -> None:
        whole = time.time() - _STARTED
        parts = sum(value for name, value in self.seconds.items() if not name.startswith("of which"))
        self.seconds["rest: imports of the harness, pytest itself"] = whole - parts
        self.seconds["whole"] = whole
        Path(os.environ["PHASES_FILE"]).write_text(json.dumps(self.seconds))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Clock(), "phases-clock")
