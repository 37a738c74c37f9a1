"""Metrics of resampled rows: each is what the metric itself says of the rows repeated or weighted."""

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
from harness.scoring.metrics import METRICS
from harness.scoring.weighted import FORMS, statistic
from harness.uncertainty.resamples import units


def test_every_metric_has_a_form() -> None:
    assert FORMS.keys() == METRICS.keys()


@pytest.mark.parametrize("task", TASKS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_metrics_of_resamples_are_those_of_the_rows_repeated(task: str, data: st.DataObject) -> None:
    e = data.draw(evidence(TASKS[task]))
    counts = np.random.default_rng(data.draw(st.integers(0, 99))).poisson(1, (4, len(e))).astype(np.uint8)
    counts[0] = 1

    for metric in METRICS.values():
        if task not in metric.tasks or metric.name == "max_error":
            continue
        found = statistic(metric, e).values(units(len(e)), counts)
        for row, value in zip(counts, found, strict=True):
            drawn = e.at(np.repeat(np.arange(len(e)), row))
            if len(drawn) < max(metric.least, 1) or (metric.needs == "ranking" and drawn.absent()):
                continue
            if metric.name in ("r2", "explained_variance") and np.ptp(drawn.y) == 0:
                continue  # of a constant both say 0, 1, or what rounding makes of it
            expected = metric.function(drawn)
            assert np.nan_to_num(value) == pytest.approx(np.nan_to_num(expected), rel=1e-9, abs=1e-9), metric


@pytest.mark.parametrize("task", TASKS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_weights_are_scikit_learns_sample_weights(task: str, data: st.DataObject) -> None:
    e = replace(data.draw(evidence(TASKS[task])), weight=None)
    weight = np.random.default_rng(data.draw(st.integers(0, 99))).random((2, len(e))) + 0.01

    for metric in METRICS.values():
        if task in metric.tasks and metric.name != "max_error":
            found = statistic(metric, e).values(units(len(e)), weight)
            expected = [metric.function(replace(e, weight=w)) for w in weight]
            assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(expected), rel=1e-7, abs=1e-9), metric


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_influence_is_the_derivative_by_weight(name: str, task: str, data: st.DataObject) -> None:
    e = data.draw(evidence(TASKS[task]))
    of, u = statistic(METRICS[name], replace(e, weight=np.ones(len(e)))), units(len(e))

    step = 1e-5 * np.eye(len(e))
    slope = (of.values(u, 1 + step) - of.values(u, 1 - step)) / 2e-5

    assert of.influence(u) == pytest.approx(slope, abs=1e-7)


def test_classes_without_rows_leave_a_resample_without_area() -> None:
    y = np.array([0, 0, 1])
    e = Evidence(y, Predictions(y, None, np.array([0.1, 0.2, 0.9])), None, 2, pd.DataFrame)

    found = statistic(METRICS["roc_auc"], e).values(units(3), np.array([[1, 2, 0]], dtype=np.uint8))

    assert np.isnan(found).all()


def test_a_metric_of_the_users_own_is_called_on_repeated_rows() -> None:
    def spread(e: Evidence) -> float:
        return float(np.ptp(e.rows()["age"]) + e.weight.sum())

    metric = replace(METRICS["accuracy"], name="spread", function=spread, place="experiment_x.py:1")
    rows = pd.DataFrame({"age": [10, 20, 40]})
    e = Evidence(
        np.array([0, 1, 1]), Predictions(np.array([0, 1, 1])), np.array([1.0, 2.0, 4.0]), 2, lambda: rows
    )

    found = statistic(metric, e).values(units(3), np.array([[1, 1, 1], [0, 3, 0], [2, 0, 1]], dtype=np.uint8))

    assert found.tolist() == [37, 6, 36]


def test_the_largest_error_cannot_be_resampled() -> None:
    e = Evidence(np.arange(3.0), Predictions(np.zeros(3)), None, 0, pd.DataFrame)

    with pytest.raises(
        ScoreError, match=r"max_error has no interval: resampled rows never hold .* use rmse, mae"
    ):
        statistic(METRICS["max_error"], e)
