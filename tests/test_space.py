"""Grids: a product in declared order with ids that name a point everywhere."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DeclarationError
from harness.space import Grid

NAMES = st.sampled_from(["C", "max_depth", "learning_rate", "größe", "p"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(-2, 2, allow_nan=False)
    | st.sampled_from(["", "1", "1.0", "True", "None", "a-b", "a:b", "1.0.0", "p0", "1.1", "ä"])
    | st.text(max_size=3)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)
LISTS = st.lists(JSON, min_size=1, max_size=4, unique_by=lambda value: (type(value).__name__, repr(value)))


def distinct(values):
    """Whether no two values of one type are equal (0.0 and -0.0 are)."""
    return not any(type(a) is type(b) and a == b for a, b in itertools.combinations(values, 2))


GRIDS = st.dictionaries(NAMES, LISTS.filter(distinct), min_size=1, max_size=3)


@given(GRIDS)
def test_a_grid_is_the_product_in_the_order_of_itertools(values):
    points = list(Grid(values).points())

    expected = [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]
    assert [dict(point.values) for point in points] == expected
    assert [[type(v) for v in point.values.values()] for point in points] == [
        [type(v) for v in row.values()] for row in expected
    ]
    assert len(Grid(values)) == len(points) == math.prod(map(len, values.values()))


@given(GRIDS)
def test_ids_are_unique(values):
    ids = [point.id for point in Grid(values).points()]

    assert len(set(ids)) == len(ids)


@given(GRIDS)
def test_ids_depend_on_nothing_but_the_values(values):
    again = json.loads(json.dumps(values))

    assert [p.id for p in Grid(again).points()] == [p.id for p in Grid(values).points()]


SCRIPT = """
import json
from harness.space import Grid

class Model: pass
def relu(x): return x

values = {
    "kind": [Model, relu, Model(), Model(), frozenset({"a", "b"}), {"x", "y"}, b"bytes", (1, 2), 1j],
    "depth": [1, "1", 1.0, True, None, "None", "a b", -0.5, 1e-12],
    "f": [lambda x: x, lambda x: -x],
}
print(json.dumps([point.id for point in Grid(values).points()]))
"""


def test_ids_are_equal_in_a_second_process_also_of_objects_and_sets():
    shown = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(shown) == 1
    ids = json.loads(shown.pop())
    assert len(set(ids)) == 9 * 9 * 2
    assert not any(" at 0x" in name for name in ids)


def test_ids_are_what_a_user_types():
    ids = [p.id for p in Grid({"max_depth": [4, 6], "learning_rate": [0.05, 1e-4]}).points()]

    assert ids == [
        "max_depth:4-learning_rate:0.05",
        "max_depth:4-learning_rate:0.0001",
        "max_depth:6-learning_rate:0.05",
        "max_depth:6-learning_rate:0.0001",
    ]


def test_a_function_and_a_class_are_named_by_their_names():
    assert [p.id for p in Grid({"f": [math.sin, dict, math]}).points()] == ["f:sin", "f:dict", "f:math"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "1"], ["p:1.0", "p:1.1"]),
        ([1, 1.0, True, "True"], ["p:1", "p:1.0", "p:True.2", "p:True.3"]),
        ([1, "1", "1.0"], ["p:p0", "p:p1", "p:p2"]),
    ],
    ids=["two", "some", "even the numbered ones are taken"],
)
def test_values_that_look_alike_get_different_ids(values, expected):
    assert [p.id for p in Grid({"p": values}).points()] == expected


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "@grid() has no parameter; write @grid(name=[value, …])"),
        ({"p": []}, "grid parameter 'p' is an empty list, so the grid has no point; give at least one value"),
        ({"p": iter(())}, "grid parameter 'p' is an empty list"),
        (
            {"p": [1, 2, 1]},
            "grid parameter 'p' has the value 1 twice; every combination must be a different trial",
        ),
        ({"p": [0.0, -0.0]}, "grid parameter 'p' has the value -0.0 twice"),
        ({"p": [float("nan")] * 2}, "grid parameter 'p' has the value nan twice"),
        ({"p": [[1], [1]]}, "grid parameter 'p' has the value [1] twice"),
        ({"p": "rbf"}, "grid parameter 'p' is 'rbf', a str, not a list; write p=[…] with the values to try"),
        ({"p": b"rbf"}, "grid parameter 'p' is b'rbf', a bytes, not a list"),
        ({"p": {"a": 1}}, "grid parameter 'p' is {'a': 1}, a dict, not a list"),
        ({"p": 3}, "grid parameter 'p' is 3, a int, not a list"),
        ({"p": None}, "grid parameter 'p' is None, a NoneType, not a list"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value)[:20],
)
def test_a_list_that_makes_no_grid_is_refused(values, problem):
    with pytest.raises(DeclarationError) as refused:
        list(Grid(values).points())

    assert str(refused.value).startswith(problem)


def test_one_bad_list_among_good_ones_is_named():
    with pytest.raises(DeclarationError, match="'b' is an empty list"):
        list(Grid({"a": [1], "b": []}).points())


@pytest.mark.parametrize(
    "values",
    [range(1, 4), (1, 2, 3), (i for i in (1, 2, 3)), {1: 0, 2: 0, 3: 0}.keys()],
    ids=["range", "tuple", "generator", "keys"],
)
def test_any_iterable_is_a_list(values):
    assert [p.id for p in Grid({"p": values}).points()] == ["p:1", "p:2", "p:3"]


def test_a_generator_can_be_asked_twice():
    grid = Grid({"p": (i for i in (1, 2, 3))})

    assert len(grid) == 3
    assert len(list(grid.points())) == len(list(grid.points())) == 3


def test_numpy_values_keep_their_type_and_have_readable_ids():
    np = pytest.importorskip("numpy")
    points = list(Grid({"C": np.logspace(-1, 1, 3), "n": np.array([1, 2])}).points())

    assert [p.id for p in points][:2] == ["C:0.1-n:1", "C:0.1-n:2"]
    assert isinstance(points[0].values["n"], np.int64)


def test_arrays_can_be_values():
    np = pytest.importorskip("numpy")
    points = list(Grid({"hidden": [np.ones(2), np.ones(2) * 2]}).points())

    assert [p.id for p in points] == ["hidden:hidden0", "hidden:hidden1"]
