"""Areas and their intervals, against a published example and definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.uncertainty.delong import area, auc_difference, auc_interval

# Albumin, total protein, Krebs-Goplerud score, benefit of surgery: 43 patients of DeLong, DeLong &
# Clarke-Pearson (1988), as the SAS/STAT guide (LOGISTIC, "Comparing Receiver Operating Characteristic
# Curves") lists them; the areas, standard errors and limits below are those that it prints.
LISTED = """
3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0 1.6 5.6 5 1
3.8 5.7 5 1 3.7 6.7 6 1 3.2 5.4 4 1 3.8 6.6 6 1 4.1 6.6 5 1 3.6 5.7 5 1 4.3 7.0 4 1 3.6 6.7 4 0
2.3 4.4 6 1 4.2 7.6 4 0 4.0 6.6 6 0 3.5 5.8 6 1 3.8 6.8 7 1 3.0 4.7 8 0 4.5 7.4 5 1 3.7 7.4 5 1
3.1 6.6 6 1 4.1 8.2 6 1 4.3 7.0 5 1 4.3 6.5 4 1 3.2 5.1 5 1 2.6 4.7 6 1 3.3 6.8 6 0 1.7 4.0 7 0
3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1 3.5 6.2 5 1 2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0 4.0 7.0 7 1
3.3 5.7 6 1 3.7 6.9 5 1 3.6 6.6 5 1
"""
PATIENTS = np.array([float(number) for number in LISTED.split()]).reshape(-1, 4)
BENEFIT = PATIENTS[:, 3].astype(np.int64)
TESTS = {"albumin": PATIENTS[:, 0], "protein": PATIENTS[:, 1], "score": -PATIENTS[:, 2]}
Z = 1.959963984540054


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("albumin", 0.7366, 0.0927), ("score", 0.7258, 0.1028), ("protein", 0.6478, 0.1000)],
)
def test_areas_and_standard_errors_are_the_published_ones(name: str, value: float, error: float) -> None:
    found = auc_interval(BENEFIT, TESTS[name], 2, 0.95)

    # On the logit scale an end lies z standard errors, divided by A (1 - A), from the middle.
    exact = area(BENEFIT, TESTS[name], 2).value
    half = (np.log(found.upper / (1 - found.upper)) - np.log(found.lower / (1 - found.lower))) / 2

    assert exact == pytest.approx(value, abs=5e-5)
    assert half / Z * exact * (1 - exact) == pytest.approx(error, abs=5e-5)
    assert found.method == "DeLong"


@pytest.mark.parametrize(
    ("name", "lower", "upper"), [("albumin", -0.1761, 0.1976), ("protein", -0.2830, 0.1271)]
)
def test_differences_to_the_score_are_the_published_ones(name: str, lower: float, upper: float) -> None:
    found = auc_difference(BENEFIT, TESTS[name], TESTS["score"], 2, 0.95)

    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=5e-5)


@st.composite
def ranked(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    k = draw(st.integers(2, 4))
    n = draw(st.integers(2 * k, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = rng.permutation(np.concatenate([np.repeat(np.arange(k), 2), rng.integers(0, k, n - 2 * k)]))
    shape = n if k == 2 else (n, k)
    return y, rng.integers(0, 9, shape) / 8, rng.integers(0, 9, shape) / 8, k


def _by_hand(y: np.ndarray, ranking: np.ndarray, k: int) -> tuple[float, float]:
    """The mean of the one-vs-rest areas, and its variance by the jackknife over the rows of each class."""
    columns = {1: ranking} if k == 2 else dict(enumerate(ranking.T))

    def value(weight: np.ndarray) -> float:
        found = []
        for code, column in columns.items():
            in_order = np.subtract.outer(column[y == code], column[y != code])
            pairs = np.outer(weight[y == code], weight[y != code])
            found.append((((in_order > 0) + (in_order == 0) / 2) * pairs).sum() / pairs.sum())
        return float(np.mean(found))

    variance = 0.0
    for code in range(k):
        rows = np.flatnonzero(y == code)
        left_out = []
        for row in rows:
            weight = np.ones(len(y))
            weight[rows] = len(rows) / (len(rows) - 1)  # the others stand for the whole class
            weight[row] = 0
            left_out.append(value(weight))
        variance += (len(rows) - 1) / len(rows) * np.square(left_out - np.mean(left_out)).sum()
    return value(np.ones(len(y))), variance


@given(ranked())
@settings(max_examples=60, deadline=None)
def test_components_give_the_area_and_its_jackknife_variance(
    data: tuple[np.ndarray, np.ndarray, np.ndarray, int],
) -> None:
    y, a, _, k = data
    value, variance = _by_hand(y, a, k)

    found = auc_difference(y, a, np.where(y == 0, 1.0, 0.5) if k == 2 else np.eye(k)[y] * 0, k, 0.95)
    wald = auc_interval(y, a, k, 0.95)

    assert area(y, a, k).value == pytest.approx(value)
    if variance > 1e-12 and 0 < value < 1:
        half = (np.log(wald.upper / (1 - wald.upper)) - np.log(wald.lower / (1 - wald.lower))) / 2
        assert half * value * (1 - value) == pytest.approx(Z * np.sqrt(variance), rel=1e-6)
        if found.upper < 1 and found.lower > -1:
            # The other ranking is the same for all rows of a class: it adds no variance.
            assert (found.upper - found.lower) / 2 == pytest.approx(Z * np.sqrt(variance), rel=1e-6)


@given(ranked(), st.sampled_from([0.5, 0.8, 0.95]))
@settings(max_examples=60, deadline=None)
def test_laws_of_intervals_and_differences(
    data: tuple[np.ndarray, np.ndarray, np.ndarray, int], confidence: float
) -> None:
    y, a, b, k = data
    value = area(y, a, k).value
    one, wide = auc_interval(y, a, k, confidence), auc_interval(y, a, k, 0.99)
    forth, back = auc_difference(y, a, b, k, confidence), auc_difference(y, b, a, k, confidence)

    assert 0 <= wide.lower <= one.lower <= value <= one.upper <= wide.upper <= 1
    assert -1 <= forth.lower <= value - area(y, b, k).value <= forth.upper <= 1
    assert (back.lower, back.upper) == pytest.approx((-forth.upper, -forth.lower), abs=1e-12)
    assert auc_interval(y, np.exp(3 * a), k, confidence) == one  # the order is all that counts


@given(ranked())
@settings(max_examples=30, deadline=None)
def test_the_same_order_makes_no_difference(data: tuple[np.ndarray, np.ndarray, np.ndarray, int]) -> None:
    y, a, _, k = data

    found = auc_difference(y, a, np.exp(a), k, 0.95)

    assert (found.lower, found.upper) == (0.0, 0.0)


@pytest.mark.parametrize("pairs", [1, 5, 40])
def test_a_perfect_order_is_bounded_by_its_disjoint_pairs(pairs: int) -> None:
    y = np.repeat([0, 1], [60, pairs])

    perfect, reversed_ = auc_interval(y, y * 1.0, 2, 0.95), auc_interval(y, -y * 1.0, 2, 0.95)

    assert (perfect.lower, perfect.upper) == (pytest.approx(0.025 ** (1 / pairs)), 1.0)
    assert (reversed_.lower, reversed_.upper) == (0.0, pytest.approx(1 - 0.025 ** (1 / pairs)))


def test_perfect_orders_that_differ_may_be_differently_good() -> None:
    y = np.repeat([0, 1], [20, 20])

    upwards, downwards = np.arange(40.0), np.concatenate([np.arange(20)[::-1], np.arange(40)[:19:-1]])

    found = auc_difference(y, upwards, downwards, 2, 0.95)

    assert found.lower == pytest.approx(-found.upper)
    assert found.upper > 0.1


def test_equal_rankings_say_little() -> None:
    found = auc_interval(np.repeat([0, 1], 50), np.zeros(100), 2, 0.95)

    assert found.lower == pytest.approx(1 - found.upper)
    assert 0.3 < found.lower < 0.4
