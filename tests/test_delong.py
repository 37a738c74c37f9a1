"""Areas under the ROC curve: the paper's components, published variances, and what intervals must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from harness.uncertainty.delong import area, auc_difference, auc_interval

quick = settings(deadline=None, max_examples=40)


def psi(y: NDArray[np.int64], ranking: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (positive, negative rows) 1 where the positive one ranks higher, 1/2 where they are equal."""
    above = ranking[y == 1][:, None] - ranking[y == 0][None, :]
    return np.where(above > 0, 1.0, np.where(above == 0, 0.5, 0.0))


def covariance(y: NDArray[np.int64], *rankings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix S of DeLong et al. (1988): S10 / m + S01 / n, from all pairs of rows."""
    pairs = [psi(y, ranking) for ranking in rankings]
    m, n = pairs[0].shape
    s10 = np.cov([pair.mean(axis=1) for pair in pairs])
    s01 = np.cov([pair.mean(axis=0) for pair in pairs])
    return np.atleast_2d(s10 / m + s01 / n)


def standard_error(y: NDArray[np.int64], ranking: NDArray[np.float64]) -> float:
    """Return the standard error that an interval was made with, on the logit scale turned back."""
    found, value = auc_interval(y, ranking, 2, 0.95), area(y, ranking, 2).value
    logits = [math.log(end / (1 - end)) for end in (found.lower, found.upper)]
    return (logits[1] - logits[0]) / (2 * norm.ppf(0.975)) * value * (1 - value)


@st.composite
def ranked(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    n = draw(st.integers(8, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    y = np.concatenate([[0, 0, 1, 1], rng.integers(0, 2, n - 4)])
    levels = draw(st.sampled_from([3, 8, 10**6]))  # few levels: many rows of equal rank
    a = np.floor(levels * rng.random(n)) + levels * y * draw(st.sampled_from([0, 0.2]))
    return y, a, np.floor(levels * (rng.random(n) + 0.1 * y))


def test_the_published_example_of_proc() -> None:
    """113 patients by WFNS score 1..5, of good and of poor outcome, which the score foretells.

    Data: Turck et al. 2010, Intensive Care Medicine 36:107, as counted from `aSAH` of the R package pROC
    (Robin et al. 2011, BMC Bioinformatics 12:77), whose tests/testthat/test-var.R has the variance.
    """
    good, poor = [37, 20, 3, 8, 4], [2, 12, 1, 8, 18]
    score = np.concatenate([np.repeat(np.arange(1.0, 6), counts) for counts in (good, poor)])
    y = np.repeat([0, 1], [sum(good), sum(poor)])

    assert area(y, score, 2).value == pytest.approx(0.8236788617886179, abs=1e-12)
    assert standard_error(y, score) ** 2 == pytest.approx(0.00146991470882363, rel=1e-9)


@quick
@given(ranked())
def test_variance_and_covariance_are_those_of_all_pairs(rows) -> None:
    y, a, b = rows
    s = covariance(y, a, b)
    values = [psi(y, a).mean(), psi(y, b).mean()]

    assert area(y, a, 2).value == pytest.approx(values[0], abs=1e-12)
    assert area(y, a, 2).value == pytest.approx(roc_auc_score(y, a), abs=1e-12)
    if 0 < values[0] < 1 and s[0, 0] > 1e-20:
        found = auc_interval(y, a, 2, 0.9)
        middle = math.log(values[0] / (1 - values[0]))
        half = norm.ppf(0.95) * math.sqrt(s[0, 0]) / (values[0] * (1 - values[0]))
        ends = [1 / (1 + math.exp(half - middle)), 1 / (1 + math.exp(-half - middle))]
        assert [found.lower, found.upper] == pytest.approx(ends, abs=1e-9)

    variance = s[0, 0] + s[1, 1] - 2 * s[0, 1]
    if variance > 1e-20:
        found, difference = auc_difference(y, a, b, 2, 0.9), values[0] - values[1]
        half = norm.ppf(0.95) * math.sqrt(variance)
        ends = [max(difference - half, -1), min(difference + half, 1)]
        assert [found.lower, found.upper] == pytest.approx(ends, abs=1e-9)


@quick
@given(ranked(), st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_contain_the_estimate_and_a_difference_is_antisymmetric(rows, confidence: float) -> None:
    y, a, b = rows
    value, other = area(y, a, 2).value, area(y, b, 2).value
    single = auc_interval(y, a, 2, confidence)
    there, back = (auc_difference(y, *pair, 2, confidence) for pair in ((a, b), (b, a)))

    assert 0 <= single.lower <= value <= single.upper <= 1
    assert -1 <= there.lower <= value - other <= there.upper <= 1
    assert (there.lower, there.upper) == pytest.approx((-back.upper, -back.lower), abs=1e-15)
    assert (single.n, single.method, there.method) == (len(y), "DeLong", "DeLong")
    wider = auc_interval(y, a, 2, 0.999)
    assert wider.lower <= single.lower
    assert single.upper <= wider.upper


@quick
@given(ranked())
def test_only_the_order_counts(rows) -> None:
    y, a, _ = rows

    assert auc_interval(y, np.exp(a / a.max()), 2, 0.95) == auc_interval(y, a, 2, 0.95)
    same = auc_difference(y, a, np.exp(a / a.max()), 2, 0.95)
    assert (same.lower, same.upper) == (0, 0)
    mirrored, found = auc_interval(y, -a, 2, 0.95), auc_interval(y, a, 2, 0.95)
    assert (mirrored.lower, mirrored.upper) == pytest.approx((1 - found.upper, 1 - found.lower), abs=1e-9)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_a_perfect_ranking_is_as_sure_as_that_many_pairs_of_rows(k: int) -> None:
    y = np.repeat([0, 1], [60, k])

    found = auc_interval(y, y + 0.0, 2, 0.95)

    assert found.lower == pytest.approx(0.025 ** (1 / k))
    assert found.upper == 1


def test_rankings_that_say_nothing_are_not_known_to_be_useless() -> None:
    y = np.repeat([0, 1], [30, 30])

    found = auc_interval(y, np.zeros(60), 2, 0.95)

    assert found.lower < 0.3
    assert found.upper > 0.7
    assert found.lower + found.upper == pytest.approx(1)


def test_a_difference_without_variance_is_bounded_by_hoeffding_not_taken_as_known() -> None:
    y = np.repeat([0, 1], [20, 20])

    best = auc_difference(y, y + 0.0, -y + 0.0, 2, 0.95)

    assert (best.lower, best.upper) == (pytest.approx(2 * 0.025 ** (1 / 20) - 1), 1)
    assert best.mirrored() == auc_difference(y, -y + 0.0, y + 0.0, 2, 0.95)


def _multiclass(seed: int, n: int, k: int = 3) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.repeat(np.arange(k), 3), rng.integers(0, k, n - 3 * k)])
    return y, rng.normal(size=(n, k)) + 0.8 * np.eye(k)[y]


def test_the_area_of_many_classes_is_the_mean_of_one_against_the_rest() -> None:
    y, ranking = _multiclass(3, 120)
    each = [roc_auc_score(y == k, ranking[:, k]) for k in range(3)]

    assert area(y, ranking, 3).value == pytest.approx(np.mean(each), abs=1e-12)


def test_the_variance_of_many_classes_is_that_of_leaving_out_rows_of_each() -> None:
    y, ranking = _multiclass(5, 240)
    found, value = auc_interval(y, ranking, 3, 0.95), area(y, ranking, 3).value
    logits = [math.log(end / (1 - end)) for end in (found.lower, found.upper)]
    se = (logits[1] - logits[0]) / (2 * norm.ppf(0.975)) * value * (1 - value)

    jackknife = 0.0  # stratified by class: Arvesen 1969, Annals of Mathematical Statistics 40:2076
    for code in range(3):
        rows = np.flatnonzero(y == code)
        left = [area(np.delete(y, i), np.delete(ranking, i, axis=0), 3).value for i in rows]
        jackknife += (len(rows) - 1) ** 2 / len(rows) * np.var(left, ddof=1)

    assert se**2 == pytest.approx(jackknife, rel=0.02)


def test_half_of_many_intervals_of_one_half_hold_the_truth() -> None:
    rng, y = np.random.default_rng(11), np.repeat([0, 1], [100, 60])
    truth = norm.cdf(1 / math.sqrt(2))
    found = [auc_interval(y, rng.normal(size=160) + y, 2, 0.5) for _ in range(600)]

    held = np.mean([one.lower <= truth <= one.upper for one in found])

    assert held == pytest.approx(0.5, abs=3.5 * math.sqrt(0.25 / 600))


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
SCREENED = {"albumin": PATIENTS[:, 0], "protein": PATIENTS[:, 1], "score": -PATIENTS[:, 2]}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("albumin", 0.7366, 0.0927), ("score", 0.7258, 0.1028), ("protein", 0.6478, 0.1000)],
)
def test_areas_and_standard_errors_are_the_published_ones(name: str, value: float, error: float) -> None:
    found = auc_interval(BENEFIT, SCREENED[name], 2, 0.95)

    # On the logit scale an end lies z standard errors, divided by A (1 - A), from the middle.
    exact = area(BENEFIT, SCREENED[name], 2).value
    half = (np.log(found.upper / (1 - found.upper)) - np.log(found.lower / (1 - found.lower))) / 2

    assert exact == pytest.approx(value, abs=5e-5)
    assert half / norm.ppf(0.975) * exact * (1 - exact) == pytest.approx(error, abs=5e-5)
    assert found.method == "DeLong"


@pytest.mark.parametrize(
    ("name", "lower", "upper"), [("albumin", -0.1761, 0.1976), ("protein", -0.2830, 0.1271)]
)
def test_differences_to_the_score_are_the_published_ones(name: str, lower: float, upper: float) -> None:
    found = auc_difference(BENEFIT, SCREENED[name], SCREENED["score"], 2, 0.95)

    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=5e-5)
