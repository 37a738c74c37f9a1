"""What many gates claim of the same test rows in; what of it stays proven all together, as a note, out."""

from __future__ import annotations

from collections.abc import Sequence

from harness.scoring.score import Claim
from harness.verdicts import adjusted

__tracebackhide__ = True


def note(dataset: str, claims: Sequence[tuple[str, Claim]], confidence: float) -> str:
    """Return what Holm's adjustment leaves of comparisons that rest on the same test rows.

    claims: with the name of the gate that made each. Empty for a single comparison.
    """
    different = {(claim.label, claim.sign, claim.threshold): (gate, claim) for gate, claim in claims}
    if len(different) < 2:
        return ""
    proven = adjusted([claim for _, claim in different.values()])
    lost = dict.fromkeys(gate for gate, claim in different.values() if claim not in proven)
    together = f"are proven together (Holm, {confidence:.4g})"
    if not lost:
        every = "both" if len(different) == 2 else f"all {len(different)}"
        return f"{every} comparisons on the test rows of {dataset} {together}"
    some = f"{len(proven)} of {len(different)} comparisons on the test rows of {dataset}"
    return f"{some} {together}, not all of {', '.join(lost)}"
