"""Bootstrap intervals: scipy's ends, what is drawn together, and rows that tell too little."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.errors import ScoreError
from harness.uncertainty import bootstrap, resamples
from harness.uncertainty.interval import Interval
from harness.uncertainty.resamples import MOST_UNITS, RESAMPLES, Units, blocks, units
from harness.uncertainty.statistics import Called, Combination, Linear, Moments

few = settings(deadline=None, max_examples=8)


def mean(values, weight=None) -> Moments:
    w = np.ones(len(values)) if weight is None else np.asarray(weight, dtype=float)
    return Moments(np.column_stack([w * values, w]), lambda sums: sums[:, 0] / sums[:, 1])


def of(statistic, estimate: float, unit: Units, confidence: float = 0.95) -> Interval:
    return bootstrap.interval(statistic, estimate, unit, confidence, method="BCa bootstrap")


def skewed(n: int = 200, seed: int = 1):
    return np.random.default_rng(seed).exponential(size=n)


def widened(confidence: float, n: int) -> float:
    """Return the plain confidence whose quantile is Student's times the root of n / (n - 1)."""
    t = stats.t.ppf((1 + confidence) / 2, n - 1) * math.sqrt(n / (n - 1))
    return 1 - 2 * stats.norm.cdf(-t)


@pytest.mark.parametrize(("n", "confidence"), [(25, 0.9), (200, 0.95)])
def test_a_mean_s_ends_are_scipy_s_but_for_student_s_quantiles(n: int, confidence: float) -> None:
    values = skewed(n)
    reference = stats.bootstrap(
        (values,),
        np.mean,
        method="BCa",
        n_resamples=20_000,
        confidence_level=widened(confidence, n),
        rng=np.random.default_rng(0),
    ).confidence_interval

    found = bootstrap.interval(
        mean(values), values.mean(), units(n), confidence, method="BCa bootstrap", resamples=20_000
    )

    se = values.std() / math.sqrt(n)
    # An end of 20,000 resamples errs by some 0.03 standard errors, and so does the other's.
    assert found.lower == pytest.approx(reference.low, abs=0.12 * se)
    assert found.upper == pytest.approx(reference.high, abs=0.12 * se)
    assert (found.n, found.method) == (n, "BCa bootstrap")
    resamples._kept.cache_clear()
    assert found.upper - values.mean() > values.mean() - found.lower  # skewed to the right


@few
@given(st.integers(0, 10**6), st.integers(3, 40))
def test_the_estimate_is_inside_and_more_confidence_is_never_narrower(seed: int, n: int) -> None:
    values = skewed(n, seed)

    narrow, wide = (of(mean(values), values.mean(), units(n), c) for c in (0.8, 0.99))

    assert wide.lower <= narrow.lower <= values.mean() <= narrow.upper <= wide.upper


def test_three_groups_have_an_interval_at_any_confidence() -> None:
    values = np.array([1.0, 2.0, 4.0])

    found = of(mean(values), values.mean(), units(3), 0.9999)

    assert (found.lower, found.upper) == (1, 4)


def test_the_same_rows_have_the_same_interval() -> None:
    values = skewed(60)

    first = of(mean(values), values.mean(), units(60))
    resamples._kept.cache_clear()

    assert of(mean(values), values.mean(), units(60)) == first


def test_copies_in_a_group_make_no_interval_narrower() -> None:
    values = skewed(50)
    copies, groups = np.repeat(values, 4), np.repeat(np.arange(50), 4)

    single = of(mean(values), values.mean(), units(50))
    together = of(mean(copies), values.mean(), units(200, groups=groups))
    apart = of(mean(copies), values.mean(), units(200))

    assert (together.lower, together.upper) == pytest.approx((single.lower, single.upper), rel=1e-9)
    assert together.n == 200
    assert apart.upper - apart.lower < 0.6 * (single.upper - single.lower)


def test_a_weight_of_two_is_the_row_twice_in_its_group() -> None:
    values, weight = skewed(40), np.where(np.arange(40) % 3 == 0, 2, 1)
    copies, groups = np.repeat(values, weight), np.repeat(np.arange(40), weight)
    estimate = np.average(values, weights=weight)

    weighed = of(mean(values, weight), estimate, units(40))
    repeated = of(mean(copies), estimate, units(len(copies), groups=groups))

    assert (weighed.lower, weighed.upper) == pytest.approx((repeated.lower, repeated.upper), rel=1e-9)


def test_one_unit_says_nothing() -> None:
    with pytest.raises(ScoreError) as told:
        of(mean(np.ones(3)), 1.0, units(3, groups=np.zeros(3)))

    assert told.value.problem == "a bootstrap of 1 unit says nothing"
    assert told.value.remedy == "an interval needs at least two rows of each class, or two groups"
    with pytest.raises(ScoreError, match="a bootstrap of 2 units says nothing"):
        of(mean(np.arange(2.0)), 0.5, units(2, strata=np.array([0, 1])))


def _lacking(share: float) -> Moments:
    """Return a statistic that about `share` of the resamples of 100 rows do not have."""
    chosen = np.arange(100) < round(-math.log(share))  # a row is left out with 1/e
    terms = np.column_stack([chosen, np.arange(100.0), np.ones(100)])
    return Moments(terms, lambda s: np.where(s[:, 0] > 0, s[:, 1] / s[:, 2], np.nan))


