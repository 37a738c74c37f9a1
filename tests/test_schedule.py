"""Fits go out one by one; trials of milliseconds many at a time, and nobody is left without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pool.schedule import Pace, share

seconds = st.floats(0, 100)


def pace_of(*taken):
    found = Pace()
    for value in taken:
        found = found.after(value)
    return found


@given(st.lists(seconds, min_size=1))
def test_the_pace_lies_between_the_shortest_and_the_longest(taken):
    found = pace_of(*taken)

    assert min(taken) - 1e-9 <= found.seconds <= max(taken) + 1e-9
    assert found.trials == len(taken)


def test_the_first_trial_is_the_pace_and_later_ones_move_it():
    assert pace_of(3.0).seconds == 3.0
    assert pace_of(1.0, 2.0).seconds == pytest.approx(1.2)
    assert pace_of(1.0, *[5.0] * 60).seconds == pytest.approx(5.0, abs=1e-4)


@given(st.lists(seconds, max_size=20), st.integers(0, 10_000), st.integers(0, 600), st.integers(1, 64))
def test_a_share_is_never_more_than_there_is(taken, pending, held, workers):
    given_now = share(pace_of(*taken), pending=pending, held=held, workers=workers)

    assert 0 <= given_now <= pending
    assert given_now or not pending or held  # who has nothing gets something


@given(st.lists(st.floats(0.02, 100), max_size=20), st.integers(1, 1000), st.integers(1, 8))
def test_a_fit_goes_to_whoever_is_free(taken, pending, workers):
    pace = pace_of(*taken)

    assert share(pace, pending=pending, held=0, workers=workers) == 1
    assert share(pace, pending=pending, held=1, workers=workers) == 0


def test_a_few_short_trials_prove_nothing():
    assert share(pace_of(*[0.001] * 7), pending=100, held=0, workers=2) == 1
    assert share(pace_of(*[0.001] * 8), pending=100, held=0, workers=2) == 25


def test_short_trials_go_out_ahead_for_fifty_milliseconds_and_in_falling_numbers():
    pace = pace_of(*[0.001] * 8)

    assert share(pace, pending=5000, held=0, workers=2) == 50
    assert share(pace, pending=5000, held=25, workers=2) == 25
    assert share(pace, pending=5000, held=26, workers=2) == 0
    pending, shares = 100, []
    while pending:
        shares.append(share(pace, pending=pending, held=0, workers=2))
        pending -= shares[-1]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 1
