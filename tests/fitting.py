"""Features made in tests: a transformer and data in, what it learnt and every bit of it out."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from harness.data.dataset import Dataset
from harness.declarations import FeaturesDeclaration
from harness.models.transforms import Fitted, learn

KEY = "0123456789abcdef" * 2


def wide(rows: int = 3000) -> pd.DataFrame:
    """Enough numbers for a sum in another order to end in another bit."""
    values = np.random.default_rng(0).normal(size=(rows, 20)) * np.logspace(-6, 6, 20)
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(20)])


def learnt(transformer: Any, data: Dataset) -> Fitted:
    """What features called "made" learn from data."""

    def made() -> None: ...

    return learn(FeaturesDeclaration(name="made", function=made), data, transformer, project=Path("/project"))


def bits(X: Any) -> list[Any]:
    """All of some rows that an estimator can tell."""
    if isinstance(X, pd.DataFrame):
        array = np.asarray(X)
        columns = [(name, str(X[name].dtype), _content(X[name])) for name in X]
        return [columns, X.index.tolist(), array.dtype, array.strides, array.flags.c_contiguous]
    assert type(X) is csr_matrix
    return [X.shape, *((part.dtype, part.tobytes()) for part in (X.data, X.indices, X.indptr))]


def _content(column: pd.Series) -> str:
    content = column.to_numpy().tobytes() if column.dtype.kind in "biuf" else repr(column.tolist()).encode()
    return hashlib.sha1(content).hexdigest()
