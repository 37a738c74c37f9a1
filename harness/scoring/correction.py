"""Kept predictions of N trials flow in; the score of the best, corrected for the choice, flows out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import ScoreError
from harness.scoring.evidence import Evidence
from harness.scoring.standard import Metric
from harness.scoring.weighted import statistic
from harness.uncertainty.resamples import Units

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What the best of several trials may be expected to score on new rows.

    value: the corrected score; raw: the score of the trial that was chosen, on the rows that chose it.
    trials: among how many it was chosen; resamples: on how many the value rests.
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
    Greasidou & Borboudakis 2018, Machine Learning 107:1895: BBC); the mean of that is what choosing so is
    worth. It is never better than the raw score: the mean is noisy, and a correction that flatters is none.

    A trial that stopped early chooses its round anew in each sample, by its own metric, before it competes:
    the choices are nested as they were. Its kept predictions take no part, for the rows left out had a say in
    them, too.

    Ties go to the first trial. Weights go along with rows, rows of a group are drawn together.

    trials: at least one, all of the same rows in the same order.
    """
    sign = 1.0 if metric.greater_is_better else -1.0
    kept = [trial.kept if isinstance(trial, Candidate) else trial for trial in trials]
    scores = np.array([float(metric.function(one)) for one in kept])
    raw = float(scores[int(np.argmax(sign * scores))])
    if len(trials) < 2 and isinstance(trials[0], Evidence):
        return Corrected(value=raw, raw=raw, trials=len(trials), resamples=0)
    units, rng = kept[0].units, np.random.default_rng(seed)
    counts = _drawn(units.sizes, 200, rng)
    stages = [_stages(trial, units, counts) for trial in trials]
    scored = [_values(metric, *pair, units, counts) for pair in zip(trials, stages, strict=True)]
    chosen = np.column_stack([sign * values for values in scored])
    best = np.where(np.isfinite(chosen), chosen, -np.inf).argmax(axis=1)
    left_out = (counts == 0).astype(np.uint8)
    found = np.concatenate(
        [
            _values(metric, trials[k], stages[k][best == k], units, left_out[best == k])
            for k in np.unique(best)
        ]
    )
    found = found[np.isfinite(found)]
    if not len(found):
        raise ScoreError(
            f"{metric.name} of the best trial cannot be corrected: rows left out have no such score",
            "take more validation rows",
        )
    value = sign * min(sign * float(found.mean()), sign * raw)
    return Corrected(value=value, raw=raw, trials=len(trials), resamples=len(found))


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


def _drawn(sizes: tuple[int, ...], resamples: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    parts = [
        np.array([np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(resamples)])
        for size in sizes
    ]
    return np.concatenate(parts, axis=1).astype(np.uint8)
