"""Which rows a condition means, and what is said when it means none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ScoreError
from harness.scoring.slices import mask, wording

SUBJECT = "the 4 validation rows of income"


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sex": ["Female", "Male", None, "Female"],
            "age": [30, 40, 50, 60],
            "race": pd.Categorical(["w", "b", "w", None], categories=["a", "b", "w"]),
            "hired": pd.to_datetime(["2011-01-01", "2011-01-02", None, "2012-01-01"]),
            "gain": [0.0, math.nan, 1.5, math.nan],
            "children": pd.array([1, None, 2, 1], dtype="Int64"),
            "married": [True, False, True, False],
            "hours-per-week": [40, 40, 20, 60],
        },
        index=[9, 4, 7, 1],
    )


@pytest.mark.parametrize(
    ("conditions", "rows"),
    [
        ({"sex": "Female"}, [0, 3]),
        ({"sex": None}, [2]),
        ({"sex": ["Male", None]}, [1, 2]),
        ({"sex": ("Male", "Female")}, [0, 1, 3]),
        ({"sex": {"Male"}}, [1]),
        ({"sex": frozenset({"Male", "Other"})}, [1]),
        ({"age": np.array([40, 60])}, [1, 3]),
        ({"age": range(30, 45)}, [0, 1]),
        ({"age": 40.0}, [1]),
        ({"age": np.int64(40)}, [1]),
        ({"race": "w"}, [0, 2]),
        ({"race": None}, [3]),
        ({"hired": "2011-01-02"}, [1]),
        ({"hired": pd.Timestamp("2012-01-01")}, [3]),
        ({"hired": ["2011-01-02", pd.NaT]}, [1, 2]),
        ({"gain": math.nan}, [1, 3]),
        ({"gain": [None, 0]}, [0, 1, 3]),
        ({"children": 1}, [0, 3]),
        ({"children": pd.NA}, [1]),
        ({"married": True}, [0, 2]),
        ({"hours-per-week": 40}, [0, 1]),
        ({"age": lambda a: a > 35}, [1, 2, 3]),
        ({"age": lambda a: (a > 35).to_numpy()}, [1, 2, 3]),
        ({"age": lambda a: [v > 35 for v in a]}, [1, 2, 3]),
        ({"children": lambda c: c > 1}, [2]),
        ({"sex": "Female", "age": 60}, [3]),
        ({"sex": "Female", "age": lambda a: a < 45}, [0]),
    ],
)
def test_rows_of_conditions(conditions: dict[str, Any], rows: list[int]) -> None:
    assert np.flatnonzero(mask(frame(), conditions, SUBJECT)).tolist() == rows


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1),
    st.sampled_from("abc"),
    st.data(),
)
def test_conditions_together_are_one_after_the_other(pairs: Any, letter: str, data: st.DataObject) -> None:
    rows = pd.DataFrame(pairs, columns=["x", "y"])
    wanted = data.draw(st.sets(st.integers(0, 3), min_size=1))
    expected = [i for i, (x, y) in enumerate(pairs) if x == letter and y in wanted]

    if expected:
        assert np.flatnonzero(mask(rows, {"x": letter, "y": wanted}, SUBJECT)).tolist() == expected
    else:
        with pytest.raises(ScoreError, match="none of the 4 validation rows of income has"):
            mask(rows, {"x": letter, "y": wanted}, SUBJECT)


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({}, "where() was given no condition; write where(column=value)"),
        (
            {"sx": 1},
            f"there is no column 'sx' in {SUBJECT}; did you mean sex? "
            "known: sex, age, race, hired, gain, children, married, hours-per-week",
        ),
        ({"sex": "female"}, f"none of {SUBJECT} has sex='female'; sex has 'Female' (2), 'Male' (1)"),
        ({"race": "a"}, f"none of {SUBJECT} has race='a'; race has 'w' (2), 'b' (1)"),
        ({"age": []}, f"none of {SUBJECT} has age=[]; age has 30 (1), 40 (1), 50 (1), 60 (1)"),
        (
            {"sex": "Male", "age": 60},
            f"none of {SUBJECT} has sex='Male', age=60 together; each condition holds for some rows alone; "
            "leave one out",
        ),
        (
            {"age": lambda a: a},
            "where(age=<lambda>) returned a Series of 4; "
            "return one boolean for each of the 4 values of the column",
        ),
        (
            {"age": lambda a: [True]},
            "where(age=<lambda>) returned a list of 1; "
            "return one boolean for each of the 4 values of the column",
        ),
        (
            {"age": lambda a: True},
            "where(age=<lambda>) returned a bool; return one boolean for each of the 4 values of the column",
        ),
    ],
)
def test_what_is_said_when_conditions_cannot_be_met(conditions: dict[str, Any], text: str) -> None:
    with pytest.raises(ScoreError) as caught:
        mask(frame(), conditions, SUBJECT)

    assert str(caught.value) == text


def test_existing_values_are_few() -> None:
    many = pd.DataFrame(
        {"word": [f"w{i:02}" for i in range(40)] + ["w07"], "age": range(41), "no": [None] * 41}
    )

    with pytest.raises(ScoreError, match=r"; word has 'w07' \(2\), .* and 35 more$") as caught:
        mask(many, {"word": "w99"}, SUBJECT)
    assert str(caught.value).count("(1)") == 4
    with pytest.raises(ScoreError, match=r"has age=99; age goes from 0 to 40$"):
        mask(many, {"age": 99}, SUBJECT)
    with pytest.raises(ScoreError, match=r"has no=1; every no is missing$"):
        mask(many, {"no": 1}, SUBJECT)


def adults(age: Any) -> Any:
    return age >= 18


class Older:
    def __call__(self, age: Any) -> Any:
        return age > 1


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"sex": "Female", "age": np.int64(3)}, "sex='Female', age=3"),
        ({"race": {"c", "a", "b"}}, "race=['a', 'b', 'c']"),
        ({"race": ["c", "a"]}, "race=['c', 'a']"),
        ({"age": range(10)}, "age=[0, 1, 2, 3, 4, … 10 values]"),
        ({"age": adults}, "age=adults"),
        ({"age": Older()}, "age=Older"),
        ({"word": "x" * 100}, f"word='{'x' * 38}…"),
    ],
)
def test_wording(conditions: dict[str, Any], text: str) -> None:
    assert wording(conditions) == text
