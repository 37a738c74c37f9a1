"""The `trial` fixture: what it fits, scores, logs, keeps and refuses."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sklearn.calibration  # noqa: F401  # runs in this process must not import it anew
from lightgbm import LGBMClassifier, LGBMRegressor
from recorded import last_run, records, trials
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info
from toys import numeric, toy
from xgboost import XGBClassifier

from harness.data.dataset import Seal
from harness.declarations import ExperimentDeclaration, MetricDeclaration
from harness.errors import DeclarationError, EstimatorError, HarnessError, ScoreError, SealedError
from harness.models.model import Model
from harness.models.pickling import Dumper, loads
from harness.scoring.metrics import table
from harness.trial import Bench, Trial


@pytest.fixture
def new(tmp_path):
    """Make trials; their files lie in tmp_path/trials/x-0000."""

    def make(*datasets, params=None, maximize=None, minimize=None, metrics=(), threads=1):
        declaration = ExperimentDeclaration(maximize=maximize, minimize=minimize)
        bench = Bench(
            dumper=Dumper(tmp_path),
            run=tmp_path,
            folder="trials/x-0000",
            metrics=table(metrics),
            threads=threads,
        )
        return Trial(params or {}, declaration, bench, datasets)

    return make


def binary(**options):
    return toy(numeric(), "binary", **options)


class Labels(ClassifierMixin, BaseEstimator):
    """A classifier that gives nothing but labels."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return (X["a"] > 0).astype(int)


# fit and scores


def test_a_classifier_with_probabilities_has_every_score(new):
    data, trial = binary(), new()
    model = trial.fit(LogisticRegression(), data)

    y, p = data.validation.y, model.predict_proba(data.validation.X)

    assert trial.validation.roc_auc == roc_auc_score(y, p[:, 1])
    assert trial.validation.log_loss == pytest.approx(log_loss(y, p), abs=1e-12)
    assert trial.train.accuracy == accuracy_score(data.train.y, model.predict(data.train.X))


def test_a_decision_function_ranks_but_gives_no_probability(new):
    data, trial = binary(), new()
    model = trial.fit(LinearSVC(), data)

    ranking = model.decision_function(data.validation.X)

    assert trial.validation.roc_auc == roc_auc_score(data.validation.y, ranking)
    with pytest.raises(ScoreError, match="log_loss needs probabilities, and LinearSVC gives none"):
        trial.validation.log_loss  # noqa: B018


def test_labels_alone_give_scores_of_labels_only(new):
    data, trial = binary(), new(maximize="accuracy")
    trial.fit(Labels(), data)

    assert trial.validation.accuracy == accuracy_score(data.validation.y, data.validation.X["a"] > 0)
    with pytest.raises(ScoreError, match="roc_auc needs probabilities or a decision function"):
        trial.validation.roc_auc  # noqa: B018
    trial.finish()
    assert "roc_auc" not in trial.outcome["scores"]["validation"]
    assert "accuracy" in trial.outcome["scores"]["validation"]


def test_labels_alone_cannot_meet_the_default_objective(new):
    data = binary()
    trial = new(data)
    trial.fit(Labels(), data)

    with pytest.raises(ScoreError, match=r"roc_auc needs .* Labels gives none; use an estimator with pred"):
        trial.finish()


def test_a_regressor_is_scored_in_the_units_of_the_target(new):
    data, trial = toy(numeric(), "regression"), new()
    model = trial.fit(Ridge(), data)

    expected = root_mean_squared_error(data.validation.y, model.predict(data.validation.X))
    assert trial.validation.rmse == expected


def test_a_pipeline_is_fitted_on_the_training_rows_alone(new):
    data, trial = binary(), new()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())

    assert trial.fit(pipeline, data) is pipeline
    np.testing.assert_allclose(pipeline[0].mean_, data.train.X.mean())


