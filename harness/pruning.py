"""Curves of finished trials in; what a running one must reach, and the end of one that is hopeless, out.

The median rule (Golovin et al. 2017, "Google Vizier"; Optuna's `MedianPruner`) stops what is worse, in some
round, than the median of what finished trials had reached by then. Alone it stops slow learners, a small
learning rate say, which lie behind for long and are the best in the end. So a trial must be out of reach as
well: even going on at the pace of its last rounds, which boosting slackens, it would end behind the median.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.results import JsonRecord, TrialRecord

STARTUP = 5
"""Finished trials before any is stopped."""
WARMUP = 20
"""Rounds that every trial may do: before, curves of metrics that count or rank are mostly noise."""
_PACE = 4
"""The pace is that of the last quarter of the rounds done."""
_END = 10
"""In the last tenth of the rounds a trial is let go on: its result is worth more than the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar(JsonRecord):
    """What finished trials had reached by each round of one curve."""

    curve: str
    """Name of the curve, "validation_logloss" say."""
    greater_is_better: bool
    trials: int
    """Number of finished trials."""
    warmup: int
    """Rounds in which nothing is compared."""
    values: Sequence[float]
    """Medians by round, from the first round after the warm-up to the last of the longest trial."""


def bars(records: Iterable[TrialRecord], *, startup: int = STARTUP, warmup: int = WARMUP) -> tuple[Bar, ...]:
    """Return a bar for every curve that at least `startup` finished trials were watched by.

    A trial counts in each round with the best value it had until then, one that ended early also in the
    rounds after. Only finished trials count; a curve without a number does not.
    """
    found: dict[tuple[str, bool], list[Sequence[float]]] = {}
    for record in records:
        curve = record.curves.get(record.watched or "", ())
        if record.finished and any(not math.isnan(value) for value in curve):
            found.setdefault((str(record.watched), record.watched_greater_is_better), []).append(curve)
    made = (_bar(key, curves, warmup) for key, curves in found.items() if len(curves) >= startup)
    return tuple(bar for bar in made if bar is not None)


def _bar(key: tuple[str, bool], curves: Sequence[Sequence[float]], warmup: int) -> Bar | None:
    name, greater = key
    sign = -1.0 if greater else 1.0
    reached = np.full((len(curves), max(map(len, curves))), np.inf)
    for row, curve in zip(reached, curves, strict=True):
        row[: len(curve)] = np.nan_to_num(sign * np.asarray(curve, float), nan=np.inf, posinf=np.inf)
    medians = np.median(np.minimum.accumulate(reached, axis=1), axis=0)
    start = max(warmup, int(np.sum(medians == np.inf)))  # a curve may begin without a number
    if start >= len(medians) or not np.isfinite(medians[-1]):
        return None
    values = [float(value) for value in sign * medians[start:]]
    return Bar(curve=name, greater_is_better=greater, trials=len(curves), warmup=start, values=values)


class Pruned(BaseException):
    """A trial was stopped as hopeless; no `Exception`, so that code which handles those lets it through."""


class Watcher:
    """Is called after every boosting round, keeps the curve, and ends a trial that falls behind."""

    def __init__(self, bars: Iterable[Bar] = ()) -> None:
        """Bars: of finished trials; without any, curves are kept and nothing is stopped."""
        self._bars: Mapping[str, Bar] = {bar.curve: bar for bar in bars}
        self._best: list[float] = []
        self.name: str | None = None
        """Of the curve; None before the first round."""
        self.greater_is_better = False
        self.curve: list[float] = []
        """Values of the last fit, one a round, also of one that was stopped."""

    @property
    def outcome(self) -> dict[str, Any]:
        """The fields of a trial's record that say what was watched; the curve itself is in `curves`."""
        return {"watched": self.name, "watched_greater_is_better": self.greater_is_better}

    def __call__(self, name: str, step: int, value: float, greater_is_better: bool) -> None:
        """Take in the value of one round, `step` 0 the first of a fit; raise Pruned if there is no hope."""
        if step == 0 or name != self.name:
            self.name, self.greater_is_better = name, greater_is_better
            self.curve, self._best = [], []
        self.curve.append(float(value))
        loss = -self.curve[-1] if greater_is_better else self.curve[-1]
        before = self._best[-1] if self._best else math.inf
        self._best.append(min(before, loss))  # in this order NaN is passed over
        bar = self._bars.get(name)
        if bar is not None and bar.greater_is_better == greater_is_better:
            self._compare(bar)

    def _compare(self, bar: Bar) -> None:
        rounds = len(self._best)
        position = rounds - 1 - bar.warmup
        total = bar.warmup + len(bar.values)
        if position < 0 or total - total // _END <= rounds <= total:
            return
        sign = -1.0 if bar.greater_is_better else 1.0
        median = bar.values[min(position, len(bar.values) - 1)]
        left = max(0, total - rounds)
        now = self._best[-1]
        behind = now > sign * median
        if not behind or self._projected(left) <= sign * bar.values[-1]:
            return
        reached = sign * now + 0.0  # no -0
        raise Pruned(
            f"{bar.curve} came to {reached:.6g} in {rounds} rounds, the median of {bar.trials} finished "
            f"trials to {median:.6g}; at its pace it would not reach their {bar.values[-1]:.6g} at the end"
        )

    def _projected(self, left: int) -> float:
        """Return the loss after so many more rounds at the pace of the last quarter of those done."""
        now, rounds = self._best[-1], len(self._best)
        window = max(1, rounds // _PACE)
        start = self._best[max(0, rounds - 1 - window)]
        return now - left * (start - now) / window if left else now
