"""scikit-learn is imported when the first of its functions is called, and not before."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
import sklearn.metrics

from harness import scikit


def test_a_function_gives_what_scikit_learns_gives():
    truth, answer = [0, 1, 1, 0], [0, 1, 0, 0]

    assert scikit.metrics.f1_score(truth, answer) == sklearn.metrics.f1_score(truth, answer)
    assert isinstance(scikit.dummy.DummyClassifier(strategy="prior"), sklearn.dummy.DummyClassifier)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        scikit.metrics.accuracy_score([0, 1], [1])
    with pytest.raises(AttributeError, match="no_such_score"):
        scikit.metrics.no_such_score([0], [0])


def test_a_function_can_be_copied_and_pickled():
    function = scikit.metrics.accuracy_score

    for again in (
        pickle.loads(pickle.dumps(function)),
        copy.deepcopy(function),
        scikit.metrics.accuracy_score,
    ):
        assert again == function
        assert hash(again) == hash(function)
        assert again([0, 1], [0, 0]) == 0.5
    assert not hasattr(scikit.metrics, "__len__")


def test_trials_without_data_import_neither_scikit_learn_nor_scipy(empty_project):
    """In the pytest process and in workers, whose server has not imported them either."""
    empty_project.write(
        {
            "experiment_toy.py": """
                import sys
                from harness import experiment, grid

                @experiment(maximize="heavy")
                @grid(n=[1, 2])
                def experiment_toy(trial, n):
                    heavy = [name for name in ("sklearn", "scipy", "mlflow", "optuna") if name in sys.modules]
                    trial.log(heavy=len(heavy))
                    assert heavy == []

                def gate_toy(experiment_toy):
                    assert experiment_toy.best.logged == {"heavy": 0}
                    assert not {"sklearn", "scipy", "mlflow", "optuna"} & set(sys.modules)
                """
        }
    )

    result = empty_project.run_apart("-p", "no:hypothesispytest", workers=2)

    result.assert_outcomes(passed=3)


def test_the_parts_of_a_run_and_of_a_worker_import_it_late():
    code = (
        "import sys, harness.execution, harness.worker\n"
        "print('sklearn' in sys.modules, 'scipy' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]
