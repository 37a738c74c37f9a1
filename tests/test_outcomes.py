"""What a gate sees of an experiment, and what it shows when it fails."""

from __future__ import annotations

import re

import pytest
import sklearn.naive_bayes  # runs in this process must not import it anew
import sklearn.neighbors  # noqa: F401
from recorded import records

from harness.bests import best
from harness.results import TrialRecord


@pytest.fixture
def run(project):
    """Run an experiment file in the mini-project; asserts that exactly these gates fail."""

    def go(content, failed=(), *arguments, apart=False):
        (project.path / "experiments/experiment_shops.py").unlink(missing_ok=True)
        project.write({"experiments/experiment_x.py": content})
        start = project.run_apart if apart else project.run
        result = start("experiments", "-p", "no:benchmark", *arguments)
        found = {gate.name for gate in records(project.path).gates if gate.outcome == "failed"}
        assert found == set(failed), result.stdout.str()
        assert result.ret == (1 if failed or "failed" in result.parseoutcomes() else 0)
        return result

    go.path = project.path
    go.project = project
    return go


TREES = """
import math
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score
from sklearn.tree import DecisionTreeClassifier
from harness import HarnessError, SealedError, experiment, grid

@grid(max_depth=[1, 2, 3])
def experiment_tree(scaled, trial, max_depth):
    model = trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)
    trial.log(leaves=model.get_n_leaves())
"""


# what there is


def test_a_gate_sees_parameters_scores_model_and_costs(run):
    run(
        TREES
        + """
def gate_best(experiment_tree, shops, scaled):
    best = experiment_tree.best
    assert best.params == {"max_depth": best.model.estimator.max_depth}
    assert best.validation.roc_auc == max(t.validation.roc_auc for t in experiment_tree.trials)
    assert best.fit_seconds > 0
    assert best.logged == {"leaves": best.model.estimator.get_n_leaves()}
    assert best.curves == {}
    assert best.outcome == "passed"

def gate_scores_are_those_of_the_model(experiment_tree, shops, scaled):
    best = experiment_tree.best
    for raw, split, scores in (
        (shops.train, scaled.train, best.train),
        (shops.validation, scaled.validation, best.validation),
        (shops.test, scaled.test, best.test),
    ):
        expected = accuracy_score(split.y, best.model.estimator.predict(split.X))
        assert scores.accuracy == expected
        labels = np.array(shops.classes)[raw.y]
        assert (best.predict(raw.X) == labels).mean() == expected
        assert len(scores) == len(raw)

def gate_raw_rows_need_no_order_and_no_index(experiment_tree):
    rows = pd.DataFrame({"more": ["?", "?"], "street": [9.0, -9.0], "size": [9.0, -9.0]}, index=[7, 7])
    assert experiment_tree.best.predict(rows).tolist() == ["yes", "no"]
    proba = experiment_tree.best.predict_proba(rows)
    assert proba.shape == (2, 2) and proba[0, 1] > 0.5 > proba[1, 1]

def gate_missing_columns_are_named(experiment_tree):
    with pytest.raises(ValueError, match="street"):
        experiment_tree.best.predict(pd.DataFrame({"size": [1.0]}))

def gate_trials_come_in_declared_order(experiment_tree):
    assert [t.params["max_depth"] for t in experiment_tree.trials] == [1, 2, 3]
    assert [t.logged["leaves"] for t in experiment_tree.trials][0] == 2
    assert not hasattr(experiment_tree.trials[0], "test")

def gate_frame(experiment_tree):
    frame = experiment_tree.frame
    assert list(frame.trial) == ["max_depth:1", "max_depth:2", "max_depth:3"]
    assert list(frame.max_depth) == [1, 2, 3]
    assert set(frame.outcome) == {"passed"}
    assert list(frame.roc_auc) == [t.validation.roc_auc for t in experiment_tree.trials]
    assert (frame.leaves == [t.logged["leaves"] for t in experiment_tree.trials]).all()
    assert (frame.fit_seconds > 0).all() and (frame.seconds >= frame.fit_seconds).all()

def gate_texts(experiment_tree):
    best = experiment_tree.best
    assert repr(experiment_tree) == "experiment_tree"
    assert repr(best) == f"experiment_tree.best(max_depth={best.params['max_depth']})"
    assert repr(experiment_tree.trials[1]) == "experiment_tree.trials[1](max_depth=2)"

def gate_parameters_are_a_copy(experiment_tree):
    experiment_tree.best.params.clear()
    assert experiment_tree.best.params

def gate_slices(experiment_tree, shops):
    test = experiment_tree.best.test
    large = test.where(size=lambda size: size > 0)
    rows = shops.rows("test")
    assert len(large) == (rows["size"] > 0).sum()
    kept = shops.test.X[rows["size"] > 0]
    labels = np.array(shops.classes)[shops.test.y[rows["size"] > 0]]
    assert large.accuracy == (experiment_tree.best.predict(kept) == labels).mean()

def gate_reads_nothing():
    pass
"""
    )

    gates = {gate.name: gate for gate in records(run.path).gates}
    assert gates["gate_reads_nothing"].readings == {}
    assert list(gates["gate_reads_nothing"].opened) == []
    assert list(gates["gate_slices"].opened) == ["shops"]
    assert list(gates["gate_frame"].opened) == []
    assert list(gates["gate_slices"].readings) == ["experiment_tree.best.test.accuracy where size=<lambda>"]


