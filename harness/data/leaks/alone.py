"""A column and the target in; how well the target is known from that column alone, out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.labels import quote
from harness.data.leaks.leak import Leak
from harness.data.leaks.measure import Numbers, auc, r2
from harness.data.leaks.sample import sample
from harness.data.leaks.steps import Column, predictions, read
from harness.data.loaded import feature_columns
from harness.data.partition import Partition
from harness.data.target import Target
from harness.declarations import DatasetDeclaration

LIMIT = 0.99
"""ROC AUC or R² on validation rows, from which a column is told."""
_WITHIN = 0.95
"""Which one half of the training rows must reach on the other: few validation rows are met by chance."""
_TRAIN, _VALIDATION = 10_000, 5_000
_CLASSES = 30
"""The most frequent ones are looked at."""


def telling_columns(
    frame: pd.DataFrame, declaration: DatasetDeclaration, target: Target, partition: Partition
) -> tuple[Leak, ...]:
    """Return a leak for each column that predicts the target almost alone, in loaded order.

    From training rows (10,000 at most) come the mean target of each value of the column, of numbers that
    of up to 284 ranges, and if the rows are few, a curve and a straight line, too. Missing is a value like
    any other. The best of them counts on the validation rows (5,000 at most), by R², or by ROC AUC, for
    more than two classes the mean of one against the rest over the 30 most frequent. That is a tree of
    this column alone, without the search for cuts, which would cost seconds.
    """
    train = sample(partition.train, _TRAIN)
    validation = sample(partition.validation, _VALIDATION)
    rows = np.concatenate([train, validation])
    judge = _Judge(target, rows, len(train))
    if judge.rarest < _FEWEST:
        return ()
    found = []
    for name in feature_columns(frame, declaration):
        reached = judge.reached(read(frame[name].iloc[rows]))
        if reached is not None:
            score = f"{judge.measure} {_shown(reached)} on validation rows"
            found.append(
                Leak(
                    kind="column",
                    columns=(name,),
                    problem=f"column {quote(name)} predicts the target almost alone, with {score}",
                    remedy=f"write drop={quote(name)} if it is not known before the target",
                )
            )
    return tuple(found)


_FEWEST = 10
"""Training rows of a class below which, of twenty columns, one separates it by chance."""


class _Judge:
    """How well a column does on the sampled rows, of which the first `learnt` are training rows."""

    def __init__(self, target: Target, rows: NDArray[np.int64], learnt: int) -> None:
        values = target.values[rows]
        self._learnt, self._asked = np.arange(learnt), np.arange(learnt, len(rows))
        self._halves = np.array_split(np.random.default_rng(0).permutation(learnt), 2)
        self._score: Callable[[Numbers, Numbers, float], float | None] = r2
        self.measure = "R²"
        if target.classes is None:
            self._truth = values.astype(np.float64)[:, None]
            return
        self._score, self.measure = auc, "ROC AUC"
        looked_at = [1]
        if len(target.classes) > 2:
            looked_at = np.argsort(-np.bincount(values[:learnt]), kind="stable")[:_CLASSES].tolist()
        self._truth = (values[:, None] == np.array(looked_at)).astype(np.float64)

    @property
    def rarest(self) -> int:
        """Training rows of the rarest class that is looked at, or of all others; of values, all rows."""
        truth = self._truth[self._learnt]
        if self.measure != "ROC AUC":
            return len(truth)
        here = truth.sum(axis=0)
        return int(min(here.min(), (len(truth) - here).min()))

    def reached(self, column: Column) -> float | None:
        """Return the score of a column that predicts the target almost alone, None of another."""
        score = self._best(column, self._learnt, self._asked)
        if score is not None and score < LIMIT:
            return None
        one, other = self._halves
        within = [self._best(column, one, other), self._best(column, other, one)]
        known = [half for half in within if half is not None]
        if not known or np.mean(known) < (LIMIT if score is None else _WITHIN):
            return None
        return float(np.mean(known)) if score is None else score

    def _best(self, column: Column, learnt: NDArray[np.int64], asked: NDArray[np.int64]) -> float | None:
        if not len(learnt) or not len(asked):
            return None
        truth = self._truth[asked]
        answers = predictions(column, self._truth[learnt], learnt, asked)
        scores = [self._score(truth, answer, _WITHIN) for answer in answers]
        return max((score for score in scores if score is not None), default=None)


def _shown(score: float) -> str:
    return f"{np.floor(score * 1000) / 1000:.3f}"  # 1.000 only if it is
