"""Raw feature rows flow in; labels, probabilities or values of the fitted estimator flow out.

With `columns` and `predictions` it travels inside a pickled model, which then needs neither the harness nor
the user's project: these three import numpy and pandas only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.models.columns import Column, conform, describe
from harness.models.pickling import dumps, loads
from harness.models.predictions import OutputError, Predictions, outputs

__all__ = ["Model", "OutputError", "Predictions", "Step", "container", "dumps", "loads", "outputs"]

__tracebackhide__ = True


def container(given: Any) -> Any:
    """Return what a transformer gave as a DataFrame, a csr_matrix or an array."""
    if hasattr(given, "tocsr"):
        # scipy is there only if something gave a sparse matrix; LightGBM takes no csr_array
        from scipy.sparse import csr_matrix

        return csr_matrix(given)
    if isinstance(given, pd.Series):
        return given.to_frame()
    if isinstance(given, pd.DataFrame):
        return given
    array = np.asarray(given)
    return array.reshape(-1, 1) if array.ndim == 1 else array


def in_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose numbers, if all columns have one dtype, are one array, row after row.

    The same values in another order of memory may give another last bit of a matrix product; so
    that every process has the same, there is one order, which estimators take without a copy.
    """
    kinds = set(frame.dtypes)
    if len(kinds) != 1 or not (isinstance(kind := kinds.pop(), np.dtype) and kind.kind in "biufc"):
        return frame
    values = frame.to_numpy()
    if values.flags.c_contiguous:
        return frame
    return pd.DataFrame(np.ascontiguousarray(values), index=frame.index, columns=frame.columns, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Fitted features: rows in, transformed rows in the container of the training rows out."""

    name: str
    transformer: Any
    names: Sequence[Any] = ()
    """Of the columns that come out."""
    dtypes: Mapping[Any, Column] = field(default_factory=dict)
    """Of the training columns that came as a DataFrame or as Python objects; empty for other arrays."""

    def __call__(self, X: Any, index: pd.Index) -> Any:
        """Return the transformed rows as `contain` does."""
        return self.contain(self.transformer.transform(X), index)

    def contain(self, given: Any, index: pd.Index) -> Any:
        """Return what the transformer gave for the rows `index`, as a DataFrame or a csr_matrix.

        A DataFrame is laid out as `in_rows` does it.
        Raises OutputError for another number, another order or other columns than the training rows'.
        """
        given = container(given)
        if given.ndim != 2 or given.shape[0] != len(index):
            raise OutputError(f"gave an array of shape {given.shape} for {len(index)} rows")
        if given.shape[1] != len(self.names):
            raise OutputError(f"gave {given.shape[1]} columns, and {len(self.names)} for the training rows")
        if hasattr(given, "tocsr"):
            return given
        if isinstance(given, pd.DataFrame):
            given = self._in_order(given, index)
        else:
            given = pd.DataFrame(given, index=index, columns=list(self.names))
        return in_rows(conform(given, self.dtypes) if self.dtypes else given)

    def _in_order(self, frame: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
        if list(frame.columns) != list(self.names):
            strange = [name for name in frame.columns if name not in self.names] or list(frame.columns)
            raise OutputError(
                f"gave other columns than for the training rows: {', '.join(map(str, strange))}"
            )
        if frame.index.equals(index):
            return frame
        if frame.index.isin(index).all() and index.isin(frame.index).all():
            fresh = frame.index.equals(pd.RangeIndex(len(frame)))
            doubt = ", or a new index that looks like it (keep the index, or give an array)" if fresh else ""
            raise OutputError(f"gave the rows in another order{doubt}")
        return frame.set_axis(index, axis=0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Model:
    """A fitted estimator with the features it needs: raw rows in, original labels or values out."""

    columns: Mapping[Any, Column]
    """What raw rows must have, in order."""
    steps: Sequence[Step]
    estimator: Any
    task: str
    classes: Sequence[Any] | None
    """Original labels in the order of the codes; None for regression."""

    @classmethod
    def of(cls, estimator: Any, data: Any) -> Model:
        """Return the model of an estimator fitted on a `Dataset`, features included."""
        classes = None if data.classes is None else list(data.classes)
        return cls(describe(data.raw.train.X), tuple(data.steps), estimator, data.task, classes)

    def __repr__(self) -> str:
        names = [step.name for step in self.steps] + [type(self.estimator).__name__]
        return f"<Model {' > '.join(names)}>"

    def transform(self, X: pd.DataFrame) -> Any:
        """Return raw rows as the estimator takes them.

        X: (n, columns), in any order; columns beyond the training ones are ignored, dtypes restored, and
            categories that training did not know are missing values.
        Raises ValueError naming the columns that are missing or cannot be cast.
        """
        rows: Any = conform(X, self.columns)
        for step in self.steps:
            rows = step(rows, X.index)
        return rows

    def outputs(self, X: pd.DataFrame) -> Predictions:
        """Return codes, probabilities and ranking of raw rows."""
        n_classes = None if self.classes is None else len(self.classes)
        return outputs(self.estimator, self.transform(X), self.task, n_classes)

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return (n,) original labels (classification) or float64 values (regression) of raw rows."""
        labels = self.outputs(X).labels
        return labels if self.classes is None else _array(self.classes)[labels]

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.floating[Any]]:
        """Return (n, K) probabilities of raw rows, columns in the order of `classes`.

        Raises AttributeError if the estimator gives none.
        """
        who = type(self.estimator).__name__
        if self.classes is None:
            raise AttributeError(f"the model is a regression ({who}): it has no probabilities, only predict")
        probability = self.outputs(X).probability
        if probability is None:
            raise AttributeError(
                f"{who} gives no probabilities, only predict; CalibratedClassifierCV adds them"
            )
        return probability


def _array(classes: Sequence[Any]) -> NDArray[Any]:
    kinds = {type(label) for label in classes}
    if len(kinds) == 1:
        return np.asarray(classes)
    labels = np.empty(len(classes), dtype=object)  # numpy would make 1 and "a" both text
    labels[:] = classes
    return labels
