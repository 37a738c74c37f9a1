"""What many gates claim of the same test rows in; what of it stays proven all together, as a note, out."""

from __future__ import annotations

from collections.abc import Sequence

from harness.scoring.score import Claim
from harness.verdicts import adjusted, proven, strictest

__tracebackhide__ = True


def note(dataset: str, claims: Sequence[tuple[str, Claim]], confidence: float) -> str:
    """Return what Holm's adjustment leaves of comparisons that rest on the same test rows.

    claims: with the name of the gate that made each. Empty for a single comparison, and if none is proven.
    """
    by_gate: dict[str, list[Claim]] = {}
    for gate, claim in claims:
        by_gate.setdefault(gate, []).append(claim)
    different = {
        (one.label, one.end, one.sign, one.threshold): (gate, one)
        for gate, made in by_gate.items()
        for one in strictest(made)
    }
    alone = [(gate, claim) for gate, claim in different.values() if proven(claim)]
    if len(different) < 2 or not alone:
        return ""
    kept = adjusted([claim for _, claim in different.values()])
    lost = dict.fromkeys(gate for gate, claim in alone if claim not in kept)
    where, risk = f"on the test rows of {dataset}", f"(Holm, {confidence:.4g})"
    if len(alone) == 1 and not lost:
        return f"the one proven comparison {where} stays proven with all {len(different)} in mind {risk}"
    some = f"{len(kept)} of {len(alone)}" if lost else f"all {len(alone)}"
    text = f"{some} proven comparisons {where} stay proven together {risk}"
    return f"{text}: not {', '.join(lost)}" if lost else text