@pytest.mark.parametrize(
    ("estimator", "metric"),
    [
        (XGBClassifier(n_estimators=200, early_stopping_rounds=3, eval_metric="logloss"), "logloss"),
        (LGBMClassifier(n_estimators=200, early_stopping_round=3, verbose=-1), "binary_logloss"),
    ],
    ids=["xgboost", "lightgbm"],
)
def test_early_stopping_watches_the_validation_rows_and_never_the_test_rows(new, estimator, metric):
    seal = Seal()
    data, trial = binary(seal=seal), new()
    model = trial.fit(estimator, data)
    trial.finish()

    curve = trial.outcome["curves"][f"validation_{metric}"]
    at_best = log_loss(data.validation.y, model.predict_proba(data.validation.X))
    assert len(curve) < 200
    assert min(curve) == pytest.approx(at_best, rel=1e-5)
    assert not seal.openings


def test_curves_are_kept_when_asked_and_change_no_score(new):
    data, plain, watched = toy(numeric(), "regression"), new(), new()
    estimator = {"n_estimators": 7, "verbose": -1, "min_child_samples": 5}
    plain.fit(LGBMRegressor(**estimator), data)
    watched.fit(LGBMRegressor(**estimator), data, curves=True)
    plain.finish()
    watched.finish()

    assert plain.outcome["curves"] == {}
    assert [len(curve) for curve in watched.outcome["curves"].values()] == [7]
    assert watched.validation.rmse == plain.validation.rmse


def test_sample_weights_reach_the_fit_and_every_score(new):
    data, trial = binary(weighted=True), new()
    model = trial.fit(LogisticRegression(), data)
    alone = LogisticRegression().fit(data.train.X, data.train.y, sample_weight=data.train.weight)

    np.testing.assert_array_equal(model.coef_, alone.coef_)
    split = data.validation
    unweighted = accuracy_score(split.y, model.predict(split.X))
    weighted = accuracy_score(split.y, model.predict(split.X), sample_weight=split.weight)
    assert trial.validation.accuracy == pytest.approx(weighted, abs=1e-12)
    assert trial.validation.accuracy != pytest.approx(unweighted, abs=1e-6)


def test_a_second_fit_replaces_the_first(new, tmp_path):
    data, trial = binary(), new()
    trial.fit(LogisticRegression(C=1e-6), data)
    first = trial.validation.log_loss
    trial.train.log_loss  # noqa: B018  # would be remembered
    model = trial.fit(DecisionTreeClassifier(max_depth=2), data)
    trial.train.accuracy  # noqa: B018  # of the second
    trial.finish()

    assert trial.validation.log_loss != first
    assert trial.outcome["scores"]["train"]["accuracy"] == model.score(data.train.X, data.train.y)
    kept = loads((tmp_path / trial.outcome["files"]["model"]).read_bytes())
    assert isinstance(kept.estimator, DecisionTreeClassifier)
    with np.load(tmp_path / trial.outcome["files"]["predictions"]) as arrays:
        np.testing.assert_array_equal(arrays["probability"], model.predict_proba(data.validation.X))


def test_a_model_used_after_a_fit_takes_its_place_and_its_cost(new):
    data, trial = binary(), new()
    fitted = trial.fit(XGBClassifier(n_estimators=3), data, curves=True)
    trial.use(fitted, data)
    trial.finish()

    assert trial.outcome["fit_seconds"] is None
    assert trial.outcome["curves"] == {}


def test_what_a_fit_cost_is_recorded(new):
    data, trial = binary(), new()
    trial.fit(LogisticRegression(), data)
    trial.finish()

    assert trial.outcome["fit_seconds"] > 0
    assert trial.outcome["peak_memory"] > 1e7
    assert (trial.outcome["dataset"], trial.outcome["data_digest"]) == ("toy", data.digest)


class Bounded(DecisionTreeClassifier):
    """Remembers how many threads OpenMP and BLAS were allowed in its fit."""

    def fit(self, X, y):
        self.allowed_ = {pool["num_threads"] for pool in threadpool_info()}
        return super().fit(X, y)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fit_keeps_to_the_trials_threads(new, threads):
    trial = new(threads=threads)

    assert trial.fit(Bounded(), binary()).allowed_ == {threads}


# use


class ByHand:
    """A model that is no scikit-learn estimator."""

    def predict(self, X):
        return (X["a"] > 0).astype(int)