LABELS = """
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from harness import dataset, grid

def rows(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})

@dataset(target="y")
def species():
    frame = rows()
    frame["y"] = np.select([frame.a < -0.5, frame.a < 0.5], ["Adelie", "Gentoo"], "Chinstrap")
    return frame

@dataset(target="y")
def flags():
    frame = rows()
    frame["y"] = frame.a > 0
    return frame

@dataset(target="y", positive=3)
def codes():
    frame = rows()
    frame["y"] = np.where(frame.a > 0, 3, 7)
    return frame

@dataset(target="y")
def prices():
    frame = rows()
    frame["y"] = 100 * frame.a + frame.b
    return frame

@grid(C=[0.01, 1.0])
def experiment_species(species, trial, C):
    trial.fit(LogisticRegression(C=C), species)

def experiment_flags(flags, trial):
    trial.fit(LogisticRegression(), flags)

def experiment_codes(codes, trial):
    trial.fit(LogisticRegression(), codes)

@grid(alpha=[1000.0, 0.1, 10.0])
def experiment_prices(prices, trial, alpha):
    trial.fit(Ridge(alpha=alpha), prices)

def gate_species(experiment_species, species):
    best = experiment_species.best
    assert species.classes == ["Adelie", "Chinstrap", "Gentoo"]
    assert best.params == {"C": 1.0}
    labels = [species.classes[code] for code in species.test.y.head(3)]
    assert best.predict(species.test.X.head(3)).tolist() == labels
    assert best.predict_proba(species.test.X).shape == (len(species.test), 3)
    assert best.test.accuracy > 0.8 and best.test.roc_auc > 0.9

def gate_flags(experiment_flags, flags):
    predicted = experiment_flags.best.predict(flags.test.X)
    assert predicted.dtype == bool
    assert (predicted == (flags.test.X.a > 0)).mean() == experiment_flags.best.test.accuracy

def gate_codes(experiment_codes, codes):
    assert codes.classes == [7, 3]
    predicted = experiment_codes.best.predict(codes.test.X)
    assert set(predicted) == {3, 7}
    right = (predicted == np.where(codes.test.X.a > 0, 3, 7)).mean()
    assert right == experiment_codes.best.test.accuracy > 0.9

def gate_the_lowest_wins_when_minimised(experiment_prices, prices):
    best = experiment_prices.best
    assert best.params == {"alpha": 0.1}
    assert best.validation.rmse == min(t.validation.rmse for t in experiment_prices.trials)
    residuals = best.predict(prices.test.X) - prices.test.y
    assert abs(best.test.rmse - np.sqrt((residuals ** 2).mean())) < 1e-9
"""


def test_predictions_have_the_labels_and_units_of_the_data(run):
    run(LABELS)


# which trial is the best


def record(index, value, outcome="passed", greater=True):
    return TrialRecord(
        node_id=f"x[{index}]",
        experiment="x",
        index=index,
        id=str(index),
        params={},
        outcome=outcome,
        objective="auc",
        greater_is_better=greater,
        scores={"validation": {} if value is None else {"auc": value}},
    )


@pytest.mark.parametrize("outcome", ["failed", "raised", "skipped", "error"])
def test_only_a_finished_trial_can_be_the_best(outcome):
    assert best([record(0, 0.9, outcome), record(1, 0.5)]).index == 1
    assert best([record(0, 0.9, outcome)]) is None


@pytest.mark.parametrize("greater", [True, False])
def test_ties_go_to_the_first_declared_however_they_came_back(greater):
    tied = [record(i, 0.5, greater=greater) for i in (2, 0, 1)]

    assert best(tied).index == 0


def test_the_direction_decides():
    values = {0: 0.5, 1: 0.9, 2: 0.1}

    assert best([record(i, v) for i, v in values.items()]).index == 1
    assert best([record(i, v, greater=False) for i, v in values.items()]).index == 2


