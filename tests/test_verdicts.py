"""What a comparison proves: of its own claim, of its opposite, of many together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results import ComparisonRecord
from harness.scoring.estimates import Known, Unknown
from harness.scoring.score import Claim
from harness.uncertainty.interval import Interval
from harness.verdicts import adjusted, asserted, basis_text, claim_text, judge, missing_text

ENDS = st.floats(-1, 1, allow_nan=False)


def claim(value: float, sign: str, threshold: float, lower: float, upper: float, **told) -> Claim:
    held = {
        ">=": value >= threshold,
        ">": value > threshold,
        "<=": value <= threshold,
        "<": value < threshold,
    }
    estimate = Known(value, Interval(lower=lower, upper=upper, n=500, method="Wilson"))
    known = {"estimate": estimate, "label": "x.best.test.accuracy", "held": held[sign]}
    return Claim(**{**known, "value": value, "sign": sign, "threshold": threshold, **told})


def record(*given_) -> ComparisonRecord:
    [found] = judge([claim(*given_)], 0.95)
    return found


@pytest.mark.parametrize(
    ("sign", "threshold", "held", "verdict"),
    [
        (">=", 0.80, True, "PROVEN"),
        (">=", 0.86, True, "NOT PROVEN"),
        (">=", 0.88, False, "NOT PROVEN"),
        (">=", 0.95, False, "REFUTED"),
        ("<", 0.95, True, "PROVEN"),
        ("<", 0.88, True, "NOT PROVEN"),
        ("<", 0.80, False, "REFUTED"),
    ],
)
def test_the_interval_decides_what_is_proven(sign, threshold, held, verdict):
    found = record(0.87, sign, threshold, 0.85, 0.90)

    assert (found.held, found.verdict) == (held, verdict)
    assert (found.lower, found.upper, found.n, found.method, found.confidence) == (
        0.85,
        0.90,
        500,
        "Wilson",
        0.95,
    )


@given(ENDS, st.floats(0, 1), st.floats(0, 1), ENDS, st.sampled_from([">=", ">", "<=", "<"]))
def test_a_claim_and_its_opposite_mirror_each_other(value, down, up, threshold, sign):
    opposite = {">=": "<", ">": "<=", "<=": ">", "<": ">="}[sign]
    one = record(value, sign, threshold, value - down, value + up)
    other = record(value, opposite, threshold, value - down, value + up)

    assert one.held != other.held
    mirrored = {"PROVEN": "REFUTED", "REFUTED": "PROVEN", "NOT PROVEN": "NOT PROVEN"}
    assert other.verdict == mirrored[one.verdict]
    assert asserted([one]) == asserted([other]) == (one if one.held else other,)
    if down > 0 and up > 0 and value != threshold:
        assert one.verdict != ("REFUTED" if one.held else "PROVEN")


def test_a_comparison_that_a_gate_negates_stands_for_its_opposite():
    [found] = asserted([record(0.87, "<", 0.8, 0.85, 0.9)])  # as in `assert not score < 0.8`

    assert (found.sign, found.held, found.verdict) == (">=", True, "PROVEN")


def test_of_many_comparisons_to_one_side_the_strictest_counts():
    made = [claim(0.87, ">=", t / 100, 0.85, 0.9) for t in (70, 86, 80, 88, 95)]

    found = judge([*made, claim(0.87, ">", 0.86, 0.85, 0.9), claim(0.87, "<", 0.99, 0.85, 0.9)], 0.95)

    assert [(one.sign, one.threshold, one.held) for one in found] == [
        (">", 0.86, True),
        (">=", 0.88, False),
        ("<", 0.99, True),
    ]


def test_what_nothing_is_known_of_is_not_proven_and_says_why():
    [found] = judge([claim(0.1, ">", 0.0, 0, 1, estimate=Unknown("the rows differ"))], 0.95)

    assert (found.verdict, found.lower, found.note) == ("NOT PROVEN", None, "the rows differ")
    assert claim_text(found) == "0.1000 > 0 NOT PROVEN"
    assert (missing_text(found), basis_text(found)) == ("the rows differ", "")


def test_the_words_of_a_verdict():
    proven, open_ = record(0.8743, ">=", 0.86, 0.8647, 0.8833), record(0.865, ">=", 0.86, 0.85, 0.88)

    assert claim_text(proven) == "0.8743 [0.8647, 0.8833] >= 0.86 PROVEN"
    assert basis_text(proven) == "n 500, Wilson"
    assert missing_text(proven) == ""
    assert open_.rows == 4500  # the end is three times as far off as the threshold
    assert missing_text(open_) == "about 4,500 rows would settle it, if the score stays as it is"
    never = record(0.86, ">=", 0.86, 0.85, 0.88)
    assert missing_text(never) == "no number of rows would settle it, if the score stays as it is"


class Level:
    """An estimate that is proven at a share of the risk, or not."""

    certain = False
    reach = (-math.inf, math.inf)
    about = None

    def __init__(self, needed: float) -> None:
        self.needed = needed

    def proof(self, threshold, share=1.0):
        return "above" if share >= self.needed else None


def leveled(*needed: float) -> list[Claim]:
    return [
        Claim(estimate=Level(p), label=f"{i}", value=1.0, sign=">", threshold=0.0, held=True)
        for i, p in enumerate(needed)
    ]


def holm(p_values: list[float]) -> list[bool]:
    """Holm's step-down procedure as he wrote it, for risks in shares of the whole."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    proven = [False] * len(p_values)
    for rank, i in enumerate(order):
        if p_values[i] > 1 / (len(p_values) - rank):
            break
        proven[i] = True
    return proven


