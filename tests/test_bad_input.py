"""Bad input: a clear message, a non-zero exit, nothing half-written, and none of our frames."""

from __future__ import annotations

import json
import os

import pytest
from recorded import last_run

from harness.store import Store

USAGE, FAILED, INTERRUPTED = (
    pytest.ExitCode.USAGE_ERROR,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.INTERRUPTED,
)

TREE = "from sklearn.tree import DecisionTreeClassifier\nfrom harness import experiment, grid\n"
FIT = "    trial.fit(DecisionTreeClassifier(), scaled)\n"


def told(result):
    """Return all that was printed, in one line."""
    return " ".join((result.stdout.str() + "\n" + result.stderr.str()).split())


def check(result, code, text):
    output = told(result)
    assert text in output, output
    assert result.ret == code, output
    for word in ("harness/", "Traceback", "INTERNALERROR", "functools", "pluggy"):
        assert word not in output.replace(".harness/", "").replace("pluggy-", ""), output


def consistent(path):
    """Assert that the store of a project holds nothing torn."""
    store = path / ".harness"
    assert not list(store.rglob(".draft-*"))
    for file in [*store.rglob("*.json"), *store.rglob("*.jsonl")]:
        for line in file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]:
            json.loads(line)
    run = last_run(path)
    found = run.records()
    assert found.finished
    kept = {best.node_id for best in found.bests}
    for trial in found.trials:
        for role, file in trial.files.items():
            dropped = role == "model" and trial.node_id not in kept
            assert (run.path / file).exists() == (not dropped)
    for folder in ("data", "sealed"):
        for entry in Store(store).path(folder).glob("*"):
            assert (entry / "meta.json").exists()


