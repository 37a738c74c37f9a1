"""What is true and what was expected of rows in; R² or ROC AUC out, fast enough for hundreds of columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def r2(truth: Numbers, expected: Numbers, _: float = 0.0) -> float | None:
    """Return the coefficient of determination; None if the truth is the same in all rows.

    Its third argument is that of `auc`, which has a use for it.
    """
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - expected) ** 2).sum()) / spread if spread else None


def auc(truth: Numbers, expected: Numbers, least: float = 0.0) -> float | None:
    """Return the mean area under the ROC curve over the columns of truth, zeros and ones.

    Both are of shape (rows, classes). None if no class is both met and not met.
    least: below it the answer may be too high, but is still below.
    """
    classes = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    lacking = 0.0
    for k in classes:
        lacking += (1 - _area(truth[:, k] > 0, expected[:, k])) / len(classes)
        if 1 - lacking < least:
            break
    return 1 - lacking if classes else None


def _area(positive: NDArray[np.bool_], score: Numbers) -> float:
    hits = int(positive.sum())
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # ties share their mean rank
    above = float(ranks[place][positive].sum()) - hits * (hits + 1) / 2
    return above / (hits * (len(positive) - hits))
