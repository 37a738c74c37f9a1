"""From the target column to task, classes and codes."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from declared import declare
from hypothesis import given
from hypothesis import strategies as st

from harness.data.target import Target, read_target
from harness.errors import DataError, DeclarationError


def of(values: Any, **options: Any) -> Target:
    return read_target(pd.DataFrame({"y": values}), declare(**options))


NUMBERS = np.repeat(np.arange(20), 3)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes", "no"] * 3, "binary", ["no", "yes"]),
        (["b", "a", "c"] * 3, "multiclass", ["a", "b", "c"]),
        (pd.Series(["no", "yes"] * 3, dtype=object), "binary", ["no", "yes"]),
        (pd.Series(["no", "yes"] * 3, dtype="string"), "binary", ["no", "yes"]),
        (pd.Series(["no", "yes"] * 3, dtype="string[pyarrow]"), "binary", ["no", "yes"]),
        ([True, False] * 3, "binary", [False, True]),
        (pd.Series([True, False] * 3, dtype="boolean"), "binary", [False, True]),
        (pd.Series([True, False] * 3, dtype=object), "binary", [False, True]),
        (pd.Categorical(["lo", "hi"] * 3, categories=["lo", "hi"], ordered=True), "binary", ["hi", "lo"]),
        (pd.Categorical(["a", "b"] * 3, categories=["z", "b", "a"]), "binary", ["a", "b"]),
        (pd.Categorical([10, 9, 100] * 3), "multiclass", [9, 10, 100]),
        (pd.Categorical([1, "a", 2] * 3), "multiclass", [1, 2, "a"]),
        (pd.Series([1, "a"] * 3, dtype=object), "binary", [1, "a"]),
        ([0, 1] * 3, "binary", [0, 1]),
        (pd.Series([0, 1] * 3, dtype="Int64"), "binary", [0, 1]),
        (pd.Series([0, 1] * 3, dtype="uint8"), "binary", [0, 1]),
        ([7, 3, 5] * 3, "multiclass", [3, 5, 7]),
        (NUMBERS, "multiclass", list(range(20))),
        (np.repeat(np.arange(21), 3), "regression", None),
        ([0.0, 1.0] * 3, "binary", [0.0, 1.0]),
        ([0.0, 1.0, 2.0] * 3, "regression", None),
        (pd.Series([0.5, 1, 2] * 3, dtype=object), "regression", None),
        (pd.Series([0.5, 1, 2] * 3, dtype="float64[pyarrow]"), "regression", None),
    ],
)
def test_the_task_follows_from_the_values(values: Any, task: str, classes: list[Any] | None) -> None:
    found = of(values)

    assert found.task == task
    assert found.classes == classes
    if classes is not None:
        assert [type(label) for label in found.classes or ()] == [type(label) for label in classes]
        assert json.loads(json.dumps(found.classes)) == classes
        assert found.values.dtype == np.int64
        assert [classes[code] for code in found.values] == list(values)
        assert found.values.tolist() == found.ranks.tolist()


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0.0, 1.0, 2.0] * 3, "multiclass"),
        (np.repeat(np.arange(40), 3), "multiclass"),
        ([0, 1] * 3, "regression"),
        ([0.0, 1.0] * 3, "regression"),
        (["a", "b"] * 3, "binary"),
    ],
)
def test_a_declared_task_is_taken(values: Any, task: str) -> None:
    assert of(values, task=task).task == task


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "Int64", "Float32", "int32[pyarrow]"])
def test_a_regression_keeps_its_number_type(dtype: str) -> None:
    values = pd.Series(range(30)).astype(dtype)

    found = of(values)

    assert found.values.dtype == np.dtype(dtype.lower().removesuffix("[pyarrow]"))
    assert found.values.tolist() == list(range(30))
    assert len(found.ranks) == 0


@pytest.mark.parametrize(
    ("values", "positive", "classes", "codes"),
    [
        (["no", "yes", "no", "yes", "no", "yes"], "yes", ["no", "yes"], [0, 1, 0, 1, 0, 1]),
        (["no", "yes", "no", "yes", "no", "yes"], "no", ["yes", "no"], [1, 0, 1, 0, 1, 0]),
        ([0, 1, 1, 1, 0, 0], np.int64(0), [1, 0], [1, 0, 0, 0, 1, 1]),
        ([0.0, 1.0, 1.0, 1.0, 0.0, 0.0], 0, [1.0, 0.0], [1, 0, 0, 0, 1, 1]),
        ([True, False] * 3, False, [True, False], [0, 1] * 3),
    ],
)
def test_the_positive_class_comes_last(values: Any, positive: Any, classes: Any, codes: Any) -> None:
    found = of(values, positive=positive)

    assert found.classes == classes
    assert found.values.tolist() == codes
    assert found.ranks.tolist() == of(values).ranks.tolist()


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60))
def test_codes_and_classes_give_the_labels_back(labels: list[str]) -> None:
    counts = {label: labels.count(label) for label in labels}
    if len(counts) > 1 and min(counts.values()) >= 3:
        found = of(labels)

        assert found.classes == sorted(counts)
        assert [found.classes[code] for code in found.values] == labels
    else:
        with pytest.raises(DataError, match="target 'y' of data set 'people'"):
            of(labels)


@pytest.mark.parametrize(
    ("values", "options", "text"),
    [
        (
            ["a", None, "b", None],
            {},
            "target 'y' of data set 'people' has 2 nulls in 4 rows; drop these rows",
        ),
        (
            [1.0, np.nan, 2.0],
            {},
            "has 1 null in 3 rows; drop these rows in the loader: frame.dropna(subset=['y'])",
        ),
        (pd.Series([1, None], dtype="Int64"), {}, "has 1 null in 2 rows"),
        (pd.Categorical(["a", None, "b"]), {}, "has 1 null in 3 rows"),
        ([1.0, np.inf, -np.inf, 2.0], {}, "has 2 infinite values; clip or drop these rows"),
        ([0.0, np.inf] * 3, {}, "has 3 infinite values"),
        (
            ["a"] * 5,
            {},
            "target 'y' of data set 'people' is 'a' in all 5 rows; load rows with at least two values",
        ),
        ([2.5] * 5, {"task": "regression"}, "is 2.5 in all 5 rows"),
        (pd.Categorical(["a"] * 3, categories=["a", "b"]), {}, "is 'a' in all 3 rows"),
        (
            ["a"] * 9 + ["rare"] * 2,
            {},
            "class 'rare' of target 'y' of data set 'people' has 2 rows, fewer than the 3 splits; load more",
        ),
        (
            ["a", "b", "c"],
            {},
            "class 'a' of target 'y' of data set 'people' has 1 row, fewer than the 3 splits",
        ),
        (["a", "b", "c"], {}, "as have 2 more of its 3 classes"),
        ([1, 1, 1, 2], {}, "or write task='regression' if it is a quantity"),
        (
            pd.to_datetime(["2024", "2025"] * 3),
            {},
            "is datetime64[us] with values of type Timestamp; convert it",
        ),
        (
            pd.Series([Decimal(1), Decimal(2)] * 3),
            {},
            "with values of type Decimal; convert it in the loader: .ast",
        ),
        (pd.Series([dt.date(2024, 1, 1), "a"] * 3), {}, "with values of type date, str"),
        (pd.Series([1j, 2j] * 3), {}, "is complex128 with values of type complex"),
        (pd.cut(pd.Series(range(9)), 2), {}, "has classes of type Interval, such as Interval("),
        (
            ["a", "b", "c"] * 3,
            {"positive": "a"},
            "has 3 classes and positive='a'; a positive class exists for two",
        ),
        ([0.5, 1.5, 2.5], {"positive": 1}, "is a regression and positive=1; a positive class exists for two"),
        ([">50K", "<=50K"] * 3, {"positive": ">50K."}, "has no class '>50K.'; did you mean '>50K'"),
        (
            ["no", "yes"] * 3,
            {"positive": 1},
            "has no class 1; write positive= one of its classes: 'no', 'yes'",
        ),
        (
            ["a", "b", "c"] * 3,
            {"task": "binary"},
            "has 3 classes ('a', 'b', 'c') and task='binary'; write task='m",
        ),
        (NUMBERS, {"task": "binary"}, "has 20 classes (0, 1, 2, 3, 4, ...) and task='binary'"),
        (
            ["a", "b"] * 3,
            {"task": "multiclass"},
            "has 2 classes ('a', 'b') and task='multiclass'; write task='bin",
        ),
        (
            ["a", "b"] * 3,
            {"task": "regression"},
            "is str, not a number, and task='regression'; leave out task=",
        ),
        ([True, False] * 3, {"task": "regression"}, "is bool, not a number, and task='regression'"),
    ],
)
def test_a_target_that_cannot_be_learnt(values: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises((DataError, DeclarationError)) as caught:
        of(values, **options)

    assert text in str(caught.value)
    assert "target 'y' of data set 'people'" in str(caught.value)
    assert caught.value.remedy
