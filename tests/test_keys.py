"""The place of a key depends on its value and the seed, on nothing else."""

import datetime as dt
import hashlib
import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.keys import hashes, text


def test_the_hash_is_the_documented_one() -> None:
    found = hashes([pd.Series(["a", "ü", "a"]), pd.Series([3.0, 1.5, -2.0])], seed=7)

    expected = [
        int(hashlib.blake2b(json.dumps(row).encode(), digest_size=8).hexdigest(), 16)
        for row in ([7, "a", "3"], [7, "ü", "1.5"], [7, "a", "-2"])
    ]
    assert found.tolist() == expected
    assert found.dtype == np.uint64


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (3, 3.0),
        (3, np.float32(3)),
        (3, np.int8(3)),
        (3, Decimal("3.00")),
        (3, Fraction(3, 1)),
        (3, "3"),
        (0.0, -0.0),
        (0.5, Decimal("0.50")),
        (0.5, Fraction(1, 2)),
        (2**70, float(2**70)),
        (dt.datetime(2024, 1, 2), pd.Timestamp("2024-01-02").as_unit("ns")),
        (pd.Timestamp("2024-01-02", tz="UTC"), pd.Timestamp("2024-01-02 01:00", tz="Europe/Berlin")),
        (True, np.bool_(True)),
    ],
)
def test_equal_keys_have_one_text(a: Any, b: Any) -> None:
    assert text(a) == text(b)


@given(
    st.lists(st.one_of(st.integers(), st.floats(allow_nan=False), st.decimals(allow_nan=False)), min_size=2)
)
def test_texts_are_equal_where_the_numbers_are(numbers: list[Any]) -> None:
    for a in numbers:
        for b in numbers:
            assert (text(a) == text(b)) == (a == b)


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "str", "category", "uint8", "int64[pyarrow]"])
def test_the_dtype_of_a_key_column_does_not_matter(dtype: str) -> None:
    numbers = pd.Series([1, 5, 5, 200])

    found = hashes([numbers.astype(dtype)], seed=1)

    assert found.tolist() == hashes([numbers], seed=1).tolist()


def test_columns_do_not_run_together() -> None:
    left = hashes([pd.Series(["a"]), pd.Series(["bc"])], seed=0)
    right = hashes([pd.Series(["ab"]), pd.Series(["c"])], seed=0)

    assert left.tolist() != right.tolist()
