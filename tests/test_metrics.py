"""The table of built-in and declared metrics, and the objectives it allows."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.declarations import MetricDeclaration
from harness.errors import DeclarationError
from harness.models.model import Predictions
from harness.results import Objective
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import METRICS, RESERVED, default_objective, objective, table
from harness.scoring.scores import Scores


def declare(function: Callable[..., Any], greater: bool = True, name: str = "cost") -> MetricDeclaration:
    return MetricDeclaration(name=name, function=function, greater_is_better=greater)


def evidence(weight: Any = None) -> Evidence:
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    rows = pd.DataFrame({"age": [30, 40]}, index=[7, 3])
    return Evidence(np.array([0, 1]), Predictions(np.array([0, 0]), p, p[:, 1]), weight, 2, lambda: rows)


def test_without_declarations_the_table_is_the_built_in_one() -> None:
    assert table([]) == dict(METRICS)


def test_a_declared_metric_stands_after_the_built_in_ones_and_is_recorded() -> None:
    def cost(y: Any) -> float:
        return 1.0

    metrics = table([declare(cost, greater=False)])

    assert list(metrics) == [*METRICS, "cost"]
    assert metrics["cost"].logged
    assert not metrics["cost"].greater_is_better
    assert metrics["cost"].tasks == {"binary", "multiclass", "regression"}


def test_a_metric_gets_what_it_names_and_nothing_else() -> None:
    def cost(weight: Any, *, X: Any, y: Any, prediction: Any, probability: Any) -> Any:
        return weight, X, y, prediction, probability

    weight, X, y, prediction, probability = table([declare(cost)])["cost"].function(evidence(np.ones(2)))

    assert weight.tolist() == [1.0, 1.0]
    assert X["age"].tolist() == [30, 40]
    assert y.tolist() == [0, 1]
    assert prediction.tolist() == [0, 0]
    assert probability.tolist() == [[0.9, 0.1], [0.2, 0.8]]


def test_a_metric_gets_none_for_weights_and_probabilities_that_there_are_not() -> None:
    def cost(weight: Any, probability: Any) -> Any:
        return weight, probability

    e = Evidence(np.array([0, 1]), Predictions(np.array([0, 1])), None, 2, pd.DataFrame)

    assert table([declare(cost)])["cost"].function(e) == (None, None)


def test_rows_are_loaded_only_for_a_metric_that_takes_them() -> None:
    def unread() -> pd.DataFrame:
        raise AssertionError("rows() was called")

    def cost(y: Any) -> float:
        return float(y.sum())

    e = Evidence(np.array([0, 1]), Predictions(np.array([0, 1])), None, 2, unread)

    assert table([declare(cost)])["cost"].function(e) == 1.0


def test_a_metric_cannot_spoil_what_the_others_are_computed_from() -> None:
    def cost(y: Any) -> float:
        y[:] = 0
        return 0.0

    def other(X: Any) -> float:
        X["age"] = 0
        return 0.0

    e = evidence()
    with pytest.raises(ValueError, match="read-only"):
        table([declare(cost)])["cost"].function(e)
    table([declare(other)])["cost"].function(e)

    assert e.y.tolist() == [0, 1]
    assert e.rows()["age"].tolist() == [30, 40]


@pytest.mark.parametrize(
    ("function", "written"),
    [
        (lambda y, predicton: 0, "'predicton'"),
        (lambda y, threshold=0.5: 0, "'threshold=0.5'"),
        (lambda *y: 0, r"'\*y'"),
        (lambda **weight: 0, r"'\*\*weight'"),
        (lambda y, /: 0, "'y'"),
    ],
)
def test_a_parameter_that_there_is_not(function: Callable[..., Any], written: str) -> None:
    text = rf"@metric cost \(test_metrics\.py:\d+\) asks for {written}; "
    with pytest.raises(
        DeclarationError, match=text + "its parameters are any of y, prediction, probability, X"
    ):
        table([declare(function)])


def test_a_metric_named_like_a_built_in_one() -> None:
    def accuracy(y: Any) -> float:
        return 1.0

    with pytest.raises(
        DeclarationError, match=r"@metric accuracy \(test_metrics\.py:\d+\) has the name of a score"
    ):
        table([declare(accuracy, name="accuracy")])


@pytest.mark.parametrize("name", ["where", "values", "_cost"])
def test_a_metric_that_could_never_be_read(name: str) -> None:
    with pytest.raises(
        DeclarationError, match=f"@metric {name} .* an attribute that Scores keeps for itself; give"
    ):
        table([declare(lambda y: 0, name=name)])


def test_reserved_names_are_the_public_attributes_of_scores() -> None:
    assert {name for name in vars(Scores) if not name.startswith("_")} == RESERVED


def test_two_metrics_of_one_name_are_named_with_their_places() -> None:
    def one(y: Any) -> float:
        return 1.0

    def two(y: Any) -> float:
        return 2.0

    first, second = declare(one), declare(two)
    with pytest.raises(DeclarationError) as caught:
        table([first, second])

    assert str(caught.value) == (
        f"two metrics are named cost: {first.place} and {second.place}; rename one of them"
    )


def test_one_metric_imported_twice_is_one_metric() -> None:
    def cost(y: Any) -> float:
        return 1.0

    again = type(cost)(cost.__code__, globals())

    assert list(table([declare(cost), declare(again)])) == [*METRICS, "cost"]


def test_built_in_metrics_can_be_pickled() -> None:
    e = evidence()

    copies = pickle.loads(pickle.dumps(dict(METRICS)))

    assert copies["roc_auc"].function(e) == METRICS["roc_auc"].function(e) == 1.0
    assert copies["f1"].function(e) == METRICS["f1"].function(e) == 0.0


@pytest.mark.parametrize(
    ("task", "name", "greater"),
    [("binary", "roc_auc", True), ("multiclass", "accuracy", True), ("regression", "rmse", False)],
)
def test_default_objectives(task: str, name: str, greater: bool) -> None:
    assert default_objective(task) == Objective(name=name, greater_is_better=greater)


def test_no_declared_objective() -> None:
    assert objective(None, None, METRICS) is None


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_is_an_objective_in_its_own_direction_only(metric: Any) -> None:
    name, right, wrong = metric.name, (metric.name, None), (None, metric.name)
    if not metric.greater_is_better:
        right, wrong = wrong, right

    assert objective(*right, METRICS) == Objective(name=name, greater_is_better=metric.greater_is_better)
    with pytest.raises(
        DeclarationError, match=f"{name} is better when (high|low)er; write m..imize='{name}'"
    ):
        objective(*wrong, METRICS)


def test_an_objective_against_the_direction_of_its_metric() -> None:
    with pytest.raises(DeclarationError) as caught:
        objective("rmse", None, METRICS)

    assert str(caught.value) == "maximize='rmse', but rmse is better when lower; write minimize='rmse'"


def test_a_declared_metric_is_an_objective_in_its_direction() -> None:
    metrics = table([declare(lambda y: 0, greater=False)])

    assert objective(None, "cost", metrics) == Objective(name="cost", greater_is_better=False)
    with pytest.raises(DeclarationError, match="cost is better when lower; write minimize='cost'"):
        objective("cost", None, metrics, logged=True)


def test_two_objectives() -> None:
    with pytest.raises(
        DeclarationError,
        match="maximize='f1' and minimize='rmse' are both given; an experiment has one objective",
    ):
        objective("f1", "rmse", METRICS)


def test_an_unknown_objective_names_the_nearest_and_all() -> None:
    text = (
        r"maximize='roc_acu' is no known score; did you mean roc_auc\? known: accuracy, balanced_accuracy, "
    )
    with pytest.raises(DeclarationError, match=text):
        objective("roc_acu", None, METRICS)


def test_a_logged_name_may_serve_where_the_caller_allows_it() -> None:
    assert objective(None, "seconds", METRICS, logged=True) == Objective(
        name="seconds", greater_is_better=False
    )
    with pytest.raises(DeclarationError, match="minimize='seconds' is no known score"):
        objective(None, "seconds", METRICS)


@pytest.mark.parametrize("name", ["", "two words", 3, ["f1"]])
def test_what_can_be_no_name(name: Any) -> None:
    with pytest.raises(DeclarationError, match="is no known score"):
        objective(name, None, METRICS, logged=True)


def test_an_objective_of_another_task() -> None:
    with pytest.raises(
        DeclarationError, match=r"maximize='r2' is no score for binary data; .*known: accuracy"
    ):
        objective("r2", None, METRICS, task="binary", logged=True)
    assert objective("r2", None, METRICS, task="regression") == Objective(name="r2", greater_is_better=True)
