"""Resamples, and the intervals and bounds that they give, against scipy's and exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.errors import ScoreError
from harness.uncertainty import bootstrap
from harness.uncertainty.mcnemar import one_sided
from harness.uncertainty.proportions import clopper_pearson
from harness.uncertainty.resamples import MOST_UNITS, units
from harness.uncertainty.statistics import Called, Combination, Linear, Moments


def _mean(values: np.ndarray, weight: np.ndarray | None = None) -> Moments:
    w = np.ones(len(values)) if weight is None else weight
    return Moments(np.column_stack([w * values, w]), lambda sums: sums[:, 0] / sums[:, 1])


@given(st.integers(2, 60), st.integers(1, 4), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_resamples_keep_strata_and_draw_groups_whole(n: int, k: int, grouped: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    strata, groups = rng.integers(0, k, n), rng.integers(0, max(n // 3, 1), n)
    u = units(n, strata, groups if grouped else None)

    counts = u.counts(20)

    assert (counts.sum(axis=1) == len(u)).all()
    rows = counts[:, u.column]
    if grouped:
        assert len(u) == len(np.unique(groups))
        assert all(len(np.unique(u.column[groups == g])) == 1 for g in groups)
    else:
        for code in np.unique(strata):
            assert (rows[:, strata == code].sum(axis=1) == (strata == code).sum()).all()


def test_groups_are_drawn_within_strata_if_none_lies_in_two() -> None:
    strata = np.array([0, 0, 0, 0, 1, 1, 1])
    apart, across = np.array([5, 5, 3, 3, 9, 9, 1]), np.array([5, 5, 3, 3, 3, 9, 1])

    assert units(7, strata, apart).sizes == (2, 2)
    assert units(7, strata, across).sizes == (4,)


def test_many_units_are_joined_within_their_stratum() -> None:
    strata = np.repeat([0, 1], [60_000, 40_000])
    u = units(100_000, strata)

    assert len(u) <= MOST_UNITS
    assert len(np.unique(u.stratum[u.column[:60_000]])) == 1
    assert np.ptp(np.bincount(u.column)) <= 1


def test_bca_is_that_of_scipy_within_the_error_of_resampling() -> None:
    values = np.random.default_rng(0).lognormal(size=300)

    ours = bootstrap.interval(_mean(values), values.mean(), units(300), 0.95, method="", resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1), vectorized=True
    ).confidence_interval

    error = values.std() / np.sqrt(300)
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), abs=0.08 * error)


def test_bca_is_seeded_and_leans_to_the_long_tail() -> None:
    values = np.random.default_rng(0).lognormal(size=300)

    found = bootstrap.interval(_mean(values), values.mean(), units(300), 0.95, method="BCa bootstrap")

    assert found == bootstrap.interval(_mean(values), values.mean(), units(300), 0.95, method="BCa bootstrap")
    assert found.upper - values.mean() > 1.1 * (values.mean() - found.lower)
    assert (found.n, found.method) == (300, "BCa bootstrap")


@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
@settings(max_examples=40, deadline=None)
def test_intervals_contain_the_estimate_and_grow_with_confidence(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).normal(size=n).round(1)
    one, wide = (
        bootstrap.interval(_mean(values), values.mean(), units(n), confidence, method="")
        for confidence in (0.8, 0.95)
    )

    assert wide.lower <= one.lower <= values.mean() <= one.upper <= wide.upper


def test_rows_of_a_group_are_one_unit() -> None:
    """Each row five times over, as a group, is the data once."""
    values = np.random.default_rng(0).normal(size=80)
    once = bootstrap.interval(_mean(values), values.mean(), units(80), 0.95, method="")

    many = np.repeat(values, 5)
    found = bootstrap.interval(
        _mean(many), values.mean(), units(400, groups=np.repeat(np.arange(80), 5)), 0.95, method=""
    )

    assert (found.lower, found.upper) == pytest.approx((once.lower, once.upper))
    assert found.n == 400


def test_weights_only_count_by_their_ratio() -> None:
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=80), rng.random(80)

    one, other = (
        bootstrap.interval(_mean(values, w), np.average(values, weights=w), units(80), 0.95, method="")
        for w in (weight, weight * 8)
    )

    assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper))


def test_a_called_function_gives_what_sums_give() -> None:
    values = np.random.default_rng(0).normal(size=150) ** 2
    of_rows = Called(lambda rows: values[rows].mean(), 150)

    by_sums = bootstrap.interval(_mean(values), values.mean(), units(150), 0.95, method="")
    by_calls = bootstrap.interval(of_rows, values.mean(), units(150), 0.95, method="")

    assert (by_calls.lower, by_calls.upper) == pytest.approx((by_sums.lower, by_sums.upper), abs=1e-12)


def test_derivatives_give_nearly_what_resampling_gives() -> None:
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=3000), rng.random(3000)
    whole = float(np.average(values, weights=weight))
    u = units(3000)

    one = bootstrap.interval(_mean(values, weight), whole, u, 0.95, method="")
    other = bootstrap.interval(Linear(_mean(values, weight), whole), whole, u, 0.95, method="")

    assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper), abs=0.03 / np.sqrt(3000))


def test_no_difference_is_exactly_none() -> None:
    mean = _mean(np.random.default_rng(0).normal(size=50))

    found = bootstrap.interval(Combination((mean, mean), (1.0, -1.0)), 0.0, units(50), 0.95, method="")

    assert (found.lower, found.upper) == (0.0, 0.0)


def test_a_score_that_most_resamples_lack_has_no_interval() -> None:
    rare = Called(lambda rows: 1.0 if 0 in rows else 1 / 0, 30)

    with pytest.raises(
        ScoreError, match=r"3\d% of 2,000 resamples of these rows have no such score; take more"
    ):
        bootstrap.interval(rare, 1.0, units(30), 0.95, method="")


def test_a_score_that_needs_a_rare_class_has_an_interval_if_resamples_keep_it() -> None:
    """Only the jackknife, which leaves out two rows at once, ever loses the class."""
    y = np.repeat([0, 1], [398, 2])
    values = np.random.default_rng(0).normal(size=400)
    rare = Called(lambda rows: values[rows].mean() if y[rows].any() else float("nan"), 400)

    found = bootstrap.interval(rare, values.mean(), units(400, y), 0.95, method="")

    assert found.lower < values.mean() < found.upper


def test_one_group_says_nothing() -> None:
    with pytest.raises(
        ScoreError, match="a bootstrap of 1 unit says nothing; an interval needs at least two"
    ):
        bootstrap.interval(_mean(np.ones(9)), 1.0, units(9, groups=np.zeros(9)), 0.95, method="")


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 20), (19, 20), (57, 57), (250, 500)])
def test_with_one_wrong_row_more_the_bound_of_a_share_is_the_exact_one(k: int, n: int) -> None:
    right = np.repeat([1.0, 0.0], [k, n - k + 1])

    found = bootstrap.bound(_mean(right), units(n + 1), (n,), 0.025)

    exact = clopper_pearson(k, n, 0.95)[0]
    assert found == pytest.approx(exact, abs=0.1 * np.sqrt(0.25 / n))


@pytest.mark.parametrize(("more", "fewer"), [(6, 0), (12, 3), (30, 20)])
def test_with_one_wrong_row_more_a_difference_is_decided_as_by_mcnemar(more: int, fewer: int) -> None:
    p = one_sided(more, fewer)
    difference = np.repeat([1.0, -1.0, 0.0], [more, fewer + 1, 60])

    lower, higher = (
        bootstrap.bound(_mean(difference), units(len(difference)), (len(difference) - 1,), tail)
        for tail in (p * 0.7, min(p * 1.4, 0.99))
    )

    assert lower < 0 < higher