def test_a_model_trained_by_hand_is_scored_and_kept(new, tmp_path):
    data, trial = binary(), new(maximize="accuracy")

    assert trial.use(ByHand(), data) is None
    trial.finish()

    expected = accuracy_score(data.validation.y, data.validation.X["a"] > 0)
    assert trial.outcome["scores"]["validation"]["accuracy"] == expected
    kept = loads((tmp_path / trial.outcome["files"]["model"]).read_bytes())
    assert set(kept.predict(numeric())) == {"no", "yes"}


@pytest.mark.parametrize("model", [object(), 3, None, ByHand], ids=["object", "number", "none", "class"])
def test_a_model_without_predict_is_refused(new, model):
    with pytest.raises(EstimatorError, match=r"^trial\.use was given .* without predict; give a fitted"):
        new().use(model, binary())


def test_a_model_that_predicts_other_labels_is_refused_at_the_users_line(new):
    class Strange:
        def predict(self, X):
            return np.full(len(X), "yes")

    with pytest.raises(
        EstimatorError, match=r"gave .yes., which is not a number; fit on \.y, which is 0\.\."
    ):
        new().use(Strange(), binary())


# what cannot be fitted


def test_a_class_instead_of_an_instance_is_refused(new):
    with pytest.raises(
        EstimatorError, match=r"^LogisticRegression is a class, .*; write LogisticRegression\(\)$"
    ):
        new().fit(LogisticRegression, binary())


def test_an_estimator_without_predict_is_refused(new):
    with pytest.raises(EstimatorError, match=r"^StandardScaler\(\), a StandardScaler, has no predict; give"):
        new().fit(StandardScaler(), binary())


@pytest.mark.parametrize("verb", ["fit", "use"])
@pytest.mark.parametrize("data", [numeric(), None, "shops"], ids=["frame", "none", "name"])
def test_data_that_is_no_data_set_is_refused(new, verb, data):
    with pytest.raises(EstimatorError) as caught:
        getattr(new(), verb)(LogisticRegression(), data)

    assert str(caught.value) == (
        f"trial.{verb}(…, data) was given a {type(data).__name__}; "
        "give the data set or the features by the name of their fixture"
    )


def test_a_split_is_no_data_set(new):
    data = binary()

    with pytest.raises(EstimatorError, match=r"was given a Split; give the data set"):
        new().fit(LogisticRegression(), data.train)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_there_are_no_scores_before_a_fit(new, split):
    with pytest.raises(ScoreError) as caught:
        getattr(new(), split)

    assert str(caught.value) == (
        f"the trial has no model yet, so no scores on its {split} rows; "
        "call trial.fit(estimator, data) or trial.use(model, data) first"
    )


def test_a_model_that_cannot_be_pickled_is_refused_with_the_attribute(new):
    data, trial = binary(), new()
    model = LogisticRegression()
    model.connection = (i for i in range(3))

    with pytest.raises(EstimatorError, match=r"the fitted LogisticRegression cannot be kept: .*connection"):
        trial.fit(model, data)


# params and log


def test_parameters_are_a_copy(new):
    trial = new(params={"depth": 3})
    trial.params["depth"] = 4

    assert trial.params == {"depth": 3}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (3, 3.0),
        (0.5, 0.5),
        (True, 1.0),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        (np.int8(7), 7.0),
        (np.bool_(False), 0.0),
        (np.float64(1e300), 1e300),
        (-math.inf, -math.inf),
    ],
    ids=lambda value: f"{type(value).__name__}:{value}",
)
def test_every_kind_of_number_can_be_logged(new, value, kept):
    trial = new()
    trial.log(value=value)
    trial.finish()

    assert trial.outcome["logged"] == {"value": kept}
    assert type(trial.outcome["logged"]["value"]) is float


@pytest.mark.parametrize(
    "value", ["0.9", None, [0.9], 1j, {"a": 1}, np.array([0.9])], ids=lambda v: type(v).__name__
)
def test_what_is_no_number_cannot_be_logged(new, value):
    trial = new()

    with pytest.raises(
        ScoreError, match=rf"^trial\.log\(auc=.*\) is a {type(value).__name__}, not a number; log"
    ):
        trial.log(auc=value)


