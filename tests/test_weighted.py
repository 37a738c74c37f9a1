"""Every built-in metric as a function of how often rows are drawn says what scikit-learn says of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.declarations import MetricDeclaration
from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring import weighted
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import METRICS, Metric, table
from harness.scoring.ranks import AveragePrecision, RocArea, Sorted
from harness.scoring.weighted import FORMS, statistic
from harness.uncertainty.resamples import units
from harness.uncertainty.statistics import Called, Linear

LABELS = [name for name, m in METRICS.items() if "binary" in m.tasks]
VALUES = [name for name, m in METRICS.items() if "regression" in m.tasks and name != "max_error"]
NEAR = {"average_precision": 3e-7}
"""Its quotients are of single precision, for speed: far below what resamples differ by."""
quick = settings(deadline=None, max_examples=8)


def classified(seed: int, n: int, k: int, *, weighed: bool = False, levels: int = 5) -> Evidence:
    """Return evidence of n rows of k classes; few levels make many equal ranks."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.repeat(np.arange(k), 2), rng.integers(0, k, n - 2 * k)])
    ranking = np.floor(levels * rng.random((n, k))) + np.eye(k)[y]
    p = (ranking + 0.5) / (ranking + 0.5).sum(axis=1, keepdims=True)
    labels = p.argmax(axis=1)
    weight = rng.uniform(0.1, 3, n) if weighed else None
    return Evidence(y, Predictions(labels, p, p[:, 1] if k == 2 else p), weight, k, dict)


def valued(seed: int, n: int, *, weighed: bool = False, shift: float = 0.0) -> Evidence:
    rng = np.random.default_rng(seed)
    y = np.round(rng.normal(size=n), 1) + shift
    labels = y + rng.choice([-0.5, 0.0, 0.2, 1.5], n)
    return Evidence(y, Predictions(labels), rng.uniform(0.1, 3, n) if weighed else None, 0, dict)


def agree(metric: Metric, e: Evidence, seed: int, *, draws: int = 12, whole: bool = True) -> None:
    """Assert that resamples score as the very rows, repeated as often as they are drawn."""
    unit = units(len(e), e.y if e.n_classes else None)
    counts = unit.counts(2000)[seed % 1900 :][:draws]
    if not whole:  # what resamples leave out, in which classes may be missing
        counts = (counts == 0).astype(np.uint8)
        counts = counts[counts.sum(axis=1) >= 2]

    found = statistic(metric, e).values(unit, counts)

    for value, count in zip(found, counts, strict=True):
        rows = np.repeat(np.arange(len(e)), count[unit.column])
        drawn = e.at(rows)
        if metric.needs == "ranking" and drawn.absent():
            assert not np.isfinite(value) or metric.name == "average_precision"
            continue
        if not e.n_classes and len(np.unique(drawn.y)) < 2:
            continue  # of which scikit-learn makes 1e33 by rounding
        expected = metric.function(drawn)
        if np.isfinite(expected):
            assert value == pytest.approx(expected, abs=NEAR.get(metric.name, 1e-9), rel=1e-9), count


def test_every_metric_that_is_built_in_has_a_form() -> None:
    assert set(FORMS) == set(METRICS)


@pytest.mark.parametrize("name", LABELS)
@quick
@given(st.integers(0, 10**6), st.integers(8, 40), st.sampled_from([2, 3]), st.booleans())
def test_a_score_of_classes_counts_rows_as_often_as_drawn(
    name: str, seed: int, n: int, k: int, weighed: bool
) -> None:
    agree(METRICS[name], classified(seed, n, k, weighed=weighed), seed)


@pytest.mark.parametrize("name", VALUES)
@quick
@given(st.integers(0, 10**6), st.integers(3, 40), st.booleans(), st.sampled_from([0.0, 1e4]))
def test_a_score_of_values_counts_rows_as_often_as_drawn(
    name: str, seed: int, n: int, weighed: bool, shift: float
) -> None:
    agree(METRICS[name], valued(seed, n, weighed=weighed, shift=shift), seed)


@pytest.mark.parametrize("name", [n for n in LABELS if n not in ("roc_auc", "log_loss", "brier_score")])
@pytest.mark.parametrize("k", [2, 3])
def test_classes_may_be_missing_from_the_rows_left_out(name: str, k: int) -> None:
    for seed in range(4):
        agree(METRICS[name], classified(seed, 12, k, weighed=seed % 2 == 0), seed, whole=False)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "recall", "rmse", "median_absolute_error"])
def test_the_rows_of_a_group_are_drawn_together(name: str) -> None:
    e = classified(3, 30, 2) if name in LABELS else valued(3, 30)
    groups = np.arange(30) // 3
    unit = units(30, None, groups)
    counts = unit.counts(10)

    found = statistic(METRICS[name], e).values(unit, counts)

    for value, count in zip(found, counts, strict=True):
        rows = np.concatenate(
            [np.repeat(np.flatnonzero(groups == g), count[unit.column[3 * g]]) for g in range(10)]
        )
        assert value == pytest.approx(METRICS[name].function(e.at(rows)), abs=NEAR.get(name, 1e-9))


