"""What a user reads: scores as attributes, slices of them, and errors that name the remedy."""

from __future__ import annotations

import copy
import json
import math
import operator
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from harness.declarations import MetricDeclaration
from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import table
from harness.scoring.scores import MetricWarning, Score, Scores
from harness.scoring.subject import Subject

N = 120
FLOATS = st.floats(allow_nan=False)
CLASSES = {"binary": ["<=50K", ">50K"], "multiclass": ["Adelie", "Chinstrap", "Gentoo"], "regression": None}


def frame(n: int = N) -> pd.DataFrame:
    age = np.arange(n) % 50 + 17
    return pd.DataFrame(
        {"sex": np.where(np.arange(n) % 3, "Male", "Female"), "age": age}, index=np.arange(n) + 9
    )


def scores(task: str = "binary", *, metrics: Any = (), give: str = "probability", **options: Any) -> Scores:
    """Return scores of random predictions of the task; `give` what the model has."""
    rng = np.random.default_rng(0)
    classes = options.pop("classes", CLASSES[task])
    if classes is None:
        y, said = rng.normal(size=N), Predictions(rng.normal(size=N))
    else:
        k = len(classes)
        y, p = rng.integers(0, k, N), rng.dirichlet(np.ones(k), N)
        ranking = p[:, 1] if k == 2 else p
        said = Predictions(
            labels=p.argmax(axis=1),
            probability=p if give == "probability" else None,
            ranking=None if give == "labels" else ranking,
        )
    given = {"y": y, "predictions": said, "weight": None, "rows": frame, "groups": None}
    given |= {name: options.pop(name) for name in list(options) if name in given}
    about = {"split": "validation", "dataset": "income", "model": "", "title": ""}
    about |= {name: options.pop(name) for name in list(options) if name in about}
    subject = Subject(task=task, classes=tuple(classes or ()), size=len(given["y"]), **about)
    given["y"] = np.asarray(given["y"])
    if given["weight"] is not None:
        given["weight"] = np.asarray(given["weight"], dtype=np.float64)
    return Scores(subject, Evidence(**given, n_classes=len(subject.classes)), table(metrics), **options)


def metric(function: Callable[..., Any], name: str = "cost") -> MetricDeclaration:
    return MetricDeclaration(name=name, function=function, greater_is_better=False)


# --- Score: a float in every way


@given(FLOATS, FLOATS)
def test_a_score_compares_adds_and_hashes_as_its_float(a: float, b: float) -> None:
    score = Score(a, "accuracy", 10)

    for compare in (operator.lt, operator.le, operator.eq, operator.ne, operator.ge, operator.gt):
        assert compare(score, b) == compare(a, b)
        assert compare(b, score) == compare(b, a)
        assert compare(np.float64(b), score) == compare(np.float64(b), np.float64(a))
        assert compare(score, Score(b, "f1", 3)) == compare(a, b)
    assert hash(score) == hash(a)
    assert {score: 1}[a] == 1
    assert sorted([score, b]) == sorted([a, b])
    assert (score + b, score - b, -score, abs(score)) == pytest.approx(
        (a + b, a - b, -a, abs(a)), nan_ok=True
    )


@given(FLOATS)
def test_a_score_is_written_as_its_float(a: float) -> None:
    score = Score(a, "accuracy", 10)

    assert (repr(score), str(score), f"{score:.3f}", f"{score}") == (repr(a), str(a), f"{a:.3f}", f"{a}")
    assert json.dumps(score) == json.dumps(a)


@given(st.floats(0, 1), st.integers(0, 5))
def test_a_rounded_score_is_the_rounded_float(a: float, digits: int) -> None:
    assert round(Score(a, "accuracy", 10), digits) == round(a, digits)
    assert type(round(Score(a, "accuracy", 10), digits)) is float


