"""How many rows would tell on which side of a threshold a score or a difference lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.predictions import Predictions
from harness.scoring.evidence import Evidence
from harness.scoring.intervals import difference_proof, difference_settling, proof
from harness.scoring.metrics import METRICS
from harness.uncertainty.mcnemar import one_sided, settling
from harness.uncertainty.search import by_square_root, first

ACCURACY = METRICS["accuracy"]


def right(k: int, n: int) -> Evidence:
    """n rows of which the first k are right."""
    y = np.arange(n) % 2
    return Evidence(y, Predictions(np.where(np.arange(n) < k, y, 1 - y)), None, 2, dict)


def ranked(skill: float, n: int = 300) -> Evidence:
    """n rows and probabilities that follow from the truth by `skill`."""
    y, noise = np.arange(n) % 2, np.random.default_rng(int(100 * skill)).normal(size=n)
    p = 1 / (1 + np.exp(-noise - skill * (y - 0.5)))
    said = Predictions((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]), p)
    return Evidence(y, said, None, 2, dict)


@given(st.integers(1, 10**6))
def test_the_first_number_is_found(least: int) -> None:
    assert first(lambda rows: rows >= least) == least
    assert first(lambda rows: False) is None


def test_twice_the_precision_takes_four_times_the_rows() -> None:
    assert by_square_root(500, 0.02, 0.01) == 2000
    assert by_square_root(500, 0.02, 0.0) is None
    assert by_square_root(500, 0.02, 1e-9) is None
    assert by_square_root(500, 0.0, 0.1) == 1


@given(st.integers(1, 60), st.integers(0, 60))
def test_rows_settle_mcnemars_test_where_its_p_value_does(more: int, fewer: int) -> None:
    rows = settling(more, fewer, 100, 0.025)

    if more <= fewer:
        assert rows is None
    elif rows is not None:
        assert (rows <= 100) == (one_sided(more, fewer) <= 0.025 + 1e-12)


def test_five_rows_more_of_500_do_not_settle_what_six_do() -> None:
    a, b = right(495, 500), right(490, 500)

    found = difference_settling(ACCURACY, a, b, 0.0, 0.95)

    assert difference_proof(ACCURACY, a, b, 0.0, 0.95) is None
    assert difference_proof(ACCURACY, right(496, 500), b, 0.0, 0.95) == "above"
    assert 500 < found <= 600
    assert difference_settling(ACCURACY, b, a, 0.0, 0.95) == found
    assert difference_settling(ACCURACY, a, a, 0.0, 0.95) is None


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss"])
def test_rows_settle_a_difference_where_it_is_proven(name: str) -> None:
    a, b = ranked(2.5), ranked(1.5)
    metric = METRICS[name]
    value = metric.function(a) - metric.function(b)

    for threshold in (value - 0.3, value - 0.1, -0.02, 0.0, 0.02, value + 0.001, value + 0.3):
        rows = difference_settling(metric, a, b, threshold, 0.95)
        proven = difference_proof(metric, a, b, threshold, 0.95) is not None
        assert (rows is not None and rows <= 300) == proven, threshold
    assert difference_settling(metric, a, b, value, 0.95) is None


def test_a_score_at_its_threshold_proves_no_side() -> None:
    """Not even a perfect one, which cannot lie above 1."""
    assert proof(ACCURACY, right(500, 500), 1.0, 0.95) is None
    assert proof(ACCURACY, right(0, 500), 0.0, 0.95) is None
    assert proof(ACCURACY, right(500, 500), 0.99, 0.95) == "above"
