"""A frame in Arrow: what comes back is what went in, and equal content has an equal digest."""

import datetime as dt
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import pandas as frames

from harness.data.table import Rows, digest, read, write

COLUMNS: dict[str, pd.Series] = {
    "int64": pd.Series([1, 2]),
    "uint8": pd.Series([1, 255], dtype="uint8"),
    "float64": pd.Series([1.5, np.nan]),
    "float32": pd.Series([1.5, 2.5], dtype="float32"),
    "float16": pd.Series([1.5, 2.5], dtype="float16"),
    "bool": pd.Series([True, False]),
    "text": pd.Series(["ü", None]),
    "text without nulls": pd.Series(["a", ""]),
    "string": pd.Series(["a", None], dtype="string"),
    "Int64": pd.Series([1, None], dtype="Int64"),
    "Float64": pd.Series([0.5, None], dtype="Float64"),
    "boolean": pd.Series([True, None], dtype="boolean"),
    "datetime": pd.Series(pd.to_datetime(["2024-01-01", None])),
    "datetime ns": pd.Series(pd.to_datetime(["2024-01-01", None])).astype("datetime64[ns]"),
    "time zone": pd.Series(pd.to_datetime(["2024-07-01", None], utc=True)).dt.tz_convert("Europe/Oslo"),
    "fixed offset": pd.Series(pd.to_datetime(["2024-01-01 00:00+02:00"] * 2)),
    "timedelta": pd.Series([pd.Timedelta(1, "s"), None]),
    "period": pd.Series(pd.period_range("2024", periods=2, freq="Y")),
    "interval": pd.Series(pd.interval_range(0, 2)),
    "category": pd.Series(pd.Categorical(["b", None], categories=["b", "a"])),
    "ordered category": pd.Series(pd.Categorical(["b", "a"], categories=["b", "a"], ordered=True)),
    "category of numbers": pd.Series(pd.Categorical([30, 10])),
    "category of dates": pd.Series(pd.Categorical(pd.to_datetime(["2024-01-01", "2023-01-01"]))),
    "category of nothing": pd.Series(pd.Categorical([None, None])),
    "Arrow numbers": pd.Series([1, None], dtype="int64[pyarrow]"),
    "Arrow text": pd.Series(["a", None], dtype=pd.ArrowDtype(pa.string())),
    "objects: dates": pd.Series([dt.date(2024, 1, 1), None]),
    "objects: decimals": pd.Series([Decimal("1.50"), None]),
    "objects: lists": pd.Series([[1], [2, 3]]),
    "objects: bools with null": pd.Series([True, None], dtype=object),
    "objects: ints with null": pd.Series([1, None], dtype=object),
    "objects: text": pd.Series(["a", "b"], dtype=object),
    "objects: bytes": pd.Series([b"a", b"b"]),
    "objects: nothing": pd.Series([None, None], dtype=object),
}


