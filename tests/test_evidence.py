"""What metrics are computed from: slices of it, and what may be wrong with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.models.model import Predictions
from harness.scoring.evidence import Evidence


def _binary(p: np.ndarray, weight: np.ndarray | None = None) -> Evidence:
    both = np.column_stack([1 - p, p])
    y = np.arange(len(p)) % 2
    rows = pd.DataFrame({"age": np.arange(len(p)) * 10}, index=np.arange(len(p)) + 100)
    return Evidence(y, Predictions((p > 0.5).astype(np.int64), both, p), weight, 2, lambda: rows)


def test_taking_rows_takes_them_everywhere() -> None:
    e = _binary(np.array([0.1, 0.9, 0.4, 0.6]), np.array([1.0, 2.0, 3.0, 4.0]))

    part = e.take(np.array([False, True, False, True]))

    assert len(part) == 2
    assert part.y.tolist() == [1, 1]
    assert part.predictions.labels.tolist() == [1, 1]
    assert part.predictions.probability.tolist() == pytest.approx(np.array([[0.1, 0.9], [0.4, 0.6]]))
    assert part.predictions.ranking.tolist() == [0.9, 0.6]
    assert part.weight.tolist() == [2.0, 4.0]
    assert part.rows()["age"].tolist() == [10, 30]


def test_rows_keep_their_group_and_may_be_repeated() -> None:
    e = replace(_binary(np.array([0.1, 0.9, 0.4, 0.6])), groups=np.array([7, 7, 5, 5]))

    assert e.take(np.array([False, True, True, False])).groups.tolist() == [7, 5]
    again = e.at(np.array([3, 3, 0]))
    assert again.groups.tolist() == [5, 5, 7]
    assert again.predictions.ranking.tolist() == [0.6, 0.6, 0.1]
    assert again.rows()["age"].tolist() == [30, 30, 0]


def test_rows_are_drawn_within_classes_groups_as_a_whole() -> None:
    e = _binary(np.array([0.1, 0.9, 0.4, 0.6, 0.5]))

    assert e.units.sizes == (5,)
    assert replace(e, stratified=True).units.sizes == (3, 2)
    assert replace(e, groups=np.array([1, 1, 2, 2, 3])).units.sizes == (3,)


def test_rows_of_rows_are_counted_from_the_rows_taken_first() -> None:
    e = _binary(np.array([0.1, 0.9, 0.4, 0.6]))

    part = e.take(np.array([False, True, True, True])).take(np.array([True, False, True]))

    assert part.rows().index.tolist() == [101, 103]
    assert part.predictions.ranking.tolist() == [0.9, 0.6]


def test_a_class_without_weight_is_absent() -> None:
    p = np.array([0.1, 0.9, 0.4])

    assert _binary(p).absent() == []
    assert _binary(p, np.array([1.0, 0.0, 1.0])).absent() == [1]


@pytest.mark.parametrize(
    ("probability", "normalized"),
    [([0.4, 0.6], True), ([0.4, 0.6001], True), ([0.4, 0.61], False), ([-0.1, 1.1], False)],
)
def test_probabilities_sum_to_one(probability: list[float], normalized: bool) -> None:
    p = np.array([[0.5, 0.5], probability])

    assert (
        Evidence(np.array([0, 1]), Predictions(p.argmax(axis=1), p), None, 2, dict).normalized is normalized
    )


def test_no_probabilities_are_not_wrong_ones() -> None:
    assert Evidence(np.array([0, 1]), Predictions(np.array([0, 1])), None, 2, dict).normalized


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_with_an_improper_value_are_counted(bad: float) -> None:
    e = _binary(np.array([0.1, bad, 0.4, bad]))

    assert (e.unfit("labels"), e.unfit("ranking"), e.unfit("probability")) == (0, 2, 2)
    assert Evidence(np.ones(2), Predictions(np.array([bad, 1.0])), None, 0, dict).unfit("labels") == 1


def test_labels_outside_the_classes_are_counted() -> None:
    e = Evidence(np.array([0, 1, 1]), Predictions(np.array([0, 2, -1])), None, 2, dict)

    assert e.unfit("labels") == 2
