"""Transformed rows in files: every bit comes back, nothing is copied, and nobody changes another's."""

import mmap
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from hypothesis.extra import pandas as frames
from pandas.testing import assert_frame_equal
from scipy.sparse import csr_matrix, random

from harness.data import mapped

NUMBERS = ["bool", "int8", "int64", "uint16", "float16", "float32", "float64", "complex128", ">f8"]


def kept(X, folder: Path | None = None):
    folder = folder or Path(tempfile.mkdtemp())
    mapped.write(folder, "train", X)
    return mapped.read(folder, "train", getattr(X, "index", None))


def backing(values: np.ndarray) -> object:
    """What an array's memory belongs to."""
    base = values
    while isinstance(base, np.ndarray):
        base = base.base
    return base


def raw(column: pd.Series) -> bytes:
    return column.to_numpy().tobytes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_numbers_come_back_bit_for_bit_in_rows_of_one_array(data):
    dtype = data.draw(st.sampled_from(NUMBERS))
    shape = data.draw(st.tuples(st.integers(0, 9), st.integers(1, 5)))
    values = data.draw(arrays.arrays(np.uint8, (*shape, np.dtype(dtype).itemsize)))
    given_ = (values > 127).any(axis=2) if dtype == "bool" else values.view(dtype).reshape(shape)
    layout = data.draw(st.sampled_from([np.ascontiguousarray, np.asfortranarray]))
    frame = pd.DataFrame(layout(given_), index=np.arange(shape[0])[::-1] * 2)

    with tempfile.TemporaryDirectory() as folder:
        found = kept(frame, Path(folder))

        assert found.to_numpy().tobytes() == given_.tobytes()
        assert found.to_numpy().flags.c_contiguous
        assert found.dtypes.tolist() == frame.dtypes.tolist()
        assert found.index.equals(frame.index)
        assert found.columns.equals(frame.columns)


@settings(max_examples=40, deadline=None)
@given(
    frames.data_frames(
        [
            frames.column("a", dtype="float64"),
            frames.column("b", dtype="int64"),
            frames.column("c", dtype="float64"),
            frames.column("d", dtype="bool"),
            frames.column("e", elements=st.sampled_from(["x", "ü", None])),
            frames.column("f", elements=st.one_of(st.none(), st.integers(), st.text(), st.just(np.nan))),
        ],
        index=frames.range_indexes(max_size=8),
    )
)
def test_mixed_columns_come_back_bit_for_bit(frame):
    frame["e"] = frame["e"].astype("category")
    frame["f"] = frame["f"].astype(object)
    with tempfile.TemporaryDirectory() as folder:
        found = kept(frame, Path(folder))

        assert_frame_equal(found, frame)
        for name in "abcd":
            assert raw(found[name]) == raw(frame[name])
        assert [repr(value) for value in found["f"]] == [repr(value) for value in frame["f"]]


ODD = {
    "text": pd.Series(["a", None]),
    "objects that are text": pd.Series(["a", "b"], dtype=object),
    "objects": pd.Series([{"a": 1}, [None]]),
    "time zone": pd.Series(pd.to_datetime(["2024-07-01", None], utc=True)).dt.tz_convert("Europe/Oslo"),
    "datetime": pd.Series(pd.to_datetime(["2024-01-01", None])).astype("datetime64[ns]"),
    "timedelta": pd.Series([pd.Timedelta(1, "s"), None]),
    "Int64": pd.Series([1, None], dtype="Int64"),
    "Arrow": pd.Series(["a", None], dtype=pd.ArrowDtype(pa.string())),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0, 1.0])),
    "ordered": pd.Series(pd.Categorical(["b", None], categories=["c", "b"], ordered=True)),
    "period": pd.Series(pd.period_range("2024", periods=2, freq="Y")),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ODD)
