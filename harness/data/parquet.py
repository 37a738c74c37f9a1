"""A split's Arrow file in, its rows as Parquet for a journey out; and back to the very same Arrow file."""

from __future__ import annotations

import base64
import filecmp
import hashlib
import mmap
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import DataError, StoreError

_HEAD = "harness:head"
"""Key of what is no row in the Parquet file's metadata."""
_STAMP, _SIZE = b"harness:blake2b:", 32
"""What stands before the digest of the whole file, within it; and its hex digits, which count as zeros."""
_FAULTS = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What reading a file of another make raises."""
_UNLIMITED = {"thrift_string_size_limit": 2**31 - 1, "thrift_container_size_limit": 2**31 - 1}
"""The head holds the levels of every category, and somebody may have a million of them."""


def encode(source: Path, target: Path) -> None:
    """Write the rows of an Arrow file of `table.write` as Parquet (zstd), of which `decode` makes it again.

    The same rows give the same bytes under one version of pyarrow. Columns are called "NUMBER NAME":
    names may be empty or alike. What the file leads to is compared before it appears under its name,
    whole or not at all: equal values, and all that is no value (types, levels, metadata) to the byte.

    Raises DataError for a column that Parquet does not keep as it is, StoreError for a file that
    cannot be read or written.
    """
    try:
        table = _opened(source)
        rows = _rows(table)
    except _FAULTS as error:
        raise StoreError(
            f"the rows in {source} cannot be read: {error}",
            f"delete the folder {source.parent}, and the next run writes it anew",
        ) from error
    with _draft(target) as (draft, folder):
        again = folder / "rows.arrow"
        try:
            _write(draft, rows, {_HEAD: _head(table), "harness:stamp": (_STAMP + b"0" * _SIZE).decode()})
            _write_arrow(draft, again)
        except _FAULTS as error:
            _blame(rows, table.schema.names)
            raise _unwritten(target, error) from error
        if not filecmp.cmp(source, again, shallow=False):
            _blame(rows, table.schema.names)  # or else bytes that are no values: what lies under a null
        with draft.open("r+b") as file:
            start, digest = _stamp(file)
            file.seek(start)
            file.write(digest)


def decode(source: Path, target: Path) -> None:
    """Write the Arrow file that a Parquet file of `encode` was made of, whole or not at all.

    Raises StoreError if the Parquet file is missing, damaged or not one of `encode`'s, or if the
    Arrow file cannot be written.
    """
    try:
        with source.open("rb") as file:
            start, digest = _stamp(file)
            file.seek(start)
            if file.read(_SIZE) != digest:  # pyarrow must not see it: it may crash
                raise ValueError("its bytes are not those that were written")
    except _FAULTS as error:
        raise _damaged(source, error) from error
    with _draft(target) as (draft, _):
        try:
            _write_arrow(source, draft)
        except OSError as error:
            raise _unwritten(target, error) from error
        except _FAULTS as error:
            raise _damaged(source, error) from error


def _stamp(file: BinaryIO) -> tuple[int, bytes]:
    """Return where the digest of a file stands in it, and what it is to be; ValueError if it has none."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = content.rfind(_STAMP)
        start = found + len(_STAMP)
        if found < 0:
            raise ValueError("it has no digest of its content")
        total = hashlib.blake2b(digest_size=_SIZE // 2)
        with memoryview(content) as view:
            total.update(view[:start])
            total.update(b"0" * _SIZE)
            total.update(view[start + _SIZE :])
        return start, total.hexdigest().encode()


def _damaged(path: Path, why: object) -> StoreError:
    return StoreError(
        f"{path} is not the Parquet file of a split, whole as it was written: {why}",
        "delete it where it was loaded from, and the next run uploads it anew",
    )


def _unwritten(path: Path, error: Exception) -> StoreError:
    why = getattr(error, "strerror", None) or error
    return StoreError(f"{path} cannot be written: {why}", "make room there, or name another folder")


@contextmanager
def _draft(target: Path) -> Iterator[tuple[Path, Path]]:
    """Give a file that gets the name of `target` when the block ends without an error, and its folder."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=target.parent) as folder:
            draft = Path(folder, target.name)
            yield draft, Path(folder)
            draft.replace(target)
    except StoreError:
        raise
    except OSError as error:
        raise _unwritten(target, error) from error


def _opened(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if not column.num_chunks:  # no rows
        return pa.nulls(0, column.type)
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def _head(table: pa.Table) -> str:
    """Return fields, their metadata and the levels of categories: an Arrow stream of no rows."""
    none = pa.RecordBatch.from_arrays([_whole(column)[:0] for column in table.columns], schema=table.schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(none)
    return base64.b64encode(sink.getvalue()).decode()


def _rows(table: pa.Table) -> pa.Table:
    """Return columns that Parquet has types for: indices of levels, numbers of seconds, storage."""
    arrays = [_plain(_whole(column)) for column in table.columns]
    return pa.table(arrays, names=[f"{i} {name}" for i, name in enumerate(table.schema.names)])


def _plain(array: pa.Array) -> pa.Array:
    stored = array.storage if isinstance(array, pa.ExtensionArray) else array
    if _is_coarse(stored.type):
        return stored.view(pa.int64())
    return stored.indices if pa.types.is_dictionary(stored.type) else stored


def _write(place: Path | pa.BufferOutputStream, rows: pa.Table, metadata: Mapping[str, str]) -> None:
    # nobody filters by statistics
    with pq.ParquetWriter(place, rows.schema, compression="zstd", write_statistics=False) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata(metadata)


def _write_arrow(source: Path, target: Path) -> None:
    """Write the Arrow file of a Parquet file, as `table.write` would."""
    with pq.ParquetFile(source, **_UNLIMITED) as file:
        head = base64.b64decode(file.metadata.metadata[_HEAD.encode()])
        rows = file.read()
    (none,) = pa.ipc.open_stream(head)
    arrays = [
        _like(_whole(column), example) for column, example in zip(rows.columns, none.columns, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, schema=none.schema)
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, none.schema) as writer:
        writer.write_table(table)


def _is_coarse(kind: pa.DataType) -> bool:
    """Return whether Parquet has no such unit of time: in another one, values may have no place."""
    return bool(kind == pa.date64() or (pa.types.is_timestamp(kind) and kind.unit == "s"))


def _like(array: pa.Array, example: pa.Array) -> pa.Array:
    """Return a column as it was before `_plain`."""
    stored = example.storage if isinstance(example, pa.ExtensionArray) else example
    if pa.types.is_dictionary(stored.type):
        ordered = stored.type.ordered
        array = pa.DictionaryArray.from_arrays(array, stored.dictionary, ordered=ordered)
    elif _is_coarse(stored.type):
        array = array.view(stored.type)
    if isinstance(example, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(example.type, array)
    return array


def _blame(rows: pa.Table, names: list[str]) -> None:
    """Raise DataError if a column does not come back from Parquet as it went."""
    for name, column in zip(names, rows.columns, strict=True):
        reason = _fault(_whole(column))
        if reason:
            raise DataError(
                f"column {name!r} is {column.type}, which cannot travel as Parquet ({reason})",
                f"convert it in the loader, for example frame[{name!r}].astype(str), or leave it out there",
            )


def _fault(array: pa.Array) -> str:
    sink = pa.BufferOutputStream()
    try:
        _write(sink, pa.table([array], names=["x"]), {})
        came = _whole(pq.ParquetFile(sink.getvalue()).read().column(0))
        table = pa.Table.from_arrays([came], schema=pa.schema([pa.field("x", array.type)]))
    except _FAULTS as error:
        return str(error).partition("\n")[0] or type(error).__name__
    found = _whole(table.column(0))
    return "" if _alike(found, array) else "its values come back changed"


def _alike(some: pa.Array, others: pa.Array) -> bool:
    """Return whether two columns of a type have the same values to the bit, whatever lies under nulls."""
    if not some.is_null().equals(others.is_null()):
        return False
    if pa.types.is_nested(some.type):  # where nulls lie deeper
        return repr(some.to_pylist()) == repr(others.to_pylist())
    bits = [pa.RecordBatch.from_arrays([array.drop_null()], ["x"]).serialize() for array in (some, others)]
    return bool(bits[0].equals(bits[1]))
