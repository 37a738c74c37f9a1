"""Bounds that allow for one row more, as bad as a row can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.models.model import Predictions
from harness.scoring.evidence import Evidence
from harness.scoring.intervals import interval, proof
from harness.scoring.metrics import METRICS
from harness.scoring.worst import bounded, lower_bound, upper_bound, with_more


def _three() -> Evidence:
    y, said = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 2, 1, 1, 2, 2])
    p = np.eye(3)[said] * 0.8 + 0.1
    return Evidence(y, Predictions(said, p, p), None, 3, pd.DataFrame)


def test_bad_rows_are_mistaken_as_others_were_and_rank_last() -> None:
    more = with_more(_three(), np.array([0, 1]), right=False)

    assert more.y[6:].tolist() == [0, 1]
    assert more.predictions.labels[6:].tolist() == [2, 2]
    assert more.predictions.probability[6:].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert more.predictions.ranking[6:].tolist() == [[-np.inf, np.inf, np.inf], [np.inf, -np.inf, np.inf]]
    assert more.weight is None


def test_good_rows_are_right_and_rank_first() -> None:
    more = with_more(_three(), np.array([1]), right=True)

    assert more.predictions.labels[6:].tolist() == [1]
    assert more.predictions.probability[6:].tolist() == [[0, 1, 0]]
    assert more.predictions.ranking[6:].tolist() == [[-np.inf, np.inf, -np.inf]]


def test_two_classes_have_one_ranking() -> None:
    e = Evidence(
        np.array([0, 1]), Predictions(np.array([0, 1]), None, np.array([0.2, 0.7])), None, 2, pd.DataFrame
    )

    bad = with_more(e, np.array([0, 1]), right=False).predictions

    assert bad.ranking.tolist() == [0.2, 0.7, np.inf, -np.inf]
    assert bad.labels.tolist() == [0, 1, 1, 0]


def test_new_rows_weigh_what_the_heaviest_of_their_class_does() -> None:
    weight = np.array([1.0, 3.0, 1.0, 1.0, 5.0, 5.0])

    more = with_more(replace(_three(), weight=weight), np.array([0, 2]), right=False)

    assert more.weight[6:].tolist() == [3.0, 5.0]


def test_new_rows_are_groups_that_weigh_what_groups_do() -> None:
    more = with_more(replace(_three(), groups=np.array([4, 4, 4, 9, 9, 9])), np.array([0, 1]), right=False)

    assert more.groups[6:].tolist() == [10, 11]
    assert more.weight.tolist() == [1, 1, 1, 1, 1, 1, 2, 1]


def test_only_scores_that_a_row_cannot_spoil_are_bounded_so() -> None:
    classes = {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"}

    found = {name for name, metric in METRICS.items() if bounded(metric)}

    assert found == classes | {"brier_score", "matthews_corrcoef", "cohen_kappa"}
    assert not bounded(replace(METRICS["accuracy"], place="experiment_x.py:3"))


@pytest.mark.parametrize(("name", "worst"), [("f1", 0.6), ("roc_auc", 0.7), ("brier_score", 0.0)])
def test_bounds_of_perfect_predictions_leave_room_for_what_was_not_seen(name: str, worst: float) -> None:
    y = np.arange(30) % 2
    e = Evidence(y, Predictions(y, np.eye(2)[y], y + np.arange(30) / 60), None, 2, pd.DataFrame)
    metric = METRICS[name]

    lower, upper = lower_bound(metric, e, 0.025), upper_bound(metric, e, 0.025)

    if metric.greater_is_better:
        assert worst < lower < 0.92
        assert upper == 1
    else:
        assert lower == 0
        assert 0.05 < upper < 0.3


def test_many_classes_do_not_all_go_wrong_at_once() -> None:
    y = np.arange(600) % 30
    e = Evidence(y, Predictions(y), None, 30, pd.DataFrame)

    lower = lower_bound(METRICS["balanced_accuracy"], e, 0.025)

    assert lower == pytest.approx(0.025 ** (1 / 600), abs=0.003)


def test_among_very_many_rows_one_more_does_little() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(20_000) % 2
    e = Evidence(y, Predictions(y, None, rng.normal(size=20_000) + y), None, 2, pd.DataFrame)

    lower, upper = (bound(METRICS["roc_auc"], e, 0.025) for bound in (lower_bound, upper_bound))

    found = interval(METRICS["roc_auc"], e, 0.95)
    assert (lower, upper) == pytest.approx((found.lower, found.upper), abs=0.0015)


@pytest.mark.parametrize("name", ["balanced_accuracy", "matthews_corrcoef", "f1", "brier_score"])
def test_a_class_that_no_row_has_may_come_next(name: str) -> None:
    y = np.zeros(20, dtype=np.int64)
    p = np.full(20, 0.1)
    e = Evidence(y, Predictions(y.copy(), np.column_stack([1 - p, p]), p), None, 2, dict)

    worst = lower_bound if METRICS[name].greater_is_better else upper_bound
    end = worst(METRICS[name], e, 0.025)

    assert end < 0.6 if METRICS[name].greater_is_better else end > 0.1


def test_a_proof_about_a_class_that_no_row_has_is_none() -> None:
    """At 3 % of positive rows, 20 rows have none in every second sample."""
    y = np.zeros(20, dtype=np.int64)
    e = Evidence(y, Predictions(y.copy()), None, 2, dict)

    assert proof(METRICS["balanced_accuracy"], e, 0.8, 0.95) is None
    weighed = replace(e, weight=np.arange(1.0, 21.0))
    assert with_more(weighed, np.array([0, 1]), right=False).weight[20:].tolist() == [20.0, 20.0]