def test_a_score_can_be_logged_and_a_later_value_counts(new):
    data, trial = binary(), new()
    trial.fit(LogisticRegression(), data)
    trial.log(best=0.1)
    trial.log(best=trial.validation.accuracy)
    trial.finish()

    assert trial.outcome["logged"] == {"best": float(trial.validation.accuracy)}


# figures and artifacts


class Figure:
    """Draws like matplotlib and plotly."""

    def savefig(self, path):
        with open(path, "w") as file:
            file.write("picture")

    def write_html(self, path):
        with open(path, "w") as file:
            file.write("page")


def test_figures_are_kept_under_their_names(new, tmp_path):
    trial = new()
    trial.log_figure(Figure(), "roc.png")
    trial.log_figure(Figure(), "by class/roc.html")
    trial.finish()

    files = trial.outcome["files"]
    assert sorted(files) == ["artifact/by class/roc.html", "artifact/roc.png"]
    assert (tmp_path / files["artifact/roc.png"]).read_text() == "picture"
    assert (tmp_path / files["artifact/by class/roc.html"]).read_text() == "page"


def test_a_figure_drawn_again_replaces_the_first(new, tmp_path):
    trial = new()
    for text in ("one", "two"):
        (tmp_path / "x.txt").write_text(text)
        trial.log_artifact(tmp_path / "x.txt", "note.txt")
    trial.finish()

    assert (tmp_path / trial.outcome["files"]["artifact/note.txt"]).read_text() == "two"


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/tmp/x.png", "", ".", "./", "a\\b.png", "a\0b.png"], ids=repr
)
def test_a_name_that_leaves_the_trials_folder_is_refused(new, tmp_path, name):
    trial = new()
    (tmp_path / "source").write_text("x")

    for keep in (
        lambda: trial.log_figure(Figure(), name),
        lambda: trial.log_artifact(tmp_path / "source", name or "."),
    ):
        with pytest.raises(HarnessError, match=r"is no name for an artifact; give a relative one"):
            keep()
    trial.finish()
    assert trial.outcome["files"] == {}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["source"]


def test_something_that_is_no_figure_is_refused(new):
    with pytest.raises(
        HarnessError, match=r"^trial\.log_figure was given a DataFrame, which has none of savefig"
    ):
        new().log_figure(numeric(), "table.png")


def test_a_figure_that_fails_to_draw_leaves_no_file_name_behind(new):
    class Broken:
        def savefig(self, path):
            raise RuntimeError("no renderer")

    trial = new()
    with pytest.raises(RuntimeError, match="no renderer"):
        trial.log_figure(Broken(), "roc.png")
    trial.abandon()

    assert trial.outcome["files"] == {}


def test_an_artifact_that_is_missing_is_refused(new, tmp_path):
    with pytest.raises(
        HarnessError, match=r"trial\.log_artifact\('.*gone\.csv'\): there is no such file; write it"
    ):
        new().log_artifact(str(tmp_path / "gone.csv"))
    with pytest.raises(HarnessError, match="there is no such file"):
        new().log_artifact(tmp_path)


# objective


@pytest.mark.parametrize(
    ("task", "name", "greater"),
    [("binary", "roc_auc", True), ("multiclass", "accuracy", True), ("regression", "rmse", False)],
)
def test_the_default_objective_follows_the_task(new, task, name, greater):
    data = toy(numeric(), task)
    trial = new(data)
    trial.fit(Ridge() if task == "regression" else LogisticRegression(), data)
    trial.finish()

    assert (trial.outcome["objective"], trial.outcome["greater_is_better"]) == (name, greater)
    assert name in trial.outcome["scores"]["validation"]


def cost(y, prediction):
    return float(((y == 1) & (prediction == 0)).sum() * 5 + ((y == 0) & (prediction == 1)).sum())