def test_a_metric_of_one_s_own_is_called_with_the_rows_drawn() -> None:
    def hits(y: NDArray[Any], prediction: NDArray[Any], weight: NDArray[Any] | None) -> float:
        return float(np.average(y == prediction, weights=weight))

    declaration = MetricDeclaration(function=hits, greater_is_better=True, name="hits")
    metric = table([declaration])["hits"]
    e = classified(5, 25, 3, weighed=True)
    unit = units(25, e.y)

    own = statistic(metric, e)
    assert isinstance(own, Called)
    agree(metric, e, 5)
    built_in = statistic(METRICS["accuracy"], e).values(unit, unit.counts(20))
    assert own.values(unit, unit.counts(20)) == pytest.approx(built_in, abs=1e-9)


def test_one_s_own_metric_that_shares_a_name_of_ours_is_still_one_s_own() -> None:
    theirs = Metric(
        name="f1",
        greater_is_better=True,
        tasks=METRICS["f1"].tasks,
        needs="labels",
        function=lambda e: 0.25,
        logged=True,
        place="a.py:3",
    )

    assert isinstance(statistic(theirs, classified(1, 20, 2)), Called)


def test_the_largest_error_has_no_form() -> None:
    with pytest.raises(ScoreError) as told:
        statistic(METRICS["max_error"], valued(0, 12))

    assert told.value.problem == (
        "max_error has no interval: resampled rows never hold a larger error than these 12 rows"
    )
    assert told.value.remedy == "use rmse, mae or median_absolute_error in a gate that is to be proven"


@pytest.mark.parametrize("kind", [RocArea, AveragePrecision])
@pytest.mark.parametrize("weighed", [False, True])
def test_the_influence_of_a_row_is_the_derivative_by_its_weight(kind, weighed: bool) -> None:
    e = classified(9, 40, 2, weighed=True)
    weight = e.weight if weighed else np.ones(40)
    unit, once = units(40, e.y), np.ones((1, 40), dtype=np.uint8)

    def value(weight: NDArray[np.float64]) -> float:
        return float(kind(Sorted.of(e.y == 1, e.predictions.ranking, weight)).values(unit, once)[0])

    found = kind(Sorted.of(e.y == 1, e.predictions.ranking, weight)).influence(unit)[unit.column]

    step = 1e-6
    slope = [(value(weight + step * row) - value(weight - step * row)) / (2 * step) for row in np.eye(40)]
    assert found == pytest.approx(weight * slope, abs=1e-7)


@pytest.mark.parametrize(("name", "near"), [("roc_auc", 0.002), ("average_precision", 0.007)])
@pytest.mark.parametrize("left_out", [False, True])
def test_very_many_rows_are_scored_by_derivatives(
    monkeypatch, name: str, near: float, left_out: bool
) -> None:
    e = classified(2, 4000, 2, levels=4000)
    unit = units(4000, e.y)
    counts = unit.counts(30)
    counts = (counts == 0).astype(np.uint8) if left_out else counts
    exact = statistic(METRICS[name], e)
    monkeypatch.setattr(weighted, "MOST_SORTED", 3999)

    quick = statistic(METRICS[name], e)

    assert isinstance(quick, Linear)
    assert not isinstance(exact, Linear)
    assert quick.values(unit, counts) == pytest.approx(exact.values(unit, counts), abs=near)
    slope = np.polyfit(exact.values(unit, counts), quick.values(unit, counts), 1)[0]
    assert slope == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", ["r2", "explained_variance"])
@pytest.mark.parametrize(("error", "expected"), [(0.0, 1.0), (0.5, 0.0)])
def test_a_constant_target_is_scored_as_scikit_learn_does(name: str, error: float, expected: float) -> None:
    y = np.full(12, 3.0)
    e = Evidence(y, Predictions(y + error * (np.arange(12) % 2)), None, 0, dict)
    unit = units(12)

    assert METRICS[name].function(e) == expected
    assert (statistic(METRICS[name], e).values(unit, unit.counts(40)) >= expected).all()
    assert statistic(METRICS[name], e).values(unit, np.ones((1, 12), dtype=np.uint8)) == expected


def test_a_model_that_says_but_one_class_has_a_correlation_of_exactly_nothing() -> None:
    e = classified(4, 40, 2, weighed=True)
    e = Evidence(e.y, Predictions(np.zeros(40, dtype=np.int64)), e.weight, 2, dict)
    unit = units(40, e.y)

    assert (statistic(METRICS["matthews_corrcoef"], e).values(unit, unit.counts(200)) == 0).all()
