import lightgbm
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info
from toys import numeric, people, toy
from xgboost import XGBClassifier, XGBRegressor
from xgboost.callback import EarlyStopping

from harness.errors import EstimatorError
from harness.models import boosters
from harness.models.estimators import fit, outputs

QUIET = {"verbose": -1, "n_estimators": 40, "min_child_samples": 5}


@pytest.mark.parametrize(
    ("estimator", "task"),
    [
        (LogisticRegression(), "binary"),
        (RandomForestClassifier(3), "multiclass"),
        (LinearRegression(), "regression"),
        (make_pipeline(StandardScaler(), Ridge()), "regression"),
        (XGBClassifier(n_estimators=3), "multiclass"),
        (LGBMRegressor(**QUIET), "regression"),
    ],
)
def test_the_users_own_object_is_fitted_on_the_training_rows(estimator, task):
    data = toy(numeric(), task)

    done = fit(estimator, data, threads=1)

    assert done.estimator is estimator
    assert done.seconds > 0
    assert done.peak_memory > 1_000_000
    assert done.curves == {}
    assert estimator.predict(data.validation.X).shape == (60,)


def test_anything_with_fit_and_predict_will_do():
    class Majority:
        def fit(self, X, y):
            self.rows, self.code = len(X), y.mode()[0]

        def predict(self, X):
            return [self.code] * len(X)

    data = toy()

    done = fit(Majority(), data, threads=1)

    assert done.estimator.rows == len(data.train)
    assert outputs(done.estimator, data.validation.X, data).labels.tolist() == [done.estimator.code] * 60


@pytest.mark.parametrize(
    ("estimator", "task", "message"),
    [
        (XGBClassifier, "binary", "XGBClassifier is a class, not an estimator; write XGBClassifier()"),
        (StandardScaler(), "binary", "StandardScaler(), a StandardScaler, has no predict; give an estimator"),
        (
            make_pipeline(StandardScaler()),
            "binary",
            "Pipeline(steps=[('standardscaler', StandardScaler())]), a Pipe",
        ),
        (None, "binary", "None, a NoneType, has no fit; give an estimator with fit(X, y) and predict(X)"),
        (
            LinearRegression(),
            "binary",
            "LinearRegression is a regressor, and data set 'toy' is a binary task; use",
        ),
        (
            LogisticRegression(),
            "regression",
            "LogisticRegression is a classifier, and data set 'toy' is a regr",
        ),
        (
            KMeans(3),
            "multiclass",
            "KMeans is a clusterer, and data set 'toy' is a multiclass task; use a classifier",
        ),
        (
            make_pipeline(StandardScaler(), Ridge()),
            "binary",
            "Pipeline is a regressor, and data set 'toy' is a",
        ),
    ],
)
def test_what_cannot_be_fitted_on_this_data_is_refused(estimator, task, message):
    with pytest.raises(EstimatorError) as raised:
        fit(estimator, toy(numeric(), task), threads=1)

    assert str(raised.value).startswith(message)


def test_old_marks_of_the_kind_of_estimator_count():
    class Old:
        _estimator_type = "regressor"

        def fit(self, X, y): ...
        def predict(self, X): ...

    with pytest.raises(EstimatorError, match="Old is a regressor, and data set 'toy' is a binary task"):
        fit(Old(), toy(), threads=1)


def test_errors_of_the_estimator_go_through():
    with pytest.raises(ValueError, match="could not convert string to float"):
        fit(LogisticRegression(), toy(people()[["city"]].fillna("x")), threads=1)


def test_predictions_that_are_no_codes_say_what_to_fit_on():
    data = toy(numeric())
    by_hand = LogisticRegression().fit(data.train.X, np.where(data.train.y, "yes", "no"))

    with pytest.raises(EstimatorError) as raised:
        outputs(by_hand, data.validation.X, data)

    assert str(raised.value) == (
        "LogisticRegression.classes_ has the label 'no', which is not one of 0..1; "
        "fit on .y, which is 0..K-1 in the order of .classes, and predict the same"
    )


def test_errors_of_predict_go_through():
    data = toy(numeric())
    done = fit(LogisticRegression(), data, threads=1)

    with pytest.raises(ValueError, match="feature names should match") as raised:
        outputs(done.estimator, data.validation.X[["b", "a", "c"]], data)
    assert not isinstance(raised.value, EstimatorError)


class Watch(BaseEstimator):
    """A classifier that notes the threads it may use."""

    def fit(self, X, y):
        self.fit_threads = {pool["num_threads"] for pool in threadpool_info()}
        return self

    def predict(self, X):
        self.predict_threads = {pool["num_threads"] for pool in threadpool_info()}
        return np.zeros(len(X))