def test_a_trial_without_the_objectives_value_is_never_the_best():
    assert best([record(0, None), record(1, -5.0)]).index == 1
    assert best([]) is None


def test_failed_raised_skipped_and_xfailed_trials_are_never_the_best(run):
    result = run(
        TREES
        + """
@pytest.mark.parametrize("max_depth", [
    1,
    2,
    pytest.param(3, marks=pytest.mark.xfail(reason="too deep")),
    pytest.param(4, marks=pytest.mark.skip),
    5,
    6,
])
def experiment_mixed(scaled, trial, max_depth):
    trial.log(reward=max_depth)
    trial.fit(DecisionTreeClassifier(max_depth=1), scaled)
    assert max_depth not in (3, 5)
    if max_depth == 6:
        raise OSError("disk")

@experiment(maximize="reward")
@grid(x=[1, 2, 3])
def experiment_torn_down(trial, x, request):
    trial.log(reward=x)
    if x == 3:
        request.addfinalizer(lambda: 1 / 0)

def gate_mixed(experiment_mixed, experiment_torn_down):
    assert experiment_mixed.best.params == {"max_depth": 1}
    assert [t.outcome for t in experiment_mixed.trials] == [
        "passed", "passed", "skipped", "skipped", "failed", "raised"
    ]
    assert experiment_torn_down.best.params == {"x": 2}
    failed = experiment_mixed.trials[4]
    assert failed.logged == {"reward": 5}
    assert experiment_mixed.frame.roc_auc.notna().tolist() == [True, True, True, False, True, True]
    with pytest.raises(HarnessError, match=r"trials\\[4\\]\\(max_depth=5\\) failed, so it has no model"):
        failed.train

def gate_of_a_failed_trial(experiment_mixed):
    assert experiment_mixed.trials[5].validation.accuracy > 0.5
""",
        ["gate_of_a_failed_trial"],
    )

    result.stdout.fnmatch_lines(
        [
            "E   *ResultError: experiment_mixed.trials[[]5[]](max_depth=6) raised, so it has no predictions; "
            "judge finished trials: those whose .outcome is 'passed'"
        ]
    )


# what a gate cannot have


def test_an_experiment_without_a_finished_trial_fails_its_gates(run):
    result = run(
        TREES
        + """
@grid(n=[1, 2, 3])
def experiment_broken(scaled, trial, n):
    assert n > 2
    pytest.skip("later")

def gate_broken(experiment_broken):
    assert experiment_broken.best.test.accuracy > 0.5
""",
        ["gate_broken"],
    )

    result.stdout.fnmatch_lines(
        [
            ">       assert experiment_broken.best.test.accuracy > 0.5",
            "E   *ResultError: experiment_broken has no finished trial (2 failed, 1 skipped); mend its tria*",
        ]
    )


def test_an_experiment_whose_trials_were_all_skipped_fails_its_gates(run):
    result = run(
        TREES
        + """
@pytest.mark.skip(reason="no GPU")
def experiment_gpu(scaled, trial): pass

def gate_gpu(experiment_gpu):
    assert experiment_gpu.best.test.accuracy > 0.5
""",
        ["gate_gpu"],
    )

    result.stdout.fnmatch_lines(["E   *experiment_gpu has no finished trial (1 skipped)*"])
    result.assert_outcomes(passed=4, failed=1, skipped=1)


def test_an_experiment_without_objective_has_no_best(run):
    result = run(
        """
def experiment_timing(trial):
    trial.log(seconds=3)

def gate_best(experiment_timing):
    assert experiment_timing.best.logged["seconds"] < 5

def gate_trials(experiment_timing):
    assert experiment_timing.trials[0].logged["seconds"] == 3

def gate_test(experiment_timing):
    assert experiment_timing.trials[0].validation.accuracy == 1
""",
        ["gate_best", "gate_test"],
    )

    result.stdout.fnmatch_lines(
        [
            "E   *ResultError: experiment_timing has no objective, so none of its trials is the best; "
            "name one: @experiment(maximize=…) or @experiment(minimize=…)",
            "E   *ResultError: experiment_timing.trials[[]0[]] fitted no model, so it has no scores and "
            "no model; read .logged, or call trial.fit(estimator, data) in the experiment",
        ]
    )


