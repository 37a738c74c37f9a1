"""Grids and searches: points with ids that name them everywhere."""

from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import printed_with_any_hash_seed

from harness.errors import DeclarationError
from harness.ranges import choice, integers, loguniform, uniform
from harness.space import Grid, Search
from harness.values import jsonable, twin

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
    ids = json.loads(printed_with_any_hash_seed(SCRIPT))

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


class Counted(int):
    """A number that counts how often it, or its text, is compared."""

    compared = 0

    def __eq__(self, other):
        Counted.compared += 1
        return int.__eq__(self, other)

    __hash__ = int.__hash__

    def __str__(self):
        return CountedText(int(self))


class CountedText(str):
    __slots__ = ()

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_long_list_is_not_compared_value_by_value():
    values = [Counted(i) for i in range(10_000)]
    Counted.compared = 0

    points = list(Grid({"p": [*values, "7"]}).points())  # one text stands twice, so ids are numbered

    assert len(points) == 10_001
    assert points[7].id == "p:7.7"
    assert points[-1].id == "p:7.10000"
    assert Counted.compared < 100_000


@given(st.lists(JSON | st.tuples(JSON) | st.floats() | st.frozensets(st.integers(0, 2)), max_size=8))
def test_the_first_value_that_is_there_twice_is_found_as_by_comparing_all(values):
    def same(a, b):
        return type(a) is type(b) and (a is b or a == b)

    expected = (i for i, value in enumerate(values) if any(same(value, other) for other in values[:i]))

    assert twin(values) == next(expected, None)


def test_a_value_with_a_hash_is_compared_with_those_without():
    assert twin([(1, {2}), (1, frozenset({2}))]) == 1
    assert twin([(1, frozenset({2})), (1, {2})]) == 1
    assert twin([(1, {2}), (1, frozenset({3})), (1, {2, 3})]) is None


class Touchy:
    """Has a hash and cannot be compared."""

    def __eq__(self, other):
        raise ValueError("ambiguous")

    def __hash__(self):
        return 1


def test_values_that_cannot_be_compared_are_different():
    assert twin([Touchy(), Touchy()]) is None
    assert twin([(Touchy(), []), (Touchy(), [])]) is None


# Searches


def search(trials=3, strategy="tpe", prune=False, **ranges):
    return Search(trials=trials, strategy=strategy, prune=prune, ranges=ranges)


@pytest.mark.parametrize(
    ("trials", "first", "last"),
    [
        (1, "trial:00", "trial:00"),
        (100, "trial:00", "trial:99"),
        (101, "trial:000", "trial:100"),
        (1001, "trial:0000", "trial:1000"),
    ],
)
def test_trials_are_numbered_at_equal_length(trials, first, last):
    ids = search(trials=trials, a=uniform(0, 1)).ids

    assert (ids[0], ids[-1]) == (first, last)
    assert len(set(ids)) == trials
    assert ids == sorted(ids)


def test_the_number_of_distinct_points_is_known_without_a_continuum():
    assert search(a=integers(3, 10), b=choice("x", "y")).size == 16
    assert search(a=integers(3, 10), b=uniform(0, 1)).size is None


def test_a_choice_travels_as_the_position_of_its_option():
    model = object()
    space = search(kind=choice(None, model), depth=integers(1, 3), rate=uniform(0, 1))

    values = space.values({"kind": 1, "depth": 2, "rate": 0.5})

    assert values == {"kind": model, "depth": 2, "rate": 0.5}
    assert values["kind"] is model
    assert list(values) == ["kind", "depth", "rate"]


RANGES = search(
    depth=integers(1, 3), rate=loguniform(1e-3, 1), kind=choice("1", 1, None, (1, 2), [1, 2], float("nan"))
)


@given(st.integers(1, 3), st.floats(1e-3, 1), st.integers(0, 5))
def test_the_plain_form_is_found_from_what_a_record_kept(depth, rate, kind):
    plain = {"depth": depth, "rate": rate, "kind": kind}
    kept = {name: jsonable(value) for name, value in RANGES.values(plain).items()}

    assert RANGES.plain(json.loads(json.dumps(kept))) == plain


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"depth": 4, "rate": 0.5, "kind": "1"},
        {"depth": True, "rate": 0.5, "kind": "1"},
        {"depth": 2.0, "rate": 0.5, "kind": "1"},
        {"depth": 2, "rate": 2.0, "kind": "1"},
        {"depth": 2, "rate": 1, "kind": "1"},
        {"depth": 2, "rate": 0.5, "kind": "2"},
        {"depth": 2, "rate": 0.5},
        {"depth": 2, "rate": 0.5, "kind": "1", "more": 1},
    ],
    ids=repr,
)
def test_what_is_no_point_of_the_search_has_no_plain_form(kept):
    assert RANGES.plain(kept) is None


