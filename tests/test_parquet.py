"""A split as Parquet: the Arrow file comes back to the byte, and what is damaged or cannot travel is told."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.api.types import is_object_dtype

from harness.data.parquet import decode, encode
from harness.data.table import Rows, digest, read, write
from harness.errors import DataError, StoreError

# What pandas 3.1 deprecates in the conversion of a category of times in a time zone.
pytestmark = pytest.mark.filterwarnings("ignore:DatetimeIndex.values")


def arrow(kind: pa.DataType, *values: object) -> pd.Series:
    return pd.Series(pd.array(values, dtype=pd.ArrowDtype(kind)))


COLUMNS: dict[str, pd.Series] = {
    "int64": pd.Series([2**63 - 1, -(2**63)]),
    "uint64": pd.Series([2**64 - 1, 0], dtype="uint64"),
    "int8": pd.Series([-128, 127], dtype="int8"),
    "bits of floats": pd.Series([-0.0, -np.nan]),
    "float32": pd.Series([1.5, np.nan], dtype="float32"),
    "float16": pd.Series([1.5, np.nan], dtype="float16"),
    "NaN beside null": pd.Series(pa.array([np.nan, None]), dtype="double[pyarrow]"),
    "bool": pd.Series([True, False]),
    "boolean": pd.Series([True, None], dtype="boolean"),
    "Int64": pd.Series([1, None], dtype="Int64"),
    "text": pd.Series(["ü", None]),
    "text of Python": pd.Series(["a\0b", None], dtype=pd.StringDtype("python", na_value=pd.NA)),
    "seconds": pd.Series(pd.to_datetime(["2024-01-01", None])).astype("datetime64[s]"),
    "nanoseconds": pd.Series(pd.to_datetime(["2024-01-01 00:00:00.000000001", None])),
    "time zone": pd.Series(pd.to_datetime(["2024-07-01", None], utc=True)).dt.tz_convert("Europe/Oslo"),
    "seconds in a time zone": arrow(pa.timestamp("s", "Europe/Oslo"), dt.datetime(2024, 1, 1), None),
    "fixed offset": pd.Series(pd.to_datetime(["2024-01-01 00:00+02:00"] * 2)),
    "timedelta": pd.Series([pd.Timedelta(1, "s"), None]),
    "duration of seconds": arrow(pa.duration("s"), dt.timedelta(1), None),
    "period": pd.Series(pd.PeriodIndex(["2024", None], freq="Q-NOV")),
    "interval": pd.Series(pd.arrays.IntervalArray.from_tuples([(0, 1), None], closed="left")),
    "interval of dates": pd.Series(pd.interval_range(pd.Timestamp("2024"), periods=2)),
    "category": pd.Series(pd.Categorical(["b", None], categories=["c", "b", "a"])),
    "ordered category": pd.Series(pd.Categorical(["b", "a"], categories=["b", "a"], ordered=True)),
    "category of numbers": pd.Series(pd.Categorical([30, 10], categories=[30, 10, 20])),
    "category of time zones": pd.Series(pd.Categorical(pd.to_datetime(["2024", "2023"], utc=True))),
    "category of many": pd.Series(pd.Categorical([5, None], categories=range(300, -1, -1))),
    "category of nothing": pd.Series(pd.Categorical([None, None])),
    "dictionary with a null level": pd.Series(
        pa.DictionaryArray.from_arrays(pa.array([0, None], pa.uint8()), pa.array([None, "a"])),
        dtype=pd.ArrowDtype(pa.dictionary(pa.uint8(), pa.string())),
    ),
    "decimals": pd.Series([Decimal("1.50"), None]),
    "large decimals": arrow(pa.decimal256(60, 2), Decimal(f"{'9' * 58}.25"), None),
    "large text": arrow(pa.large_string(), "a", None),
    "large bytes": arrow(pa.large_binary(), b"\xff", None),
    "bytes of one size": arrow(pa.binary(2), b"ab", None),
    "dates": pd.Series([dt.date(2024, 1, 1), None]),
    "dates in milliseconds": arrow(pa.date64(), dt.date(2024, 1, 1), None),
    "far future": pd.Series(np.array([2**62, -(2**62)]).view("M8[s]")),
    "times": arrow(pa.time32("s"), dt.time(1, 2, 3), None),
    "times in nanoseconds": arrow(pa.time64("ns"), dt.time(1, 2, 3), None),
    "lists": pd.Series([[1.0, np.nan, None], None]),
    "map": arrow(pa.map_(pa.string(), pa.int64()), [("a", 1)], None),
    "uuid": arrow(pa.uuid(), b"0" * 16, None),
    "JSON": arrow(pa.json_(), "{}", None),
    "bool8": arrow(pa.bool8(), True, None),
    "objects: bools with null": pd.Series([True, None], dtype=object),
    "objects: nothing": pd.Series([None, None], dtype=object),
}


def kept(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame as a split; return the file."""
    n = len(frame)
    positions = np.arange(n)[::-1] * 3
    write(path, Rows(positions, np.arange(n) % 2, frame.set_axis(positions)), {})
    return path


