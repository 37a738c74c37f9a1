"""From loaded rows to the store and back: the same rows, in every process, sealed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from damage import DAMAGE
from declared import declare
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from harness.data import table
from harness.data.dataset import Dataset, Seal
from harness.data.partition import divide
from harness.data.preparation import Prepared, digest_frame, open_dataset, prepare
from harness.data.target import read_target
from harness.errors import DataError, DeclarationError, StoreError
from harness.store import Store

SPLITS = ("train", "validation", "test")
ROOT = Path(__file__).parents[1]


def people(n: int = 100) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"p{i:03}" for i in range(n)],
            "age": draw.integers(18, 90, n),
            "height": np.where(np.arange(n) % 7 == 0, np.nan, draw.normal(170, 10, n)),
            "city": draw.choice(["oslo", "bergen", "tromsø"], n),
            "size": pd.Categorical(
                draw.choice(["s", "m", "l"], n), categories=["s", "m", "l", "xl"], ordered=True
            ),
            "visits": pd.array(np.where(np.arange(n) % 5 == 0, None, draw.integers(0, 9, n)), dtype="Int64"),
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, n), unit="D"),
            "member": draw.random(n) < 0.5,
            "score": draw.random(n).astype("float32"),
            "y": np.where(np.arange(n) % 4 == 0, "yes", "no"),
            "w": draw.random(n),
        }
    )
    return frame.set_index(pd.Index(range(1000, 1000 + n), name="row"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    found.open()
    return found


def opened(frame: pd.DataFrame, store: Store, **options: Any) -> Dataset:
    """The data set as a gate sees it."""
    seal = Seal()
    seal.opened_by = "gate"
    return open_dataset(prepare(declare(**options), frame, store), store, seal)


def files(store: Store, *folders: str) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(store.root)): (path.stat().st_mtime_ns, path.read_bytes())
        for folder in folders or ("data", "sealed")
        for path in sorted(store.path(folder).rglob("*"))
        if path.is_file()
    }


# what a data set is


def test_the_rows_come_back_as_they_were_loaded(store: Store) -> None:
    frame = people()
    declaration = declare(weight="w", drop="id")
    target = read_target(frame, declaration)
    expected = divide(frame, target.ranks, "binary", declaration)
    columns = ["age", "height", "city", "size", "visits", "since", "member", "score"]

    data = opened(frame, store, weight="w", drop="id")

    assert (data.name, data.task, data.classes, data.columns) == ("people", "binary", ["no", "yes"], columns)
    for name, positions in expected.items():
        split = getattr(data, name)
        loaded = frame.iloc[positions].set_axis(positions)
        loaded["size"] = loaded["size"].cat.set_categories(["s", "m", "l"])
        pd.testing.assert_frame_equal(split.X, loaded[columns])
        pd.testing.assert_frame_equal(data.rows(name), loaded.drop(columns="y"))
        pd.testing.assert_series_equal(split.y, (loaded["y"] == "yes").astype("int64"))
        pd.testing.assert_series_equal(split.weight, loaded["w"])
        assert split.positions.tolist() == split.X.index.tolist() == positions.tolist()
        assert len(split) == len(positions)


def test_a_regression_gives_its_values(store: Store) -> None:
    frame = people().astype({"score": "float32"})

    data = opened(frame, store, target="score", drop=["y", "w"])

    assert data.task == "regression"
    assert data.classes is None
    assert data.train.weight is None
    assert data.train.y.dtype == np.float32
    assert data.train.y.name == "score"
    assert data.train.y.tolist() == frame["score"].iloc[data.train.positions].tolist()


def test_the_record_says_what_was_prepared_and_crosses_a_border(store: Store) -> None:
    prepared = prepare(declare(weight="w", drop=("id", "since"), positive="no"), people(), store)

    assert prepared.name == "people"
    assert prepared.classes == ["yes", "no"]
    assert prepared.target_dtype == "str"
    assert prepared.rows == {"train": 70, "validation": 20, "test": 10}
    assert prepared.columns == {
        "age": "int64",
        "height": "float64",
        "city": "str",
        "size": "category",
        "visits": "Int64",
        "member": "bool",
        "score": "float32",
    }
    assert prepared.content == digest_frame(people())
    again = Prepared.from_json(json.loads(json.dumps(prepared.to_json())))
    assert again == prepared
    assert list(again.columns) == list(prepared.columns)
    assert open_dataset(again, store, Seal()).train.y.equals(open_dataset(prepared, store, Seal()).train.y)


def test_positive_changes_codes_and_not_the_split(store: Store) -> None:
    a, b = opened(people(), store, positive="yes"), opened(people(), store, positive="no")

    for name in SPLITS:
        assert getattr(a, name).y.tolist() == (1 - getattr(b, name).y).tolist()
        assert getattr(a, name).positions.tolist() == getattr(b, name).positions.tolist()
    assert (a.classes, b.classes) == (["no", "yes"], ["yes", "no"])


def test_every_option_that_shapes_the_data_shapes_the_digest(store: Store) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"name": "persons"},
        {"target": "member"},
        {"positive": "no"},
        {"split": (0.6, 0.3, 0.1)},
        {"seed": 1},
        {"stratify": False},
        {"stratify": "city"},
        {"group": "id"},
        {"time": "since"},
        {"time": ["since", "age"]},
        {"key": "id"},
        {"weight": "w"},
        {"drop": "id"},
        {"drop": ["id", "since"]},
        {"target": "age", "task": "regression"},
        {"target": "visits_", "task": "multiclass"},
        {"target": "visits_", "task": "regression"},
    ]
    frame = people(400).assign(visits_=np.arange(400) % 5)

    digests = [prepare(declare(**change), frame, store).digest for change in changes]
    digests.append(prepare(declare(), frame.assign(age=1), store).digest)

    assert len(set(digests)) == len(changes) + 1
    assert prepare(declare(contract="people"), frame, store).digest == digests[0]
    assert prepare(declare(split=[0.7, 0.2, 0.1], drop=[]), frame, store).digest == digests[0]
    drops = prepare(declare(drop=["since", "id"]), frame, store).digest
    assert drops == prepare(declare(drop=("id", "since")), frame, store).digest


def test_estimators_fit_on_mapped_rows(store: Store) -> None:
    data = opened(people(300), store, drop=["id", "city", "size", "since", "visits", "w"])
    split = data.train

    HistGradientBoostingClassifier(max_iter=3).fit(split.X, split.y)
    model = LogisticRegression().fit(split.X.fillna(0), split.y)

    assert not split.X["age"].to_numpy().flags.writeable
    assert len(model.predict(data.validation.X.fillna(0))) == 60


# sealed


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([{}, {"time": "since"}, {"key": "id"}, {"group": "id"}]), st.integers(0, 99))
def test_nothing_of_a_test_row_is_in_the_folder_of_the_others(options: dict[str, Any], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        frame, declaration = people(), declare(seed=seed, **options)
        positions = divide(frame, read_target(frame, declaration).ranks, "binary", declaration)
        row = int(positions.test[seed % len(positions.test)])
        known = int(positions.train[seed % len(positions.train)])
        frame["note"] = [f"note {i}" for i in range(100)]
        frame["label"] = pd.Categorical([f"label {i}" for i in range(100)])
        frame["bytes"] = pd.Series([f"bytes {i}".encode() for i in range(100)], index=frame.index)
        frame["arrow"] = frame["note"].str.replace("note", "arrow").astype("string[pyarrow]")
        for column, kind in (("note", str), ("bytes", str.encode), ("arrow", str)):
            values = frame[column].tolist()
            values[row], values[known] = kind(f"SENTINEL {column}"), kind(f"TRAIN {column}")
            frame[column] = pd.Series(values, index=frame.index, dtype=frame[column].dtype)
        frame["label"] = frame["label"].cat.rename_categories(
            {f"label {row}": "SENTINEL label", f"label {known}": "TRAIN label"}
        )
        frame.attrs["of a test row"] = "SENTINEL attrs"

        prepared = prepare(declaration, frame, store)

        kept = b"".join(content for _, content in files(store, "data").values())
        assert b"SENTINEL" not in kept
        assert all(f"TRAIN {column}".encode() in kept for column in ("note", "label", "bytes", "arrow"))
        test = store.path("sealed", prepared.digest, "test.arrow").read_bytes()
        assert all(f"SENTINEL {column}".encode() in test for column in ("note", "label", "bytes", "arrow"))
        assert b"TRAIN" not in test
        data = open_dataset(prepared, store, Seal())
        assert row not in data.rows("train").index
        assert row not in data.rows("validation").index


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_test_rows_never_change_a_byte_of_the_others(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        frame, declaration = people(), declare()
        before = prepare(declaration, frame, store)
        test = divide(frame, read_target(frame, declaration).ranks, "binary", declaration).test
        row, changed = int(data.draw(st.sampled_from(test.tolist()))), frame.copy()
        changed.iloc[row, changed.columns.get_loc("height")] = data.draw(st.floats(-1e9, 1e9))
        changed.iloc[row, changed.columns.get_loc("city")] = data.draw(st.sampled_from(["paris", None]))
        changed.iloc[row, changed.columns.get_loc("size")] = data.draw(st.sampled_from(["xl", None]))

        after = prepare(declaration, changed, store)

        assert after.digest != before.digest
        for file in ("train.arrow", "validation.arrow"):
            kept = [store.path("data", entry.digest, file).read_bytes() for entry in (before, after)]
            assert kept[0] == kept[1]


def test_levels_that_no_training_row_has_are_missing_elsewhere(store: Store) -> None:
    frame = pd.DataFrame(
        {
            "t": range(20),
            "c": pd.Categorical(
                ["b"] * 13 + ["v"] + ["a", "a", "a", "b"] + ["new", "b"],
                categories=["b", "x", "v", "a", "new"],
            ),
            "y": [0, 1] * 10,
        }
    )

    data = opened(frame, store, time="t")

    for split in (data.train, data.validation, data.test):
        assert split.X["c"].cat.categories.tolist() == ["b", "v"]
        assert split.X["c"].cat.ordered is False
    assert data.train.X["c"].tolist() == ["b"] * 13 + ["v"]
    assert data.validation.X["c"].isna().tolist() == [True, True, True, False]
    assert data.test.X["c"].isna().tolist() == [True, False]
    assert data.test.X["c"].tolist()[1:] == data.validation.X["c"].tolist()[3:] == ["b"]
    assert data.rows("validation")["c"].cat.categories.tolist() == ["b", "v"]


@pytest.mark.parametrize(
    "levels", [["b", "a"], [2, 1], [pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-01")]]
)
def test_a_category_without_a_training_value_has_no_levels(store: Store, levels: list[Any]) -> None:
    values = pd.Categorical([None] * 14 + levels * 3, categories=levels, ordered=True)
    frame = pd.DataFrame({"t": range(20), "c": values, "y": [0, 1] * 10})

    data = opened(frame, store, time="t")

    for split in (data.train, data.validation, data.test):
        assert split.X["c"].cat.categories.tolist() == []
        assert split.X["c"].cat.ordered is True
        assert split.X["c"].isna().all()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_validation_rows_never_change_a_byte_of_the_training_rows(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        frame, declaration = people(), declare()
        validation = divide(frame, read_target(frame, declaration).ranks, "binary", declaration).validation
        changed = frame.copy()
        row = int(data.draw(st.sampled_from(validation.tolist())))
        changed.iloc[row, changed.columns.get_loc("size")] = data.draw(st.sampled_from(["xl", None]))

        before, after = (prepare(declaration, rows, store) for rows in (frame, changed))

        kept = [store.path("data", entry.digest, "train.arrow").read_bytes() for entry in (before, after)]
        assert kept[0] == kept[1]


# the store


def test_an_entry_is_reused_and_not_written_again(store: Store) -> None:
    first = prepare(declare(), people(), store)
    before = files(store)

    again = prepare(declare(), people().reset_index(drop=True), store)

    assert again == first
    assert files(store) == before
    assert sorted(before) == [
        f"data/{first.digest}/meta.json",
        f"data/{first.digest}/train.arrow",
        f"data/{first.digest}/validation.arrow",
        f"sealed/{first.digest}/meta.json",
        f"sealed/{first.digest}/test.arrow",
    ]


def test_two_stores_hold_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        prepare(declare(), people(), Store(tmp_path / name))
        contents.append({file: content for file, (_, content) in files(Store(tmp_path / name)).items()})

    assert contents[0] == contents[1]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "file",
    ["data/train.arrow", "data/validation.arrow", "data/meta.json", "sealed/test.arrow", "sealed/meta.json"],
)
def test_a_damaged_entry_is_made_anew(store: Store, file: str, damage: str) -> None:
    first = prepare(declare(), people(), store)
    good = {name: content for name, (_, content) in files(store).items()}
    folder, name = file.split("/")
    DAMAGE[damage](store.path(folder, first.digest, name))

    again = prepare(declare(), people(), store)

    assert again == first
    assert {name: content for name, (_, content) in files(store).items()} == good
    assert open_dataset(again, store, Seal()).train.y.size == 70


@pytest.mark.parametrize("folder", ["data", "sealed"])
def test_folders_of_two_partitions_are_never_used_together(store: Store, tmp_path: Path, folder: str) -> None:
    first = prepare(declare(), people(), store)
    other = prepare(declare(seed=1), people(), store)
    for file in store.path(folder, other.digest).iterdir():  # as another scikit-learn would have drawn it
        store.path(folder, first.digest, file.name).write_bytes(file.read_bytes())

    prepare(declare(), people(), store)

    metas = [store.read_json(name, first.digest, "meta.json") for name in ("data", "sealed")]
    assert metas[0]["partition"] == metas[1]["partition"]
    assert metas[0]["partition"] != store.read_json("data", other.digest, "meta.json")["partition"]


class Killed(Store):
    """A store whose process is killed when it is about to show a folder."""

    def __init__(self, root: Path, folder: str) -> None:
        super().__init__(root)
        self.at = folder

    @contextmanager
    def folder(self, *parts: str) -> Iterator[Path]:
        with super().folder(*parts) as draft:
            yield draft
            if parts[0] == self.at:
                os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("folder", ["sealed", "data"])
def test_a_kill_leaves_no_half_entry(store: Store, folder: str) -> None:
    source = (
        "import sys; from pathlib import Path; "
        "from test_preparation import Killed, declare, people, prepare; "
        "prepare(declare(), people(), Killed(Path(sys.argv[1]), sys.argv[2]))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    run = subprocess.run(
        [sys.executable, "-c", source, str(store.root), folder],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert run.returncode == -signal.SIGKILL
    shown = [p.name for p in store.path("data").glob("[!.]*")] if store.path("data").exists() else []
    assert shown == []

    prepared = prepare(declare(), people(), store)

    assert len(open_dataset(prepared, store, Seal()).train) == 70


class Late(Store):
    """A store in which another run shows the same folder first, so that the rename fails."""

    @contextmanager
    def folder(self, *parts: str) -> Iterator[Path]:
        with super().folder(*parts) as draft:
            yield draft
            if not self.path("data").exists():
                prepare(declare(), people(), Store(self.root))
                raise OSError(39, "Directory not empty")


def test_two_runs_may_prepare_the_same_at_once(tmp_path: Path) -> None:
    prepared = prepare(declare(), people(), Late(tmp_path))

    assert len(open_dataset(prepared, Store(tmp_path), Seal()).train) == 70


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "sealed").write_text("in the way")

    with pytest.raises(StoreError) as caught:
        prepare(declare(), people(), Store(tmp_path))

    assert f"the store {tmp_path} cannot be written: File exists" in str(caught.value)
    assert "-o experiment_store=FOLDER" in caught.value.remedy


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text"])
@pytest.mark.parametrize("split", SPLITS)
def test_a_file_that_is_damaged_after_preparation_is_named(store: Store, split: str, damage: str) -> None:
    prepared = prepare(declare(), people(), store)
    folder = store.path("sealed" if split == "test" else "data", prepared.digest)
    DAMAGE[damage](folder / f"{split}.arrow")
    seal = Seal()
    seal.opened_by = "gate"
    data = open_dataset(prepared, store, seal)

    with pytest.raises(StoreError) as caught:
        getattr(data, split)

    assert f"the {split} rows of data set 'people' cannot be read from {folder}" in str(caught.value)
    assert f"delete the folder {folder}, and the next run writes it anew" in caught.value.remedy


def test_rows_of_another_split_are_not_taken_for_it(store: Store) -> None:
    prepared = prepare(declare(), people(), store)
    folder = store.path("data", prepared.digest)
    (folder / "train.arrow").write_bytes((folder / "validation.arrow").read_bytes())

    with pytest.raises(StoreError, match="it has 20 rows, not 70"):
        open_dataset(prepared, store, Seal()).train  # noqa: B018


def test_another_process_reads_the_same_rows_without_the_sealed_folder(store: Store) -> None:
    prepared = prepare(declare(), people(), store)
    store.path("sealed").rename(store.root / "elsewhere")
    source = (
        "import sys, json; from pathlib import Path\n"
        "from harness.data.dataset import Seal; from harness.store import Store\n"
        "from harness.data.table import digest\n"
        "from harness.data.preparation import Prepared, open_dataset\n"
        "data = open_dataset(Prepared.from_json(json.loads(sys.argv[2])), Store(Path(sys.argv[1])), Seal())\n"
        "print(digest(data.train.X), digest(data.validation.X), data.digest, data.classes)\n"
        "data.test"
    )

    run = subprocess.run(
        [sys.executable, "-c", source, str(store.root), json.dumps(prepared.to_json())],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )

    here = open_dataset(prepared, store, Seal())
    expected = [digest_frame(here.train.X), digest_frame(here.validation.X), here.digest, "['no', 'yes']"]
    assert run.stdout.strip() == " ".join(expected)
    assert "SealedError: the test rows of 'people' are sealed" in run.stderr


# what cannot be prepared


@pytest.mark.parametrize(
    ("frame", "options", "text"),
    [
        (None, {}, "the loader of data set 'people' returned None"),
        (people().drop(columns="y"), {}, "has no column 'y', which target= names"),
        (people().assign(y="yes"), {}, "is 'yes' in all 100 rows"),
        (people(2), {"target": "age"}, "class "),
        (
            people(),
            {"target": "score", "stratify": True},
            "stratify=True, but its target 'score' has no classes",
        ),
        (
            people().assign(t=range(100), y=["a"] * 50 + ["b"] * 45 + ["c"] * 5),
            {"time": "t"},
            "no training row of data set 'people' is of class 'c'; divide the rows in another way",
        ),
        (
            people().assign(t=range(100), score=[0.5] * 70 + [i / 30 for i in range(30)]),
            {"time": "t", "target": "score"},
            "target 'score' of data set 'people' is the same in all 70 training rows",
        ),
        (
            people().assign(t=range(100), w=[1] * 90 + [0] * 10),
            {"time": "t", "weight": "w"},
            "weight='w' of data set 'people' is 0 in every test row",
        ),
    ],
)
def test_what_cannot_be_prepared_leaves_nothing(
    store: Store, frame: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises((DataError, DeclarationError)) as caught:
        prepare(declare(**options), frame, store)

    assert text in str(caught.value)
    assert "'people'" in str(caught.value)
    assert caught.value.remedy
    assert files(store) == {}


def test_the_digest_of_something_else_than_a_frame_is_an_error() -> None:
    with pytest.raises(
        DataError, match="the loader of data set 'people' returned dict, not a pandas DataFrame"
    ):
        digest_frame({"a": [1]}, "people")


def test_a_known_digest_of_the_content_is_not_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = digest_frame(people())
    whole = prepare(declare(), people(), store)
    monkeypatch.setattr(table, "digest", lambda frame: pytest.fail("digested again"))

    assert prepare(declare(), people(), store, content) == whole


def test_equal_content_has_one_digest() -> None:
    assert digest_frame(people()) == digest_frame(people().reset_index(drop=True))
    assert len(digest_frame(people())) == hashlib.blake2b(digest_size=16).digest_size * 2
