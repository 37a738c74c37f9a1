"""Entries in, MLflow runs out, in few calls and no matter how often they are repeated."""

from __future__ import annotations

import getpass
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient

from harness.errors import TrackingError
from harness.tracking import batches
from harness.tracking.entries import KEY, NOTE, PARENT, RUN, Entry, ModelEntry
from harness.tracking.rows import Rows

__tracebackhide__ = True

_PAGE = 1000
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
            made = self._client.create_experiment(project, artifact_location=location, tags=_KIND)
            found = self._client.get_experiment(made)
        elif found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        self.experiment = str(found.experiment_id)
        """Id of the MLflow experiment."""
        self._user = _user()
        self._rows = Rows.of(uri, self.experiment, found.artifact_location)
        self._made: dict[str, Mapping[str, str]] = {}
        """Tags of the runs that were begun here and are not completed yet, by id."""
        self._new: set[str] = set()
        """Ids of all runs that were begun here."""

    def of(self, run: str) -> dict[str, str]:
        """Return the MLflow run id by key of what is already here of one pytest run."""
        found: dict[str, str] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment], f"tags.`{RUN}` = '{run}'", max_results=_PAGE, page_token=token
            )
            found |= {item.data.tags[KEY]: item.info.run_id for item in page if KEY in item.data.tags}
            token = page.token
            if not token:
                return found

    def takes(self, entry: Entry) -> bool:
        """Whether `add` can write the entry."""
        return self._rows is not None and self._rows.takes(entry)

    def add(self, entries: Sequence[Entry], parent: str) -> list[str]:
        """Write new runs whole, all or none of them, and return their ids."""
        assert self._rows is not None
        ids = self._rows.add(entries, {"mlflow.user": self._user, PARENT: parent}, self._user)
        self._new.update(ids)
        return ids

    def begin(self, entry: Entry, parent: str | None) -> str:
        """Make the run of an entry and return its id."""
        tags = {**entry.tags, "mlflow.user": self._user, **({PARENT: parent} if parent else {})}
        run = self._client.create_run(self.experiment, entry.started, tags, entry.name)
        run_id = str(run.info.run_id)
        self._made[run_id] = tags
        self._new.add(run_id)
        return run_id

    def complete(
        self,
        run_id: str,
        entry: Entry,
        folder: Path,
        links: Mapping[str, str],
        before: Entry | None = None,
    ) -> None:
        """Write all that an entry holds to its run and end it; what is there already stays once.

        links: tags that name other MLflow runs or models; before: what the run is known to hold.
        """
        known = self._made.get(run_id) or (before.tags if before else {})
        if not known:
            self._forget(run_id, entry)
        tags = {key: value for key, value in {**entry.tags, **links}.items() if known.get(key) != value}
        params = {} if before else entry.params
        for request in batches.requests(batches.metrics(entry, before), params, tags):
            self._client.log_batch(run_id, *request, synchronous=True)
        data = batches.dataset(entry)
        if data:
            self._client.log_inputs(run_id, data)
        if before is None:
            for target, file in entry.files.items():
                self._log_file(run_id, existing(folder, file), Path(target))
        if before is None or (before.status, before.ended) != (entry.status, entry.ended):
            self._client.set_terminated(run_id, entry.status, entry.ended)
        self._made.pop(run_id, None)

    def _forget(self, run_id: str, entry: Entry) -> None:
        """Take away what an earlier record of the same item said of its failure, or that it is the best."""
        had = self._client.get_run(run_id).data.tags
        stale = {"best", "message"} & had.keys() - entry.tags.keys()
        if "message" in stale and NOTE not in entry.tags:  # else the description is the user's own
            stale |= {NOTE} & had.keys()
        for tag in sorted(stale):
            self._client.delete_tag(run_id, tag)

    def log_model(self, run_id: str, entry: Entry, model: ModelEntry, folder: Path) -> str:
        """Write a model to the run of its trial and return its URI; finish one that was begun."""
        from harness.tracking.logged import log_model  # what keeps models takes a tenth of a second

        return log_model(
            self._client,
            self.experiment,
            run_id,
            entry,
            model,
            payload=existing(folder, model.file),
            example=existing(folder, model.example) if model.example else None,
            rows=existing(folder, model.rows) if model.rows else None,
            new=run_id in self._new,
        )

    def _log_file(self, run_id: str, file: Path, target: Path) -> None:
        folder = None if target.parent == Path() else target.parent.as_posix()
        if file.name == target.name:
            self._client.log_artifact(run_id, str(file), folder)
            return
        with tempfile.TemporaryDirectory() as draft:  # MLflow takes the name from the file
            renamed = shutil.copy(file, Path(draft, target.name))
            self._client.log_artifact(run_id, str(renamed), folder)

    def close(self) -> None:
        """Let go of what is open."""
        if self._rows is not None:
            self._rows.close()


def existing(folder: Path, file: str) -> Path:
    """Return the path of a file of a run; raise TrackingError if someone took it away."""
    path = folder / file
    if not path.is_file():
        raise TrackingError(
            f"{path} is missing, so that it cannot be delivered to MLflow",
            f"restore it, or delete {folder} to give the run up",
        )
    return path


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a name for its user
        return "unknown"
