"""The winner's curse: what is taken off the best of many, and that nothing is ever added."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring.correction import corrected
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import METRICS

ACCURACY = METRICS["accuracy"]


def coins(seed: int, trials: int, n: int = 200, p: float = 0.5) -> list[Evidence]:
    """Return trials that are right with p on each of the same rows, none better than another."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    right = rng.random((trials, n)) < p
    return [Evidence(y, Predictions(np.where(hit, y, 1 - y)), None, 2, dict) for hit in right]


def ranked(seed: int, trials: int, n: int = 80, **options) -> list[Evidence]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    found = []
    for _ in range(trials):
        p = 1 / (1 + np.exp(-(rng.normal(size=n) + y - 0.5)))
        said = Predictions((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]), p)
        found.append(Evidence(y, said, options.get("weight"), 2, dict, options.get("groups")))
    return found


def test_the_only_trial_is_not_corrected() -> None:
    (trial,) = coins(0, 1)

    found = corrected(ACCURACY, [trial], seed=1)

    assert found.value == found.raw == ACCURACY.function(trial)
    assert (found.trials, found.resamples) == (1, 0)


@pytest.mark.parametrize("name", ["accuracy", "log_loss"])
def test_trials_that_are_all_alike_need_hardly_any_correction(name: str) -> None:
    metric, trial = METRICS[name], ranked(3, 1, n=400)[0]

    found = corrected(metric, [trial] * 10, seed=1)

    sign = 1 if metric.greater_is_better else -1
    assert sign * found.value <= sign * found.raw
    assert found.value == pytest.approx(found.raw, abs=0.01)
    assert (found.trials, found.resamples) == (10, 1000)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from(["accuracy", "roc_auc", "log_loss", "f1"]))
def test_a_correction_never_flatters(seed: int, trials: int, name: str) -> None:
    metric, made = METRICS[name], ranked(seed, trials, n=40)
    scores = [metric.function(trial) for trial in made]

    found = corrected(metric, made, seed=seed)

    if metric.greater_is_better:
        assert found.value <= found.raw == max(scores)
    else:
        assert found.value >= found.raw == min(scores)


def test_a_correction_that_would_flatter_is_capped() -> None:
    """Of alike trials every second seed or so leaves a mean above the raw score."""
    trial = ranked(3, 1, n=40)[0]

    capped = [corrected(ACCURACY, [trial] * 2, seed=seed) for seed in range(20)]

    assert all(found.value <= found.raw for found in capped)
    assert any(found.value == found.raw for found in capped)


@pytest.mark.parametrize("trials", [20, 50])
def test_the_best_of_many_coin_flips_is_corrected_to_one_half(trials: int) -> None:
    found = [corrected(ACCURACY, coins(100 + seed, trials), seed=seed) for seed in range(30)]

    naive, unbiased = (np.mean([getattr(one, kind) for one in found]) - 0.5 for kind in ("raw", "value"))

    assert naive > 0.04
    assert abs(unbiased) < 0.007


def test_a_trial_that_is_clearly_best_keeps_its_score() -> None:
    trials = [*coins(1, 9, n=400), *coins(2, 1, n=400, p=0.9)]

    found = corrected(ACCURACY, trials, seed=0)

    assert found.raw == ACCURACY.function(trials[-1])
    assert found.value == pytest.approx(found.raw, abs=0.005)


def test_the_seed_alone_decides() -> None:
    trials = coins(5, 8)

    assert corrected(ACCURACY, trials, seed=3) == corrected(ACCURACY, trials, seed=3)
    assert corrected(ACCURACY, trials, seed=3).value != corrected(ACCURACY, trials, seed=4).value


def test_weights_go_along_with_rows() -> None:
    """Rows without weight change nothing, though only there the trials differ."""
    n, weight = 200, np.where(np.arange(200) < 100, 1.0, 0.0)
    first, second = coins(8, 2, n)
    labels = np.where(weight > 0, first.predictions.labels, second.predictions.labels)
    trials = [
        Evidence(e.y, Predictions(said), weight, 2, dict)
        for e, said in ((first, first.predictions.labels), (second, labels))
    ]

    found = corrected(ACCURACY, trials, seed=0)

    assert found.raw == ACCURACY.function(trials[0]) == ACCURACY.function(trials[1])
    assert found.value == pytest.approx(corrected(ACCURACY, [trials[0]] * 2, seed=0).value, abs=1e-12)


def test_copies_of_rows_are_left_out_together() -> None:
    single = coins(6, 20, n=100)
    positions, groups = np.repeat(np.arange(100), 4), np.repeat(np.arange(100), 4)
    copies = [e.at(positions) for e in single]
    grouped = [Evidence(e.y, e.predictions, None, 2, dict, groups) for e in copies]

    alone, apart, together = (corrected(ACCURACY, made, seed=2) for made in (single, copies, grouped))

    assert together.raw == alone.raw
    assert together.value == pytest.approx(alone.value, abs=1e-12)
    # Copies of the rows that chose the trial judge it when each stands for itself.
    assert apart.value > together.value + 0.01


def test_rows_left_out_without_a_class_are_refused() -> None:
    y = np.array([0] * 40 + [1])
    p = np.linspace(0, 1, 41)
    said = Predictions((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]), p)
    other = Predictions((p > 0.4).astype(np.int64), np.column_stack([p, 1 - p]), 1 - p)
    trials = [Evidence(y, one, None, 2, dict, stratified=True) for one in (said, other)]

    with pytest.raises(ScoreError) as told:
        corrected(METRICS["roc_auc"], trials, seed=0)

    assert told.value.problem == (
        "the roc_auc of the best of 2 trials cannot be corrected: no resample leaves out rows that have such "
        "a score"
    )
    assert told.value.remedy == "take more validation rows"
