"""Areas under the ROC curve: the paper's components, published variances, and what intervals must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
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
    assume(single is not None and there is not None)

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
    assert auc_difference(y, a, np.exp(a / a.max()), 2, 0.95) is None
    mirrored, found = auc_interval(y, -a, 2, 0.95), auc_interval(y, a, 2, 0.95)
    assert (mirrored is None) == (found is None)
    if found is None:
        return
    assert (mirrored.lower, mirrored.upper) == pytest.approx((1 - found.upper, 1 - found.lower), abs=1e-9)


@pytest.mark.parametrize(
    "ranking", [np.repeat([0.0, 1.0], [30, 20]), np.zeros(50)], ids=["perfect", "constant"]
)
def test_a_variance_that_says_nothing_makes_no_interval(ranking) -> None:
    y = np.repeat([0, 1], [30, 20])

    assert auc_interval(y, ranking, 2, 0.95) is None
    assert auc_difference(y, ranking, -ranking, 2, 0.95) is None


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