def test_columns_of_every_other_dtype_come_back(kind, tmp_path):
    frame = pd.DataFrame({"one": [0.5, np.nan], kind: ODD[kind], "two": [1, 2]}, index=pd.Index([7, 3]))
    frame[kind] = ODD[kind].set_axis(frame.index)

    for number, columns in enumerate([frame.columns, [kind], [kind, "two"]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert_frame_equal(kept(frame[list(columns)], folder), frame[list(columns)])


@pytest.mark.parametrize(
    "columns",
    [
        pd.Index([0, 1, 2]),
        pd.Index(["a", "a", "b"]),
        pd.Index(["", "a\0b", "ü/../x"], name="name"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
        pd.Index(["a", 1, None], dtype=object),
    ],
    ids=str,
)
@pytest.mark.parametrize("last", [1.5, 2], ids=["one dtype", "two dtypes"])
def test_columns_keep_their_names(columns, last, tmp_path):
    frame = pd.DataFrame({"a": [0.5], "b": [1.0], "c": [last]}, index=[4]).set_axis(columns, axis=1)

    found = kept(frame, tmp_path)

    assert_frame_equal(found, frame)
    pd.testing.assert_index_equal(found.columns, columns, exact=True)


def test_a_frame_without_columns(tmp_path):
    assert_frame_equal(kept(pd.DataFrame(index=[4, 2]), tmp_path), pd.DataFrame(index=[4, 2]))


def test_numbers_are_mapped_and_cannot_be_written(tmp_path):
    one = kept(pd.DataFrame(np.eye(4)), tmp_path)
    (tmp_path / "mixed").mkdir()
    mixed = kept(pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "c": [3.0, 4.0]}), tmp_path / "mixed")

    for values in (one.to_numpy(), *(mixed[name].to_numpy() for name in mixed)):
        assert isinstance(backing(values), mmap.mmap)
        assert not values.flags.writeable
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            values.flags.writeable = True
    shared = one.copy(deep=False)
    shared.iloc[0, 0] = 9.0
    assert one.iloc[0, 0] == 1.0


def test_what_estimators_take_of_one_dtype_is_the_file_itself(tmp_path):
    found = kept(pd.DataFrame(np.asfortranarray(np.random.default_rng(0).normal(size=(50, 3)))), tmp_path)

    assert np.shares_memory(np.asarray(found), np.asarray(found.copy(deep=False)))


def test_nothing_but_the_rows_is_in_the_files(tmp_path):
    whole = pd.DataFrame(
        {
            "text": [f"text{i}" for i in range(40)],
            "arrow": pd.Series([f"arrow{i}" for i in range(40)], dtype=pd.ArrowDtype(pa.string())),
            "object": pd.Series([f"object{i}" for i in range(40)], dtype=object),
            "number": np.arange(40.0),
            "when": pd.to_datetime("2020-01-01") + pd.to_timedelta(range(40), unit="D"),
        }
    )
    whole.attrs["note"] = "attrs39"

    mapped.write(tmp_path, "train", whole.iloc[:39])

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for name in ("text", "arrow", "object"):
        assert f"{name}38".encode() in content
        assert f"{name}39".encode() not in content
    assert np.float64(38).tobytes() in content
    assert np.float64(39).tobytes() not in content
    assert whole["when"].to_numpy()[38:39].tobytes() in content
    assert whole["when"].to_numpy()[39:].tobytes() not in content
    assert b"attrs39" not in content


# Sparse


def matrices():
    return st.builds(
        lambda rows, columns, density, seed, dtype: csr_matrix(
            random(rows, columns, density, format="csr", random_state=seed)
        ).astype(dtype),
        st.integers(1, 9),
        st.integers(1, 9),
        st.floats(0, 1),
        st.integers(0, 99),
        st.sampled_from(["float64", "float32", "int64", "bool"]),
    )


def parts(X):
    return [(part.dtype, part.tobytes()) for part in (X.data, X.indices, X.indptr)]


@settings(max_examples=50, deadline=None)
@given(matrices())
def test_a_sparse_matrix_comes_back_bit_for_bit(X):
    with tempfile.TemporaryDirectory() as folder:
        found = kept(X, Path(folder))
        copied = found.copy()

        assert type(copied) is csr_matrix
        assert found.shape == copied.shape == X.shape
        assert parts(copied) == parts(X)
        assert (copied != X).nnz == 0


def test_order_duplicates_zeros_and_dtypes_of_indices_stay_as_a_copy_has_them(tmp_path):
    X = csr_matrix((2, 4))
    X.data = np.array([1.0, 0.0, 2.0, 5.0])
    X.indices, X.indptr = np.array([3, 0, 0, 1], dtype="int64"), np.array([0, 3, 4], dtype="int64")

    found = kept(X, tmp_path).copy()

    assert parts(found) == parts(X.copy())
    assert not found.has_sorted_indices
    found.sort_indices()
    assert found.toarray().tolist() == [[2, 0, 0, 1], [0, 5, 0, 0]]


def test_each_copy_is_its_owners_and_none_is_a_copy_in_memory(tmp_path):
    X = csr_matrix(np.diag([1.0, 2.0, 3.0]))
    found = kept(X, tmp_path)
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    first, second = found.copy(), found.copy()

    first.data[:] = 7
    first.indices[:] = 0
    first.indptr[:] = [0, 1, 1, 1]
    first.eliminate_zeros()

    assert parts(second) == parts(found.copy()) == parts(X)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before
    for part in (second.data, second.indices, second.indptr):
        assert isinstance(backing(part), mmap.mmap)
        assert part.flags.writeable


def test_files_may_go_once_they_are_mapped(tmp_path):
    X, frame = csr_matrix(np.eye(3)), pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2]})
    sparse, dense = tmp_path / "sparse", tmp_path / "dense"
    sparse.mkdir()
    dense.mkdir()
    found, framed = kept(X, sparse), kept(frame, dense)

    shutil.rmtree(sparse)
    shutil.rmtree(dense)

    assert parts(found.copy()) == parts(X)
    assert_frame_equal(framed, frame)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files where Linux lists them")
def test_files_are_closed_with_the_last_who_needs_them(tmp_path):
    X = csr_matrix(np.eye(3))
    mapped.write(tmp_path, "train", X)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        mapped.read(tmp_path, "train", None).copy()

    assert len(list(Path("/proc/self/fd").iterdir())) == before
