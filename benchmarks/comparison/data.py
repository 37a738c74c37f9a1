"""A number of rows in; the same rows and splits as files for the harness and for its peers out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

ARRAYS = ("X_train", "y_train", "X_validation", "y_validation")


class DifferentRows(Exception):
    """The harness trains on other rows than its peers: nothing may be compared."""


@dataclass(frozen=True, slots=True)
class Data:
    """One set of rows on disk."""

    frame: Path
    """Parquet: all rows, 30 float32 columns and `label`. The harness divides them itself."""
    arrays: Path
    """npz: training and validation rows, as the peers get them."""


def make(rows: int, folder: Path) -> Data:
    """Write rows of two classes, and the split that `@dataset(split=(0.7, 0.2, 0.1), seed=0)` promises."""
    X, y = make_classification(rows, 30, n_informative=12, random_state=0)
    X = X.astype(np.float32)
    data = Data(folder / f"rows-{rows}.parquet", folder / f"rows-{rows}.npz")
    frame = pd.DataFrame(X, columns=[f"x{i:02}" for i in range(X.shape[1])])
    frame.assign(label=y).to_parquet(data.frame, index=False)
    n_test, n_validation = math.ceil(rows / 10), math.ceil(rows * 2 / 10)
    rest, _ = train_test_split(np.arange(rows), test_size=n_test, random_state=0, stratify=y)
    train, validation = train_test_split(rest, test_size=n_validation, random_state=0, stratify=y[rest])
    np.savez(
        data.arrays,
        X_train=X[train],
        y_train=y[train],
        X_validation=X[validation],
        y_validation=y[validation],
    )
    return data


def check(expected: Path, seen: Path) -> None:
    """Raise DifferentRows unless two npz files hold the same rows in the same order."""
    with np.load(expected) as ours, np.load(seen) as theirs:
        for name in ARRAYS:
            if ours[name].shape != theirs[name].shape:
                raise DifferentRows(f"{name} has shape {theirs[name].shape}, not {ours[name].shape}")
            if not np.array_equal(ours[name], theirs[name]):
                wrong = np.flatnonzero(np.any(np.atleast_2d((ours[name] != theirs[name]).T).T, axis=1))
                raise DifferentRows(f"{name} differs in {len(wrong)} rows, first in row {wrong[0]}")
