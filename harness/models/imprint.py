"""A trial's record and what its model says about the validation rows in; a digest of the model out."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.predictions import Predictions
from harness.results import TrialRecord

__tracebackhide__ = True

_STEP = 1e-6
"""Relative to the largest prediction: what the same model may differ by on two machines (rule 5)."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def digest(trial: TrialRecord, said: Predictions) -> str:
    """Return 32 hex digits that are the same for a model that is trained again, in whatever process.

    said: about the validation rows. They count with the digest of the data, the hyperparameters, the class
    of the estimator and the names of the features. The pickle would not do: cloudpickle gives each class
    that travels a random number, and sets of strings stand in it in any order.
    """
    made = hashlib.blake2b(digest_size=16)
    about = [trial.data_digest, trial.estimator, list(trial.features), dict(sorted(trial.params.items()))]
    made.update(_ADDRESS.sub("", json.dumps(about, default=repr)).encode())
    for values in (said.labels, said.probability, said.ranking):
        if values is not None:
            made.update(json.dumps([values.dtype.kind, values.shape]).encode())
            made.update(_steps(values))
    return made.hexdigest()


def _steps(values: NDArray[Any]) -> bytes:
    if values.dtype.kind != "f":
        return values.astype("<i8").tobytes()
    wide = values.astype(np.float64)
    finite = np.abs(wide[np.isfinite(wide)])
    largest = float(finite.max()) if finite.size else 0.0
    scale = 10.0 ** math.ceil(math.log10(largest)) if largest > 0 else 1.0
    rounded = np.round(np.nan_to_num(wide) / (scale * _STEP)) + 0.0  # no negative zero
    return rounded.astype("<f8").tobytes()
