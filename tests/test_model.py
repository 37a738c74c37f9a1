import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from toys import numeric, people, toy
from xgboost import XGBClassifier

from harness.models.columns import describe
from harness.models.model import Model, Step, container, loads
from harness.models.pickling import dumps
from harness.models.predictions import OutputError


def booster(task: str = "binary") -> Model:
    """XGBoost on raw rows: numbers, booleans and categories."""
    raw = toy(people().drop(columns="city"), task)
    return Model.of(
        XGBClassifier(n_estimators=5, n_jobs=1, enable_categorical=True).fit(raw.train.X, raw.train.y), raw
    )


def test_labels_are_the_original_ones_and_probabilities_in_their_order():
    model, rows = booster("multiclass"), toy().validation.X

    probability = model.predict_proba(rows)
    labels = model.predict(rows)

    assert labels.dtype == np.int64
    assert_array_equal(labels, np.array([10, 20, 30])[probability.argmax(axis=1)])
    assert_array_equal(probability, model.estimator.predict_proba(rows.drop(columns="city")))


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        (["no", "yes"], "<U3"),
        ([False, True], "bool"),
        ([3, 7], "int64"),
        ([0.5, 1.5], "float64"),
        ([1, "one"], "object"),
        ([pd.Timestamp("2024"), pd.Timestamp("2025")], "object"),
    ],
)
def test_labels_have_their_natural_dtype(classes, dtype):
    known = booster()
    model = Model(known.columns, known.steps, known.estimator, "binary", classes)

    labels = model.predict(people())

    assert labels.dtype == dtype
    codes = known.estimator.predict(people().drop(columns="city"))
    assert labels.tolist() == [classes[code] for code in codes]


def test_a_regression_gives_values_and_no_probabilities():
    raw = toy(numeric(), "regression")
    model = Model.of(LinearRegression().fit(raw.train.X, raw.train.y), raw)

    assert_array_equal(model.predict(numeric()), model.estimator.predict(numeric()))
    with pytest.raises(
        AttributeError, match=r"the model is a regression \(LinearRegression\): it has no prob"
    ):
        model.predict_proba(numeric())


def test_an_estimator_without_probabilities_says_what_adds_them():
    raw = toy(numeric())
    model = Model.of(RidgeClassifier().fit(raw.train.X, raw.train.y), raw)

    assert set(model.predict(numeric())) == {"no", "yes"}
    with pytest.raises(
        AttributeError, match=r"RidgeClassifier gives no probabilities.*CalibratedClassifierCV"
    ):
        model.predict_proba(numeric())


def test_rows_are_recognised_however_they_arrive():
    model, rows = booster(), people().drop(columns="city")
    expected = model.predict_proba(rows)

    from_json = pd.DataFrame(json.loads(rows.to_json(orient="records", double_precision=15)))
    arrivals = {
        "other order, more columns": people()[["member", "size", "city", "height", "age"]],
        "objects": rows.astype(object),
        "json": from_json,
        "levels of these rows only": rows.assign(size=rows["size"].astype("str").astype("category")),
        "text": rows.assign(size=rows["size"].astype("str")),
    }

    for arrival, given in arrivals.items():
        assert_array_equal(model.predict_proba(given), expected, err_msg=arrival)


def test_one_row_is_predicted_as_among_many():
    model, rows = booster(), people()

    alone = [model.predict_proba(rows.iloc[[i]])[0, 1] for i in range(20)]

    assert alone == model.predict_proba(rows)[:20, 1].tolist()


def test_an_unknown_category_is_a_missing_value():
    raw = toy(people()[["age", "size"]])
    is_large = (raw.train.X["size"] == "L").astype(int)
    model = Model.of(
        XGBClassifier(n_estimators=5, n_jobs=1, enable_categorical=True).fit(raw.train.X, is_large), raw
    )
    rows = people()

    unknown = model.predict_proba(rows.assign(size="XXL"))

    assert_array_equal(unknown, model.predict_proba(rows.assign(size=None)))
    assert not np.array_equal(unknown, model.predict_proba(rows.assign(size="L")))


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="the rows lack the columns 'height', 'member'"):
        booster().predict(people().drop(columns=["member", "height"]))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_pickled_model_predicts_the_same(task, tmp_path):
    model, rows = booster(task), people()

    again = loads(dumps(model, tmp_path))

    assert_array_equal(again.predict(rows), model.predict(rows))
    assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))


