"""What every peer shares: points, rows and model flow out; what each point scored flows in, to best.json.

The file named in the environment variable WORK says what the work is.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

WORK = json.loads(Path(os.environ["WORK"]).read_text())
GRID: Mapping[str, list[Any]] = WORK["grid"]
WORKERS: int = WORK["workers"]


class Rows(NamedTuple):
    X_train: np.ndarray
    y_train: np.ndarray
    X_validation: np.ndarray
    y_validation: np.ndarray


def points() -> list[dict[str, Any]]:
    """Return every point of the grid, in declared order."""
    return [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]


def rows() -> Rows | None:
    """Return training and validation rows; None for work without data."""
    if WORK["rows"] is None:
        return None
    with np.load(WORK["rows"]) as arrays:
        return Rows(**{name: arrays[name] for name in Rows._fields})


def model(params: Mapping[str, Any], threads: int = 1) -> Any:
    """Return the unfitted model of a point."""
    if WORK["library"] == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=100, tree_method="hist", random_state=0, n_jobs=threads, **params)
    if WORK["library"] == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=100,
            subsample_freq=1,
            force_col_wise=True,
            random_state=0,
            verbose=-1,
            n_jobs=threads,
            **params,
        )
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, **params)


def score(params: Mapping[str, Any], data: Rows | None, threads: int = 1) -> float:
    """Return the validation accuracy of a point."""
    if data is None:
        return 1.0
    from sklearn.metrics import accuracy_score

    fitted = model(params, threads).fit(data.X_train, data.y_train)
    return float(accuracy_score(data.y_validation, fitted.predict(data.X_validation)))


def tell(scored: Iterable[tuple[Mapping[str, Any], float]]) -> None:
    """Write the best point; of equal ones the one declared first."""
    declared = {tuple(point.items()): place for place, point in enumerate(points())}
    found = sorted(
        (-float(value), declared[tuple((name, params[name]) for name in GRID)]) for params, value in scored
    )
    value, place = found[0]
    best = {"params": points()[place], "score": -value, "points": len({place for _, place in found})}
    Path(os.environ["WORK"]).with_name("best.json").write_text(json.dumps(best))
