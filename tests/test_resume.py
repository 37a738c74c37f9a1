"""With --resume only what has changed, failed or never ended runs again; gates are always judged again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from harness.rundir import runs
from harness.store import Store

RIDE = """
import os, pathlib
from sklearn.tree import DecisionTreeClassifier
from harness import grid
from helper import depth

def note(what):
    with open(pathlib.Path(__file__).parent / "ran.txt", "a") as file:
        file.write(f"{what}\\n")

@grid(max_depth=[1, 2, 3])
def experiment_tree(scaled, trial, max_depth):
    note(max_depth)
    trial.fit(DecisionTreeClassifier(max_depth=depth(max_depth), random_state=0), scaled)
    assert max_depth != 2 or not os.environ.get("BREAK")

def gate_accuracy(experiment_tree):
    note("gate")
    best = experiment_tree.best
    assert best.test.accuracy >= 0.5
    assert best.model.predict(best._dataset.test.X).shape == (len(best._dataset.test),)
"""


@pytest.fixture
def ride(project):
    project.path.joinpath("experiments/experiment_shops.py").unlink()
    project.write({"experiments/experiment_ride.py": RIDE, "experiments/helper.py": "depth = int\n"})
    return project


def ran(project):
    """What ran since the last call, and how often."""
    path = project.path / "experiments/ran.txt"
    found = Counter(path.read_text().split()) if path.exists() else Counter()
    path.unlink(missing_ok=True)
    return dict(found)


def records(project):
    """The trials of the newest run."""
    return {r.id: r for r in runs(Store(project.path / ".harness"))[-1].records().trials}


def test_unchanged_trials_do_not_run_and_gates_are_judged(ride):
    first = ride.run("experiments")
    assert ran(ride) == {"1": 1, "2": 1, "3": 1, "gate": 1}
    before = records(ride)

    result = ride.run("experiments", "--resume", "-v")

    assert ran(ride) == {"gate": 1}
    assert first.ret == result.ret == 0
    result.assert_outcomes(passed=2)
    assert result.parseoutcomes()["reused"] == 3
    result.stdout.fnmatch_lines(
        ["*experiment_tree?max_depth:1? REUSED*", "  3 reused from earlier runs, unchanged"]
    )
    after = records(ride)
    assert {k: r.scores for k, r in after.items()} == {k: r.scores for k, r in before.items()}
    assert {r.reused_from for r in after.values()} == {runs(Store(ride.path / ".harness"))[0].run.id}


def test_without_the_option_all_trials_run(ride):
    ride.run("experiments")
    ran(ride)

    ride.run("experiments")

    assert ran(ride) == {"1": 1, "2": 1, "3": 1, "gate": 1}


def test_a_gate_may_turn_red_on_reused_trials(ride):
    ride.run("experiments")
    path = ride.path / "experiments/experiment_ride.py"
    path.write_text(path.read_text().replace(">= 0.5", ">= 0.999"))

    result = ride.run("experiments", "--resume")

    assert result.parseoutcomes() == {"failed": 1, "passed": 1, "reused": 3}
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("experiments/experiment_ride.py", "random_state=0", "random_state=1", "source of experiment_tree"),
        ("experiments/helper.py", "int", "abs", "module experiments/helper.py"),
        ("conftest.py", "return StandardScaler()", "return StandardScaler(with_mean=False)", "conftest.py"),
        ("conftest.py", "size=300", "size=310", "data shops"),
        ("pytest.ini", "[pytest]", "[pytest]\nexperiment_seed = 7", "experiment_seed 0 → 7"),
    ],
)
def test_what_has_changed_is_named(ride, file, old, new, told):
    ride.path.joinpath("pytest.ini").write_text("[pytest]\n")
    conftest = ride.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace("range(300)", "size"))
    ride.run("experiments")
    ran(ride)
    path = ride.path / file
    path.write_text(path.read_text().replace(old, new))

    result = ride.run("experiments", "--resume", "-v")

    assert ran(ride)["1"] == 1
    line = next(line for line in result.outlines if "experiment_tree[max_depth:1]" in line)
    assert "PASSED (changed: " in line
    assert told in line


def test_a_comment_and_another_experiment_change_nothing(ride):
    ride.run("experiments")
    ran(ride)
    path = ride.path / "experiments/experiment_ride.py"
    path.write_text(
        path.read_text().replace("    note(max_depth)", "    # runs\n    note( max_depth )")
        + "\ndef experiment_other(trial):\n    note('other')\n    trial.log(x=1)\n"
    )

    ride.run("experiments", "--resume")

    assert ran(ride) == {"gate": 1, "other": 1}


def test_failed_trials_run_again(ride, monkeypatch):
    monkeypatch.setenv("BREAK", "1")
    ride.run("experiments")
    monkeypatch.delenv("BREAK")
    ran(ride)

    result = ride.run("experiments", "--resume", "-v")

    assert ran(ride) == {"2": 1, "gate": 1}
    result.stdout.fnmatch_lines(["*max_depth:2? PASSED (failed before)*"])


def test_a_gate_alone_takes_its_trials_from_the_store(ride):
    ride.run("experiments")
    ran(ride)

    ride.run("experiments", "-k", "gate_accuracy", "--resume").assert_outcomes(passed=2)

    assert ran(ride) == {"gate": 1}


def test_a_longer_grid_runs_what_is_new(ride):
    ride.run("experiments")
    ran(ride)
    path = ride.path / "experiments/experiment_ride.py"
    path.write_text(path.read_text().replace("[1, 2, 3]", "[4, 3, 2, 1]"))

    result = ride.run("experiments", "--resume")

    assert ran(ride) == {"4": 1, "gate": 1}
    assert result.parseoutcomes() == {"passed": 3, "reused": 3}
    assert {name: r.index for name, r in records(ride).items()} == {
        "max_depth:4": 0, "max_depth:3": 1, "max_depth:2": 2, "max_depth:1": 3
    }  # fmt: skip


def test_a_reused_trial_may_be_reused_again_after_its_first_run_is_gone(ride):
    ride.run("experiments")
    first = runs(Store(ride.path / ".harness"))[0]
    ride.run("experiments", "--resume")
    first.delete()
    ran(ride)

    ride.run("experiments", "--resume").assert_outcomes(passed=2)

    assert ran(ride) == {"gate": 1}
    assert {r.reused_from for r in records(ride).values()} == {first.run.id}


SEARCH = """
import pathlib
from harness import choice, experiment, integers, search

