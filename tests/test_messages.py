"""What crosses the border between processes is plain, and compared without what only one process knows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pool.messages import Opening, Order, alike, plain

names = st.text(max_size=8)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)


@given(st.dictionaries(names, values), st.none() | st.dictionaries(names, values))
def test_an_order_survives_json(params, chosen):
    order = Order(node_id="a.py::b[c]", params=params, values=chosen, bars=[{"values": [0.5]}])

    assert Order.from_json(json.loads(json.dumps(order.to_json()))) == order


def test_an_opening_survives_json():
    opening = Opening(
        arguments=["a"], folder="/f", environment={"A": "b"}, path=["/p"], command=["pytest"],
        options={"x": [1]}, pickled={"y": "eA=="}, run="/r", threads=2,
    )  # fmt: skip

    assert Opening.from_json(json.loads(json.dumps(opening.to_json()))) == opening


@given(st.dictionaries(names, values), st.dictionaries(names, values))
def test_parameters_are_alike_if_they_are_equal(some, others):
    assert alike(some, dict(reversed(some.items())))
    if json.dumps(some, sort_keys=True) != json.dumps(others, sort_keys=True):
        assert not alike(some, others)


@pytest.mark.parametrize(
    ("some", "others", "same"),
    [
        ("<toy.Thing object at 0x7f00aa>", "<toy.Thing object at 0x11>", True),
        ("<toy.Thing object at 0x7f00aa>", "<toy.Other object at 0x7f00aa>", False),
        ("f(0x10, 3)", "f(0x11, 4)", False),
        ("no0x10", "no0x11", False),
        (1, 1.0, True),
        (1, 2, False),
    ],
)
def test_an_address_is_no_difference(some, others, same):
    assert alike({"a": some}, {"a": others}) is same


@given(values)
def test_plain_values_stay_and_print_the_same(value):
    assert plain(value) is value
    assert str(json.loads(json.dumps(plain(value)))) == str(value)


@pytest.mark.parametrize("value", [(1, 2), {1: None}, [1], {1, 2}, b"x"])
def test_other_values_go_as_what_they_print(value):
    assert plain(value) == str(value)