def test_fits_and_predictions_are_bounded():
    data, watch = toy(), Watch()

    fit(watch, data, threads=1)
    outputs(watch, data.validation.X, data, threads=1)

    assert watch.fit_threads == {1}
    assert watch.predict_threads == {1}


# Sample weights


def learnt(estimator, data):
    """What an estimator says of every row but the test rows."""
    X = pd.concat([data.train.X, data.validation.X])
    return estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)


def pipelines_of(last):
    return make_pipeline(StandardScaler(), last)


WEIGHTED = [
    (LogisticRegression, "binary", "sample_weight"),
    (lambda: pipelines_of(LogisticRegression()), "binary", "logisticregression__sample_weight"),
    (lambda: pipelines_of(pipelines_of(Ridge())), "regression", "pipeline__ridge__sample_weight"),
    (lambda: XGBClassifier(n_estimators=3), "multiclass", "sample_weight"),
    (lambda: LGBMClassifier(**QUIET), "binary", "sample_weight"),
    (lambda: CalibratedClassifierCV(LogisticRegression()), "binary", "sample_weight"),
    (lambda: GridSearchCV(LogisticRegression(), {"C": [1, 2]}), "binary", "sample_weight"),
    (
        lambda: GridSearchCV(pipelines_of(LogisticRegression()), {"logisticregression__C": [1]}),
        "binary",
        "logisticregression__sample_weight",
    ),
    (lambda: TransformedTargetRegressor(Ridge()), "regression", "sample_weight"),
    (
        lambda: VotingClassifier(
            [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=2))], voting="soft"
        ),
        "binary",
        "sample_weight",
    ),
    (lambda: StackingClassifier([("a", LogisticRegression())]), "binary", "sample_weight"),
    (lambda: BaggingClassifier(LogisticRegression(), 3, random_state=0), "binary", "sample_weight"),
]


@pytest.mark.parametrize(
    ("make", "task", "argument"), WEIGHTED, ids=[w[2] + str(i) for i, w in enumerate(WEIGHTED)]
)
def test_sample_weights_reach_the_estimator_that_learns(make, task, argument):
    data = toy(numeric(), task, weighted=True)

    done = fit(make(), data, threads=1)

    twin = make().fit(data.train.X, data.train.y, **{argument: data.train.weight})
    assert_allclose(learnt(done.estimator, data), learnt(twin, data), rtol=1e-9)
    plain = make().fit(data.train.X, data.train.y)
    assert not np.allclose(learnt(done.estimator, data), learnt(plain, data), rtol=1e-6)


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [3]}),
        VotingClassifier([("a", LogisticRegression()), ("b", KNeighborsClassifier())]),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_estimator_that_takes_no_weights_is_refused(estimator):
    name = type(estimator).__name__
    with pytest.raises(
        EstimatorError, match=f"{name} takes no sample weights, and data set 'toy' has some; use an"
    ):
        fit(estimator, toy(numeric(), weighted=True), threads=1)


def test_without_weights_none_are_passed():
    data = toy(numeric())

    assert fit(KNeighborsClassifier(), data, threads=1).curves == {}


# Early stopping and curves

STOPPING = [
    (lambda: XGBClassifier(n_estimators=40, early_stopping_rounds=3), "binary", "logloss"),
    (lambda: XGBClassifier(n_estimators=40, callbacks=[EarlyStopping(rounds=3)]), "multiclass", "mlogloss"),
    (lambda: XGBRegressor(n_estimators=40, early_stopping_rounds=3), "regression", "rmse"),
    (lambda: LGBMClassifier(**QUIET, early_stopping_round=3), "binary", "binary_logloss"),
    (lambda: LGBMClassifier(**QUIET, early_stopping_rounds=3), "multiclass", "multi_logloss"),
    (lambda: LGBMRegressor(**QUIET, n_iter_no_change=3), "regression", "l2"),
]


def rounds(booster) -> int:
    if isinstance(booster, lightgbm.LGBMModel):
        return booster.best_iteration_
    return booster.best_iteration + 1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("make", "task", "metric"), STOPPING)
def test_early_stopping_watches_the_validation_rows(make, task, metric, weighted, capfd):
    data = toy(numeric(), task, weighted=weighted)

    done = fit(make(), data, threads=1)

    (name,) = done.curves
    assert name == f"validation_{metric}"
    curve = done.curves[name]
    assert rounds(done.estimator) == np.argmin(curve) + 1 < 40
    assert curve[rounds(done.estimator) - 1] == pytest.approx(loss(done.estimator, data, metric), rel=1e-4)
    assert capfd.readouterr().out == ""