def travelled(path: Path) -> Path:
    """Send a split's file there and back."""
    encode(path, path.with_suffix(".parquet"))
    back = path.with_suffix(".back")
    decode(path.with_suffix(".parquet"), back)
    return back


def test_the_arrow_file_of_every_kind_of_column_comes_back_to_the_byte(tmp_path: Path) -> None:
    path = kept(tmp_path / "x.arrow", pd.DataFrame(COLUMNS))

    back = travelled(path)

    assert back.read_bytes() == path.read_bytes()
    there, here = read(path), read(back)
    pd.testing.assert_frame_equal(here.frame, there.frame)
    assert here.positions.tolist() == [3, 0]
    assert here.target.tolist() == [0, 1]


def test_a_name_of_a_column_is_any_text_and_may_look_like_one_of_ours(tmp_path: Path) -> None:
    names = ["", "0 ", "1 ", "2 x", "a.b", "list.element", "\0", "\n", "ü💥", "x" * 5000, "harness:head"]
    path = kept(tmp_path / "x.arrow", pd.DataFrame({name: [i, i] for i, name in enumerate(names)}))

    assert travelled(path).read_bytes() == path.read_bytes()
    assert pq.ParquetFile(path.with_suffix(".parquet")).schema_arrow.names[:5] == [
        "0 ", "1 ", "2 ", "3 0 ", "4 1 "
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1])
def test_few_rows_have_levels_and_types_as_many_have(tmp_path: Path, size: int) -> None:
    frame = pd.DataFrame({name: column.iloc[:size] for name, column in COLUMNS.items()})
    path = kept(tmp_path / "x.arrow", frame)

    assert travelled(path).read_bytes() == path.read_bytes()


def test_levels_by_the_ten_thousand_travel_in_their_order(tmp_path: Path) -> None:
    levels = [f"level {i * 7919 % 40_000}" for i in range(40_000)]
    column = pd.Categorical(levels[::-1], categories=levels, ordered=True)
    path = kept(tmp_path / "x.arrow", pd.DataFrame({"id": column}))

    assert read(travelled(path)).frame["id"].cat.categories.tolist() == levels


def test_values_that_are_equal_may_differ_in_bytes_where_a_struct_is_null(tmp_path: Path) -> None:
    path = kept(tmp_path / "x.arrow", pd.DataFrame({"s": pd.Series([{"a": 1.5, "b": "x"}, None])}))

    back = travelled(path)

    assert back.read_bytes() != path.read_bytes()
    pd.testing.assert_frame_equal(read(back).frame, read(path).frame)
    assert read(back).frame["s"].tolist() == [{"a": 1.5, "b": "x"}, None]


