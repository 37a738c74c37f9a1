"""A data set flows in; the validation scores of scikit-learn's Dummy estimator flow out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from harness.models.model import outputs
from harness.scikit import dummy
from harness.scoring.metrics import Metric
from harness.scoring.scores import Scores

if TYPE_CHECKING:
    from harness.data.dataset import Dataset

__tracebackhide__ = True


def baseline(dataset: Dataset, metrics: Mapping[str, Metric]) -> Scores:
    """Return what can be scored without looking at any feature.

    `DummyClassifier(strategy="prior")` or `DummyRegressor(strategy="mean")` is fitted on the training
    rows with their weights and scored on the validation rows.
    """
    train, validation = dataset.train, dataset.validation
    classes = dataset.classes
    found = (
        dummy.DummyRegressor(strategy="mean") if classes is None else dummy.DummyClassifier(strategy="prior")
    )
    # The Dummy looks only at the number of rows.
    found.fit(np.zeros((len(train.y), 1)), train.y, sample_weight=train.weight)
    predictions = outputs(
        found, np.zeros((len(validation.y), 1)), dataset.task, None if classes is None else len(classes)
    )
    return Scores.of(dataset, "validation", predictions, metrics, model=type(found).__name__)
