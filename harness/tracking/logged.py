"""A best trial's pickle in, a logged model of MLflow's out, no matter how often it is repeated."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model as MlflowModel

from harness.errors import TrackingError
from harness.tracking import batches, models, traveller
from harness.tracking.entries import KEY, Entry, ModelEntry
from harness.tracking.names import shorten

__tracebackhide__ = True

_NAME = "model"
_PARAM = 5000


def log_model(
    client: MlflowClient,
    experiment: str,
    run_id: str,
    entry: Entry,
    model: ModelEntry,
    *,
    payload: Path,
    example: Path | None,
    rows: Path | None,
    new: bool,
) -> str:
    """Write a model to the run of its trial and return its URI; finish one that was begun.

    entry: of the trial; payload: its pickle; example: JSON file of raw rows; rows: file that tells which
    rows it has seen; new: whether the run was made just now, so that it cannot have a model yet.
    """
    found = None if new else _begun(client, experiment, run_id, model)
    logged = found or client.create_logged_model(
        experiment, _NAME, run_id, {KEY: model.key}, _shortened(entry), "pyfunc"
    )
    if logged.status != LoggedModelStatus.READY:
        header = MlflowModel(artifact_path=logged.artifact_location, run_id=run_id, model_id=logged.model_id)
        with tempfile.TemporaryDirectory() as draft:
            saved = Path(draft, _NAME)
            try:
                models.save(saved, payload.read_bytes(), example, header)
                traveller.pack(saved, model.facts, rows)
            except TrackingError:
                client.delete_logged_model(logged.model_id)
                raise
            client.log_model_artifacts(logged.model_id, str(saved))
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    if found is None or not _is_output(client, run_id, logged):
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    for metrics, _, _ in batches.requests(batches.of_model(entry, logged.model_id), {}, {}):
        client.log_batch(run_id, metrics, synchronous=True)
    return f"models:/{logged.model_id}"


def _begun(client: MlflowClient, experiment: str, run_id: str, model: ModelEntry) -> LoggedModel | None:
    found = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    return next((item for item in found if item.tags.get(KEY) == model.key), None)


def _is_output(client: MlflowClient, run_id: str, logged: LoggedModel) -> bool:
    run = client.get_run(run_id)
    return any(output.model_id == logged.model_id for output in run.outputs.model_outputs if run.outputs)


def _shortened(entry: Entry) -> dict[str, str]:
    return {key: shorten(value, _PARAM) for key, value in entry.params.items()}
