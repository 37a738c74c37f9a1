"""Settings and trials decide where trials run, and by how many threads."""

from __future__ import annotations

import gc
import os
import weakref
from types import SimpleNamespace

import pytest

import harness.workforce
from harness.backends.local import InProcess
from harness.pool.forked import ForkServer
from harness.pool.pool import Pool
from harness.pool.spawned import Spawn
from harness.rundir import runs
from harness.settings import SERVER, SETTINGS
from harness.store import Store
from harness.workforce import workforce


@pytest.fixture
def force(pytester, monkeypatch):
    """The workforce for a number of trials on a machine of some cores."""

    def made(*words, trials, cores=8):
        monkeypatch.setattr(harness.workforce, "cores", lambda: cores)
        config = pytester.parseconfigure(*words)
        item = SimpleNamespace(path=pytester.path / "experiment_a.py")
        return workforce(config, config.stash[SETTINGS], [item] * trials), config

    return made


@pytest.mark.parametrize(
    ("words", "trials", "cores", "workers", "threads"),
    [
        ([], 20, 8, 8, 1),
        ([], 3, 8, 3, 2),
        ([], 2, 8, 2, 4),
        (["--workers=3"], 20, 8, 3, 2),
        (["--workers=16"], 20, 8, 16, 1),
        (["--workers=2", "--threads=5"], 20, 8, 2, 5),
        (["--trial-timeout=9"], 1, 8, 1, 8),
        (["--workers=2"], 1, 8, 1, 8),
        ([], 1, 8, None, 8),
        ([], 0, 8, None, 8),
        ([], 20, 1, None, 1),
        (["--workers=1"], 20, 8, None, 8),
        (["--workers=1", "--threads=3"], 20, 8, None, 3),
        (["--pdb"], 20, 8, None, 8),
        (["--trace", "--workers=4"], 20, 8, None, 8),
        (["--setup-show"], 20, 8, None, 8),
        (["--setup-plan"], 20, 8, None, 8),
    ],
)
def test_workers_and_threads_share_the_cores(force, words, trials, cores, workers, threads):
    found, _ = force(*words, trials=trials, cores=cores)

    backend = found.backend(None)
    assert isinstance(backend, InProcess if workers is None else Pool)
    assert backend.in_flight == (workers or 1)
    assert found.threads == threads


def test_each_run_has_a_name_of_its_own_that_sorts_by_time(force):
    names = [force(trials=1)[0].run_id for _ in range(3)]

    assert len(set(names)) == 3
    assert [name[:15] for name in names] == sorted(name[:15] for name in names)


def test_a_server_that_is_not_needed_ends(force):
    _, config = force(trials=3)
    config.stash[SERVER] = server = ForkServer([], dict(os.environ))
    assert server.alive

    workforce(config, config.stash[SETTINGS], [])

    assert not server.alive


def test_a_server_that_has_died_is_replaced_and_the_new_one_ends_with_the_run(force):
    _, config = force(trials=3)
    config.stash[SERVER] = server = ForkServer([], dict(os.environ))
    assert harness.workforce._launcher(config, 1) is server
    server.close()

    fresh = harness.workforce._launcher(config, 1)

    assert fresh is not server
    assert config.stash[SERVER] is fresh
    assert fresh.alive
    fresh.close()


def test_without_fork_new_interpreters_are_started(force, monkeypatch):
    _, config = force(trials=3)
    monkeypatch.delattr(os, "fork")

    assert isinstance(harness.workforce._launcher(config, 1), Spawn)


def test_estimators_score_the_same_in_workers_as_here_to_the_last_digit(project):
    """Rule 5: with the same number of threads; libraries that bring OpenMP of their own work in forks."""
    project.write(
        {
            "experiments/experiment_shops.py": """
                import numpy as np
                from lightgbm import LGBMClassifier
                from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
                from sklearn.linear_model import LogisticRegression
                from sklearn.neural_network import MLPClassifier
                from xgboost import XGBClassifier
                from harness import grid

                MODELS = {
                    "hist": HistGradientBoostingClassifier, "forest": RandomForestClassifier,
                    "logistic": LogisticRegression, "mlp": lambda: MLPClassifier(max_iter=20),
                    "xgboost": lambda: XGBClassifier(n_estimators=20, subsample=0.7),
                    "lightgbm": lambda: LGBMClassifier(n_estimators=20, verbose=-1, bagging_freq=1,
                                                       bagging_fraction=0.7),
                }

                @grid(name=list(MODELS), again=[0, 1])
                def experiment_models(scaled, trial, name, again):
                    trial.fit(MODELS[name](), scaled)
                    trial.log(drawn=np.random.random())
                """
        }
    )
    found = []
    for workers in (1, 2):
        project.run("--threads=1", "-W", "ignore", workers=workers).assert_outcomes(passed=13)
        trials = runs(Store(project.path / ".harness"))[-1].records().trials
        found.append({trial.id: (trial.scores, trial.logged) for trial in trials})

    here, there = found
    assert len(here) == 12
    assert there == here


def test_what_a_run_has_left_in_this_process_is_collected_by_the_next(empty_project):
    """While items run no collection looks at what was there before; it must not stay for ever."""

    class Cycle:
        def __init__(self):
            self.me = self

    empty_project.write({"experiment_a.py": "def experiment_a(trial): pass\ndef experiment_b(trial): pass\n"})
    kept = Cycle()
    left = weakref.ref(kept)
    empty_project.run(workers=2).assert_outcomes(passed=2)
    assert gc.get_freeze_count() > 10_000
    del kept
    gc.collect()
    frozen = left() is not None

    empty_project.run("--collect-only", workers=2)
    empty_project.run(workers=2).assert_outcomes(passed=2)

    assert frozen
    assert left() is None
