"""Intervals of shares, against scipy, statsmodels' printed values and the laws they keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.uncertainty.holm import holm
from harness.uncertainty.mcnemar import one_sided, two_sided
from harness.uncertainty.proportions import clopper_pearson, settling, wilson

# statsmodels 0.15.0: proportion_confint(k, n, alpha, method="wilson"), then method="beta".
STATSMODELS = {
    (0, 10, 0.95): (0.0, 0.27753279986288926, 0.0, 0.30849710781876083),
    (1, 57, 0.95): (0.0031036646514081, 0.09290749178567687, 0.00044407344008939235, 0.0939168418919108),
    (49, 57, 0.95): (0.746755353906559, 0.9271272385676139, 0.7420546161318784, 0.937405109882715),
    (57, 57, 0.95): (0.9368611651470209, 1.0, 0.9373325190855151, 1.0),
    (430, 500, 0.9): (0.8325332452738887, 0.883591740192625, 0.83188819420744, 0.8848910278782272),
    (4300, 5000, 0.95): (0.8501055351784539, 0.869341719421105, 0.8500720414211078, 0.8695055822669161),
}

shares = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


@pytest.mark.parametrize("given_", STATSMODELS)
def test_ends_are_those_of_statsmodels(given_: tuple[int, int, float]) -> None:
    score = wilson(*given_)

    found = (score.lower, score.upper, *clopper_pearson(*given_))

    assert found == pytest.approx(STATSMODELS[given_], abs=1e-12)
    assert (score.n, score.method) == (given_[1], "Wilson")


@given(shares, confidences)
def test_ends_are_those_of_scipy(share: tuple[int, int], confidence: float) -> None:
    test = binomtest(*share)

    exact = test.proportion_ci(confidence, method="exact")
    score = test.proportion_ci(confidence, method="wilson")
    found = wilson(*share, confidence)

    assert clopper_pearson(*share, confidence) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert (found.lower, found.upper) == pytest.approx((score.low, score.high), abs=1e-9)


@given(shares, confidences)
def test_intervals_contain_the_share_and_lie_within_0_and_1(
    share: tuple[int, int], confidence: float
) -> None:
    k, n = share

    found = wilson(k, n, confidence)
    lower, upper = clopper_pearson(k, n, confidence)

    assert 0 <= found.lower <= k / n <= found.upper <= 1
    assert 0 <= lower <= k / n <= upper <= 1


@given(shares, st.floats(0.5, 0.98))
def test_more_confidence_is_never_narrower(share: tuple[int, int], confidence: float) -> None:
    narrow, wide = wilson(*share, confidence), wilson(*share, confidence + 0.01)

    assert wide.lower <= narrow.lower
    assert wide.upper >= narrow.upper


@given(shares, st.floats(0.02, 0.98))
def test_settling_is_the_first_number_of_rows_that_decides(share: tuple[int, int], threshold: float) -> None:
    k, n = share
    rows = settling(k, n, threshold, 0.95)

    if rows is None:
        lower, upper = clopper_pearson(k / n * 10**9, 10**9, 0.95)
        assert lower <= threshold <= upper
    else:
        side = 0 if k / n > threshold else 1
        sign = 1 if k / n > threshold else -1
        assert sign * clopper_pearson(k / n * rows, rows, 0.95)[side] >= sign * threshold
        if rows > 1:
            assert sign * clopper_pearson(k / n * (rows - 1), rows - 1, 0.95)[side] < sign * threshold


def test_a_share_at_the_threshold_is_never_settled() -> None:
    assert settling(43, 50, 0.86, 0.95) is None


def test_a_share_too_near_the_threshold_is_never_settled() -> None:
    assert settling(25, 50, 0.5 + 1e-7, 0.95) is None


def test_rows_that_decide_already_are_enough() -> None:
    assert clopper_pearson(450, 500, 0.95)[0] > 0.86

    rows = settling(450, 500, 0.86, 0.95)

    assert rows is not None
    assert rows <= 500


# statsmodels 0.15.0: mcnemar([[100, b], [c, 50]], exact=True).pvalue
@pytest.mark.parametrize(
    ("b", "c", "p"),
    [(0, 0, 1.0), (5, 0, 0.0625), (10, 3, 0.09228515625), (3, 10, 0.09228515625), (40, 25, 0.08168153394154)],
)
def test_mcnemar_is_that_of_statsmodels(b: int, c: int, p: float) -> None:
    assert two_sided(b, c) == pytest.approx(p, abs=1e-12)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_binomial_test_of_rows_that_differ(more: int, fewer: int) -> None:
    if more + fewer:
        test = binomtest(more, more + fewer, 0.5, alternative="greater")
        assert one_sided(more, fewer) == pytest.approx(test.pvalue, abs=1e-9)
        assert two_sided(more, fewer) == pytest.approx(binomtest(more, more + fewer).pvalue, abs=1e-9)
    assert two_sided(more, fewer) == two_sided(fewer, more)


def test_holm_is_that_of_statsmodels() -> None:
    """multipletests(p, method="holm")[1]"""
    adjusted = holm([0.01, 0.04, 0.03, 0.005, 0.5])

    assert adjusted == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_and_makes_nothing_smaller(p_values: list[float]) -> None:
    adjusted = holm(p_values)

    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)
