"""A registered name in, the version behind its alias out; a best trial in, the version it became out."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import TrackingError
from harness.models import seen
from harness.models.model import Model
from harness.models.pickling import loads
from harness.rundir import Mark
from harness.store import Store
from harness.tracking.address import address, public, sqlite_file
from harness.tracking.faults import told
from harness.tracking.lock import exclusive
from harness.tracking.quiet import quiet
from harness.tracking.traveller import FACTS, SEEN

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__tracebackhide__ = True

DIGEST = "harness.model_digest"
"""Tag of a version, by which a model is known again."""
_MODEL = "python_model.pkl"
_LISTED = "mlflow.modelVersions"
"""Tag of a logged model, by which MLflow's UI finds its versions."""
_ABSENT, _THERE = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registered:
    """A version of a registered model that the harness once logged."""

    name: str
    version: str
    model: Model
    rows: seen.Hashes | None
    """Numbers of the rows it was trained or validated on (`models.seen`); None if it does not tell."""
    facts: Mapping[str, Any]
    """About its trial; empty if it does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is registered of a best trial."""

    name: str
    alias: str
    digest: str
    """Of the model."""
    experiment: str
    """Key of the experiment's MLflow run, "experiment:NODE ID"."""
    trial: str
    """Key of the trial's, "trial:NODE ID"."""
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """JSON that becomes `evidence.json` of the trial's MLflow run."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """Which version an alias names now."""

    version: str
    fresh: bool
    """False: it named this very model before."""


def find(name: str, alias: str, *, root: Path, store: Store) -> Registered | None:
    """Return the version behind an alias; None if there is no such model, alias or MLflow store yet.

    root: the project's folder, beside whose `mlflow.db` is the default store; store: in it lies the lock
    for opening MLflow's. Only reads. Raises TrackingError if MLflow cannot be asked or the version was
    not logged by the harness.
    """
    uri = address(root)
    path = sqlite_file(uri)
    if path is not None and not path.exists():
        return None
    with _asked(uri, f"cannot be asked for the {alias} of {name}"):
        with exclusive(store):  # the run's own thread may be making the store
            client = _client(uri)
            version = _version(client, name, alias)
        return None if version is None else _loaded(client, uri, version)


def promote(wanted: Promotion, marks: Mapping[str, Mapping[str, Mark]], *, root: Path) -> Promoted:
    """Register a model that was delivered, unless the alias names it already, and set the alias.

    marks: of the run's deliveries, by tracking URI and key. Raises TrackingError if MLflow cannot be
    written or lacks the model.
    """
    uri = address(root)
    here = marks.get(public(uri), {})
    if not {wanted.experiment, wanted.trial} <= here.keys():
        raise TrackingError(
            f"MLflow at {public(uri)} lacks the run of {wanted.trial.partition(':')[2]}",
            "mend what keeps it, and run again with --promote",
        )
    with _asked(uri, f"did not take the {wanted.alias} of {wanted.name}"):
        client = _client(uri)
        known = _version(client, wanted.name, wanted.alias)
        if known is not None and _digest(client, uri, known) == wanted.digest:
            return Promoted(str(known.version), False)
        model = client.get_run(here[wanted.experiment].mlflow_run).data.tags.get("best.model_uri")
        if model is None:
            raise TrackingError(
                f"MLflow at {public(uri)} has no model of {wanted.trial.partition(':')[2]}",
                "mend what keeps it, and run again with --promote",
            )
        run = here[wanted.trial].mlflow_run
        client.log_dict(run, dict(wanted.evidence), "evidence.json")
        made = _register(client, wanted, model, run)
        client.set_registered_model_alias(wanted.name, wanted.alias, made)
        return Promoted(made, True)


def _client(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(uri)


def _version(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(name).aliases
        return client.get_model_version(name, str(aliases[alias])) if alias in aliases else None
    except MlflowException as error:
        if error.error_code == _ABSENT:
            return None
        raise


def _register(client: MlflowClient, wanted: Promotion, model: str, run: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(wanted.name)
    except MlflowException as error:
        if error.error_code != _THERE:
            raise
    tags = {**wanted.tags, DIGEST: wanted.digest}
    logged = model.rpartition("/")[2]
    made = client.create_model_version(
        wanted.name, model, run, tags, description=wanted.description, model_id=logged
    )
    listed = json.loads(client.get_logged_model(logged).tags.get(_LISTED, "[]"))
    listed.append({"name": wanted.name, "version": str(made.version)})
    client.set_logged_model_tags(logged, {_LISTED: json.dumps(listed)})
    return str(made.version)


def _digest(client: MlflowClient, uri: str, version: ModelVersion) -> str | None:
    """Return the digest of a version's model; of one that was given its alias by hand, from its files."""
    if DIGEST in version.tags:
        return str(version.tags[DIGEST])
    with _files(client, uri, version) as folder:
        found = _facts(folder).get("model_digest")
    return None if found is None else str(found)


def _loaded(client: MlflowClient, uri: str, version: ModelVersion) -> Registered:
    named = f"version {version.version} of {version.name}"
    with _files(client, uri, version) as folder:
        served = folder / _MODEL
        if not served.is_file():
            raise _foreign(named)
        try:
            payload = getattr(pickle.load(io.BytesIO(served.read_bytes())), "payload", None)
            model = loads(payload) if isinstance(payload, bytes) else None
        except Exception as error:  # noqa: BLE001  # the pickle runs code of the user and of any library
            raise TrackingError(
                f"{named} cannot be loaded here: {type(error).__name__}: {error}",
                "run in the environment that trained it, or give the alias to another version",
            ) from None
        if not isinstance(model, Model):
            raise _foreign(named)
        rows = seen.load(folder / SEEN) if (folder / SEEN).is_file() else None
        return Registered(
            name=str(version.name),
            version=str(version.version),
            model=model,
            rows=rows,
            facts=_facts(folder),
        )


def _foreign(named: str) -> TrackingError:
    return TrackingError(
        f"{named} was not logged by the harness",
        "give the alias to a best trial's model, or name another model: @experiment(registered_name=…)",
    )


def _facts(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / FACTS).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found


@contextmanager
def _files(client: MlflowClient, uri: str, version: ModelVersion) -> Iterator[Path]:
    """Give a folder with the files of a version for the time of a block."""
    from mlflow.artifacts import download_artifacts

    place = client.get_model_version_download_uri(version.name, str(version.version))
    with tempfile.TemporaryDirectory(prefix="harness-champion-") as draft:
        yield Path(download_artifacts(artifact_uri=place, dst_path=draft, tracking_uri=uri))


@contextmanager
def _asked(uri: str, failed: str) -> Iterator[None]:
    """Turn what MLflow and its store raise into a TrackingError."""
    try:
        with quiet(first_contact=True):
            yield
    except TrackingError:
        raise
    except Exception as error:  # noqa: BLE001  # MLflow's stores raise what their libraries raise
        raise TrackingError(
            told(error, uri, failed), "see that it can be reached, or name another MLFLOW_TRACKING_URI"
        ) from None  # a thousand lines of urllib3 say no more
