"""An estimator and a data set flow in; the fitted estimator, its curves and what it cost flow out."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from harness.data.dataset import Dataset, Split
from harness.errors import EstimatorError
from harness.models.boosters import Watch, curves_of, stops_early, validation, watchable, watched
from harness.models.memory import peak
from harness.models.predictions import OutputError, Predictions, library, safely_named
from harness.models.predictions import outputs as raw_outputs
from harness.models.stages import Follower, Stages
from harness.models.stages import stages as stages_of
from harness.models.structures import Structures
from harness.models.threads import Threads, bound
from harness.scikit import utils

__all__ = ["Fit", "Structures", "Threads", "Watch", "check", "fit", "outputs"]

__tracebackhide__ = True


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
    watched: str | None = None
    """Name of the curve that the watch was told; None if there was no watch, or no round with a value."""
    watched_greater_is_better: bool = False
    stopped_early: bool = False
    """Whether the validation rows chose the number of boosting rounds."""
    stages: Stages | None = None
    """What it would have said of those rows after other rounds; None if not asked for or not known."""


@dataclass(slots=True)
class _Seen:
    """A watch, and what it was told of."""

    watch: Watch
    curve: str | None = None
    greater_is_better: bool = False

    def __call__(self, curve: str, index: int, value: float, greater_is_better: bool) -> None:
        self.curve, self.greater_is_better = curve, greater_is_better
        self.watch(curve, index, value, greater_is_better)


def fit(
    estimator: Any,
    dataset: Dataset,
    *,
    threads: int | Threads,
    curves: bool = False,
    structures: Structures | None = None,
    watch: Watch | None = None,
    stages: bool = False,
) -> Fit:
    """Fit the user's very object on the training rows.

    XGBoost and LightGBM estimators that are configured for early stopping watch the validation rows; with
    `curves` or a `watch` they do so in any case, which changes nothing but the time. Sample weights of the
    data set go to `fit`. OpenMP and BLAS are bounded to `threads`.

    structures: what boosters share with earlier fits of this process, and with later ones; the model is the
        same, bit for bit. None: every fit builds its own.
    watch: called after every round of a booster; what it raises ends the fit and goes through. Other
        estimators ignore it.
    stages: whether to keep, if it stops early, what it would have predicted after other rounds.

    Raises EstimatorError for something that is no estimator, is of the wrong kind for the task, or cannot
    take what the data set demands. What the estimator itself raises goes through.
    """
    check(estimator, dataset)
    train = dataset.train
    seen = _Seen(watch) if watch is not None and watchable(estimator) else None
    stopping = stops_early(estimator)
    evaluates = stopping or (library(estimator) is not None and (curves or seen is not None))
    arguments = _weights(estimator, dataset.name, train)
    follower = Follower.of(estimator) if stages and stopping else None
    if evaluates:
        arguments |= validation(estimator, dataset.validation)
    if follower is not None:
        arguments |= follower.arguments
    X = safely_named(estimator, train.X)
    with (
        bound(threads, estimator),
        peak() as memory,
        _shared(estimator, dataset, len(train.y), structures),
        watched(estimator, seen) as callbacks,
    ):
        started = time.perf_counter()
        estimator.fit(X, train.y, **arguments, **callbacks)
        seconds = time.perf_counter() - started
    _needs(estimator, "predict")
    noted = curves_of(estimator) if evaluates else {}
    return Fit(
        estimator,
        seconds,
        memory.size,
        noted,
        seen.curve if seen else None,
        bool(seen and seen.greater_is_better),
        stopping,
        None if follower is None else _stages(estimator, dataset, threads, noted, follower),
    )


def _stages(
    estimator: Any,
    dataset: Dataset,
    threads: int | Threads,
    curves: Mapping[str, list[float]],
    follower: Follower,
) -> Stages | None:
    with bound(threads, estimator):
        return stages_of(
            estimator,
            dataset.validation.X,
            task=dataset.task,
            n_classes=None if dataset.classes is None else len(dataset.classes),
            curves=curves,
            follower=follower,
        )


def _shared(
    estimator: Any, dataset: Dataset, rows: int, structures: Structures | None
) -> AbstractContextManager[None]:
    """Return the block in which a booster is fitted on what earlier fits have built."""
    if structures is not None and library(estimator) == "xgboost":
        # with the library itself, which is there with the estimator
        from harness.models import xgboost_matrix

        return xgboost_matrix.shared(estimator, dataset.digest, structures)
    if structures is not None and library(estimator) == "lightgbm":
        from harness.models import lightgbm_dataset

        return lightgbm_dataset.shared(estimator, dataset.digest, rows, structures)
    return nullcontext()


def outputs(estimator: Any, X: Any, dataset: Dataset, *, threads: int | Threads | None = None) -> Predictions:
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
        kind = utils.get_tags(estimator).estimator_type
    except (AttributeError, TypeError):  # not made with scikit-learn's base classes
        kind = getattr(estimator, "_estimator_type", None)
    return kind if isinstance(kind, str) else None


def _weights(estimator: Any, dataset: str, train: Split) -> dict[str, Any]:
    if train.weight is None:
        return {}
    name = _weight_argument(estimator)
    if name is None:
        raise EstimatorError(
            f"{type(estimator).__name__} takes no sample weights, and data set {dataset!r} has some",
            "use an estimator whose fit takes sample_weight, or remove weight= from @dataset",
        )
    return {name: train.weight}


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
