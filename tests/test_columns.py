import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from harness.models.columns import conform, describe


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [31, 45, 28],
            "city": ["Rome", None, "Oslo"],
            "height": np.array([1.8, np.nan, 1.6], dtype="float32"),
            "member": [True, False, True],
            "size": pd.Categorical(["S", "L", None], categories=["S", "M", "L"], ordered=True),
            "since": pd.to_datetime(["2024-01-01", None, "2024-03-01"]),
            "visits": pd.array([1, None, 3], dtype="Int64"),
            "mixed": pd.Series([1, "a", None], dtype=object),
        }
    )


COLUMNS = describe(frame())


def one(name: str, values, dtype=None) -> pd.Series:
    rows = pd.DataFrame({name: pd.Series(values, dtype=dtype)})
    return conform(rows, {name: COLUMNS[name]})[name]


@given(order=st.permutations(list(COLUMNS)))
def test_the_training_rows_come_back_whatever_the_order_and_the_extras(order):
    shuffled = frame()[order].assign(extra=1)

    assert_frame_equal(conform(shuffled, COLUMNS), frame())


def test_the_given_frame_is_not_changed():
    rows = frame().astype(object)
    before = rows.copy()

    conform(rows, COLUMNS)

    assert_frame_equal(rows, before)


def test_rows_without_dtypes_become_the_training_rows():
    assert_frame_equal(conform(frame().astype(object), COLUMNS), frame())


def test_rows_that_went_through_json_become_the_training_rows():
    text = frame().to_json(orient="records", date_format="iso", double_precision=15)
    rows = pd.DataFrame(json.loads(text))

    assert_frame_equal(conform(rows, COLUMNS), frame(), check_exact=True)


def test_the_index_is_kept():
    rows = frame().set_axis([7, 3, 5], axis=0).astype(object)

    assert conform(rows, COLUMNS).index.tolist() == [7, 3, 5]


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="the rows lack the columns 'age', 'size'; the model was trained on"):
        conform(frame().drop(columns=["size", "age"]), COLUMNS)


def test_doubled_columns_are_named():
    rows = pd.concat([frame(), frame()[["age"]]], axis=1)

    with pytest.raises(ValueError, match="the rows have the column 'age' more than once"):
        conform(rows, COLUMNS)


def test_something_else_than_a_frame_is_refused():
    with pytest.raises(
        ValueError, match="the rows are a ndarray, not a DataFrame; give one with the columns 'age'"
    ):
        conform(frame().to_numpy(), COLUMNS)


@pytest.mark.parametrize("dtype", ["str", "object", "category", "string"])
def test_unknown_categories_become_missing_and_the_levels_stay(dtype):
    cast = one("size", ["L", "XXL", None, "S"], dtype)

    assert cast.dtype == frame()["size"].dtype
    assert cast.tolist()[0] == "L"
    assert cast.isna().tolist() == [False, True, True, False]
    assert cast.cat.codes.tolist() == [2, -1, -1, 0]


def test_levels_in_another_order_get_the_training_codes():
    column = describe(pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["a", "b"])}))
    rows = pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["b", "a"])})

    assert conform(rows, column)["c"].cat.codes.tolist() == [0, 1]


def test_numeric_levels_are_found_among_floats():
    column = describe(pd.DataFrame({"c": pd.Categorical([1, 2, 3])}))

    assert conform(pd.DataFrame({"c": [3.0, np.nan, 1.0]}), column)["c"].cat.codes.tolist() == [2, -1, 0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1.0, 2.0], np.array([1, 2])),
        ([True, False], np.array([1, 0])),
        (["1", "2"], np.array([1, 2])),
        (pd.array([1, 2], dtype="Int64"), np.array([1, 2])),
        ([2**62, 1], np.array([2**62, 1])),
        ([1.5, 2.0], np.array([1.5, 2.0])),
        ([1, None], np.array([1.0, np.nan])),
        (pd.array([1, None], dtype="Int64"), np.array([1.0, np.nan])),
    ],
)
def test_whole_numbers_stay_exact_or_become_floats(given, expected):
    cast = one("age", given, None if hasattr(given, "dtype") else object)

    assert cast.dtype == expected.dtype
    np.testing.assert_array_equal(cast, expected)


def test_a_missing_boolean_is_not_false():
    cast = one("member", [True, None, False], object)

    np.testing.assert_array_equal(cast, [1.0, np.nan, 0.0])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_floats_of_any_kind_are_nan(missing):
    cast = one("height", [1.8, missing], object)

    assert cast.dtype == "float32"
    assert cast.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "value"), [("age", "old"), ("height", "tall"), ("member", "yes"), ("since", "x")]
)
def test_values_that_cannot_be_cast_name_the_column_and_the_dtype(name, value):
    message = f"column '{name}' is str and cannot become {COLUMNS[name].dtype}, as it was in training"
    with pytest.raises(ValueError, match=re.escape(message)):
        one(name, [value])


def test_a_dtype_that_has_no_name_is_left_alone():
    pa = pytest.importorskip("pyarrow")
    rows = pd.DataFrame({"tags": pd.Series([["a"], ["b"]], dtype=pd.ArrowDtype(pa.list_(pa.string())))})

    assert_frame_equal(conform(rows, describe(rows)), rows)
