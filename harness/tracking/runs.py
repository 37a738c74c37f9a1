"""Entries in, MLflow runs out, in few calls and no matter how often they are repeated."""

from __future__ import annotations

import getpass
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
)
from mlflow.models import Model as MlflowModel

from harness.errors import TrackingError
from harness.tracking import models
from harness.tracking.entries import KEY, PARENT, RUN, Entry, ModelEntry
from harness.tracking.names import shorten

__tracebackhide__ = True

_Item = TypeVar("_Item")

_MODEL = "model"
_MODEL_PARAM = 5000
_PAGE = 1000
_METRICS, _PARAMS, _TAGS = 900, 100, 100  # of one request, with MLflow's limits of 1000, 100, 100 and 1 MB


_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow's UI shows an experiment without it as one about language models (3.17)."""


class Runs:
    """The MLflow experiment of one project."""

    def __init__(self, uri: str, project: str, artifacts: Path | None) -> None:
        """Find the experiment or make it; artifacts: where its files go, None for the store's own choice.

        A deleted experiment of the name is restored: MLflow would refuse to make another one.
        """
        self._client = MlflowClient(uri)
        found = self._client.get_experiment_by_name(project)
        if found is None:
            location = artifacts.as_uri() if artifacts is not None else None
            self._experiment = self._client.create_experiment(project, artifact_location=location, tags=_KIND)
        else:
            self._experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
        self._created: set[str] = set()

    def of(self, run: str) -> dict[str, str]:
        """Return the MLflow run id by key of what is already here of one pytest run."""
        found: dict[str, str] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{RUN}` = '{run}'", max_results=_PAGE, page_token=token
            )
            found |= {item.data.tags[KEY]: item.info.run_id for item in page if KEY in item.data.tags}
            token = page.token
            if not token:
                return found

    def begin(self, entry: Entry, parent: str | None) -> str:
        """Make the run of an entry and return its id."""
        tags = {**entry.tags, "mlflow.user": _user(), **({PARENT: parent} if parent else {})}
        run = self._client.create_run(self._experiment, entry.started, tags, entry.name)
        self._created.add(run.info.run_id)
        return str(run.info.run_id)

    def complete(self, run_id: str, entry: Entry, folder: Path, links: Mapping[str, str]) -> None:
        """Write all that an entry holds to its run and end it; what is there already stays once.

        links: tags that name other MLflow runs or models.
        """
        tags = {**entry.tags, **links}
        if run_id in self._created:
            tags = {key: value for key, value in links.items() if key != PARENT}
        for metrics, params, some_tags in _batches(_metrics(entry), _params(entry), _run_tags(tags)):
            self._client.log_batch(run_id, metrics, params, some_tags, synchronous=True)
        if entry.input is not None:
            self._client.log_inputs(run_id, [_dataset(entry)])
        for target, file in entry.files.items():
            self._log_file(run_id, _existing(folder, file), Path(target))
        self._client.set_terminated(run_id, entry.status, entry.ended)

    def log_model(self, run_id: str, entry: Entry, model: ModelEntry, folder: Path) -> str:
        """Write a model to the run of its trial and return its URI; finish one that was begun."""
        payload = _existing(folder, model.file).read_bytes()
        example = _existing(folder, model.example) if model.example else None
        logged = self._begun_model(run_id, model)
        if logged is None:
            logged = self._client.create_logged_model(
                self._experiment, _MODEL, run_id, {KEY: model.key}, _shortened(entry.params), "pyfunc"
            )
        if logged.status != LoggedModelStatus.READY:
            header = MlflowModel(
                artifact_path=logged.artifact_location, run_id=run_id, model_id=logged.model_id
            )
            with tempfile.TemporaryDirectory() as draft:
                saved = Path(draft, _MODEL)
                try:
                    models.save(saved, payload, example, header)
                except TrackingError:
                    self._client.delete_logged_model(logged.model_id)
                    raise
                self._client.log_model_artifacts(logged.model_id, str(saved))
            self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        run = self._client.get_run(run_id)
        if all(output.model_id != logged.model_id for output in run.outputs.model_outputs if run.outputs):
            self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        for metrics, _, _ in _batches(_metrics(entry, logged.model_id), [], []):
            self._client.log_batch(run_id, metrics, synchronous=True)
        return f"models:/{logged.model_id}"

    def _begun_model(self, run_id: str, model: ModelEntry) -> LoggedModel | None:
        if run_id in self._created:
            return None
        found = self._client.search_logged_models([self._experiment], f"source_run_id = '{run_id}'")
        return next((item for item in found if item.tags.get(KEY) == model.key), None)

    def _log_file(self, run_id: str, file: Path, target: Path) -> None:
        folder = None if target.parent == Path() else target.parent.as_posix()
        if file.name == target.name:
            self._client.log_artifact(run_id, str(file), folder)
            return
        with tempfile.TemporaryDirectory() as draft:  # MLflow takes the name from the file
            renamed = shutil.copy(file, Path(draft, target.name))
            self._client.log_artifact(run_id, str(renamed), folder)


def _existing(folder: Path, file: str) -> Path:
    path = folder / file
    if not path.is_file():
        raise TrackingError(
            f"{path} is missing, so that it cannot be delivered to MLflow",
            f"restore it, or delete {folder} to give the run up",
        )
    return path


def _metrics(entry: Entry, model_id: str | None = None) -> list[Metric]:
    def metric(key: str, value: float, step: int) -> Metric:
        return Metric(key, value, entry.ended, step, model_id=model_id)

    curves = [metric(key, value, step) for key, curve in entry.curves.items() for step, value in curve]
    scalars = [metric(key, value, 0) for key, value in entry.metrics.items()]
    return scalars if model_id else scalars + curves


def _shortened(params: Mapping[str, str]) -> dict[str, str]:
    return {key: shorten(value, _MODEL_PARAM) for key, value in params.items()}


def _params(entry: Entry) -> list[Param]:
    return [Param(key, value) for key, value in entry.params.items()]


def _run_tags(tags: dict[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]


def _batches(
    metrics: list[Metric], params: list[Param], tags: list[RunTag]
) -> Iterator[tuple[Sequence[Metric], Sequence[Param], Sequence[RunTag]]]:
    """Cut into requests that MLflow accepts; tags go apart from parameters, both may be long."""
    chunks = itertools.zip_longest(_chunks(metrics, _METRICS), _chunks(params, _PARAMS), fillvalue=())
    for some_metrics, some_params in chunks:
        yield some_metrics, some_params, ()
    for some_tags in _chunks(tags, _TAGS):
        yield (), (), some_tags


def _chunks(items: list[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _dataset(entry: Entry) -> DatasetInput:
    data = entry.input
    assert data is not None
    return DatasetInput(
        Dataset(data.name, data.digest, "code", data.source, schema=data.schema, profile=data.profile),
        [InputTag("mlflow.data.context", data.context)],
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a name for its user
        return "unknown"
