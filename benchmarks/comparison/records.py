"""Frozen records of a comparison: what one run gave, what a row's runs gave; JSON in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from comparison.tree import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a runner found."""

    params: Mapping[str, Any]
    """Of the best point; of equal ones the first declared."""
    score: float
    points: int
    """How many different points it scored."""
    fitting: float | None = None
    """Seconds in which at least one trial was going on; None if the runner does not say."""
    reused: int | None = None
    """How many results came from an earlier run; None if the runner has no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measured run of one runner."""

    cost: Cost
    answer: Answer | None
    problem: str = ""
    """Why it does not count; empty if it ended well and gave an answer."""
    output: str = ""
    """The end of what it printed, if there is a problem."""


@dataclass(frozen=True, slots=True)
class Results:
    """All runs of one row, by runner; the n-th runs of two runners are a pair."""

    row: str
    runs: Mapping[str, Sequence[Run]]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Why a runner of the row did not run."""

    def to_json(self) -> dict[str, Any]:
        """Return the results as plain JSON values."""
        return asdict(self)


def disagreements(results: Results, expected: int) -> list[str]:
    """Return a line for each runner that did not score `expected` points or has another best than the first.

    The first is the answer that most runs gave, the earliest of several.
    """
    answers = [(name, run.answer) for name, runs in results.runs.items() for run in runs if run.answer]
    kinds: list[tuple[Any, float]] = [_kind(answer) for _, answer in answers]
    if not kinds:
        return []
    usual = max(kinds, key=kinds.count)
    lines: dict[str, None] = {}
    for (name, answer), kind in zip(answers, kinds, strict=True):
        if kind != usual:
            lines[f"{name} found {_said(answer)}, the others {_said_of(*usual)}"] = None
        if answer.points != expected:
            lines[f"{name} scored {answer.points} points, not {expected}"] = None
    return list(lines)


def _kind(answer: Answer) -> tuple[Any, float]:
    return dict(answer.params), round(answer.score, 9)


def _said(answer: Answer) -> str:
    return _said_of(answer.params, answer.score)


def _said_of(params: Mapping[str, Any], score: float) -> str:
    return " ".join(f"{name}={value:.6g}" for name, value in params.items()) + f" with {score:.6g}"
