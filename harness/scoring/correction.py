"""Kept predictions of N trials flow in; the score of the best, corrected for the choice, flows out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trial whose number of boosting rounds was chosen on the same rows, by early stopping.

    kept: as it was chosen; stage: gives it as it would have been after other rounds, by 0..stages-1.
    chooser: the metric that early stopping went by.
    """

    kept: Evidence
    stages: int
    stage: Callable[[int], Evidence]
    chooser: Metric


def corrected(metric: Metric, trials: Sequence[Evidence | Candidate], *, seed: int) -> Corrected:
    """Return the best of several scores on the same rows, corrected for having been chosen on them.

    The best trial of each bootstrap sample of the rows is scored on the rows left out (Tsamardinos,
    Greasidou & Borboudakis 2018, Machine Learning 107:1895: BBC); the mean is what choosing so is worth.
    It is a little cautious where trials differ much, for a sample has but 63 % of the rows to tell them
    apart; and never better than the raw score: the mean is noisy, and a correction that flatters is none.

    A trial that stopped early chooses its round anew in each sample, by its own metric, before it competes:
    the choices are nested as they were. Its kept predictions take no part, for the rows left out had a say in
    them, too.

    Ties go to the first trial. Weights go along with rows, rows of a group are drawn together.

    trials: at least one, all of the same rows in the same order. Of a single one nothing was chosen.

    Raise `ScoreError` if the rows left out have no such score.
    """
    sign = 1.0 if metric.greater_is_better else -1.0
    kept = [trial.kept if isinstance(trial, Candidate) else trial for trial in trials]
    scores = sign * np.array([float(metric.function(one)) for one in kept])
    best = int(scores.argmax())
    raw = float(sign * scores[best])
    if len(trials) < 2 and isinstance(trials[0], Evidence):
        return Corrected(value=raw, raw=raw, trials=len(trials), resamples=0)
    units = kept[0].units
    with bound(1):  # threads of BLAS only wait for each other here
        statistics = [statistic(metric, one) for one in kept]
        rivals = _rivals(statistics, scores, units) if not metric.place else list(range(len(trials)))
        some = [trials[k] for k in rivals]
        scored = sum(one.stages if isinstance(one, Candidate) else 1 for one in some)
        counts = drawn(units.sizes, _resamples(metric, kept[0], scored), seed)
        found = _left_out(metric, some, units, counts)
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


def _resamples(metric: Metric, trial: Evidence, scored: int) -> int:
    sorting = max(trial.n_classes - 1, 1) if metric.needs == "ranking" or metric.place else 0.25
    return int(min(max(_BUDGET / (len(trial) * scored * sorting), LEAST), MOST))


def _left_out(
    metric: Metric, trials: Sequence[Evidence | Candidate], units: Units, counts: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the scores that the winner of each resample has on the rows left out of it, where it has one."""
    sign = 1.0 if metric.greater_is_better else -1.0
    stages = [_stages(trial, units, counts) for trial in trials]
    inside = np.column_stack(
        [sign * _values(metric, *pair, units, counts) for pair in zip(trials, stages, strict=True)]
    )
    scored = np.isfinite(inside)
    winner = np.where(scored, inside, -np.inf).argmax(axis=1)
    winner[~scored.any(axis=1)] = -1  # nobody's, as of a resample without a row of some class
    outside = (counts == 0).astype(np.uint8)
    found = [
        _values(metric, trials[k], stages[k][winner == k], units, outside[winner == k])
        for k in np.unique(winner[winner >= 0])
    ]
    scores = np.concatenate(found or [np.empty(0)])
    return np.asarray(scores[np.isfinite(scores)])


def _stages(trial: Evidence | Candidate, units: Units, counts: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return (B,) the stage that each resample chooses; the first of equals, as early stopping does."""
    if isinstance(trial, Evidence):
        return np.zeros(len(counts), dtype=np.intp)
    sign = 1.0 if trial.chooser.greater_is_better else -1.0
    found = [statistic(trial.chooser, trial.stage(k)).values(units, counts) for k in range(trial.stages)]
    values = sign * np.column_stack(found)
    return np.asarray(np.where(np.isfinite(values), values, -np.inf).argmax(axis=1))


def _values(
    metric: Metric,
    trial: Evidence | Candidate,
    stages: NDArray[np.intp],
    units: Units,
    counts: NDArray[np.uint8],
) -> NDArray[np.float64]:
    """Return (B,) the score of a trial in each resample, after the stage that is named beside it."""
    found = np.empty(len(counts))
    for k in np.unique(stages):
        evidence = trial if isinstance(trial, Evidence) else trial.stage(int(k))
        found[stages == k] = statistic(metric, evidence).values(units, counts[stages == k])
    return found
