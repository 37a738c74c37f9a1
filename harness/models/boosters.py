"""A booster of XGBoost or LightGBM and a data set flow in; what it sees of the validation rows flows out."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.data.dataset import Split
from harness.errors import EstimatorError
from harness.models.predictions import library, parts, safely_named

__tracebackhide__ = True

Watch = Callable[[str, int, float, bool], None]
"""Called after every boosting round with the curve's name ("validation_METRIC"), the index of the round, the
value on the validation rows, and whether greater is better. What it raises ends the fit and goes through."""

_STOPPING = (
    "early_stopping_rounds",  # XGBoost's; the others are LightGBM's name and aliases
    "early_stopping_round",
    "early_stopping",
    "n_iter_no_change",
)

# The beginnings of XGBoost's metrics that early stopping maximizes, and the exception (3.2, callback.py).
_MAXIMIZED = ("auc", "pre", "map", "ndcg")
_MINIMIZED = "mape"


def stops_early(estimator: Any) -> bool:
    """Return whether the estimator is configured to watch validation rows.

    Raises EstimatorError if a booster inside of another estimator is.
    """
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
        return given.get("early_stopping_rounds") is not None or _stopper(booster) is not None
    rounds = (given.get(name) for name in _STOPPING)
    return any(isinstance(number, numbers.Integral) and int(number) > 0 for number in rounds)


def _stopper(booster: Any) -> Any:
    """Return the user's own EarlyStopping callback of XGBoost, or None."""
    callbacks = getattr(booster, "callbacks", None) or ()
    return next((given for given in callbacks if type(given).__name__ == "EarlyStopping"), None)


def validation(booster: Any, split: Split) -> dict[str, Any]:
    """Return the arguments of `fit` by which a booster evaluates itself on the rows of a split."""
    X = safely_named(booster, split.X)
    weights = None if split.weight is None else [split.weight]
    if library(booster) == "xgboost":
        return {"eval_set": [(X, split.y)], "sample_weight_eval_set": weights, "verbose": False}
    arguments: dict[str, Any] = {"eval_names": ["validation"], "eval_sample_weight": weights}
    if "eval_X" in _arguments(booster):  # LightGBM 4.7 and later; eval_set is deprecated
        return arguments | {"eval_X": (X,), "eval_y": (split.y,)}
    return arguments | {"eval_set": [(X, split.y)]}


def _arguments(booster: Any) -> Any:
    return inspect.signature(booster.fit).parameters


def curves_of(booster: Any) -> dict[str, list[float]]:
    """Return what a fitted booster noted of every round, by "validation_METRIC"."""
    noted = getattr(booster, "evals_result_", {})  # not there if XGBoost was told to use no metric
    return {
        f"validation_{metric}": [float(value) for value in values]
        for metrics in noted.values()
        for metric, values in metrics.items()
    }


def watchable(estimator: Any) -> bool:
    """Return whether `watched` can follow the rounds of this estimator."""
    if library(estimator) == "xgboost":
        # its random forests are grown in one round, and refuse callbacks
        return not any(kind.__name__.startswith("XGBRF") for kind in type(estimator).__mro__)
    return library(estimator) == "lightgbm" and "callbacks" in _arguments(estimator)


@contextmanager
def watched(booster: Any, watch: Watch | None) -> Iterator[dict[str, Any]]:
    """Let `watch`, if there is one, follow the rounds that a booster is fitted for during the block.

    It is told the metric that early stopping decides by: the last of XGBoost's (or the one that the user's
    EarlyStopping callback names, and in its direction; a callable counts as a loss, as there), the first of
    LightGBM's. Yields further arguments of `fit`.
    """
    if watch is None:
        yield {}
        return
    if library(booster) == "lightgbm":
        yield {"callbacks": [_Rounds(watch)]}
        return
    given = booster.callbacks
    booster.callbacks = [_xgboost_callback(booster, watch), *(given or ())]
    try:
        yield {}
    finally:
        booster.callbacks = given


class _Rounds:
    """A callback of LightGBM."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __call__(self, round_: Any) -> None:
        for _, metric, value, greater_is_better, *_ in round_.evaluation_result_list[:1]:
            self._watch(f"validation_{metric}", round_.iteration, float(value), bool(greater_is_better))


def _xgboost_callback(booster: Any, watch: Watch) -> Any:
    from xgboost.callback import TrainingCallback  # loaded: the booster is of it

    stopper = _stopper(booster)

    class Rounds(TrainingCallback):  # type: ignore[misc]  # skipped by mypy, see pyproject.toml
        def __init__(self) -> None:
            super().__init__()
            self._log: Any = {}
            self._told = 0

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            self._log = evals_log
            self._tell()
            return False

        def after_training(self, model: Any) -> Any:
            self._tell()  # the last round, if a callback that was asked before this one stopped there
            return model

        def _tell(self) -> None:
            for metrics in self._log.values():
                metric = getattr(stopper, "metric_name", None) or next(reversed(metrics))
                maximize = getattr(stopper, "maximize", None)
                better = _maximized(metric) if maximize is None else bool(maximize)
                for value in metrics.get(metric, ())[self._told :]:
                    self._told += 1
                    watch(f"validation_{metric}", self._told - 1, float(value), better)

    return Rounds()


def _maximized(metric: str) -> bool:
    return metric.startswith(_MAXIMIZED) and metric != _MINIMIZED
