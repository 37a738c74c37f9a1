"""A file of the project in; why it holds data, and therefore never travels, out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

SOURCES = frozenset({".py", ".pyi"})
"""What Python imports; stubs because some packages find their modules by them when they are imported."""

CONFIGURATION = frozenset({".toml", ".ini", ".cfg", ".yaml", ".yml", ".json"})
"""Where pytest, the harness and experiments read settings from."""

_TABLES = """
.csv .tsv .psv .parquet .pq .feather .arrow .arrows .ipc .jsonl .ndjson .geojson .xlsx .xlsm .xlsb .xls .ods
.orc .avro .npy .npz .h5 .hdf5 .hdf .he5 .nc .zarr .mat .fst .tfrecord .libsvm .svm .svmlight .arff .dat .data
"""
_STATISTICS = ".sas7bdat .xpt .dta .rds .rda .rdata .sav .zsav .por"
_DATABASES = ".sqlite .sqlite3 .db .db3 .s3db .duckdb .lmdb .mdb .accdb .dbf .gpkg .shp"
_OBJECTS = ".pkl .pickle .joblib"
_ARCHIVES = ".zip .gz .tgz .bz2 .tbz2 .xz .txz .lzma .zst .lz4 .br .z .tar .7z .rar"

ENDINGS = frozenset(" ".join((_TABLES, _STATISTICS, _DATABASES, _OBJECTS, _ARCHIVES)).split())
"""Of files with rows, or of archives that may hold some."""

_LARGEST = 1_000_000
"""Bytes of configuration; what is larger was hardly written by hand."""

_ROWS = 10
"""Alike objects in JSON, from which on they are rows of a table."""


def ending(name: str) -> str | None:
    """Return the ending by which a file holds data, such as ".csv"; None if it has none.

    name: relative, posix. "rows.CSV", "rows.csv.gz", "rows.csv.bak", "rows.csv~" and all in a folder
    "rows.parquet" hold data; "rows.csv.py" is source.
    """
    path = PurePosixPath(name.lower())
    if path.suffix in SOURCES | CONFIGURATION:
        return None
    words = (part.rstrip("~").lstrip(".").split(".")[1:] for part in path.parts)
    found = [f".{word}" for part in words for word in part if f".{word}" in ENDINGS]
    return found[-1] if found else None


def content(path: Path) -> str | None:
    """Return why a file of configuration is rather data, None if it is not; OSError if it cannot be read.

    It is data beyond 1 MB, and JSON is if it is JSON lines, a list of ten or more objects or lists of one
    shape, or what `DataFrame.to_json` gives for ten or more rows. Python sources are never data.
    """
    suffix = path.suffix.lower()
    if suffix not in CONFIGURATION:
        return None
    size = path.stat().st_size
    if size > _LARGEST:
        return f"its {size / 1e6:.1f} MB are too many for configuration"
    if suffix == ".json" and _is_table(path.read_bytes()):
        return "it holds rows of a table"
    return None


def _is_table(text: bytes) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _is_lines(text)
    if isinstance(value, dict):
        # As `to_json` writes it with orient="split" or "table"; by default it is columns of rows.
        if isinstance(value.get("data"), list) and not {"columns", "schema"}.isdisjoint(value):
            return len(value["data"]) >= _ROWS
        return any(len(column) >= _ROWS for column in _alike(list(value.values()), (dict,)))
    return isinstance(value, list) and len(_alike(value, (dict, list))) >= _ROWS


def _is_lines(text: bytes) -> bool:
    try:
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return False
    return len(values) > 1 and all(isinstance(value, dict | list) for value in values)


def _alike(values: Sequence[Any], kinds: tuple[type, ...]) -> Sequence[Any]:
    """Return the values if all are objects of the same keys or lists of the same length, else none."""
    if not all(isinstance(value, kinds) for value in values):
        return ()
    shapes = {tuple(sorted(value)) if isinstance(value, dict) else len(value) for value in values}
    return values if len(shapes) == 1 else ()
