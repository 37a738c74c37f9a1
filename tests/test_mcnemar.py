"""The exact test of McNemar: statsmodels' p-values, and what exchanging the sides does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.uncertainty.mcnemar import one_sided, two_sided

# statsmodels 0.15.0, mcnemar([[0, more], [fewer, 0]], exact=True).pvalue
STATSMODELS = [
    (10, 2, 0.03857421875),
    (2, 10, 0.03857421875),
    (6, 6, 1.0),
    (0, 5, 0.0625),
    (121, 59, 4.4344492637551645e-06),
    (0, 0, 1.0),
    (1, 0, 1.0),
]


@pytest.mark.parametrize(("more", "fewer", "p_value"), STATSMODELS)
def test_the_p_value_is_that_of_statsmodels(more: int, fewer: int, p_value: float) -> None:
    assert two_sided(more, fewer) == pytest.approx(p_value, rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 300), st.integers(0, 300))
def test_it_is_the_binomial_test_of_one_half_and_knows_no_order_of_sides(more: int, fewer: int) -> None:
    assert two_sided(more, fewer) == two_sided(fewer, more)
    if more + fewer:
        greater = binomtest(more, more + fewer, alternative="greater").pvalue
        assert one_sided(more, fewer) == pytest.approx(greater, rel=1e-9)
    # Both sides of a discrete test share the probability of what was seen.
    assert one_sided(more, fewer) + one_sided(fewer, more) >= 1 - 1e-12


def test_without_a_row_that_differs_nothing_is_better() -> None:
    assert one_sided(0, 0) == 1.0
    assert one_sided(0, 7) == 1.0
