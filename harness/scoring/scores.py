"""True values and predictions of one split flow in; scores by name flow out, computed when they are read."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from harness.data.dataset import Dataset
from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring import slices
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import Metric, advice

__tracebackhide__ = True

_CALIBRATE = "wrap it in CalibratedClassifierCV"
_INPUTS = {
    "probability": ("probabilities", _CALIBRATE),
    "ranking": ("probabilities or a decision function", "use an estimator with predict_proba"),
}


class MetricWarning(UserWarning):
    """A `@metric` could not be recorded for some rows."""


class Score(float):
    """A measured quality: a float in every way, with the `name` of its metric and the number `n` of rows."""

    __slots__ = ("n", "name")

    name: str
    n: int

    def __new__(cls, value: float, name: str, n: int) -> Score:  # noqa: D102  # a magic method
        self = super().__new__(cls, value)
        self.name = name
        self.n = n
        return self

    def __reduce__(self) -> tuple[type[Score], tuple[float, str, int]]:
        return type(self), (float(self), self.name, self.n)


class Scores:
    """The scores of a model on n rows of one split, as attributes by scikit-learn's names.

    split, dataset: name the rows in messages.
    task: "binary", "multiclass" or "regression"; classes: the K original labels, positive last, or None.
    y: (n,) codes 0..K-1 or values; weight: (n,) or None; predictions: of the same n rows.
    metrics: from `metrics.table`.
    rows: gives the raw rows, (n, columns), in the order of `y`.
    on_read: told the name and the value whenever a score is read as an attribute.
    label: the conditions that made these rows a slice; model: the estimator's name, for messages.

    A score that does not exist for this task, these predictions or these rows is a `ScoreError`.
    """

    def __init__(
        self,
        *,
        split: str,
        dataset: str,
        task: str,
        classes: Sequence[Any] | None,
        y: Any,
        weight: Any,
        predictions: Predictions,
        metrics: Mapping[str, Metric],
        rows: Callable[[], DataFrame],
        on_read: Callable[[str, float], None] | None = None,
        label: str = "",
        model: str = "",
    ) -> None:
        self._split, self._dataset, self._task = split, dataset, task
        self._classes = list(classes or ())
        self._metrics = dict(metrics)
        self._on_read, self._label, self._model = on_read, label, model
        self._cache: dict[str, Score] = {}
        self._evidence = Evidence(
            y=np.asarray(y),
            predictions=predictions,
            weight=None if weight is None else np.asarray(weight, dtype=np.float64),
            n_classes=len(self._classes),
            rows=rows,
        )
        if len(predictions.labels) != len(self):
            raise ScoreError(
                f"{self._estimator} gave {len(predictions.labels):,} predictions for {self._subject}",
                "it must give one a row",
            )

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        split: str,
        predictions: Predictions,
        metrics: Mapping[str, Metric],
        *,
        on_read: Callable[[str, float], None] | None = None,
        model: str = "",
    ) -> Scores:
        """Return the scores of predictions for the "train", "validation" or "test" rows of a data set."""
        part = getattr(dataset, split)
        return cls(
            split=split,
            dataset=dataset.name,
            task=dataset.task,
            classes=dataset.classes,
            y=part.y,
            weight=part.weight,
            predictions=predictions,
            metrics=metrics,
            rows=partial(dataset.rows, split),
            on_read=on_read,
            model=model,
        )

    def where(self, /, **conditions: Any) -> Scores:
        """Return the scores of the rows that meet every condition.

        A condition names a loaded column (also one that was dropped) and gives a value, a list or set
        of values, or a function from the column to booleans: `where(sex="Female", age=lambda a: a > 40)`.

        Raise `ScoreError` for an unknown column or no such row.
        """
        mask = slices.mask(self._evidence.rows(), conditions, self._subject)
        return self.only(mask, slices.wording(conditions))

    def only(self, mask: NDArray[np.bool_], label: str) -> Scores:
        """Return the scores of the rows where `mask` (n,) is True; label: what they have in common."""
        kept = self._evidence.take(mask)
        return Scores(
            split=self._split,
            dataset=self._dataset,
            task=self._task,
            classes=self._classes,
            y=kept.y,
            weight=kept.weight,
            predictions=kept.predictions,
            metrics=self._metrics,
            rows=kept.rows,
            on_read=self._on_read,
            label=f"{self._label}, {label}" if self._label else label,
            model=self._model,
        )

    def values(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """Return several scores as plain floats, without telling `on_read`.

        names: each must exist, else `ScoreError`; None: the standard set and every `@metric`, without
        those whose input these predictions or rows lack. A `@metric` that raises is left out with a
        warning, for it may be meant for other data; one that gives no finite number is a `ScoreError`.
        """
        if names is not None:
            return {name: float(self._score(name)) for name in names}
        wanted = [m for m in self._metrics.values() if m.logged and not self._lack(m)]
        found = {metric.name: self._tried(metric) for metric in wanted}
        return {name: value for name, value in found.items() if value is not None}

    def _tried(self, metric: Metric) -> float | None:
        if not metric.place:
            return float(self._score(metric.name))
        try:
            return float(self._score(metric.name))
        except ScoreError:
            raise
        except Exception as error:  # noqa: BLE001  # code of the user's own
            text = f"@metric {metric.name} is not recorded for {self._subject}"
            file, _, line = metric.place.rpartition(":")
            told = MetricWarning(f"{text}: {type(error).__name__}: {error}")
            warnings.warn_explicit(told, MetricWarning, file, int(line))  # where the user mends it
            return None

    def __getattr__(self, name: str) -> Score:
        if name.startswith("_"):  # pickle, copy and IPython ask for such names before there is any score
            raise AttributeError(f"'Scores' object has no attribute {name!r}")
        score = self._score(name)
        if self._on_read is not None:
            self._on_read(name + self._condition, float(score))
        return score

    def __len__(self) -> int:
        return len(self._evidence)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(m.name for m in self._metrics.values() if not self._lack(m))]

    def __str__(self) -> str:
        known = ", ".join(f"{name} {value:.4g}" for name, value in self.values().items())
        return f"{self!r}: {known}"

    def __repr__(self) -> str:
        return f"Scores({self._split} of {self._dataset}{self._condition}, {_rows(len(self))})"

    @property
    def _condition(self) -> str:
        return f" where {self._label}" if self._label else ""

    @property
    def _subject(self) -> str:
        return f"the {_rows(len(self), self._split)} of {self._dataset}{self._condition}"

    @property
    def _estimator(self) -> str:
        return self._model or "the model"

    def _score(self, name: str) -> Score:
        if name not in self._cache:
            metric = self._metrics.get(name)
            if metric is None:
                raise ScoreError(f"there is no score {name!r}", advice(name, self._known()))
            problem = self._lack(metric) or (not metric.place and self._fault(metric))
            if problem:
                raise ScoreError(*problem)
            self._cache[name] = Score(self._compute(metric), name, len(self))
        return self._cache[name]

    def _known(self) -> list[str]:
        return [m.name for m in self._metrics.values() if self._task in m.tasks]

    def _lack(self, metric: Metric) -> tuple[str, str] | None:
        """Return what the task, the predictions or the rows lack for `metric`, and a remedy."""
        evidence, name, needs = self._evidence, metric.name, metric.needs
        if self._task not in metric.tasks:
            kind = "regression" if "regression" in metric.tasks else "classification"
            problem = f"{name} is a {kind} score; {self._dataset} is {self._task}"
            return problem, f"use {', '.join(self._known())}"
        ranking = evidence.predictions.ranking
        given = {"probability": evidence.predictions.probability, "ranking": ranking}
        if needs in given and given[needs] is None:
            noun, remedy = _INPUTS[needs]
            other = "accuracy" if ranking is None else "roc_auc"
            return f"{name} needs {noun}, and {self._estimator} gives none", f"{remedy} or use {other}"
        if needs == "probability" and not evidence.normalized:
            problem = f"{name} needs probabilities, and those of {self._estimator} do not sum to 1 a row"
            return problem, f"{_CALIBRATE} or use roc_auc"
        if len(self) < metric.least:
            return f"{name} needs at least {metric.least} rows, not {self._subject}", "take a larger slice"
        if needs == "ranking" and (absent := evidence.absent()):
            shown = ", ".join(repr(self._classes[code]) for code in absent[:5])
            more = f" or one of {len(absent) - 5} more" if len(absent) > 5 else ""
            problem = f"{name} needs every class, and none of {self._subject} is {shown}{more}"
            return problem, "use accuracy here, or take more rows"
        return None

    def _fault(self, metric: Metric) -> tuple[str, str] | None:
        """Return what spoils the predictions or weights for `metric`, and a remedy."""
        weight = self._evidence.weight
        if weight is not None and not weight.sum() > 0:
            return f"the weights of {self._subject} sum to {weight.sum():g}", "take rows that have a weight"
        if bad := self._evidence.unfit(metric.needs):
            wrong = "nan, infinity or an unknown class" if self._classes else "nan or infinity"
            problem = f"{self._estimator} predicted {wrong} for {bad:,} of {self._subject}"
            return problem, "a score needs a proper prediction for every row"
        return None

    def _compute(self, metric: Metric) -> float:
        value = metric.function(self._evidence)
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if number and math.isfinite(value):
            return float(value)
        if metric.place:
            given = f"{value}" if number else f"a {type(value).__name__}"
            written = f"@metric {metric.name} ({metric.place})"
            raise ScoreError(f"{written} returned {given} for {self._subject}", "return a finite number")
        raise ScoreError(f"{metric.name} is {value} for {self._subject}", "use a score that they define")


def _rows(n: int, split: str = "") -> str:
    return f"{n:,} {split + ' ' if split else ''}row{'' if n == 1 else 's'}"
