"""True values and predictions of some rows flow in; what metrics are computed from flows out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from harness.models.model import Predictions
from harness.scikit import metrics as sk
from harness.uncertainty.resamples import Units, units

__tracebackhide__ = True


@dataclass(frozen=True)
class Evidence:
    """The n rows that a score is computed from.

    y: (n,) int64 codes 0..K-1 (classification) or float64 values (regression).
    weight: (n,) float64, or None for equal weights.
    n_classes: K, 0 for regression.
    rows: gives the n raw rows; called only for a slice or for a `@metric` that takes `X`.
    groups: (n,) codes of rows that belong together, None if each stands for itself.
    grouping: what the groups are, as methods of intervals call it: "cluster", or "block" of a time.
    stratified: whether it was settled before the rows were drawn how many each class has. Where it was not,
    resamples must not settle it either: much of what a log loss may be hangs on it.
    """

    y: NDArray[Any]
    predictions: Predictions
    weight: NDArray[np.float64] | None
    n_classes: int
    rows: Callable[[], DataFrame]
    groups: NDArray[np.int64] | None = None
    grouping: str = "cluster"
    stratified: bool = False

    def __len__(self) -> int:
        return len(self.y)

    def take(self, mask: NDArray[np.bool_]) -> Evidence:
        """Return the evidence of the rows where `mask` (n,) is True."""
        return self.at(np.flatnonzero(mask))

    def at(self, positions: NDArray[np.intp]) -> Evidence:
        """Return the evidence of the rows at `positions` (m,), which may be repeated."""
        said = self.predictions
        return Evidence(
            y=self.y[positions],
            predictions=Predictions(
                labels=said.labels[positions],
                probability=None if said.probability is None else said.probability[positions],
                ranking=None if said.ranking is None else said.ranking[positions],
            ),
            weight=None if self.weight is None else self.weight[positions],
            n_classes=self.n_classes,
            rows=partial(_select, self.rows, positions),
            groups=None if self.groups is None else self.groups[positions],
            grouping=self.grouping,
        )

    def repeated(self, times: int) -> Evidence:
        """Return the evidence of as many rows of each kind, and groups, `times` over."""
        n = len(self)
        again = replace(self.at(np.tile(np.arange(n), times)), stratified=self.stratified)
        if self.groups is None:
            return again
        step = np.repeat(np.arange(times) * (self.groups.max() + 1), n)
        return replace(again, groups=np.tile(self.groups, times) + step)

    @cached_property
    def truth(self) -> NDArray[Any]:
        """`y` in the narrowest type: scikit-learn sorts labels in every call, and narrow ones quicker."""
        return self._narrow(self.y)

    @cached_property
    def answer(self) -> NDArray[Any]:
        """The predicted labels or values, in the type of `truth`."""
        return self._narrow(self.predictions.labels)

    @cached_property
    def precision_recall_f1(self) -> tuple[float, float, float]:
        """Three metrics from one pass; for many classes the mean over those that occur in these rows."""
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            self.truth,
            self.answer,
            average="binary" if self.n_classes == 2 else "macro",
            sample_weight=self.weight,
            zero_division=0,
        )
        return float(precision), float(recall), float(f1)

    def absent(self) -> list[int]:
        """Return the codes of the classes that no row of positive weight has."""
        y = self.y if self.weight is None else self.y[self.weight > 0]
        return [int(code) for code in np.setdiff1d(np.arange(self.n_classes), y)]

    @cached_property
    def units(self) -> Units:
        """What a resample draws: rows, within their class if they came so, or whole groups."""
        return units(len(self), self.y if self.stratified and self.n_classes else None, self.groups)

    @cached_property
    def normalized(self) -> bool:
        """Whether probabilities lie in 0..1 and sum to 1, as near as single precision comes; nan may pass."""
        p = self.predictions.probability
        if p is None:
            return True
        outside = (p < 0) | (abs(p.sum(axis=1, keepdims=True) - 1) > 1e-3)
        return not outside.any()

    def unfit(self, needs: str) -> int:
        """Return for how many rows the labels, or what else is needed, are no finite number or no class."""
        labels = self.predictions.labels
        bad = (labels < 0) | (labels >= self.n_classes) if self.n_classes else ~np.isfinite(labels)
        values = {"probability": self.predictions.probability, "ranking": self.predictions.ranking}.get(needs)
        if values is not None:
            bad = bad | ~np.isfinite(values).reshape(len(self), -1).all(axis=1)
        return int(bad.sum())

    def _narrow(self, values: NDArray[Any]) -> NDArray[Any]:
        return values.astype(np.min_scalar_type(-self.n_classes)) if self.n_classes else values


def _select(rows: Callable[[], DataFrame], positions: NDArray[np.intp]) -> DataFrame:
    return rows().iloc[positions]
