"""What is true and what was expected of rows in; R² or ROC AUC out, fast enough for hundreds of columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def r2(truth: Numbers, expected: Numbers) -> float | None:
    """Return the coefficient of determination; None if the truth is the same in all rows."""
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - expected) ** 2).sum()) / spread if spread else None


def auc(truth: Numbers, expected: Numbers) -> float | None:
    """Return the mean area under the ROC curve over the columns of truth, zeros and ones.

    Both are of shape (rows, classes). None if no class is both met and not met.
    """
    areas = [_area(truth[:, k] > 0, expected[:, k]) for k in range(truth.shape[1])]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None


def _area(positive: NDArray[np.bool_], score: Numbers) -> float | None:
    hits = int(positive.sum())
    others = len(positive) - hits
    if not hits or not others:
        return None
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # ties share their mean rank
    return float((ranks[place][positive].sum() - hits * (hits + 1) / 2) / (hits * others))