def test_an_experiment_asked_for_behind_the_back_of_selection_is_refused(run):
    run.project.write({"experiments/experiment_y.py": TREES})
    result = run(
        """
def gate_dynamic(request):
    experiment = request.getfixturevalue("experiment_tree")
    assert experiment.best.test.accuracy > 0.5
""",
        ["gate_dynamic"],
    )

    result.stdout.fnmatch_lines(
        [
            "E   *ResultError: 3 trials of experiment_tree have not run yet; name experiment_tree among the "
            "arguments of the gate, so that all of them run before it"
        ]
    )


def test_a_gate_that_asks_late_does_not_spoil_the_results_for_others(run):
    run.project.write(
        {
            "experiments/experiment_y.py": TREES
            + "\ndef gate_whole(experiment_tree):\n    assert len(experiment_tree.trials) == 3\n"
        }
    )
    run(
        """
def gate_early(request):
    experiment = request.getfixturevalue("experiment_tree")
    assert repr(experiment) == "experiment_tree"
    experiment.trials
""",
        ["gate_early"],
    )


USERS_OWN = """
import collections
from sklearn.base import BaseEstimator, TransformerMixin

CALLS = collections.Counter()

class Watched(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        CALLS["fit"] += 1
        return self

    def transform(self, X):
        CALLS["transform"] += 1
        return X
"""


def test_a_model_that_a_gate_loads_leaves_the_users_classes_as_they_are(run):
    run.project.write({"watched.py": USERS_OWN})
    with (run.path / "conftest.py").open("a") as file:
        file.write("import watched\n@features\ndef seen(shops):\n    return watched.Watched()\n")
    run.project.pytester.syspathinsert()
    run(
        """
import watched
from sklearn.tree import DecisionTreeClassifier

TRANSFORM = watched.Watched.transform

def experiment_watched(seen, trial):
    trial.fit(DecisionTreeClassifier(max_depth=2), seen)

def gate_watched(experiment_watched):
    before = watched.CALLS["transform"]
    assert experiment_watched.best.test.accuracy > 0.5
    assert watched.CALLS["transform"] > before
    assert type(experiment_watched.best.model.steps[0].transformer) is watched.Watched
    assert watched.Watched.transform is TRANSFORM
"""
    )


# the seal


def test_test_rows_are_for_the_best_and_in_gates_only(run):
    result = run(
        TREES
        + """
KEPT = []

@pytest.fixture(scope="session")
def hoarder(shops):
    return shops.test.X

def gate_opens(experiment_tree, shops, scaled):
    assert len(shops.test) == len(scaled.test) == len(experiment_tree.best.test) == 30
    KEPT.extend([experiment_tree.best, shops, scaled])

@grid(i=[0, 1, 2])
def experiment_thief(shops, trial, i):
    trial.use(DecisionTreeClassifier().fit(shops.train.X, shops.train.y), shops)
    KEPT[i].test

def test_ordinary(shops):
    with pytest.raises(SealedError, match="the test rows of 'shops' are sealed: only a gate may open them"):
        shops.test

def gate_thief(experiment_thief):
    for thief in experiment_thief.trials:
        assert thief.outcome == "raised"
        assert "SealedError: the test rows of 'shops' are sealed" in thief._record.message

def gate_hoarder(hoarder):
    assert len(hoarder) == 30
""",
        ["gate_hoarder"],
        "-o",
        "python_functions=test_*",
    )

    assert result.parseoutcomes() == {"passed": 7, "failed": 3, "errors": 1}
    gates = {gate.name: list(gate.opened) for gate in records(run.path).gates}
    assert gates == {"gate_opens": ["shops"], "gate_thief": [], "gate_hoarder": []}


# scores that are not there


def test_a_missing_score_fails_the_gate_with_what_was_meant(run):
    result = run(
        TREES
        + """
def gate_misspelt(experiment_tree):
    assert experiment_tree.best.test.acuracy > 0.5

def gate_of_another_task(experiment_tree):
    assert experiment_tree.best.test.rmse < 0.5

def gate_unknown_column(experiment_tree):
    assert experiment_tree.best.test.where(street_=1).accuracy > 0.5
""",
        ["gate_misspelt", "gate_of_another_task", "gate_unknown_column"],
    )

    result.stdout.fnmatch_lines(
        [
            "E   *ScoreError: there is no score 'acuracy'; did you mean accuracy? known: accuracy, bal*",
            "E   *ScoreError: rmse is a regression score; shops is binary; use accuracy,*",
            "E   *ScoreError: there is no column 'street_' in the 30 test rows of shops; did you mean stree*",
        ]
    )


