"""Intervals of scores and differences: which method when, what they prove, and where there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ScoreError
from harness.models.model import Predictions
from harness.scoring import intervals
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import METRICS
from harness.scoring.standard import Metric
from harness.uncertainty.proportions import clopper_pearson, wilson

few = settings(deadline=None, max_examples=10)
CLASSES = [name for name, m in METRICS.items() if "binary" in m.tasks]
VALUES = [name for name, m in METRICS.items() if "regression" in m.tasks and name != "max_error"]


def ranked(seed: int, n: int = 120, k: int = 2, skill: float = 1.0) -> Evidence:
    """Return evidence of a model of some skill on the same rows for every seed."""
    y = np.arange(n) % k
    ranking = np.random.default_rng(seed).normal(size=(n, k)) + skill * np.eye(k)[y]
    p = np.exp(ranking) / np.exp(ranking).sum(axis=1, keepdims=True)
    return Evidence(y, Predictions(p.argmax(axis=1), p, p[:, 1] if k == 2 else p), None, k, dict)


def valued(seed: int, n: int = 120) -> Evidence:
    y = np.random.default_rng(0).normal(size=n)
    return Evidence(y, Predictions(y + np.random.default_rng(seed).normal(size=n)), None, 0, dict)


def evidence(name: str, seed: int, **options: int) -> Evidence:
    return ranked(seed, **options) if name in CLASSES else valued(seed, **options)


def with_weight(e: Evidence) -> Evidence:
    return dataclasses.replace(e, weight=np.random.default_rng(1).uniform(0.5, 2, len(e)))


def with_groups(e: Evidence) -> Evidence:
    return dataclasses.replace(e, groups=np.arange(len(e)) // 4)


def said(y: list[int], labels: list[int], k: int = 2) -> Evidence:
    return Evidence(np.array(y), Predictions(np.array(labels)), None, k, dict)


PLAIN = {
    "accuracy": "Wilson",
    "precision": "Wilson",
    "recall": "Wilson",
    "roc_auc": "DeLong",
    "median_absolute_error": "percentile bootstrap",
}


@pytest.mark.parametrize("name", [*CLASSES, *VALUES])
def test_each_metric_has_its_method_and_contains_its_score(name: str) -> None:
    e, metric = evidence(name, 1), METRICS[name]
    kind = "percentile" if name == "median_absolute_error" else "BCa"
    methods = {
        PLAIN.get(name, "BCa bootstrap"): e,
        f"{kind} bootstrap": with_weight(e),
        f"cluster {kind} bootstrap": with_groups(e),
    }

    for method, made in methods.items():
        found = intervals.interval(metric, made, 0.95)
        assert found.method == method
        assert found.lower <= metric.function(made) <= found.upper
        assert found.lower < found.upper


def test_of_three_classes_precision_and_recall_are_no_proportions() -> None:
    e = ranked(2, k=3)

    methods = {name: intervals.interval(METRICS[name], e, 0.95).method for name in PLAIN if name in CLASSES}

    assert methods == {
        "accuracy": "Wilson",
        "precision": "BCa bootstrap",
        "recall": "BCa bootstrap",
        "roc_auc": "DeLong",
    }


def test_a_proportion_rests_on_the_rows_that_it_is_of() -> None:
    e = said([0] * 60 + [1] * 40, [0] * 50 + [1] * 10 + [1] * 30 + [0] * 10)

    assert intervals.interval(METRICS["accuracy"], e, 0.9) == wilson(80, 100, 0.9)
    assert intervals.interval(METRICS["recall"], e, 0.9) == wilson(30, 40, 0.9)
    assert intervals.interval(METRICS["precision"], e, 0.9) == wilson(30, 40, 0.9)
    assert intervals.bounds(METRICS["recall"], e, 0.9) == clopper_pearson(30, 40, 0.9)
    assert [intervals.rests_on(METRICS[name], e) for name in ("accuracy", "recall", "f1")] == [100, 40, 100]
    assert intervals.rests_on(METRICS["recall"], with_weight(e)) == 100


@pytest.mark.parametrize(("name", "what"), [("recall", "truly"), ("precision", "predicted")])
def test_a_proportion_of_no_rows_is_refused(name: str, what: str) -> None:
    e = said([0, 0, 0], [1, 0, 0]) if name == "recall" else said([1, 0, 0], [0, 0, 0])

    with pytest.raises(ScoreError) as told:
        intervals.interval(METRICS[name], e, 0.95)

    assert told.value.problem == f"{name} has no interval: none of 3 rows is {what} positive"
    assert told.value.remedy == "use balanced_accuracy or roc_auc here, or take more rows"
    assert intervals.rests_on(METRICS[name], e) == 0


def test_the_largest_error_is_refused() -> None:
    for asked in (intervals.interval, intervals.bounds):
        with pytest.raises(ScoreError) as told:
            asked(METRICS["max_error"], valued(1), 0.95)
        assert told.value.problem == (
            "max_error has no interval: resampled rows never hold a larger error than these 120 rows"
        )
    with pytest.raises(ScoreError, match="use rmse, mae or median_absolute_error in a gate that is to be pr"):
        intervals.difference(METRICS["max_error"], valued(1), valued(2), 0.95)


@pytest.mark.parametrize("name", ["recall", "balanced_accuracy", "f1", "matthews_corrcoef", "log_loss"])
def test_rows_without_an_error_are_no_proof_that_there_is_none(name: str) -> None:
    y = np.arange(35) % 3
    p = np.full((35, 3), 0.05) + 0.85 * np.eye(3)[y]
    e = Evidence(y, Predictions(y.copy(), p, p), None, 3, dict)

    if name == "log_loss":  # of which one row can make anything
        with pytest.raises(ScoreError) as told:
            intervals.interval(METRICS[name], e, 0.95)
        assert told.value.problem == (
            f"{name} has no interval: all 2,000 resamples of these rows give the same value"
        )
        assert told.value.remedy.endswith("compare a score whose interval counts rows, such as accuracy")
    else:
        found = intervals.interval(METRICS[name], e, 0.95)
        assert 0.5 < found.lower < 0.95
        assert (found.upper, found.n, found.method) == (pytest.approx(1), 35, "Bayesian bootstrap")
        assert intervals.proof(METRICS[name], e, 0.97, 0.95) is None
    assert intervals.interval(METRICS["accuracy"], e, 0.95).lower == pytest.approx(0.9011, abs=1e-4)
    assert intervals.interval(METRICS["roc_auc"], e, 0.95).lower < 0.95


@few
@given(
    st.integers(0, 99), st.sampled_from(["accuracy", "recall", "roc_auc", "f1", "rmse"]), st.floats(0.3, 1.4)
)
def test_a_side_is_proven_if_and_only_if_its_bound_is_beyond(seed: int, name: str, threshold: float) -> None:
    e, metric = evidence(name, seed), METRICS[name]
    lower, upper = intervals.bounds(metric, e, 0.95)

    side = intervals.proof(metric, e, threshold, 0.95)

    assert (side == "above") == (lower >= threshold)
    assert (side == "below") == (lower < threshold and upper <= threshold)
    assert intervals.proof(metric, e, lower, 0.95) == "above"
    assert intervals.proof(metric, e, upper, 0.95) == "below"
    assert intervals.proof(metric, e, (lower + upper) / 2, 0.95) is None


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "rmse"])
def test_more_rows_settle_what_these_do_not_and_fewer_what_they_do(name: str) -> None:
    e, metric = evidence(name, 5), METRICS[name]
    value, (lower, upper) = float(metric.function(e)), intervals.bounds(metric, e, 0.95)

    for near, far in ((value - 0.01, lower - 0.05), (value + 0.01, upper + 0.05)):
        assert intervals.settling(metric, e, near, 0.95) > len(e) * 4
        assert intervals.settling(metric, e, far, 0.95) <= len(e)
    assert intervals.settling(metric, e, value, 0.95) is None
    assert intervals.settling(metric, e, value + 1e-7, 0.95) is None


DIFFERENCES = ["accuracy", "recall", "roc_auc", "average_precision", "log_loss", "rmse", "r2"]


@pytest.mark.parametrize("name", DIFFERENCES)
@settings(deadline=None, max_examples=3)
@given(st.integers(0, 49), st.integers(50, 99))
def test_a_difference_is_antisymmetric_to_the_last_bit(name: str, one: int, other: int) -> None:
    metric, a, b = METRICS[name], evidence(name, one, n=60), evidence(name, other, n=60)
    for make in (lambda e: e, with_weight, with_groups):
        mine, theirs = make(a), make(b)
        there = intervals.difference(metric, mine, theirs, 0.95)

        assert there == intervals.difference(metric, theirs, mine, 0.95).mirrored()
        assert there.lower <= metric.function(mine) - metric.function(theirs) <= there.upper


@pytest.mark.parametrize("name", ["accuracy", "recall", "roc_auc", "average_precision"])
@pytest.mark.parametrize("n", [15, 120])
def test_models_that_say_the_same_of_these_rows_may_differ_on_others(name: str, n: int) -> None:
    metric, a = METRICS[name], evidence(name, 1, n=n)
    b = dataclasses.replace(a)

    found = intervals.difference(metric, a, b, 0.95)

    # Of n rows in 2.5 % of samples none differs although this share of all rows does.
    assert 0.8 * (1 - 0.025 ** (1 / n)) < found.upper == -found.lower < 20 / n
    assert (found.n, found.method) == (n, "Bayesian bootstrap")
    assert intervals.difference_proof(metric, a, b, -0.001, 0.95) is None
    assert intervals.difference_proof(metric, a, b, -0.9, 0.95) == "above"


@pytest.mark.parametrize("name", ["log_loss", "rmse", "r2"])
def test_of_a_loss_nothing_is_known_where_two_models_say_the_same(name: str) -> None:
    metric, e = METRICS[name], evidence(name, 1)

    with pytest.raises(ScoreError) as told:
        intervals.difference(metric, e, dataclasses.replace(e), 0.95)
    assert told.value.problem == f"{name} has no interval: both models say the same of all 120 rows"


def test_only_what_a_metric_looks_at_makes_a_difference() -> None:
    a = ranked(1)
    p = np.clip(a.predictions.probability * 1.0001, 0, 1)
    b = dataclasses.replace(a, predictions=Predictions(a.predictions.labels, p, a.predictions.ranking))

    same, other = (intervals.difference(METRICS[name], a, b, 0.95) for name in ("f1", "log_loss"))

    assert (same.method, other.method) == ("Bayesian bootstrap", "paired BCa bootstrap")
    assert other.lower < other.upper
    own = Metric(
        name="own",
        greater_is_better=True,
        tasks=METRICS["f1"].tasks,
        needs="labels",
        function=lambda e: float(e.predictions.probability[:, 1].mean()),
        logged=True,
        place="a.py:1",
    )
    assert intervals.difference(own, a, b, 0.95).lower != 0


def test_a_difference_that_never_varies_is_not_taken_as_known() -> None:
    y = np.linspace(0, 1, 30)
    one, other = (Evidence(y, Predictions(y + off), None, 0, dict) for off in (2.0, 1.0))

    with pytest.raises(
        ScoreError, match="mae has no interval: all 2,000 resamples of these rows give the sa"
    ):
        intervals.difference(METRICS["mae"], one, other, 0.95)


@pytest.mark.parametrize(
    ("name", "make", "method"),
    [
        ("roc_auc", lambda e: e, "DeLong"),
        ("roc_auc", with_weight, "paired BCa bootstrap"),
        ("roc_auc", with_groups, "paired cluster BCa bootstrap"),
        ("accuracy", lambda e: e, "paired BCa bootstrap"),
        ("median_absolute_error", lambda e: e, "paired percentile bootstrap"),
    ],
)
def test_a_difference_says_how_it_was_found(name: str, make, method: str) -> None:
    a, b = make(evidence(name, 1)), make(evidence(name, 2))

    assert intervals.difference(METRICS[name], a, b, 0.95).method == method


def against(more: int, fewer: int, both: int = 30) -> tuple[Evidence, Evidence]:
    """Return two models: rows that only the first has right, only the second, and both."""
    n = more + fewer + both
    y = np.arange(n) % 2
    only = np.repeat([1, 2, 0], [more, fewer, both])
    mine, other = (said(list(y), list(np.where(only == side, 1 - y, y))) for side in (2, 1))
    return mine, other


def test_accuracies_are_compared_by_mcnemars_exact_test() -> None:
    a, b = against(10, 2)
    accuracy = METRICS["accuracy"]

    # statsmodels 0.15.0, mcnemar([[30, 10], [2, 0]], exact=True).pvalue
    assert intervals.mcnemar(accuracy, a, b) == pytest.approx(0.03857421875)
    assert intervals.mcnemar(accuracy, b, a) == pytest.approx(0.03857421875)
    assert intervals.mcnemar(METRICS["f1"], a, b) is None
    assert intervals.mcnemar(accuracy, with_weight(a), with_weight(b)) is None
    assert intervals.mcnemar(accuracy, with_groups(a), with_groups(b)) is None


@pytest.mark.parametrize(
    ("more", "fewer", "proven"),
    [
        (10, 2, "above"),
        (9, 2, None),
        (2, 10, "below"),
        (2, 9, None),
        (6, 1, None),
        (7, 1, None),
        (8, 1, "above"),
    ],
)
def test_that_one_is_more_accurate_is_proven_by_the_exact_test(more: int, fewer: int, proven) -> None:
    from scipy.stats import binomtest

    a, b = against(more, fewer)
    p_value = binomtest(more, more + fewer).pvalue

    side = intervals.difference_proof(METRICS["accuracy"], a, b, 0.0, 0.95)

    assert side == proven
    assert (side is not None) == (p_value <= 0.05)


def test_a_lower_threshold_loses_no_proof() -> None:
    a, b = against(10, 2)
    accuracy = METRICS["accuracy"]
    thresholds = np.linspace(-0.4, 0.6, 41)

    sides = [intervals.difference_proof(accuracy, a, b, float(t), 0.95) for t in thresholds]

    order = {"above": 0, None: 1, "below": 2}
    assert [order[side] for side in sides] == sorted(order[side] for side in sides)
    assert {sides[0], sides[-1]} == {"above", "below"}


@few
@given(st.integers(0, 49), st.integers(50, 99), st.sampled_from(["roc_auc", "accuracy", "log_loss"]))
def test_proofs_of_a_difference_mirror_each_other(one: int, other: int, name: str) -> None:
    metric, a, b = METRICS[name], ranked(one), ranked(other, skill=1.5)
    turned = {"above": "below", "below": "above", None: None}

    for threshold in (-0.05, 0.0, 0.08):
        side = intervals.difference_proof(metric, a, b, threshold, 0.95)
        assert intervals.difference_proof(metric, b, a, -threshold, 0.95) == turned[side]
        if name == "log_loss":
            lower, upper = intervals.difference_bounds(metric, a, b, 0.95)
            assert side == ("above" if lower >= threshold else "below" if upper <= threshold else None)


def test_groups_that_hold_one_class_are_drawn_within_it() -> None:
    y = np.repeat([0, 1], 40)
    e = dataclasses.replace(ranked(3, n=80), y=y, groups=np.arange(80) // 8, stratified=True)

    assert e.units.sizes == (5, 5)
    assert dataclasses.replace(e, y=np.arange(80) % 2).units.sizes == (10,)
    assert dataclasses.replace(e, groups=None).units.sizes == (40, 40)
    assert valued(1, 80).units.sizes == (80,)
    assert e.at(np.array([0, 9, 9])).groups.tolist() == [0, 1, 1]


def test_few_rows_prove_nothing_of_a_loss_without_bounds() -> None:
    few, many = valued(1, intervals.LEAST - 1), valued(1, intervals.LEAST)

    assert intervals.proof(METRICS["rmse"], few, 1e9, 0.95) is None
    assert intervals.proof(METRICS["rmse"], many, 1e9, 0.95) == "below"
    assert intervals.settling(METRICS["rmse"], few, 1e9, 0.95) == intervals.LEAST


def test_recall_of_no_positive_row_is_nothing_also_where_rows_have_groups() -> None:
    y = np.zeros(80, dtype=np.int64)
    e = Evidence(y, Predictions(y), None, 2, dict, np.arange(80) // 8)

    for name in ("recall", "precision", "f1"):
        with pytest.raises(ScoreError, match=f"{name} has no interval: none of 80 rows is "):
            intervals.proof(METRICS[name], e, 0.5, 0.95)


def _calibrated(seed: int, n: int = 300) -> Evidence:
    """Return a calibrated model of rows of which some 15 % are positive, as many as come."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(2.5 - 1.5 * rng.normal(size=n)))
    y = (rng.random(n) < p).astype(np.int64)
    said = Predictions((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]), p)
    return Evidence(y, said, None, 2, dict)


