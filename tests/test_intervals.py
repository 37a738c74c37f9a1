"""Intervals of scores and differences: which method where, the laws, and what they prove."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_standard import TASKS, evidence

from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring.evidence import Evidence
from harness.scoring.intervals import (
    bounds,
    difference,
    difference_bounds,
    difference_proof,
    difference_settling,
    interval,
    mcnemar,
    proof,
    settling,
)
from harness.scoring.metrics import METRICS
from harness.uncertainty.proportions import clopper_pearson, wilson


def sample(n: int, *, skill: float = 1.5, seed: int = 0, classes: int = 2) -> Evidence:
    """n rows of which the same seed gives the same truth, whatever the skill."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    noise = np.random.default_rng((seed, int(100 * skill))).normal(size=(n, classes))
    p = np.exp(noise + skill * np.eye(classes)[y])
    p /= p.sum(axis=1, keepdims=True)
    return Evidence(
        y, Predictions(p.argmax(axis=1), p, p[:, 1] if classes == 2 else p), None, classes, pd.DataFrame
    )


def values(n: int, *, noise: float = 1.0) -> Evidence:
    """n rows of a regression."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=n)
    return Evidence(y, Predictions(y + noise * rng.normal(size=n)), None, 0, pd.DataFrame)


def right(k: int, n: int) -> Evidence:
    """n rows of which k are right."""
    y = np.arange(n) % 2
    return Evidence(y, Predictions(np.where(np.arange(n) < k, y, 1 - y)), None, 2, pd.DataFrame)


BEYOND = ("log_loss", "brier_score", "matthews_corrcoef", "cohen_kappa")
"""Scores that may lie outside 0..1, that of brier for many classes."""
BINARY = {
    "accuracy": "Wilson",
    "precision": "Wilson",
    "recall": "Wilson",
    "roc_auc": "DeLong",
    "f1": "BCa bootstrap",
    "average_precision": "BCa bootstrap",
    "log_loss": "BCa bootstrap",
}


@pytest.mark.parametrize(("name", "method"), BINARY.items())
def test_methods_of_two_classes(name: str, method: str) -> None:
    e = sample(60)
    weighted, grouped = replace(e, weight=np.ones(60)), replace(e, groups=np.arange(60) // 3)

    assert interval(METRICS[name], e, 0.95).method == method
    assert interval(METRICS[name], weighted, 0.95).method == "BCa bootstrap"
    assert interval(METRICS[name], grouped, 0.95).method == "cluster BCa bootstrap"


def test_methods_of_many_classes_and_of_values() -> None:
    e, v = sample(60, classes=3), values(60)
    found = {name: interval(METRICS[name], e, 0.95).method for name in ("accuracy", "precision", "roc_auc")}
    found |= {name: interval(METRICS[name], v, 0.95).method for name in ("rmse", "median_absolute_error")}

    assert found == {
        "accuracy": "Wilson",
        "precision": "BCa bootstrap",
        "roc_auc": "DeLong",
        "rmse": "BCa bootstrap",
        "median_absolute_error": "percentile bootstrap",
    }


def test_precision_and_recall_rest_on_the_rows_they_are_of() -> None:
    y, said = np.array([1, 1, 1, 0, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0, 0])
    e = Evidence(y, Predictions(said), None, 2, pd.DataFrame)

    assert interval(METRICS["precision"], e, 0.9) == wilson(1, 2, 0.9)
    assert interval(METRICS["recall"], e, 0.9) == wilson(1, 3, 0.9)
    assert bounds(METRICS["recall"], e, 0.9) == clopper_pearson(1, 3, 0.9)


def test_a_share_of_no_rows_has_no_interval() -> None:
    e = Evidence(np.array([0, 1]), Predictions(np.array([0, 0])), None, 2, pd.DataFrame)

    with pytest.raises(
        ScoreError,
        match="precision has no interval: none of 2 rows is predicted positive; use balanced_accuracy",
    ):
        interval(METRICS["precision"], e, 0.95)


def test_what_the_bootstrap_refuses_names_the_score() -> None:
    e = replace(sample(30), groups=np.zeros(30, dtype=np.int64))

    with pytest.raises(
        ScoreError, match="f1 has no interval: a bootstrap of 1 unit says nothing; an interval"
    ):
        interval(METRICS["f1"], e, 0.95)


@pytest.mark.parametrize("task", TASKS)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_intervals_and_bounds_contain_the_score(task: str, data: st.DataObject) -> None:
    e = data.draw(evidence(TASKS[task]))

    for metric in METRICS.values():
        if task not in metric.tasks or metric.name == "max_error" or len(e) < 8:
            continue
        try:
            found = interval(metric, e, 0.9)
        except ScoreError:  # fewer than two rows of each class, or none predicted positive
            continue
        score = metric.function(e)
        lower, upper = bounds(metric, e, 0.9)
        assert found.lower <= score + 1e-12 >= lower
        assert found.upper >= score - 1e-12 <= upper
        if task != "regression" and metric.name not in BEYOND:
            assert min(found.lower, lower) >= -1e-12
            assert max(found.upper, upper) <= 1 + 1e-12


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name", ["accuracy", "f1", "roc_auc", "average_precision", "log_loss", "matthews_corrcoef"]
)
def test_differences_are_antisymmetric_to_the_bit(name: str, weighted: bool) -> None:
    a, b = sample(150, skill=1.5), sample(150, skill=1.0)
    if weighted:
        weight = np.random.default_rng(5).random(150)
        a, b = replace(a, weight=weight), replace(b, weight=weight)

    forth, back = difference(METRICS[name], a, b, 0.95), difference(METRICS[name], b, a, 0.95)

    assert (forth.lower, forth.upper) == (-back.upper, -back.lower)
    assert forth.lower <= METRICS[name].function(a) - METRICS[name].function(b) <= forth.upper
    assert forth.method == ("DeLong" if name == "roc_auc" and not weighted else "paired BCa bootstrap")
    low, high = difference_bounds(METRICS[name], a, b, 0.95)
    assert difference_bounds(METRICS[name], b, a, 0.95) == (-high, -low)


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss"])
def test_the_same_predictions_make_no_difference_and_prove_none(name: str) -> None:
    a = sample(150)

    found = difference(METRICS[name], a, replace(a), 0.95)

    assert (found.lower, found.upper) == (0.0, 0.0)
    assert difference_proof(METRICS[name], a, replace(a), 0.0, 0.95) is None


def test_differences_of_pairs_are_narrower_than_of_strangers() -> None:
    rng = np.random.default_rng(0)
    a = sample(400)
    near = a.predictions.probability + rng.normal(size=(400, 1)) * [[-0.02, 0.02]]
    b = replace(a, predictions=Predictions(near.argmax(axis=1), near, near[:, 1]))

    for name in ("accuracy", "roc_auc", "average_precision"):
        one, paired = interval(METRICS[name], a, 0.95), difference(METRICS[name], a, b, 0.95)
        assert paired.upper - paired.lower < 0.7 * (one.upper - one.lower)


def test_a_wrong_method_for_groups_would_be_too_sure() -> None:
    """Rows of a group are all right or all wrong: there are as many observations as groups."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    y, fine = rng.integers(0, 2, 400), np.repeat(rng.random(40) < 0.8, 10)
    e = Evidence(y, Predictions(np.where(fine, y, 1 - y)), None, 2, pd.DataFrame, groups)

    plain, found = (interval(METRICS["accuracy"], x, 0.95) for x in (replace(e, groups=None), e))

    assert found.upper - found.lower > 2.5 * (plain.upper - plain.lower)
    lower, upper = bounds(METRICS["accuracy"], e, 0.95)
    assert upper - lower > 2.5 * (plain.upper - plain.lower)