@given(st.lists(st.floats(0.001, 1.5), max_size=8))
def test_claims_together_are_those_of_holms_procedure(needed):
    claims = leveled(*needed)

    assert [one in adjusted(claims) for one in claims] == holm(needed)


def test_of_two_claims_at_half_the_risk_one_alone_may_take_the_whole():
    assert len(adjusted(leveled(0.5, 0.9))) == 2
    assert len(adjusted(leveled(0.6, 0.9))) == 0


@pytest.mark.parametrize(
    ("sign", "threshold", "verdict"),
    [
        ("<=", 1.0, "PROVEN"),
        (">=", 0.0, "PROVEN"),
        (">", -0.5, "PROVEN"),
        ("<", 1.5, "PROVEN"),
        (">", 1.0, "REFUTED"),
        (">=", 1.5, "REFUTED"),
        ("<", 0.0, "REFUTED"),
        ("<", 1.0, "NOT PROVEN"),
        (">", 0.0, "NOT PROVEN"),
    ],
)
def test_what_no_such_score_could_make_wrong_is_proven(sign, threshold, verdict):
    class Share(Known):
        reach = (0.0, 1.0)

    value = 0.0 if threshold == 0 and sign != "<" else 1.0 if threshold == 1 else 0.5
    ends = Interval(lower=0.0, upper=1.0, n=9, method="Wilson")

    class Unclear(Share):
        def proof(self, threshold, share=1.0):
            return None

    found = judge([claim(value, sign, threshold, 0, 1, estimate=Unclear(value, ends))], 0.95)

    assert found[0].verdict == verdict


def test_slices_of_one_name_are_claims_of_their_own():
    claims = []
    for rows, value in ((1, 0.9), (2, 0.6), (1, 0.9)):
        ends = Interval(lower=value - 0.1, upper=value + 0.1, n=20, method="Wilson")
        estimate = type("Slice", (Known,), {"about": rows})(value, ends)
        claims.append(claim(value, ">=", 0.55, 0, 1, estimate=estimate, label="x where age=<lambda>"))

    assert [one.value for one in judge(claims, 0.95)] == [0.9, 0.6]


def test_a_proof_that_is_more_careful_than_the_interval_says_why():
    cautious = ComparisonRecord(
        score="x",
        value=0.0,
        sign=">",
        threshold=-0.1,
        held=True,
        verdict="NOT PROVEN",
        lower=-0.05,
        upper=0.05,
        n=57,
        method="DeLong",
        rows=120,
        confidence=0.95,
    )

    assert missing_text(cautious) == (
        "about 120 rows would settle it, if the score stays as it is; a proof is stricter than the interval"
    )