def test_of_rows_as_they_come_the_share_of_a_class_is_not_known() -> None:
    """Most of what a log loss may be hangs on it: resamples that keep it hold the truth in 3 of 5 cases."""
    metric, truth = METRICS["log_loss"], METRICS["log_loss"].function(_calibrated(0, 400_000))
    held = {True: 0, False: 0}
    for seed in range(1, 121):
        for stratified in held:
            e = dataclasses.replace(_calibrated(seed), stratified=stratified)
            found = intervals.interval(metric, e, 0.95)
            held[stratified] += found.lower <= truth <= found.upper

    assert held[False] >= 107  # of 120; 114 at 95 %
    assert held[True] <= 95


def test_a_slice_and_groups_are_not_stratified() -> None:
    e = dataclasses.replace(ranked(1), stratified=True)

    assert len(e.units.sizes) == 2
    assert len(e.take(np.arange(120) < 60).units.sizes) == 1
    assert len(e.repeated(2).units.sizes) == 2


@pytest.mark.parametrize("name", ["balanced_accuracy", "roc_auc", "average_precision", "accuracy"])
def test_as_many_rows_as_would_settle_it_settle_it(name: str) -> None:
    a = ranked(1, n=60, skill=6.0)
    b = dataclasses.replace(a)
    metric = METRICS[name]

    rows = intervals.difference_settling(metric, a, b, -0.02, 0.95)

    assert rows is not None
    assert intervals.difference_proof(metric, a, b, -0.02, 0.95) is None
    for times, proven in ((rows / 60 * 0.4, None), (rows / 60 * 1.4, "above")):
        more = [one.repeated(max(round(times), 1)) for one in (a, b)]
        assert intervals.difference_proof(metric, *more, -0.02, 0.95) == proven