@pytest.mark.parametrize(
    ("k", "n", "threshold", "side"),
    [(450, 500, 0.86, "above"), (440, 500, 0.86, None), (400, 500, 0.86, "below"), (500, 500, 1.0, None)],
)
def test_proofs_of_a_share_are_exact(k: int, n: int, threshold: float, side: str | None) -> None:
    e = right(k, n)
    lower, upper = clopper_pearson(k, n, 0.95)

    assert proof(METRICS["accuracy"], e, threshold, 0.95) == side
    assert (side == "above") == (lower >= threshold)
    if threshold < 1:
        assert (side == "below") == (upper <= threshold)


@pytest.mark.parametrize(
    "name", ["f1", "balanced_accuracy", "roc_auc", "average_precision", "matthews_corrcoef"]
)
def test_few_rows_without_an_error_prove_little(name: str) -> None:
    """The bootstrap has seen no error, and knows of none: its interval is a point."""
    y = np.repeat([0, 1], 10)
    e = Evidence(y, Predictions(y, np.eye(2)[y], y + np.arange(20) / 40), None, 2, pd.DataFrame)

    assert proof(METRICS[name], e, 0.97, 0.95) is None
    assert 0.3 < bounds(METRICS[name], e, 0.95)[0] < 0.87


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "average_precision", "log_loss"])
def test_settling_rows_are_more_than_there_are_and_fewer_far_away(name: str) -> None:
    e = sample(300)
    metric = METRICS[name]
    score = metric.function(e)
    lower, upper = bounds(metric, e, 0.95)

    near, far = (settling(metric, e, score - part * (score - lower), 0.95) for part in (0.2, 0.9))

    assert near is not None
    assert far is not None
    assert near > far > 300
    assert settling(metric, e, score, 0.95) is None
    assert (settling(metric, e, score + 1.5 * (upper - score), 0.95) or 0) < 300