def test_it_says_what_it_is_made_of():
    known = booster()
    model = Model(
        known.columns, [Step("one_hot", None), Step("scaled", None)], known.estimator, "binary", [0, 1]
    )

    assert repr(model) == "<Model one_hot > scaled > XGBClassifier>"


ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]}, index=[7, 3, 5])


def step(function=None, **options) -> Step:
    return Step("s", FunctionTransformer(function), **({"names": ["a", "b"]} | options))


@pytest.mark.parametrize(
    "function",
    [None, pd.DataFrame.to_numpy, lambda X: X.reset_index(drop=True), lambda X: X.to_numpy().tolist()],
)
def test_frames_and_dense_arrays_become_frames_with_the_index_of_the_rows(function):
    assert_frame_equal(step(function)(ROWS, ROWS.index), ROWS)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array, sparse.coo_matrix, sparse.csc_array])
def test_sparse_of_any_kind_becomes_a_csr_matrix(kind):
    made = step(lambda X: kind(X.to_numpy()))(ROWS, ROWS.index)

    assert type(made) is sparse.csr_matrix
    assert_array_equal(made.toarray(), ROWS)


def test_one_dimension_is_one_column():
    assert container([1, 2, 3]).shape == (3, 1)
    assert container(ROWS["a"]).columns.tolist() == ["a"]


def test_dtypes_of_the_training_rows_are_restored():
    trained = pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": [1, 2]})
    late = pd.DataFrame({"a": pd.Categorical(["y", "z"]), "b": [1.0, 2.0]})

    made = step(names=list("ab"), dtypes=describe(trained))(late, late.index)

    assert made.dtypes.tolist() == trained.dtypes.tolist()
    assert made["a"].cat.codes.tolist() == [1, -1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda X: X.head(2), r"gave an array of shape \(2, 2\) for 3 rows"),
        (lambda X: X.to_numpy()[:, :1], "gave 1 columns, and 2 for the training rows"),
        (lambda X: X.rename(columns={"a": "z"}), "gave other columns than for the training rows: z"),
        (lambda X: X[["b", "a"]], "gave other columns than for the training rows: b, a"),
        (lambda X: X.sort_index(), "gave the rows in another order"),
        (lambda X: 1.0, r"gave an array of shape \(\) for 3 rows"),
    ],
)
def test_other_rows_or_columns_are_refused(function, message):
    with pytest.raises(OutputError, match=message):
        step(function)(ROWS, ROWS.index)


@pytest.mark.parametrize("labels", [[2, 0, 1], [1, 0, 2]])
def test_a_new_index_that_looks_like_another_order_is_refused(labels):
    rows = ROWS.set_axis(labels, axis=0)

    for function in (lambda X: X.sort_index(), lambda X: X.reset_index(drop=True)):
        with pytest.raises(
            OutputError, match=r"in another order, or a new index .* \(keep the index, or give"
        ):
            step(function)(rows, rows.index)
    assert_frame_equal(step()(rows, rows.index), rows)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 1, 5], [1, "a", 0], [1, 1, 0]])
def test_a_new_index_that_cannot_be_another_order_is_replaced(labels):
    rows = ROWS.set_axis(labels, axis=0)

    assert_frame_equal(step(lambda X: X.reset_index(drop=True))(rows, rows.index), rows)


def test_steps_are_applied_in_order():
    raw = toy(numeric())
    doubled = step(lambda X: X * 2, names=list("abc"))
    scaler = StandardScaler().fit(raw.train.X * 2)
    scaled = Step("scaled", scaler, list("abc"))
    model = Model(describe(raw.train.X), [doubled, scaled], LogisticRegression(), "binary", ["no", "yes"])

    made = model.transform(numeric())

    assert_array_equal(made, scaler.transform(numeric() * 2))
    assert made.index.equals(numeric().index)
