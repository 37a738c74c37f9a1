"""A booster that stopped early flows in; what it would have predicted after other rounds flows out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.predictions import Predictions, library, predicts_likeliest, safely_named

__tracebackhide__ = True

MOST = 8
"""Rounds that are kept of a fit."""

_CHOOSERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "xgboost": {
            **{"logloss": "log_loss", "mlogloss": "log_loss", "error": "accuracy", "merror": "accuracy"},
            **{"auc": "roc_auc", "aucpr": "average_precision", "rmse": "rmse", "mae": "mae", "mape": "mape"},
        },
        "lightgbm": {
            **{"binary_logloss": "log_loss", "multi_logloss": "log_loss", "binary_error": "accuracy"},
            **{"multi_error": "accuracy", "auc": "roc_auc", "average_precision": "average_precision"},
            **{"l2": "mse", "rmse": "rmse", "l1": "mae"},
        },
    }
)
"""What scikit-learn calls a metric of the boosters; LightGBM's mape is another one."""
_BINARY = ("auc", "aucpr", "average_precision")
"""For many classes the boosters weigh them in ways of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """What an estimator would have said about n rows, had it stopped after other rounds.

    said: (S, n) the probability of class code 1 (binary) or the value (regression), (S, n, K) all
        probabilities (multiclass); of classes in float32.
    rounds: (S,) after how many rounds.
    metric: by which early stopping has chosen, as scikit-learn calls it.
    """

    said: NDArray[np.floating[Any]]
    rounds: NDArray[np.int64]
    metric: str

    def __len__(self) -> int:
        return len(self.rounds)

    def predictions(self, index: int, n_classes: int) -> Predictions:
        """Return what it would have said at one stage; n_classes: K, 0 for regression."""
        said = self.said[index]
        if not n_classes:
            return Predictions(said.astype(np.float64))
        probability = np.column_stack([1 - said, said]) if said.ndim == 1 else said
        return Predictions(probability.argmax(axis=1), probability, said)

    def save(self, path: Path) -> None:
        """Write the arrays to an .npz file."""
        metric = np.array(self.metric)
        np.savez(path, allow_pickle=False, said=self.said, rounds=self.rounds, metric=metric)

    @classmethod
    def load(cls, path: Path) -> Stages:
        """Return what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["said"], arrays["rounds"], str(arrays["metric"]))


@dataclass(slots=True)
class Follower:
    """Takes what a fit of LightGBM, which throws away the trees after the best round, predicts meanwhile."""

    follows: bool
    _kept: dict[int, NDArray[np.floating[Any]]] = field(default_factory=dict)
    _round: int = 0
    _step: int = 1

    @classmethod
    def of(cls, estimator: Any) -> Follower:
        """Return one for a fit that is to stop early."""
        return cls(library(estimator) == "lightgbm" and _plain(estimator))

    @property
    def arguments(self) -> dict[str, Callable[..., Any]]:
        """Further arguments of `fit`: a metric that looks on and has no value, so that it decides nothing."""

        def metric(_: NDArray[Any], said: NDArray[np.floating[Any]]) -> list[tuple[str, float, bool]]:
            self._take(said)
            return []

        return {"eval_metric": metric} if self.follows else {}

    def stages(self) -> Mapping[int, NDArray[np.floating[Any]]]:
        """Return what was predicted after which round."""
        return self._kept

    def _take(self, said: NDArray[np.floating[Any]]) -> None:
        self._round += 1
        if self._round // self._step > MOST:
            self._step *= 2
            self._kept = {k: kept for k, kept in self._kept.items() if k % self._step == 0}
        if self._round % self._step == 0:
            self._kept[self._round] = np.array(said)  # LightGBM writes the next round to the same array


def grid(rounds: int) -> Sequence[int]:
    """Return after which of `rounds` rounds predictions are kept: equally far apart, by a power of two.

    The best round has no place of its own among them. It was chosen on these very rows among many that are
    not kept, so its luck is not in the bootstrap's choice (simulated in benchmarks/verdicts.py: it would
    leave a bias of up to a point), and close to it the curve is flat.
    """
    step = 1
    while rounds // step > MOST:
        step *= 2
    return range(step, rounds + 1, step)


def stages(
    estimator: Any,
    X: Any,
    *,
    task: str,
    n_classes: int | None,
    curves: Mapping[str, Sequence[float]],
    follower: Follower,
) -> Stages | None:
    """Return what a fitted booster that stopped early would have said about the validation rows.

    X: those rows; curves: what it noted of them, by "validation_METRIC"; follower: of its fit.

    None where that, or what early stopping went by, is not surely known: for kinds of estimators, boosters,
    objectives and metrics that are not named here, a user's own callback, a least improvement.
    """
    metric = _chooser(estimator, list(curves), task)
    if metric is None:
        return None
    said = follower.stages() if follower.follows else _said(estimator, X)
    given = np.stack([_known(estimator, one, n_classes) for one in said.values()])
    return Stages(given, np.array(list(said), dtype=np.int64), metric)


def _plain(estimator: Any) -> bool:
    """Return whether the estimator is the library's own and predicts as it does."""
    given = estimator.get_params(deep=False)
    kind = type(estimator).__name__
    own = predicts_likeliest(estimator) or (
        kind in ("XGBRegressor", "LGBMRegressor")
        and type(estimator).__module__ in ("xgboost.sklearn", "lightgbm.sklearn")
        and not callable(given.get("objective"))
    )
    names = ("booster", "boosting_type", "boosting", "boost")
    others = any(given.get(name) not in (None, "gbtree", "gbdt", "goss") for name in names)
    return own and not others


def _chooser(estimator: Any, curves: Sequence[str], task: str) -> str | None:
    """Return the name of the metric that early stopping has gone by."""
    origin = library(estimator)
    if origin is None or not curves or not _plain(estimator):
        return None
    given = estimator.get_params(deep=False)
    if origin == "lightgbm":  # any of several may have ended it
        if len(curves) > 1 or given.get("early_stopping_min_delta"):
            return None
    elif given.get("callbacks") or given.get("early_stopping_rounds") is None:
        return None
    name = curves[-1].removeprefix("validation_")
    if name in _BINARY and task != "binary":
        return None
    return _CHOOSERS[origin].get(name)


def _said(estimator: Any, X: Any) -> dict[int, NDArray[np.floating[Any]]]:
    """Return what a booster of XGBoost says after its rounds."""
    from xgboost import DMatrix  # loaded: the estimator is of it

    # Not `predict_proba`: it would read the rows for every stage, and begin with the first tree again.
    rows = DMatrix(
        safely_named(estimator, X),
        missing=estimator.missing,
        nthread=estimator.n_jobs,
        enable_categorical=estimator.enable_categorical,
        feature_types=estimator.feature_types,
    )
    booster = estimator.get_booster()
    return {k: booster.predict(rows, iteration_range=(0, k)) for k in grid(booster.num_boosted_rounds())}


def _known(estimator: Any, said: NDArray[np.floating[Any]], n_classes: int | None) -> NDArray[Any]:
    """Return predictions by class code; a class that was absent from training gets probability 0."""
    if n_classes is None:
        return said
    said = said.astype(np.float32)
    if said.ndim == 1 and n_classes > 2:
        said = np.column_stack([1 - said, said])
    if said.ndim == 2 and said.shape[1] < n_classes:
        known = np.asarray(estimator.classes_).astype(np.int64)
        whole = np.zeros((len(said), n_classes), dtype=np.float32)
        whole[:, known] = said
        return whole
    return said
