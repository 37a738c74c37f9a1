"""How many rows narrow an interval to a distance."""

from __future__ import annotations

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from harness.uncertainty.search import by_two_widths


@given(
    st.integers(5, 5000),
    st.floats(0, 10),
    st.floats(0, 10),
    st.sampled_from([4, 16]),
    st.floats(0.01, 1),
)
def test_two_widths_tell_how_many_rows_narrow_both_parts(n, slow, quick, times, share):
    half = slow + quick
    assume(half > 0.01)
    distance = half * share

    rows = by_two_widths(n, half, times, slow / math.sqrt(times) + quick / times, distance)

    left = slow * math.sqrt(n / rows) + quick * n / rows
    fewer = n / max(rows - 1, 1)
    assert left <= distance * (1 + 1e-6)
    assert rows == 1 or slow * math.sqrt(fewer) + quick * fewer >= distance * (1 - 1e-6)


def test_no_distance_is_never_reached():
    assert by_two_widths(50, 0.1, 4, 0.03, 0.0) is None
    assert by_two_widths(50, 0.1, 4, 0.05, 1e-12) is None
