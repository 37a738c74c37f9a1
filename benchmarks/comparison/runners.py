"""Who does the work: a row and a folder in; files to run there, a command, and afterwards the answer out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from comparison import intervals, measure
from comparison.data import Data
from comparison.records import Answer
from comparison.workloads import Row
from harness.rundir import runs
from harness.store import Store

HERE = Path(__file__).parent.parent
PEERS = HERE / "peers"
PROJECT = HERE / "project"
WORKERS = len(os.sched_getaffinity(0))
"""Every peer gets as many processes or threads as there are cores, as the harness takes by default."""

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Runner(Protocol):
    """One way to do the work of a row."""

    @property
    def title(self) -> str:
        """At most 20 characters."""

    @property
    def after(self) -> str | None:
        """Name of the runner in whose folder it goes on; None: it gets a folder of its own."""

    def unavailable(self) -> str:
        """Return why it cannot run here; an empty text if it can."""

    def lay_out(self, folder: Path, row: Row, data: Data | None) -> Mapping[str, str]:
        """Write all that the command needs; return what to add to its environment."""

    def command(self) -> list[str]:
        """Return what to run in the folder."""

    def answer(self, folder: Path) -> Answer:
        """Return what a finished run found; raise OSError, ValueError or LookupError if it found nothing."""


@dataclass(frozen=True, slots=True)
class Harness:
    """A user's project, run by pytest: no store, no mlflow.db."""

    title: str
    options: Sequence[str] = ()
    after: str | None = None

    def unavailable(self) -> str:
        options = [option.partition("=")[0] for option in self.options]
        command = [sys.executable, "-m", "pytest", "--help"]
        told = subprocess.run(
            command, check=False, cwd=PROJECT, env=measure.environment({}), capture_output=True, text=True
        )
        known = {word.strip(",=[]").partition("=")[0] for word in told.stdout.split()}
        missing = [option for option in options if option.startswith("--") and option not in known]
        return f"pytest has no option {', '.join(missing)}" if missing else ""

    def lay_out(self, folder: Path, row: Row, data: Data | None) -> Mapping[str, str]:
        experiments = folder / "experiments"
        experiments.mkdir()
        shutil.copy(PROJECT / "pytest.ini", folder)
        shutil.copy(PROJECT / "experiments" / f"experiment_{row.library}.py", experiments)
        if data is not None:
            shutil.copy(PROJECT / "conftest.py", folder)
            shutil.copy(data.frame, folder / "rows.parquet")
        return {"TRIALS": str(row.size)}

    def command(self) -> list[str]:
        return [sys.executable, "-m", "pytest", "experiments/", *self.options]

    def answer(self, folder: Path) -> Answer:
        records = runs(Store(folder / ".harness"))[-1].records()
        trials = [trial for trial in records.trials if trial.finished]
        value, place = max((trial.value, -trial.index) for trial in trials if trial.value is not None)
        best = next(trial for trial in trials if trial.index == -place)
        ran = [(trial.started, trial.started + trial.seconds) for trial in trials if not trial.reused_from]
        return Answer(
            params=best.params,
            score=value,
            points=len({trial.index for trial in trials}),
            fitting=intervals.covered(ran),
            reused=sum(bool(trial.reused_from) for trial in trials),
        )


@dataclass(frozen=True, slots=True)
class Script:
    """A script of `peers/`, with one thread a fit."""

    title: str
    script: str
    needs: str
    arguments: Sequence[str] = ()
    after: str | None = None

    def unavailable(self) -> str:
        return "" if find_spec(self.needs) else f"{self.needs} is not installed: pip install -e '.[bench]'"

    def lay_out(self, folder: Path, row: Row, data: Data | None) -> Mapping[str, str]:
        work = {
            "library": row.library,
            "grid": row.grid,
            "rows": None if data is None else str(data.arrays),
            "workers": WORKERS,
        }
        path = folder / "work.json"
        path.write_text(json.dumps(work))
        return {"WORK": str(path), "PYTHONPATH": str(PEERS), **_ONE_THREAD}

    def command(self) -> list[str]:
        return [sys.executable, str(PEERS / self.script), *self.arguments]

    def answer(self, folder: Path) -> Answer:
        return Answer(**json.loads((folder / "best.json").read_text()))


@dataclass(frozen=True, slots=True)
class PlainPytest(Script):
    """A test a point, without the harness's plugin; a boosted fit has every core, for nothing runs beside."""

    def lay_out(self, folder: Path, row: Row, data: Data | None) -> Mapping[str, str]:
        variables = Script.lay_out(self, folder, row, data)
        (folder / "pytest.ini").write_text("[pytest]\n")
        source = PEERS / "plain_pytest"
        shutil.copy(source / "conftest.py", folder)
        shutil.copy(source / ("test_points.py" if data is not None else "test_noop.py"), folder)
        if row.library in ("xgboost", "lightgbm"):
            return {name: value for name, value in variables.items() if name not in _ONE_THREAD}
        return variables

    def command(self) -> list[str]:
        return [sys.executable, "-m", "pytest", "-p", "no:harness"]


def runners(options: Sequence[str] = ()) -> Mapping[str, Runner]:
    """Return every runner by name; options: more of pytest's for the harness's runs."""
    return {
        "harness": Harness("harness", options),
        "harness-off": Harness("harness, no tracking", ("--no-tracking", *options)),
        "harness-resume": Harness("harness --resume", ("--resume", *options), after="harness"),
        "joblib": Script("joblib loop", "joblib_loop.py", "joblib"),
        "gridsearch": Script("GridSearchCV", "grid_search.py", "sklearn"),
        "gridsearch-mlflow": Script("GridSearchCV+MLflow", "grid_search_mlflow.py", "mlflow"),
        "gridsearch-mlflow-all": Script("… all 8 scores", "grid_search_mlflow.py", "mlflow", ("all",)),
        "optuna": Script("Optuna GridSampler", "optuna_grid.py", "optuna"),
        "ray": Script("Ray Tune", "ray_tune.py", "ray"),
        "ray-reuse": Script("Ray Tune, reuse", "ray_tune.py", "ray", ("reuse",)),
        "pytest": PlainPytest("plain pytest", "", "pytest"),
    }
