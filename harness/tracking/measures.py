"""Records of trials in; their numbers by MLflow key, in the order in which its UI shows them, out; pure.

MLflow's SQLite store returns the metrics of a run in the order in which they were written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.results import BestRecord, TrialRecord
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
    always `curve_NAME`.
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
    curves = rename({f"curve_{name}": curve for name, curve in trial.curves.items()}, taken=[*values])
    return Measures(
        values=values if objective is None else {objective: values[objective], **values},
        curves=dict(zip(curves.values(), map(thin, trial.curves.values()), strict=True)),
        objective=objective,
    )


def of_best(winner: TrialRecord, best: BestRecord) -> Measures:
    """Return what a parent run shows of its best trial.

    The objective's value, its test score, its baseline, then the other scores; of what the trial
    logged only the objective.
    """
    objective = of_trial(winner, best).objective
    validation = winner.scores.get("validation", {})
    scores = _flat({"validation": validation, "test": best.test, "baseline": best.baseline})
    first = [f"{split}_{winner.objective}" for split in ("validation", "test", "baseline")]
    scores = {name: scores[name] for name in first if name in scores} | scores
    values: dict[str, float] = {}
    if objective is not None and winner.objective not in validation:
        values[objective] = float(winner.logged[winner.objective or ""])
    keys = rename(scores, taken=[*values])
    values |= {keys[name]: float(value) for name, value in scores.items()}
    if best.corrected is not None:
        values[f"corrected_{winner.objective}"] = best.corrected
    return Measures(values=values, objective=objective)


def _flat(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {f"{split}_{name}": value for split, values in scores.items() for name, value in values.items()}
