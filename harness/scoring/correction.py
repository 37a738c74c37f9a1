"""Kept predictions of N trials flow in; the score of the best, corrected for the choice, flows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import ScoreError
from harness.models.threads import bound
from harness.scoring.evidence import Evidence
from harness.scoring.standard import Metric
from harness.scoring.weighted import statistic
from harness.uncertainty.resamples import Units, drawn
from harness.uncertainty.statistics import Statistic

__tracebackhide__ = True

LEAST, MOST = 100, 1000
"""Resamples: as many as `_BUDGET` allows, within these."""
_BUDGET = 1e8  # rows times trials times resamples, about two seconds where rows have to be sorted
_HOPELESS = 5.0  # standard errors behind the best: such a trial wins fewer than one resample of a million


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What the best of several trials may be expected to score on new rows.

    value: the corrected score; raw: the score of the trial that was chosen, on the rows that chose it.
    trials: among how many it was chosen; resamples: on how many of the rows the value rests.
    """

    value: float
    raw: float
    trials: int
    resamples: int


def corrected(metric: Metric, trials: Sequence[Evidence], *, seed: int) -> Corrected:
    """Return the best of several scores on the same rows, corrected for having been chosen on them.

    The best trial of each bootstrap sample of the rows is scored on the rows left out (Tsamardinos,
    Greasidou & Borboudakis 2018, Machine Learning 107:1895: BBC); the mean is what choosing so is worth.
    It is a little cautious where trials differ much, for a sample has but 63 % of the rows to tell them
    apart; and never better than the raw score: the mean is noisy, and a correction that flatters is none.

    Ties go to the first trial. Weights go along with rows, rows of a group are drawn together.

    trials: at least one, all of the same rows in the same order. Of a single one nothing was chosen.

    Raise `ScoreError` if the rows left out have no such score.
    """
    sign = 1.0 if metric.greater_is_better else -1.0
    scores = sign * np.array([float(metric.function(trial)) for trial in trials])
    best = int(scores.argmax())
    raw = float(sign * scores[best])
    if len(trials) < 2:
        return Corrected(value=raw, raw=raw, trials=len(trials), resamples=0)
    units = trials[0].units
    statistics = [statistic(metric, trial) for trial in trials]
    with bound(1):  # threads of BLAS only wait for each other here
        rivals = _rivals(statistics, scores, units) if not metric.place else list(range(len(trials)))
        counts = drawn(units.sizes, _resamples(metric, trials[0], len(rivals)), seed)
        found = _left_out([statistics[k] for k in rivals], sign, units, counts)
    if not len(found):
        raise ScoreError(
            f"the {metric.name} of the best of {len(trials):,} trials cannot be corrected: "
            "no resample leaves out rows that have such a score",
            "take more validation rows",
        )
    value = sign * min(sign * float(found.mean()), sign * raw)
    return Corrected(value=value, raw=raw, trials=len(trials), resamples=len(found))


def _rivals(statistics: Sequence[Statistic], scores: NDArray[np.float64], units: Units) -> list[int]:
    """Return the trials that win some resample: those whose score is not hopelessly behind."""
    best = int(scores.argmax())
    moves = statistics[best].influence(units)
    rivals = []
    for k, one in enumerate(statistics):
        spread = float(np.sqrt(((one.influence(units) - moves) ** 2).sum())) if one.smooth else np.inf
        # Not "<=" turned round: a spread that is no number leaves the trial in.
        if k == best or not scores[best] - scores[k] > _HOPELESS * spread:
            rivals.append(k)
    return rivals


def _resamples(metric: Metric, trial: Evidence, trials: int) -> int:
    sorting = max(trial.n_classes - 1, 1) if metric.needs == "ranking" or metric.place else 0.25
    return int(min(max(_BUDGET / (len(trial) * trials * sorting), LEAST), MOST))


def _left_out(
    statistics: Sequence[Statistic], sign: float, units: Units, counts: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the scores that the winner of each resample has on the rows left out of it, where it has one."""
    inside = np.column_stack([sign * one.values(units, counts) for one in statistics])
    winner = np.where(np.isfinite(inside), inside, -np.inf).argmax(axis=1)
    outside = (counts == 0).astype(np.uint8)
    found = [
        one.values(units, outside[winner == k]) for k, one in enumerate(statistics) if (winner == k).any()
    ]
    scores = np.concatenate(found)
    return scores[np.isfinite(scores)]
