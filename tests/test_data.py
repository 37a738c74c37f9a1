"""The seal, the features' view and derived data sets, on splits made by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from harness.data.dataset import Dataset, Seal, Split
from harness.errors import FeaturesError, LeakageError, SealedError

POSITIONS = {"train": [4, 0, 2], "validation": [1], "test": [3, 5]}
GATE = "experiments/experiment_x.py::gate_x"


def frame(split: str) -> pd.DataFrame:
    at = POSITIONS[split]
    return pd.DataFrame({"a": [float(i) for i in at], "b": [10.0 + i for i in at], "id": at}, index=at)


class Source:
    """Loads splits and remembers which."""

    def __init__(self, seal: Seal | None = None) -> None:
        self.loaded: list[str] = []
        self.seal = seal or Seal()
        self.dataset = Dataset(
            name="income",
            task="binary",
            classes=["<=50K", ">50K"],
            columns=["a", "b"],
            digest="d" * 32,
            sizes={split: len(at) for split, at in POSITIONS.items()},
            seal=self.seal,
            load=self.load,
            rows=frame,
        )

    def load(self, split: str) -> Split:
        self.loaded.append(split)
        at = POSITIONS[split]
        y = pd.Series([i % 2 for i in at], index=at, name="y")
        return Split(frame(split)[["a", "b"]], y, pd.Series(1.0, index=at), np.array(at))


def scaled(data: Dataset, name: str = "scale", digest: str = "f1", **changes: Any) -> Dataset:
    step = StandardScaler().fit(data.train.X)
    options: dict[str, Any] = {
        "name": name,
        "columns": ["a", "b"],
        "step": step,
        "train": step.transform(data.train.X),
        "validation": step.transform(data.validation.X),
        "transform": lambda X, index: step.transform(X),
        "digest": digest,
    }
    return data.derive(**{**options, **changes})


# seal


def test_test_rows_are_sealed() -> None:
    source = Source()

    for touch in (lambda: source.dataset.test, lambda: source.dataset.rows("test")):
        with pytest.raises(SealedError) as caught:
            touch()
        assert str(caught.value) == (
            "the test rows of 'income' are sealed: only a gate may open them; write a gate_* function and "
            "ask for the experiment by its name, then use .best.test"
        )
    assert source.loaded == []
    assert source.seal.openings == set()


def test_a_gate_opens_them_and_is_recorded() -> None:
    source = Source()

    source.seal.opened_by = GATE
    assert source.dataset.test.positions.tolist() == [3, 5]
    assert source.dataset.rows("test").index.tolist() == [3, 5]
    assert source.dataset.train.positions.tolist() == [4, 0, 2]
    source.seal.opened_by = "other"
    assert len(source.dataset.test) == 2

    assert source.seal.openings == {("income", GATE), ("income", "other")}


def test_a_gate_that_does_not_look_opens_nothing() -> None:
    source = Source()

    source.seal.opened_by = GATE
    assert len(source.dataset.validation) == 1
    repr(source.dataset)

    assert source.seal.openings == set()
    assert "test" not in source.loaded


def test_the_seal_closes_after_the_gate() -> None:
    source = Source()

    source.seal.opened_by = GATE
    assert len(source.dataset.test) == 2
    source.seal.opened_by = None

    assert source.seal.openings == {("income", GATE)}
    with pytest.raises(SealedError):
        source.dataset.test  # noqa: B018


# what a split gives


def test_splits_are_loaded_once_and_late() -> None:
    source = Source()
    assert source.loaded == []

    for _ in range(3):
        assert source.dataset.train.X["a"].tolist() == [4.0, 0.0, 2.0]

    assert source.loaded == ["train"]


def test_changing_a_frame_changes_no_one_elses() -> None:
    data = Source().dataset

    first = data.train
    first.X["new"] = 1
    first.X.loc[4, "a"] = 99.0
    first.y.loc[4] = 7
    first.weight.loc[4] = 7.0  # type: ignore[union-attr]
    rows = data.rows("train")
    rows["a"] = 0.0
    data.columns.append("c")
    data.classes.append("c")  # type: ignore[union-attr]

    assert data.train.X.columns.tolist() == ["a", "b"]
    assert data.train.X["a"].tolist() == [4.0, 0.0, 2.0]
    assert data.train.y.tolist() == [0, 0, 0]
    assert data.train.weight.tolist() == [1.0, 1.0, 1.0]  # type: ignore[union-attr]
    assert data.rows("train")["a"].tolist() == [4.0, 0.0, 2.0]
    assert data.columns == ["a", "b"]
    assert data.classes == ["<=50K", ">50K"]


def test_an_estimator_that_writes_into_its_input_spoils_nothing() -> None:
    data = scaled(Source().dataset)
    before = data.train.X.copy()

    data.train.X[0, 0] = 99.0
    Ridge(copy_X=False).fit(data.train.X, data.train.y)

    assert np.array_equal(data.train.X, before)


def test_a_sparse_matrix_that_is_written_into_spoils_nothing() -> None:
    data = Source().dataset
    sparse = data.derive(
        name="sparse",
        columns=data.columns,
        step="step",
        train=csr_matrix(np.eye(3, 2)),
        validation=csr_matrix(np.eye(1, 2)),
        transform=lambda X, index: csr_matrix(X),
        digest="d",
    )

    sparse.train.X.data[:] = 99.0

    assert sparse.train.X.max() == 1.0


def test_representations_are_short_and_show_no_row() -> None:
    data = Source().dataset

    assert repr(data) == "Dataset('income': binary, 2 columns, 3 / 1 / 2 rows)"
    assert repr(scaled(scaled(data), name="again")) == (
        "Dataset('income' > scale > again: binary, 2 columns, 3 / 1 / 2 rows)"
    )
    assert repr(data.train) == "Split(X: 3 x 2 DataFrame, y: int64)"


# features


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("gate", [None, GATE])
def test_features_see_training_rows_only(split: str, gate: str | None) -> None:
    source = Source()
    derived = scaled(source.dataset)
    source.seal.opened_by = gate

    for data, argument in ((source.dataset, "income"), (derived, "scale")):
        view = data.for_features("one_hot")
        assert len(view.train) == 3
        for touch in (
            lambda v=view: getattr(v, split),
            lambda v=view: v.rows(split),
            lambda v=view: getattr(v.raw, split),
            lambda v=view: v.raw.rows(split),
        ):
            with pytest.raises(LeakageError) as caught:
                touch()
            assert caught.value.problem == f"features 'one_hot' asked for the {split} rows of 'income'"
            assert caught.value.remedy in (
                f"features learn from training rows only: use {name}.train; the fitted transformer is "
                "applied to the other rows afterwards"
                for name in (argument, "income")
            )
    assert source.seal.openings == set()


def test_the_view_is_the_data_set_in_all_else() -> None:
    data = scaled(Source().dataset)
    view = data.for_features()

    assert isinstance(view, Dataset)
    assert (view.name, view.task, view.classes, view.columns) == (
        "income",
        "binary",
        ["<=50K", ">50K"],
        ["a", "b"],
    )
    assert (view.digest, view.steps) == (data.digest, data.steps)
    assert view.rows("train").index.tolist() == [4, 0, 2]
    with pytest.raises(LeakageError, match=r"^a features function asked for the validation rows of 'income'"):
        view.validation  # noqa: B018
    assert len(data.validation) == 1


# derived data sets


def test_a_derived_data_set_has_new_columns_and_the_old_rows() -> None:
    source = Source()

    data = scaled(source.dataset, columns=["u", "v"])

    expected = StandardScaler().fit(frame("train")[["a", "b"]])
    assert np.array_equal(data.train.X, expected.transform(frame("train")[["a", "b"]]))
    assert np.array_equal(data.validation.X, expected.transform(frame("validation")[["a", "b"]]))
    assert data.columns == ["u", "v"]
    assert data.train.y.tolist() == source.dataset.train.y.tolist()
    assert data.train.weight.tolist() == [1.0, 1.0, 1.0]  # type: ignore[union-attr]
    assert data.train.positions.tolist() == [4, 0, 2]
    assert data.rows("train").columns.tolist() == ["a", "b", "id"]


def test_steps_and_raw_lead_back() -> None:
    raw = Source().dataset
    once = scaled(raw)
    twice = scaled(once, name="again")

    assert raw.steps == ()
    assert raw.raw is raw
    assert twice.steps[:1] == once.steps
    assert len(twice.steps) == 2
    assert twice.raw.digest == raw.digest
    assert twice.raw.train.X["a"].tolist() == [4.0, 0.0, 2.0]


def test_the_digest_tells_data_and_features() -> None:
    raw = Source().dataset
    once = scaled(raw)

    digests = [raw.digest, once.digest, scaled(raw, digest="f2").digest, scaled(once).digest]

    assert len(set(digests)) == 4
    assert scaled(raw).digest == once.digest
    assert scaled(raw, digest=raw.digest).digest != raw.digest


def test_test_rows_are_transformed_when_a_gate_asks_and_never_before() -> None:
    source = Source()
    asked: list[list[int]] = []

    def transform(X: pd.DataFrame, index: pd.Index) -> Any:
        asked.append(index.tolist())
        return X * 2

    data = scaled(source.dataset, train=frame("train"), validation=frame("validation"), transform=transform)
    assert len(data.train) + len(data.validation) == 4
    with pytest.raises(SealedError):
        data.test  # noqa: B018
    assert asked == []

    source.seal.opened_by = GATE
    for _ in range(2):
        assert data.test.X["a"].tolist() == [6.0, 10.0]

    assert asked == [[3, 5]]
    assert source.seal.openings == {("income", GATE)}


def test_a_sparse_matrix_stays_one() -> None:
    made = csr_matrix(np.eye(3))

    data = scaled(Source().dataset, train=made, validation=csr_matrix(np.eye(1, 3)))

    assert isinstance(data.train.X, csr_matrix)
    assert (made != data.train.X).nnz == 0
    assert repr(data.train) == "Split(X: 3 x 3 csr_matrix, y: int64)"


@pytest.mark.parametrize(
    ("split", "made"), [("train", np.ones((2, 2))), ("validation", pd.DataFrame({"a": [1, 2]}))]
)
def test_rows_may_not_be_added_or_removed(split: str, made: Any) -> None:
    with pytest.raises(FeaturesError) as caught:
        scaled(Source().dataset, name="sample", **{split: made})

    size = len(POSITIONS[split])
    assert f"features 'sample' made 2 rows of the {size} {split} rows of 'income'" in str(caught.value)
    assert "must keep every row" in caught.value.remedy


def test_test_rows_may_not_be_added_or_removed_either() -> None:
    source = Source()
    data = scaled(source.dataset, transform=lambda X, index: [[0.0]])

    source.seal.opened_by = GATE
    with pytest.raises(FeaturesError, match="made 1 rows of the 2 test rows of 'income'"):
        data.test  # noqa: B018
