"""Which row stands in which split: against scikit-learn, by law, and in words where it cannot be."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from declared import declare
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from harness.data.labels import encode
from harness.data.partition import Partition, divide
from harness.errors import DataError, DeclarationError, HarnessError

DATA = Path(__file__).parents[1] / "experiments" / "data"
NONE: NDArray[np.int64] = np.empty(0, dtype=np.int64)

percents = st.tuples(st.integers(1, 98), st.integers(1, 98)).filter(lambda p: sum(p) < 100)
seeds = st.integers(0, 2**32 - 1)


def of(frame: pd.DataFrame, task: str = "regression", codes: Any = NONE, **options: Any) -> Partition:
    return divide(frame, np.asarray(codes), task, declare(**options))


def is_partition(found: Partition, n: int) -> bool:
    everything = np.concatenate([positions for _, positions in found.items()])
    return sorted(everything.tolist()) == list(range(n)) and all(len(p) for _, p in found.items())


def lists(found: Partition) -> list[list[int]]:
    return [positions.tolist() for _, positions in found.items()]


# random


@pytest.mark.parametrize(
    ("file", "target", "task", "sizes"),
    [
        ("income", "income", "binary", (34188, 9769, 4885)),
        ("penguins", "species", "multiclass", (240, 69, 35)),
        ("bikeshare", "bikers", "regression", (6051, 1729, 865)),
    ],
)
def test_equals_the_published_recipe_row_for_row(
    file: str, target: str, task: str, sizes: tuple[int, ...]
) -> None:
    frame = pd.read_parquet(DATA / f"{file}.parquet")
    y = encode(frame[target])[0]
    strata = None if task == "regression" else y
    i = np.arange(len(y))
    a, test = train_test_split(i, test_size=0.10, random_state=42, stratify=strata)
    again = None if strata is None else strata[a]
    train, validation = train_test_split(a, test_size=2 / 9, random_state=42, stratify=again)

    found = of(frame, task, y, target=target, seed=42)

    assert lists(found) == [train.tolist(), validation.tolist(), test.tolist()]
    assert tuple(map(len, lists(found))) == sizes


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 400), percents, seeds, st.integers(2, 4))
def test_random_splits_are_scikit_learns(n: int, percent: tuple[int, int], seed: int, k: int) -> None:
    b, c = percent
    n_test, n_validation = -(-c * n // 100), -(-b * n // 100)
    assume(n - n_test - n_validation >= k and min(n_test, n_validation) >= k)
    split = ((100 - b - c) / 100, b / 100, c / 100)
    codes = np.arange(n) % k
    frame = pd.DataFrame({"y": codes})
    try:
        rest, test = train_test_split(np.arange(n), test_size=n_test, random_state=seed, stratify=codes)
        train, validation = train_test_split(
            rest, test_size=n_validation, random_state=seed, stratify=codes[rest]
        )
    except ValueError:
        with pytest.raises(DataError, match="cannot be stratified by 'y'"):
            of(frame, "multiclass", codes, split=split, seed=seed)
        return

    found = of(frame, "multiclass", codes, split=split, seed=seed)

    assert lists(found) == [train.tolist(), validation.tolist(), test.tolist()]
    assert is_partition(found, n)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40), percents, st.sampled_from([None, True, False, "s"])
)
def test_rows_that_cannot_be_split_are_told_in_our_words(
    codes: list[int], percent: tuple[int, int], stratify: bool | str | None
) -> None:
    b, c = percent
    split = ((100 - b - c) / 100, b / 100, c / 100)
    frame = pd.DataFrame({"y": codes, "s": [f"{code // 2}" for code in codes]})
    try:
        found = of(frame, "multiclass", codes, split=split, stratify=stratify)
    except HarnessError as error:
        refusal = error
    else:
        assert is_partition(found, len(codes))
        return

    assert "data set 'people'" in refusal.problem
    assert refusal.remedy


def test_a_regression_is_not_stratified() -> None:
    frame = pd.DataFrame({"y": np.linspace(0, 1, 50)})
    _, test = train_test_split(np.arange(50), test_size=5, random_state=3)

    assert of(frame, seed=3).test.tolist() == test.tolist()


def test_stratify_true_is_the_default_for_classes() -> None:
    codes = np.arange(100) % 3

    assert lists(of(pd.DataFrame({"y": codes}), "multiclass", codes, stratify=True)) == lists(
        of(pd.DataFrame({"y": codes}), "multiclass", codes)
    )


def test_stratify_false_ignores_the_classes() -> None:
    codes = np.array([0] * 99 + [1])
    _, test = train_test_split(np.arange(100), test_size=10, random_state=0)

    assert of(pd.DataFrame({"y": codes}), "binary", codes, stratify=False).test.tolist() == test.tolist()


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_stratify_by_a_column_keeps_its_shares(task: str) -> None:
    frame = pd.DataFrame({"y": np.arange(200) % 2, "city": (["a"] * 3 + ["b"]) * 50})

    found = of(frame, task, frame["y"].to_numpy(), stratify="city")

    assert [(frame["city"].iloc[p] == "b").mean() for _, p in found.items()] == [0.25, 0.25, 0.25]
    _, test = train_test_split(np.arange(200), test_size=20, random_state=0, stratify=frame["city"])
    assert found.test.tolist() == test.tolist()


def test_nulls_of_a_stratifying_column_are_a_stratum_of_their_own() -> None:
    frame = pd.DataFrame({"y": range(100), "city": ["a", None] * 50})

    found = of(frame, stratify="city")

    assert [int(frame["city"].iloc[p].isna().sum()) for _, p in found.items()] == [35, 10, 5]


def test_a_regression_has_no_classes_to_stratify_by() -> None:
    with pytest.raises(DeclarationError, match=r"stratify=True, but its target 'y' has no classes; leave"):
        of(pd.DataFrame({"y": range(100)}), stratify=True)


def test_a_continuous_column_cannot_stratify() -> None:
    frame = pd.DataFrame({"y": range(50), "age": np.linspace(0, 1, 50)})

    with pytest.raises(
        DataError, match=r"cannot be stratified by 'age': 0\.0 has only 1 row; .*stratify=False"
    ):
        of(frame, stratify="age")


def test_a_stratum_that_the_test_rows_use_up_is_named() -> None:
    frame = pd.DataFrame({"y": range(40), "s": ["a"] * 38 + ["rare"] * 2})

    with pytest.raises(DataError, match=r"'s': 'rare' has only 1 row left after the test rows were taken"):
        of(frame, stratify="s", split=(0.3, 0.2, 0.5))


def test_more_classes_than_test_rows_are_counted() -> None:
    codes = np.arange(60) % 20

    with pytest.raises(DataError, match=r"by 'y': 6 test rows cannot hold 20 different values"):
        of(pd.DataFrame({"y": codes}), "multiclass", codes)


@pytest.mark.parametrize(("n", "test", "validation"), [(1, 1, 1), (2, 1, 1)])
def test_too_few_rows_are_counted(n: int, test: int, validation: int) -> None:
    with pytest.raises(DataError) as caught:
        of(pd.DataFrame({"y": range(n)}))

    assert (
        f"data set 'people' has {n} row{'s' * (n > 1)}, too few for split=(0.7, 0.2, 0.1): {test} for test, "
        f"{validation} for validation and none left for train" in str(caught.value)
    )


# group


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=120), percents, seeds)
def test_no_group_stands_in_two_splits(groups: list[int], percent: tuple[int, int], seed: int) -> None:
    b, c = percent
    count = len(set(groups))
    n_test, n_validation = -(-c * count // 100), -(-b * count // 100)
    frame = pd.DataFrame({"g": groups})
    options = {"group": "g", "seed": seed, "split": ((100 - b - c) / 100, b / 100, c / 100)}
    if count - n_test - n_validation < 1:
        with pytest.raises(DataError, match=f"has {count} groups? of 'g', too few"):
            of(frame, **options)
        return

    found = of(frame, **options)

    assert is_partition(found, len(groups))
    in_split = [set(frame["g"].iloc[p]) for _, p in found.items()]
    assert [len(s) for s in in_split] == [count - n_test - n_validation, n_validation, n_test]
    assert len(set.union(*in_split)) == count


def test_a_grouped_split_is_scikit_learns() -> None:
    frame = pd.DataFrame(
        {"g": np.random.default_rng(0).choice(["nora", "ole", "per", "unn", "åse", "al"], 200)}
    )
    rows = np.arange(200)
    rest, test = next(GroupShuffleSplit(1, test_size=1, random_state=5).split(rows, groups=frame["g"]))
    kept, validation = next(
        GroupShuffleSplit(1, test_size=2, random_state=5).split(rest, groups=frame["g"].iloc[rest])
    )

    found = of(frame, group="g", seed=5)

    assert lists(found) == [rest[kept].tolist(), rest[validation].tolist(), test.tolist()]


def test_a_group_may_not_be_null() -> None:
    with pytest.raises(
        DataError, match=r"group='g' of data set 'people' has 2 nulls in 5 rows; fill or drop"
    ):
        of(pd.DataFrame({"g": ["a", None, "b", None, "c"]}), group="g")


# time


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=3, max_size=120), percents)
def test_later_splits_hold_later_rows(times: list[int], percent: tuple[int, int]) -> None:
    b, c = percent
    frame = pd.DataFrame({"t": times})
    options = {"time": "t", "split": ((100 - b - c) / 100, b / 100, c / 100)}
    n, n_test, n_validation = len(times), -(-c * len(times) // 100), -(-b * len(times) // 100)
    if n - n_test - n_validation < 1:
        with pytest.raises(DataError, match="too few for split"):
            of(frame, **options)
        return
    ordered = sorted(times)
    in_validation, in_test = ordered[n - n_test - n_validation], ordered[n - n_test]
    expected = ["test" if t >= in_test else "validation" if t >= in_validation else "train" for t in times]
    if len(set(expected)) < 3:
        with pytest.raises(DataError, match="no row is left for"):
            of(frame, **options)
        return

    found = of(frame, **options)

    assert is_partition(found, n)
    assert {(split, i) for split, p in found.items() for i in p} == {(s, i) for i, s in enumerate(expected)}
    order = np.concatenate([p for _, p in found.items()])
    assert order.tolist() == sorted(range(n), key=times.__getitem__)


def test_distinct_times_are_cut_at_the_counts() -> None:
    times = np.random.default_rng(0).permutation(101)

    found = of(pd.DataFrame({"t": times}), time="t")

    assert times[found.train].tolist() == list(range(69))
    assert times[found.validation].tolist() == list(range(69, 90))
    assert times[found.test].tolist() == list(range(90, 101))


def test_a_tie_at_a_boundary_goes_wholly_to_the_later_split() -> None:
    frame = pd.DataFrame({"t": [0, 1, 2, 3, 4, 5, 6, 6, 8, 8]})

    found = of(frame, time="t")

    assert lists(found) == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]


def test_several_time_columns_are_read_one_after_the_other() -> None:
    frame = pd.DataFrame({"hour": [5, 1, 9, 2, 8, 3, 7, 4, 6, 0], "day": [1, 2, 1, 2, 1, 2, 1, 2, 1, 2]})

    found = of(frame, time=("day", "hour"))

    order = np.concatenate([p for _, p in found.items()])
    assert order.tolist() == frame.sort_values(["day", "hour"]).index.tolist()


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime([f"2024-01-{day:02}" for day in range(1, 11)]),
        pd.to_datetime([f"2024-01-{day:02}" for day in range(1, 11)], utc=True),
        pd.Index([f"2024-01-{day:02}" for day in range(1, 11)]),
        pd.Index([f"2024-01-01T{hour:02}:00:00Z" for hour in range(10)]),
        pd.Index([f"20{year}" for year in range(10, 20)]),
        pd.period_range("2024-01", periods=10, freq="M"),
        pd.timedelta_range("1h", periods=10),
        pd.CategoricalIndex(list("jihgfedcba"), categories=list("jihgfedcba"), ordered=True),
        pd.Index(pd.to_datetime([f"2024-01-{day:02}" for day in range(1, 11)]).date, dtype=object),
        pd.Index([0.5 * i for i in range(10)]),
        pd.Index([1, 2.5, *range(3, 11)], dtype=object),
    ],
    ids=lambda times: f"{times.dtype}",
)
def test_anything_that_sorts_by_time_is_a_time(times: pd.Index) -> None:
    shuffle = np.random.default_rng(1).permutation(10)
    frame = pd.DataFrame({"t": times[shuffle]})

    found = of(frame, time="t")

    assert [shuffle[p].tolist() for _, p in found.items()] == [[*range(7)], [7, 8], [9]]


@pytest.mark.parametrize(
    ("times", "found"),
    [
        (["Jan", "Feb", "Mar", "April"], "the text 'April'"),
        (["01/02/2024", "02/01/2024", "03/01/2024", "04/01/2024"], "the text '01/02/2024'"),
        (pd.Categorical(["Jan", "Feb", "Mar", "April"]), "the text 'April'"),
        (pd.Series([1, "2024", 3, 4], dtype=object), "values of types int, str"),
    ],
)
def test_text_that_does_not_sort_by_time_is_refused(times: Any, found: str) -> None:
    with pytest.raises(DataError) as caught:
        of(pd.DataFrame({"t": times}), time="t")

    assert f"time='t' of data set 'people' holds {found}, which does not sort by time" in str(caught.value)
    assert "pd.to_datetime, or make it an ordered category" in caught.value.remedy


def test_a_time_may_not_be_null() -> None:
    frame = pd.DataFrame({"t": pd.to_datetime(["2024", None, "2025"])})

    with pytest.raises(DataError, match=r"time='t' of data set 'people' has 1 null in 3 rows"):
        of(frame, time="t")


@pytest.mark.parametrize(
    ("times", "empty"),
    [([0] * 10, "train"), ([0] * 5 + [1] * 5, "validation"), ([0] * 7 + [1] * 3, "validation")],
)
def test_ties_that_empty_a_split_are_told(times: list[int], empty: str) -> None:
    with pytest.raises(DataError, match=rf"distinct times? in 10 rows.*no row is left for {empty}; .*finer"):
        of(pd.DataFrame({"t": times}), time="t")


# key


def placed(frame: pd.DataFrame, **options: Any) -> dict[Any, str]:
    found = of(frame, key="k", **options)
    return {frame["k"].iloc[i]: split for split, positions in found.items() for i in positions}


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 10**9), min_size=200, max_size=260), st.randoms(use_true_random=False), seeds)
def test_a_row_never_changes_its_split(keys: set[int], random: Any, seed: int) -> None:
    ordered = sorted(keys)
    before = placed(pd.DataFrame({"k": ordered}), seed=seed)
    grown = [*ordered[50:], *range(10**9 + 1, 10**9 + 50)]
    random.shuffle(grown)

    after = placed(pd.DataFrame({"k": [float(key) for key in grown]}), seed=seed)

    assert all(after[key] == before[key] for key in ordered[50:])


def test_equal_keys_stand_together() -> None:
    frame = pd.DataFrame({"k": [i % 300 for i in range(3000)]})

    found = of(frame, key="k")

    assert is_partition(found, 3000)
    in_split = [set(frame["k"].iloc[p]) for _, p in found.items()]
    assert len(set.union(*in_split)) == sum(map(len, in_split)) == 300
    assert all(p.tolist() == sorted(p) for _, p in found.items())


def test_hashes_meet_the_shares() -> None:
    found = of(pd.DataFrame({"k": range(20000)}), key="k", seed=1)

    # five standard deviations of a binomial count
    assert abs(len(found.test) - 2000) < 5 * (20000 * 0.1 * 0.9) ** 0.5
    assert abs(len(found.validation) - 4000) < 5 * (20000 * 0.2 * 0.8) ** 0.5


def test_the_hash_is_compared_with_the_shares_as_documented() -> None:
    frame = pd.DataFrame({"a": ["x", "y"] * 200, "b": range(400)})
    expected: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for i, (a, b) in enumerate(zip(frame["a"], frame["b"], strict=True)):
        code = hashlib.blake2b(json.dumps([9, a, str(b)]).encode(), digest_size=8).digest()
        place = int.from_bytes(code, "big")
        expected[
            "test" if 10 * place < 2**64 else "validation" if 10 * place < 3 * 2**64 else "train"
        ].append(i)

    found = of(frame, key=["a", "b"], seed=9)

    assert {split: positions.tolist() for split, positions in found.items()} == expected


def test_the_test_rows_stay_when_train_is_traded_for_validation() -> None:
    frame = pd.DataFrame({"k": range(500)})

    a = of(frame, key="k", split=(0.7, 0.2, 0.1))
    b = of(frame, key="k", split=(0.6, 0.3, 0.1))

    assert a.test.tolist() == b.test.tolist()
    assert set(a.validation) < set(b.validation)


def test_another_seed_is_another_split() -> None:
    frame = pd.DataFrame({"k": range(500)})

    assert set(of(frame, key="k", seed=1).test) != set(of(frame, key="k", seed=2).test)


def test_a_key_may_not_be_null() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "k": ["x", None, "z"]})

    with pytest.raises(DataError, match=r"key='k' of data set 'people' has 1 null in 3 rows"):
        of(frame, key=["a", "k"])


def test_too_few_keys_are_told() -> None:
    with pytest.raises(
        DataError, match=r"has 1 distinct key in 50 rows, and the hash puts none of them into"
    ):
        of(pd.DataFrame({"k": [7] * 50}), key="k")
