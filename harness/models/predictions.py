"""A fitted estimator and rows flow in; what it says about them, by class code, flows out.

Stands alone (numpy and pandas): it travels inside a pickled model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__tracebackhide__ = True


class OutputError(ValueError):
    """An estimator predicted something that is not of the data it was fitted on."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What an estimator says about n rows.

    labels: (n,) int64 class codes 0..K-1 (classification) or float64 values (regression).
    probability: (n, K), column k for class code k, in the estimator's own floating dtype (float32 of
        XGBoost: scikit-learn's `log_loss` allows for it); None when the estimator has none.
    ranking: binary (n,), higher means class code 1; multiclass (n, K); the probabilities where there are any,
        else the decision function; None when there is neither.
    """

    labels: NDArray[Any]
    probability: NDArray[np.floating[Any]] | None = None
    ranking: NDArray[np.floating[Any]] | None = None

    def save(self, path: Path) -> None:
        """Write the arrays to an .npz file."""
        arrays = {"labels": self.labels, "probability": self.probability, "ranking": self.ranking}
        np.savez(path, allow_pickle=False, **{n: a for n, a in arrays.items() if a is not None})

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Return what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})


def outputs(estimator: Any, X: Any, task: str, n_classes: int | None) -> Predictions:
    """Return what a fitted estimator says about the rows of `X`.

    X: (n, columns), as the estimator was fitted on.
    task: "binary", "multiclass" or "regression"; n_classes: K, None for regression.

    A class that was absent from training gets probability 0.
    Raises OutputError for a wrong number of values, values that are not finite, or labels outside 0..K-1.
    """
    X = safely_named(estimator, X)
    rows = X.shape[0]
    who = type(estimator).__name__
    if task == "regression" or n_classes is None:
        return Predictions(_values(estimator.predict(X), (rows,), f"{who}.predict").astype(np.float64))
    seen = getattr(estimator, "classes_", None)
    known = np.arange(n_classes) if seen is None else _codes(seen, n_classes, f"{who}.classes_")
    probability = ranking = None
    if callable(getattr(estimator, "predict_proba", None)):
        given = _values(estimator.predict_proba(X), (rows, len(known)), f"{who}.predict_proba")
        if given.size and (given.min() < 0 or given.max() > 1 + 1e-6):
            raise OutputError(
                f"{who}.predict_proba gave values between {given.min():.3g} and {given.max():.3g}"
            )
        probability = given
        if not np.array_equal(known, np.arange(n_classes)):
            probability = np.zeros((rows, n_classes), dtype=given.dtype)
            probability[:, known] = given
        ranking = probability[:, 1] if n_classes == 2 else probability
    elif callable(getattr(estimator, "decision_function", None)):
        ranking = _ranking(estimator, X, known, n_classes)
    if probability is not None and predicts_likeliest(estimator):
        return Predictions(probability.argmax(axis=1), probability, ranking)
    labels = _values(estimator.predict(X), (rows,), f"{who}.predict")
    return Predictions(_codes(labels, n_classes, f"{who}.predict"), probability, ranking)


def _values(given: Any, shape: tuple[int, ...], what: str) -> NDArray[Any]:
    array = np.asarray(given)
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:  # CatBoost and neural networks give a column
        array = array[..., 0]
    if array.shape != shape:
        raise OutputError(f"{what} gave an array of shape {array.shape}, not {shape}")
    if array.dtype.kind == "O":
        array = pd.Series(array).infer_objects().to_numpy()
    if array.dtype.kind not in "biuf":
        raise OutputError(f"{what} gave {array[:1].tolist()[0]!r}, which is not a number")
    if not np.isfinite(array).all():
        raise OutputError(f"{what} gave {int((~np.isfinite(array)).sum())} values that are NaN or infinite")
    return array if len(shape) == 1 or array.dtype.kind == "f" else array.astype(np.float64)


def _codes(given: Any, n_classes: int, what: str) -> NDArray[np.int64]:
    array = np.asarray(given)
    codes = array.astype(np.int64) if array.dtype.kind in "biuf" else None
    if codes is None or (codes != array).any() or ((codes < 0) | (codes >= n_classes)).any():
        wrong = array if codes is None else array[(codes != array) | (codes < 0) | (codes >= n_classes)]
        raise OutputError(
            f"{what} has the label {wrong[:1].tolist()[0]!r}, which is not one of 0..{n_classes - 1}"
        )
    return codes


def _ranking(
    estimator: Any, X: Any, known: NDArray[np.int64], n_classes: int
) -> NDArray[np.floating[Any]] | None:
    shape = (X.shape[0],) if n_classes == 2 else (X.shape[0], n_classes)
    given = np.asarray(estimator.decision_function(X))
    pairwise = getattr(estimator, "decision_function_shape", "ovr") == "ovo"
    if given.shape != shape or len(known) < n_classes or pairwise:  # no score for each class
        return None
    return _values(given, shape, f"{type(estimator).__name__}.decision_function").astype(
        np.float64, copy=False
    )


_LIKELIEST = {
    "xgboost.sklearn": {"XGBClassifier", "XGBRFClassifier"},
    "lightgbm.sklearn": {"LGBMClassifier"},
    "sklearn.ensemble._forest": {"RandomForestClassifier", "ExtraTreesClassifier"},
    "sklearn.tree._classes": {"DecisionTreeClassifier", "ExtraTreeClassifier"},
}


def predicts_likeliest(estimator: Any) -> bool:
    """Return whether `predict` is known to be the argmax of `predict_proba`, ties included.

    Read from source, only these: others differ in ties (logistic regression and HistGradientBoosting decide
    on the sign of the margin) or in principle (support vector machines).
    """
    kind = type(estimator)
    if (kind.__module__, kind.__name__) == ("sklearn.pipeline", "Pipeline"):
        return predicts_likeliest(estimator.steps[-1][1])
    objective = getattr(estimator, "objective", None)
    known = kind.__name__ in _LIKELIEST.get(kind.__module__, ())
    return known and not callable(objective) and objective != "multi:softmax"


def parts(estimator: Any) -> list[Any]:
    """Return an estimator and all that it has among its parameters (`get_params`), however deep."""
    parameters = getattr(estimator, "get_params", None)
    if not callable(parameters) or isinstance(estimator, type):
        return [estimator]
    return [estimator, *parameters(deep=True).values()]


def library(estimator: Any) -> str | None:
    """Return "xgboost" or "lightgbm" for an estimator of their scikit-learn interface, else None."""
    if not callable(getattr(estimator, "fit", None)):
        return None
    roots = [kind.__module__.partition(".")[0] for kind in type(estimator).__mro__]
    return next((root for root in roots if root in ("xgboost", "lightgbm")), None)


_UNSAFE = re.compile(r"[\[\]{}<>\",:\s]")


def safely_named(estimator: Any, X: Any) -> Any:
    """Return `X` with column names that XGBoost and LightGBM accept, if the estimator is made of them.

    They refuse brackets, `<` and what has a meaning in JSON; these become underscores, the same in every fit
    and prediction. An estimator with a transformer inside may select columns by name: it gets them unchanged.
    """
    if not isinstance(X, pd.DataFrame):
        return X
    names = [str(name) for name in X.columns]
    safe = [_UNSAFE.sub("_", name) for name in names]
    if safe == names:
        return X
    inside = parts(estimator)
    selects = any(hasattr(part, "transform") and not hasattr(part, "predict") for part in inside)
    if selects or not any(library(part) for part in inside):
        return X
    taken: set[str] = set()
    for i, name in enumerate(safe):
        while safe[i] in taken:
            safe[i] = f"{name}_{i}" if safe[i] == name else f"{safe[i]}_"
        taken.add(safe[i])
    return X.set_axis(safe, axis=1)