def test_options_that_are_equal_but_for_their_type_are_told_apart():
    space = search(kind=choice(1, True, 1.0))

    assert [space.plain({"kind": kind}) for kind in (1, True, 1.0)] == [{"kind": k} for k in range(3)]


def test_options_that_a_record_cannot_tell_apart_have_no_plain_form():
    assert search(kind=choice((1, 2), "(1, 2)")).plain({"kind": "(1, 2)"}) is None


CONTINUUM = {"a": uniform(0, 1)}


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        (
            search(trials=None, **CONTINUUM),
            "@search does not say how many trials; write @search(trials=30, …)",
        ),
        (search(trials=0, **CONTINUUM), "@search has trials=0; write a whole number above 0"),
        (search(trials=-3, **CONTINUUM), "@search has trials=-3; write"),
        (search(trials=2.0, **CONTINUUM), "@search has trials=2.0; write"),
        (search(trials=True, **CONTINUUM), "@search has trials=True; write"),
        (search(trials="30", **CONTINUUM), "@search has trials='30'; write"),
        (
            search(strategy="bayes", **CONTINUUM),
            '@search has the unknown strategy=\'bayes\'; write strategy="tpe" or strategy="random"',
        ),
        (
            search(strategy="TPE", **CONTINUUM),
            "@search has the unknown strategy='TPE'; did you mean 'tpe'?",
        ),
        (
            search(strategy="randm", **CONTINUUM),
            "@search has the unknown strategy='randm'; did you mean 'random'?",
        ),
        (search(strategy=None, **CONTINUUM), "@search has the unknown strategy=None; write strategy="),
        (
            search(strategy=["tpe"], **CONTINUUM),
            "@search has the unknown strategy=['tpe']; did you mean 'tpe'?",
        ),
        (search(prune=1, **CONTINUUM), "@search has prune=1; write prune=True or prune=False"),
        (
            search(),
            "@search has no parameter; write @search(trials=…, name=…) with integers(lo, hi), uniform(",
        ),
        (search(trial=integers(1, 9)), "@search gives 'trial', which is a fixture of its own; call"),
        (search(request=integers(1, 9)), "@search gives 'request', which is a fixture of its own"),
        (
            search(a=[1, 2]),
            "@search gives 'a' [1, 2], a list, not a range; write a=choice(1, 2), or @grid for every",
        ),
        (search(a=(1,)), "@search gives 'a' (1,), a tuple, not a range; write a=choice(1), or @grid"),
        (
            search(a=[]),
            "@search gives 'a' [], a list, not a range; write a=integers(lo, hi), uniform(lo, hi), ",
        ),
        (search(a=3), "@search gives 'a' 3, a int, not a range; write a=integers(lo, hi)"),
        (search(a=integers), "@search gives 'a' <function integers at"),
        (
            search(a=integers(10, 3)),
            "@search gives 'a' integers(10, 3): 10 is not below 3; write the lower bound first",
        ),
        (
            search(a=integers(3, 3)),
            "@search gives 'a' integers(3, 3): 3 is not below 3; write the lower bound",
        ),
        (
            search(a=integers(1.0, 3)),
            "@search gives 'a' integers(1.0, 3) has the bound 1.0, a float; integers takes two whole numbers",
        ),
        (search(a=integers(False, 3)), "@search gives 'a' integers(False, 3) has the bound False, a bool"),
        (search(a=integers(1, "3")), "@search gives 'a' integers(1, '3') has the bound '3', a str"),
        (
            search(a=integers(0, 2**53 + 1)),
            "@search gives 'a' integers(0, 9007199254740993) goes beyond 2**53",
        ),
        (search(a=uniform(1, 1)), "@search gives 'a' uniform(1.0, 1.0): 1.0 is not below 1.0"),
        (search(a=uniform(True, 2)), "@search gives 'a' uniform(True, 2.0) has the bound True, a bool"),
        (
            search(a=uniform("0", 1)),
            "@search gives 'a' uniform('0', 1.0) has the bound '0', a str; uniform takes",
        ),
        (search(a=uniform(0, float("inf"))), "@search gives 'a' uniform(0.0, inf) is not finite; write two"),
        (search(a=uniform(float("nan"), 1)), "@search gives 'a' uniform(nan, 1.0) is not finite"),
        (search(a=uniform(-1e308, 1e308)), "@search gives 'a' uniform(-1e+308, 1e+308) is not finite"),
        (
            search(a=loguniform(0, 1)),
            "@search gives 'a' loguniform(0.0, 1.0) starts at 0.0, which has no logarithm; write a",
        ),
        (search(a=loguniform(-1, 1)), "@search gives 'a' loguniform(-1.0, 1.0) starts at -1.0"),
        (search(a=loguniform(2, 1)), "@search gives 'a' loguniform(2.0, 1.0): 2.0 is not below 1.0"),
        (search(a=loguniform(None, 1)), "@search gives 'a' loguniform(None, 1.0) has the bound None"),
        (search(a=choice()), "@search gives 'a' choice() has no option; write choice(a, b, …)"),
        (search(a=choice([])), "@search gives 'a' choice() has no option"),
        (search(a=choice(1, 2, 1)), "@search gives 'a' choice has the option 1 twice; remove one of them"),
        (search(a=choice([1], [1])), "@search gives 'a' choice has the option [1] twice"),
        (search(a=choice({"x"})), "@search gives 'a' choice was given the set {'x'}, whose order is another"),
        (
            search(trials=7, a=integers(1, 3), b=choice("x", "y")),
            "@search has 7 trials, and its ranges hold 6 distinct points; write trials=6 or fewer, widen",
        ),
    ],
    ids=lambda value: value[8:60] if isinstance(value, str) else "search",
)
def test_a_search_that_cannot_be_is_refused(declared, problem):
    with pytest.raises(DeclarationError) as refused:
        declared.check()

    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    "declared",
    [
        search(trials=6, a=integers(1, 3), b=choice("x", "y")),
        search(trials=10**4, a=uniform(-1, 1)),
        search(trials=1, a=choice("only")),
        search(a=choice(1, 1.0, True, "1")),
        search(a=integers(-(2**53), 2**53), prune=True, strategy="random"),
        search(a=loguniform(1e-300, 1e300)),
    ],
    ids=lambda declared: repr(declared.ranges),
)
def test_a_search_that_can_be_is_left_alone(declared):
    declared.check()


