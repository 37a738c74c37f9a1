import os
import subprocess
import sys

import pytest
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info
from xgboost import XGBClassifier

from harness.cores import cores
from harness.models import threads

GROWTH = """
import os
from pathlib import Path
import numpy as np
from {module} import {kind} as Kind
from harness.models.threads import bound

X = np.random.default_rng(0).normal(size=(3000, 5))
y = X[:, 0] > 0


def count():
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            names.append(Path("/proc/self/task", task, "comm").read_text())
        except OSError:  # it has just ended
            pass
    # pyarrow's allocator starts a thread when it likes, under a name of its own
    return len([name for name in names if not name.startswith("jemalloc")])


for number in 1, 2:
    before = count()
    estimator = Kind(**{options})
    with bound(number, estimator):
        estimator.fit(X, y).predict(X)
    print(count() - before)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
@pytest.mark.skipif(cores() < 2, reason="on one core nothing would use two threads")
@pytest.mark.parametrize(
    ("module", "kind", "options"),
    [
        ("xgboost", "XGBClassifier", {"n_estimators": 3}),
        ("lightgbm", "LGBMClassifier", {"n_estimators": 3, "verbose": -1}),
        ("sklearn.ensemble", "HistGradientBoostingClassifier", {"max_iter": 3}),
    ],
)
def test_a_bounded_fit_uses_that_many_threads(module, kind, options):
    script = GROWTH.format(module=module, kind=kind, options=options)

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    one, two = map(int, done.stdout.split())  # threads made meanwhile; OpenMP keeps them
    assert one == 0
    assert two >= 1  # so that the line above could have failed


def test_blas_and_openmp_are_bounded_and_released():
    before = [pool["num_threads"] for pool in threadpool_info()]

    with threads.bound(1):
        inside = [pool["num_threads"] for pool in threadpool_info()]

    assert set(inside) == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


LATE = """
import sys
from threadpoolctl import threadpool_info
from harness.models.threads import Threads, bound

one = Threads(1)
with bound(one):
    pass
before = len(threadpool_info())
import lightgbm  # with an OpenMP of its own
with bound(one):
    print(len(threadpool_info()) > before, {pool["num_threads"] for pool in threadpool_info()})
"""


@pytest.mark.skipif(cores() < 2, reason="on one core nothing would use two threads")
def test_libraries_that_came_since_are_bounded_too():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)

    assert done.stdout == "True {1}\n"


def test_the_libraries_are_looked_for_once(monkeypatch):
    looked = []

    class Controller(threads.ThreadpoolController):
        def __init__(self):
            looked.append(1)
            super().__init__()

    monkeypatch.setattr(threads, "ThreadpoolController", Controller)
    one = threads.Threads(1)

    for _ in range(3):
        with threads.bound(one, XGBClassifier()):
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}

    assert looked == [1]


def test_a_number_that_knows_its_libraries_reaches_boosters_too():
    alone = XGBClassifier()

    with threads.bound(threads.Threads(3), alone):
        assert alone.n_jobs == 3

    assert alone.n_jobs is None


def test_boosters_get_n_jobs_for_the_block_only_wherever_they_stand():
    alone, piped, wrapped = XGBClassifier(), LGBMClassifier(), XGBClassifier()
    whole = make_pipeline(StandardScaler(), piped)
    meta = CalibratedClassifierCV(wrapped)

    with threads.bound(3, alone), threads.bound(3, whole), threads.bound(3, meta):
        assert [alone.n_jobs, piped.n_jobs, wrapped.n_jobs] == [3, 3, 3]

    assert [alone.n_jobs, piped.n_jobs, wrapped.n_jobs] == [None, None, None]


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (XGBClassifier(n_jobs=2), "n_jobs"),
        (XGBClassifier(nthread=2), "nthread"),
        (LGBMClassifier(n_jobs=2), "n_jobs"),
        (LGBMClassifier(num_threads=2), "num_threads"),
    ],
)
def test_a_number_of_the_users_own_wins(estimator, name):
    given = estimator.get_params()

    with threads.bound(1, estimator):
        assert estimator.get_params() == given
        assert given[name] == 2


def test_other_estimators_are_left_alone():
    estimator = LogisticRegression()

    with threads.bound(1, estimator):
        assert estimator.n_jobs is None


def test_n_jobs_is_given_back_after_an_error():
    estimator = XGBClassifier()

    with pytest.raises(KeyError), threads.bound(1, estimator):
        raise KeyError

    assert estimator.n_jobs is None