def loss(estimator, data, metric):
    """The metric on the validation rows by scikit-learn, which does not know of boosting."""
    from sklearn.metrics import log_loss, mean_squared_error

    X, y, weight = data.validation.X, data.validation.y, data.validation.weight
    if data.task == "regression":
        squared = mean_squared_error(y, estimator.predict(X), sample_weight=weight)
        return squared**0.5 if metric == "rmse" else squared
    return log_loss(y, estimator.predict_proba(X), sample_weight=weight)


@pytest.mark.parametrize("kind", [XGBClassifier, LGBMClassifier])
def test_curves_are_kept_when_asked_for_and_change_nothing(kind):
    options = QUIET if kind is LGBMClassifier else {"n_estimators": 40}
    data = toy(numeric())

    with_curves = fit(kind(**options), data, threads=1, curves=True)
    without = fit(kind(**options), data, threads=1)

    assert [len(curve) for curve in with_curves.curves.values()] == [40]
    assert without.curves == {}
    assert_array_equal(learnt(with_curves.estimator, data), learnt(without.estimator, data))


def test_curves_of_other_estimators_are_empty():
    assert (
        fit(HistGradientBoostingClassifier(max_iter=2), toy(numeric()), threads=1, curves=True).curves == {}
    )


@pytest.mark.parametrize("value", [None, 0, -1])
def test_no_number_of_rounds_is_no_early_stopping(value):
    done = fit(LGBMClassifier(**QUIET, early_stopping_round=value), toy(numeric()), threads=1)

    assert done.curves == {}


def test_lightgbm_before_4_7_takes_its_older_argument(monkeypatch):
    booster = LGBMClassifier(**QUIET, early_stopping_round=3)
    data = toy(numeric())

    class Older:
        """As the signature of LightGBM 4.6."""

        def __init__(self):
            self.given = None

        def fit(self, X, y, eval_set=None, eval_names=None, eval_sample_weight=None):
            self.given = eval_set

    monkeypatch.setattr(booster, "fit", Older().fit)

    arguments = boosters.validation(booster, data.validation)

    assert arguments["eval_set"][0][0].equals(data.validation.X)
    assert "eval_X" not in arguments


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), XGBClassifier(early_stopping_rounds=3)),
        make_pipeline(StandardScaler(), LGBMClassifier(early_stopping_round=3)),
        CalibratedClassifierCV(XGBClassifier(early_stopping_rounds=3)),
    ],
    ids=lambda e: type(e).__name__,
)
def test_early_stopping_inside_another_estimator_is_refused(estimator):
    with pytest.raises(
        EstimatorError, match=r"(XGB|LGBM)Classifier inside a .* is set to stop early.*@features"
    ):
        fit(estimator, toy(numeric()), threads=1)


@pytest.mark.parametrize("kind", [XGBClassifier, LGBMClassifier])
def test_columns_of_any_name_are_fitted_watched_and_predicted(kind):
    plain = toy(numeric())
    strange = toy(numeric().set_axis(["a[1]", "b<5", 'c:"d"'], axis=1))
    options = {**QUIET, "early_stopping_round": 3} if kind is LGBMClassifier else {"early_stopping_rounds": 3}

    done = fit(kind(**options), strange, threads=1)

    twin = fit(kind(**options), plain, threads=1)
    said = outputs(done.estimator, strange.validation.X, strange)
    expected = outputs(twin.estimator, plain.validation.X, plain)
    assert_array_equal(said.probability, expected.probability)
    assert done.curves == twin.curves


@pytest.mark.parametrize("kind", [XGBClassifier, LGBMClassifier])
def test_sparse_rows_are_fitted_watched_and_predicted(kind):
    from scipy.sparse import csr_matrix

    data = toy(numeric())
    encoder = OneHotEncoder(handle_unknown="ignore").fit(data.train.X.round())

    class Sparse:
        task, classes, name = data.task, data.classes, data.name
        train = type(
            "S", (), {"X": encoder.transform(data.train.X.round()), "y": data.train.y, "weight": None}
        )
        validation = type(
            "S",
            (),
            {"X": encoder.transform(data.validation.X.round()), "y": data.validation.y, "weight": None},
        )

    options = {**QUIET, "early_stopping_round": 3} if kind is LGBMClassifier else {"early_stopping_rounds": 3}

    done = fit(kind(**options), Sparse, threads=1)

    assert type(Sparse.validation.X) is csr_matrix
    assert outputs(done.estimator, Sparse.validation.X, Sparse).labels.shape == (60,)
