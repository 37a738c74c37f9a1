"""Decorators attach records to functions; what they cannot do is said where it is written."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import harness
from harness import dataset, experiment, features, grid, integers, metric, search, uniform
from harness.declarations import (
    DatasetDeclaration,
    ExperimentDeclaration,
    FeaturesDeclaration,
    MetricDeclaration,
    declared,
    grids,
    searches,
)
from harness.errors import DeclarationError
from harness.space import Grid, Search


def test_a_data_set_keeps_its_loader_and_every_option():
    options = {
        "contract": "income",
        "split": (0.8, 0.1, 0.1),
        "seed": 7,
        "stratify": "sex",
        "group": "household",
        "time": ("day", "hour"),
        "key": "id",
        "weight": "w",
        "drop": ("leak",),
        "task": "binary",
        "positive": ">50K",
    }

    @dataset("income", **options)
    def people():
        """Who earns what."""
        return "rows"

    record = declared(people, DatasetDeclaration)
    assert {name: getattr(record, name) for name in options} == options
    assert (record.name, record.target, record.loader()) == ("people", "income", "rows")
    assert record.path == Path(__file__)
    assert record.place.startswith("test_decorators.py:")
    assert people.__doc__ == "Who earns what."


def test_a_data_set_has_the_promised_defaults():
    @dataset(target="y")
    def rows():
        raise AssertionError("a decorator runs nothing")

    record = declared(rows, DatasetDeclaration)

    assert (record.contract, record.split, record.seed, record.drop) == (None, (0.7, 0.2, 0.1), 0, ())
    rest = ("stratify", "group", "time", "key", "weight", "task", "positive")
    assert {name: getattr(record, name) for name in rest} == dict.fromkeys(rest)


def test_features_keep_their_function():
    @features
    def scaled(rows, scale):
        """Scale."""
        return ("transformer", rows, scale)

    record = declared(scaled, FeaturesDeclaration)

    assert record.name == "scaled"
    assert record.function("r", 2) == ("transformer", "r", 2)
    assert record.place.startswith("test_decorators.py:")
    assert scaled.__doc__ == "Scale."


def test_an_experiment_a_grid_and_a_metric_stay_the_very_function():
    def ride(trial, gear):
        return gear * 10

    assert grid(gear=[1, 2])(ride) is ride
    assert experiment(maximize="speed")(ride) is ride
    assert ride(None, 3) == 30

    def cost(y):
        return 4.0

    assert metric(cost) is cost
    assert metric(greater_is_better=False)(cost) is cost
    assert cost([]) == 4.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"repeats": 0}, "@experiment(repeats=0); write an int from 1 on, such as repeats=5"),
        ({"repeats": True}, "@experiment(repeats=True); write an int from 1 on, such as repeats=5"),
        ({"repeats": 2.0}, "@experiment(repeats=2.0); write an int from 1 on, such as repeats=5"),
        ({"repeats": None}, "@experiment(repeats=None); write an int from 1 on, such as repeats=5"),
        ({"folds": 1}, "@experiment(folds=1); write an int from 2 on, such as folds=5"),
        ({"folds": "5"}, "@experiment(folds='5'); write an int from 2 on, such as folds=5"),
        ({"folds": True}, "@experiment(folds=True); write an int from 2 on, such as folds=5"),
        (
            {"repeats": 3, "folds": 5},
            "@experiment(repeats=3, folds=5); these are different ways to divide the rows again: keep one of "
            "them",
        ),
    ],
    ids=str,
)
def test_repeats_that_cannot_be_are_refused(options, text):
    with pytest.raises(DeclarationError) as caught:
        ExperimentDeclaration(**options).check()
    assert str(caught.value) == text


def test_repeats_are_one_and_folds_none_unless_declared():
    @experiment(folds=3)
    def folded(trial): ...

    assert declared(folded, ExperimentDeclaration) == ExperimentDeclaration(folds=3)
    assert ExperimentDeclaration() == ExperimentDeclaration(repeats=1, folds=None)
    assert [ExperimentDeclaration(**o).repeated for o in ({}, {"repeats": 2}, {"folds": 2})] == [
        False,
        True,
        True,
    ]


def test_an_experiment_states_its_objective():
    @experiment(maximize="f1")
    def up(trial): ...

    @experiment(minimize="log_loss")
    def down(trial): ...

    @experiment
    def plain(trial): ...

    def undecorated(trial): ...

    assert declared(up, ExperimentDeclaration) == ExperimentDeclaration(maximize="f1")
    assert declared(down, ExperimentDeclaration) == ExperimentDeclaration(minimize="log_loss")
    assert declared(plain, ExperimentDeclaration) == ExperimentDeclaration()
    assert declared(undecorated, ExperimentDeclaration) is None


def test_a_metric_states_its_direction():
    @metric
    def gain(y): ...

    @metric(greater_is_better=False)
    def cost(y): ...

    assert declared(gain, MetricDeclaration).greater_is_better is True
    assert declared(cost, MetricDeclaration).greater_is_better is False
    assert declared(cost, MetricDeclaration).name == "cost"
    assert declared(cost, MetricDeclaration).place.startswith("test_decorators.py:")


def test_grids_multiply_from_the_top():
    @grid(b=[1, 2])
    @grid(a=[3], c=[4])
    def ride(trial, a, b, c): ...

    assert grids(ride) == (Grid({"b": [1, 2]}), Grid({"a": [3], "c": [4]}))
    assert grids(lambda: None) == ()


def test_a_search_stays_the_very_function_and_says_what_was_asked():
    def ride(trial, gear):
        return gear * 10

    assert search(trials=8, strategy="random", prune=True, gear=integers(1, 9))(ride) is ride
    assert searches(ride) == (
        Search(trials=8, strategy="random", prune=True, ranges={"gear": integers(1, 9)}),
    )
    assert ride(None, 3) == 30
    assert searches(lambda: None) == ()


def test_a_search_learns_and_prunes_nothing_unless_told():
    @search(trials=8, gear=integers(1, 9))
    def ride(trial, gear): ...

    (record,) = searches(ride)
    assert (record.strategy, record.prune) == ("tpe", False)


def test_every_search_is_kept_so_that_a_second_one_can_be_refused():
    @search(trials=1, a=integers(1, 9))
    @search(trials=2, b=integers(1, 9))
    def ride(trial, a, b): ...

    assert [record.trials for record in searches(ride)] == [1, 2]


def test_a_search_without_names_is_refused():
    with pytest.raises(DeclarationError) as refused:

        @search(30, [1, 2])
        def ride(trial): ...

    place, _, text = str(refused.value).partition(": ")
    assert place.startswith("test_decorators.py:")
    assert text == ("@search was given 30 without a name; write @search(trials=30, name=uniform(lo, hi), …)")


def test_a_search_without_parentheses_is_refused():
    with pytest.raises(DeclarationError) as refused:

        @search
        def ride(trial): ...

    place, _, text = str(refused.value).partition(": ")
    assert place.startswith("test_decorators.py:")
    assert text == "@search was given no ranges; write @search(trials=30, name=uniform(lo, hi), …)"


def test_the_order_of_decorators_does_not_matter():
    decorators = [
        experiment(maximize="f1"),
        grid(a=[1]),
        pytest.mark.slow,
        pytest.mark.parametrize("b", [2]),
    ]
    seen = []
    for order in itertools.permutations(decorators):

        def ride(trial, a, b): ...

        for decorator in order:
            assert decorator(ride) is ride
        seen.append(
            (declared(ride, ExperimentDeclaration), grids(ride), {mark.name for mark in ride.pytestmark})
        )

    assert all(entry == seen[0] for entry in seen)
    assert seen[0] == (ExperimentDeclaration(maximize="f1"), (Grid({"a": [1]}),), {"slow", "parametrize"})


def test_decorating_one_function_leaves_others_alone():
    def base(trial, a): ...

    first, second = grid(a=[1])(base), None
    second = __import__("functools").wraps(first)(lambda trial, a: None)
    grid(a=[2])(second)

    assert grids(first) == (Grid({"a": [1]}),)
    assert grids(second) == (Grid({"a": [2]}), Grid({"a": [1]}))


class Callable:
    def __call__(self, trial): ...


@pytest.mark.parametrize(
    "value",
    [3, "text", None, Callable(), Callable, staticmethod(print)],
    ids=["number", "text", "None", "callable object", "class", "static method"],
)
@pytest.mark.parametrize(
    ("decorate", "name"),
    [
        (grid(a=[1]), "grid(…)"),
        (experiment(maximize="f1"), "experiment(…)"),
        (search(trials=3, a=integers(1, 9)), "search(…)"),
        (metric(greater_is_better=True), "metric(…)"),
        (dataset(target="y"), "dataset(target=…)"),
        (features, "features"),
    ],
    ids=["grid", "experiment", "search", "metric", "dataset", "features"],
)
def test_what_is_no_function_is_refused_with_its_type(decorate, name, value):
    if decorate is features and value is None:
        assert decorate(value) is features  # @features()
        return
    with pytest.raises(DeclarationError) as refused:
        decorate(value)

    kind = type(value).__name__
    assert (
        str(refused.value)
        == f"@{name} decorates a {kind}, not a function; write @{name} on the line above a def"
    )


def test_a_data_set_without_parentheses_is_told_how_to_write_it():
    with pytest.raises(DeclarationError) as refused:

        @dataset
        def rows(): ...

    assert str(refused.value) == (
        "@dataset was given the function 'rows' instead of a target; "
        'write @dataset(target="COLUMN") on the line above its def'
    )


def test_an_unknown_option_is_pythons_own_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'maximise'"):
        experiment(maximise="f1")
    with pytest.raises(TypeError, match="target"):
        dataset()


def test_a_grid_without_names_is_refused():
    with pytest.raises(
        DeclarationError, match=r"@grid was given \[1, 2\] without a name; write @grid\(name="
    ):
        grid([1, 2])


def test_a_fixture_that_is_called_says_what_pytest_says():
    @dataset(target="y")
    def rows():
        return 1

    with pytest.raises(pytest.fail.Exception, match='Fixture "rows" called directly'):
        rows()


def test_objects_without_attributes_declare_nothing():
    assert declared(3, Grid) is None
    assert declared(object(), Grid) is None


def test_the_names_of_the_promise_can_be_imported():
    for name in (
        "dataset",
        "features",
        "grid",
        "experiment",
        "metric",
        "search",
        "integers",
        "uniform",
        "loguniform",
        "choice",
        "Dataset",
        "Scores",
        "Score",
        "Trial",
    ):
        assert getattr(harness, name) is not None
    assert uniform(1, 2) == harness.ranges.uniform(1, 2)
    assert set(harness.__all__) <= {*dir(harness), "Dataset", "Score", "Scores", "Trial"}
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'sweep'"):
        harness.sweep  # noqa: B018


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        ExperimentDeclaration().maximize = "f1"