def test_another_process_which_knows_no_pandas_makes_the_same_files(tmp_path: Path) -> None:
    """There, types of pandas are not registered with pyarrow."""
    path = kept(tmp_path / "x.arrow", pd.DataFrame(COLUMNS))
    encode(path, tmp_path / "x.parquet")
    source = (
        "import sys; from pathlib import Path; from harness.data.parquet import decode, encode\n"
        "here = Path(sys.argv[1])\n"
        "decode(here / 'x.parquet', here / 'there.arrow')\n"
        "encode(here / 'there.arrow', here / 'there.parquet')\n"
        "assert 'pandas' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True)

    pd.testing.assert_frame_equal(read(tmp_path / "there.arrow").frame, read(path).frame)
    decode(tmp_path / "there.parquet", tmp_path / "back.arrow")
    pd.testing.assert_frame_equal(read(tmp_path / "back.arrow").frame, read(path).frame)


# Laws

_TIMES = st.integers(-(2**62), 2**62)
_CATEGORIES = st.lists(st.text(max_size=3), min_size=1, max_size=5, unique=True)


def _maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(values, st.none())


@st.composite
def columns(draw: st.DrawFn, size: int) -> pd.Series:
    def many(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=size, max_size=size))

    match draw(st.sampled_from(["int", "float", "Int", "text", "time", "category", "list", "decimal"])):
        case "int":
            dtype = draw(st.sampled_from(["int8", "int64", "uint32", "bool"]))
            return pd.Series(many(st.integers(0, 1)), dtype=dtype)
        case "float":
            width = draw(st.sampled_from([16, 32, 64]))
            return pd.Series(many(st.floats(width=width)), dtype=f"float{width}")  # type: ignore[arg-type]
        case "Int":
            return pd.Series(
                many(_maybe(st.integers(-9, 9))), dtype=draw(st.sampled_from(["Int16", "Int64"]))
            )
        case "text":
            dtype = draw(st.sampled_from(["str", "string", "string[pyarrow]", "object"]))
            return pd.Series(many(_maybe(st.text(max_size=5))), dtype=dtype)
        case "time":
            unit = draw(st.sampled_from(["s", "ms", "us", "ns"]))
            times = pd.Series(np.array(many(_TIMES), dtype="int64").view(f"M8[{unit}]"))
            zone = draw(st.sampled_from([None, "UTC", "Asia/Tokyo"]))
            return times.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else times
        case "category":
            levels = draw(_CATEGORIES)
            values = many(_maybe(st.sampled_from(levels)))
            return pd.Series(pd.Categorical(values, categories=levels, ordered=draw(st.booleans())))
        case "list":
            return pd.Series(many(_maybe(st.lists(_maybe(st.integers(0, 9)), max_size=3))), dtype=object)
        case _:
            return pd.Series(many(_maybe(st.decimals(-999, 999, places=2))), dtype=object)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    size = draw(st.integers(0, 6))
    names = draw(st.lists(st.text(st.characters(codec="utf-8"), max_size=4), max_size=5, unique=True))
    return pd.DataFrame({name: draw(columns(size)) for name in names}, index=range(size))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames())
def test_rows_come_back_as_they_went_and_the_same_rows_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame
) -> None:
    path = kept(tmp_path_factory.mktemp("law") / "x.arrow", frame)

    back = travelled(path)
    encode(back, path.with_suffix(".again"))

    there, here = read(path), read(back)
    pd.testing.assert_frame_equal(here.frame, there.frame, check_freq=False)
    assert digest(here.frame) == digest(there.frame)
    assert here.positions.tolist() == there.positions.tolist()
    assert here.target.tolist() == there.target.tolist()
    if not frame.isna().any(axis=None) and not any(map(is_object_dtype, frame.dtypes)):
        assert back.read_bytes() == path.read_bytes()
    assert path.with_suffix(".again").read_bytes() == path.with_suffix(".parquet").read_bytes()


# Faults