def test_numpy_numbers_become_pythons():
    np = pytest.importorskip("numpy")
    space = search(
        trials=np.int64(3), a=integers(np.int64(1), np.int32(9)), b=uniform(np.float32(0), np.int64(1))
    )
    space.check()

    assert type(space.trials) is int
    assert {type(bound) for bound in (space.ranges["a"].lo, space.ranges["a"].hi)} == {int}
    assert {type(bound) for bound in (space.ranges["b"].lo, space.ranges["b"].hi)} == {float}


def test_numpy_options_are_found_from_what_a_record_kept():
    np = pytest.importorskip("numpy")
    space = search(kind=choice(np.int64(3), np.float32(0.5), np.array(True)))

    assert [space.plain({"kind": kind}) for kind in (3, 0.5, True)] == [{"kind": k} for k in range(3)]


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (choice("a", "b"), ("a", "b")),
        (choice(["a", "b"]), ("a", "b")),
        (choice(("a", "b")), ("a", "b")),
        (choice(c for c in "ab"), ("a", "b")),
        (choice(range(2)), (0, 1)),
        (choice([1, 2], [3]), ([1, 2], [3])),
        (choice("ab"), ("ab",)),
        (choice({"a": 1}), ({"a": 1},)),
        (choice(dict), (dict,)),
        (choice(7), (7,)),
    ],
    ids=repr,
)
def test_options_are_given_one_by_one_or_as_one_list(made, options):
    assert made.options == options


BOUNDS = st.floats(1e-6, 1e6)


@given(BOUNDS, BOUNDS, st.floats(0, 1, exclude_max=True))
def test_what_is_drawn_lies_within_the_bounds_and_survives_json(a, b, unit):
    lo, hi = sorted((a, b))
    if lo == hi:
        return
    for r in (uniform(lo, hi), loguniform(lo, hi), uniform(-hi, -lo)):
        drawn = r.draw(unit)
        assert r.lo <= drawn <= r.hi
        assert r.plain(json.loads(json.dumps(drawn))) == drawn


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_whole_numbers_are_drawn_with_both_ends(lo, more, unit):
    r = integers(lo, lo + more)

    assert lo <= r.draw(unit) <= lo + more
    assert r.draw(0.0) == lo
    assert r.draw(math.nextafter(1, 0)) == lo + more
    assert [r.at(0), r.at(r.size - 1)] == [lo, lo + more]


def test_every_order_of_magnitude_is_as_likely_as_any_other():
    r = loguniform(1e-4, 1)
    drawn = [r.draw((i + 0.5) / 400) for i in range(400)]

    assert [sum(10.0**-k > x >= 10.0 ** -(k + 1) for x in drawn) for k in range(4)] == [100] * 4
