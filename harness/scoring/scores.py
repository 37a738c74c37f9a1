"""True values and predictions of one split flow in; scores by name flow out, computed when they are read."""

from __future__ import annotations

import dataclasses
import math
import numbers
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.dataset import Dataset
from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring import slices
from harness.scoring.differences import Differences
from harness.scoring.estimates import Rows, Single
from harness.scoring.evidence import Evidence
from harness.scoring.fitness import fault, lack
from harness.scoring.intervals import rests_on
from harness.scoring.metrics import Metric, advice
from harness.scoring.score import Listener, Score
from harness.scoring.subject import Subject
from harness.scoring.subject import rows as counted

__all__ = ["CONFIDENCE", "MetricWarning", "Score", "Scores"]

__tracebackhide__ = True

CONFIDENCE = 0.95
"""Of the intervals, unless the setting `confidence` says otherwise; two-sided."""


class MetricWarning(UserWarning):
    """A `@metric` could not be recorded for some rows."""


class Scores:
    """The scores of a model on n rows of one split, as attributes by scikit-learn's names.

    subject: names the rows and the model; evidence: what the n rows hold and what the model says of them.
    metrics: from `metrics.table`.
    rows: which rows of the loaded data they are.
    confidence: of the intervals, two-sided.
    on_read: told the name and the value whenever a score is read as an attribute; on_compare: told of
        comparisons of scores with numbers.
    caveat: why the scores flatter the model, if they do.
    digest: gives that of the model, so that a difference to itself is known to be 0.

    A score that does not exist for this task, these predictions or these rows is a `ScoreError`.
    `a - b` are the paired differences of two models' scores on the same rows.
    """

    def __init__(
        self,
        subject: Subject,
        evidence: Evidence,
        metrics: Mapping[str, Metric],
        *,
        rows: Rows | None = None,
        confidence: float = CONFIDENCE,
        on_read: Callable[[str, float], None] | None = None,
        on_compare: Listener | None = None,
        caveat: str = "",
        digest: Callable[[], str | None] | None = None,
    ) -> None:
        self._subject, self._evidence = subject, evidence
        self._metrics = dict(metrics)
        self._rows = rows or Rows(content="", positions=np.arange(len(evidence)))
        self._confidence = confidence
        self._on_read, self._on_compare, self._caveat = on_read, on_compare, caveat
        self._digest = digest
        self._restricted = False
        self._cache: dict[str, Score] = {}
        if len(evidence.predictions.labels) != len(self):
            raise ScoreError(
                f"{subject.estimator} gave {len(evidence.predictions.labels):,} predictions for {subject}",
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
        model: str = "",
        title: str = "",
        **told: Any,
    ) -> Scores:
        """Return the scores of predictions for the "train", "validation" or "test" rows of a data set.

        model: name of the estimator's class; title: how the scores are reached, as
        `experiment_trees.best.test`; told: `confidence`, `on_read`, `on_compare`, `caveat`, `digest`.
        """
        part = getattr(dataset, split)
        classes = dataset.classes or ()
        subject = Subject(
            split=split,
            dataset=dataset.name,
            task=dataset.task,
            classes=tuple(classes),
            size=len(part),
            model=model,
            title=title,
        )
        rows = Rows(content=dataset.content, positions=part.positions)
        return cls(subject, evidence(dataset, split, predictions), metrics, rows=rows, **told)

    def where(self, /, **conditions: Any) -> Scores:
        """Return the scores of the rows that meet every condition.

        A condition names a loaded column (also one that was dropped) and gives a value, a list or set
        of values, or a function from the column to booleans: `where(sex="Female", age=lambda a: a > 40)`.

        Raise `ScoreError` for an unknown column or no such row.
        """
        mask = slices.mask(self._evidence.rows(), conditions, str(self._subject))
        return self._taken(mask, slices.wording(conditions))

    def only(self, mask: NDArray[np.bool_], label: str) -> Scores:
        """Return the scores of the rows where `mask` (n,) is True.

        label: what these rows are, in names and messages. A difference to scores of more rows is taken
        on the rows that both have.
        """
        found = self._taken(mask, label)
        found._restricted = True
        return found

    def _taken(self, mask: NDArray[np.bool_], label: str) -> Scores:
        kept = self._evidence.take(mask)
        conditions = f"{self._subject.conditions}, {label}" if self._subject.conditions else label
        found = Scores(
            dataclasses.replace(self._subject, size=len(kept), conditions=conditions),
            kept,
            self._metrics,
            rows=Rows(content=self._rows.content, positions=self._rows.positions[mask]),
            confidence=self._confidence,
            on_read=self._on_read,
            on_compare=self._on_compare,
            caveat=self._caveat,
            digest=self._digest,
        )
        found._restricted = self._restricted
        return found

    def __sub__(self, other: Scores) -> Differences:
        """Return the paired differences to the scores of another model on the same rows.

        The same rows are the same positions of the same loaded data: the features may differ. Raise
        `ScoreError` for other rows.
        """
        if not isinstance(other, Scores):
            return NotImplemented
        return Differences(*self._alike(other))

    def _alike(self, other: Scores) -> tuple[Scores, Scores]:
        """Return both scores on the same rows."""
        if self._rows.same(other._rows):
            return self, other
        alike = self._rows.content == other._rows.content
        if alike and (self._restricted or other._restricted):
            common = np.intersect1d(self._rows.positions, other._rows.positions)
            a, b = (scores._of(common) for scores in (self, other))
            if len(common) and a._rows.same(b._rows):
                return a, b
        what = "other rows" if alike else "rows of other data"
        raise ScoreError(
            f"{self!r} - {other!r}: these are {what}, and a difference is of the same rows",
            "compare two models on the same split and the same slice; two slices by their scores, "
            "as in a.where(…).roc_auc >= a.where(…).roc_auc - 0.02",
        )

    def _of(self, positions: NDArray[np.int64]) -> Scores:
        mask = np.isin(self._rows.positions, positions)
        if mask.all():
            return self
        found = self._taken(mask, "of both")
        found._subject = dataclasses.replace(found._subject, conditions=self._subject.conditions)
        return found

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
            self._on_read(name + self._subject.condition, float(score))
        return score

    def __len__(self) -> int:
        return len(self._evidence)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(m.name for m in self._metrics.values() if not self._lack(m))]

    def __str__(self) -> str:
        known = ", ".join(f"{name} {value:.4g}" for name, value in self.values().items())
        return f"{self!r}: {known}"

    def __repr__(self) -> str:
        subject = self._subject
        return f"Scores({subject.split} of {subject.dataset}{subject.condition}, {counted(len(self))})"

    def _score(self, name: str) -> Score:
        if name not in self._cache:
            metric = self._metrics.get(name)
            if metric is None:
                raise ScoreError(f"there is no score {name!r}", advice(name, self._known()))
            problem = self._lack(metric) or (
                not metric.place and fault(metric, self._evidence, self._subject)
            )
            if problem:
                raise ScoreError(*problem)
            self._cache[name] = self._measured(metric)
        return self._cache[name]

    def _measured(self, metric: Metric) -> Score:
        value = self._compute(metric)
        estimate = Single(
            metric=metric,
            evidence=self._evidence,
            rows=self._rows,
            confidence=self._confidence,
            value=value,
            caveat=self._caveat,
            model=self._digest,
        )
        return Score(
            value,
            metric.name,
            rests_on(metric, self._evidence),
            estimate,
            label=self._subject.label(metric.name),
            listener=self._on_compare,
        )

    def _known(self) -> list[str]:
        return [m.name for m in self._metrics.values() if self._subject.task in m.tasks]

    def _lack(self, metric: Metric) -> tuple[str, str] | None:
        return lack(metric, self._evidence, self._subject, self._known())

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


def evidence(dataset: Dataset, split: str, predictions: Predictions) -> Evidence:
    """Return the rows of a split with what a model says of them.

    Rows of one group belong together; so do rows that follow each other in a split by time, in blocks as
    long as there are blocks (Carlstein 1986, Annals of Statistics 14:1171): each resembles the next.
    """
    part = getattr(dataset, split)
    groups, grouping = None, "cluster"
    if dataset.group is not None:
        groups = pd.factorize(dataset.rows(split)[dataset.group])[0].astype(np.int64)
    elif dataset.in_order:
        groups, grouping = np.arange(len(part)) // math.isqrt(len(part)), "block"
    return Evidence(
        y=np.asarray(part.y),
        predictions=predictions,
        weight=None if part.weight is None else np.asarray(part.weight, dtype=np.float64),
        n_classes=len(dataset.classes or ()),
        rows=partial(dataset.rows, split),
        groups=groups,
        grouping=grouping,
        stratified=dataset.stratified,
    )
