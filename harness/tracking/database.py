"""A path where there is no SQLite store of MLflow's yet in; one there, whole or not at all, out."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient

__tracebackhide__ = True

_PATIENCE = 20.0


def make(path: Path) -> None:
    """Make MLflow's store at `path`, unless something is there.

    MLflow brings a new database up to date in seventy steps. One that is killed between them is
    broken for ever, so that they are done to a draft, which SQLite then copies in one transaction.
    """
    if path.exists() and path.stat().st_size:
        return
    with tempfile.TemporaryDirectory(prefix="harness-mlflow-", ignore_cleanup_errors=True) as folder:
        draft = Path(folder, "mlflow.db")
        MlflowClient(f"sqlite:///{draft.as_posix()}").search_experiments(max_results=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(draft)) as made,
            closing(sqlite3.connect(path, timeout=_PATIENCE)) as empty,
        ):
            made.backup(empty)
