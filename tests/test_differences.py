"""Paired differences: same rows only, antisymmetric, with intervals of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ScoreError
from harness.models.predictions import Predictions
from harness.scoring.estimates import Apart, Paired, Rows, Unknown
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import table
from harness.scoring.scores import Scores
from harness.scoring.subject import Subject

N = 200


def scores(seed: int, *, skill: float = 1.0, content: str = "data", start: int = 0, **options) -> Scores:
    """Return scores of a model of some skill on the same rows, unless `start` or `content` differ."""
    truth = np.random.default_rng(99)
    y = truth.integers(0, 2, N)
    ranking = skill * y + np.random.default_rng(seed).normal(size=N)
    p = 1 / (1 + np.exp(-ranking + skill / 2))
    said = Predictions((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]), p)
    frame = pd.DataFrame({"sex": np.where(np.arange(N) % 2, "M", "F")})
    subject = Subject(
        split="test",
        dataset="income",
        task="binary",
        classes=("no", "yes"),
        size=N,
        title=f"experiment_{seed}.best.test",
    )
    evidence = Evidence(y=y, predictions=said, weight=None, n_classes=2, rows=lambda: frame)
    rows = Rows(content=content, positions=np.arange(start, start + N))
    return Scores(subject, evidence, table(()), rows=rows, **options)


def same() -> Scores:
    """Return scores of one model, as two experiments may come to them."""
    return scores(3, digest=lambda: "ab")


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 50), st.integers(51, 99), st.sampled_from(["roc_auc", "accuracy", "f1", "log_loss"]))
def test_a_difference_is_antisymmetric_and_within_its_interval(a: int, b: int, name: str) -> None:
    there, back = (getattr(one, name) for one in (scores(a) - scores(b), scores(b) - scores(a)))

    assert there == getattr(scores(a), name) - getattr(scores(b), name)
    assert (there, there.lower, there.upper) == (-back, -back.upper, -back.lower)
    assert there.lower <= there <= there.upper
    assert (there.n, there.method) == (N, back.method)


@pytest.mark.parametrize("known", ["object", "digest"])
def test_a_model_differs_from_itself_by_nothing(known: str) -> None:
    a = scores(3)
    gain = a - a if known == "object" else same() - same()

    for name in ("roc_auc", "accuracy", "log_loss"):
        found = getattr(gain, name)
        assert (found, found.lower, found.upper) == (0, 0, 0)


def test_a_clear_difference_is_proven_and_a_small_one_is_not() -> None:
    clear, small = scores(1, skill=4) - scores(2), scores(1) - scores(2)

    assert clear.roc_auc.lower > 0
    assert clear.roc_auc.estimate.proof(0.0) == "above"
    assert small.roc_auc.estimate.proof(0.0) is None
    assert clear.roc_auc.method == "DeLong"
    assert clear.f1.method == "paired BCa bootstrap"


def test_an_accuracy_s_difference_shows_mcnemars_exact_test() -> None:
    gain = (scores(1, skill=4) - scores(2)).accuracy

    assert gain.estimate.note.startswith("exact McNemar p ")
    assert float(gain.estimate.note.rpartition(" ")[2]) < 0.001


def test_differences_of_a_slice_are_those_of_both_slices() -> None:
    a, b = scores(1), scores(2)
    gain = (a - b).where(sex="F")

    assert len(gain) == N // 2
    assert gain.roc_auc == a.where(sex="F").roc_auc - b.where(sex="F").roc_auc
    assert repr(gain) == (
        "Differences(experiment_1.best.test where sex='F' - experiment_2.best.test where sex='F', 100 rows)"
    )
    assert "roc_auc" in dir(gain)
    assert str(gain).startswith(f"{gain!r}: accuracy ")


def test_other_rows_have_no_difference_and_the_error_says_what_to_write() -> None:
    a = scores(1)

    for other in (scores(2, start=5), a.where(sex="F"), scores(2, content="other")):
        with pytest.raises(ScoreError, match=r"and a difference is of the same rows; compare two models on"):
            a - other
    with pytest.raises(ScoreError, match="rows of other data"):
        a - scores(2, content="other")
    with pytest.raises(TypeError):
        a - 0.5


def test_rows_that_one_side_may_not_see_are_left_out_on_both() -> None:
    a, b = scores(1), scores(2)
    mask = np.arange(N) >= 150

    gain = a - b.only(mask, "unseen by the champion")

    assert len(gain) == 50
    assert gain.accuracy == a.only(mask, "x").accuracy - b.only(mask, "x").accuracy
    assert gain.accuracy.n == 50


def test_single_scores_know_how_their_rows_lie() -> None:
    a, b = scores(1), scores(2)

    assert isinstance((a.roc_auc - b.roc_auc).estimate, Paired)
    apart = a.where(sex="F").roc_auc - a.where(sex="M").roc_auc
    assert isinstance(apart.estimate, Apart)
    assert isinstance((a.roc_auc - a.where(sex="F").roc_auc).estimate, Unknown)
    assert isinstance((a.roc_auc - b.accuracy).estimate, Unknown)
    with pytest.raises(ScoreError, match="the two scores are not of one metric; compare scores of one"):
        (a.roc_auc - b.accuracy).lower  # noqa: B018


def test_slices_differ_by_newcombes_interval() -> None:
    """Newcombe's hybrid score interval is MOVER of two Wilson intervals: his example (a), 56/70 - 48/80.

    Newcombe, Statistics in Medicine 17, 1998, 873-890, method 10: 0.0524 to 0.3339.
    """
    y = np.ones(150, dtype=np.int64)
    said = np.concatenate([np.ones(56), np.zeros(14), np.ones(48), np.zeros(32)]).astype(np.int64)
    frame = pd.DataFrame({"part": [0] * 70 + [1] * 80})
    subject = Subject(split="test", dataset="d", task="binary", classes=(0, 1), size=150)
    evidence = Evidence(y=y, predictions=Predictions(said), weight=None, n_classes=2, rows=lambda: frame)
    both = Scores(subject, evidence, table(()))

    found = both.where(part=0).accuracy - both.where(part=1).accuracy

    assert (round(found.lower, 4), round(found.upper, 4)) == (0.0524, 0.3339)
    assert found.method == "MOVER of Wilson"
    assert found.estimate.proof(0.0) == "above"


def test_a_model_is_known_not_to_be_worse_than_itself() -> None:
    itself = (same() - same()).roc_auc.estimate

    assert [itself.proof(t) for t in (-0.002, 0.0, 0.002)] == ["above", None, "below"]
    assert itself.certain
    assert itself.note == ""


@pytest.mark.parametrize("digests", [(None, None), ("ab", "cd")])
def test_two_models_that_say_the_same_of_these_rows_are_not_one(digests) -> None:
    a, b = (scores(3, digest=lambda made=made: made) for made in digests)

    gain = (a - b).accuracy

    assert (gain, gain.method) == (0, "Bayesian bootstrap")
    assert gain.lower == -gain.upper < -0.01
    assert not gain.estimate.certain
    assert gain.estimate.proof(-0.001) is None


def test_models_that_say_different_things_are_not_asked_for_their_digests() -> None:
    def digest() -> str:
        raise AssertionError("made of files")

    gain = (scores(1, digest=digest) - scores(2, digest=digest)).roc_auc

    assert gain.lower < gain < gain.upper


def test_slices_of_too_few_rows_for_a_loss_prove_nothing() -> None:
    test = scores(1).where(sex=["F", "M"])
    few, rest = test.only(np.arange(N) < 40, "few"), test.only(np.arange(N) >= 40, "rest")

    gap = few.log_loss - rest.log_loss

    assert isinstance(gap.estimate, Apart)
    assert gap.estimate.proof(50.0) is None
    assert gap.estimate.settling(50.0) == 250  # 50 of the few, and as many more of the rest
    assert gap.estimate.note == "log_loss proves nothing on fewer than 50 rows, and these are 40"
    assert (few.accuracy - rest.accuracy).estimate.proof(0.9) == "below"


def test_slices_at_the_end_of_the_range_are_on_neither_side_of_it() -> None:
    test = scores(1, skill=60)
    first, second = test.only(np.arange(N) < 90, "first"), test.only(np.arange(N) >= 90, "second")

    gap = first.accuracy - second.accuracy

    assert gap == 0
    assert gap.estimate.proof(0.0) is None
    assert first.accuracy.estimate.about != second.accuracy.estimate.about
    assert gap.estimate.about == (first.accuracy - second.accuracy).estimate.about
