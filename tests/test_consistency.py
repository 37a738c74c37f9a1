"""Options of one `@dataset` that contradict each other are refused before any row is read."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from declared import declare
from hypothesis import given
from hypothesis import strategies as st

from harness.data.consistency import check, shares
from harness.errors import DeclarationError


@given(st.integers(1, 998), st.integers(1, 998))
def test_decimal_shares_are_exact(a: int, b: int) -> None:
    if a + b < 1000:
        found = shares((a / 1000, b / 1000, (1000 - a - b) / 1000))

        assert found == (Fraction(a, 1000), Fraction(b, 1000), Fraction(1000 - a - b, 1000))


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ((1 / 3, 1 / 3, 1 / 3), (Fraction(1, 3),) * 3),
        ([5 / 7, 1 / 7, 1 / 7], (Fraction(5, 7), Fraction(1, 7), Fraction(1, 7))),
        (np.array([0.5, 0.3, 0.2]), (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5))),
        ((Fraction(1, 6), Fraction(1, 3), Fraction(1, 2)), (Fraction(1, 6), Fraction(1, 3), Fraction(1, 2))),
        (
            (Decimal("0.8"), Decimal("0.1"), Decimal("0.1")),
            (Fraction(4, 5), Fraction(1, 10), Fraction(1, 10)),
        ),
        (np.float32([0.7, 0.2, 0.1]), (Fraction(7, 10), Fraction(1, 5), Fraction(1, 10))),
    ],
)
def test_shares_of_any_number_type(split: object, expected: object) -> None:
    assert shares(split) == expected


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ((0.7, 0.3), "split=(0.7, 0.3), which is not three numbers"),
        (0.8, "split=0.8, which is not three numbers"),
        ("abc", "split='abc', which is not three numbers"),
        (("0.7", "0.2", "0.1"), "which is not three numbers"),
        ((True, False, False), "which is not three numbers"),
        ((0.7, 0.2, float("nan")), "which is not three numbers"),
        ((0.7, 0.2, float("inf")), "which is not three numbers"),
        (None, "split=None, which is not three numbers"),
        ((0.8, 0.2, 0.0), "split=(0.8, 0.2, 0.0), which has a share that is not above 0"),
        ((1.2, -0.4, 0.2), "which has a share that is not above 0"),
        ((0.7, 0.2, 0.2), "split=(0.7, 0.2, 0.2), which sums to 1.1, not 1"),
        ((0.33, 0.33, 0.33), "which sums to 0.99, not 1"),
        ((70, 20, 10), "which sums to 100, not 1"),
    ],
)
def test_a_split_that_is_none(split: object, text: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        check(declare(split=split))

    assert str(caught.value).startswith("data set 'people' has split=")
    assert text in str(caught.value)
    assert "such as split=(0.7, 0.2, 0.1)" in caught.value.remedy


@pytest.mark.parametrize(
    ("options", "problem", "remedy"),
    [
        ({"seed": -1}, "seed=-1", "from 0 to 2**32 - 1"),
        ({"seed": 2**32}, "seed=4294967296", "from 0 to 2**32 - 1"),
        ({"seed": 1.0}, "seed=1.0", "write an int"),
        ({"seed": True}, "seed=True", "write an int"),
        ({"seed": None}, "seed=None", "write an int"),
        ({"task": "regresion"}, "task='regresion'", "did you mean 'regression'? write task='binary'"),
        ({"task": 2}, "task=2", "write task='binary', 'multiclass' or 'regression'"),
        ({"target": None}, "target=None", "name one column, such as target='target'"),
        ({"target": ["y"]}, "target=['y']", "name one column"),
        ({"group": ["a", "b"]}, "group=['a', 'b']", "name one column, such as group='group'"),
        ({"weight": 3}, "weight=3", "name one column"),
        ({"stratify": ["a"]}, "stratify=['a']", "True, False or the name of one column"),
        ({"time": 3}, "time=3", "name one column or a list of columns"),
        ({"time": []}, "time=[]", "name one column or a list of columns"),
        ({"key": {"a", "b"}}, "key={", "name one column or a list of columns"),
        ({"key": [1]}, "key=[1]", "name one column or a list of columns"),
        ({"drop": 3}, "drop=3", "name one column or a list of columns"),
        ({"drop": (c for c in "ab")}, "drop=<generator", "name one column or a list of columns"),
        ({"group": "g", "time": "t"}, "group='g' and time='t'", "different ways to divide the rows"),
        ({"group": "g", "key": ["k"]}, "group='g' and key=['k']", "keep one of them"),
        ({"time": "t", "key": "k"}, "time='t' and key='k'", "keep one of them"),
        ({"group": "g", "time": "t", "key": "k"}, "group='g' and time='t' and key='k'", "keep one of them"),
        ({"group": "g", "stratify": True}, "stratify=True with group='g'", "leave out stratify= or group="),
        ({"time": "t", "stratify": "s"}, "stratify='s' with time='t'", "leave out stratify= or time="),
        ({"key": "k", "stratify": "s"}, "stratify='s' with key='k'", "leave out stratify= or key="),
        ({"group": "y"}, "group='y', which is its target", "name another column"),
        ({"time": ["a", "y"]}, "time=['a', 'y'], which is its target", "name another column"),
        ({"key": "y"}, "key='y', which is its target", "name another column"),
        ({"weight": "y"}, "weight='y', which is its target", "name another column"),
        ({"drop": "y"}, "its target 'y' in drop=", "the target is never part of .X"),
        ({"drop": ["a", "y"]}, "its target 'y' in drop=", "the target is never part of .X"),
        ({"positive": 1, "task": "regression"}, "positive=1 with task='regression'", "two classes only"),
        ({"positive": "a", "task": "multiclass"}, "positive='a' with task='multiclass'", "two classes only"),
        ({"stratify": True, "task": "regression"}, "stratify=True with task='regression'", "has no classes"),
    ],
)
def test_options_that_cannot_work(options: dict[str, object], problem: str, remedy: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        check(declare(**options))

    assert "data set 'people' has " + problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seed": np.int64(3)},
        {"group": "g", "stratify": False},
        {"time": ("year", "month"), "drop": {"year"}},
        {"key": ["a", "b"], "weight": "w"},
        {"stratify": "s", "task": "regression"},
        {"stratify": True, "positive": "yes", "task": "binary"},
        {"drop": "id"},
        {"target": "t", "stratify": "t"},
    ],
)
def test_options_that_agree_pass(options: dict[str, object]) -> None:
    check(declare(**options))  # raises otherwise
