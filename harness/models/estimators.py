"""An estimator and a data set flow in; the fitted estimator, its curves and what it cost flow out."""

from __future__ import annotations

import inspect
import numbers
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sklearn.utils import get_tags

from harness.data.dataset import Dataset
from harness.errors import EstimatorError
from harness.models.memory import peak
from harness.models.predictions import OutputError, Predictions, library, parts, safely_named
from harness.models.predictions import outputs as raw_outputs
from harness.models.threads import bound

__tracebackhide__ = True

_STOPPING = (
    "early_stopping_rounds",  # XGBoost's; the others are LightGBM's name and aliases
    "early_stopping_round",
    "early_stopping",
    "n_iter_no_change",
)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What one fit gave."""

    estimator: Any
    """The user's own object."""
    seconds: float
    peak_memory: int | None
    """Highest resident bytes of the process during the fit."""
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    """By "validation_METRIC", one value a boosting round."""


def fit(estimator: Any, dataset: Dataset, *, threads: int, curves: bool = False) -> Fit:
    """Fit the user's very object on the training rows.

    XGBoost and LightGBM estimators that are configured for early stopping watch the validation rows; with
    `curves` they do so in any case, which changes nothing but the time. Sample weights of the data set go
    to `fit`. OpenMP and BLAS are bounded to `threads`.

    Raises EstimatorError for something that is no estimator, is of the wrong kind for the task, or cannot
    take what the data set demands. What the estimator itself raises goes through.
    """
    check(estimator, dataset)
    stopping = _stops_early(estimator)
    watched = library(estimator) is not None and (stopping or curves)
    arguments = _weights(estimator, dataset)
    if watched:
        arguments |= _validation(estimator, dataset)
    X = safely_named(estimator, dataset.train.X)
    y = dataset.train.y
    with bound(threads, estimator), peak() as memory:
        started = time.perf_counter()
        estimator.fit(X, y, **arguments)
        seconds = time.perf_counter() - started
    _needs(estimator, "predict")
    return Fit(estimator, seconds, memory.size, _curves(estimator) if watched else {})


def outputs(estimator: Any, X: Any, dataset: Dataset, *, threads: int | None = None) -> Predictions:
    """Return what a fitted estimator says about rows of `dataset`, with OpenMP bounded to `threads` if given.

    Raises EstimatorError if that cannot be an answer to `dataset.train.y`.
    """
    classes = None if dataset.classes is None else len(dataset.classes)
    try:
        if threads is None:
            return raw_outputs(estimator, X, dataset.task, classes)
        with bound(threads, estimator):
            return raw_outputs(estimator, X, dataset.task, classes)
    except OutputError as error:
        values = "0..K-1 in the order of .classes" if classes else "a number a row"
        raise EstimatorError(str(error), f"fit on .y, which is {values}, and predict the same") from None


def check(estimator: Any, dataset: Dataset) -> None:
    """Raise EstimatorError unless this is an estimator for the task of `dataset`."""
    if inspect.isclass(estimator):
        name = estimator.__name__
        raise EstimatorError(f"{name} is a class, not an estimator", f"write {name}()")
    for method in ("fit", "predict"):
        # what delegates (StackingClassifier) may have its methods only when it is fitted
        if not callable(getattr(type(estimator), method, None)):
            _needs(estimator, method)
    wanted = "regressor" if dataset.task == "regression" else "classifier"
    kind = _kind(estimator)
    if kind is not None and kind != wanted:
        name = type(estimator).__name__
        raise EstimatorError(
            f"{name} is a {kind.replace('_', ' ')}, and data set {dataset.name!r} is a {dataset.task} task",
            f"use a {wanted}, or state another task in @dataset(task=…)",
        )


def _needs(estimator: Any, method: str) -> None:
    if not callable(getattr(estimator, method, None)):
        raise EstimatorError(
            f"{estimator!r}, a {type(estimator).__name__}, has no {method}",
            "give an estimator with fit(X, y) and predict(X); a model trained by hand goes to trial.use",
        )


def _kind(estimator: Any) -> str | None:
    try:
        kind = get_tags(estimator).estimator_type
    except (AttributeError, TypeError):  # not made with scikit-learn's base classes
        kind = getattr(estimator, "_estimator_type", None)
    return kind if isinstance(kind, str) else None


def _stops_early(estimator: Any) -> bool:
    """Return whether the estimator is configured to watch validation rows."""
    stopping = [part for part in parts(estimator) if library(part) and _stopping(part)]
    if stopping and library(estimator) is None:
        inner = type(stopping[0]).__name__
        raise EstimatorError(
            f"{inner} inside a {type(estimator).__name__} is set to stop early, and the validation rows "
            "that it would watch cannot be passed through to it",
            f"put the transformers into @features and give the {inner} itself to trial.fit, "
            "or set no early stopping",
        )
    return bool(stopping)


def _stopping(booster: Any) -> bool:
    given = booster.get_params(deep=False)
    if library(booster) == "xgboost":
        callbacks = given.get("callbacks") or ()
        watching = any(type(callback).__name__ == "EarlyStopping" for callback in callbacks)
        return given.get("early_stopping_rounds") is not None or watching
    rounds = (given.get(name) for name in _STOPPING)
    return any(isinstance(number, numbers.Integral) and int(number) > 0 for number in rounds)


def _validation(booster: Any, dataset: Dataset) -> dict[str, Any]:
    split = dataset.validation
    X = safely_named(booster, split.X)
    weights = None if split.weight is None else [split.weight]
    if library(booster) == "xgboost":
        return {"eval_set": [(X, split.y)], "sample_weight_eval_set": weights, "verbose": False}
    arguments: dict[str, Any] = {"eval_names": ["validation"], "eval_sample_weight": weights}
    if (
        "eval_X" in inspect.signature(booster.fit).parameters
    ):  # LightGBM 4.7 and later; eval_set is deprecated
        return arguments | {"eval_X": (X,), "eval_y": (split.y,)}
    return arguments | {"eval_set": [(X, split.y)]}


def _curves(booster: Any) -> dict[str, list[float]]:
    watched = booster.evals_result() if library(booster) == "xgboost" else booster.evals_result_
    return {
        f"validation_{metric}": [float(value) for value in values]
        for metrics in watched.values()
        for metric, values in metrics.items()
    }


def _weights(estimator: Any, dataset: Dataset) -> dict[str, Any]:
    weight = dataset.train.weight
    if weight is None:
        return {}
    name = _weight_argument(estimator)
    if name is None:
        raise EstimatorError(
            f"{type(estimator).__name__} takes no sample weights, and data set {dataset.name!r} has some",
            "use an estimator whose fit takes sample_weight, or remove weight= from @dataset",
        )
    return {name: weight}


def _weight_argument(estimator: Any) -> str | None:
    """Return the argument of `fit` by which sample weights reach the estimator that learns."""
    if hasattr(estimator, "steps"):
        name, last = estimator.steps[-1]
        inner = _weight_argument(last)
        return inner and f"{name}__{inner}"
    parameters = inspect.signature(estimator.fit).parameters
    if "sample_weight" in parameters:
        return "sample_weight"
    if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    for attribute in ("estimator", "regressor"):
        inner_estimator = getattr(estimator, attribute, None)
        if hasattr(inner_estimator, "fit"):
            return _weight_argument(inner_estimator)
    members = [member for _, member in getattr(estimator, "estimators", None) or ()]
    takers = [_weight_argument(member) for member in members if hasattr(member, "fit")]
    return "sample_weight" if all(taker == "sample_weight" for taker in takers) else None
