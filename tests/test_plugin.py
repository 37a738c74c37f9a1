"""The plugin is near-free where there is nothing for it to do, and loads heavy libraries late or never."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {
    "mlflow", "great_expectations", "sagemaker", "boto3", "matplotlib", "pandas", "sklearn", "numpy",
    "pyarrow", "xgboost", "lightgbm", "scipy",
}  # fmt: skip

SPY = """
import sys

def pytest_unconfigure(config):
    top = sorted({name.partition(".")[0] for name in sys.modules})
    ours = sorted(name for name in sys.modules if name.partition(".")[0] == "harness")
    print("LOADED", " ".join(top))
    print("HARNESS", " ".join(ours))
"""

LAZY = """
from harness import dataset, experiment, features, grid, metric

@dataset(target="y", contract="never")
def rows():
    import pandas
    return pandas.DataFrame()

@features
def scaled(rows):
    from sklearn.preprocessing import StandardScaler
    return StandardScaler()

@metric
def cost(y, prediction):
    return 0.0

@experiment(maximize="cost")
@grid(depth=[1, 2, 3])
def experiment_tree(scaled, trial, depth):
    from sklearn.tree import DecisionTreeClassifier
    trial.fit(DecisionTreeClassifier(max_depth=depth), scaled)

def gate_tree(experiment_tree):
    assert experiment_tree.best.test.accuracy > 0.5
"""


def loaded(project, *arguments):
    """Run pytest in a process of its own; return what it printed, the top-level modules and ours."""
    (project.path / "spy_on_modules.py").write_text(SPY)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "spy_on_modules",
            "-p",
            "no:hypothesispytest",
            "-p",
            "no:cov",
            *arguments,
        ],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(project.path), os.environ.get("PYTHONPATH", "")]),
        },
    )
    found = {
        line.partition(" ")[0]: line.split()[1:]
        for line in done.stdout.splitlines()
        if line[:6] in ("LOADED", "HARNES")
    }
    return done, set(found["LOADED"]), set(found["HARNESS"])


def test_collecting_files_that_import_only_the_harness_loads_nothing_heavy(empty_project):
    project = empty_project.write({"experiments/experiment_tree.py": LAZY})

    done, top, _ = loaded(project, "--collect-only", "-q", "experiments")

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("::") == 5
    assert top & HEAVY == set()


def test_collecting_the_examples_loads_no_tracker_and_no_plots(tmp_path, empty_project):
    done, top, _ = loaded(
        empty_project,
        "--collect-only",
        "-q",
        "--rootdir",
        str(ROOT),
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "no:cacheprovider",
        str(ROOT / "experiments"),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "gate_" in done.stdout
    assert top & {"mlflow", "great_expectations", "sagemaker", "boto3", "matplotlib"} == set()


def test_a_project_without_experiments_pays_for_three_modules_and_is_not_changed(empty_project):
    project = empty_project.write(
        {
            "conftest.py": "import pytest\n@pytest.fixture\ndef three(): return 3\n",
            "test_plain.py": "def test_a(three): assert three == 3\ndef test_b(): assert 1 == 2\n",
        }
    )

    with_us, top, ours = loaded(project)
    without, _, none = loaded(project, "-p", "no:harness")

    assert ours == {
        "harness",
        "harness.plugin",
        "harness.settings",
        "harness.backends",
        "harness.backends.sagemaker",
        "harness.backends.sagemaker.options",
        "harness.declarations",
        "harness.decorators",
        "harness.errors",
        "harness.folders",
        "harness.space",
        "harness.ranges",
        "harness.values",
        "harness.forerunner",
        "harness.cores",
    }
    assert top & HEAVY == set()
    assert none == set()
    assert with_us.returncode == without.returncode == pytest.ExitCode.TESTS_FAILED

    def content(done):
        kept = [
            line
            for line in done.stdout.splitlines()
            if not line.startswith(("plugins:", "LOADED", "HARNESS"))
        ]
        return [line.partition(" in ")[0] for line in kept]

    assert content(with_us) == content(without)
    assert not (project.path / ".harness").exists()
    assert not (project.path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("source", "code"),
    [("def test_a(): pass\n", 0), ("", 5), ("import nowhere\n", 2)],
    ids=["green", "empty", "broken"],
)
def test_the_exit_code_of_a_project_without_experiments_is_pytests(empty_project, source, code):
    empty_project.write({"test_plain.py": source})

    assert empty_project.run().ret == code


def test_a_run_without_contract_and_tracking_loads_neither_library(project):
    done, top, _ = loaded(project, "experiments", "--no-tracking")

    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
    assert {"pandas", "sklearn", "numpy"} <= top
    assert (
        top & {"mlflow", "great_expectations", "matplotlib", "sagemaker", "boto3", "xgboost", "lightgbm"}
        == set()
    )


def test_experiments_without_data_load_no_tracker(empty_project):
    empty_project.write(
        {"experiments/experiment_ride.py": "def experiment_ride(trial): trial.log(speed=1)\n"}
    )

    done, top, _ = loaded(empty_project, "--no-tracking")

    assert done.returncode == 0
    assert top & {"mlflow", "great_expectations", "matplotlib", "xgboost"} == set()


RED = """
from helper import check

def experiment_score(trial):
    score = 0.85
    trial.log(score=score)
    assert score >= 0.86

def gate_score(experiment_score):
    logged = experiment_score.trials[0].logged
    assert logged["score"] >= 0.87

def experiment_helped(trial):
    check(0.85)
"""
HELPER = "def check(score):\n    assert score >= 0.88\n"


@pytest.mark.parametrize(
    "asked",
    [
        ["experiments"],
        [],
        ["experiments/experiment_score.py"],
        ["experiments/experiment_score.py::experiment_score", "experiments/experiment_score.py::gate_score"],
    ],
    ids=["folder", "nothing", "file", "node ids"],
)
@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_a_failing_assert_shows_its_values(empty_project, asked, mode):
    empty_project.write({"experiments/experiment_score.py": RED, "helper.py": HELPER, "conftest.py": ""})
    empty_project.pytester.syspathinsert()

    result = empty_project.run(*asked, f"--import-mode={mode}")

    result.stdout.fnmatch_lines(
        [
            ">       assert score >= 0.86",
            "E       assert 0.85 >= 0.86",
            '>       assert logged[[]"score"[]] >= 0.87',
            "E       assert 0.85 >= 0.87",
            "FAILED *::experiment_score - assert 0.85 >= 0.86",
            "FAILED *::gate_score - assert 0.85 >= 0.87",
        ]
    )
    result.stdout.no_fnmatch_line("*harness/*.py:*")


def test_a_helper_module_is_rewritten_when_registered(empty_project):
    empty_project.write(
        {
            "experiments/experiment_score.py": RED,
            "helper.py": HELPER,
            "conftest.py": "import pytest\npytest.register_assert_rewrite('helper')\n",
        }
    )
    empty_project.pytester.syspathinsert()

    result = empty_project.run("-k", "helped")

    result.stdout.fnmatch_lines(["E       assert 0.85 >= 0.88"])


def test_the_fresh_process_of_a_user_shows_the_values_too(empty_project):
    empty_project.write({"experiments/experiment_score.py": RED.replace("from helper import check", "")})

    result = empty_project.run_apart("experiments", "-k", "gate_score or experiment_score")

    result.stdout.fnmatch_lines(["E       assert 0.85 >= 0.86", "E       assert 0.85 >= 0.87"])
