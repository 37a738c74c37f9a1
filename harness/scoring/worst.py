"""Evidence flows in; the same with one row more of each class, all of them wrong or all right, flows out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.model import Predictions
from harness.scoring.evidence import Evidence

__tracebackhide__ = True


def with_one_more(evidence: Evidence, *, right: bool) -> Evidence:
    """Return the n rows and one more of each class that occurs, as good or as bad as a row can be.

    Such a row weighs what the rows of its class do on average. Where rows belong to groups, the new ones
    are a group that weighs what groups do on average.
    """
    e, codes = evidence, np.unique(evidence.y)
    unit = np.arange(len(e)) if e.groups is None else e.groups
    per_class = np.array([len(np.unique(unit[e.y == code])) for code in codes])
    whole = len(np.unique(unit))
    apart = int(per_class.sum()) == whole  # no group has rows of two classes
    weight = groups = None
    if e.weight is not None or e.groups is not None:
        known = np.ones(len(e)) if e.weight is None else e.weight
        sums = np.array([known[e.y == code].sum() for code in codes])
        weight = np.concatenate([known, sums / (per_class if apart else whole)])
    if e.groups is not None:
        groups = np.concatenate([e.groups, e.groups.max() + 1 + np.arange(len(codes)) * apart])
    return replace(
        e, y=np.append(e.y, codes), predictions=_predictions(e, codes, right), weight=weight, groups=groups
    )


def _predictions(e: Evidence, codes: NDArray[Any], right: bool) -> Predictions:
    said, k = e.predictions, e.n_classes
    labels = codes if right else np.array([_mistaken(e, code) for code in codes])
    chosen = np.eye(k)[labels]
    # At one end of every order, or the other.
    top = np.eye(k, dtype=bool)[codes] == right
    ranking = np.where(top, np.inf, -np.inf)
    if k == 2:
        ranking = ranking[:, 1]
    return Predictions(
        labels=np.append(said.labels, labels),
        probability=None if said.probability is None else np.concatenate([said.probability, chosen]),
        ranking=None if said.ranking is None else np.concatenate([said.ranking, ranking]),
    )


def _mistaken(e: Evidence, code: int) -> int:
    """Return what rows of a class are most often mistaken for, the next class if none ever is."""
    said = e.predictions.labels[(e.y == code) & (e.predictions.labels != code)]
    return int(np.bincount(said).argmax()) if len(said) else int(code + 1) % e.n_classes
