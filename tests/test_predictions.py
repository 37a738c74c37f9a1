import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from toys import numeric, target
from xgboost import XGBClassifier, XGBRFClassifier

from harness.models.predictions import OutputError, library, outputs, parts, predicts_likeliest, safely_named

X = numeric().round(1)  # rounded, so that there are ties
BINARY, THREE, VALUES = (target(X, task) for task in ("binary", "multiclass", "regression"))


class Stub:
    """An estimator that says what it is told."""

    def __init__(self, **methods):
        for name, value in methods.items():
            setattr(self, name, value if name == "classes_" else lambda X, value=value: value)

    def fit(self, X, y):
        return self


LIKELIEST = [
    XGBClassifier(n_estimators=3, n_jobs=1),
    XGBRFClassifier(n_estimators=3, n_jobs=1),
    LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1),
    RandomForestClassifier(4, random_state=0),
    ExtraTreesClassifier(4, random_state=0),
    DecisionTreeClassifier(max_depth=2),
    ExtraTreeClassifier(max_depth=2, random_state=0),
    make_pipeline(StandardScaler(), RandomForestClassifier(4, random_state=0)),
]
OTHERS = [
    LogisticRegression(),
    HistGradientBoostingClassifier(max_iter=3),
    KNeighborsClassifier(4),
    DummyClassifier(strategy="stratified", random_state=0),
    SVC(random_state=0),
    LinearSVC(),
    RidgeClassifier(),
    Perceptron(),
    OneVsRestClassifier(LinearSVC()),
    VotingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier())]),
]


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "multiclass"])
@pytest.mark.parametrize("estimator", LIKELIEST + OTHERS, ids=lambda e: type(e).__name__)
def test_labels_are_those_of_predict(estimator, y):
    estimator = clone(estimator).fit(X, y)

    said = outputs(estimator, X, "any", y.nunique())

    assert said.labels.dtype == np.int64
    np.testing.assert_array_equal(said.labels, estimator.predict(X))


@pytest.mark.parametrize("estimator", LIKELIEST, ids=lambda e: type(e).__name__)
def test_estimators_known_to_predict_the_likeliest_class_are_asked_once(estimator, monkeypatch):
    estimator = clone(estimator).fit(X, THREE)
    calls = []
    predict = type(estimator).predict
    monkeypatch.setattr(
        type(estimator), "predict", lambda self, *args: calls.append(1) or predict(self, *args)
    )

    outputs(estimator, X, "multiclass", 3)

    assert not calls


def test_a_subclass_or_an_objective_of_the_users_own_is_asked_for_its_labels():
    class Cautious(XGBClassifier):
        def predict(self, X):
            return (self.predict_proba(X)[:, 1] > 0.8).astype(int)

    estimator = Cautious(n_estimators=3, n_jobs=1).fit(X, BINARY)

    assert outputs(estimator, X, "binary", 2).labels.tolist() == estimator.predict(X).tolist()
    assert not predicts_likeliest(LGBMClassifier(objective=lambda y, p: (p - y, np.ones_like(p))))


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "multiclass"])
@pytest.mark.parametrize("estimator", [LIKELIEST[0], LIKELIEST[2], OTHERS[0]], ids=lambda e: type(e).__name__)
def test_probabilities_are_the_estimators_own_to_the_bit_and_rank(estimator, y):
    estimator = clone(estimator).fit(X, y)

    said = outputs(estimator, X, "any", y.nunique())

    expected = estimator.predict_proba(X)
    assert said.probability.dtype == expected.dtype
    np.testing.assert_array_equal(said.probability, expected)
    np.testing.assert_array_equal(said.ranking, expected[:, 1] if y is BINARY else expected)


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "multiclass"])
@pytest.mark.parametrize("estimator", [LinearSVC(), RidgeClassifier(), Perceptron(), SVC()], ids=repr)
def test_a_decision_function_ranks_where_there_are_no_probabilities(estimator, y):
    estimator = clone(estimator).fit(X, y)

    said = outputs(estimator, X, "any", y.nunique())

    assert said.probability is None
    np.testing.assert_array_equal(said.ranking, estimator.decision_function(X))


def test_pairwise_decisions_rank_no_class():
    assert outputs(SVC(decision_function_shape="ovo").fit(X, THREE), X, "multiclass", 3).ranking is None


def test_labels_alone_are_enough():
    said = outputs(Stub(predict=BINARY), X, "binary", 2)

    np.testing.assert_array_equal(said.labels, BINARY)
    assert said.probability is None
    assert said.ranking is None


def test_a_class_absent_from_training_has_probability_zero():
    estimator = LogisticRegression().fit(X, THREE.replace(1, 0))

    said = outputs(estimator, X, "multiclass", 3)

    np.testing.assert_array_equal(said.probability[:, [0, 2]], estimator.predict_proba(X))
    assert (said.probability[:, 1] == 0).all()
    assert set(said.labels.tolist()) == {0, 2}
    assert outputs(LinearSVC().fit(X, THREE.replace(1, 0)), X, "multiclass", 3).ranking is None


@pytest.mark.parametrize(
    "labels", [BINARY.astype(float), BINARY.astype(bool), BINARY.tolist(), BINARY.to_numpy()[:, None]]
)
def test_labels_of_any_type_and_shape_are_codes(labels):
    said = outputs(Stub(predict=labels), X, "binary", 2)

    assert said.labels.dtype == np.int64
    np.testing.assert_array_equal(said.labels, BINARY)


