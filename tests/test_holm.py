"""Holm's adjustment: statsmodels' values, order, and that it is never laxer than one test alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.uncertainty.holm import holm


def test_the_values_are_those_of_statsmodels() -> None:
    # statsmodels 0.15.0, multipletests(p_values, method="holm")[1]
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2, 0.02, 0.6, 0.012, 0.012]) == pytest.approx([0.4, 0.06, 0.6, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_it_is_between_one_test_and_bonferroni_and_keeps_the_order(p_values: list[float], random) -> None:
    adjusted = holm(p_values)

    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p) or q == pytest.approx(min(1.0, len(p_values) * p))
    ranked = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)

    order = random.sample(range(len(p_values)), len(p_values))
    assert holm([p_values[i] for i in order]) == pytest.approx([adjusted[i] for i in order])
