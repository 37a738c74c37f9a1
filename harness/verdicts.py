"""What a gate has compared in; what that proves, as records and as words, out."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence

from harness.errors import ScoreError
from harness.results import ComparisonRecord, GateRecord, Sign, Verdict
from harness.scoring.score import Claim
from harness.wording import number

__tracebackhide__ = True


def judge(claims: Iterable[Claim], confidence: float) -> tuple[ComparisonRecord, ...]:
    """Return what the strictest of the claims about each score prove, in the order in which they were made.

    A claim is proven, or refuted, if the one-sided bound at half the risk that `confidence` leaves lies
    on that side of the threshold: of a proportion the exact one (Clopper and Pearson, Biometrika 26, 1934,
    404-413), of an accuracy's difference to zero McNemar's exact test, else the end of the interval.
    """
    return tuple(_judged(claim, confidence) for claim in strictest(claims))


def strictest(claims: Iterable[Claim]) -> list[Claim]:
    """Return of the claims about one score that point to one side only the one that implies the others.

    One score is of the same rows: slices by functions have the same name.

    A gate in a loop, or under Hypothesis, makes many.
    """
    found: dict[tuple[str, Hashable, str, bool, bool], Claim] = {}
    for claim in claims:
        above = claim.sign in (">=", ">")
        key = (claim.label, claim.estimate.about, claim.end, above, claim.held)
        other = found.setdefault(key, claim)
        # The highest threshold that the score still exceeds, the lowest that it no longer does.
        further = (
            claim.threshold - other.threshold if above == claim.held else other.threshold - claim.threshold
        )
        if further > 0 or (further == 0 and claim.sign in (">", "<")):
            found[key] = claim
    return list(found.values())


def asserted(comparisons: Iterable[ComparisonRecord]) -> tuple[ComparisonRecord, ...]:
    """Return comparisons as a gate has relied on them whose asserts have held.

    One that did not hold has been negated, as in `assert not score < 0.8`: it stands for its opposite. So
    does the first of `score >= 0.9 or score >= 0.8`, for nobody can tell the two apart.
    """
    return tuple(one if one.held else _opposite(one) for one in comparisons)


_OPPOSITE_SIGNS: Mapping[Sign, Sign] = {">=": "<", "<": ">=", ">": "<=", "<=": ">"}
_OPPOSITES: Mapping[Verdict, Verdict] = {
    "PROVEN": "REFUTED",
    "REFUTED": "PROVEN",
    "NOT PROVEN": "NOT PROVEN",
}


def _opposite(one: ComparisonRecord) -> ComparisonRecord:
    return dataclasses.replace(
        one, sign=_OPPOSITE_SIGNS[one.sign], held=not one.held, verdict=_OPPOSITES[one.verdict]
    )


def adjusted(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that are proven all together, at the risk that one alone may have.

    Holm, Scandinavian Journal of Statistics 6, 1979, 65-70: of m claims those are proven whose risk is
    below 1/m of the whole; then of the others those below 1/(m - proven), and so on.
    """
    kept: list[Claim] = []
    open_ = list(claims)
    while open_:
        found = [claim for claim in open_ if proven(claim, 1 / len(open_))]
        if not found:
            break
        kept += found
        open_ = [claim for claim in open_ if claim not in found]
    return [claim for claim in claims if claim in kept]


def proven(claim: Claim, share: float = 1.0) -> bool:
    """Return whether a claim, or the opposite of one that did not hold, is proven by itself.

    share: of the risk that it may take.
    """
    try:
        return _verdict(claim, share) == ("PROVEN" if claim.held else "REFUTED")
    except ScoreError:  # there is no interval of such a score
        return False


def _verdict(claim: Claim, share: float = 1.0) -> Verdict:
    if claim.estimate.certain or _beyond_reach(claim):
        return "PROVEN" if claim.held else "REFUTED"
    side = claim.estimate.proof(claim.threshold, share)
    if side is None:
        return "NOT PROVEN"
    return "PROVEN" if (side == "above") == (claim.sign in (">=", ">")) else "REFUTED"


def _beyond_reach(claim: Claim) -> bool:
    """Return whether a claim says something that no such score could make wrong, or right."""
    lowest, highest = claim.estimate.reach
    if claim.sign in (">=", "<"):
        return claim.threshold <= lowest or claim.threshold > highest
    return claim.threshold >= highest or claim.threshold < lowest


def _judged(claim: Claim, confidence: float) -> ComparisonRecord:
    bare = ComparisonRecord(
        score=claim.label,
        value=claim.value,
        sign=claim.sign,
        threshold=claim.threshold,
        held=claim.held,
        verdict="NOT PROVEN",
        confidence=confidence,
        end=claim.end,
    )
    try:
        verdict = _verdict(claim)
        rows = claim.estimate.settling(claim.threshold) if verdict == "NOT PROVEN" else None
        bare = dataclasses.replace(bare, verdict=verdict, rows=rows)
        interval = claim.estimate.interval()
    except ScoreError as error:
        return dataclasses.replace(bare, note=error.problem)
    if rows is not None and rows <= interval.n:  # which were not enough
        rows = interval.n + 1
    return dataclasses.replace(
        bare,
        rows=rows,
        lower=interval.lower,
        upper=interval.upper,
        n=interval.n,
        method=interval.method,
        note=claim.estimate.note,
    )


def gate_text(gate: GateRecord) -> str:
    """Return all that a gate compared, read and was told, on one line."""
    told = [f"{one.score} {said}" for one in gate.compared if (said := whole_text(one))]
    told += [f"{name} {number(value)}" for name, value in gate.uncompared.items()]
    return "; ".join([*told, gate.note] if gate.note else told)


def whole_text(record: ComparisonRecord) -> str:
    """Return value, interval, threshold, verdict, and what that rests on, in one line."""
    return ", ".join(part for part in (claim_text(record), basis_text(record)) if part)


def claim_text(record: ComparisonRecord) -> str:
    """Return value, interval, threshold and verdict in one line."""
    ends = ""
    if record.lower is not None and record.upper is not None:
        ends = f" [{number(record.lower)}, {number(record.upper)}]"
    end = f" {record.end}" if record.end else ""
    return f"{number(record.value)}{ends}{end} {record.sign} {record.threshold:.6g} {record.verdict}"


def basis_text(record: ComparisonRecord) -> str:
    """Return what the verdict rests on."""
    return ", ".join(part for part in (f"n {record.n:,}" if record.n else "", record.method) if part)


def missing_text(record: ComparisonRecord) -> str:
    """Return what would settle a comparison that proves nothing; empty if it proves something."""
    if record.verdict != "NOT PROVEN":
        return ""
    if record.lower is None:
        return record.note
    rows = "no number of" if record.rows is None else f"about {_rounded(record.rows):,}"
    said = [f"{rows} rows would settle it, if the score stays as it is"]
    if record.note:
        said.append(record.note)
    elif not record.lower <= record.threshold <= (record.upper or 0.0):
        said.append("a proof is stricter than the interval")
    return "; ".join(said)


def _rounded(rows: int) -> int:
    """Return a number of rows with two digits, rounded up: more would claim to know."""
    size = int(10 ** max(len(str(rows)) - 2, 0))
    return -(-rows // size) * size
