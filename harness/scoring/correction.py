"""Kept predictions of N trials flow in; the score of the best, corrected for the choice, flows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import ScoreError
from harness.scoring.evidence import Evidence
from harness.scoring.standard import Metric
from harness.scoring.weighted import statistic

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


def corrected(metric: Metric, trials: Sequence[Evidence], *, seed: int) -> Corrected:
    """Return the best of several scores on the same rows, corrected for having been chosen on them.

    The best trial of each bootstrap sample of the rows is scored on the rows left out (Tsamardinos,
    Greasidou & Borboudakis 2018, Machine Learning 107:1895: BBC); the mean of that is what choosing so is
    worth. It is never better than the raw score: the mean is noisy, and a correction that flatters is none.

    Ties go to the first trial. Weights go along with rows, rows of a group are drawn together.

    trials: at least one, all of the same rows in the same order.
    """
    sign = 1.0 if metric.greater_is_better else -1.0
    scores = np.array([float(metric.function(trial)) for trial in trials])
    raw = float(scores[int(np.argmax(sign * scores))])
    if len(trials) < 2:
        return Corrected(value=raw, raw=raw, trials=len(trials), resamples=0)
    units, rng = trials[0].units, np.random.default_rng(seed)
    counts = _drawn(units.sizes, 200, rng)
    statistics = [statistic(metric, trial) for trial in trials]
    chosen = np.column_stack([sign * of.values(units, counts) for of in statistics])
    best = np.where(np.isfinite(chosen), chosen, -np.inf).argmax(axis=1)
    left_out = (counts == 0).astype(np.uint8)
    found = np.concatenate([statistics[k].values(units, left_out[best == k]) for k in np.unique(best)])
    found = found[np.isfinite(found)]
    if not len(found):
        raise ScoreError(
            f"{metric.name} of the best trial cannot be corrected: rows left out have no such score",
            "take more validation rows",
        )
    value = sign * min(sign * float(found.mean()), sign * raw)
    return Corrected(value=value, raw=raw, trials=len(trials), resamples=len(found))


def _drawn(sizes: tuple[int, ...], resamples: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    parts = [
        np.array([np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(resamples)])
        for size in sizes
    ]
    return np.concatenate(parts, axis=1).astype(np.uint8)
