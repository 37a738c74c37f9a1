"""Trials that ran elsewhere are seen by pytest, its plugins and the gates as if they had run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import harness.execution
from harness.backends.local import InProcess
from harness.pool.messages import Answer
from harness.workforce import Workforce

WORKER = """
import json, os, pathlib

class Recorder:
    def __init__(self, config):
        self.config = config
        self.path = pathlib.Path(os.environ["REPORTS"])
    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        with self.path.open("a") as file:
            file.write(json.dumps([report.nodeid, data]) + "\\n")

def pytest_configure(config):
    config.pluginmanager.register(Recorder(config))
"""


class Elsewhere:
    """Runs all trials by node id in a pytest of another process and hands back its reports."""

    name = "elsewhere"
    elsewhere = True
    in_flight = 1
    refusal = None

    def __init__(self, project: Path) -> None:
        self.project = project
        self.host = None
        self.booted = 0
        self.begun: list[str] = []
        self.asked: list[str] = []
        self.found: dict[str, list[dict]] = {}
        self.halted = False
        self.stopped = 0

    def boot(self, trials):
        self.booted = trials

    def start(self, node_ids, prepared):
        self.begun = list(node_ids)
        if not node_ids:
            return
        (self.project / "worker_records.py").write_text(WORKER)
        reports = self.project / "reports.jsonl"
        reports.unlink(missing_ok=True)
        self.found.clear()
        subprocess.run(
            [
                sys.executable, "-m", "pytest", *node_ids, "--no-tracking", "--workers=1",
                "-p", "worker_records", "-p", "no:cacheprovider", "-o", "experiment_store=.worker",
            ],
            cwd=self.project,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(self.project), os.environ.get("PYTHONPATH", "")]),
                "REPORTS": str(reports),
                "COLUMNS": "80",
            },
            capture_output=True,
            check=False,
        )  # fmt: skip
        for line in reports.read_text().splitlines():
            node_id, data = json.loads(line)
            self.found.setdefault(node_id, []).append(data)
        (there,) = (self.project / ".worker" / "runs").iterdir()
        (here,) = (self.project / ".harness" / "runs").iterdir()
        if (there / "trials").exists():
            shutil.copytree(there / "trials", here / "trials")
        for node_id in node_ids:
            self.host.arrived(node_id, Answer(self.found[node_id]))

    def answer(self, node_id):
        self.asked.append(node_id)
        return Answer(self.found[node_id])

    def late(self):
        return ()

    def halt(self):
        self.halted = True

    def rest(self):
        return ()

    def stop(self, *, now=False):
        self.stopped += 1


TRIALS = """
import os, pathlib, sys, pytest
from harness import experiment, grid

SET_UP = pathlib.Path(__file__).parent / "set_up.txt"

def note(what):
    with SET_UP.open("a") as file:
        file.write(f"{what} {os.getpid()}\\n")

@pytest.fixture(scope="session")
def costly():
    note("session")
    yield
    note("session-end")

@pytest.fixture(scope="module", autouse=True)
def always():
    note("module")

@pytest.fixture
def broken(): raise OSError("no licence server")

@pytest.fixture
def falls_at_the_end():
    yield
    raise OSError("cannot clean up")

@experiment(maximize="speed")
@grid(gear=[1, 2, 3])
def experiment_ride(trial, gear, costly, record_property):
    note("trial")
    print("riding in", gear)
    print("careful", file=sys.stderr)
    record_property("gear", gear)
    trial.log(speed=gear * 10)
    assert gear != 2

def experiment_raises(trial, costly):
    trial.log(speed=1)
    {}["nothing"]

@pytest.mark.xfail(raises=KeyError, reason="known")
def experiment_xfail(trial): {}["nothing"]

@pytest.mark.xfail(raises=OSError)
def experiment_xfail_other(trial): {}["nothing"]

@pytest.mark.xfail(strict=True)
def experiment_strict(trial): pass

@pytest.mark.xfail
def experiment_xpass(trial): pass

@pytest.mark.skip(reason="too slow")
def experiment_skipped(trial): pass

def experiment_skips(trial): pytest.skip("no licence")

def experiment_broken(trial, broken): pass

def experiment_falls(trial, falls_at_the_end): pass

def experiment_parts(trial, subtests):
    with subtests.test("limit"):
        assert 2 <= 1

def test_plain(): pass

def gate_ride(experiment_ride):
    assert [t.outcome for t in experiment_ride.trials] == ["passed", "failed", "passed"]
    assert experiment_ride.best.params == {"gear": 3}
    assert experiment_ride.best.logged["speed"] >= 31

