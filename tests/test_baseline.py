"""What can be scored without features: the numbers of scikit-learn's Dummy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.scoring.baseline import baseline
from harness.scoring.metrics import table


@dataclass(frozen=True)
class Rows:
    y: Any
    weight: Any = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def positions(self) -> Any:
        return np.arange(len(self.y))

    @property
    def X(self) -> Any:
        raise AssertionError("the baseline looked at features")


@dataclass(frozen=True)
class Data:
    task: str
    classes: Any
    train: Rows
    validation: Rows
    name: str = "income"
    group: None = None
    in_order: bool = False
    stratified: bool = False
    content: str = ""
    rows: Callable[[str], pd.DataFrame] = lambda split: pd.DataFrame({"split": [split] * 4})


def test_two_classes_get_the_shares_of_the_training_rows() -> None:
    data = Data("binary", ["no", "yes"], Rows(pd.Series([0, 0, 0, 1])), Rows(pd.Series([0, 1, 1, 1])))

    scores = baseline(data, table([]))

    assert repr(scores) == "Scores(validation of income, 4 rows)"
    assert (scores.accuracy, scores.roc_auc, scores.average_precision, scores.f1) == (0.25, 0.5, 0.75, 0)
    assert scores.log_loss == pytest.approx(-(np.log(0.75) + 3 * np.log(0.25)) / 4)


def test_weights_of_both_splits_count() -> None:
    train = Rows(pd.Series([0, 0, 0, 1]), pd.Series([1.0, 1.0, 1.0, 9.0]))
    data = Data(
        "binary", ["no", "yes"], train, Rows(pd.Series([0, 1, 1, 1]), pd.Series([3.0, 1.0, 1.0, 1.0]))
    )

    scores = baseline(data, table([]))

    assert scores.accuracy == 0.5
    assert scores.log_loss == pytest.approx(-(np.log(0.25) + np.log(0.75)) / 2)


def test_a_class_absent_from_training_keeps_the_others_in_place() -> None:
    data = Data("multiclass", ["a", "b", "c"], Rows(pd.Series([0, 2, 2])), Rows(pd.Series([2, 2, 0, 1])))

    scores = baseline(data, table([]))

    assert scores.accuracy == 0.5
    assert scores.roc_auc == 0.5


@pytest.mark.parametrize(("weight", "mean"), [(None, 2.0), (pd.Series([1.0, 1.0, 2.0]), 2.5)])
def test_values_get_the_mean_of_the_training_rows(weight: Any, mean: float) -> None:
    data = Data(
        "regression", None, Rows(pd.Series([1.0, 1.0, 4.0]), weight), Rows(pd.Series([0.0, 4.0, 3.0, 3.0]))
    )

    scores = baseline(data, table([]))

    assert scores.mae == pytest.approx(np.mean([mean, abs(4 - mean), abs(3 - mean), abs(3 - mean)]))
    assert scores.rmse == pytest.approx(np.sqrt(np.mean([mean**2, (4 - mean) ** 2, *[(3 - mean) ** 2] * 2])))


def test_its_rows_are_the_validation_rows() -> None:
    data = Data("binary", ["no", "yes"], Rows(pd.Series([0, 1])), Rows(pd.Series([0, 1, 1, 1])))

    assert len(baseline(data, table([])).where(split="validation")) == 4
