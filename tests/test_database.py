"""MLflow's SQLite store, made from its schema as text and by MLflow itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import mlflow.store.db.utils
import pytest
from mlflow import MlflowClient

from harness.tracking import database, rows


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow's default experiment has its files there
    return tmp_path / "folder" / "mlflow.db"


def statements(sql):
    """Return what is said; MLflow makes the constraints and indices of a table in any order."""
    found = (statement.splitlines() for statement in sql.split(";\n"))
    return sorted(sorted(line.strip(" \t,") for line in lines) for lines in found)


def dump(path):
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def test_the_schema_is_kept_of_the_mlflow_that_is_installed():
    """Else every new store would cost 0.7 s: name the version in database.py, then `make schema`."""
    assert version("mlflow") == database.VERSION


def test_the_schema_is_what_mlflow_makes(path, monkeypatch):
    database.make(path)

    monkeypatch.setattr(database, "VERSION", "another")
    database.make(path.with_name("migrated.db"))

    made = statements(dump(path))
    assert len(made) > 100
    assert made == statements(dump(path.with_name("migrated.db"))) == statements(database.migrated())
    assert f"INSERT INTO \"alembic_version\" VALUES('{rows.REVISION}')" in dump(path)


def test_mlflow_takes_a_new_store_for_one_of_its_own(path):
    database.make(path)
    engine = mlflow.store.db.utils.create_sqlalchemy_engine(f"sqlite:///{path}")
    try:
        mlflow.store.db.utils._verify_schema(engine)
    finally:
        engine.dispose()

    client = MlflowClient(f"sqlite:///{path}")
    run = client.create_run(client.create_experiment("first")).info.run_id
    client.log_metric(run, "accuracy", 0.5)

    assert [found.name for found in client.search_experiments()] == ["first", "Default"]
    assert client.get_run(run).data.metrics == {"accuracy": 0.5}


def test_a_store_that_is_there_stays_as_it_is(path):
    database.make(path)
    MlflowClient(f"sqlite:///{path}").create_experiment("first")
    before = path.read_bytes()

    database.make(path)

    assert path.read_bytes() == before


def test_a_new_store_needs_no_mlflow(path):
    """The thread that makes it runs beside the trials."""
    code = f"""if True:
        import sys
        from pathlib import Path
        from harness.tracking.database import make
        make(Path({str(path)!r}))
        assert "mlflow" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)
    assert Path(path).stat().st_size > 100_000