def test_a_metric_of_the_users_own_can_be_the_objective(new):
    data = binary()
    trial = new(
        data,
        minimize="cost",
        metrics=[MetricDeclaration(name="cost", function=cost, greater_is_better=False)],
    )
    model = trial.fit(LogisticRegression(), data)
    trial.finish()

    assert trial.outcome["objective"] == "cost"
    expected = cost(data.validation.y.to_numpy(), model.predict(data.validation.X))
    assert trial.outcome["scores"]["validation"]["cost"] == expected


def test_a_declared_score_beyond_the_standard_set_is_recorded(new):
    data = toy(numeric(), "regression")
    trial = new(data, minimize="median_absolute_error")
    trial.fit(Ridge(), data)
    if "median_absolute_error" not in table([]):
        pytest.fail("choose another score that is not logged by default")
    trial.finish()

    assert "median_absolute_error" in trial.outcome["scores"]["validation"]


def test_an_experiment_without_data_and_objective_simply_logs(new):
    trial = new()
    trial.log(seconds=1.5)
    trial.finish()

    assert trial.outcome["objective"] is None
    assert trial.outcome["logged"] == {"seconds": 1.5}


def test_a_logged_value_can_be_the_objective_with_and_without_a_model(new):
    data = binary()
    for datasets in ((), (data,)):
        trial = new(*datasets, minimize="seconds")
        if datasets:
            trial.fit(LogisticRegression(), data)
        trial.log(seconds=1.5)
        trial.finish()

        assert (trial.outcome["objective"], trial.outcome["greater_is_better"]) == ("seconds", False)


def test_no_score_for_the_objective_is_told_with_what_there_was(new):
    trial = new(binary())
    trial.log(rounds=3)

    with pytest.raises(ScoreError) as caught:
        trial.finish()
    assert str(caught.value) == (
        "the trial gave no score for its objective 'roc_auc'; it logged ['rounds']; "
        "call trial.fit(estimator, data), trial.use(model, data) or trial.log(roc_auc=…)"
    )


def test_a_logged_objective_that_is_nan_is_refused(new):
    trial = new(maximize="reward")
    trial.log(reward=float("nan"))

    with pytest.raises(
        ScoreError, match=r"^the trial logged reward=nan, its objective; log a finite number$"
    ):
        trial.finish()


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"maximize": "rmse"}, r"maximize='rmse', but rmse is better when lower; write minimize='rmse'"),
        ({"minimize": "rmse"}, r"minimize='rmse' is no score for binary data; .*roc_auc"),
        ({"maximize": "roc_auc", "minimize": "log_loss"}, r"are both given; an experiment has one objective"),
    ],
    ids=["against-the-metric", "of-another-task", "both"],
)
def test_an_objective_that_cannot_be_is_refused_before_anything_is_fitted(new, option, text):
    with pytest.raises(DeclarationError, match=text):
        new(binary(), **option).objective()


def test_a_trial_that_was_abandoned_keeps_its_scores_and_no_model(new):
    data = binary()
    trial = new(data)
    trial.fit(LogisticRegression(), data)
    trial.log(rounds=3)
    trial.abandon()

    assert trial.outcome["scores"]["validation"]["roc_auc"] == trial.validation.roc_auc
    assert trial.outcome["logged"] == {"rounds": 3.0}
    assert "model" not in trial.outcome["files"]
    assert trial.outcome["objective"] == "roc_auc"


def test_a_trial_without_a_score_for_its_objective_keeps_its_other_scores(new):
    data = binary()
    trial = new(data, maximize="reward")
    trial.fit(LogisticRegression(), data)
    with pytest.raises(ScoreError):
        trial.finish()
    trial.abandon()

    assert trial.outcome["scores"]["validation"]["roc_auc"] == trial.validation.roc_auc


def test_the_test_rows_stay_sealed_from_a_trial(new):
    data, trial = binary(), new()
    trial.fit(LogisticRegression(), data)

    with pytest.raises(
        SealedError, match=r"^the test rows of 'toy' are sealed: only a gate may open them; write a"
    ):
        data.test  # noqa: B018


# in a run

