"""Machine-learning experiments as tests.

The names below are what a user writes; everything heavy is imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.decorators import dataset, experiment, features, grid, metric, search
from harness.errors import HarnessError, LeakageError, SealedError
from harness.ranges import choice, integers, loguniform, uniform

if TYPE_CHECKING:
    from harness.data.dataset import Dataset
    from harness.scoring.scores import Score, Scores
    from harness.trial import Trial

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "HarnessError",
    "LeakageError",
    "Score",
    "Scores",
    "SealedError",
    "Trial",
    "choice",
    "dataset",
    "experiment",
    "features",
    "grid",
    "integers",
    "loguniform",
    "metric",
    "search",
    "uniform",
]

_HEAVY = {
    "Dataset": "data.dataset",
    "Score": "scoring.scores",
    "Scores": "scoring.scores",
    "Trial": "trial",
}


def __getattr__(name: str) -> Any:
    if name in _HEAVY:
        import importlib

        return getattr(importlib.import_module(f"harness.{_HEAVY[name]}"), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