@experiment(maximize="height")
@search(trials=TRIALS, gear=integers(1, 100), wheel=choice("big", "small"))
def experiment_climb(trial, gear, wheel):
    with open(pathlib.Path(__file__).parent / "ran.txt", "a") as file:
        file.write(f"{trial.params['gear']}{wheel}\\n")
    trial.log(height=-abs(gear - 42) + (wheel == "big"))

def gate_climb(experiment_climb):
    assert experiment_climb.best.params["wheel"] in ("big", "small")
    assert len(experiment_climb.trials) == TRIALS
"""


def test_a_search_goes_on_where_it_was(empty_project):
    project = empty_project.write({"experiments/experiment_climb.py": SEARCH.replace("TRIALS", "12")})
    project.run("experiments").assert_outcomes(passed=13)
    first = ran(project)
    before = records(project)
    project.write({"experiments/experiment_climb.py": SEARCH.replace("TRIALS", "16")})

    result = project.run("experiments", "--resume")

    assert result.parseoutcomes() == {"passed": 5, "reused": 12}
    second = ran(project)
    assert len(second) == 4
    assert not set(first) & set(second)
    after = records(project)
    assert [after[name].params for name in before] == [record.params for record in before.values()]
    # What was found before guides what is tried now.
    tried = [after[f"trial:{i}"].params["gear"] for i in range(12, 16)]
    assert sum(abs(gear - 42) < 30 for gear in tried) >= 3


SLOW = """
import os, pathlib, time
from harness import experiment, grid

@experiment(maximize="speed")
@grid(gear=list(range(8)))
def experiment_ride(trial, gear):
    folder = pathlib.Path(__file__).parent
    if gear >= 4:
        while not (folder / "go").exists():
            time.sleep(0.01)
    with open(folder / "ran.txt", "a") as file:
        file.write(f"{gear}\\n")
    trial.log(speed=gear)

def gate_ride(experiment_ride):
    assert experiment_ride.best.params == {"gear": 7}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_is_resumed_with_nothing_lost_and_nothing_run_twice(
    empty_project, number, workers
):
    project = empty_project.write({"experiments/experiment_ride.py": SLOW})
    command = [sys.executable, "-m", "pytest", "experiments", f"--workers={workers}", "--no-tracking"]
    running = subprocess.Popen(
        command,
        cwd=project.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: journalled(project) >= 4, running)
        os.killpg(running.pid, number)
        running.wait(30)
    finally:
        running.kill()
        running.wait()
    assert ran(project) == {str(gear): 1 for gear in range(4)}
    project.path.joinpath("experiments/go").touch()

    result = project.run("experiments", "--resume", workers=workers)

    assert result.parseoutcomes() == {"passed": 5, "reused": 4}
    assert ran(project) == {str(gear): 1 for gear in range(4, 8)}


def journalled(project) -> int:
    found = list(project.path.glob(".harness/runs/*/journal.jsonl"))
    lines = found[0].read_text().splitlines() if found else []
    return sum('"kind": "trial"' in line and json.loads(line)["outcome"] == "passed" for line in lines)


def wait_for(condition, running, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert running.poll() is None, "it ended by itself"
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.02)


def test_workers_reuse_as_one_process_does(ride):
    ride.run("experiments", "--threads=1")
    ran(ride)

    result = ride.run("experiments", "--threads=1", "--resume", workers=2)

    assert result.parseoutcomes() == {"passed": 2, "reused": 3}
    assert ran(ride) == {"gate": 1}