MANY = """
    import random
    import numpy as np
    import pytest
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier
    from harness import experiment, grid

    def experiment_raises(scaled, trial):
        trial.fit(DecisionTreeClassifier(), scaled)
        raise RuntimeError("out of cheese")

    def experiment_asserts(scaled, trial):
        trial.fit(DecisionTreeClassifier(max_depth=1), scaled)
        assert trial.validation.accuracy > 0.999

    def experiment_gives_nothing(scaled, trial):
        trial.log(rounds=3)

    def experiment_touches_the_test_rows(scaled, trial):
        trial.fit(DecisionTreeClassifier(), scaled)
        scaled.test.X

    def experiment_fits_a_class(scaled, trial):
        trial.fit(DecisionTreeClassifier, scaled)

    @grid(depth=[1])
    def experiment_fits_a_scaler(scaled, trial, depth):
        trial.fit(StandardScaler(), scaled)

    @experiment(maximize="reward")
    def experiment_logs_nan(trial):
        trial.log(reward=float("nan"))

    @experiment(minimize="rmse")
    def experiment_of_another_task(scaled, trial):
        raise SystemError("must not run")

    @pytest.mark.skip(reason="not today")
    def experiment_skipped(scaled, trial): pass

    @pytest.mark.xfail(reason="known")
    def experiment_expected(scaled, trial):
        trial.fit(DecisionTreeClassifier(), scaled)
        assert False

    @grid(max_depth=[1, 2])
    def experiment_good(scaled, trial, max_depth):
        print("training")
        trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)

    @experiment(minimize="milliseconds")
    @grid(size=[1, 2])
    def experiment_benchmark(trial, size):
        trial.log(milliseconds=size * 10)

    def gate_good(experiment_good, experiment_benchmark):
        assert experiment_good.best.test.accuracy > 0.6
        assert experiment_benchmark.best.params == {"size": 1}
"""


@pytest.fixture
def alone(project):
    """The mini-project without its experiment file."""
    (project.path / "experiments/experiment_shops.py").unlink()
    return project


def test_every_way_to_fail_says_so_and_the_other_trials_go_on(alone):
    result = alone.write({"experiments/experiment_many.py": MANY}).run("experiments")

    result.assert_outcomes(passed=6, failed=7, errors=1, skipped=1, xfailed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    output = result.stdout.str()
    assert "harness/" not in output
    assert "object at 0x" not in output
    for text in (
        "E       RuntimeError: out of cheese",
        "E       assert 0.7166666666666667 > 0.999",
        "trial = trial(depth=1)",
        "\nthe trial gave no score for its objective 'roc_auc'; it logged ['rounds']; call trial.fit(",
        "E       harness.errors.SealedError: the test rows of 'shops' are sealed: only a gate may open them;",
        "E       harness.errors.EstimatorError: DecisionTreeClassifier is a class, not an estimator; write D",
        "E       harness.errors.EstimatorError: StandardScaler(), a StandardScaler, has no predict; give an",
        "\nthe trial logged reward=nan, its objective; log a finite number\n",
        "E   harness.errors.DeclarationError: minimize='rmse' is no score for binary data; known: accuracy,",
    ):
        assert text in output, text
    assert "must not run" not in output


def test_what_every_trial_gave_is_recorded_with_its_outcome(alone):
    alone.write({"experiments/experiment_many.py": MANY}).run("experiments")

    found = {trial.experiment.removeprefix("experiment_"): trial for trial in records(alone.path).trials}
    assert {name: trial.outcome for name, trial in found.items()} == {
        "raises": "raised",
        "asserts": "failed",
        "gives_nothing": "failed",
        "touches_the_test_rows": "raised",
        "fits_a_class": "raised",
        "fits_a_scaler": "raised",
        "logs_nan": "failed",
        "of_another_task": "raised",
        "skipped": "skipped",
        "expected": "skipped",
        "good": "passed",
        "benchmark": "passed",
    }
    assert found["asserts"].scores["validation"]["accuracy"] == pytest.approx(43 / 60)
    assert "model" not in found["asserts"].files
    assert found["gives_nothing"].logged == {"rounds": 3.0}
    assert "assert 0.7166666666666667 > 0.999" in found["asserts"].message
    assert found["skipped"].message == "not today"
    assert found["expected"].message == "expected failure: known"
    assert found["good"].output == "training\n"
    assert found["benchmark"].value == 20
    assert found["benchmark"].dataset is None


def test_a_metric_that_is_nan_fails_the_trial_and_names_its_line(alone):
    alone.write(
        {
            "experiments/experiment_nan.py": """
                import numpy as np
                from sklearn.tree import DecisionTreeClassifier
                from harness import experiment, metric

                @metric
                def profit(y, prediction):
                    return np.nan

                @experiment(maximize="profit")
                def experiment_nan(scaled, trial):
                    trial.fit(DecisionTreeClassifier(), scaled)
                """
        }
    )

    result = alone.run("experiments")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["@metric profit (experiment_nan.py:6) returned nan for the 60 validation rows of shops; return*"]
    )


