"""Records of trials in; their numbers by MLflow key, in the order in which its UI shows them, out; pure.

MLflow's SQLite store returns the metrics of a run in the order in which they were written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.results import BestRecord, TrialRecord, deviation
from harness.tracking.names import rename, thin

__tracebackhide__ = True

_OURS = ("fit_seconds", "seconds", "peak_memory_mb")


@dataclass(frozen=True, slots=True)
class Measures:
    """The numbers of one MLflow run."""

    values: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """(Step, value) points by key."""
    objective: str | None = None
    """Key of the objective; None if the trial has none or gave no value for it."""


def of_trial(trial: TrialRecord, best: BestRecord | None = None) -> Measures:
    """Return what one trial measured; best: its record if it is the best of its experiment.

    Objective, other validation scores, test scores, logged values, training scores, then time and
    memory. A logged value that bears the name of a score or of ours is `logged_NAME`; a curve is
    always `curve_NAME`. Of repeats or folds there are `KEY_mean` and `KEY_std` of every score that all
    of them have, and their values as `repeat_KEY` or `fold_KEY`, one a step; the mean is the objective.
    """
    validation = trial.scores.get("validation", {})
    leading = _flat({"validation": validation, "test": best.test if best else {}})
    scores = {**leading, **_flat(trial.scores)}
    keys = rename(scores, taken=_OURS)
    tested = [f"test_{name}" for name in validation]  # of any trial: its keys do not hang on being the best
    logged = rename(trial.logged, taken=[*keys.values(), *tested, *_OURS], prefix="logged_")
    ours = {
        "fit_seconds": trial.fit_seconds,
        "seconds": trial.seconds,
        "peak_memory_mb": None if trial.peak_memory is None else trial.peak_memory / 2**20,
    }
    values = {
        **{keys[name]: float(value) for name, value in leading.items()},
        **{logged[name]: float(value) for name, value in trial.logged.items()},
        **{keys[name]: float(value) for name, value in scores.items()},
        **{name: value for name, value in ours.items() if value is not None},
    }
    if trial.objective is None:
        objective = None
    else:
        objective = keys.get(f"validation_{trial.objective}", logged.get(trial.objective))
    named = {name: keys[f"validation_{name}"] for name in validation}
    if objective is not None:
        named[trial.objective or ""] = objective
    spread, series = _repeats(trial, named, taken=[*values, *tested])
    if spread:
        objective = next(iter(spread)) if objective is not None else None
        values = {**spread, **values}
    curves = rename(
        {f"curve_{name}": curve for name, curve in trial.curves.items()}, taken=[*values, *series]
    )
    return Measures(
        values=values if objective is None else {objective: values[objective], **values},
        curves=dict(zip(curves.values(), map(thin, trial.curves.values()), strict=True)) | series,
        objective=objective,
    )


def _repeats(
    trial: TrialRecord, keys: Mapping[str, str], taken: Sequence[str]
) -> tuple[dict[str, float], dict[str, list[tuple[int, float]]]]:
    """Return means and deviations over the repeats, the objective's first, and one series for each score.

    keys: in MLflow, of the scores on the declared split.
    """
    common = [name for name in keys if trial.repeats and all(name in found for found in trial.repeats)]
    common.sort(key=lambda name: name != trial.objective)
    values = {name: [float(found[name]) for found in trial.repeats] for name in common}
    word = "fold" if trial.folds else "repeat"
    spread = {
        f"{keys[name]}_{kind}": value
        for name, each in values.items()
        for kind, value in (("mean", math.fsum(each) / len(each)), ("std", deviation(each)))
        if value is not None
    }
    series = {f"{word}_{keys[name]}": list(enumerate(each)) for name, each in values.items()}
    free = rename({**spread, **series}, taken=taken)
    return {free[k]: v for k, v in spread.items()}, {free[k]: v for k, v in series.items()}


def of_best(winner: TrialRecord, best: BestRecord) -> Measures:
    """Return what a parent run shows of its best trial.

    The objective's value (its mean and deviation over repeats), its test score, its baseline, then the
    other scores; of what the trial logged only the objective.
    """
    measured = of_trial(winner, best)
    objective = measured.objective
    validation = winner.scores.get("validation", {})
    scores = _flat({"validation": validation, "test": best.test, "baseline": best.baseline})
    first = [f"{split}_{winner.objective}" for split in ("validation", "test", "baseline")]
    scores = {name: scores[name] for name in first if name in scores} | scores
    values: dict[str, float] = {}
    if objective is not None and winner.repeats:
        values = dict(list(measured.values.items())[:2])
    elif objective is not None and winner.objective not in validation:
        values[objective] = float(winner.logged[winner.objective or ""])
    keys = rename(scores, taken=[*values])
    values |= {keys[name]: float(value) for name, value in scores.items()}
    if best.corrected is not None:
        values[f"corrected_{winner.objective}"] = best.corrected
    return Measures(values=values, objective=objective)


def _flat(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {f"{split}_{name}": value for split, values in scores.items() for name, value in values.items()}
