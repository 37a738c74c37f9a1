"""The data set of a repeat: the declared training and validation rows, divided once more, and no other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from declared import declare

from harness.data import splits
from harness.data.dataset import Seal
from harness.data.preparation import Prepared, open_dataset, prepare
from harness.data.resplit import Repeat, rounds
from harness.errors import DataError, SealedError
from harness.models.predictions import Predictions
from harness.scoring.scores import evidence

SECOND, FOLD = Repeat(2, 3), Repeat(1, 3, fold=True)


def people(n=120):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "height": rng.normal(size=n),
            "city": pd.Series(rng.choice(["Rome", "Oslo"], n), dtype="str"),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n), ["S", "M", "L"], ordered=True),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(n), unit="D"),
            "load": rng.uniform(1, 2, n),
            "y": rng.choice(["no", "yes"], n),
        }
    )


@pytest.fixture
def opened(store):
    """Prepare rows and open them, as a worker does: from the record as JSON."""

    def make(frame=None, **options):
        prepared = prepare(declare(**options), people() if frame is None else frame, store)
        return open_dataset(Prepared.from_json(prepared.to_json()), store, Seal())

    return make


@pytest.mark.parametrize("repeat", [SECOND, FOLD], ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"group": "city", "split": (0.4, 0.3, 0.3)}, {"key": "age", "seed": 3}, {"weight": "load"}],
    ids=str,
)
def test_each_row_is_as_it_was_loaded(opened, repeat, options):
    frame = people()
    if "group" in options:
        frame["city"] = pd.Categorical(np.arange(len(frame)) % 11)
    declared = opened(frame, **options)
    again = declared.resplit(repeat)
    labels = np.array(["no", "yes"])

    train, held = again.train, again.validation
    for split in (train, held):
        rows = frame.iloc[split.positions]
        assert labels[split.y].tolist() == rows["y"].tolist()
        assert split.X.index.tolist() == split.y.index.tolist() == split.positions.tolist()
        for name in split.X.columns:
            known = split.X[name].notna()  # a group that only validation rows have is no level
            assert known.all() or (name == "city" and split is held)
            assert split.X[name][known].tolist() == rows[name][known.to_numpy()].tolist()
            assert split.X[name].dtype.kind == declared.train.X[name].dtype.kind
        if "weight" in options:
            assert split.weight.tolist() == rows["load"].tolist()
    assert list(again.train.X.columns) == declared.columns == again.columns


@pytest.mark.parametrize(
    ("options", "stratified"),
    [
        ({}, True),
        ({"stratify": "y"}, True),
        ({"stratify": False}, False),
        ({"stratify": "city"}, False),
        ({"key": "age"}, False),
        ({"group": "age"}, False),
        ({"time": "since"}, False),
    ],
    ids=str,
)
def test_it_is_known_whether_the_split_settled_how_many_rows_a_class_has(opened, options, stratified):
    declared = opened(**options)
    again = declared.resplit(SECOND) if "time" not in options else declared

    assert (declared.stratified, again.stratified) == (stratified, stratified)
    said = Predictions(np.zeros(len(declared.validation), dtype=np.int64))
    found = evidence(declared, "validation", said)
    assert found.stratified == stratified
    assert (len(found.units.sizes) == 2) == stratified


def test_test_rows_come_in_nowhere(opened):
    declared = opened()
    rest = set(declared.train.positions) | set(declared.validation.positions)

    for repeat in (*rounds(4, None), *rounds(1, 3)):
        again = declared.resplit(repeat)
        train, held = set(again.train.positions), set(again.validation.positions)
        assert train | held == rest
        assert not train & held
        assert set(again.rows("train").index) == train


def test_columns_that_no_model_sees_decide_too(opened):
    frame = people()
    frame["who"] = np.arange(len(frame)) // 4
    again = opened(frame, group="who", drop=["who"]).resplit(SECOND)

    assert "who" not in again.train.X
    assert not set(again.rows("train")["who"]) & set(again.rows("validation")["who"])


def test_windows_validate_by_what_comes_later(opened):
    declared = opened(time="since", drop=["since"])
    latest = declared.validation.positions.max()

    for fold in rounds(1, 4):
        again = declared.resplit(fold)
        assert again.rows("train")["since"].max() < again.rows("validation")["since"].min()
    assert again.validation.positions.max() == latest


def test_the_test_rows_of_a_repeat_are_shut_in_a_gate_too(store):
    seal = Seal()
    declared = open_dataset(prepare(declare(), people(), store), store, seal)
    seal.opened_by = "x.py::gate_a"

    assert len(declared.test)
    for read in (lambda data: data.test, lambda data: data.rows("test")):
        with pytest.raises(SealedError) as caught:
            read(declared.resplit(FOLD))
        assert str(caught.value) == (
            "fold 1 of 3 has no test rows of 'people': they stay the same, and sealed; "
            "judge the model of the declared split, in a gate by .best.test"
        )


def test_no_file_of_test_rows_is_needed(opened, store):
    declared = opened()
    store.remove(splits.SEALED)

    assert len(declared.resplit(SECOND).train) == len(declared.train)


def test_levels_are_those_of_the_training_rows_of_the_repeat(opened):
    """A level that only the declared validation rows have is not lost to a repeat that trains on them."""
    frame = people()
    declared = opened(frame)
    rare = declared.validation.positions[0]
    frame["size"] = frame["size"].cat.add_categories(["XL"]).cat.reorder_categories(["XL", "S", "M", "L"])
    frame.loc[rare, "size"] = "XL"
    declared = opened(frame)
    assert declared.validation.X["size"].isna().tolist().index(True) == 0
    assert list(declared.train.X["size"].cat.categories) == ["S", "M", "L"]

    found = {}
    for fold in rounds(1, 3):
        again = declared.resplit(fold)
        train, held = again.train.X["size"], again.validation.X["size"]
        assert list(train.cat.categories) == list(held.cat.categories)
        assert train.cat.ordered
        found[rare in train.index] = list(train.cat.categories)
        if rare in train.index:
            assert train[rare] == "XL"
            assert again.rows("train")["size"][rare] == "XL"
        else:
            assert pd.isna(held[rare])
    assert found == {True: ["XL", "S", "M", "L"], False: ["S", "M", "L"]}


def test_repeats_are_told_apart_by_digest(opened):
    declared = opened()
    digests = {declared.resplit(r).digest for r in (*rounds(3, None), *rounds(1, 3))} | {declared.digest}

    assert len(digests) == 6
    assert opened().resplit(SECOND).digest == declared.resplit(SECOND).digest
    assert opened(seed=1).resplit(SECOND).digest not in digests


def test_rows_that_were_released_are_read_again(opened):
    again = opened().resplit(SECOND)
    before = again.train.X
    again.release()

    pd.testing.assert_frame_equal(again.train.X, before)


def test_what_is_changed_is_nobody_elses(opened):
    again = opened().resplit(SECOND)
    mine = again.train.X
    mine["age"] = 0

    assert again.train.X["age"].min() > 0


# What cannot be learnt from


def test_a_class_that_no_training_row_has_is_named(opened):
    frame = people()
    frame.loc[40::10, "y"] = "rare"

    with pytest.raises(DataError) as caught:
        opened(frame, time="since").resplit(FOLD)
    assert str(caught.value) == (
        "no training row of data set 'people' is of class 'rare' in fold 1 of 3; "
        "ask for other folds, or load more rows of it"
    )


def test_weights_that_are_all_zero_are_told(opened):
    frame = people()
    frame.loc[:50, "load"] = 0.0

    with pytest.raises(DataError) as caught:
        opened(frame, time="since", weight="load").resplit(FOLD)
    assert str(caught.value) == (
        "weight='load' of data set 'people' is 0 in every train row of fold 1 of 3; "
        "ask for other folds, or load more rows"
    )


def test_a_target_that_is_the_same_everywhere_is_told(opened):
    frame = people()
    frame["y"] = np.where(np.arange(len(frame)) < 80, 1.5, np.arange(len(frame)) / 7)

    with pytest.raises(DataError) as caught:
        opened(frame, time="since", task="regression").resplit(FOLD)
    assert str(caught.value) == (
        "target 'y' of data set 'people' is the same in all 27 training rows of fold 1 of 3; "
        "ask for other folds, or load more rows"
    )