def test_a_nan_score_fails_the_gate(run):
    result = run(
        TREES
        + """
from harness import metric

@metric
def margin(y, prediction):
    return float("nan") if len(y) == 30 else 0.5

def gate_nan(experiment_tree):
    assert experiment_tree.best.test.margin >= 0
""",
        ["gate_nan"],
    )

    result.stdout.fnmatch_lines(
        ["E   *ScoreError: @metric margin (experiment_x.py:*) returned nan for the 30 test rows of shops;*"]
    )


# what a failing gate shows


RED = """
from sklearn.tree import DecisionTreeClassifier
from harness import grid

@grid(max_depth=[1, 2, 3])
def experiment_tree(scaled, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)

def gate_accuracy(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 0.99
"""


def test_a_failing_gate_shows_both_numbers_the_best_parameters_and_its_line(run):
    result = run(RED, ["gate_accuracy"])

    output = result.stdout.str()
    start = output.index("____ gate_accuracy ____")
    shown = output[start : output.index("= experiments =")]
    shown = "\n".join(line.rstrip() for line in shown.splitlines()[1:-1])
    assert shown.strip("\n") == EXPECTED.strip("\n")


EXPECTED = """
experiment_tree = experiment_tree

    def gate_accuracy(experiment_tree):
>       assert experiment_tree.best.test.accuracy >= 0.99
E       assert 0.8666666666666667 >= 0.99
E        +  where 0.8666666666666667 = Scores(test of shops, 30 rows).accuracy
E        +    where Scores(test of shops, 30 rows) = experiment_tree.best(max_depth=3).test
E        +      where experiment_tree.best(max_depth=3) = experiment_tree.best

experiments/experiment_x.py:10: AssertionError
------------------------------------ judged ------------------------------------
experiment_tree.best(max_depth=3)
"""


def test_a_failing_comparison_of_two_experiments_names_both(run):
    result = run(
        RED
        + """
@grid(max_depth=[1])
def experiment_stump(scaled, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)

def gate_gain(experiment_tree, experiment_stump):
    assert experiment_tree.best.test.roc_auc > experiment_stump.best.test.roc_auc + 0.5
""",
        ["gate_accuracy", "gate_gain"],
    )

    output = result.stdout.str()
    assert "harness/" not in output
    assert "functools" not in output
    shown = output[output.index("____ gate_gain ____") : output.index("= experiments =")]
    assert re.search(
        r"judged.*\nexperiment_tree.best\(max_depth=\d\)\nexperiment_stump.best\(max_depth=1\)\n", shown
    )


def test_a_gate_that_raises_shows_the_users_line_alone(run):
    result = run(
        TREES
        + """
def helper(best):
    return best.test.accuracy / 0

def gate_raises(experiment_tree):
    assert helper(experiment_tree.best)

def gate_rows(experiment_tree):
    experiment_tree.best.predict(pd.DataFrame({"street": [1.0]}))
""",
        ["gate_raises", "gate_rows"],
        apart=True,  # MLflow may have given our classes in this process the methods of a pickled copy
    )

    output = result.stdout.str()
    result.stdout.fnmatch_lines(
        [">*return best.test.accuracy / 0", "E*ZeroDivisionError*", "E*ValueError*size*"]
    )
    assert "harness/" not in output


def test_columns_of_one_name_are_told_apart_in_the_frame(project):
    project.write(
        {
            "experiments/experiment_shops.py": """
                from sklearn.tree import DecisionTreeClassifier
                from harness import grid

                @grid(accuracy=[1, 2], seconds=["a"])
                def experiment_tree(scaled, trial, accuracy, seconds):
                    trial.fit(DecisionTreeClassifier(max_depth=accuracy), scaled)
                    trial.log(roc_auc=0.25 * accuracy)

                def gate_frame(experiment_tree):
                    frame = experiment_tree.frame
                    assert list(frame["accuracy"]) == [1, 2]
                    assert list(frame["param_seconds"]) == ["a", "a"]
                    assert (frame["seconds"] > 0).all()
                    assert list(frame["logged_roc_auc"]) == [0.25, 0.5]
                    assert list(frame["validation_accuracy"]) == [
                        t.validation.accuracy for t in experiment_tree.trials
                    ]
                """
        }
    )

    project.run("experiments").assert_outcomes(passed=4)


def test_a_gate_draws_the_same_random_numbers_whatever_ran_before(project):
    project.write(
        {
            "experiments/experiment_draws.py": """
                import random
                import numpy as np

                def gate_draws(experiment_tree):
                    with open("draws.txt", "a") as file:
                        print(random.random(), np.random.random(), file=file)
                """
        }
    )

    project.run("experiments").assert_outcomes(passed=6)
    project.run("experiments", "-k", "gate_draws")

    first, second = (project.path / "draws.txt").read_text().splitlines()
    assert first == second
