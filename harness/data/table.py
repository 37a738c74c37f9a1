"""A frame as Arrow: pandas columns in, a memory-mapped file or a digest out, and back with their dtypes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.types import pandas_dtype

REFUSALS = (pa.ArrowException, TypeError, ValueError, OverflowError, NotImplementedError)
"""What Arrow and pandas raise for values that have no Arrow type."""

_DTYPE = b"dtype"
_NUMBERS = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}


class Rows(NamedTuple):
    """Some rows of a loaded frame."""

    positions: NDArray[np.int64]
    """In the loaded order."""
    target: NDArray[Any]
    """Class codes or values."""
    frame: pd.DataFrame
    """Every column but the target; index: `positions`."""


def arrow(column: pd.Series, kind: pa.DataType | None = None) -> pa.Array:
    """Return a column as one Arrow array, NaN as null; raise one of REFUSALS if Arrow has no type for it."""
    values: Any = column
    if isinstance(column.dtype, pd.DatetimeTZDtype):  # pyarrow reads it in a way that pandas 3.1 deprecates
        values = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        kind = pa.timestamp(column.dtype.unit, tz=pa.lib.tzinfo_to_string(column.dtype.tz))
    array = pa.array(values, type=kind, from_pandas=True)
    if pa.types.is_dictionary(array.type) and isinstance(array.type.value_type, pa.BaseExtensionType):
        raise pa.ArrowNotImplementedError(
            f"its levels are {column.cat.categories.dtype}"
        )  # cannot be read back
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def write(path: Path, rows: Rows, kinds: Mapping[str, pa.DataType]) -> None:
    """Write rows as an uncompressed Arrow file.

    kinds: Arrow types of columns whose dtype does not decide it ("object"), so that every split
        has the same. The file holds nothing but these rows: no index, no pandas metadata.
    """
    frame = rows.frame
    arrays = [_apart(_kept(frame[name], kinds.get(name))) for name in frame.columns]
    fields = [
        pa.field(name, array.type, metadata={_DTYPE: _dtype_name(frame[name].dtype)})
        for name, array in zip(frame.columns, arrays, strict=True)
    ]
    target = pa.array(rows.target)
    schema = pa.schema([pa.field("", pa.int64()), pa.field("", target.type), *fields])
    table = pa.Table.from_arrays([pa.array(rows.positions), target, *arrays], schema=schema)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table)


def _kept(column: pd.Series, kind: pa.DataType | None) -> pa.Array:
    """Return a column as it stands in a file: NumPy's NaN is a number there, a null would cost a copy."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return pa.array(column.to_numpy(), from_pandas=False)
    return arrow(column, kind)


def _apart(array: pa.Array) -> pa.Array:
    """Return a copy without what a slice shares: Arrow writes the whole text of which one shows a part."""
    everything = pa.array(np.arange(len(array)))
    if pa.types.is_dictionary(array.type):
        levels = _apart(array.dictionary)
        return pa.DictionaryArray.from_arrays(
            array.indices.take(everything), levels, ordered=array.type.ordered
        )
    return array.take(everything)


def read(path: Path) -> Rows:
    """Return the rows of `write`, memory-mapped: NumPy's numbers, NaN among them, are never copied.

    Raises OSError or pyarrow's ArrowException for a file that is missing or damaged.
    """
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    positions, target = (table.column(i).to_numpy() for i in (0, 1))
    index = pd.Index(positions, copy=False)
    columns = {
        field.name: _series(table.column(i + 2), field).set_axis(index)
        for i, field in enumerate(list(table.schema)[2:])
    }
    return Rows(positions, target, pd.DataFrame(columns, index=index, copy=False))


def _dtype_name(dtype: Any) -> str:
    return "arrow" if isinstance(dtype, pd.ArrowDtype) else str(dtype)


def _series(column: pa.ChunkedArray, field: pa.Field) -> pd.Series:
    name = field.metadata[_DTYPE].decode()
    series: pd.Series
    if name == "category":
        series = column.to_pandas()
        return series
    dtype = pd.ArrowDtype(column.type) if name == "arrow" else pandas_dtype(name)
    own = None if isinstance(dtype, np.dtype | pd.DatetimeTZDtype) else dtype
    series = column.to_pandas(types_mapper=lambda _: own, integer_object_nulls=name == "object")
    return series if series.dtype == dtype else series.astype(dtype)


def digest(frame: pd.DataFrame) -> str:
    """Return the blake2b digest (32 hex digits) of what stands in a frame.

    Column names, their order, dtypes, values and nulls count; index, `attrs`, memory layout and the
    versions of pandas and Arrow do not. Columns without an Arrow type are read through `repr`.
    """
    total = hashlib.blake2b(digest_size=16)
    total.update(json.dumps([len(frame), len(frame.columns)]).encode())
    for i, name in enumerate(frame.columns):
        column = frame.iloc[:, i]
        total.update(json.dumps([repr(name), str(column.dtype)]).encode())
        total.update(_digest(column))
    return total.hexdigest()


def _digest(column: pd.Series) -> bytes:
    own = hashlib.blake2b(digest_size=16)
    if isinstance(column.dtype, pd.CategoricalDtype):
        own.update(b"ordered" if column.dtype.ordered else b"unordered")
        own.update(_digest(column.dtype.categories.to_series()))
        own.update(column.cat.codes.to_numpy().astype("<i4").data)
        return own.digest()
    try:
        array = arrow(column)
    except REFUSALS:
        own.update(repr(column.tolist()).encode("utf-8", "backslashreplace"))
        return own.digest()
    _feed(own, array)
    return own.digest()


def _feed(own: Any, array: pa.Array) -> None:
    """Hash an array by content: what lies under nulls, around a slice or in padding is no content."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if str(array.type) in ("string", "large_string", "string_view", "binary"):
        array = array.cast(pa.large_binary())
    elif pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    own.update(str(array.type).encode())
    if array.null_count:
        own.update(np.packbits(array.is_null().to_numpy(zero_copy_only=False)))
    if pa.types.is_large_binary(array.type):
        filled = pc.fill_null(array, b"") if array.null_count else array
        _, ends, data = filled.buffers()
        offsets = np.frombuffer(ends, dtype="<i8")[filled.offset : filled.offset + len(filled) + 1]
        own.update(np.diff(offsets))
        own.update(memoryview(data)[offsets[0] : offsets[-1]])
    elif pa.types.is_primitive(array.type) and array.type.bit_width in _NUMBERS:
        numbers = array.view(_NUMBERS[array.type.bit_width])
        own.update((numbers.fill_null(0) if array.null_count else numbers).to_numpy())
    else:
        own.update(repr(array.to_pylist()).encode("utf-8", "backslashreplace"))