def test_a_metric_that_raises_shows_the_users_line_and_nothing_of_the_harness(alone):
    with (alone.path / "conftest.py").open("a") as file:
        file.write(
            "from harness import metric\n@metric\ndef ratio(y, prediction):\n    return 1 / 0  # the line\n"
        )
    alone.write(
        {
            "experiments/experiment_ratio.py": """
                from sklearn.tree import DecisionTreeClassifier
                from harness import experiment

                @experiment(maximize="ratio")
                def experiment_ratio(scaled, trial):
                    trial.fit(DecisionTreeClassifier(), scaled)
                """
        }
    )

    result = alone.run("experiments")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([">*return 1 / 0  # the line", "E*ZeroDivisionError: division by zero"])
    assert "harness/" not in result.stdout.str()
    [trial] = trials(alone.path, "experiment_ratio")
    assert (trial.outcome, trial.dataset) == ("raised", "shops")


def test_a_metric_that_cannot_judge_the_baseline_does_not_end_the_run(alone):
    alone.write(
        {
            "experiments/experiment_baseline.py": """
                from sklearn.tree import DecisionTreeClassifier
                from harness import metric

                @metric
                def odds(y, prediction):
                    return prediction.mean() / (1 - prediction.mean())

                @metric
                def found(y, prediction):
                    return 1 / int(len(set(prediction)) == 2)

                def experiment_baseline(scaled, trial):
                    trial.fit(DecisionTreeClassifier(), scaled)

                def gate_baseline(experiment_baseline):
                    assert experiment_baseline.best.test.accuracy > 0.5
                """
        }
    )

    result = alone.run("experiments")

    assert result.ret == pytest.ExitCode.OK
    [best] = records(alone.path).bests
    assert "accuracy" in best.baseline
    assert "found" not in best.baseline
    assert "found" in best.test


# seeds

DRAWS = """
    import random
    import numpy as np
    import pytest
    from sklearn.ensemble import RandomForestClassifier
    from harness import grid

    @pytest.fixture(scope="session")
    def once():
        return np.random.rand()

    @pytest.fixture
    def before():
        return random.random() + np.random.rand()

    @pytest.fixture
    def after(scaled, once):
        return random.random() + np.random.rand()

    @grid(max_depth=[1, 2, 3])
    def experiment_forest(before, scaled, once, after, trial, max_depth):
        trial.fit(RandomForestClassifier(5, max_depth=max_depth), scaled)
        trial.log(here=random.random() + np.random.rand(), before=before, once=once, after=after)
"""


@pytest.fixture
def draws(alone):
    conftest = (alone.path / "conftest.py").read_text()
    conftest += (
        "from sklearn.preprocessing import QuantileTransformer\n"
        "@features\n"
        "def scaled(shops):\n"
        "    import numpy\n"
        "    numpy.random.rand(7)\n"
        "    return QuantileTransformer(n_quantiles=20, subsample=50)\n"
    )
    return alone.write({"conftest.py": conftest, "experiments/experiment_draws.py": DRAWS})


def numbers(path):
    return {
        trial.id: (trial.logged, trial.scores["validation"]) for trial in trials(path, "experiment_forest")
    }


