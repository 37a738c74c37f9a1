"""A path where there is no SQLite store of MLflow's yet in; one there, whole or not at all, out."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

__tracebackhide__ = True

VERSION = "3.17.2"
"""Of MLflow, which makes a database like the one that schema.sql makes."""
_SCHEMA = Path(__file__).with_name("schema.sql")
_PATIENCE = 20.0


def make(path: Path) -> None:
    """Make MLflow's store at `path`, unless something is there.

    MLflow brings a new database up to date in seventy steps and 0.7 seconds of processor time. One that
    is killed between them is broken for ever. So what they lead to is kept as text; for other versions
    of MLflow, the steps are done to a draft. SQLite copies either in one transaction.
    """
    if path.exists() and path.stat().st_size:
        return
    known = version("mlflow") == VERSION
    with closing(sqlite3.connect(":memory:")) as draft:
        draft.executescript(_SCHEMA.read_text(encoding="utf-8") if known else migrated())
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_PATIENCE)) as empty:
            draft.backup(empty)


def migrated() -> str:
    """Return the SQL of a new database as the installed MLflow makes it; it names no experiment yet.

    `make schema` keeps it in schema.sql.
    """
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory(prefix="harness-mlflow-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "mlflow.db")
        MlflowClient(f"sqlite:///{path.as_posix()}").search_experiments(max_results=1)
        with closing(sqlite3.connect(path)) as made:
            # The store makes it when it is opened, with the path of its artifacts.
            made.execute("DELETE FROM experiments")
            return "\n".join(made.iterdump()) + "\n"