def test_nothing_of_mlflows_warnings_is_shown_when_there_is_nothing_else_to_do(ride):
    """MLflow is imported while pytest is at its end, where it sets filters of warnings of its own."""
    ride.run_apart("experiments", tracking=True)

    result = ride.run_apart("experiments", "--resume", tracking=True)

    assert result.parseoutcomes() == {"passed": 2, "reused": 3}


HIDDEN = {
    "a constant in a grid's lambda": (
        "from harness import grid\nK = 2\n@grid(f=[lambda x: x * K])\n"
        "def experiment_a(trial, f): trial.log(x=f(3))\n",
        ("experiment_a.py", "K = 2", "K = 3"),
    ),
    "a constant in a parameter's lambda": (
        "import pytest\nD = {'k': 2}\n@pytest.mark.parametrize('f', [lambda x: x * D['k']])\n"
        "def experiment_a(trial, f): trial.log(x=f(3))\n",
        ("experiment_a.py", "'k': 2", "'k': 3"),
    ),
    "a constant of a lambda that a list holds": (
        "from harness import grid\nK = 2\nFS = [lambda x: x * K]\n@grid(f=FS)\n"
        "def experiment_a(trial, f): trial.log(x=f(3))\n",
        ("experiment_a.py", "K = 2", "K = 3"),
    ),
    "a module whose folder a fixture adds": (
        "import pytest\n@pytest.fixture\ndef libpath(monkeypatch, request):\n"
        "    monkeypatch.syspath_prepend(str(request.config.rootpath / 'lib'))\n"
        "def experiment_a(trial, libpath):\n    import mylib.inner\n    trial.log(x=mylib.inner.V)\n",
        ("lib/mylib/inner.py", "V = 1", "V = 2"),
    ),
    "a helper by a made name of this module": (
        "import sys\ndef make_a(): return 1\ndef experiment_b(trial): trial.log(x=make_a())\n"
        "def experiment_a(trial):\n"
        "    kind = 'a'\n    trial.log(x=getattr(sys.modules[__name__], f'make_{kind}')())\n",
        ("experiment_a.py", "return 1", "return 2"),
    ),
    "a helper by a made attribute": (
        "import experiment_a as own\ndef make_a(): return 1\ndef experiment_b(trial): trial.log(x=make_a())\n"
        "def experiment_a(trial):\n    kind = 'a'\n    trial.log(x=getattr(own, 'make_' + kind)())\n",
        ("experiment_a.py", "return 1", "return 2"),
    ),
    "a helper by attrgetter": (
        "import operator, sys\ndef make_a(): return 1\ndef experiment_b(trial): trial.log(x=make_a())\n"
        "def experiment_a(trial):\n    kind = 'a'\n"
        "    trial.log(x=operator.attrgetter('make_' + kind)(sys.modules[__name__])())\n",
        ("experiment_a.py", "return 1", "return 2"),
    ),
    "a module that an importer of another name imports": (
        "def experiment_a(trial):\n    from importlib import import_module as im\n"
        "    trial.log(x=im('lib.other').V)\n",
        ("lib/other.py", "V = 1", "V = 2"),
    ),
    "a module that pkgutil resolves": (
        "def experiment_a(trial):\n    import pkgutil\n"
        "    trial.log(x=pkgutil.resolve_name('lib.other:V'))\n",
        ("lib/other.py", "V = 1", "V = 2"),
    ),
    "a module that runpy runs": (
        "def experiment_a(trial):\n    import runpy\n    trial.log(x=runpy.run_module('lib.other')['V'])\n",
        ("lib/other.py", "V = 1", "V = 2"),
    ),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_a_result_follows_from_on_a_hidden_way_counts(empty_project, case):
    source, (file, old, new) = HIDDEN[case]
    empty_project.pytester.makeini("[pytest]\npythonpath = .\n")
    empty_project.write(
        {
            "experiment_a.py": source,
            "lib/mylib/__init__.py": "",
            "lib/mylib/inner.py": "V = 1\n",
            "lib/other.py": "V = 1\n",
        }
    )
    empty_project.run()
    again = empty_project.run("--resume", "experiment_a.py::experiment_a")
    assert again.parseoutcomes()["reused"] == 1

    path = empty_project.path / file
    path.write_text(path.read_text().replace(old, new))

    assert "reused" not in empty_project.run("--resume", "experiment_a.py::experiment_a").parseoutcomes()


def test_threads_that_nobody_asked_for_change_nothing(ride):
    """One trial alone gets all cores, in this process."""
    ride.run_apart("experiments", workers=None)

    alone = ride.run_apart("experiments", "--resume", "-k", "max_depth:1 or gate_accuracy", workers=None)
    looked = ride.run_apart("experiments", "--resume", "--pdb", workers=None)
    asked = ride.run_apart("experiments", "--resume", "-v", "--threads=3", workers=None)

    assert alone.parseoutcomes()["reused"] == 3
    assert looked.parseoutcomes()["reused"] == 3
    assert "reused" not in asked.parseoutcomes()
    asked.stdout.fnmatch_lines(["*PASSED (changed: threads * 3)*"])
