"""A score compares as its float, whoever asks and however, and what a gate compares is told."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ScoreError
from harness.scoring.estimates import Known, Unknown
from harness.scoring.score import Claim, Score
from harness.uncertainty.interval import Interval

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SIGNS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
MIRRORED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


def watched(value: float, told: list[Claim] | None = None, lower: float = -1.0, upper: float = 2.0) -> Score:
    """Return a score of a gate, with an interval of its own."""
    estimate = Known(value, Interval(lower=lower, upper=upper, n=100, method="Wilson"))
    listener = (lambda claim: None) if told is None else told.append
    return Score(value, "accuracy", 100, estimate, label="x.best.test.accuracy", listener=listener)


@given(FLOATS, FLOATS, st.sampled_from([*SIGNS]))
def test_a_watched_score_compares_as_its_float(a: float, b: float, sign: str) -> None:
    compare = SIGNS[sign]
    told: list[Claim] = []
    score = watched(a, told)

    for left, right in [(score, b), (score, np.float64(b)), (score, Fraction(b)), (np.float64(a), score)]:
        assert bool(compare(left, right)) == compare(float(left), float(right))
    assert compare(score, watched(b)) == compare(a, b)
    assert compare(score.lower, b) == compare(-1.0, b)
    assert compare(score - 0.5, b) == compare(a - 0.5, b)
    assert {claim.held for claim in told} <= {True, False}
    assert all(type(claim.held) is bool for claim in told)


@given(st.lists(FLOATS, min_size=1))
def test_watched_scores_sort_and_hash_as_their_floats(values: list[float]) -> None:
    scores = [watched(value) for value in values]

    assert sorted(scores) == sorted(values)
    assert max(scores) == max(values)
    assert set(scores) == set(values)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.array, Fraction])
def test_a_comparison_is_told_from_both_sides(sign: str, kind: Any) -> None:
    told: list[Claim] = []
    score = watched(0.875, told)

    held = SIGNS[sign](score, kind(0.5))
    SIGNS[MIRRORED[sign]](kind(0.5), score)

    seen = [(claim.label, claim.value, claim.sign, claim.threshold, claim.held) for claim in told]
    once = ("x.best.test.accuracy", 0.875, sign, 0.5, bool(held))
    # An array is no number, though numpy makes one of it; a fraction on the left does not ask the score.
    assert seen == [once] * (1 if kind in (np.array, Fraction) else 2)


def test_an_end_of_the_interval_claims_the_same_of_the_score() -> None:
    told: list[Claim] = []
    score = watched(0.9, told, 0.85, 0.94)

    assert score.lower > 0.8
    assert score.upper < 0.95

    assert [(claim.value, claim.end, claim.threshold) for claim in told] == [
        (0.9, "lower", 0.8),
        (0.9, "upper", 0.95),
    ]
    assert {claim.label for claim in told} == {"x.best.test.accuracy"}
    assert {claim.estimate for claim in told} == {score.estimate}


def test_sums_and_multiples_of_a_score_move_the_threshold() -> None:
    told: list[Claim] = []
    score = watched(0.875, told)

    assert score - 0.25 >= 0.5
    assert 0.25 + score >= 1.0
    assert score * 100 >= 50
    assert 1 - score <= 0.25
    assert -score / 2 < 0

    assert [(claim.value, claim.sign, claim.threshold) for claim in told] == [
        (0.875, ">=", 0.75),
        (0.875, ">=", 0.75),
        (0.875, ">=", 0.5),
        (0.875, ">=", 0.75),
        (0.875, ">", 0.0),
    ]


@given(
    st.floats(-1, 1),
    st.sampled_from([-100, -2, -1, 0.5, 3]),
    st.floats(-1, 1),
    st.floats(-9, 9),
    st.sampled_from([*SIGNS]),
)
def test_a_claim_says_of_the_score_what_was_said_of_its_multiple(value, factor, by, threshold, sign) -> None:
    told: list[Claim] = []
    held = SIGNS[sign](factor * watched(value, told) + by, threshold)

    [claim] = told
    assert claim.held == held == SIGNS[sign](factor * value + by, threshold)
    if abs(claim.value - claim.threshold) > 1e-9:
        assert SIGNS[claim.sign](claim.value, claim.threshold) == held


def test_of_multiples_of_two_scores_nothing_is_known() -> None:
    told: list[Claim] = []
    a, b = watched(0.9, told), watched(0.8, told)

    assert a > 0.8 * b
    assert 2 * a > 2 * b

    first, second = told
    assert isinstance(first.estimate, Unknown)
    assert first.label == "x.best.test.accuracy - 0.8 * x.best.test.accuracy"
    assert first.value == pytest.approx(0.9 - 0.8 * 0.8)
    assert (second.label, second.value) == ("x.best.test.accuracy - x.best.test.accuracy", pytest.approx(0.1))


def test_two_scores_are_compared_by_their_difference() -> None:
    told: list[Claim] = []
    a, b = watched(0.9, told), watched(0.8, told)

    assert a >= b + 0.05
    assert not a < b
    assert max(a, Score(0.95, "roc_auc", 10, a.estimate, listener=told.append)) == 0.95

    first, second = told
    assert (first.label, first.value, first.sign) == (
        "x.best.test.accuracy - x.best.test.accuracy",
        pytest.approx(0.1),
        ">=",
    )
    assert (first.threshold, second.threshold, second.held) == (0.05, 0.0, False)
    assert isinstance(first.estimate, Unknown)  # of two intervals nobody knows how they hang together


def test_other_things_than_numbers_are_not_told() -> None:
    told: list[Claim] = []
    score = watched(0.9, told)

    assert score == 0.9
    assert score != 0.8
    assert score == pytest.approx(0.9)
    assert (np.array([0.5, 0.95]) <= score).tolist() == [True, False]
    assert (score >= np.array([0.5, 0.95])).tolist() == [True, False]
    assert round(score, 1) >= 0.9
    assert bool(score)
    with pytest.raises(TypeError):
        score >= "0.5"  # noqa: B015
    assert told == []


def test_of_numbers_that_are_made_of_scores_nothing_is_known() -> None:
    told: list[Claim] = []
    a, b = watched(0.9, told), watched(0.8, told)

    assert abs(a) > 0.1
    assert a / b > 0.8
    assert a * b > 0.5
    assert (a + b) / 2 > 0.6
    assert sum([a, b]) > 1
    assert a**2 > 0.5
    assert 1 / a < 2
    assert a // 0.1 >= 5
    assert a.lower + 2 > 0.9
    assert (a - 0.1) - (b - 0.2) > 0
    assert a / b > 0.5

    assert {type(claim.estimate) for claim in told} == {Unknown}
    assert {claim.label for claim in told} == {"a number made of x.best.test.accuracy"}
    assert [(claim.value, claim.sign, claim.threshold) for claim in told[:2]] == [
        (0.9, ">", 0.1),
        (pytest.approx(1.125), ">", 0.8),
    ]


def test_a_multiple_of_a_score_has_an_interval() -> None:
    error = 1 - watched(0.9, None, 0.8, 0.95)

    assert (error.lower, error.upper) == pytest.approx((0.05, 0.2))
    assert (error.n, error.method) == (100, "Wilson")
    assert type(pickle.loads(pickle.dumps(error))) is float


def test_a_comparison_with_nan_claims_nothing() -> None:
    told: list[Claim] = []

    assert not watched(0.9, told) >= math.nan  # noqa: PLW0177
    assert told == []


def test_numpy_takes_a_score_for_its_float() -> None:
    score = watched(0.5)

    assert np.float64(2) * score == 1.0
    assert (np.array([1.0, 2.0]) * score).tolist() == [0.5, 1.0]
    assert np.add(score, 1, out=np.zeros(1)).tolist() == [1.5]
    assert np.maximum.reduce([score, 0.7]) == 0.7
    assert np.isfinite(score)


def test_outside_of_gates_arithmetic_gives_plain_floats() -> None:
    score = Score(0.5, "accuracy", 10)

    assert {type(value) for value in (score + 1, 1 + score, score - 1, 1 - score, -score)} == {float}


def test_copies_keep_the_interval() -> None:
    score = watched(0.9, None, 0.8, 0.95)

    for twin in (copy.copy(score), copy.deepcopy([score])[0], pickle.loads(pickle.dumps(score))):
        assert (twin, twin.lower, twin.upper, twin.n, twin.method) == (0.9, 0.8, 0.95, 100, "Wilson")
        assert (twin >= 0.85) is True
    assert type(pickle.loads(pickle.dumps(score.lower))) is float
    assert type(pickle.loads(pickle.dumps(score - 0.1))) is float


def test_a_score_without_an_interval_says_so() -> None:
    with pytest.raises(ScoreError, match=r"no interval is known for this cost; read the score from"):
        Score(0.5, "cost", 10).lower  # noqa: B018


def test_putting_scores_in_order_claims_nothing_but_comparing_them_does() -> None:
    told: list[Claim] = []
    a, b = watched(0.9, told), watched(0.8, told)

    assert max(a, b) == a
    assert min([b, a]) == b
    assert sorted([a, b], key=lambda score: score) == [b, a]
    assert [max(pair) for pair in ((a, b),)] == [a]
    scores = [a, b]
    scores.sort()
    assert told == []

    assert max(a, b) > 0.7
    assert [claim.threshold for claim in told] == [0.7]
    assert all(one <= a for one in scores)
    assert len(told) == 3
    assert max(a, 0.5) == a  # a number is a threshold, wherever
    assert told[-1].threshold == 0.5
