"""A small project with experiments, written and run the way a user would."""

from __future__ import annotations

import os
import shutil
import textwrap
from pathlib import Path

# Runs in this process throw away what they import anew, and NumPy cannot be imported twice.
import great_expectations  # noqa: F401
import lightgbm  # noqa: F401
import mlflow
import pandas.core.arrays.arrow.extension_types  # noqa: F401  # registers types with Arrow, once
import pytest
import sklearn.ensemble
import sklearn.linear_model  # noqa: F401
import xgboost  # noqa: F401

import harness.execution
import harness.report
import harness.run
import harness.tracking  # noqa: F401  # would be imported anew in every run
from harness.store import Store
from harness.tracking.quiet import quiet

pytest_plugins = ["pytester"]

for variable in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
    os.environ.pop(variable, None)  # the runs that tests start are nobody's workers

CONFTEST = """
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler
from harness import dataset, features

@dataset(target="sold", seed=1)
def shops(request):
    '''300 shops; what is sold follows from size and street.'''
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=300), "street": rng.normal(size=300)})
    frame["sold"] = np.where(frame["size"] + frame["street"] + rng.normal(size=300) / 3 > 0, "yes", "no")
    return frame

@features
def scaled(shops):
    return StandardScaler()
"""

EXPERIMENT = """
from sklearn.tree import DecisionTreeClassifier
from harness import grid

@grid(max_depth=[1, 2, 3])
def experiment_tree(scaled, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)

def gate_accuracy(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 0.6
"""


class Project:
    """A folder with a conftest and experiment files."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path

    def write(self, files: dict[str, str]) -> Project:
        """Write files by path relative to the project; contents are dedented."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")
        return self

    def run(self, *arguments: str, tracking: bool = False, workers: int | None = 1) -> pytest.RunResult:
        """Run pytest in this process, trials too unless there are several workers; None: the default."""
        return self.pytester.runpytest_inprocess(*self._with(arguments, tracking, workers))

    def run_apart(self, *arguments: str, tracking: bool = False, workers: int | None = 1) -> pytest.RunResult:
        """Run pytest in a process of its own."""
        return self.pytester.runpytest_subprocess(*self._with(arguments, tracking, workers))

    @staticmethod
    def _with(arguments: tuple[str, ...], tracking: bool, workers: int | None) -> list[str]:
        named = any(argument.startswith("--workers") for argument in arguments)
        return [
            *arguments,
            *([] if tracking else ["--no-tracking"]),
            *([] if named or workers is None else [f"--workers={workers}"]),
        ]


@pytest.fixture
def empty_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder without experiments; lines are 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("MLFLOW_TRACKING_URI", "CI", "BUILD_NUMBER"):  # pytest cuts no line short in CI
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\n")
    return Project(pytester)


@pytest.fixture
def project(empty_project: Project) -> Project:
    """A data set, features, one experiment of three trials and a gate that passes."""
    return empty_project.write({"conftest.py": CONFTEST, "experiments/experiment_shops.py": EXPERIMENT})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An open store in a folder of its own."""
    made = Store(tmp_path / ".harness")
    made.open()
    return made


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking store of MLflow's without runs, to be copied."""
    path = tmp_path_factory.mktemp("pristine") / "mlflow.db"
    with quiet(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)  # where MLflow would put files of a store that is not the default one
        mlflow.MlflowClient(f"sqlite:///{path}").create_experiment("first")
    return path


@pytest.fixture(scope="module")
def database(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a tracking store that all tests of a module share, each with a project of its own."""
    return f"sqlite:///{shutil.copy(pristine, tmp_path_factory.mktemp('tracking'))}"


@pytest.fixture
def apart_from_mlflow(monkeypatch: pytest.MonkeyPatch, pristine: Path) -> None:
    """Nobody's settings of MLflow, and a folder where its default files do no harm."""
    monkeypatch.chdir(pristine.parent)
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "_MLFLOW_"))]:
        monkeypatch.delenv(name)
