"""Many gates on one test split: what of their comparisons is proven all together."""

from __future__ import annotations

import math

from harness.errors import ScoreError
from harness.multiplicity import note
from harness.scoring.score import Claim


class Level:
    """An estimate that is proven at a share of the risk, or not."""

    certain = False
    reach = (-math.inf, math.inf)
    about = None

    def __init__(self, needed: float) -> None:
        self.needed = needed

    def proof(self, threshold, share=1.0):
        return "above" if share >= self.needed else None


class Unsure:
    """An estimate that has no interval, as that of a largest error."""

    certain = False
    reach = (-math.inf, math.inf)
    about = None

    def proof(self, threshold, share=1.0):
        raise ScoreError("max_error has no interval", "use rmse")


def claims(**needed: float) -> list[tuple[str, Claim]]:
    return [
        (gate, Claim(estimate=Level(p), label=gate, value=1.0, sign=">", threshold=0.0, held=True))
        for gate, p in needed.items()
    ]


def test_comparisons_that_stay_proven_are_counted():
    assert note("income", claims(gate_a=0.1, gate_b=0.2, gate_c=0.3), 0.95) == (
        "all 3 proven comparisons on the test rows of income stay proven together (Holm, 0.95)"
    )


def test_gates_that_lose_their_proof_are_named_and_those_that_had_none_are_not():
    assert note("income", claims(gate_a=0.1, gate_b=0.9, gate_c=0.95, gate_d=2.0), 0.95) == (
        "1 of 3 proven comparisons on the test rows of income stay proven together (Holm, 0.95): not gate_b, "
        "gate_c"
    )


def test_a_single_proof_among_others_is_weighed_with_them():
    assert note("income", claims(gate_a=0.1, gate_b=3.0), 0.95) == (
        "the one proven comparison on the test rows of income stays proven with all 2 in mind (Holm, 0.95)"
    )


def test_one_comparison_or_none_that_is_proven_needs_no_note():
    assert note("income", claims(gate_a=0.1) * 2, 0.95) == ""
    assert note("income", claims(gate_a=2.0, gate_b=3.0), 0.95) == ""
    assert note("income", [], 0.95) == ""


def test_a_score_without_an_interval_is_not_proven_and_ends_no_run():
    largest = Claim(estimate=Unsure(), label="max_error", value=1.0, sign="<", threshold=2.0, held=True)

    assert note("income", [*claims(gate_a=0.1), ("gate_b", largest)], 0.95) == (
        "the one proven comparison on the test rows of income stays proven with all 2 in mind (Holm, 0.95)"
    )