def gate_others(
    experiment_raises, experiment_xfail, experiment_xfail_other, experiment_strict, experiment_xpass,
                experiment_skipped, experiment_skips, experiment_broken, experiment_falls, experiment_parts
):
    assert [e.trials[0].outcome for e in (
        experiment_raises, experiment_xfail, experiment_xfail_other, experiment_strict, experiment_xpass,
        experiment_skipped, experiment_skips, experiment_broken, experiment_falls, experiment_parts)] == [
        "raised", "skipped", "raised", "failed", "passed", "skipped", "skipped", "raised", "raised", "failed"]
"""


LOUD = """
import logging, warnings

def experiment_loud(trial, caplog):
    logging.getLogger("me").warning("watch out")
    warnings.warn("an old thing", DeprecationWarning)
    warnings.warn("a thing")
    a = {"one": [1, 2, 3], "two": "long text " * 20}
    assert a == {"one": [1, 2, 4], "two": "long text " * 20}

@pytest.mark.filterwarnings("error::UserWarning")
def experiment_erring(trial):
    warnings.warn("a thing")

def experiment_properties(trial, record_property):
    record_property("pair", (1, 2))
    record_property("map", {1: None})
    record_property("not json", {1, 2})

class ExperimentClass:
    @pytest.mark.parametrize("x", [0.85, True, "a/b c", None])
    def experiment_inner(self, trial, x, tmp_path):
        (tmp_path / "a").write_text("x")
        assert x != None
        assert x == "a/b c" or x >= 0.86
