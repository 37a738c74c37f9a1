import math
import shutil
import sqlite3
import threading
import uuid
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tracked import BEST, CONTRACT, STARTED, begin, content, record, trial

from harness.store import Store
from harness.tracking import deliver, rows
from harness.tracking.children import Children
from harness.tracking.quiet import quiet

with quiet():
    import mlflow

READ_IN = "3.17.2"
ALWAYS = "file:///files"


pytestmark = pytest.mark.usefixtures("apart_from_mlflow")


@pytest.fixture
def copy(pristine, tmp_path):
    """The URI of a tracking store of its own."""
    return lambda name: f"sqlite:///{shutil.copy(pristine, tmp_path / name)}"


def entry(**fields):
    made = Children(begin_nowhere()).take(trial(0, **fields))
    assert made is not None
    return made[1]


def begin_nowhere():
    from harness.results import RunRecord

    return RunRecord(
        id="run-1",
        project="p",
        started=STARTED,
        backend="local",
        harness_version="0.1.0",
        commit=None,
        dirty=None,
    )


def dump(uri):
    """Every row of every table, in the order in which they were written, with ids and clocks left out."""
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        keys = dict(connection.execute("SELECT run_uuid, value FROM tags WHERE key = 'harness.key'"))
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        found = {}
        for table in tables:
            cursor = connection.execute(f"SELECT * FROM {table} ORDER BY rowid")
            names = [column[0] for column in cursor.description]
            clocks = {"creation_time", "last_update_time", "last_updated_timestamp_ms", "input_uuid"}
            clocks |= {"dataset_uuid", "source_id"}
            rows = [
                tuple(
                    masked(value, keys) for name, value in zip(names, row, strict=True) if name not in clocks
                )
                for row in cursor
            ]
            found[table] = (names, rows)
    return found


def masked(value, keys):
    if not isinstance(value, str):
        return value
    for run, key in keys.items():
        value = value.replace(run, key)
    return value


ODD = {
    "logged": {"nan": math.nan, "high": math.inf, "low": -math.inf, "m/1": 1.0, "whole": 3.0},
    "curves": {"loss": [0.5, math.nan, 0.25], "flat": [1.0] * 300, "last": [1.0, math.nan]},
    "params": {"a[b]": "x", "a_b_": 1, "none": None, "long": "y" * 4000},
    "message": "E   why\n" * 50,
    "outcome": "failed",
}


@pytest.mark.skipif(mlflow.__version__ != READ_IN, reason="rows are read in another version of MLflow")
def test_every_table_is_as_mlflow_s_own_calls_leave_it(tmp_path, copy, monkeypatch):
    records = [
        CONTRACT,
        trial(0, **ODD),
        trial(1),
        trial(2, outcome="pruned", scores={}, reused_from="run-0"),
        trial(3, params={}, logged={}, scores={}, estimator=None, fit_seconds=None, peak_memory=None),
    ]
    used = []
    original = rows.Rows.add

    def add(self, entries, *arguments):
        used.extend(entry.key for entry in entries)
        return original(self, entries, *arguments)

    monkeypatch.setattr(rows.Rows, "add", add)

    def delivered(revision):
        store = Store(tmp_path / revision)
        store.open()
        record(begin(store, "one"), *records)
        uri = copy(f"{revision}.db")
        with monkeypatch.context() as patch:
            patch.setattr(rows, "REVISION", revision)
            assert deliver(store, root=tmp_path, uri=uri).problem is None
        return dump(uri)

    by_calls = delivered("another")
    assert not used
    by_rows = delivered(rows.REVISION)
    assert len(used) == 4
    assert by_rows.keys() == by_calls.keys()
    assert len(by_calls["runs"][1]) == 5
    for table, (names, expected) in by_calls.items():
        # MLflow writes a run's parameters in the order of their keys, which decides nothing.
        order = sorted if table == "params" else list
        assert order(by_rows[table][1]) == order(expected), f"{table}: {names}"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    logged=st.dictionaries(st.text(max_size=9), st.floats(), max_size=5),
    curve=st.lists(st.floats(), max_size=130),
    params=st.dictionaries(st.text(min_size=1, max_size=9), st.integers() | st.text(max_size=9), max_size=4),
)
@pytest.mark.skipif(mlflow.__version__ != READ_IN, reason="rows are read in another version of MLflow")
def test_what_mlflow_reads_is_what_its_own_calls_write(
    pristine, tmp_path_factory, monkeypatch, logged, curve, params
):
    folder = tmp_path_factory.mktemp("both")
    fields = {"logged": logged, "curves": {"c": curve} if curve else {}, "params": params}
    uri = f"sqlite:///{shutil.copy(pristine, folder / 'mlflow.db')}"
    for revision in (rows.REVISION, "another"):
        store = Store(folder / revision)
        store.open()
        record(begin(store, revision), trial(0, **fields))
        with monkeypatch.context() as patch:
            patch.setattr(rows, "REVISION", revision)
            assert deliver(store, root=folder, uri=uri).problem is None
    by_rows, by_calls = (
        {key: told(run) for key, run in content(uri, project).items()}
        for project in (rows.REVISION, "another")
    )
    assert by_rows == by_calls