def keep(path: Path, frame: pd.DataFrame, positions: tuple[int, ...] = (7, 3)) -> Rows:
    write(path, Rows(np.array(positions), np.array([0.5, 1.5]), frame.set_axis(list(positions))), {})
    return read(path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_come_back_as_they_went(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({kind: COLUMNS[kind]})

    found = keep(tmp_path / "x.arrow", frame)

    pd.testing.assert_frame_equal(found.frame, frame.set_axis([7, 3]))
    assert found.positions.tolist() == [7, 3]
    assert found.target.tolist() == [0.5, 1.5]
    assert digest(found.frame) == digest(frame)


@pytest.mark.parametrize("names", [[""], ["self", "index"], ["a.b", "a b", "ü", "copy", "dtype"]])
def test_any_text_names_a_column(tmp_path: Path, names: list[str]) -> None:
    frame = pd.DataFrame({name: [i, i] for i, name in enumerate(names)})

    found = keep(tmp_path / "x.arrow", frame)

    pd.testing.assert_frame_equal(found.frame, frame.set_axis([7, 3]))


def test_an_object_column_has_one_type_whatever_nulls_a_part_has(tmp_path: Path) -> None:
    whole = pd.DataFrame({"x": pd.Series([True, None, None, None], dtype=object)})

    write(tmp_path / "x.arrow", Rows(np.array([2, 3]), np.zeros(2), whole.iloc[2:]), {"x": pa.bool_()})

    assert read(tmp_path / "x.arrow").frame["x"].tolist() == [None, None]
    with pa.memory_map(str(tmp_path / "x.arrow")) as source:
        assert pa.ipc.open_file(source).schema.types[2] == pa.bool_()


def test_numbers_are_mapped_and_not_copied(tmp_path: Path) -> None:
    n = 200_000
    frame = pd.DataFrame({f"c{i}": np.arange(n, dtype="float64") for i in range(10)})
    write(tmp_path / "x.arrow", Rows(np.arange(n), np.arange(n), frame), {})

    tracemalloc.start()
    before = pa.total_allocated_bytes()
    found = read(tmp_path / "x.arrow")
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert pa.total_allocated_bytes() - before < n
    assert python < n
    assert found.frame["c9"].sum() == frame["c9"].sum()
    assert not found.frame["c9"].to_numpy().flags.writeable


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_missing_numbers_are_mapped_too_with_every_bit(tmp_path: Path, dtype: str) -> None:
    odd = np.array([-0.0, np.nan, 1.5, -np.nan], dtype=dtype)
    odd.view(f"u{odd.itemsize}")[1] |= 3  # a NaN of another kind
    frame = pd.DataFrame({"x": odd})

    write(tmp_path / "x.arrow", Rows(np.arange(4), np.arange(4), frame), {})
    found = read(tmp_path / "x.arrow").frame["x"].to_numpy()

    assert found.tobytes() == odd.tobytes()
    assert not found.flags.writeable
    with pa.memory_map(str(tmp_path / "x.arrow")) as source:
        assert pa.ipc.open_file(source).read_all().column(2).null_count == 0


def test_the_file_holds_its_rows_and_nothing_of_the_frame_they_came_from(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": [f"text{i}" for i in range(40)],
            "bytes": [f"bytes{i}".encode() for i in range(40)],
            "arrow": pd.Series([f"arrow{i}" for i in range(40)], dtype=pd.ArrowDtype(pa.string())),
            "Int64": pd.Series([*range(39), 0x3933746E49343649], dtype="int64[pyarrow]"),
            "level": pd.Categorical([f"level{i}" for i in range(40)]),
        },
    )
    frame.index = pd.Index([f"index{i}" for i in range(40)], name="index39")
    frame.attrs["note"] = "attrs39"
    part = frame.iloc[:39].assign(level=frame["level"].iloc[:39].cat.remove_unused_categories())

    write(tmp_path / "x.arrow", Rows(np.arange(39), np.arange(39), part), {})

    content = (tmp_path / "x.arrow").read_bytes()
    assert b"text38" in content
    assert b"level38" in content
    for secret in (b"text39", b"bytes39", b"level39", b"arrow39", b"I64Int39"[:8], b"index39", b"attrs39"):
        assert secret not in content


@pytest.mark.parametrize(
    "damage", [b"", b"not Arrow", lambda content: content[: len(content) // 2], lambda content: content[100:]]
)
def test_a_damaged_file_is_an_error_that_can_be_caught(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "x.arrow"
    keep(path, pd.DataFrame({"a": [1, 2]}))
    path.write_bytes(damage(path.read_bytes()) if callable(damage) else damage)  # type: ignore[arg-type]

    with pytest.raises((OSError, pa.ArrowException)):
        read(path)


# digest


def test_the_digest_is_fixed_for_ever() -> None:
    frame = pd.DataFrame(
        {
            "a": [1, 2],
            "b": [0.5, np.nan],
            "c": ["x", None],
            "d": pd.Categorical(["u", "v"]),
            "e": [True, False],
        }
    )

    assert digest(frame) == "e2b098f962ef2e52513dd4c694ada85f"


def base() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [1.0, np.nan, 0.0],
            "s": ["a", "", None],
            "c": pd.Categorical(["u", None, "v"]),
            "t": pd.to_datetime(["2024", None, "2025"]),
            "b": [True, False, True],
            "o": [Decimal("1"), None, Decimal("2")],
        }
    )


CHANGES = {
    "order of columns": lambda f: f[["f", "i", *f.columns[2:]]],
    "name": lambda f: f.rename(columns={"i": "j"}),
    "dtype": lambda f: f.astype({"i": "int32"}),
    "float for int": lambda f: f.astype({"i": "float64"}),
    "nullable": lambda f: f.astype({"i": "Int64"}),
    "object for text": lambda f: f.astype({"s": object}),
    "category for text": lambda f: f.astype({"s": "category"}),
    "a value": lambda f: f.assign(i=[1, 2, 4]),
    "null and zero": lambda f: f.assign(f=[1.0, 0.0, 0.0]),
    "null and empty": lambda f: f.assign(s=["a", None, None]),
    "where the null is": lambda f: f.assign(s=["a", None, ""]),
    "where text ends": lambda f: f.assign(s=["", "a", None]),
    "order of rows": lambda f: f.iloc[[1, 0, 2]],
    "fewer rows": lambda f: f.iloc[:2],
    "fewer columns": lambda f: f.drop(columns="o"),
    "order of levels": lambda f: f.assign(c=f["c"].cat.set_categories(["v", "u"])),
    "unused level": lambda f: f.assign(c=f["c"].cat.add_categories(["w"])),
    "ordered levels": lambda f: f.assign(c=f["c"].cat.as_ordered()),
    "time": lambda f: f.assign(t=pd.to_datetime(["2024", None, "2026"])),
    "time unit": lambda f: f.assign(t=f["t"].astype("datetime64[ns]")),
    "time zone": lambda f: f.assign(t=f["t"].dt.tz_localize("UTC")),
    "bool": lambda f: f.assign(b=[True, True, True]),
    "object": lambda f: f.assign(o=[Decimal("1"), None, Decimal("3")]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_content_shows(change: str) -> None:
    assert digest(CHANGES[change](base())) != digest(base())


def _copied(frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs["source"] = "elsewhere"
    return frame.copy()


LAYOUTS = {
    "index": lambda f: f.set_axis(["x", "y", "z"]),
    "a slice of more": lambda f: pd.concat([f, f, f]).iloc[3:6],
    "every other row": lambda f: f.loc[f.index.repeat(2)].iloc[::2],
    "chunks": lambda f: pd.concat([f.iloc[:1], f.iloc[1:]]),
    "one block": lambda f: f.copy(),
    "Fortran order": lambda f: pd.DataFrame({n: f[n] for n in reversed(f.columns)})[list(f.columns)],
    "attrs": _copied,
    "NaN with a sign": lambda f: f.assign(f=[1.0, -np.nan, 0.0]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_in_memory_does_not_show(layout: str) -> None:
    assert digest(LAYOUTS[layout](base())) == digest(base())


def test_what_lies_under_nulls_does_not_show() -> None:
    def arrays(under: str, number: int) -> pd.DataFrame:
        offsets = pa.py_buffer(np.array([0, 1, 1 + len(under)], dtype="<i8").tobytes())
        text = pa.Array.from_buffers(
            pa.large_string(), 2, [pa.py_buffer(b"\x01"), offsets, pa.py_buffer(b"a" + under.encode())]
        )
        numbers = pa.Array.from_buffers(
            pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([1, number]).tobytes())]
        )
        return pd.DataFrame(
            {"s": pd.Series(text, dtype="str"), "i": pd.Series(numbers, dtype="int64[pyarrow]")}
        )

    assert digest(arrays("", 0)) == digest(arrays("secret", 9))


@pytest.mark.parametrize("values", [[], [""], [None], ["", None]])
def test_text_without_a_letter_has_a_digest_of_its_own(values: list[str | None]) -> None:
    others = [other for other in ([], [""], [None], ["", None], [None, ""]) if other != values]

    own = digest(pd.DataFrame({"s": pd.Series(values, dtype="str")}))

    assert own not in [digest(pd.DataFrame({"s": pd.Series(other, dtype="str")})) for other in others]
    assert own == digest(pd.DataFrame({"s": pd.Series(["a", *values], dtype="str")}).iloc[1:])


def test_columns_that_arrow_refuses_have_a_digest_too() -> None:
    mixed = pd.DataFrame({"x": pd.Series([1, "a"], dtype=object), "y": pd.Series([1j, 2j])})

    assert digest(mixed) == digest(mixed.copy())
    assert digest(mixed) != digest(mixed.assign(y=[1j, 3j]))


@given(
    frames.data_frames(
        [
            frames.column("a", dtype=float),
            frames.column("b", elements=st.text(max_size=4), dtype=object),
            frames.column("c", dtype=int),
        ]
    )
)
def test_equal_frames_and_only_they_have_equal_digests(frame: pd.DataFrame) -> None:
    again = frame.copy(deep=True).set_axis(range(5, 5 + len(frame)))

    assert digest(again) == digest(frame)
    for name in frame.columns[: len(frame)]:
        other = again.copy()
        other[name] = again[name].iloc[::-1].to_numpy()
        equal = other[name].reset_index(drop=True).equals(again[name].reset_index(drop=True))
        if not equal:
            assert digest(other) != digest(frame)


def test_another_process_gives_the_same_digest() -> None:
    source = (
        "import pandas as pd; from harness.data.table import digest; "
        "print(digest(pd.DataFrame({'s': ['a', None], 'c': pd.Categorical(['u', 'v'])})))"
    )

    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)

    here = digest(pd.DataFrame({"s": ["a", None], "c": pd.Categorical(["u", "v"])}))
    assert run.stdout.strip() == here