"""


@pytest.fixture
def elsewhere(monkeypatch, empty_project):
    backend = Elsewhere(empty_project.path)
    use(backend, monkeypatch)
    return backend


def use(backend, monkeypatch):
    """Let trials run where `backend` says."""

    def force(config, settings, trials):
        def made(host):
            backend.host = host
            return backend

        return Workforce(run_id="20260101T000000-00000000", threads=1, elsewhere=True, backend=made)

    monkeypatch.setattr(harness.execution, "workforce", force)


def shown(result):
    """What the terminal shows, without times, and without what names a session."""
    other = ("rootdir:", "plugins:", "benchmark:", "- generated xml")
    lines = [line for line in result.outlines if not line.startswith(other)]
    changing = r"[\d.]+s\b|0x[0-9a-f]+|=+|/pytest-\d+/(worker-[0-9a-f]+/)?"
    return [re.sub(changing, "…", line) for line in lines]


def cases(path):
    """Test cases of a JUnit file: names, kinds and texts."""
    return [
        (
            case.get("name"),
            [(child.tag, child.get("message"), child.get("type")) for child in case],
            [(p.get("name"), p.get("value")) for p in case.iter("property")],
        )
        for case in ET.parse(path).getroot().iter("testcase")
    ]


def test_trials_that_ran_elsewhere_look_as_if_they_had_run_here(empty_project, monkeypatch):
    project = empty_project.write({"experiments/experiment_ride.py": TRIALS})
    here = project.run("experiments", "-rA", "--junitxml=here.xml", "-o", "junit_family=legacy")
    shutil.rmtree(project.path / ".harness")
    (project.path / "experiments/set_up.txt").unlink()
    use(Elsewhere(project.path), monkeypatch)

    there = project.run("experiments", "-rA", "--junitxml=there.xml", "-o", "junit_family=legacy")

    assert here.parseoutcomes() == there.parseoutcomes()
    assert here.parseoutcomes() == {
        "failed": 7,
        "passed": 5,
        "skipped": 2,
        "xfailed": 1,
        "xpassed": 1,
        "errors": 2,
    }
    assert there.ret == here.ret == pytest.ExitCode.TESTS_FAILED
    assert shown(there) == shown(here)
    assert cases(project.path / "there.xml") == cases(project.path / "here.xml")
    assert ("experiment_xfail", [("skipped", "known", "pytest.xfail")], []) in cases(
        project.path / "there.xml"
    )
    notes = [line.split() for line in (project.path / "experiments/set_up.txt").read_text().splitlines()]
    ours = [what for what, process in notes if int(process) == os.getpid()]
    theirs = [what for what, process in notes if int(process) != os.getpid()]
    assert ours == ["module"]  # for the gates and the plain test
    assert theirs == ["session", "module", "trial", "trial", "trial", "session-end"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("experiments", "-rA", "--junitxml=seen.xml", "-o", "junit_family=legacy"),
        (
            "experiments/experiment_ride.py",
            "-v",
            "-l",
            "--tb=short",
            "--color=yes",
            "-o",
            "xfail_strict=true",
        ),
        ("experiments", "-s", "-W", "error::UserWarning"),
        ("experiments/experiment_ride.py::ExperimentClass", "-q", "--capture=tee-sys"),
    ],
    ids=["directory", "file", "printing", "node-id"],
)
def test_trials_of_the_pool_look_as_if_they_had_run_here(empty_project, arguments):
    project = empty_project.write({"experiments/experiment_ride.py": TRIALS + LOUD})
    runs = []
    for workers in (1, 2):
        result = project.run(*arguments, workers=workers)
        junit = project.path / "seen.xml"
        runs.append((result.ret, shown(result), cases(junit) if junit.exists() else None))
        assert "0.85 >= 0.86" in re.sub(r"\x1b\[[\d;]*m", "", result.stdout.str())
        shutil.rmtree(project.path / ".harness")

    here, there = runs
    assert there == here
    assert here[0] == pytest.ExitCode.TESTS_FAILED


def test_a_backend_is_started_once_asked_in_order_and_stopped(empty_project, elsewhere):
    project = empty_project.write({"experiments/experiment_ride.py": TRIALS})

    project.run("experiments", "-k", "gear or gate_others")

    assert elsewhere.booted == len(elsewhere.begun) == 13
    assert elsewhere.asked == elsewhere.begun
    assert elsewhere.asked[:3] == [
        f"experiments/experiment_ride.py::experiment_ride[gear:{g}]" for g in (1, 2, 3)
    ]
    assert elsewhere.stopped == 1


def test_x_stops_asking_and_the_backend_is_stopped(empty_project, elsewhere):
    project = empty_project.write({"experiments/experiment_ride.py": TRIALS})

    result = project.run("experiments", "-x")

    result.assert_outcomes(passed=1, failed=1)
    assert len(elsewhere.asked) == 2
    assert elsewhere.halted
    assert elsewhere.stopped == 1


def test_lf_works_on_trials_that_ran_elsewhere(empty_project, elsewhere):
    project = empty_project.write({"experiments/experiment_ride.py": TRIALS})
    project.run("experiments", "-k", "gear")
    for folder in (".worker", ".harness"):
        shutil.rmtree(project.path / folder)
    elsewhere.asked.clear()

    project.run("experiments", "-k", "gear", "--lf").assert_outcomes(failed=1)

    assert elsewhere.asked == ["experiments/experiment_ride.py::experiment_ride[gear:2]"]


def test_items_that_run_here_and_trials_that_run_elsewhere_may_alternate(empty_project, elsewhere):
    """A module is left when its last item here has run, though trials elsewhere come after it."""
    project = empty_project.write(
        {
            "experiments/experiment_a.py": """
                import pytest

                @pytest.fixture(scope="module", autouse=True)
                def module():
                    yield
                    print("LEFT a")

                def test_a(): pass
                def experiment_a(trial): trial.log(speed=1)
                """,
            "experiments/experiment_b.py": """
                def experiment_b(trial): trial.log(speed=2)
                def gate_b(experiment_a, experiment_b):
                    print("GATE")
                    assert experiment_a.trials[0].logged == {"speed": 1}
                def experiment_last(trial): pass
                """,
        }
    )

    result = project.run("experiments", "-s")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*LEFT a*", "*GATE*"])


def test_a_gate_reads_models_that_were_fitted_elsewhere(project, elsewhere):
    project.write(
        {
            "experiments/experiment_shops.py": (project.path / "experiments/experiment_shops.py").read_text()
            + """
def gate_same(experiment_tree, shops):
    best = experiment_tree.best
    answers = best.predict(shops.validation.X)
    right = [shops.classes[code] for code in shops.validation.y]
    assert (answers == right).mean() == best.validation.accuracy
    assert len(experiment_tree.frame) == 3
"""
        }
    )

    result = project.run("experiments")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["experiment_tree *3  roc_auc*", "passed*gate_accuracy*"])
    assert len(elsewhere.asked) == 3


def test_trials_of_a_broken_contract_are_never_asked_for(project, elsewhere, monkeypatch):
    conftest = (project.path / "conftest.py").read_text()
    project.write({"conftest.py": conftest.replace('target="sold"', 'target="slod"')})

    project.run("experiments").assert_outcomes(failed=1, skipped=4)

    assert elsewhere.begun == elsewhere.asked == []
    assert elsewhere.stopped == 1


def test_the_backend_of_this_process_leaves_trials_to_pytest():
    backend = InProcess()

    backend.boot(1)
    backend.start(["a::b"], {})

    assert backend.answer("a::b") is None
    assert (backend.name, backend.in_flight, backend.elsewhere, backend.refusal) == ("local", 1, False, None)
    assert (*backend.late(), *backend.rest()) == ()
    backend.halt()
    backend.stop()
