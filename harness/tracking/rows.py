"""Whole trials in; rows of MLflow's own SQLite tables, all of them in one transaction, out.

MLflow's public calls write one run in six transactions and twelve milliseconds of processor time; none
writes several. These are the rows that its store leaves behind (`SqlAlchemyStore` of 3.17.2: `create_run`,
`log_batch`, `update_run_info`), into a database of just that revision; into any other one, and for a
trial that is out of the ordinary, MLflow's own calls write.
"""

from __future__ import annotations

import math
import secrets
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Self

from harness.tracking.address import sqlite_file
from harness.tracking.entries import Entry

__tracebackhide__ = True

REVISION = "dc11669786a5"
"""Of the schema, which has changed with nearly every minor version of MLflow."""
_PATIENCE = 20.0
"""Seconds to wait for another writer, as MLflow does."""
_KEY, _VALUE = 250, 5000
"""Characters of a key and of a value that MLflow takes as they are."""

_RUN = """INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,
    start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time)
    VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, '', 'active', ?, ?, NULL)"""
_TAG = "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)"
_PARAM = "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)"
_METRIC = "INSERT INTO metrics (run_uuid, key, value, is_nan, timestamp, step) VALUES (?, ?, ?, ?, ?, ?)"
_LATEST = _METRIC.replace("metrics", "latest_metrics", 1)

_Point = tuple[str, str, float, bool, int, int]


class Rows:
    """The tables of one MLflow database, for the runs of one experiment."""

    def __init__(self, connection: sqlite3.Connection, experiment: str, artifacts: str) -> None:
        self._connection = connection
        self._experiment = experiment
        self._artifacts = artifacts

    @classmethod
    def of(cls, uri: str, experiment: str, artifacts: str) -> Self | None:
        """Return the tables behind a tracking URI; None if it is none of a database that is known well.

        experiment: MLflow's id; artifacts: URI of the folder of its files.
        """
        path = sqlite_file(uri)
        if path is None or "?" in uri or not artifacts or artifacts[-1] == "/" or {*artifacts} & {*"?#"}:
            return None
        try:
            # It is used by one thread after another, never by two at once.
            connection = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
        except sqlite3.Error:
            return None
        try:
            if connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]:
                return cls(connection, experiment, artifacts)
        except sqlite3.Error:
            pass
        connection.close()
        return None

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is one that MLflow would write as it is, without a file or a data set."""
        keys = (*entry.tags, *entry.params, *entry.metrics, *entry.curves)
        values = (*entry.tags.values(), *entry.params.values())
        return (
            not entry.files
            and entry.input is None
            and entry.started > 0
            and entry.ended > 0
            and all(0 < len(key) <= _KEY for key in (entry.name, *keys))
            and all(len(value) <= _VALUE for value in values)
        )

    def add(self, entries: Sequence[Entry], tags: dict[str, str], user: str) -> list[str]:
        """Write new runs, all or none, and return their ids; tags: of every one of them, besides its own.

        Raises sqlite3.Error if the database cannot be written.
        """
        ids = _ids(len(entries))
        made = list(zip(ids, entries, strict=True))
        points = [point for run_id, entry in made for point in _points(run_id, entry)]
        latest = {(point[0], point[1]): point for point in points}  # steps of a curve are in order
        with self._connection as transaction:
            transaction.executemany(_RUN, (self._run(run_id, entry, user) for run_id, entry in made))
            transaction.executemany(
                _TAG,
                (
                    (run_id, key, value)
                    for run_id, entry in made
                    for key, value in {**entry.tags, **tags, "mlflow.runName": entry.name}.items()
                ),
            )
            transaction.executemany(
                _PARAM,
                ((run_id, key, value) for run_id, entry in made for key, value in entry.params.items()),
            )
            transaction.executemany(_METRIC, points)
            transaction.executemany(_LATEST, latest.values())
        return ids

    def _run(self, run_id: str, entry: Entry, user: str) -> tuple[str | int, ...]:
        folder = f"{self._artifacts}/{run_id}/artifacts"
        times = (entry.started, entry.ended)
        return (run_id, entry.name, user, entry.status, *times, folder, int(self._experiment))

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()


def _ids(count: int) -> list[str]:
    """Return new ids for runs, in ascending order: UUIDs of version 7 (RFC 9562).

    MLflow's own are random, so that the rows of every run go to pages all over the indices: the ten
    thousandth would take four times as long as the first.
    """
    head = time.time_ns() // 1_000_000 << 80 | 0x7 << 76
    numbers = (head | i << 64 | 0b10 << 62 | secrets.randbits(62) for i in range(count))
    return [uuid.UUID(int=number).hex for number in numbers]


def _points(run_id: str, entry: Entry) -> Iterator[_Point]:
    for key, value in entry.metrics.items():
        yield (run_id, key, *_number(value), entry.ended, 0)
    for key, curve in entry.curves.items():
        for step, value in curve:
            yield (run_id, key, *_number(value), entry.ended, step)


def _number(value: float) -> tuple[float, bool]:
    """Return a number as MLflow keeps it, and whether it is none."""
    if math.isnan(value):
        return 0.0, True
    if math.isinf(value):
        return math.copysign(sys.float_info.max, value), False
    return float(value), False
