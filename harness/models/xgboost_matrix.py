"""A fit of XGBoost flows in; the same fit on a quantile matrix that was built before flows out.

The only use of XGBoost's private API: `XGBModel.fit` makes each of its matrices by calling
`self._create_dmatrix(ref, **given)` (read in 3.0.5, 3.1.3 and 3.2.0). During a fit the estimator has one of
its own, which hands out what the very same call gave before. All else is XGBoost's own `fit`. Of the
estimator's parameters only those in the key reach a matrix, and a quantile matrix never changes: training
reads it, and is refused if it asks for other bins.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import xgboost

from harness.models.structures import Structures

__tracebackhide__ = True

VERSIONS = ("3.0", "3.1", "3.2")
"""Tested; in others every fit builds its own."""

_PASSED = {
    *("data", "label", "weight", "group", "qid", "base_margin", "feature_weights"),
    *("missing", "enable_categorical", "feature_types"),
}

_LEARNING = {
    *("alpha", "eta", "lambda", "max_cat_threshold", "min_split_loss", "nthread", "num_class"),
    *("seed", "seed_per_iteration", "disable_default_eval_metric"),
    *("huber_slope", "quantile_alpha", "tweedie_variance_power"),
    *("normalize_type", "one_drop", "rate_drop", "sample_type", "skip_drop"),
}
"""Parameters beyond the signature that training reads, leaving the matrix alone."""


@dataclass(slots=True)
class _Matrices:
    train: Any
    validation: Any = None
    """Binned as `train`; None until a fit watches."""


@contextmanager
def shared(estimator: Any, digest: str, structures: Structures) -> Iterator[None]:
    """Let the fit in the block train on the quantile matrix of an earlier one.

    estimator: the one that is fitted, on the training rows and nothing else, watching the validation rows
        if any. Where it is not known that the model stays the same, bit for bit, nothing is shared.
    digest: of the data set, weights included.
    """
    if not _known(estimator):
        yield
        return
    plain = estimator._create_dmatrix
    key: Hashable = None
    used: _Matrices | None = None

    def create(ref: Any = None, **given: Any) -> Any:
        nonlocal key, used
        if used is not None and ref is used.train:
            if used.validation is None:
                used.validation = plain(ref=ref, **given)
            return used.validation
        key = None if ref is not None else _key(estimator, digest, given)
        used = None if key is None else structures.find(key)
        if used is not None:
            return used.train
        made = plain(ref=ref, **given)
        # a plain DMatrix, for exact, approx and gblinear, is filled while training
        if key is not None and type(made) is xgboost.QuantileDMatrix:
            used = _Matrices(made)
            structures.keep(key, used)
        return made

    estimator._create_dmatrix = create
    try:
        yield
    except Exception:
        structures.drop(key)  # who knows how it was left; an end from outside leaves it whole
        raise
    finally:
        del estimator._create_dmatrix


def _known(estimator: Any) -> bool:
    """Return whether the fit of this estimator is XGBoost's own, and its matrix out of the user's reach."""
    if ".".join(xgboost.__version__.split(".")[:2]) not in VERSIONS:
        return False
    if type(estimator) not in (xgboost.XGBClassifier, xgboost.XGBRegressor):
        return False
    own = vars(estimator)
    metric = estimator.eval_metric
    # a callable is given the labels of the matrix themselves, and might write into them
    named = [estimator.objective, *(metric if isinstance(metric, list | tuple) else [metric])]
    return (
        "_create_dmatrix" not in own
        and all(given is None or isinstance(given, str) for given in named)
        and estimator.device in (None, "cpu")
        and _LEARNING.issuperset(own.get("kwargs") or ())
    )


def _key(estimator: Any, digest: str, given: dict[str, Any]) -> Hashable:
    """Return what a training matrix is made of; None if the call is not as it was read."""
    if set(given) != _PASSED or given["feature_weights"] is not None:
        return None
    kinds = given["feature_types"]
    if not (kinds is None or (isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds))):
        return None
    read = ("tree_method", "device", "booster", "n_jobs", "max_bin")  # by _create_dmatrix
    parameters = [given["missing"], given["enable_categorical"], kinds]
    return "xgboost", digest, repr([*parameters, *(getattr(estimator, name) for name in read)])
