"""The best of several scores on the same rows, corrected for having been chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring.correction import LEAST, MOST, corrected
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import METRICS


def guesses(
    n: int, trials: int, p: float, *, seed: int = 0, groups: np.ndarray | None = None
) -> list[Evidence]:
    """Trials that are all right with the same probability, of rows of two classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    found = []
    for _ in range(trials):
        margin = rng.normal(size=n) + np.sqrt(2) * (2 * y - 1) * p
        probability = 1 / (1 + np.exp(-margin))
        said = Predictions(
            (margin > 0).astype(np.int64), np.column_stack([1 - probability, probability]), margin
        )
        found.append(Evidence(y, said, None, 2, pd.DataFrame, groups))
    return found


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "log_loss"])
def test_the_best_of_equals_is_no_better_than_the_others(name: str) -> None:
    metric = METRICS[name]
    sign = 1 if metric.greater_is_better else -1
    raw, value = [], []
    for seed in range(12):
        trials = guesses(200, 30, 0.7, seed=seed)
        found = corrected(metric, trials, seed=1)
        mean = np.mean([metric.function(trial) for trial in trials])
        raw.append(sign * (found.raw - mean))
        value.append(sign * (found.value - mean))

    assert np.mean(raw) > 4 * abs(np.mean(value))
    assert min(raw) > 0


def test_a_clear_winner_keeps_its_score() -> None:
    trials = [*guesses(400, 20, 0.2), *guesses(400, 1, 1.2, seed=9)]

    found = corrected(METRICS["accuracy"], trials, seed=1)

    assert found.raw == METRICS["accuracy"].function(trials[-1])
    assert found.value == pytest.approx(found.raw, abs=0.004)
    assert found.trials == 21


def test_a_single_trial_was_not_chosen() -> None:
    (trial,) = guesses(50, 1, 0.5)

    found = corrected(METRICS["f1"], [trial], seed=1)

    assert (found.value, found.raw, found.trials, found.resamples) == (found.raw, found.raw, 1, 0)


def test_equal_trials_make_no_choice() -> None:
    """All of them are the first: what is left out of a resample scores as the whole does."""
    (trial,) = guesses(300, 1, 0.5)

    found = corrected(METRICS["accuracy"], [trial] * 8, seed=1)

    assert found.value == pytest.approx(found.raw, abs=0.004)
    assert found.value == corrected(METRICS["accuracy"], [trial] * 2, seed=1).value


def test_hopeless_trials_change_nothing() -> None:
    good, bad = guesses(500, 6, 1.0), guesses(500, 6, -0.5, seed=3)

    found = corrected(METRICS["roc_auc"], [*bad, *good], seed=1)

    assert found.value == corrected(METRICS["roc_auc"], good, seed=1).value
    assert found.trials == 12


def test_the_seed_decides() -> None:
    trials = guesses(100, 10, 0.5)

    one, again, other = (corrected(METRICS["accuracy"], trials, seed=seed) for seed in (1, 1, 2))

    assert one == again
    assert one.value != other.value
    assert one.value == pytest.approx(other.value, abs=0.01)


def test_rows_of_a_group_are_left_out_together() -> None:
    """Ten copies of each row: left out one by one, none would be unseen."""
    few = guesses(40, 20, 0.5)
    copies = np.repeat(np.arange(40), 10)
    many = [trial.at(copies) for trial in few]
    grouped = [Evidence(e.y, e.predictions, None, 2, pd.DataFrame, copies) for e in many]

    naive, found, once = (corrected(METRICS["accuracy"], trials, seed=1) for trials in (many, grouped, few))

    assert found.value == pytest.approx(once.value, abs=0.02)
    assert naive.value > found.value + 0.05


def test_lower_may_be_better() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=150)
    trials = [Evidence(y, Predictions(y + rng.normal(size=150)), None, 0, pd.DataFrame) for _ in range(30)]

    found = corrected(METRICS["rmse"], trials, seed=1)

    assert found.raw == min(METRICS["rmse"].function(trial) for trial in trials)
    assert found.value > found.raw + 0.05


def test_a_median_is_corrected_too() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=150)
    trials = [Evidence(y, Predictions(y + rng.normal(size=150)), None, 0, pd.DataFrame) for _ in range(30)]

    found = corrected(METRICS["median_absolute_error"], trials, seed=1)

    assert found.value > found.raw + 0.05


def test_many_rows_and_trials_take_fewer_resamples() -> None:
    few, many = guesses(100, 3, 0.5), guesses(20_000, 3, 0.5)

    assert corrected(METRICS["roc_auc"], few, seed=1).resamples == MOST
    assert corrected(METRICS["roc_auc"], [*many, *many, *many, *many, *many, *many], seed=1).resamples < 300
    assert LEAST == 100


def test_rows_that_never_allow_the_score_cannot_be_corrected() -> None:
    y = np.array([0, 0, 0, 1])
    trials = [
        Evidence(y, Predictions(y, None, np.arange(4.0) * k), None, 2, pd.DataFrame) for k in (1.0, -1.0)
    ]

    with pytest.raises(
        ScoreError,
        match="the roc_auc of the best of 2 trials cannot be corrected: no resample leaves out rows",
    ):
        corrected(METRICS["roc_auc"], trials, seed=1)