def told(run):
    """NaN is not equal to itself."""
    return repr(sorted(run.items(), key=lambda item: item[0]))


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({}, True),
        ({"params": {"p": "x" * 5000}}, True),
        ({"params": {"p": "x" * 5001}}, False),
        ({"features": ["x" * 3000] * 2}, False),
        ({"files": {"artifact/a.txt": "1.txt"}}, False),
        ({"files": {"model": "model.pkl"}}, True),
        ({"started": 0.0}, False),
        ({"params": {"[" * 245: 1}}, True),  # MLflow takes no more than 250 characters of a key
        ({"experiment": "experiment_", "id": ""}, False),  # without a name MLflow makes one up
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_mlflow(copy, fields, taken):
    tables = rows.Rows.of(copy("a.db"), "1", ALWAYS)
    assert tables is not None
    with closing(tables):
        assert tables.takes(entry(**fields)) is taken


@pytest.mark.parametrize(
    ("uri", "artifacts"),
    [
        ("http://127.0.0.1:9", ALWAYS),
        ("postgresql://host/db", ALWAYS),
        ("{copy}?timeout=5", ALWAYS),
        ("{copy}", "s3://bucket/folder?version=1"),
        ("{copy}", "file:///a#b"),
        ("{copy}", "file:///files/"),
        ("{copy}", ""),
        ("sqlite:///{tmp_path}/other.db", ALWAYS),
        ("sqlite:///{tmp_path}/folder", ALWAYS),
    ],
)
def test_another_place_is_left_to_mlflow(copy, tmp_path, uri, artifacts):
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE experiments (experiment_id)")
    (tmp_path / "folder").mkdir()
    assert rows.Rows.of(uri.format(copy=copy("a.db"), tmp_path=tmp_path), "1", artifacts) is None


def test_a_database_of_another_revision_is_left_to_mlflow(copy):
    uri = copy("a.db")
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'c0ffee'")
    assert rows.Rows.of(uri, "1", ALWAYS) is None


def test_runs_are_written_all_or_none(copy):
    uri = copy("a.db")
    tables = rows.Rows.of(uri, "1", ALWAYS)
    assert tables is not None
    entries = [entry(), entry(outcome="failed")]
    tables._experiment = "none of MLflow's"
    with closing(tables), pytest.raises(ValueError, match="none of MLflow's"):
        tables.add(entries, {}, "ann")
    assert dump(uri)["runs"][1] == []
    assert dump(uri)["tags"][1] == []


def test_a_reader_is_waited_for_but_not_for_ever(copy, monkeypatch):
    """MLflow's server reads while trials are written."""
    uri = copy("a.db")
    tables = rows.Rows.of(uri, "1", ALWAYS)
    monkeypatch.setattr(rows, "_PATIENCE", 0.1)
    hasty = rows.Rows.of(uri, "1", ALWAYS)
    assert tables is not None
    assert hasty is not None
    with (
        closing(tables),
        closing(hasty),
        closing(sqlite3.connect(uri.removeprefix("sqlite:///"), check_same_thread=False)) as reader,
    ):
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            hasty.add([entry()], {}, "bob")
        threading.Timer(0.3, reader.rollback).start()
        tables.add([entry()], {}, "ann")
    assert [row[5] for row in dump(uri)["runs"][1]] == ["ann"]


@pytest.mark.skipif(mlflow.__version__ != READ_IN, reason="rows are read in another version of MLflow")
def test_the_best_is_completed_by_calls_and_keeps_what_it_has(tmp_path, copy):
    store = Store(tmp_path / ".harness")
    store.open()
    folder = record(begin(store, "p"), CONTRACT, trial(0), trial(1), exit=None)
    uri = copy("a.db")
    assert deliver(store, root=tmp_path, uri=uri).trials == 2
    record(folder, BEST)
    assert deliver(store, root=tmp_path, uri=uri).trials == 1
    best = content(uri, "p")[f"trial:{trial(1).node_id}"]
    assert best["metrics"]["test_accuracy"] == 0.8
    assert (best["tags"]["best"], best["inputs"]) == (
        "true",
        [("income", "0123456789", "train+validation+test")],
    )


@given(st.integers(1, 300))
def test_ids_are_uuids_in_ascending_order(count):
    """Random ones would scatter the rows of each run over all pages of the indices."""
    ids = [*rows._ids(count), *rows._ids(1)]
    assert ids[:-1] == sorted(set(ids[:-1]))
    assert len(set(ids)) == count + 1
    assert {(uuid.UUID(one).version, uuid.UUID(one).hex == one) for one in ids} == {(7, True)}
    assert ids[-1][:12] >= ids[0][:12]