@pytest.mark.parametrize("selection", ["max_depth:1", "max_depth:3", "max_depth:2 or max_depth:3"])
def test_a_trial_alone_gives_the_numbers_of_the_whole_run(draws, selection):
    draws.run("experiments").assert_outcomes(passed=4)
    whole = numbers(draws.path)
    random.random(), np.random.rand()

    draws.run("experiments", "-k", selection)

    part = numbers(draws.path)
    assert part
    assert part == {name: whole[name] for name in part}


def test_every_trial_draws_numbers_of_its_own(draws):
    draws.run("experiments")

    whole = numbers(draws.path)
    for name in ("here", "before", "after"):
        assert len({logged[name] for logged, _ in whole.values()}) == 3
    assert len({logged["once"] for logged, _ in whole.values()}) == 1


def test_another_seed_gives_other_numbers(draws):
    draws.run("experiments", "-k", "max_depth:1")
    first = numbers(draws.path)
    draws.run("experiments", "-k", "max_depth:1", "-o", "experiment_seed=1")

    assert numbers(draws.path) != first


# threads


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_bound_a_fit_and_an_explicit_n_jobs_wins(alone, threads):
    alone.write(
        {
            "experiments/experiment_threads.py": """
                import pytest
                from threadpoolctl import threadpool_info
                from xgboost import XGBClassifier

                class Watched(XGBClassifier):
                    def fit(self, X, y, **more):
                        pools = [pool for pool in threadpool_info() if pool["user_api"] == "openmp"]
                        self.openmp = max(pool["num_threads"] for pool in pools)
                        self.jobs = self.n_jobs
                        return super().fit(X, y, **more)

                @pytest.mark.parametrize("n_jobs", [None, 2], ids=["free", "fixed"])
                def experiment_threads(scaled, trial, n_jobs):
                    model = trial.fit(Watched(n_estimators=2, n_jobs=n_jobs), scaled)
                    trial.log(openmp=model.openmp, jobs=model.jobs)
                """
        }
    )

    alone.run("experiments", f"--threads={threads}").assert_outcomes(passed=3)

    free, fixed = trials(alone.path, "experiment_threads")
    assert free.logged == {"openmp": threads, "jobs": threads}
    assert fixed.logged["jobs"] == 2


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_threads_that_cannot_be_is_refused(project, value):
    result = project.run("experiments", f"--threads={value}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"*argument --threads: {value!r} is not a whole number of threads, 1 or more"]
    )
    assert not (project.path / ".harness").exists()


# files


def test_only_the_best_trials_model_is_kept_after_a_run(project):
    project.run("experiments")

    run = last_run(project.path)
    [best] = run.records().bests
    kept = {trial.node_id for trial in run.records().trials if (run.path / trial.files["model"]).exists()}
    assert kept == {best.node_id}
    assert all((run.path / trial.files["predictions"]).exists() for trial in run.records().trials)
    model = loads((run.path / f"trials/experiment_tree-{best_index(run, best):04d}/model.pkl").read_bytes())
    assert isinstance(model, Model)
    assert set(model.predict(pd.DataFrame({"street": [-3.0, 3.0], "size": [-3.0, 3.0]}))) == {"no", "yes"}


def best_index(run, best):
    return next(trial.index for trial in run.records().trials if trial.node_id == best.node_id)


@pytest.mark.parametrize("call", ["note(trial)", "trial.log(profit=1)"])
def test_an_objective_that_the_trial_or_a_helper_may_log_is_not_refused(project, call):
    project.write(
        {
            "experiments/experiment_profit.py": f"""
                from sklearn.tree import DecisionTreeClassifier
                from harness import experiment

                def note(trial):
                    trial.log(profit=2)

                @experiment(maximize="profit")
                def experiment_profit(shops, trial):
                    trial.fit(DecisionTreeClassifier(), shops)
                    {call}
                """
        }
    )

    project.run("experiments/experiment_profit.py").assert_outcomes(passed=2)


def test_a_fixture_that_hides_trial_is_told(project):
    project.write(
        {
            "experiments/experiment_own.py": """
                import pytest

                @pytest.fixture
                def trial():
                    return None

                def experiment_own(trial):
                    pass
                """
        }
    )

    result = project.run("experiments/experiment_own.py")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a fixture of the project is called `trial`*rename it"])
