"""Measured rows in; which ratios are reached, and whether trials cost the same in any number, out."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from comparison.records import Results
from comparison.spread import Spread, counted, ratios, spread, walls
from comparison.workloads import Row

FLAT = 0.2
"""By how much a trial among 10,000 may cost more or less than one among 1,000."""
_SIZES = (1_000, 5_000, 10_000)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One ratio and what it is to be."""

    work: str
    against: str
    """A runner's name."""
    ratio: Spread
    at_most: float

    @property
    def reached(self) -> bool:
        """Whether the median is at most what it is to be."""
        return self.ratio.median <= self.at_most


def limits(row: Row, results: Results) -> Mapping[str, float]:
    """Return the ratio to reach by runner.

    That of `resume` follows from the first run: its seconds outside trials, the start-up, and 0.1 of
    those in which trials were going on.
    """
    first = counted(results.runs.get("harness", ()))
    if row.reference != "harness-resume" or not first:
        return row.at_most
    shares = [
        1 - 0.9 * run.answer.fitting / run.cost.wall
        for run in first
        if run.answer and run.answer.fitting is not None
    ]
    return {"harness": statistics.median(shares)} if shares else {}


def verdicts(row: Row, results: Results) -> list[Verdict]:
    """Return a verdict for each runner of a row that there is a target for and a pair of runs."""
    found = []
    for name, at_most in limits(row, results).items():
        ratio = spread(ratios(results.runs.get(row.reference, ()), results.runs.get(name, ())))
        if ratio is not None:
            found.append(Verdict(row.name, name, ratio, at_most))
    return found


@dataclass(frozen=True, slots=True)
class Flatness:
    """What a further trial costs beyond 5,000, divided by one beyond 1,000."""

    runner: str
    seconds: float
    memory: float
    """NaN, as are the seconds, if 5,000 trials did not cost more than 1,000: noise."""

    @property
    def reached(self) -> bool:
        """Whether time and memory are within FLAT of 1."""
        return abs(self.seconds - 1) <= FLAT and abs(self.memory - 1) <= FLAT


def flatness(measured: Mapping[str, Results], runner: str) -> Flatness | None:
    """Return how flat a runner is; None unless 1,000, 5,000 and 10,000 no-op trials were measured.

    What starting costs, workers included, is in all three and taken off by the differences.
    """
    runs = [measured[f"noop-{n}"].runs.get(runner, ()) for n in _SIZES if f"noop-{n}" in measured]
    if len(runs) < len(_SIZES) or not all(counted(of_size) for of_size in runs):
        return None
    seconds = [statistics.median(walls(of_size)) for of_size in runs]
    memory = [statistics.median(r.cost.memory for r in counted(of_size)) for of_size in runs]
    return Flatness(runner, _each(seconds), _each(memory))


def _each(costs: list[float]) -> float:
    early, late = ((costs[i + 1] - costs[i]) / (_SIZES[i + 1] - _SIZES[i]) for i in range(len(costs) - 1))
    return late / early if early > 0 else float("nan")