def test_rows_repeated_keep_their_groups_apart() -> None:
    e = with_groups(ranked(1, n=8)).repeated(3)

    assert e.groups.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4
    assert e.y.tolist() == ranked(1, n=8).y.tolist() * 3


def test_what_proves_nothing_says_how_few_there_are() -> None:
    e = dataclasses.replace(valued(1), groups=np.arange(120) // 12)

    assert intervals.shortage(METRICS["rmse"], e) == (
        "rmse proves nothing on fewer than 50 groups, and these are 10"
    )
    blocks = dataclasses.replace(e, grouping="block")
    assert "50 blocks of neighbours in time, and these are 10" in intervals.shortage(METRICS["rmse"], blocks)
    assert "50 rows, and these are 49" in intervals.shortage(METRICS["log_loss"], ranked(1, n=49))
    assert intervals.shortage(METRICS["rmse"], valued(1)) == ""
    assert intervals.shortage(METRICS["accuracy"], ranked(1, n=9)) == ""


def test_rows_that_weigh_nothing_are_not_counted_towards_the_least() -> None:
    weight = np.repeat([1.0, 0.0], [5, 55])

    e = dataclasses.replace(valued(1, n=60), weight=weight)

    assert intervals.shortage(METRICS["rmse"], e) == (
        "rmse proves nothing on fewer than 50 rows, and these weigh as much as 5"
    )
    assert intervals.proof(METRICS["rmse"], e, 1e9, 0.95) is None
    even = dataclasses.replace(e, weight=np.full(60, 7.0))
    assert intervals.proof(METRICS["rmse"], even, 1e9, 0.95) == "below"


def test_a_gain_in_average_precision_is_proven_with_a_row_worse_than_those_seen() -> None:
    a, b = ranked(1, n=60, skill=2.0), ranked(2, n=60, skill=0.5)
    metric = METRICS["average_precision"]

    lower, _ = intervals.difference_bounds(metric, a, b, 0.95)

    for threshold in (lower - 0.01, lower + 0.01):
        found = intervals.difference_proof(metric, a, b, threshold, 0.95)
        assert found == ("above" if threshold < lower else None)
