"""The rows of the table: which work, by which runners, against which targets."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One piece of work."""

    name: str
    title: str
    library: str
    """Whose model; names the harness's experiment file, too."""
    grid: Mapping[str, Sequence[Any]]
    rows: int | None
    """Rows of data, 30 columns each; None: there is no data."""
    runners: Sequence[str]
    reference: str = "harness"
    """The runner whose time is divided by those of the others."""
    at_most: Mapping[str, float] = field(default_factory=dict)
    """The ratio to reach, by runner."""

    @property
    def size(self) -> int:
        """Number of points in the grid."""
        return len(points(self.grid))


def points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every point of a grid, the last name changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


BOOSTED: Mapping[str, Sequence[Any]] = {
    "max_depth": [3, 4, 6, 8],
    "learning_rate": [0.05, 0.1, 0.3],
    "subsample": [0.7, 1.0],
}
SEARCHES = ("harness", "harness-off", "joblib", "gridsearch", "optuna", "ray", "ray-reuse", "pytest")


def _boosted(library: str, rows: int, at_most: Mapping[str, float] = {}) -> Row:
    return Row(
        name=f"{library}-{rows // 1000}k",
        title=f"24 fits of {library}, 100 trees, {rows:,} rows x 30",
        library=library,
        grid=BOOSTED,
        rows=rows,
        runners=SEARCHES,
        at_most=at_most,
    )


def _noop(trials: int, *more: str, at_most: Mapping[str, float] = {}) -> Row:
    return Row(
        name=f"noop-{trials}",
        title=f"{trials:,} trials that log a constant" if trials > 1 else "one trial that logs a constant",
        library="noop",
        grid={"number": list(range(trials))},
        rows=None,
        runners=("harness-off", "pytest", *more),
        reference="harness-off",
        at_most=at_most,
    )


_LOGISTIC = Row(
    name="logistic",
    title="200 fits of LogisticRegression, 2,000 rows x 30",
    library="logistic",
    grid={"C": np.logspace(-3, 3, 200).tolist()},
    rows=2_000,
    runners=(
        "harness",
        "harness-off",
        "joblib",
        "gridsearch",
        "gridsearch-mlflow",
        "gridsearch-mlflow-all",
        "optuna",
        "pytest",
    ),
    at_most={"gridsearch-mlflow": 0.5, "gridsearch-mlflow-all": 0.5},
)

_RESUME = Row(
    name="resume",
    title="the run of xgboost-20k, then once more with --resume, nothing changed",
    library="xgboost",
    grid=BOOSTED,
    rows=20_000,
    runners=("harness", "harness-resume"),
    reference="harness-resume",
)

ROWS: Mapping[str, Row] = {
    row.name: row
    for row in (
        _boosted("xgboost", 20_000, {"joblib": 1.15, "gridsearch": 0.85, "ray": 0.25}),
        _boosted("xgboost", 200_000, {"joblib": 0.85, "gridsearch": 0.75}),
        _boosted("lightgbm", 20_000),
        _boosted("lightgbm", 200_000),
        _LOGISTIC,
        _noop(1),
        _noop(1_000, "harness"),
        _noop(5_000, "joblib", at_most={"pytest": 2.0}),
        _noop(10_000),
        _RESUME,
    )
}


def choose(names: Sequence[str]) -> list[Row]:
    """Return the named rows; `noop` means every `noop-…`, no name means all. Raises KeyError."""
    found: dict[str, Row] = {}
    for name in names or ROWS:
        rows = [ROWS[name]] if name in ROWS else [r for n, r in ROWS.items() if n.startswith(f"{name}-")]
        if not rows:
            raise KeyError(name)
        found |= {row.name: row for row in rows}
    return list(found.values())
