"""Hopeless trials are stopped; what could still win is not."""

from __future__ import annotations

import json
import math
import statistics

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from recorded import searched

from harness.pruning import STARTUP, WARMUP, Bar, Pruned, Watcher, bars

LOSSES = st.floats(-1e6, 1e6)
CURVE = st.lists(LOSSES, min_size=1, max_size=30)
CURVES = st.lists(CURVE, min_size=1, max_size=9)


def record(curve, index=0, *, outcome="passed", watched="validation_logloss", better=False, name=None):
    curves = {name or watched: curve}
    return searched(index, outcome=outcome, watched=watched, watched_greater_is_better=better, curves=curves)


def records(curves, **more):
    return [record(curve, index, **more) for index, curve in enumerate(curves)]


def follow(curve, made, name="validation_logloss", better=False):
    """Return the watcher after a fit, and the round in which it was stopped, if it was."""
    watcher = Watcher(made)
    for step, value in enumerate(curve):
        try:
            watcher(name, step, value, better)
        except Pruned:
            return watcher, step
    return watcher, None


def bar(values, better=False, warmup=0):
    return Bar(curve="validation_logloss", greater_is_better=better, trials=5, warmup=warmup, values=values)


# The bar


def reference(curves, step, better):
    """The median of the best values until a step, each trial with its last ones after its end."""
    best = max if better else min
    return statistics.median(best(curve[: step + 1]) for curve in curves)


@given(CURVES, st.booleans(), st.integers(0, 12))
def test_the_bar_is_the_median_of_the_best_so_far(curves, better, warmup):
    (*made,) = bars(records(curves, better=better), startup=1, warmup=warmup)

    longest = max(map(len, curves))
    expected = [reference(curves, step, better) for step in range(warmup, longest)]
    assert [bar.values for bar in made] == ([pytest.approx(expected, abs=1e-9)] if expected else [])
    for bar in made:
        assert (bar.trials, bar.warmup, bar.greater_is_better) == (len(curves), warmup, better)


@given(CURVES, st.booleans())
def test_a_bar_only_becomes_stricter_from_round_to_round(curves, better):
    for made in bars(records(curves, better=better), startup=1, warmup=0):
        assert list(made.values) == sorted(made.values, reverse=not better)


def test_a_bar_survives_json():
    (made,) = bars(records([[0.1 * k, 0.3] for k in range(5)]), warmup=0)

    assert Bar.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_there_is_no_bar_before_enough_trials_have_finished():
    curves = [[3.0] * 40] * STARTUP

    assert bars(records(curves[1:])) == ()
    assert len(bars(records(curves))) == 1
    assert bars([]) == ()


def test_there_is_no_bar_where_nothing_is_longer_than_the_warm_up():
    assert bars(records([[1.0] * WARMUP] * 9)) == ()
    assert [len(made.values) for made in bars(records([[1.0] * (WARMUP + 1)] * 9))] == [1]


@pytest.mark.parametrize("outcome", ["failed", "raised", "skipped", "pruned", "error"])
def test_only_finished_trials_count(outcome):
    assert bars(records([[1.0]] * 9, outcome=outcome), startup=1, warmup=0) == ()


def test_trials_that_nobody_watched_do_not_count():
    unwatched = records([[1.0]] * 9, watched=None, name="validation_logloss")
    elsewhere = records([[1.0]] * 9, watched="validation_auc", name="validation_logloss")

    assert bars([*unwatched, *elsewhere], startup=1, warmup=0) == ()


def test_every_curve_and_direction_has_a_bar_of_its_own():
    made = bars(
        [
            *records([[1.0], [2.0], [4.0]], watched="validation_logloss"),
            *records([[5.0], [6.0]], watched="validation_auc", better=True),
            *records([[7.0]], watched="validation_auc", better=False),
        ],
        startup=1,
        warmup=0,
    )

    found = {(bar.curve, bar.greater_is_better, *bar.values) for bar in made}
    assert found == {
        ("validation_logloss", False, 2.0),
        ("validation_auc", True, 5.5),
        ("validation_auc", False, 7.0),
    }


NAN = math.nan


