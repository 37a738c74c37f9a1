"""Declarations for tests: the options that matter in, a whole record out."""

from typing import Any

import pandas as pd

from harness.declarations import DatasetDeclaration


def _loader() -> pd.DataFrame:
    raise AssertionError("a test gives its rows itself")


def declare(**options: Any) -> DatasetDeclaration:
    """Return the record that `@dataset("y", **options)` leaves on a loader called `people`."""
    defaults: dict[str, Any] = {
        "name": "people",
        "loader": _loader,
        "target": "y",
        "contract": None,
        "split": (0.7, 0.2, 0.1),
        "seed": 0,
        "stratify": None,
        "group": None,
        "time": None,
        "key": None,
        "weight": None,
        "drop": (),
        "task": None,
        "positive": None,
        "leaks": "warn",
    }
    return DatasetDeclaration(**{**defaults, **options})
