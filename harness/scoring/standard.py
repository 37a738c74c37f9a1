"""Evidence flows in; scikit-learn's scores of it flow out as floats, by scikit-learn's names."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.scikit import metrics as sk
from harness.scikit import sklearn
from harness.scoring.evidence import Evidence

__tracebackhide__ = True

Needs = Literal["labels", "probability", "ranking"]

CLASSIFICATION = frozenset({"binary", "multiclass"})
REGRESSION = frozenset({"regression"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One named score of one or more tasks.

    function: from `Evidence` to a number; that of a `@metric` may return anything.
    logged: whether it is in the standard set, which is recorded for every trial.
    least: number of rows from which it is defined.
    place: `file:line` of a `@metric`, empty for scikit-learn's.
    lowest, highest: between which it lies, ends included.
    """

    name: str
    greater_is_better: bool
    tasks: frozenset[str]
    needs: Needs
    function: Callable[[Evidence], Any]
    logged: bool
    least: int = 1
    place: str = ""
    lowest: float = -math.inf
    highest: float = math.inf


def _quietly(function: Callable[..., float], *arguments: Any) -> float:
    # Without scikit-learn's own checks and warnings: Scores checks what goes in and what comes out.
    fast = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with fast, np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(function(*arguments))


def _by_labels(function: Callable[..., float], e: Evidence) -> float:
    return function(e.truth, e.answer, sample_weight=e.weight)


def _by_probability(function: Callable[..., float], e: Evidence) -> float:
    assert e.predictions.probability is not None, "Scores refuses a metric whose input is missing"
    # scikit-learn refuses the 1.0000001 of single precision.
    probability = np.minimum(e.predictions.probability, 1)
    return function(e.truth, probability, sample_weight=e.weight, labels=range(e.n_classes))


def _by_ranking(function: Callable[..., float], e: Evidence) -> float:
    ranking = e.predictions.ranking
    assert ranking is not None, "Scores refuses a metric whose input is missing"
    if e.n_classes == 2:
        return function(e.truth, ranking, sample_weight=e.weight)
    each = [function(e.truth == k, ranking[:, k], sample_weight=e.weight) for k in range(e.n_classes)]
    return float(np.mean(each))


def _roc_auc(y: NDArray[Any], ranking: NDArray[Any], *, sample_weight: Any) -> float:
    # What roc_auc_score does after finding out what kind of target it has, which is half its time.
    false_positive, true_positive, _ = sk.roc_curve(y, ranking, pos_label=1, sample_weight=sample_weight)
    return float(sk.auc(false_positive, true_positive))


def _nth(position: int, e: Evidence) -> float:
    return e.precision_recall_f1[position]


def _max_error(e: Evidence) -> float:
    return float(sk.max_error(e.truth, e.answer))


def _class(
    name: str,
    needs: Needs,
    *how: Any,
    better: str = "higher",
    logged: bool = False,
    lowest: float = 0.0,
    highest: float = 1.0,
) -> Metric:
    function, greater = partial(_quietly, *how), better == "higher"
    return Metric(
        name=name,
        greater_is_better=greater,
        tasks=CLASSIFICATION,
        needs=needs,
        function=function,
        logged=logged,
        lowest=lowest,
        highest=highest,
    )


def _value(name: str, *how: Any, better: str = "lower", logged: bool = False, least: int = 1) -> Metric:
    return Metric(
        name=name,
        greater_is_better=better == "higher",
        tasks=REGRESSION,
        needs="labels",
        function=partial(_quietly, *how),
        logged=logged,
        least=least,
        lowest=-math.inf if better == "higher" else 0.0,
        highest=1.0 if better == "higher" else math.inf,
    )


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _class("accuracy", "labels", _by_labels, sk.accuracy_score, logged=True),
            _class("balanced_accuracy", "labels", _by_labels, sk.balanced_accuracy_score, logged=True),
            _class("precision", "labels", _nth, 0, logged=True),
            _class("recall", "labels", _nth, 1, logged=True),
            _class("f1", "labels", _nth, 2, logged=True),
            _class("roc_auc", "ranking", _by_ranking, _roc_auc, logged=True),
            _class("average_precision", "ranking", _by_ranking, sk.average_precision_score, logged=True),
            _class(
                "log_loss",
                "probability",
                _by_probability,
                sk.log_loss,
                better="lower",
                logged=True,
                highest=math.inf,
            ),
            _class(
                "brier_score",
                "probability",
                _by_probability,
                sk.brier_score_loss,
                better="lower",
                highest=2.0,
            ),
            _class("matthews_corrcoef", "labels", _by_labels, sk.matthews_corrcoef, lowest=-1.0),
            _class("cohen_kappa", "labels", _by_labels, sk.cohen_kappa_score, lowest=-1.0),
            _value("r2", _by_labels, sk.r2_score, better="higher", logged=True, least=2),
            _value("rmse", _by_labels, sk.root_mean_squared_error, logged=True),
            _value("mae", _by_labels, sk.mean_absolute_error, logged=True),
            _value("mse", _by_labels, sk.mean_squared_error),
            _value("mape", _by_labels, sk.mean_absolute_percentage_error),
            _value("median_absolute_error", _by_labels, sk.median_absolute_error),
            _value("max_error", _max_error),
            _value("explained_variance", _by_labels, sk.explained_variance_score, better="higher"),
        )
    }
)
"""The built-in metrics by scikit-learn's names; a task's standard set comes first."""
