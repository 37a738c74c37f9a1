"""Intervals of shares: statsmodels' and scipy's values, the laws of any such interval, and enough rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from harness.uncertainty.proportions import clopper_pearson, settling, wilson
from harness.uncertainty.search import MOST_ROWS

# statsmodels 0.15.0, proportion_confint(successes, n, 1 - confidence, method="wilson") and method="beta".
STATSMODELS = [
    (0, 10, 0.95, (0.0, 0.2775327998628892), (0.0, 0.3084971078187607)),
    (3, 10, 0.95, (0.10779126740630099, 0.6032218525388546), (0.0667395111777345, 0.6524528500599973)),
    (1, 2, 0.8, (0.1642517200298993, 0.8357482799701007), (0.05131670194948619, 0.9486832980505138)),
    (50, 57, 0.95, (0.7675355156482598, 0.9392193984100191), (0.7632050006375726, 0.9491710598414328)),
    (430, 500, 0.95, (0.826833135055546, 0.8876773398121365), (0.8264561435062905, 0.8892104657359341)),
    (500, 500, 0.95, (0.9923756595384479, 1.0), (0.9926493899480923, 1.0)),
    (4475, 5000, 0.99, (0.8833046249992699, 0.9056484505848185), (0.8833535257394024, 0.905886012401532)),
]

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.floats(0.5, 0.999)
quick = settings(deadline=None, max_examples=60)


@pytest.mark.parametrize(("successes", "n", "confidence", "score", "exact"), STATSMODELS)
def test_the_ends_are_those_of_statsmodels(successes, n, confidence, score, exact) -> None:
    found = wilson(successes, n, confidence)

    assert (found.lower, found.upper) == pytest.approx(score, abs=1e-12)
    assert clopper_pearson(successes, n, confidence) == pytest.approx(exact, abs=1e-12)
    assert (found.n, found.method) == (n, "Wilson")


@quick
@given(counts, confidences)
def test_the_ends_are_those_of_scipy(count: tuple[int, int], confidence: float) -> None:
    reference = binomtest(*count)
    score = reference.proportion_ci(confidence, method="wilson")
    exact = reference.proportion_ci(confidence, method="exact")

    found = wilson(*count, confidence)

    assert (found.lower, found.upper) == pytest.approx((score.low, score.high), abs=1e-9)
    assert clopper_pearson(*count, confidence) == pytest.approx((exact.low, exact.high), abs=1e-9)


@quick
@given(counts, confidences)
def test_they_lie_within_0_and_1_and_contain_the_share(count: tuple[int, int], confidence: float) -> None:
    found = wilson(*count, confidence)
    lower, upper = clopper_pearson(*count, confidence)

    assert 0 <= found.lower <= count[0] / count[1] <= found.upper <= 1
    assert 0 <= lower <= count[0] / count[1] <= upper <= 1


@quick
@given(counts, confidences, confidences)
def test_more_confidence_is_never_narrower(count: tuple[int, int], one: float, other: float) -> None:
    less, more = sorted((one, other))

    narrow, wide = wilson(*count, less), wilson(*count, more)
    assert wide.lower <= narrow.lower <= narrow.upper <= wide.upper
    narrow, wide = clopper_pearson(*count, less), clopper_pearson(*count, more)
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


@quick
@given(counts, confidences)
def test_failures_mirror_successes(count: tuple[int, int], confidence: float) -> None:
    successes, n = count
    found, mirrored = wilson(successes, n, confidence), wilson(n - successes, n, confidence)

    assert (found.lower, found.upper) == pytest.approx((1 - mirrored.upper, 1 - mirrored.lower), abs=1e-12)
    lower, upper = clopper_pearson(n - successes, n, confidence)
    assert clopper_pearson(successes, n, confidence) == pytest.approx((1 - upper, 1 - lower), abs=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [57, 200])
def test_an_exact_end_errs_in_no_more_samples_than_its_tail(p: float, n: int) -> None:
    above = sum(binom.pmf(k, n, p) for k in range(n + 1) if clopper_pearson(k, n, 0.95)[0] > p)
    below = sum(binom.pmf(k, n, p) for k in range(n + 1) if clopper_pearson(k, n, 0.95)[1] < p)

    assert 0 < above <= 0.025
    assert 0 < below <= 0.025


@quick
@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.3, 0.5, 0.86, 0.9]),
)
def test_just_enough_rows_settle_it(count: tuple[int, int], threshold: float) -> None:
    successes, n = count
    share = successes / n
    rows = settling(successes, n, threshold, 0.95)
    if rows is None:
        assert abs(share - threshold) < 1e-4
        return

    def excluded(rows: int) -> bool:
        lower, upper = clopper_pearson(share * rows, rows, 0.95)
        return lower >= threshold if share > threshold else upper <= threshold

    assert excluded(rows)
    assert rows == 1 or not excluded(rows - 1)
    assert (rows <= n) == excluded(n)


def test_a_share_at_the_threshold_is_settled_by_no_number_of_rows_and_one_beside_it_hardly() -> None:
    assert settling(45, 50, 0.9, 0.95) is None
    assert settling(900_001, 1_000_000, 0.9, 0.95) is None
    assert settling(901, 1_000, 0.9, 0.95) < 400_000 < MOST_ROWS
