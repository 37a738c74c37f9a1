"""Every built-in score against a definition written out in numpy, with and without weights."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from harness.models.model import Predictions
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import METRICS

TASKS = {"binary": 2, "multiclass": 4, "regression": 0}


@st.composite
def evidence(draw: st.DrawFn, n_classes: int) -> Evidence:
    """Rows in which every class occurs, with ties among the rankings."""
    n = draw(st.integers(max(n_classes, 2), 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weight = rng.integers(1, 5, n) / 2 if draw(st.booleans()) else None
    if n_classes == 0:
        y, labels = rng.normal(size=n).round(1) + 3, rng.normal(size=n).round(1)
        return Evidence(y, Predictions(labels), weight, 0, pd.DataFrame)
    y = rng.permutation(np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)]))
    probability = (rng.integers(1, 6, (n, n_classes)) + 2 * np.eye(n_classes)[y] * rng.random((n, 1))).round(
        1
    )
    probability /= probability.sum(axis=1, keepdims=True)
    ranking = probability[:, 1] if n_classes == 2 else probability
    labels = rng.integers(0, n_classes, n)
    return Evidence(y, Predictions(labels, probability, ranking), weight, n_classes, pd.DataFrame)


def _confusion(e: Evidence, w: np.ndarray) -> np.ndarray:
    table = np.zeros((e.n_classes, e.n_classes))
    np.add.at(table, (e.y, e.predictions.labels), w)
    return table


def _classes(e: Evidence) -> list[int]:
    return [1] if e.n_classes == 2 else list(range(e.n_classes))


def _precision(c: np.ndarray, k: int) -> float:
    return c[k, k] / c[:, k].sum() if c[:, k].sum() else 0.0


def _recall(c: np.ndarray, k: int) -> float:
    return c[k, k] / c[k].sum()


def _f1(c: np.ndarray, k: int) -> float:
    return 2 * c[k, k] / (c[k].sum() + c[:, k].sum())


def _area(positive: np.ndarray, score: np.ndarray, w: np.ndarray) -> float:
    """The share of pairs (positive, negative) in the right order, ties counted half."""
    difference = score[positive][:, None] - score[~positive][None, :]
    pairs = w[positive][:, None] * w[~positive][None, :]
    return float(((difference > 0) + (difference == 0) / 2).ravel() @ pairs.ravel() / pairs.sum())


def _average_precision(positive: np.ndarray, score: np.ndarray, w: np.ndarray) -> float:
    total, seen = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        chosen = score >= threshold
        recall = w[chosen & positive].sum() / w[positive].sum()
        total += (recall - seen) * w[chosen & positive].sum() / w[chosen].sum()
        seen = recall
    return total


def _each(e: Evidence, w: np.ndarray, function: Any) -> float:
    ranking = e.predictions.ranking
    columns = ranking[:, None] if e.n_classes == 2 else ranking
    return float(np.mean([function(e.y == k, columns[:, i], w) for i, k in enumerate(_classes(e))]))


def _matthews(c: np.ndarray) -> float:
    true, said, n = c.sum(axis=1), c.sum(axis=0), c.sum()
    spread = np.sqrt(n**2 - true @ true) * np.sqrt(n**2 - said @ said)
    return (np.trace(c) * n - true @ said) / spread if spread else 0.0


def _kappa(c: np.ndarray) -> float:
    chance = c.sum(axis=0) @ c.sum(axis=1) / c.sum() ** 2
    return (np.trace(c) / c.sum() - chance) / (1 - chance)


def _by_hand(e: Evidence) -> dict[str, float]:
    w = np.ones(len(e)) if e.weight is None else e.weight
    if e.n_classes:
        c, k, one = _confusion(e, w), _classes(e), np.eye(e.n_classes)[e.y]
        p = e.predictions.probability
        return {
            "accuracy": np.trace(c) / c.sum(),
            "balanced_accuracy": np.mean([_recall(c, i) for i in range(e.n_classes)]),
            "precision": np.mean([_precision(c, i) for i in k]),
            "recall": np.mean([_recall(c, i) for i in k]),
            "f1": np.mean([_f1(c, i) for i in k]),
            "roc_auc": _each(e, w, _area),
            "average_precision": _each(e, w, _average_precision),
            "log_loss": np.average(-np.log((p * one).sum(axis=1)), weights=w),
            "brier_score": np.average(((p - one) ** 2).sum(axis=1), weights=w)
            / (2 if e.n_classes == 2 else 1),
            "matthews_corrcoef": _matthews(c),
            "cohen_kappa": _kappa(c),
        }
    y, off = e.y, e.y - e.predictions.labels
    mean, bias = np.average(y, weights=w), np.average(off, weights=w)
    spread = np.average((y - mean) ** 2, weights=w)
    value = {
        "rmse": np.sqrt(np.average(off**2, weights=w)),
        "mae": np.average(abs(off), weights=w),
        "mse": np.average(off**2, weights=w),
        "mape": np.average(abs(off) / np.maximum(abs(y), np.finfo(float).eps), weights=w),
        "max_error": abs(off).max(),
    }
    if spread > 1e-12:  # of a constant scikit-learn says 0 or 1 by convention
        value["r2"] = 1 - value["mse"] / spread
        value["explained_variance"] = 1 - np.average((off - bias) ** 2, weights=w) / spread
    if e.weight is None:
        value["median_absolute_error"] = np.median(abs(off))
    return value


@pytest.mark.parametrize("task", TASKS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_scores_are_what_their_definitions_say(task: str, data: st.DataObject) -> None:
    e = data.draw(evidence(TASKS[task]))

    for name, expected in _by_hand(e).items():
        assert METRICS[name].function(e) == pytest.approx(expected, rel=1e-9, abs=1e-9), name


def test_the_written_definitions_cover_every_score() -> None:
    rng = np.random.default_rng(0)
    y, p = np.array([0, 1, 1, 0]), np.full((4, 2), 0.5)
    classes = _by_hand(Evidence(y, Predictions(1 - y, p, p[:, 1]), None, 2, pd.DataFrame))
    values = _by_hand(Evidence(rng.random(9), Predictions(rng.random(9)), None, 0, pd.DataFrame))

    assert {**classes, **values}.keys() == METRICS.keys()


def test_weighted_median_absolute_error_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    y, said, w = rng.random(31), rng.random(31), rng.random(31)

    found = METRICS["median_absolute_error"].function(Evidence(y, Predictions(said), w, 0, pd.DataFrame))

    assert found == sk.median_absolute_error(y, said, sample_weight=w)
    assert found != sk.median_absolute_error(y, said)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_standard_set_is_bit_for_bit_scikit_learns(weighted: bool) -> None:
    rng = np.random.default_rng(2)
    y, p = rng.integers(0, 2, 500), rng.random(500)
    both, labels, w = np.column_stack([1 - p, p]), (p > 0.4).astype(np.int64), rng.random(500)
    weight = w if weighted else None
    e = Evidence(y, Predictions(labels, both, p), weight, 2, pd.DataFrame)

    assert METRICS["roc_auc"].function(e) == sk.roc_auc_score(y, p, sample_weight=weight)
    assert METRICS["average_precision"].function(e) == sk.average_precision_score(y, p, sample_weight=weight)
    assert METRICS["log_loss"].function(e) == sk.log_loss(y, both, sample_weight=weight)
    assert METRICS["f1"].function(e) == sk.f1_score(y, labels, sample_weight=weight)


def test_many_classes_are_one_vs_rest_as_in_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    y, p = rng.integers(0, 3, 200), rng.dirichlet(np.ones(3), 200)
    e = Evidence(y, Predictions(p.argmax(axis=1), p, p), None, 3, pd.DataFrame)

    assert METRICS["roc_auc"].function(e) == sk.roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert METRICS["average_precision"].function(e) == sk.average_precision_score(np.eye(3)[y], p)


def test_a_decision_function_of_many_classes_needs_not_sum_to_one() -> None:
    rng = np.random.default_rng(4)
    y, margin = rng.integers(0, 3, 80), rng.normal(size=(80, 3)) * 7
    e = Evidence(y, Predictions(margin.argmax(axis=1), None, margin), None, 3, pd.DataFrame)

    expected = np.mean([sk.roc_auc_score(y == k, margin[:, k]) for k in range(3)])

    assert METRICS["roc_auc"].function(e) == pytest.approx(expected, rel=1e-12)


def test_an_absent_class_shifts_no_other() -> None:
    """Class 1 of 0..2 has no row: every column still stands for its own class."""
    y = np.array([0, 2, 2, 0])
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.1, 0.6], [0.5, 0.3, 0.2]])
    e = Evidence(y, Predictions(y, p, p), None, 3, pd.DataFrame)

    assert METRICS["log_loss"].function(e) == pytest.approx(-np.log([0.7, 0.8, 0.6, 0.5]).mean())
    assert METRICS["f1"].function(e) == 1.0
    assert METRICS["balanced_accuracy"].function(e) == 1.0


@pytest.mark.parametrize("truth", [0, 1])
def test_one_class_everywhere_gives_no_warning(truth: int) -> None:
    y, said = np.full(5, truth), np.full(5, 1 - truth)
    e = Evidence(y, Predictions(said), None, 2, pd.DataFrame)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = {name: METRICS[name].function(e) for name in ("accuracy", "precision", "recall", "f1")}
        found["balanced_accuracy"] = METRICS["balanced_accuracy"].function(e)

    assert set(found.values()) == {0.0}


def test_the_positive_class_is_the_last() -> None:
    y, said = np.array([0, 0, 0, 1]), np.array([1, 1, 0, 1])

    assert METRICS["precision"].function(Evidence(y, Predictions(said), None, 2, pd.DataFrame)) == 1 / 3


def test_single_precision_probabilities_pass_in_silence() -> None:
    """XGBoost's softmax sums to 1 only within single precision; scikit-learn warns about the double of it."""
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(5), 300).astype(np.float32)
    p[0] = [1.0000001, 0, 0, 0, 0]
    y = rng.integers(0, 5, 300)
    y[0] = 0
    e = Evidence(y, Predictions(p.argmax(axis=1), p, p), None, 5, pd.DataFrame)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = METRICS["log_loss"].function(e)

    assert found == pytest.approx(-np.log(p[np.arange(300), y].astype(float)).mean(), rel=1e-4)


def test_more_classes_than_a_byte_holds() -> None:
    y = np.arange(300)
    said = np.where(y < 256, y, y - 256)

    assert METRICS["accuracy"].function(Evidence(y, Predictions(said), None, 300, pd.DataFrame)) == 256 / 300


def test_the_standard_set_of_each_task() -> None:
    logged = {task: [m.name for m in METRICS.values() if m.logged and task in m.tasks] for task in TASKS}
    classes = ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"]

    assert logged["binary"] == logged["multiclass"] == [*classes, "log_loss"]
    assert logged["regression"] == ["r2", "rmse", "mae"]


def test_lower_is_better_for_errors_and_losses_only() -> None:
    lower = {m.name for m in METRICS.values() if not m.greater_is_better}

    errors = {"rmse", "mae", "mse", "mape", "median_absolute_error", "max_error"}
    assert lower == {"log_loss", "brier_score"} | errors
