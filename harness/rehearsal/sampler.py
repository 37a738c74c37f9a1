"""A tuning job's ranges in; the hyperparameters of its next training job, as strings, out."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Values = dict[str, str]


class Sampler(Protocol):
    """Chooses hyperparameters; one thread at a time."""

    def ask(self) -> Values | None:
        """Return the next ones; None if there are no more."""

    def tell(self, values: Values, objective: float | None) -> None:
        """Take in the objective that values have led to; None: they led to none."""


def of(config: Mapping[str, Any]) -> Sampler:
    """Return the sampler of a HyperParameterTuningJobConfig with strategy Grid, Random or Bayesian."""
    ranges, strategy = config["ParameterRanges"], config["Strategy"]
    if strategy == "Grid":
        return Grid(ranges)
    axes = _axes(ranges)
    seed, most = config.get("RandomSeed"), config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    if strategy == "Random":
        return Random(axes, most, seed)
    return Bayesian(
        axes, most, seed, maximize=config["HyperParameterTuningJobObjective"]["Type"] == "Maximize"
    )


class Axis:
    """One hyperparameter, found by a number from 0 to 1 or, of a categorical one, by a position."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name: str = entry["Name"]
        self.values: Sequence[str] = entry.get("Values", ())
        """Of a categorical one."""
        if not self.values:
            self.whole = entry["whole"]
            self.low, self.high = float(entry["MinValue"]), float(entry["MaxValue"])
            self.scaling = entry.get("ScalingType", "Auto")

    def at(self, place: float) -> str:
        """Return the value at a place: 0 <= place <= 1, or a position."""
        if self.values:
            return self.values[int(place)]
        # A whole number owns the half unit on each side, so that both ends are as likely as the others.
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.scaling == "Logarithmic":
            low = max(low, self.low / 2)
            value = low * (high / low) ** place
        elif self.scaling == "ReverseLogarithmic":
            low, high = self.low, self.high
            value = 1 - (1 - low) * ((1 - high) / (1 - low)) ** place
        else:
            value = low + (high - low) * place
        value = min(max(value, self.low), self.high)
        return (
            str(min(max(round(value), math.ceil(self.low)), math.floor(self.high)))
            if self.whole
            else repr(value)
        )


def _axes(ranges: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Axis]:
    return [
        *(Axis({**entry, "whole": True}) for entry in ranges.get("IntegerParameterRanges", ())),
        *(Axis({**entry, "whole": False}) for entry in ranges.get("ContinuousParameterRanges", ())),
        *(Axis(entry) for entry in ranges.get("CategoricalParameterRanges", ())),
    ]


class Grid:
    """Every combination of categorical values, the last named one changing fastest."""

    def __init__(self, ranges: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        entries = ranges.get("CategoricalParameterRanges", ())
        self._names = [entry["Name"] for entry in entries]
        self._points = itertools.product(*(entry["Values"] for entry in entries))

    def ask(self) -> Values | None:
        """Return the next combination; None after the last."""
        point = next(self._points, None)
        return None if point is None else dict(zip(self._names, point, strict=True))

    def tell(self, values: Values, objective: float | None) -> None:
        """Learn nothing."""


class Random:
    """Independent draws, the same ones for the same seed."""

    def __init__(self, axes: Sequence[Axis], most: int, seed: int | None) -> None:
        self._axes, self._left = axes, most
        self._random = random.Random(seed)

    def ask(self) -> Values | None:
        """Return the next draw; None when there were as many as wanted."""
        if not self._left:
            return None
        self._left -= 1
        return {
            axis.name: axis.at(
                self._random.randrange(len(axis.values)) if axis.values else self._random.random()
            )
            for axis in self._axes
        }

    def tell(self, values: Values, objective: float | None) -> None:
        """Learn nothing."""


class Bayesian:
    """Optuna's tree-structured Parzen estimator; what runs counts as bad, so that nobody tries the same."""

    def __init__(self, axes: Sequence[Axis], most: int, seed: int | None, *, maximize: bool) -> None:
        import optuna

        self._axes, self._left = axes, most
        self._spaces: dict[str, Any] = {
            axis.name: optuna.distributions.CategoricalDistribution(tuple(range(len(axis.values))))
            if axis.values
            else optuna.distributions.FloatDistribution(0, 1)
            for axis in axes
        }
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        guide = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=min(10, math.ceil(most / 3)), multivariate=True, constant_liar=True
        )
        self._study = optuna.create_study(sampler=guide, direction="maximize" if maximize else "minimize")
        self._failed = optuna.trial.TrialState.FAIL
        self._asked: dict[tuple[str, ...], list[Any]] = {}

    def ask(self) -> Values | None:
        """Return the values that promise most; None when there were as many as wanted."""
        if not self._left:
            return None
        self._left -= 1
        trial = self._study.ask(self._spaces)
        values = {axis.name: axis.at(trial.params[axis.name]) for axis in self._axes}
        self._asked.setdefault(tuple(values.values()), []).append(trial)
        return values

    def tell(self, values: Values, objective: float | None) -> None:
        """Let an objective guide what is asked for next."""
        trial = self._asked[tuple(values.values())].pop()
        if objective is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, objective)
