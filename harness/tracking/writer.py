"""One pytest run's plan in; its MLflow runs in one tracking store, and the marks of delivery, out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.errors import TrackingError
from harness.rundir import Mark, RunFolder
from harness.tracking.entries import PARENT, Entry, ModelEntry, Plan

if TYPE_CHECKING:
    from harness.tracking.runs import Runs

__tracebackhide__ = True


class Writer:
    """Brings one pytest run to one tracking store."""

    def __init__(self, folder: RunFolder, found: Plan, uri: str, target: Runs, count: Counter[str]) -> None:
        self._folder = folder
        self._plan = found
        self._uri = uri
        self._target = target
        self._count = count
        self._here = target.of(folder.run.id)
        known = set(self._here.values())  # someone may have deleted runs, or the whole store, since
        marks = folder.delivered().get(uri, {})
        self._marks = {key: mark for key, mark in marks.items() if mark.mlflow_run in known}

    def write(self) -> list[str]:
        """Write what is missing; return what went wrong with a model or a file.

        An experiment is begun before its trials, which name it, and completed after them.
        """
        models = {model.trial: model for model in self._plan.models}
        problems = []
        for experiment in self._plan.entries:
            if experiment.parent is not None:
                continue
            new = experiment.key not in self._here
            parent = self._begin(experiment, None)
            for trial in self._plan.entries:
                if trial.parent == experiment.key and (new or self._lacks(trial)):
                    problems += self._write_trial(trial, parent)
            model = models.get(experiment.best or "")
            if not self._lacks(experiment) and (model is None or not self._lacks(model)):
                continue
            tags = {}
            if experiment.best is not None:
                tags["best.run_id"] = self._here[experiment.best]
            if model is not None:
                try:
                    tags["best.model_uri"] = self._write_model(model)
                except TrackingError as error:
                    problems.append(str(error))
            self._target.complete(parent, experiment, self._folder.path, tags)
            self._mark(experiment, parent)
        return problems

    def _write_trial(self, trial: Entry, parent: str) -> list[str]:
        run_id = self._begin(trial, parent)
        try:
            self._target.complete(run_id, trial, self._folder.path, {PARENT: parent})
        except TrackingError as error:
            return [str(error)]
        self._mark(trial, run_id)
        return []

    def _write_model(self, model: ModelEntry) -> str:
        trial = next(entry for entry in self._plan.entries if entry.key == model.trial)
        run_id = self._here[model.trial]
        uri = self._target.log_model(run_id, trial, model, self._folder.path)
        self._mark(model, run_id)
        return uri

    def _lacks(self, item: Entry | ModelEntry) -> bool:
        return item.key not in self._marks or self._marks[item.key].digest != self._plan.digests[item.key]

    def _begin(self, entry: Entry, parent: str | None) -> str:
        if entry.key not in self._here:
            self._here[entry.key] = self._target.begin(entry, parent)
        return self._here[entry.key]

    def _mark(self, item: Entry | ModelEntry, run_id: str) -> None:
        mark = Mark(self._uri, item.key, run_id, self._plan.digests[item.key])
        if self._lacks(item):
            self._count[item.key.partition(":")[0]] += 1
        self._folder.mark(mark)
        self._marks[item.key] = mark