@given(FLOATS, st.text(), st.integers(0))
def test_copies_of_a_score_know_what_it_knows(a: float, name: str, n: int) -> None:
    score = Score(a, name, n)

    copies = [copy.copy(score), copy.deepcopy(score)]
    copies += [pickle.loads(pickle.dumps(score, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for twin in copies:
        assert (type(twin), twin, twin.name, twin.n) == (Score, a, name, n)


def test_scores_fit_into_arrays_and_frames() -> None:
    score = Score(0.5, "accuracy", 10)

    assert np.array([score, score]).dtype == np.float64
    assert pd.DataFrame({"accuracy": [score]})["accuracy"].dtype == np.float64
    assert isinstance(score, float)
    assert math.isclose(score, 0.5)


# --- Scores: metrics as attributes


def test_a_score_knows_its_metric_and_number_of_rows() -> None:
    accuracy = scores().accuracy

    assert type(accuracy) is Score
    assert (accuracy.name, accuracy.n) == ("accuracy", N)


def test_values_are_those_of_scikit_learn() -> None:
    s = scores()
    y, said = s._evidence.y, s._evidence.predictions

    assert s.accuracy == sk.accuracy_score(y, said.labels)
    assert s.roc_auc == sk.roc_auc_score(y, said.ranking)
    assert s.log_loss == sk.log_loss(y, said.probability)


def test_weights_count() -> None:
    weight = pd.Series(np.arange(N) % 4, index=frame().index)
    s = scores(weight=weight)
    y, labels = s._evidence.y, s._evidence.predictions.labels

    assert s.f1 == sk.f1_score(y, labels, sample_weight=weight)
    assert s.f1 != scores().f1
    part = s.where(sex="Female")
    women = (frame()["sex"] == "Female").to_numpy()
    assert part.f1 == sk.f1_score(y[women], labels[women], sample_weight=weight[women])


def test_a_score_is_computed_when_first_read_and_once() -> None:
    calls = []

    def cost(y: Any) -> float:
        calls.append(len(y))
        return 2.5

    s = scores(metrics=[metric(cost)])
    assert calls == []
    assert (s.cost, s.cost, s.values(["cost"])) == (2.5, 2.5, {"cost": 2.5})
    assert calls == [N]


def test_reads_are_told_each_time_with_the_slice() -> None:
    told: list[tuple[str, float]] = []
    s = scores(on_read=lambda name, value: told.append((name, value)))

    s.values()
    assert told == []
    whole, again = s.accuracy, s.accuracy
    part = s.where(sex="Female").where(age=lambda a: a > 40).accuracy

    assert told == [
        ("accuracy", whole),
        ("accuracy", again),
        ("accuracy where sex='Female', age=<lambda>", part),
    ]
    assert {type(value) for _, value in told} == {float}


def test_an_error_is_no_read() -> None:
    told: list[Any] = []
    s = scores(on_read=lambda *read: told.append(read))

    with pytest.raises(ScoreError):
        s.rmse  # noqa: B018
    assert told == []


@pytest.mark.parametrize(
    ("task", "give", "names"),
    [
        ("binary", "probability", "all"),
        ("multiclass", "probability", "all"),
        ("multiclass", "ranking", "all but log_loss"),
        ("binary", "labels", "by labels"),
    ],
)
def test_values_are_the_standard_set_that_can_be_computed(task: str, give: str, names: str) -> None:
    labels = ["accuracy", "balanced_accuracy", "precision", "recall", "f1"]
    wanted = labels + ([] if give == "labels" else ["roc_auc", "average_precision"])
    wanted += ["log_loss"] if give == "probability" else []

    s = scores(task, give=give)
    found = s.values()

    assert list(found) == wanted, names
    assert found == {name: getattr(s, name) for name in wanted}
    assert {type(value) for value in found.values()} == {float}


def test_values_of_regression_and_of_declared_metrics() -> None:
    s = scores("regression", metrics=[metric(lambda y, prediction: abs(y - prediction).max())])

    assert list(s.values()) == ["r2", "rmse", "mae", "cost"]
    assert s.values()["cost"] == s.max_error


def test_values_by_name_must_exist() -> None:
    assert list(scores().values(["brier_score", "f1"])) == ["brier_score", "f1"]
    with pytest.raises(ScoreError, match="log_loss needs probabilities"):
        scores(give="labels").values(["f1", "log_loss"])


def test_size_and_text() -> None:
    s = scores()

    assert len(s) == N
    assert repr(s) == "Scores(validation of income, 120 rows)"
    assert repr(s.where(sex="Female")) == "Scores(validation of income where sex='Female', 40 rows)"
    one = s.where(sex="Female", age=lambda a: np.arange(len(a)) == 0)
    assert repr(one) == "Scores(validation of income where sex='Female', age=<lambda>, 1 row)"


def test_scores_are_offered_for_completion() -> None:
    assert {"accuracy", "log_loss", "where", "values"} <= set(dir(scores()))
    assert "r2" not in dir(scores())
    assert "log_loss" not in dir(scores(give="labels"))


@pytest.mark.parametrize("name", ["_repr_html_", "__array__", "_ipython_display_", "__deepcopy__", "_cost"])
def test_hidden_names_are_plainly_absent(name: str) -> None:
    s = scores()

    assert not hasattr(s, name)
    with pytest.raises(AttributeError, match=f"'Scores' object has no attribute '{name}'") as caught:
        getattr(s, name)
    assert not isinstance(caught.value, ScoreError)
    assert not hasattr(Scores.__new__(Scores), "_evidence")


def test_hasattr_tells_whether_a_score_can_be_read() -> None:
    assert hasattr(scores(), "roc_auc")
    assert not hasattr(scores(), "rmse")
    assert not hasattr(scores(give="labels"), "roc_auc")


def test_copies_give_the_same_scores() -> None:
    s = scores(metrics=[metric(len_of_x)])

    for twin in (copy.copy(s), copy.deepcopy(s), pickle.loads(pickle.dumps(s))):
        assert twin.values() == s.values()
    part = s.where(sex="Female")
    assert pickle.loads(pickle.dumps(part)).values() == part.values()


def len_of_x(X: Any) -> int:
    return len(X)


# --- slices


@given(st.sets(st.integers(17, 66), min_size=12), st.booleans())
def test_a_slice_scores_its_rows_and_no_others(ages: set[int], women: bool) -> None:
    s = scores(metrics=[metric(lambda X: X["age"].sum())])
    sex = "Female" if women else "Male"
    chosen = (frame()["age"].isin(ages) & (frame()["sex"] == sex)).to_numpy()
    if not chosen.any():
        return
    y, labels = s._evidence.y[chosen], s._evidence.predictions.labels[chosen]

    for part in (s.where(sex=sex, age=ages), s.where(sex=sex).where(age=ages)):
        assert len(part) == chosen.sum() == part.accuracy.n
        assert part.accuracy == sk.accuracy_score(y, labels)
        assert part.cost == frame()["age"][chosen].sum()


def test_slices_of_a_partition_weigh_up_to_the_whole() -> None:
    s = scores()
    parts = [s.where(sex="Female"), s.where(sex="Male")]

    assert sum(len(part) * part.accuracy for part in parts) / N == pytest.approx(s.accuracy)


def test_an_empty_slice_names_what_there_is() -> None:
    with pytest.raises(ScoreError) as caught:
        scores().where(sex="female")

    assert str(caught.value) == (
        "none of the 120 validation rows of income has sex='female'; sex has 'Male' (80), 'Female' (40)"
    )
    with pytest.raises(
        ScoreError, match="none of the 40 validation rows of income where sex='Female' has age=99"
    ):
        scores().where(sex="Female").where(age=99)


def test_columns_named_like_our_own_arguments() -> None:
    rows = frame().rename(columns={"sex": "self", "age": "hours-per-week"})

    assert len(scores(rows=lambda: rows).where(self="Female", **{"hours-per-week": range(17, 47)})) == 26


# --- what does not exist


@pytest.mark.parametrize(
    ("task", "give", "name", "text"),
    [
        (
            "binary",
            "probability",
            "acuracy",
            "there is no score 'acuracy'; did you mean accuracy? known: accuracy, ",
        ),
        (
            "binary",
            "probability",
            "r2",
            "r2 is a regression score; income is binary; use accuracy, balanced_accuracy, precision, ",
        ),
        (
            "regression",
            "",
            "f1",
            "f1 is a classification score; income is regression; use r2, rmse, mae, mse, mape, ",
        ),
        (
            "binary",
            "ranking",
            "log_loss",
            "log_loss needs probabilities, and LinearSVC gives none; "
            "wrap it in CalibratedClassifierCV or use roc_auc",
        ),
        (
            "binary",
            "labels",
            "brier_score",
            "brier_score needs probabilities, and LinearSVC gives none; "
            "wrap it in CalibratedClassifierCV or use accuracy",
        ),
        (
            "multiclass",
            "labels",
            "roc_auc",
            "roc_auc needs probabilities or a decision function, and LinearSVC gives none; "
            "use an estimator with predict_proba or use accuracy",
        ),
    ],
)
def test_a_score_that_does_not_exist_names_the_remedy(task: str, give: str, name: str, text: str) -> None:
    with pytest.raises(ScoreError) as caught:
        getattr(scores(task, give=give, model="LinearSVC"), name)

    assert str(caught.value).startswith(text)


def test_without_a_name_it_is_the_model() -> None:
    with pytest.raises(ScoreError, match="log_loss needs probabilities, and the model gives none"):
        scores(give="labels").log_loss  # noqa: B018


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_a_ranking_of_one_class(name: str) -> None:
    s = scores(rows=lambda: frame().assign(y=scores()._evidence.y)).where(y=0)

    with pytest.raises(ScoreError) as caught:
        getattr(s, name)

    assert str(caught.value) == (
        f"{name} needs every class, and none of the {len(s)} validation rows of income where y=0 is '>50K'; "
        "use accuracy here, or take more rows"
    )
    assert list(s.values()) == ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "log_loss"]


def test_absent_classes_are_named_but_not_all() -> None:
    y, p = np.array([0, 1]), np.eye(9)[:2]
    s = scores("multiclass", y=y, classes=list("abcdefghi"), predictions=Predictions(y, p, p))

    with pytest.raises(ScoreError, match="is 'c', 'd', 'e', 'f', 'g' or one of 2 more; use accuracy"):
        s.roc_auc  # noqa: B018


def test_one_row_has_no_r2() -> None:
    s = scores("regression").where(age=lambda a: np.arange(len(a)) == 3)

    with pytest.raises(
        ScoreError, match="r2 needs at least 2 rows, not the 1 validation row of income where age="
    ):
        s.r2  # noqa: B018
    assert list(s.values()) == ["rmse", "mae"]


def test_a_score_that_is_nan_is_an_error() -> None:
    y = np.zeros(5, dtype=np.int64)

    with pytest.raises(
        ScoreError, match="cohen_kappa is nan for the 5 validation rows of income; use a score that"
    ):
        scores(y=y, predictions=Predictions(y)).cohen_kappa  # noqa: B018


@pytest.mark.filterwarnings("error")
def test_a_score_that_is_infinite_is_an_error() -> None:
    y = np.array([1e200, -1e200])

    with pytest.raises(ScoreError, match="mse is inf for the 2 validation rows of income"):
        scores("regression", y=y, predictions=Predictions(-y)).mse  # noqa: B018


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_prediction_that_is_not_finite_is_an_error_of_every_score(bad: float) -> None:
    said = np.array([1.0, bad, 3.0])
    s = scores("regression", y=np.ones(3), predictions=Predictions(said), model="Ridge")

    text = "Ridge predicted nan or infinity for 1 of the 3 validation rows of income; a score needs a proper"
    for name in ("r2", "rmse", "mae", "median_absolute_error", "max_error"):
        with pytest.raises(ScoreError, match=text):
            getattr(s, name)
    with pytest.raises(ScoreError, match=text):
        s.values()


def test_a_nan_among_rankings_is_never_sorted_away() -> None:
    y, p = np.array([0, 1, 0, 1]), np.array([0.1, math.nan, 0.3, 0.9])
    s = scores(y=y, predictions=Predictions(y, np.column_stack([1 - p, p]), p), model="SVC")

    for name in ("roc_auc", "average_precision", "log_loss", "brier_score"):
        with pytest.raises(
            ScoreError, match="SVC predicted nan, infinity or an unknown class for 1 of the 4"
        ):
            getattr(s, name)
    assert s.accuracy == 1.0


def test_a_label_of_no_class_is_an_error() -> None:
    s = scores(y=np.array([0, 1]), predictions=Predictions(np.array([0, 300])))

    with pytest.raises(
        ScoreError, match="the model predicted nan, infinity or an unknown class for 1 of the 2"
    ):
        s.accuracy  # noqa: B018


def test_probabilities_that_are_none() -> None:
    y, p = np.array([0, 1]), np.array([[0.2, 0.2], [0.5, 0.9]])
    s = scores(y=y, predictions=Predictions(y, p, p[:, 1]), model="Mine")

    with pytest.raises(
        ScoreError, match="log_loss needs probabilities, and those of Mine do not sum to 1 a row; wrap"
    ):
        s.log_loss  # noqa: B018
    assert "log_loss" not in s.values()
    assert s.roc_auc == 1.0


def test_rows_without_weight() -> None:
    s = scores(weight=(frame()["sex"] == "Male").astype(float))

    with pytest.raises(
        ScoreError, match=r"the weights of the 40 validation rows of income where .* sum to 0; take"
    ):
        s.where(sex="Female").accuracy  # noqa: B018


def test_predictions_of_other_rows() -> None:
    with pytest.raises(
        ScoreError, match="Ridge gave 3 predictions for the 2 validation rows of income; it must"
    ):
        scores("regression", y=np.ones(2), predictions=Predictions(np.ones(3)), model="Ridge")


# --- metrics of the user's own


@pytest.mark.parametrize("value", [3, 2.5, np.float32(1.5), np.int64(4), Fraction(1, 4)])
def test_any_real_number_is_a_score(value: Any) -> None:
    cost = scores(metrics=[metric(lambda y: value)]).cost

    assert (type(cost), cost, cost.name) == (Score, float(value), "cost")


@pytest.mark.parametrize(
    ("value", "given"),
    [
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (None, "a NoneType"),
        ("0.5", "a str"),
        (True, "a bool"),
        (np.bool_(True), "a bool"),
        (1 + 2j, "a complex"),
        (np.ones(3), "a ndarray"),
    ],
)
def test_a_metric_that_returns_no_finite_number(value: Any, given: str) -> None:
    declaration = metric(lambda y: value)
    s = scores(metrics=[declaration])

    text = f"@metric cost ({declaration.place}) returned {given} for the 120 validation rows of income; "
    for read in (lambda: s.cost, s.values):
        with pytest.raises(ScoreError) as caught:
            read()
        assert str(caught.value) == text + "return a finite number"


def test_an_error_of_a_metric_is_the_users_own() -> None:
    def cost(probability: Any) -> float:
        return float(probability[:, 1].mean())

    s = scores(metrics=[metric(cost)], give="labels")

    with pytest.raises(TypeError, match="NoneType"):
        s.cost  # noqa: B018
    told = r"@metric cost is not recorded for .*: TypeError: 'NoneType'"
    with pytest.warns(MetricWarning, match=told):
        assert "cost" not in s.values()


def test_a_metric_sees_predictions_as_they_are() -> None:
    """A metric of the user's own may count the rows that a model has no answer for."""
    s = scores(
        "regression",
        y=np.ones(3),
        predictions=Predictions(np.array([1.0, math.nan, 2.0])),
        metrics=[metric(lambda prediction: np.isnan(prediction).mean())],
    )

    assert s.cost == pytest.approx(1 / 3)
