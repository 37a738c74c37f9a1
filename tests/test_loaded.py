"""What a loader may return, and what is said about anything else."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from declared import declare

from harness.data.loaded import examine, feature_columns, weights
from harness.errors import DataError


def people(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"age": [30, 40, 50], "city": ["a", "b", None], "y": [0, 1, 0], **columns})


def refused(frame: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        examine(frame, declare(**options))
    assert "data set 'people'" in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            None,
            "the loader of data set 'people' returned None, not a pandas DataFrame; end it with return frame",
        ),
        ([1, 2], "returned list, not a pandas DataFrame; convert it"),
        (pd.Series([1]), "returned Series, not a pandas DataFrame"),
        (pa.table({"y": [1]}), "returned Table, not a pandas DataFrame"),
        ("data.csv", "returned str, not a pandas DataFrame"),
    ],
)
def test_something_else_than_a_frame(value: Any, text: str) -> None:
    assert text in refused(value)


def test_no_rows() -> None:
    assert "returned no rows; look at its source and filters" in refused(people().iloc[:0])


def test_no_columns_at_all() -> None:
    assert "has no column 'y', which target= names" in refused(pd.DataFrame(index=range(3)))


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ([0, "a", "y"], "has the column name 0, a int; name columns by text"),
        (pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("y", 3)]), "has the column name ('a', 1), a tuple"),
        (["a", "a", "y"], "has more than one column 'a'; rename or remove the copies"),
        (["y", "a", "y"], "has more than one column 'y'"),
    ],
)
def test_names_that_name_no_column(columns: Any, text: str) -> None:
    assert text in refused(people().set_axis(columns, axis=1))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"target": "yy"},
            "has no column 'yy', which target= names; did you mean 'y'? its columns are 'age', 'city'",
        ),
        ({"weight": "w"}, "has no column 'w', which weight= names; its columns are 'age', 'city', 'y'"),
        ({"drop": ["age", "ctiy"]}, "has no column 'ctiy', which drop= names; did you mean 'city'?"),
        ({"drop": "cities"}, "has no column 'cities', which drop= names; did you mean 'city'?"),
        ({"group": "City"}, "has no column 'City', which group= names; did you mean 'city'?"),
        ({"time": ("age", "hour")}, "has no column 'hour', which time= names"),
        ({"key": "id"}, "has no column 'id', which key= names"),
        ({"stratify": "sex"}, "has no column 'sex', which stratify= names"),
    ],
)
def test_a_column_that_is_not_there(options: dict[str, Any], text: str) -> None:
    assert text in refused(people(), **options)


def test_many_columns_are_not_all_listed() -> None:
    wide = pd.DataFrame({f"c{i}": [1, 2] for i in range(100)})

    assert refused(wide).endswith("'c18', 'c19', ...")


def test_no_feature_left() -> None:
    text = refused(people(), weight="age", drop="city")

    assert "has no feature column left: target, weight= and drop= take all 3; load more columns" in text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            [1, "a", None],
            "mixes values of types int, str, which Arrow cannot store; convert it in the loader",
        ),
        ([1, True, 2], "mixes values of types bool, int"),
        ([b"a", "a", None], "mixes values of types bytes, str"),
        ([1.5, [1], None], "mixes values of types float, list"),
        ([{1}, object(), None], "mixes values of types object, set"),
        ([Counter("a"), object, None], "mixes values of types Counter, type"),
        ([object()] * 3, "column 'x' of data set 'people' is object, which Arrow cannot store ("),
        (pd.Series([1j, 2j, 3j]), "is complex128, which Arrow cannot store ("),
        (["\ud800", "a", "b"], "which Arrow cannot store ('utf-8' codec"),
        ([2**70, 1, 2], "is object, which Arrow cannot store ("),
        (
            pd.Series([0.0, 0.0, 1.0], dtype="Sparse[float64]"),
            "is Sparse[float64, nan], which Arrow cannot store (",
        ),
        (pd.cut(pd.Series([1, 2, 3]), 2), "Arrow cannot store (its levels are interval[float64, right])"),
        (pd.Categorical([1, "a", 1]), "is category, which Arrow cannot store ("),
    ],
)
def test_a_column_that_cannot_be_stored_is_named(values: Any, text: str) -> None:
    frame = people()
    frame["x"] = pd.Series(values, dtype=object) if isinstance(values, list) else values

    found = refused(frame)

    assert "column 'x' of data set 'people' " in found
    assert text in found
    assert "frame['x'].astype(str), or leave it out there" in found


@pytest.mark.parametrize(
    "values",
    [[1, 2.5, None], [np.int64(1), 2, 3.5], ["a", np.str_("b"), None], [None] * 3, [[1], [2, 3], None]],
)
def test_objects_of_one_kind_can_be_stored(values: list[Any]) -> None:
    assert examine(people(x=pd.Series(values, dtype=object)), declare()) is None


def test_a_target_of_mixed_labels_is_not_stored_as_it_is() -> None:
    assert examine(people(y=pd.Series([1, "a", 1], dtype=object)), declare()) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["a", "b", "c"], "weight='w' of data set 'people' is str, not a number; convert it in the loader"),
        (pd.to_datetime(["2024"] * 3), "is datetime64[us], not a number"),
        ([1.0, np.nan, 1.0], "has 1 null value in 3 rows; fill, clip or drop them in the loader"),
        (pd.Series([1, None, None], dtype="Int64"), "has 2 null values in 3 rows"),
        ([1.0, -0.5, -2.0], "has 2 negative values in 3 rows"),
        ([1.0, np.inf, 1.0], "has 1 infinite value in 3 rows"),
        ([0, 0, 0], "is 0 in all 3 rows; leave out weight="),
    ],
)
def test_weights_that_cannot_weigh(values: Any, text: str) -> None:
    assert text in refused(people(w=values), weight="w")


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "bool", "float64[pyarrow]"])
def test_weights_are_float64(dtype: str) -> None:
    found = weights(people(w=pd.Series([1, 0, 1]).astype(dtype)), declare(weight="w"))

    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 0.0, 1.0]


def test_models_see_what_is_left_in_loaded_order() -> None:
    frame = people(w=[1, 1, 1], id=[1, 2, 3])

    assert feature_columns(frame, declare(weight="w", drop="id", key="city")) == ["age", "city"]
    assert feature_columns(frame, declare(drop=("id", "w"))) == ["age", "city"]