FLAT = pd.DataFrame({"a": [1, 2], "c": pd.Categorical(["u", None])})


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (arrow(pa.month_day_nano_interval(), pa.MonthDayNano([1, 2, 3]), None), "month_day_nano_interval"),
        (arrow(pa.list_(pa.int8(), 2), [1, 2], None), "fixed_size_list"),
    ],
    ids=["months", "lists of one size"],
)
def test_a_column_that_parquet_does_not_keep_is_named_and_nothing_is_written(
    tmp_path: Path, column: pd.Series, why: str
) -> None:
    path = kept(tmp_path / "x.arrow", FLAT.assign(odd=column))

    with pytest.raises(DataError) as error:
        encode(path, tmp_path / "there" / "x.parquet")

    assert str(error.value).startswith(f"column 'odd' is {why}")
    assert "which cannot travel as Parquet (" in error.value.problem
    assert error.value.remedy == (
        "convert it in the loader, for example frame['odd'].astype(str), or leave it out there"
    )
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (pa.array([1, 3]), "its values come back changed"),
        (pa.array([1, None]), "its values come back changed"),
        (pa.array([1.5, 2]), "Float value 1.500000 was truncated converting to int64"),
    ],
    ids=["value", "null", "type"],
)
def test_what_changes_on_the_way_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: pa.Array, why: str
) -> None:
    path = kept(tmp_path / "x.arrow", FLAT)
    genuine = pq.ParquetFile.read

    def careless(self: pq.ParquetFile) -> pa.Table:
        table = genuine(self)
        for i, column in enumerate(table.columns):
            if column.to_pylist() == [1, 2]:
                table = table.set_column(i, table.schema.names[i], changed)
        return table

    monkeypatch.setattr(pq.ParquetFile, "read", careless)

    with pytest.raises(DataError) as error:
        encode(path, tmp_path / "x.parquet")
    assert error.value.problem == f"column 'a' is int64, which cannot travel as Parquet ({why})"
    assert [file.name for file in tmp_path.iterdir()] == ["x.arrow"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_or_cut_file_is_taken_for_a_whole_one(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole.parquet"
    if not whole.exists():
        encode(kept(tmp_path / "x.arrow", FLAT), whole)
    content = bytearray(whole.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[at:]
    (tmp_path / "bad.parquet").write_bytes(content)

    with pytest.raises(StoreError) as error:
        decode(tmp_path / "bad.parquet", tmp_path / "back.arrow")

    assert error.value.problem.startswith(
        f"{tmp_path / 'bad.parquet'} is not the Parquet file of a split, whole as it was written: "
    )
    assert error.value.remedy == "delete it where it was loaded from, and the next run uploads it anew"
    assert not (tmp_path / "back.arrow").exists()


def test_files_that_are_missing_or_somebody_elses_are_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    pq.write_table(
        pa.table({"a": [1]}, metadata={"harness:stamp": "harness:blake2b:" + "0" * 32}),
        tmp_path / "zero.parquet",
    )
    for name, why in (
        ("none.parquet", "No such file"),
        ("other.parquet", "it has no digest of its content"),
        ("zero.parquet", "its bytes are not those that were written"),
    ):
        with pytest.raises(StoreError, match=why):
            decode(tmp_path / name, tmp_path / "back.arrow")

    (tmp_path / "cut.arrow").write_bytes(kept(tmp_path / "x.arrow", FLAT).read_bytes()[:-20])
    for name in ("none.arrow", "cut.arrow"):
        with pytest.raises(StoreError) as error:
            encode(tmp_path / name, tmp_path / "x.parquet")
        assert error.value.problem.startswith(f"the rows in {tmp_path / name} cannot be read: ")
        assert error.value.remedy == f"delete the folder {tmp_path}, and the next run writes it anew"
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "cut.arrow", "other.parquet", "x.arrow", "zero.parquet"
    ]  # fmt: skip


def test_a_whole_file_without_what_ours_have_is_told(tmp_path: Path) -> None:
    """As another version of the harness might write it."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1]}, metadata={"harness:stamp": "harness:blake2b:" + "0" * 32}), path)
    content = path.read_bytes()
    digest_of_all = hashlib.blake2b(content, digest_size=16).hexdigest().encode()
    at = content.rindex(b"harness:blake2b:") + len(b"harness:blake2b:")
    path.write_bytes(content[:at] + digest_of_all + content[at + 32 :])

    with pytest.raises(StoreError, match=r"whole as it was written: b?'harness:head'; delete it"):
        decode(path, tmp_path / "back.arrow")
    assert [file.name for file in tmp_path.iterdir()] == ["x.parquet"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_disk_leaves_nothing_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(tmp_path / "x.arrow", FLAT)
    encode(path, tmp_path / "y.parquet")
    genuine = pa.OSFile
    monkeypatch.setattr(pa, "OSFile", lambda name, mode: genuine("/dev/full", mode))

    with pytest.raises(StoreError, match=r"x\.parquet cannot be written: .*No space left.*; make room there"):
        encode(path, tmp_path / "x.parquet")
    with pytest.raises(StoreError, match=r"y\.arrow cannot be written: .*No space left.*; make room there"):
        decode(tmp_path / "y.parquet", tmp_path / "y.arrow")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.arrow", "y.parquet"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    path = kept(tmp_path / "x.arrow", FLAT)
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match=r"cannot be written: (Not a directory|File exists)"):
        encode(path, tmp_path / "file" / "x.parquet")


def test_writers_of_one_file_do_not_disturb_each_other_and_replace_what_was_there(tmp_path: Path) -> None:
    path = kept(tmp_path / "x.arrow", pd.DataFrame(COLUMNS))
    target = tmp_path / "there" / "x.parquet"
    target.parent.mkdir()
    target.write_text("older")
    faults: list[Exception] = []

    def work() -> None:
        try:
            encode(path, target)
            decode(target, tmp_path / f"{threading.get_ident()}.back")
        except Exception as error:
            faults.append(error)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert faults == []
    assert [file.name for file in target.parent.iterdir()] == ["x.parquet"]
    assert {file.read_bytes() for file in tmp_path.glob("*.back")} == {path.read_bytes()}
