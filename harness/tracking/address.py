"""Where MLflow keeps runs: a tracking URI in, whether it can be written and how to look at it out."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.errors import TrackingError

__tracebackhide__ = True

_SQLITE = re.compile(r"sqlite(\+\w+)?://(?P<path>/[^?]*)?(\?.*)?")
_MANAGED = "arn:"
"""Begins the ARN of a tracking server that SageMaker manages, for which sagemaker-mlflow knows the way."""
_MAGIC = b"SQLite format 3\0"
_REMEDY = "name another place with MLFLOW_TRACKING_URI=…, or run with --no-tracking"


def default(root: Path) -> str:
    """Return the URI of the store beside the project."""
    return f"sqlite:///{(root / 'mlflow.db').resolve().as_posix()}"


def artifacts(root: Path) -> Path:
    """Return the folder of models and files that goes with `default(root)`."""
    return (root / "mlruns").resolve()


def address(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI if it is set, else the default store of the project at `root`.

    A relative SQLite path is made absolute, so that it names the same file from every folder.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        return default(root)
    database = sqlite_file(uri)
    if database is None or "?" in uri:
        return uri
    return f"{uri.partition(':')[0]}:///{database.absolute().as_posix()}"


def public(uri: str) -> str:
    """Return the URI without a user name and password, for messages and files."""
    return re.sub(r"(?<=://)[^/@]*@", "", uri)


def view_command(root: Path, *, uri: str | None = None, folder: Path | None = None) -> str:
    """Return what to type in `folder`, or open in a browser, to look at the runs of the project at `root`.

    uri: of the store; None: `address(root)`. folder: None: the current one.
    """
    target = uri or address(root)
    database = sqlite_file(target)
    if database is None:
        if target.startswith(("http://", "https://")):
            return public(target)
        if target.startswith(_MANAGED):
            return f"in SageMaker Studio, on the MLflow server {target.rpartition('/')[2]}"
        return f"mlflow ui --backend-store-uri {shlex.quote(public(target))}"
    here = (folder or Path.cwd()).resolve()
    path = database.absolute()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"mlflow ui --backend-store-uri {shlex.quote(f'sqlite:///{shown.as_posix()}')}"


def check_writable(root: Path, uri: str | None = None) -> None:
    """Raise TrackingError if runs cannot be written to a store on this machine; ask no server.

    root: the project's folder; uri: of the store; None: `address(root)`.

    For SQLite the folder must exist or be creatable, and a file that is there must be a writable
    SQLite database. MLflow's folders of plain files need MLFLOW_ALLOW_FILE_STORE=true.
    """
    uri = uri or address(root)
    if uri.startswith(_MANAGED):
        if find_spec("sagemaker_mlflow") is None:
            raise TrackingError(
                f"MLflow's store {uri} is managed by SageMaker, which needs a package of its own",
                "pip install 'harness[sagemaker-mlflow]'",
            )
        return
    database = sqlite_file(uri)
    if database is not None:
        _check_database(database)
        if uri == default(root):
            _check_folder(artifacts(root), "MLflow's folder of models")
        return
    if uri.startswith("sqlite"):
        raise TrackingError(
            f"MLflow's store {uri} is in memory, so that nothing would be kept",
            "give it a file, MLFLOW_TRACKING_URI=sqlite:///mlflow.db",
        )
    if uri.startswith("file:") or ("://" not in uri and not re.match(r"databricks|uc\b", uri)):
        if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in {"true", "1"}:
            raise TrackingError(
                f"MLflow's store {uri} is a folder of plain files, which MLflow has retired",
                "use MLFLOW_TRACKING_URI=sqlite:///mlflow.db, or set MLFLOW_ALLOW_FILE_STORE=true",
            )
        _check_folder(Path(unquote(urlsplit(uri).path)), "MLflow's store")


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite URI; None for another URI and for a database in memory."""
    match = _SQLITE.fullmatch(uri)
    path = (match["path"] or "")[1:] if match else ""
    return Path(path) if path and path != ":memory:" and not path.startswith("file:") else None


def _check_database(path: Path) -> None:
    if path.is_dir():
        raise TrackingError(f"MLflow's store {path} is a folder, not a database file", _REMEDY)
    if not path.exists() and not path.is_symlink():
        _check_folder(path.parent, "the folder of MLflow's store")
        return
    try:
        with path.open("rb+") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise TrackingError(
            f"MLflow's store {path} cannot be written: {error.strerror or error}",
            f"make it writable, {_REMEDY}",
        ) from error
    if start and start != _MAGIC:
        raise TrackingError(
            f"MLflow's store {path} is not a SQLite database: it starts with {start!r}",
            f"move it away, {_REMEDY}",
        )
    _check_folder(path.parent, "the folder of MLflow's store")  # SQLite keeps its journal beside it


def _check_folder(path: Path, what: str) -> None:
    existing = path.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise TrackingError(f"{what} {path} cannot be used: {existing} is a file", f"move it away, {_REMEDY}")
    if reason := _refusal(existing):
        raise TrackingError(
            f"{what} {path} cannot be written: {reason} in {existing}", f"make it writable, {_REMEDY}"
        )


def _refusal(folder: Path) -> str:
    """Return why nothing can be written to a folder, where MLflow would try for minutes; empty if it can."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return "permission denied"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return (error.strerror or str(error)).lower()