@pytest.mark.parametrize("y", [VALUES, VALUES.astype("float32"), VALUES.to_frame(), VALUES.tolist()])
def test_values_of_any_type_and_shape_are_floats(y):
    said = outputs(Stub(predict=y), X, "regression", None)

    assert said.labels.dtype == np.float64
    np.testing.assert_array_equal(said.labels, np.asarray(y, dtype="float64").ravel())


def test_a_regressor_gives_values_only():
    said = outputs(LinearRegression().fit(X, VALUES), X, "regression", None)

    assert said.labels.shape == (len(X),)
    assert said.probability is None
    assert said.ranking is None


def constant(value):
    return np.full(len(X), value)


def rows_of(*values):
    return np.tile(np.array(values), (len(X), 1))


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"predict": np.where(BINARY, "yes", "no")}, r"Stub.predict gave 'yes', which is not a number"),
        ({"predict": constant(2)}, r"Stub.predict has the label 2, which is not one of 0\.\.1"),
        ({"predict": constant(-1)}, r"label -1, which is not"),
        ({"predict": constant(0.5)}, r"label 0\.5, which is not one of 0\.\.1"),
        ({"predict": [0, 1]}, r"Stub.predict gave an array of shape \(2,\), not \(240,\)"),
        ({"predict": constant(np.nan)}, r"Stub.predict gave 240 values that are NaN or infinite"),
        ({"predict": [None] * len(X)}, r"not a number"),
        (
            {"predict": BINARY, "classes_": np.array(["no", "yes"])},
            r"classes_ has the label 'no', which is not",
        ),
        ({"predict": BINARY, "predict_proba": rows_of(0.2, 0.3, 0.5)}, r"shape \(240, 3\), not \(240, 2\)"),
        ({"predict": BINARY, "predict_proba": constant(0.5)}, r"shape \(240,\), not \(240, 2\)"),
        (
            {"predict": BINARY, "predict_proba": rows_of(-2.0, 3.0)},
            r"predict_proba gave values between -2 and 3",
        ),
        ({"predict": BINARY, "predict_proba": rows_of(np.nan, 1.0)}, r"240 values that are NaN or infinite"),
        (
            {"predict": BINARY, "decision_function": constant(np.inf)},
            r"decision_function gave 240 values that",
        ),
    ],
)
def test_what_cannot_be_an_answer_is_refused(methods, message):
    with pytest.raises(OutputError, match=message):
        outputs(Stub(**methods), X, "binary", 2)


def test_a_regression_that_is_not_finite_is_refused():
    with pytest.raises(OutputError, match=r"Stub.predict gave 1 values that are NaN or infinite"):
        outputs(Stub(predict=VALUES.where(VALUES.index > 0, np.inf)), X, "regression", None)


BAD = ["a[1]", "a_1_", "b<2", "b]2", 'c:"x",{y}', "d e", "d_e", "plain"]


@pytest.mark.parametrize("kind", [XGBClassifier, LGBMClassifier])
def test_columns_of_any_name_can_be_fitted_and_predicted(kind):
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(240, len(BAD))), columns=BAD)
    options = {"verbose": -1} if kind is LGBMClassifier else {}
    estimator = kind(n_estimators=3, n_jobs=1, **options)
    with pytest.raises(Exception, match=r"feature_names must be string|special JSON characters"):
        estimator.fit(wide, BINARY)

    estimator.fit(safely_named(estimator, wide), BINARY)

    twin = kind(n_estimators=3, n_jobs=1, **options).fit(wide.to_numpy(), BINARY)
    said = outputs(estimator, wide, "binary", 2)
    np.testing.assert_array_equal(said.probability, twin.predict_proba(wide.to_numpy()))


def test_safe_names_are_unique_and_keep_good_ones():
    safe = list(safely_named(XGBClassifier(), pd.DataFrame([range(len(BAD))], columns=BAD)).columns)

    assert len(set(safe)) == len(BAD)
    assert safe[-1] == "plain"
    assert not set("".join(safe)) & set('[]<>{}":, ')


def test_names_stay_where_no_booster_refuses_them_or_a_transformer_may_select_by_them():
    rows = pd.DataFrame({"a[1]": [1.0], "b": [2.0]})
    by_name = make_pipeline(make_column_transformer((StandardScaler(), ["a[1]"])), XGBClassifier())

    assert safely_named(LogisticRegression(), rows) is rows
    assert safely_named(by_name, rows) is rows
    assert safely_named(XGBClassifier(), rows[["b"]]).columns.tolist() == ["b"]
    assert safely_named(XGBClassifier(), rows.to_numpy()).shape == (1, 2)
    assert safely_named(CalibratedClassifierCV(XGBClassifier()), rows).columns.tolist() == ["a_1_", "b"]


def test_parts_and_their_libraries_are_found_however_deep():
    inner = LGBMClassifier()
    deep = VotingClassifier([("p", make_pipeline(StandardScaler(), inner)), ("x", XGBClassifier())])

    assert any(part is inner for part in parts(deep))
    assert {library(part) for part in parts(deep)} == {"lightgbm", "xgboost", None}
    assert library(XGBClassifier) is None or parts(XGBClassifier) == [XGBClassifier]