@pytest.mark.parametrize(
    ("curves", "warmup", "values"),
    [
        ([[NAN, 3.0, NAN, 2.0]], 0, [3.0, 3.0, 2.0]),
        ([[NAN, 3.0, NAN, 2.0], [NAN, NAN, NAN]], 0, [3.0, 3.0, 2.0]),
        ([[NAN, NAN]], 0, None),
        ([[]], 0, None),
        ([[1.0], [NAN, 5.0], [NAN, NAN, 7.0]], 0, [5.0, 5.0]),
        ([[math.inf, 4.0]], 0, [4.0]),
    ],
)
def test_a_curve_counts_from_its_first_number(curves, warmup, values):
    made = bars(records(curves), startup=1, warmup=warmup)

    assert [list(bar.values) for bar in made] == ([] if values is None else [values])
    assert all(math.isfinite(value) for bar in made for value in bar.values)


# Who is stopped


@given(CURVE, CURVES, st.booleans())
def test_a_trial_as_good_as_the_bar_is_never_stopped(curve, curves, better):
    made = bars(records(curves, better=better), startup=1, warmup=0)
    (limit,) = made
    best = max if better else min
    as_good = [
        best(value, limit.values[min(step, len(limit.values) - 1)]) for step, value in enumerate(curve)
    ]

    assert follow(as_good, made, better=better)[1] is None


@given(CURVE, CURVES, st.integers(1, 20))
def test_nobody_is_stopped_in_the_warm_up(curve, curves, warmup):
    made = bars(records(curves), startup=1, warmup=warmup)
    stopped = follow(curve, made)[1]

    assert stopped is None or stopped >= warmup


@given(CURVE, CURVES, st.integers(2, 10))
def test_nobody_is_stopped_before_enough_trials_finished(curve, curves, startup):
    assume(len(curves) < startup)

    assert follow(curve, bars(records(curves), startup=startup, warmup=0))[1] is None


DYADIC = st.integers(-4096, 4096).map(lambda n: n / 64)
"""Sums and means of them are exact."""


@given(
    st.lists(DYADIC, min_size=1, max_size=40), st.lists(DYADIC, min_size=1, max_size=40), st.integers(0, 99)
)
def test_who_is_worse_in_every_round_by_the_same_is_stopped_no_later(curve, limit, more):
    limit = sorted(limit, reverse=True)
    first = follow(curve, [bar(limit)])[1]
    worse = follow([value + more for value in curve], [bar(limit)])[1]

    assert first is None or (worse is not None and worse <= first)


@given(
    st.lists(DYADIC, min_size=1, max_size=40), st.lists(DYADIC, min_size=1, max_size=40), st.integers(0, 99)
)
def test_a_stricter_bar_stops_no_later(curve, limit, more):
    limit = sorted(limit, reverse=True)
    first = follow(curve, [bar(limit)])[1]
    strict = follow(curve, [bar([value - more for value in limit])])[1]

    assert first is None or (strict is not None and strict <= first)


@given(CURVE, CURVES)
def test_a_loss_and_its_negative_are_judged_alike(curve, curves):
    loss = follow(curve, bars(records(curves), startup=1, warmup=0))
    flipped = [[-value for value in c] for c in curves]
    score = follow(
        [-value for value in curve],
        bars(records(flipped, better=True), startup=1, warmup=0),
        better=True,
    )

    assert loss[1] == score[1]
    assert loss[0].curve == [-value for value in score[0].curve]


def test_who_does_not_move_behind_the_median_is_stopped_at_once_after_the_warm_up():
    finished = records([[1.0 / (step + 1) for step in range(100)]] * 5)

    assert follow([0.5] * 100, bars(finished))[1] == WARMUP


def test_who_is_slow_and_would_get_there_goes_on_to_the_end():
    finished = records([[max(0.3, 1 - step / 30) for step in range(100)]] * 5)
    slow = [1 - step * 0.0072 for step in range(100)]  # behind until the very end

    assert all(value > max(0.3, 1 - step / 30) for step, value in enumerate(slow[1:98], 1))
    assert follow(slow, bars(finished))[1] is None