def test_better_accuracy_is_proven_by_mcnemars_test() -> None:
    a, b = right(495, 500), right(490, 500)
    better, hardly = right(496, 500), right(490, 500)

    assert mcnemar(METRICS["accuracy"], a, b) == pytest.approx(2 * 0.5**5)
    assert difference_proof(METRICS["accuracy"], a, b, 0.0, 0.95) is None
    assert mcnemar(METRICS["accuracy"], better, hardly) == pytest.approx(2 * 0.5**6)
    assert difference_proof(METRICS["accuracy"], better, hardly, 0.0, 0.95) == "above"
    assert difference_proof(METRICS["accuracy"], hardly, better, 0.0, 0.95) == "below"


def test_rows_that_settle_a_difference_in_accuracy_are_exact() -> None:
    """Five rows in favour of one of 500 are not enough; six would be: that is 20 % more rows."""
    a, b = right(495, 500), right(490, 500)

    found = difference_settling(METRICS["accuracy"], a, b, 0.0, 0.95)

    assert found == difference_settling(METRICS["accuracy"], b, a, 0.0, 0.95)
    assert 500 < found <= 600
    assert difference_settling(METRICS["accuracy"], a, a, 0.0, 0.95) is None


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss"])
def test_rows_that_settle_a_difference_are_fewer_far_from_it(name: str) -> None:
    a, b = sample(300, skill=1.5), sample(300, skill=1.0)
    metric = METRICS[name]
    value = metric.function(a) - metric.function(b)
    sign = 1 if value > 0 else -1

    near, far = (difference_settling(metric, a, b, value - sign * off, 0.95) for off in (0.001, 0.4))

    assert near > 300 > far
    assert difference_settling(metric, a, b, value, 0.95) is None


def test_mcnemars_test_is_for_single_rows_without_weight() -> None:
    a, b = right(45, 50), right(40, 50)

    assert mcnemar(METRICS["f1"], a, b) is None
    assert (
        mcnemar(METRICS["accuracy"], replace(a, weight=np.ones(50)), replace(b, weight=np.ones(50))) is None
    )


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss"])
@given(st.integers(0, 99), st.floats(0, 2))
@settings(max_examples=6, deadline=None)
def test_what_is_proven_of_a_threshold_is_proven_of_a_lower_one(name: str, seed: int, skill: float) -> None:
    a, b = sample(120, skill=skill, seed=seed), sample(120, skill=1.0, seed=seed)
    sides = [
        difference_proof(METRICS[name], a, b, threshold, 0.95)
        for threshold in (-0.4, -0.1, -0.01, 0.0, 0.01, 0.1, 0.4)
    ]

    order = {"above": 0, None: 1, "below": 2}
    assert [order[side] for side in sides] == sorted(order[side] for side in sides)


def test_not_to_have_seen_a_difference_is_no_proof_that_there_is_none() -> None:
    """Both are right on all 40 rows: they may still differ on one of twenty."""
    a, b = right(40, 40), replace(right(40, 40), predictions=Predictions(right(40, 40).y, None, None))

    lower, upper = difference_bounds(METRICS["accuracy"], a, b, 0.95)

    assert (lower, upper) == (pytest.approx(-(1 - 0.025 ** (1 / 40)), abs=0.06), -lower)
    assert difference_proof(METRICS["accuracy"], a, b, -0.01, 0.95) is None
    assert difference_proof(METRICS["accuracy"], a, b, -0.3, 0.95) == "above"
