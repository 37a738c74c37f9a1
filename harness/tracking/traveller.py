"""A best trial's record in; the two small files that travel in the folder of its MLflow model out.

They are in the model's own folder, so that they are there, too, when somebody registers it by hand.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.results import BestRecord, TrialRecord

__tracebackhide__ = True

FACTS = "harness.json"
SEEN = "harness-rows.npy"
"""Numbers of the rows that the model was trained or validated on (`models.seen`)."""


def facts(trial: TrialRecord, best: BestRecord | None) -> dict[str, Any]:
    """Return what is told of a champion of which only the model is at hand."""
    return {
        "experiment": trial.experiment,
        "node_id": trial.node_id,
        "params": dict(trial.params),
        "estimator": trial.estimator,
        "features": list(trial.features),
        "dataset": trial.dataset,
        "data_digest": trial.data_digest,
        "model_digest": best.model_digest if best else None,
        "objective": trial.objective,
        "scores": {split: dict(values) for split, values in trial.scores.items()},
        "fit_seconds": trial.fit_seconds,
    }


def pack(folder: Path, told: Mapping[str, Any], rows: Path | None) -> None:
    """Write both files into the folder of a saved MLflow model; rows: file of `models.seen.save`."""
    (folder / FACTS).write_text(json.dumps(told, indent=1, default=repr), encoding="utf-8")
    if rows is not None:
        shutil.copy(rows, folder / SEEN)
