"""What a reviewer broke once: leaks, gates that were green, numbers that did not belong together."""

from __future__ import annotations

import pytest

TREE = "from sklearn.tree import DecisionTreeClassifier\n"
RED = "\ndef gate_red(experiment_tree):\n    assert experiment_tree.best.test.accuracy > 2\n"


def write(project, content, name="experiment_more"):
    project.write({f"experiments/{name}.py": content})
    return project


def test_a_model_that_holds_a_data_set_is_refused_or_it_would_carry_test_rows(project):
    write(
        project,
        TREE
        + """
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

def experiment_closure(shops, trial):
    centre = FunctionTransformer(lambda X: X - shops.train.X.mean())
    trial.fit(make_pipeline(centre, DecisionTreeClassifier()), shops)
""",
    )

    result = project.run("experiments/experiment_more.py")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*cannot be kept*holds a Dataset with its rows; compute what you need before*"]
    )


@pytest.mark.parametrize(
    "mark", ["pytest.mark.skip(reason='later')", "pytest.mark.xfail", "pytest.mark.skipif(True, reason='no')"]
)
def test_a_mark_on_a_contract_does_not_turn_its_gates_green(project, mark):
    conftest = (project.path / "conftest.py").read_text()
    project.write(
        {
            "conftest.py": conftest + f"\nimport pytest\ndef pytest_collection_modifyitems(items):\n"
            f"    for item in items:\n        if item.name.startswith('contract'):\n"
            f"            item.add_marker({mark})\n"
            f"            item.name_of_loader = 1\n",
        }
    )
    if "xfail" in mark:
        project.write(
            {"conftest.py": (project.path / "conftest.py").read_text().replace("return frame", "1 / 0")}
        )

    result = project.run("experiments")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    counts = result.parseoutcomes()
    assert counts.get("failed", 0) + counts.get("errors", 0) == 1


def test_a_plugin_that_reorders_after_all_cannot_make_gates_green(project):
    with (project.path / "conftest.py").open("a") as file:
        file.write("\ndef pytest_collection_finish(session):\n    session.items.reverse()\n")

    result = project.run("experiments")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "is broken" not in result.stdout.str()


def test_a_gate_from_a_file_that_is_not_collected_runs_where_it_is_imported(project):
    project.write({"experiments/shared.py": RED})
    write(project, "from shared import gate_red\n")

    result = project.run("experiments")

    result.assert_outcomes(passed=5, failed=1)


@pytest.mark.parametrize(
    "content",
    [
        "class ExperimentTwin:\n    def gate_x(self): pass\n    def gate_x(self): pass\n",
        "if True:\n    def gate_x(): pass\n    def gate_x(): pass\n",
        "async def gate_x(): pass\nasync def gate_x(): pass\n",
    ],
    ids=["class", "block", "async"],
)
def test_a_twin_is_refused_wherever_it_stands(project, content):
    result = write(project, content).run("experiments")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*defines the gate 'gate_x' 2 times, in lines *only the last would count*"])


def test_either_branch_may_define_a_gate(project):
    write(project, "if True:\n    def gate_x(): pass\nelse:\n    def gate_x(): assert False\n")

    project.run("experiments/experiment_more.py").assert_outcomes(passed=1)


def test_classes_of_gates_are_collected(project):
    write(project, "class GateOfTrees:\n    def gate_red(self, experiment_tree):\n        assert False\n")

    project.run("experiments/experiment_more.py").assert_outcomes(passed=4, failed=1)


def test_a_gate_that_returns_instead_of_asserting_fails(project):
    write(project, "def gate_x(experiment_tree):\n    return experiment_tree.best.test.accuracy > 2\n")

    result = project.run("experiments/experiment_more.py")

    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*gate_x returned a value, which nobody reads; a gate judges by assert"])


def test_what_a_trial_does_to_its_parameters_is_not_another_trials_business(project):
    write(
        project,
        TREE
        + """
from harness import grid

@grid(layers=[[64, 32]], depth=[1, 2])
def experiment_layers(shops, trial, layers, depth):
    layers.append(1)
    assert layers == [64, 32, 1]
    trial.fit(DecisionTreeClassifier(max_depth=depth), shops)

def gate_params(experiment_layers):
    assert list(experiment_layers.frame.layers) == [[64, 32], [64, 32]]
""",
    )

    project.run("experiments/experiment_more.py").assert_outcomes(passed=4)


def test_the_model_that_is_kept_is_the_one_that_was_scored(project):
    write(
        project,
        TREE
        + """
def experiment_refit(shops, trial):
    model = trial.fit(DecisionTreeClassifier(max_depth=1), shops)
    model.max_depth = None
    model.fit(shops.validation.X, shops.validation.y)

def gate_same(experiment_refit, shops):
    best = experiment_refit.best
    right = (best.model.outputs(shops.validation.X).labels == shops.validation.y).mean()
    assert best.validation.accuracy == right < 1
""",
    )

    project.run("experiments/experiment_more.py").assert_outcomes(passed=3)