# refused before anything runs


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--backend=nowhere"], "argument --backend: invalid choice: 'nowhere' (choose from"),
        (["--threads=none"], "argument --threads: 'none' is not a whole number of threads, 1 or more"),
        (["-o", "experiment_seed=x"], "ERROR: experiment_seed = 'x' is not a whole number, 0 or more"),
        (["-o", "experiment_seed=-1"], "ERROR: experiment_seed = '-1' is not a whole number, 0 or more"),
        (
            ["-o", "contract_examples=some"],
            "ERROR: contract_examples = 'some' is not a whole number, 0 or more",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_an_unknown_option_value(project, arguments, text):
    check(project.run("experiments", *arguments), USAGE, text)
    assert not (project.path / ".harness").exists()


DECLARATIONS = {
    "unknown-objective": (
        TREE + "@experiment(maximize='acuracy')\ndef experiment_a(scaled, trial):\n" + FIT,
        USAGE,
        "experiment_x.py::experiment_a: maximize='acuracy' is no known score; did you mean accuracy? known:",
    ),
    "objective-against-its-direction": (
        TREE + "@experiment(maximize='log_loss')\ndef experiment_a(scaled, trial):\n" + FIT,
        USAGE,
        "experiment_x.py::experiment_a: maximize='log_loss', but log_loss is better when lower; write minimi",
    ),
    "two-objectives": (
        TREE + "@experiment(maximize='f1', minimize='log_loss')\ndef experiment_a(scaled, trial):\n" + FIT,
        USAGE,
        "maximize='f1' and minimize='log_loss' are both given; an experiment has one objective",
    ),
    "half-a-repeat": (
        TREE + "@experiment(repeats=1.5)\ndef experiment_a(scaled, trial):\n" + FIT,
        INTERRUPTED,
        "experiment_x.py::experiment_a: @experiment(repeats=1.5); write an int from 1 on, such as repeats=5",
    ),
    "folds-of-nothing": (
        TREE + "@experiment(folds=4)\ndef experiment_a(trial):\n    trial.log(x=1)\n",
        USAGE,
        "experiment_x.py::experiment_a: @experiment(folds=4) above an experiment without data; write repeats",
    ),
    "repeats-in-time": (
        TREE + "from harness import dataset\n@dataset(target='y', time='day')\ndef days():\n    return None\n"
        "@experiment(repeats=4)\ndef experiment_a(days, trial): pass\n",
        USAGE,
        "experiment_x.py::experiment_a: @experiment(repeats=4), and data set 'days' has time='day': rows in ",
    ),
    "empty-list": (
        TREE + "@grid(depth=[])\ndef experiment_a(scaled, trial, depth):\n" + FIT,
        INTERRUPTED,
        "experiment_x.py::experiment_a: grid parameter 'depth' is an empty list, so the grid has no point; g",
    ),
    "no-list": (
        TREE + "@grid(depth=3)\ndef experiment_a(scaled, trial, depth):\n" + FIT,
        INTERRUPTED,
        "experiment_x.py::experiment_a: grid parameter 'depth' is 3, a int, not a list; write depth=[…]",
    ),
    "no-parameter": (
        TREE + "@grid()\ndef experiment_a(scaled, trial):\n" + FIT,
        INTERRUPTED,
        "experiment_x.py::experiment_a: @grid() has no parameter; write @grid(name=[value, …])",
    ),
    "duplicate-values": (
        TREE + "@grid(depth=[1, 2, 1])\ndef experiment_a(scaled, trial, depth):\n" + FIT,
        INTERRUPTED,
        "experiment_x.py::experiment_a: grid parameter 'depth' has the value 1 twice; every combination must",
    ),
    "parameter-not-taken": (
        TREE + "@grid(dept=[1, 2])\ndef experiment_a(scaled, trial, depth=1):\n" + FIT,
        INTERRUPTED,
        "experiment_x.py::experiment_a: @grid gives 'dept', which neither the function nor its features take",
    ),
    "parameter-close-to-one-taken": (
        TREE + "@grid(scale=[1, 2])\ndef experiment_a(scaled, trial):\n" + FIT,
        INTERRUPTED,
        "@grid gives 'scale', which neither the function nor its features take; did you mean 'scaled'?",
    ),
    "without-trial": (
        TREE + "def experiment_a(scaled):\n    pass\n",
        INTERRUPTED,
        "experiment_x.py::experiment_a does not take `trial`, so it could neither fit nor log; write def",
    ),
    "unknown-experiment": (
        TREE + "def gate_a(experiment_tre):\n    pass\n",
        USAGE,
        "experiments/experiment_x.py::gate_a: no experiment is called 'experiment_tre'; did you mean",
    ),
    "two-experiments-in-a-file": (
        TREE + "def experiment_a(scaled, trial):\n" + FIT + "def experiment_a(scaled, trial):\n" + FIT,
        INTERRUPTED,
        "experiment_x.py defines the experiment 'experiment_a' 2 times, in lines 3, 5; only the last would c",
    ),
    "two-experiments-in-two-files": (
        TREE + "def experiment_tree(scaled, trial):\n" + FIT,
        USAGE,
        "two experiments are called 'experiment_tree': experiments/experiment_shops.py::experiment_tree[max_",
    ),
    "two-data-sets": (
        TREE + "from harness import dataset\n@dataset(target='sold')\ndef shops():\n    return None\n"
        "def experiment_a(shops, trial): pass\n",
        USAGE,
        "two data sets are called 'shops': conftest.py:7 and experiment_x.py:4; a name stands for one thing",
    ),
    "two-metrics": (
        TREE
        + "from harness import metric\n@metric\ndef accuracy(y): return 1\ndef experiment_a(scaled, trial):\n"
        + FIT,
        USAGE,
        "@metric accuracy (experiment_x.py:4) has the name of a score of scikit-learn; give the function ano",
    ),
    "metric-with-unknown-arguments": (
        TREE
        + "from harness import metric\n@metric\ndef gain(y, guess): pass\ndef experiment_a(scaled, trial):\n"
        + FIT,
        USAGE,
        "@metric gain (experiment_x.py:4) asks for 'guess'; its parameters are any of y, prediction, probabi",
    ),
    "trial-that-asks-for-results": (
        TREE + "def experiment_a(experiment_tree, trial):\n    pass\n",
        USAGE,
        "experiment_a asks for the results of experiment_tree; only gates see results",
    ),
    "decorated-class": (
        TREE + "@experiment\nclass ExperimentA:\n    pass\n",
        INTERRUPTED,
        "@experiment(…) decorates a type, not a function; write @experiment(…) on the line above a def",
    ),
}


@pytest.mark.parametrize("name", DECLARATIONS)
def test_a_declaration_that_cannot_be(project, name):
    content, code, text = DECLARATIONS[name]
    project.write({"experiments/experiment_x.py": content})

    check(project.run("experiments"), code, text)

    assert not (project.path / ".harness").exists()


def test_an_objective_of_another_task_is_told_before_anything_is_fitted(project):
    content = (
        TREE
        + "@experiment(minimize='rmse')\ndef experiment_a(scaled, trial):\n    raise SystemError('ran')\n"
    )
    result = project.write({"experiments/experiment_x.py": content}).run("experiments")

    check(result, FAILED, "minimize='rmse' is no score for binary data; known: accuracy,")
    assert "SystemError" not in told(result)
    consistent(project.path)


# told by the item, and the store stays whole


ITEMS = {
    "features-without-transformer": (
        "from harness import features\n@features\ndef nothing(shops):\n    pass\n"
        "def experiment_a(nothing, trial): pass\n",
        "FeaturesError: features 'nothing' (experiment_x.py:2) returned None, not a transformer; return an u",
    ),
    "estimator-without-predict": (
        TREE + "def experiment_a(scaled, trial):\n    trial.fit(object(), scaled)\n",
        "EstimatorError: <object object at 0x",
    ),
    "test-split-in-an-experiment": (
        TREE + "def experiment_a(scaled, trial):\n    scaled.test\n",
        "SealedError: the test rows of 'shops' are sealed: only a gate may open them; write a",
    ),
    "test-split-in-features": (
        "from harness import features\n@features\ndef nosy(shops):\n    return shops.test\n"
        "def experiment_a(nosy, trial): pass\n",
        "LeakageError: features 'nosy' asked for the test rows of 'shops'; features learn from training rows",
    ),
    "trial-that-raises": (
        TREE + "def experiment_a(scaled, trial):\n" + FIT + "    {}['key']\n",
        "KeyError: 'key'",
    ),
    "trial-whose-scores-are-nan": (
        TREE + "from harness import metric\n@metric\ndef gain(y): return float('nan')\n"
        "def experiment_a(scaled, trial):\n" + FIT,
        "@metric gain (experiment_x.py:4) returned nan for the 60 validation rows of shops; return a finite",
    ),
    "trial-that-predicts-nan": (
        TREE + "class Bad(DecisionTreeClassifier):\n    def predict_proba(self, X):\n"
        "        return super().predict_proba(X) * float('nan')\n"
        "def experiment_a(scaled, trial):\n    trial.fit(Bad(), scaled)\n",
        "EstimatorError: Bad.predict_proba gave 120 values that are NaN or infinite; fit on .y",
    ),
    "trial-without-a-score": (
        TREE + "def experiment_a(scaled, trial):\n    pass\n",
        "the trial gave no score for its objective 'roc_auc'; it logged nothing; call trial.fit(estimator, d",
    ),
    "trial-in-a-gate": (
        "def gate_a(trial):\n    pass\n",
        "asks for `trial`; only experiment_* functions in experiment files have one",
    ),
    "suite-that-is-missing": (
        "import pandas\nfrom harness import dataset\n@dataset(target='sold', contract='gone')\n"
        "def other(): return pandas.DataFrame({'a': [1.0] * 30, 'sold': [0, 1] * 15})\n"
        "def experiment_a(other, trial): pass\n",
        "contract 'gone' has no suite; create expectations/gone.json in Great Expectations' JSON format; the",
    ),
}


def test_every_item_that_cannot_work_says_so_and_the_others_go_on(project):
    for name, (content, _) in ITEMS.items():
        word = name.replace("-", "_")
        code = content.replace("experiment_a", f"experiment_{word}").replace("gate_a", f"gate_{word}")
        project.write({f"experiments/experiment_{word}.py": code})

    result = project.run("experiments")

    output = told(result)
    for name, (_, text) in ITEMS.items():
        expected = text.replace("experiment_x.py", f"experiment_{name.replace('-', '_')}.py")
        assert expected in output, (name, result.stdout.str())
    check(result, FAILED, "EstimatorError")
    assert result.parseoutcomes()["passed"] == 5
    consistent(project.path)


def test_a_raising_trial_alone_leaves_a_whole_store(project):
    project.write(
        {"experiments/experiment_x.py": TREE + "def experiment_a(scaled, trial):\n" + FIT + "    1 / 0\n"}
    )

    check(project.run("experiments"), FAILED, "ZeroDivisionError: division by zero")
    consistent(project.path)
    run = last_run(project.path)
    assert not list((run.path / "trials").glob("experiment_a-*/model.pkl"))


# folders


@pytest.mark.parametrize("place", ["conftest.py", "/proc/harness", "conftest.py/below"])
def test_a_store_that_cannot_be_written(project, place):
    result = project.run("experiments", "-o", f"experiment_store={place}")

    check(result, USAGE, "ERROR: the store ")
    assert "cannot be written: " in told(result)
    assert "make it a writable folder, or name another one with -o experiment_store=FOLDER" in told(result)
    assert not (project.path / ".harness").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_without_permission(project):
    (project.path / ".harness").mkdir(mode=0o500)

    check(project.run("experiments"), USAGE, "cannot be written: Permission denied")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("sqlite:////proc/mlflow.db", "cannot be written"),
        ("sqlite:///conftest.py", "is not a SQLite database: it starts with"),
        ("sqlite:///experiments", "is a folder, not a database file"),
    ],
)
def test_an_mlflow_store_that_cannot_be_written(project, monkeypatch, uri, text):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = (project.path / "conftest.py").read_bytes()

    result = project.run("experiments", tracking=True)

    check(result, USAGE, text)
    assert "or run with --no-tracking" in told(result)
    assert not (project.path / ".harness/runs").exists()
    assert (project.path / "conftest.py").read_bytes() == before


# pytest's own ways to run


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan", "--setup-only", "--fixtures"])
def test_looking_is_not_touching(project, option):
    result = project.run("experiments", option)

    assert result.ret == 0, told(result)
    assert "INTERNALERROR" not in told(result)
    if option in ("--collect-only", "--fixtures"):
        assert not (project.path / ".harness").exists()
