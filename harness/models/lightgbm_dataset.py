"""A fit of LightGBM flows in; the same fit on a binned data set that was constructed before flows out.

The only use of LightGBM's private API: `LGBMModel.fit` makes its data sets by `Dataset(data=…, params=…)`, a
name among the globals of `lightgbm.sklearn` (read in 4.6.0 and 4.7.0). During a fit that name hands out, to
this thread only, what the same call gave before. All else is LightGBM's own `fit`. A constructed data set
does not change: C++ trains on it as const, and Python refuses parameters that contradict it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import lightgbm
import numpy as np

from harness.models.structures import Structures

__tracebackhide__ = True

VERSIONS = ("4.6", "4.7")
"""Tested; in others every fit constructs its own."""

_PASSED = {
    *("data", "label", "weight", "group", "init_score"),
    *("categorical_feature", "feature_name", "params"),
}

_FREE = {
    *("num_leaves", "max_depth", "learning_rate", "min_split_gain", "reg_alpha", "reg_lambda"),
    *("subsample", "subsample_freq", "colsample_bytree"),
    *("lambda_l1", "lambda_l2", "min_gain_to_split", "num_iterations", "max_delta_step", "extra_trees"),
    *("bagging_fraction", "bagging_freq", "bagging_seed"),
    *("feature_fraction", "feature_fraction_bynode", "feature_fraction_seed"),
    *("scale_pos_weight", "is_unbalance"),
}
"""Parameters that a data set does not depend on, directly or by what LightGBM's `Config` makes of them.
All others, unknown ones too, are part of the key."""

_SEEDS = {"random_state", "seed"}
"""They choose the rows that the bins are made from, if that are not all."""


@contextmanager
def shared(estimator: Any, digest: str, rows: int, structures: Structures) -> Iterator[None]:
    """Let the fit in the block train on the binned data set of an earlier one.

    estimator: the one that is fitted, on the training rows and nothing else, watching the validation rows
        if any. Where it is not known that the model stays the same, bit for bit, nothing is shared.
    digest: of the data set, weights included; rows: number of rows to train on.
    """
    if not _known(estimator):
        yield
        return
    thread = threading.get_ident()
    key: Hashable = None
    known: tuple[Any, ...] = ()
    made: list[Any] = []

    def create(*args: Any, **given: Any) -> Any:
        nonlocal key, known
        if threading.get_ident() != thread or len(made) == 2:  # training and validation rows
            return lightgbm.Dataset(*args, **given)
        if not made:
            key = _key(given, digest, rows)
            known = () if key is None else structures.find(key) or ()
        made.append(known[len(made)] if len(made) < len(known) else lightgbm.Dataset(*args, **given))
        return made[-1]

    lightgbm.sklearn.Dataset = create
    try:
        yield
    except Exception:
        structures.drop(key)  # who knows how it was left; an end from outside leaves whole what was known
        raise
    else:
        if key is not None:
            structures.keep(key, (*made, *known[len(made) :]))
    finally:
        lightgbm.sklearn.Dataset = lightgbm.Dataset


def _known(estimator: Any) -> bool:
    """Return whether the fit of this estimator is LightGBM's own, and no other thread is in one."""
    return (
        ".".join(lightgbm.__version__.split(".")[:2]) in VERSIONS
        and type(estimator) in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor)
        and lightgbm.sklearn.Dataset is lightgbm.Dataset
    )


def _key(given: dict[str, Any], digest: str, rows: int) -> Hashable:
    """Return what decides how the training rows are binned; None where that is not known."""
    if set(given) != _PASSED:
        return None
    params, weight = given["params"], given["weight"]
    sampled = [params[name] for name in ("subsample_for_bin", "bin_construct_sample_cnt") if name in params]
    whole = all(isinstance(number, int) and number >= rows for number in sampled)
    frozen = {n: value for n, value in params.items() if n not in _FREE and not (whole and n in _SEEDS)}
    # a callable is given the labels themselves, and might write into them; a file may change
    if not all(map(_plain, frozen.values())) or any("file" in name for name in frozen):
        return None
    if any(frozen.get(name, "cpu") != "cpu" for name in ("device", "device_type")):
        return None
    # class_weight is in the weights
    content = None if weight is None else np.asarray(weight, dtype=np.float64)
    digests = (digest, None if content is None else hashlib.blake2b(content.tobytes()).digest())
    return "lightgbm", digests, tuple(sorted((name, repr(value)) for name, value in frozen.items()))


def _plain(value: Any) -> bool:
    """Return whether the repr says all about a value."""
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, np.generic) or type(value) in (bool, int, float, str)