def test_train_scores_in_a_gate_are_those_of_the_trial(project):
    write(
        project,
        TREE
        + """
from sklearn.preprocessing import TargetEncoder
from harness import features

@features
def encoded(shops):
    return TargetEncoder(target_type="binary", cv=2, random_state=0)

def experiment_encoded(encoded, trial):
    trial.fit(DecisionTreeClassifier(), encoded)
    trial.log(seen=trial.train.accuracy)

def gate_same(experiment_encoded):
    assert experiment_encoded.best.train.accuracy == experiment_encoded.best.logged["seen"]
""",
    )

    project.run("experiments/experiment_more.py").assert_outcomes(passed=3)


def test_a_metric_that_needs_rows_is_among_the_test_scores(project):
    write(
        project,
        TREE
        + """
from harness import metric

@metric
def large(y, prediction, X):
    return float(((y == prediction) & (X["size"] > 0)).mean())

def experiment_large(shops, trial):
    trial.fit(DecisionTreeClassifier(), shops)

def gate_large(experiment_large):
    assert experiment_large.best.test.accuracy > 0.5
""",
    )

    project.run("experiments/experiment_more.py").assert_outcomes(passed=3)

    from harness.rundir import runs
    from harness.store import Store

    [folder] = runs(Store(project.path / ".harness"))
    [best] = folder.records().bests
    assert 0 < best.test["large"] < best.test["accuracy"]


def test_a_metric_for_other_data_is_left_out_with_a_warning(project):
    with (project.path / "conftest.py").open("a") as file:
        file.write("\nfrom harness import metric\n@metric\ndef gap(X):\n    return X['sex'].mean()\n")

    result = project.run("experiments")

    result.assert_outcomes(passed=5, warnings=3)
    result.stdout.fnmatch_lines(
        ["*conftest.py:*MetricWarning: @metric gap is not recorded for *KeyError: 'sex'*"]
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "trial.fit(shops, DecisionTreeClassifier())",
            "trial.fit was given the data first; write trial.fit(*",
        ),
        (
            "trial.test.accuracy",
            "trial.test: the test rows of its data are sealed; judge by trial.validation*",
        ),
    ],
)
def test_slips_in_a_trial_are_told(project, code, text):
    write(project, TREE + f"\ndef experiment_slip(shops, trial):\n    {code}\n")

    result = project.run("experiments/experiment_more.py")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"E*Error: {text}"])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("experiment_tree.test", "'experiment_tree' has no 'test'; read .best.test"),
        ("experiment_tree.winner", "'experiment_tree' has no 'winner'; read .best, .trials or .frame"),
        (
            "experiment_tree.best.accuracy",
            "experiment_tree.best has no 'accuracy'; a score is read from its split*",
        ),
    ],
)
def test_slips_in_a_gate_are_told(project, code, text):
    write(project, f"def gate_slip(experiment_tree):\n    {code}\n")

    result = project.run("experiments/experiment_more.py")

    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines([f"E*Error: *{text}"])


def test_printed_scores_show_numbers(project):
    write(project, "def gate_print(experiment_tree):\n    print(experiment_tree.best.test)\n")

    result = project.run("experiments/experiment_more.py", "-s")

    result.stdout.fnmatch_lines(["*Scores(test of shops, 30 rows): accuracy 0.*, f1 0.*"])


def test_a_fixture_may_be_registered_under_a_name_like_an_experiments(project):
    write(
        project,
        TREE
        + """
import pytest

@pytest.fixture(name="experiment_settings")
def _settings():
    return 2

def experiment_set(shops, trial, experiment_settings):
    trial.fit(DecisionTreeClassifier(max_depth=experiment_settings), shops)
""",
    )

    project.run("experiments/experiment_more.py").assert_outcomes(passed=2)


def test_a_logged_objective_counts_everywhere(project):
    write(
        project,
        TREE
        + """
from harness import experiment, grid

@experiment(maximize="accuracy")
@grid(depth=[3, 1, 2])
def experiment_logged(shops, trial, depth):
    trial.fit(DecisionTreeClassifier(max_depth=depth), shops)
    trial.log(accuracy=1 / depth)

def gate_logged(experiment_logged):
    assert experiment_logged.best.params == {"depth": 1}
""",
    )

    project.run("experiments/experiment_more.py").assert_outcomes(passed=5)


def test_a_full_disk_stops_the_run_with_one_sentence(project, monkeypatch):
    pytest.importorskip("resource")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # Python would cut its own files short
    write(
        project,
        """
from harness import grid

@grid(i=range(200))
def experiment_many(trial, i):
    trial.log(value=i)
""",
    )
    with (project.path / "conftest.py").open("a") as file:
        file.write("import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n")
        file.write("resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n")

    result = project.run_apart("experiments/experiment_more.py", "-p", "no:cacheprovider")

    assert result.ret != pytest.ExitCode.OK
    output = result.stdout.str() + result.stderr.str()
    assert "the store" in output
    assert "cannot be written" in output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
