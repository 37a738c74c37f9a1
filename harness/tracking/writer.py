"""One pytest run's entries in; its MLflow runs in one tracking store, and the marks of delivery, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import TrackingError
from harness.rundir import Mark, RunFolder
from harness.tracking.entries import PARENT, Entry, ModelEntry, Plan
from harness.tracking.faults import refused, told

if TYPE_CHECKING:
    from harness.tracking.runs import Runs

__tracebackhide__ = True

WRITES = "writes"
_AT_ONCE = 100
"""Trials of one transaction: three hundredths of a second."""


class Writer:
    """Brings one pytest run to one tracking store, whole or trial by trial."""

    def __init__(
        self,
        folder: RunFolder,
        uri: str,
        target: Runs,
        count: Counter[str],
        *,
        tick: Callable[[], None] = lambda: None,
        new: bool = False,
    ) -> None:
        """Learn what the store has of the run, unless the run is new.

        count: of what is written, by "experiment", "trial" and "model", and of all WRITES; tick: called
        after each of them or a few.
        """
        self._folder = folder
        self._uri = uri
        self._target = target
        self._count = count
        self.tick = tick
        self._here = {} if new else target.of(folder.run.id)
        known = set(self._here.values())  # someone may have deleted runs, or the whole store, since
        marks = {} if new else folder.delivered().get(uri, {})
        self._counted: set[str] = set()
        self._digests = {key: mark.digest for key, mark in marks.items() if mark.mlflow_run in known}

    def write(self, found: Plan) -> list[str]:
        """Write what is missing; return what is wrong with a trial or a model.

        An experiment is begun before its trials, which name it, and completed after them.
        """
        models = {model.trial: model for model in found.models}
        below: dict[str, list[Entry]] = {}
        for entry in found.entries:
            if entry.parent is not None:
                below.setdefault(entry.parent, []).append(entry)
        problems = []
        for experiment in found.entries:
            if experiment.parent is not None:
                continue
            trials = below[experiment.key]
            before = found.before
            if experiment.key in self._here:
                trials = [trial for trial in trials if self._lacks(trial, found.digests)]
            else:
                before = {}  # all of them are to name another parent now
            problems += self.write_trials(experiment, trials, found.digests, before)
            model = models.get(experiment.best or "")
            due: list[Entry | ModelEntry] = [experiment, *([model] if model else [])]
            if not any(self._lacks(item, found.digests) for item in due):
                continue
            problems += self._complete(experiment, model, below[experiment.key], found)
        return problems

    def write_trials(
        self,
        experiment: Entry,
        trials: Sequence[Entry],
        digests: Mapping[str, str],
        before: Mapping[str, Entry],
    ) -> list[str]:
        """Write trials of one experiment, which is begun if need be; return what is wrong with some.

        before: entries as the store may have them, by key, of trials that have changed since.
        """
        parent = self._begin(experiment, None)
        trials = list({trial.key: trial for trial in trials}.values())  # of two, the later counts
        new = [trial for trial in trials if trial.key not in self._here and self._target.takes(trial)]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            for trial, run_id in zip(some, self._target.add(some, parent), strict=True):
                self._here[trial.key] = run_id
                self._mark(trial, run_id, digests)
            self.tick()
        problems = []
        written = {trial.key for trial in new}
        for trial in trials:
            if trial.key not in written:
                problems += self._write_trial(trial, parent, digests, before.get(trial.key))
                self.tick()
        return problems

    def _write_trial(
        self, trial: Entry, parent: str, digests: Mapping[str, str], before: Entry | None
    ) -> list[str]:
        if before is not None and self._digests.get(trial.key) != before.digest:
            before = None
        try:
            run_id = self._begin(trial, parent)
            self._target.complete(run_id, trial, self._folder.path, {PARENT: parent}, before)
        except Exception as error:
            if isinstance(error, TrackingError) or refused(error):
                return [told(error, self._uri, f"did not take all of run {self._folder.run.id}")]
            raise
        self._mark(trial, run_id, digests)
        return []

    def _complete(
        self, experiment: Entry, model: ModelEntry | None, trials: Sequence[Entry], found: Plan
    ) -> list[str]:
        problems = []
        tags = {}
        if experiment.best is not None:
            tags["best.run_id"] = self._here[experiment.best]
        if model is not None:
            trial = next(entry for entry in trials if entry.key == model.trial)
            run_id = self._here[trial.key]
            try:
                tags["best.model_uri"] = self._target.log_model(run_id, trial, model, self._folder.path)
                self._mark(model, run_id, found.digests)
            except TrackingError as error:
                problems.append(str(error))
        parent = self._here[experiment.key]
        self._target.complete(parent, experiment, self._folder.path, tags)
        self._mark(experiment, parent, found.digests)
        self.tick()
        return problems

    def _lacks(self, item: Entry | ModelEntry, digests: Mapping[str, str]) -> bool:
        return self._digests.get(item.key) != digests[item.key]

    def _begin(self, entry: Entry, parent: str | None) -> str:
        if entry.key not in self._here:
            self._here[entry.key] = self._target.begin(entry, parent)
        return self._here[entry.key]

    def _mark(self, item: Entry | ModelEntry, run_id: str, digests: Mapping[str, str]) -> None:
        self._count[WRITES] += 1
        if item.key not in self._counted:  # the best trial may be written twice
            self._counted.add(item.key)
            self._count[item.key.partition(":")[0]] += 1
        self._folder.mark(Mark(self._uri, item.key, run_id, digests[item.key]))
        self._digests[item.key] = digests[item.key]