def test_who_improves_in_steps_is_judged_by_the_pace_of_several_rounds():
    finished = records([[max(0.3, 1 - step / 30) for step in range(100)]] * 5)
    steps = [1 - step // 5 * 5 * 0.01 for step in range(100)]

    assert follow(steps, bars(finished))[1] is None


def test_who_is_slow_and_would_not_get_there_is_stopped():
    finished = records([[max(0.3, 1 - step / 30) for step in range(100)]] * 5)

    assert follow([1 - step * 0.006 for step in range(100)], bars(finished))[1] == WARMUP


def test_who_goes_on_longer_than_all_others_must_have_reached_their_end():
    limit = [bar([1 - step / 100 for step in range(50)])]  # down to 0.51

    assert follow([1 - step / 100 for step in range(120)], limit)[1] is None
    assert follow([max(0.52, 1 - step / 100) for step in range(120)], limit)[1] == 50


@pytest.mark.parametrize(("total", "last"), [(100, 88), (95, 84), (9, 7)])
def test_who_is_nearly_done_is_left_to_finish(total, last):
    """Only until round `last` is anybody stopped who falls behind there for the first time."""
    falls = [[1.0] * step + [0.0] * (total - step) for step in (last, last + 1)]

    assert follow([1.0] * total, [bar(falls[0])])[1] == last
    assert follow([1.0] * total, [bar(falls[1])])[1] is None


@pytest.mark.parametrize("value", [NAN, math.inf])
def test_who_has_no_number_while_others_have_is_stopped(value):
    finished = records([[0.5] * 40] * 5)

    assert follow([value] * 40, bars(finished))[1] == WARMUP
    assert follow([value] * WARMUP + [0.4] * 20, bars(finished))[1] is None


def test_a_pruned_trial_says_why_with_numbers():
    watcher = Watcher([bar([0.5, 0.25, 0.125])])
    watcher("validation_logloss", 0, 0.5, False)

    with pytest.raises(Pruned) as stopped:
        watcher("validation_logloss", 1, 0.45, False)

    assert str(stopped.value) == (
        "validation_logloss came to 0.45 in 2 rounds, the median of 5 finished trials to 0.25; "
        "at its pace it would not reach their 0.125 at the end"
    )


def test_a_score_is_told_as_it_is():
    with pytest.raises(
        Pruned, match=r"came to 0\.5 in 1 rounds, the median of 5 finished trials to 0\.75; at"
    ):
        Watcher([bar([0.75, 1.0], better=True)])("validation_logloss", 0, 0.5, True)


def test_code_that_handles_exceptions_does_not_keep_a_pruned_trial_alive():
    assert not issubclass(Pruned, Exception)


# What a watcher keeps


def test_a_watcher_keeps_the_curve_also_of_a_trial_that_it_stops():
    watcher, stopped = follow([0.9, 0.8, 0.7], [bar([0.95, 0.7, 0.1])])

    assert stopped == 1
    assert watcher.curve == [0.9, 0.8]
    assert watcher.outcome == {"watched": "validation_logloss", "watched_greater_is_better": False}


def test_a_watcher_without_a_bar_stops_nobody():
    watcher, stopped = follow([1.0, NAN, 3.0], ())

    assert stopped is None
    assert watcher.curve[::2] == [1.0, 3.0]
    assert Watcher().outcome == {"watched": None, "watched_greater_is_better": False}


def test_a_second_fit_begins_anew():
    watcher = Watcher([bar([0.5, 0.5])])
    watcher("validation_logloss", 0, 0.1, False)
    with pytest.raises(Pruned):
        watcher("validation_logloss", 0, 0.9, False)

    assert watcher.curve == [0.9]


@pytest.mark.parametrize(
    ("name", "better", "value"), [("validation_auc", False, 1e9), ("validation_logloss", True, -1e9)]
)
def test_another_curve_is_not_compared(name, better, value):
    assert follow([value], [bar([0.5] * 9)], name=name, better=better)[1] is None
    assert follow([1e9], [bar([0.5] * 9)])[1] == 0


def test_another_metric_begins_a_curve_of_its_own():
    watcher = Watcher()
    watcher("validation_logloss", 0, 0.1, False)
    watcher("validation_auc", 1, 0.9, True)

    assert (watcher.name, watcher.greater_is_better, watcher.curve) == ("validation_auc", True, [0.9])