def test_too_many_resamples_without_a_value_are_refused() -> None:
    with pytest.raises(ScoreError, match=r"(3[5-9]|4\d)% of 2,000 resamples of these rows have no such"):
        of(_lacking(0.37), 49.5, units(100))
    with pytest.raises(ScoreError, match="take more rows or groups, or a score that does not need every cl"):
        of(_lacking(0.37), 49.5, units(100))

    found = of(_lacking(0.02), 49.5, units(100))  # a few are left out
    assert 40 < found.lower < 49.5 < found.upper < 59


@pytest.mark.parametrize("value", [1.0, 0.0, -3.7])
def test_rows_that_never_vary_are_not_taken_for_certainty(value: float) -> None:
    with pytest.raises(ScoreError) as told:
        of(mean(np.full(35, value)), value, units(35))

    assert told.value.problem == "all 2,000 resamples of these rows give the same value"
    assert told.value.remedy == (
        "take more rows, or compare a score whose interval counts rows, such as accuracy"
    )


def test_what_is_not_smooth_has_quantiles_of_the_resamples() -> None:
    values, rough = skewed(80), mean(skewed(80))
    rough = Moments(rough.terms, rough.function, smooth=False)
    tail = (1 - widened(0.95, 80)) / 2
    resampled = rough.values(units(80), units(80).counts())

    found = of(rough, values.mean(), units(80))

    assert [found.lower, found.upper] == pytest.approx(np.quantile(resampled, [tail, 1 - tail]))


def test_resamples_keep_the_size_of_every_stratum() -> None:
    strata = np.random.default_rng(0).permutation(np.repeat([3, 7, 9], [5, 20, 75]))
    unit = units(100, strata=strata)
    counts = unit.counts(50)

    assert unit.sizes == (5, 20, 75)
    for code, size in zip((3, 7, 9), unit.sizes, strict=True):
        assert (counts[:, unit.column[strata == code]].sum(axis=1) == size).all()
    assert not counts.flags.writeable
    assert unit.stratum.tolist() == [0] * 5 + [1] * 20 + [2] * 75


def test_groups_are_drawn_within_strata_only_if_none_lies_in_two() -> None:
    groups, strata = np.repeat(np.arange(6), 2), np.repeat([0, 1], 6)

    assert units(12, strata, groups).sizes == (3, 3)
    assert units(12, np.roll(strata, 1), groups).sizes == (6,)
    inside = units(12, strata, groups)
    assert (inside.column[::2] == inside.column[1::2]).all()


def test_very_many_units_are_joined_into_nearly_equal_ones() -> None:
    n = 50_000
    strata = np.arange(n) % 10 == 0
    unit = units(n, strata)

    assert len(unit) <= MOST_UNITS
    assert unit.sizes[0] > 8 * unit.sizes[1]
    rows = np.bincount(unit.column)
    assert rows.sum() == n
    assert rows.max() - rows.min() <= 1
    assert (strata[np.argsort(unit.column, kind="stable")] == np.repeat([0, 1], [45_000, 5_000])).all()


def test_a_draw_is_of_the_whole_stratum_with_replacement() -> None:
    counts = units(300).counts()

    assert counts.shape == (RESAMPLES, 300)
    assert (counts.sum(axis=1) == 300).all()
    assert (counts == 0).mean() == pytest.approx((1 - 1 / 300) ** 300, abs=0.003)
    assert (np.concatenate(list(blocks(counts))) == counts).all()


def test_called_functions_means_and_differences_say_what_sums_say() -> None:
    values, unit = skewed(30), units(30, groups=np.repeat(np.arange(15), 2))
    counts, sums = unit.counts(40), mean(values)
    called = Called(lambda rows: values[rows].mean(), 30)

    assert called.values(unit, counts) == pytest.approx(sums.values(unit, counts))
    assert called.influence(unit) == pytest.approx(sums.influence(unit))
    twice = Combination((sums, called), (0.5, 0.5))
    assert twice.values(unit, counts) == pytest.approx(sums.values(unit, counts))
    assert twice.influence(unit) == pytest.approx(sums.influence(unit))
    nothing = Combination((sums, called), (1.0, -1.0))
    assert nothing.values(unit, counts) == pytest.approx(np.zeros(40), abs=1e-12)
    assert nothing.influence(unit) == pytest.approx(np.zeros(15), abs=1e-12)
    assert nothing.smooth
    assert not Combination((sums, Moments(sums.terms, sums.function, smooth=False)), (1.0, -1.0)).smooth


def test_what_a_called_function_raises_means_no_value() -> None:
    def picky(rows):
        if 0 not in rows:
            raise ValueError("row 0 is missing")
        return rows.mean()

    unit = units(10)
    counts = unit.counts(60)

    assert (np.isnan(Called(picky, 10).values(unit, counts)) == (counts[:, 0] == 0)).all()


@few
@given(st.integers(0, 10**6))
def test_derivatives_foretell_resamples_and_what_they_leave_out(seed: int) -> None:
    values, unit = skewed(2000, seed), units(2000)
    counts = unit.counts(30)

    class Derived:
        smooth = True

        def influence(self, unit):
            return unit.summed((values - values.mean())[:, None] / len(values))[:, 0]

    linear = Linear(Derived(), values.mean())
    left_out = (counts == 0).astype(np.uint8)

    assert linear.values(unit, counts) == pytest.approx(mean(values).values(unit, counts))
    assert linear.values(unit, left_out) == pytest.approx(mean(values).values(unit, left_out))


def test_coverage_of_a_skewed_mean_of_few_rows() -> None:
    held = []
    for seed in range(300):
        values = skewed(25, seed + 10)
        found = of(mean(values), values.mean(), units(25), 0.8)
        held.append(found.lower <= 1 <= found.upper)

    assert np.mean(held) == pytest.approx(0.8, abs=0.08)
