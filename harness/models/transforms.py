"""An unfitted transformer and a data set flow in; the data set of transformed rows flows out."""

from __future__ import annotations

import hashlib
import inspect
import pickle
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from harness.data.dataset import Dataset
from harness.declarations import FeaturesDeclaration
from harness.errors import FeaturesError
from harness.models.columns import describe
from harness.models.model import Step, container
from harness.models.pickling import dumps
from harness.models.predictions import OutputError
from harness.models.threads import bound
from harness.scikit import base

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What a transformer learnt, and what it made of the rows it may see."""

    step: Step
    pickled: bytes
    """The step."""
    train: Any
    """`.X` of the training rows."""
    validation: Any


def learn(
    declaration: FeaturesDeclaration,
    dataset: Dataset,
    transformer: Any,
    *,
    project: Path,
    threads: int | None = None,
) -> Fitted:
    """Fit a clone of the transformer on the training rows; transform them and the validation rows.

    The training rows go through `fit_transform(X, y)`, which is not always `fit` and then `transform`
    (scikit-learn's TargetEncoder); the validation rows through `transform` now, the test rows when a gate
    opens them. A DataFrame stays one, a dense array becomes one, a sparse matrix becomes a csr_matrix.

    project: root of the user's files; what the transformer needs from them is pickled with it.
    threads: to which OpenMP and BLAS are bounded; None: as they are.

    Raises FeaturesError for something that is no transformer, changes the number or order of rows, or
    cannot be pickled. What the transformer itself raises goes through.
    """
    _check(declaration, transformer)
    fitted = _unfitted(declaration, transformer)
    train, validation = dataset.train, dataset.validation
    with nullcontext() if threads is None else bound(threads, fitted):
        if callable(getattr(fitted, "fit_transform", None)):
            given = fitted.fit_transform(train.X, train.y)
        else:
            fitted.fit(train.X, train.y)
            given = fitted.transform(train.X)
        given = container(given)
        step = _step(declaration.name, fitted, given)
        seen = _guarded(step, step.contain, given, pd.Index(train.positions))
        other = _guarded(step, step, validation.X, pd.Index(validation.positions))
    return Fitted(step, _pickled(declaration, step, project), train=seen, validation=other)


def derive(dataset: Dataset, fitted: Fitted, digest: str | None = None) -> Dataset:
    """Return the data set after features that were fitted on it.

    digest: of what was learnt; None: of the step's pickle, which is another one in each process if the
        step holds classes or functions of the user's own.
    """
    step = fitted.step
    return dataset.derive(
        name=step.name,
        columns=[str(name) for name in step.names],
        step=step,
        train=fitted.train,
        validation=fitted.validation,
        transform=partial(_guarded, step, step),
        digest=digest or hashlib.blake2b(fitted.pickled, digest_size=16).hexdigest(),
    )


def _guarded(step: Step, transform: Any, *arguments: Any) -> Any:
    try:
        return transform(*arguments)
    except OutputError as error:
        raise FeaturesError(
            f"the {type(step.transformer).__name__} of features {step.name!r} {error}",
            "return a transformer that gives one row for each row, in the same order, with the same columns "
            "(rows are chosen in the loader of the data set)",
        ) from None


def _check(declaration: FeaturesDeclaration, transformer: Any) -> None:
    who = f"features {declaration.name!r} ({declaration.place})"
    if inspect.isclass(transformer):
        raise FeaturesError(
            f"{who} returned the class {transformer.__name__}",
            f"return an instance, {transformer.__name__}()",
        )
    found = "None" if transformer is None else f"a {type(transformer).__name__}"
    if callable(getattr(transformer, "fit_resample", None)):
        raise FeaturesError(
            f"{who} returned {found}, which changes the rows",
            "resample inside the estimator instead, as in trial.fit(imblearn.pipeline.make_pipeline"
            f"({type(transformer).__name__}(…), estimator), data)",
        )
    fits = callable(getattr(transformer, "fit", None))
    if fits and callable(getattr(transformer, "transform", None)):
        return
    if fits and callable(getattr(transformer, "predict", None)):
        raise FeaturesError(
            f"{who} returned {found}, an estimator that predicts and has no transform",
            "give it to trial.fit; features return an unfitted scikit-learn transformer (fit and transform)",
        )
    raise FeaturesError(
        f"{who} returned {found}, not a transformer",
        "return an unfitted scikit-learn transformer (fit and transform)",
    )


def _unfitted(declaration: FeaturesDeclaration, transformer: Any) -> Any:
    try:
        return base.clone(transformer, safe=False)
    except Exception as error:
        raise FeaturesError(
            f"features {declaration.name!r} ({declaration.place}) returned a {type(transformer).__name__}, "
            f"which cannot be copied: {error}",
            "let it keep its arguments as they are given and hold no open files, connections or locks",
        ) from error


def _step(name: str, transformer: Any, given: Any) -> Step:
    """Return the fitted features, with the columns that the training rows `given` have."""
    if isinstance(given, pd.DataFrame):
        dtypes = describe(given) if given.columns.is_unique else {}
        return Step(name, transformer, list(given.columns), dtypes)
    names = _names(name, transformer, given.shape[1] if given.ndim == 2 else 0)
    if given.dtype.kind == "O" and given.ndim == 2:
        return Step(name, transformer, names, describe(pd.DataFrame(given, columns=names).infer_objects()))
    return Step(name, transformer, names)


def _names(name: str, transformer: Any, width: int) -> list[str]:
    fallback = [f"{name}{i}" for i in range(width)]
    try:
        names = [str(column) for column in transformer.get_feature_names_out()]
    except Exception:  # noqa: BLE001  # third-party code that may need what only its author knows
        return fallback
    return names if len(names) == len(set(names)) == width else fallback


def _pickled(declaration: FeaturesDeclaration, step: Step, project: Path) -> bytes:
    try:
        return dumps(step, project)
    except pickle.PicklingError as error:
        raise FeaturesError(
            f"features {declaration.name!r} ({declaration.place}) cannot travel with a model: {error}",
            "let transformers and functions hold no open files, connections or locks: open them in transform",
        ) from error
