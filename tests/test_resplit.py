"""Laws of dividing training and validation rows once more: no row twice, none lost, no group or time torn."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from declared import declare
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from harness.data.keys import hashes
from harness.data.resplit import Repeat, check, columns, manner, rounds, splits
from harness.declarations import ExperimentDeclaration
from harness.errors import DataError, DeclarationError


def divided(frame, target, validation, repeat, task="binary", **options):
    how = manner(declare(**options), task)
    return splits(frame, np.asarray(target), validation, how, repeat, name="people")


def possible(kind, *arguments, **options):
    """Divide rows; of few times or keys not every draw can be."""
    try:
        return divided(*arguments, **options)
    except DataError:
        assume(kind not in ("time", "key"))
        raise


@st.composite
def rests(draw):
    """Rows that are no test rows, how many of them were validation rows, and a declaration."""
    kind = draw(st.sampled_from(["random", "plain", "column", "group", "time", "key"]))
    n = draw(st.integers(24, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    validation = draw(st.integers(6, n // 2))
    options = {"seed": draw(st.integers(0, 2**32 - 1))}
    frame = pd.DataFrame({"a": rng.permutation(n)})
    if kind == "plain":
        options["stratify"] = False
    elif kind == "column":
        options["stratify"] = "a"
        frame["a"] = pd.Series(np.where(np.arange(n) % 3, "x", None), dtype=object)
    elif kind == "group":
        options["group"] = "a"
        # declared validation has groups of its own
        frame["a"] = np.r_[np.arange(n - validation) % 7, 100 + np.arange(validation) % 3]
        if draw(st.booleans()):
            frame["a"] = frame["a"].astype(str).astype("category")
    elif kind == "time":
        options["time"] = ["a", "b"]
        frame["a"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 9, n)), unit="D")
        frame["b"] = 0
    elif kind == "key":
        options["key"] = "a"
    target = np.arange(n) % 2
    folds = draw(st.booleans()) or kind == "time"
    total = draw(st.integers(2, 4))
    repeat = Repeat(draw(st.integers(1 if folds else 2, total)), total, fold=folds)
    return kind, frame, target, validation, repeat, options


@settings(max_examples=300)
@given(rests())
def test_every_row_stands_on_one_side_and_the_same_one_every_time(drawn):
    kind, frame, target, validation, repeat, options = drawn
    train, held = possible(kind, frame, target, validation, repeat, **options)
    again = divided(frame, target, validation, repeat, **options)

    n = len(frame)
    assert len(train)
    assert len(held)
    assert not set(train) & set(held)
    assert set(train) | set(held) <= set(range(n))  # what is not here, a test row say, comes in nowhere
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()
    assert [part.tolist() for part in again] == [train.tolist(), held.tolist()]
    if kind != "time":
        assert len(train) + len(held) == n
    if kind in ("random", "plain", "column") and not repeat.fold:
        assert len(held) == validation
    if kind in ("random", "plain", "column") and repeat.fold:
        assert abs(len(held) - n / repeat.total) < 2 * len(np.unique(target))
    if kind == "group":
        values = frame["a"].to_numpy()
        assert not set(values[train]) & set(values[held])
        if not repeat.fold:
            assert len(set(values[held])) == len(set(values[n - validation :]))
    if kind == "time":
        assert frame["a"].iloc[train].max() < frame["a"].iloc[held].min()
        assert (train == np.arange(len(train))).all()


@settings(max_examples=100)
@given(rests())
def test_folds_hold_every_row_out_once_and_those_by_time_never_the_first(drawn):
    kind, frame, target, validation, repeat, options = drawn
    pairs = [possible(kind, frame, target, validation, f, **options) for f in rounds(1, repeat.total)]
    held = np.concatenate([pair[1] for pair in pairs])

    assert len(np.unique(held)) == len(held)
    if kind == "time":
        assert held.tolist() == list(range(held[0], len(frame)))
        sizes = [len(train) for train, _ in pairs]
        assert sizes == sorted(sizes)
    else:
        assert len(held) == len(frame)


def test_random_repeats_and_folds_are_those_of_scikit_learn():
    y = np.arange(60) % 3 % 2
    frame, options = pd.DataFrame(index=range(60)), {"seed": 5}
    _, second = train_test_split(np.arange(60), test_size=20, random_state=6, stratify=y)
    _, third = train_test_split(np.arange(60), test_size=20, random_state=7)
    strata = list(StratifiedKFold(4, shuffle=True, random_state=5).split(y, y))
    plain = list(KFold(4, shuffle=True, random_state=5).split(y))

    assert divided(frame, y, 20, Repeat(2, 3), **options)[1].tolist() == sorted(second)
    assert divided(frame, y, 20, Repeat(3, 3), "regression", **options)[1].tolist() == sorted(third)
    for i in range(4):
        fold = Repeat(i + 1, 4, fold=True)
        assert divided(frame, y, 20, fold, **options)[1].tolist() == strata[i][1].tolist()
        assert divided(frame, y, 20, fold, stratify=False, **options)[1].tolist() == plain[i][1].tolist()


def test_grouped_ones_too():
    groups = np.r_[np.arange(40) % 8, 8 + np.arange(12) % 3]
    frame, y = pd.DataFrame({"g": groups}), np.arange(52)
    shuffle = GroupShuffleSplit(n_splits=1, test_size=3, random_state=2)
    _, held = next(shuffle.split(y, groups=groups))
    folds = list(GroupKFold(5).split(y, groups=groups))

    found = divided(frame, y, 12, Repeat(2, 2), group="g", seed=1)
    fold = divided(frame, y, 12, Repeat(3, 5, fold=True), group="g", seed=1)

    assert found[1].tolist() == held.tolist()
    assert fold[1].tolist() == folds[2][1].tolist()


def test_windows_of_distinct_times_are_those_of_scikit_learn():
    frame = pd.DataFrame({"day": np.arange(50)})
    wanted = [(a.tolist(), b.tolist()) for a, b in TimeSeriesSplit(4).split(frame)]

    found = [divided(frame, np.arange(50), 9, fold, time="day") for fold in rounds(1, 4)]

    assert [(a.tolist(), b.tolist()) for a, b in found] == wanted


def test_a_key_stays_in_its_fold_when_data_grows():
    few, many = (pd.DataFrame({"id": np.arange(n)}) for n in (60, 90))
    fold = Repeat(2, 3, fold=True)

    first = divided(few, np.zeros(60), 20, fold, key="id", seed=3)[1]
    later = divided(many, np.zeros(90), 20, fold, key="id", seed=3)[1]

    assert first.tolist() == [at for at in later.tolist() if at < 60]
    assert first.tolist() == np.flatnonzero(hashes([few["id"]], 3) % np.uint64(3) == 1).tolist()


def test_a_repeat_by_key_holds_out_the_share_of_validation_rows():
    frame = pd.DataFrame({"id": np.arange(4000)})

    held = divided(frame, np.zeros(4000), 1, Repeat(2, 2), key="id", split=(0.6, 0.2, 0.2))[1]

    assert len(held) == pytest.approx(1000, abs=120)  # 0.2 of 0.8; four deviations


def test_a_value_rarer_than_folds_is_no_warning():
    y = np.r_[np.zeros(20), np.ones(2)].astype(int)

    with warnings.catch_warnings(action="error"):
        held = [divided(pd.DataFrame(index=range(22)), y, 5, fold)[1] for fold in rounds(1, 4)]

    assert sum(y[at].sum() for at in held) == 2


def test_rounds_count_the_declared_split_as_the_first_repeat_and_as_no_fold():
    assert [str(repeat) for repeat in rounds(3, None)] == ["repeat 2 of 3", "repeat 3 of 3"]
    assert [str(repeat) for repeat in rounds(1, 2)] == ["fold 1 of 2", "fold 2 of 2"]
    assert rounds(1, None) == ()


def test_a_repeat_is_the_same_of_however_many_and_a_fold_is_not():
    assert Repeat(2, 3).digest("d") == Repeat(2, 5).digest("d")
    digests = {r.digest("d") for r in (Repeat(2, 3), Repeat(3, 3), Repeat(2, 3, True), Repeat(2, 5, True))}
    assert len(digests | {Repeat(2, 3).digest("e")}) == 5


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, []),
        ({"stratify": "y"}, []),
        ({"stratify": "city"}, ["city"]),
        ({"group": "person"}, ["person"]),
        ({"time": ["day", "hour"]}, ["day", "hour"]),
        ({"key": "id"}, ["id"]),
    ],
)
def test_only_the_columns_that_decide_are_asked_for(options, wanted):
    assert columns(manner(declare(**options), "binary")) == wanted


def test_a_regression_is_stratified_by_its_target_only_if_declared():
    assert manner(declare(), "regression")["stratify"] is None
    assert manner(declare(stratify="y"), "regression")["stratify"] == "y"
    assert manner(declare(group="g"), "binary")["stratify"] is None


# What cannot be divided


@pytest.mark.parametrize(
    ("frame", "repeat", "options", "text"),
    [
        (
            {"g": np.repeat([1, 2, 3], 4)},
            Repeat(1, 5, True),
            {"group": "g"},
            "data set 'people' has 3 groups of 'g' among training and validation rows, too few for folds=5; "
            "write folds=3 or fewer, or load more rows",
        ),
        (
            {},
            Repeat(1, 20, True),
            {"stratify": False},
            "data set 'people' has 12 training and validation rows, too few for folds=20; "
            "write folds=12 or fewer, or load more rows",
        ),
        (
            {},
            Repeat(1, 8, True),
            {},
            "data set 'people' has at most 6 training or validation rows of each value of 'y', too few for "
            "folds=8; write folds=6 or fewer, or load more rows",
        ),
        (
            {"t": np.repeat([1, 2, 3], 4)},
            Repeat(1, 4, True),
            {"time": "t"},
            "data set 'people' has 3 distinct times in 12 training and validation rows, too few for folds=4; "
            "ask for fewer folds, or load more rows",
        ),
        (
            {"id": ["same"] * 12},
            Repeat(1, 2, True),
            {"key": "id", "seed": 1},
            "of 12 rows there; load more rows, or ask for fewer folds",
        ),
        (
            {"id": ["same"] * 12},
            Repeat(2, 2),
            {"key": "id"},
            "data set 'people' has no validation row in repeat 2 of 2: the hash of key=['id'] puts none of "
            "12 rows there; load more rows, or ask for other repeats",
        ),
    ],
)
def test_too_few_rows_are_refused_with_a_number_that_works(frame, repeat, options, text):
    made = pd.DataFrame(frame, index=range(12))
    with pytest.raises(DataError) as caught:
        divided(made, np.arange(12) % 2, 4, repeat, **options)
    assert str(caught.value).endswith(text)


def test_data_in_the_order_of_time_is_not_repeated():
    with pytest.raises(DeclarationError) as caught:
        check("x.py::experiment_a", ExperimentDeclaration(repeats=5), [declare(), declare(time="day")])
    assert str(caught.value) == (
        "x.py::experiment_a: @experiment(repeats=5), and data set 'people' has time='day': rows in the order "
        "of time are divided in one way only; write folds=5 for expanding windows"
    )
    check("x.py::experiment_a", ExperimentDeclaration(folds=5), [declare(time="day")])
    check("x.py::experiment_a", ExperimentDeclaration(), [declare(time="day")])


def test_an_experiment_without_data_has_no_folds():
    with pytest.raises(DeclarationError) as caught:
        check("x.py::experiment_a", ExperimentDeclaration(folds=3), [])
    assert str(caught.value) == (
        "x.py::experiment_a: @experiment(folds=3) above an experiment without data; "
        "write repeats=3 to run it 3 times, or let it ask for a data set"
    )
    check("x.py::experiment_a", ExperimentDeclaration(repeats=3), [])
