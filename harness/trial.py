"""The `trial` fixture: an experiment's calls in, a fitted model with scores, logs and files out."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from harness.artifacts import Artifacts
from harness.data.dataset import Dataset
from harness.declarations import ExperimentDeclaration
from harness.errors import EstimatorError, ScoreError, SealedError
from harness.models.estimators import Fit, fit, outputs
from harness.models.model import Model
from harness.models.pickling import Dumper, loads
from harness.models.predictions import Predictions
from harness.models.structures import Structures
from harness.models.threads import Threads
from harness.pruning import Bar, Watcher
from harness.results import STOPPED_EARLY, Objective
from harness.scoring.metrics import Metric, default_objective, objective
from harness.scoring.scores import CONFIDENCE, Scores

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a trial is given to work with."""

    dumper: Dumper
    run: Path
    """Folder of the run; files are named relative to it."""
    folder: str | None
    """Of this trial, relative to the run's; None: its files are not kept."""
    metrics: Mapping[str, Metric]
    threads: int | Threads
    structures: Structures | None = None
    """What estimators of this process share of their training rows."""
    bars: Sequence[Bar] | None = None
    """What the trial must reach to go on; None: it is not watched."""
    confidence: float = CONFIDENCE
    """Of the scores' intervals, two-sided."""
    repeat: str = ""
    """Such as "fold 2 of 5", if the trial is repeated."""


class Trial:
    """One set of hyperparameters of an experiment, as the experiment's function sees it."""

    def __init__(
        self,
        params: Mapping[str, Any],
        declaration: ExperimentDeclaration,
        bench: Bench,
        datasets: tuple[Dataset, ...] = (),
    ) -> None:
        self._params = dict(params)
        self._declaration = declaration
        self._bench = bench
        self._datasets = datasets
        self._logged: dict[str, float] = {}
        self._artifacts = Artifacts(bench.run, bench.folder)
        self._data: Dataset | None = None
        self._model: Model | None = None
        self._fit: Fit | None = None
        self._watcher: Watcher | None = None
        self._scores: dict[str, Scores] = {}
        self._content = b""
        self._predictions: Predictions | None = None
        self._outcome: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"trial({', '.join(f'{name}={value!r}' for name, value in self._params.items())})"

    @property
    def params(self) -> dict[str, Any]:
        """Hyperparameters by name."""
        return dict(self._params)

    def fit(self, estimator: Any, data: Dataset, *, curves: bool = False) -> Any:
        """Fit an estimator on the training rows and keep it as the trial's model.

        data: a data set or features. Sample weights of the data set go to `fit`. An XGBoost or
            LightGBM estimator that is configured for early stopping gets the validation rows to
            watch.
        curves: keep the validation score of every boosting round (XGBoost, LightGBM).

        Returns the same estimator, fitted. OpenMP and BLAS are bounded to the trial's threads; an
        explicit `n_jobs` wins. The model is kept as it is when this returns; a second call, or
        `trial.use`, replaces it.

        Raises EstimatorError for an estimator that cannot be used with this data.
        """
        self._take(estimator, data, "fit")
        self._watcher = None if self._bench.bars is None else Watcher(self._bench.bars)
        self._fit = fit(
            estimator,
            data,
            threads=self._bench.threads,
            curves=curves,
            structures=self._bench.structures,
            watch=self._watcher,
            stages=not self._bench.repeat,
        )
        self._keep(self._fit.estimator, data)
        return self._fit.estimator

    def use(self, model: Any, data: Dataset) -> None:
        """Take a model that was trained by hand on `data.train` as the trial's model.

        model: anything with `predict` (and `predict_proba` or `decision_function`) that takes
            `data.train.X` and gives values of `data.train.y`.

        Raises EstimatorError if it has no `predict` or predicts something else.
        """
        self._take(model, data, "use")
        if not callable(getattr(model, "predict", None)) or isinstance(model, type):
            raise EstimatorError(
                f"trial.use was given {model!r}, a {type(model).__name__} without predict",
                "give a fitted object with a method predict(X)",
            )
        self._fit = None
        self._keep(model, data)

    @property
    def train(self) -> Scores:
        """Scores on the training rows.

        Predicting them costs time, so it is done, and they are recorded, only if you ask.
        """
        return self._split("train")

    @property
    def validation(self) -> Scores:
        """Scores on the validation rows."""
        return self._split("validation")

    @property
    def test(self) -> NoReturn:
        """Raise SealedError: only gates see test rows."""
        name = self._data.name if self._data else "its data"
        raise SealedError(
            f"trial.test: the test rows of {name} are sealed",
            "judge by trial.validation, or write a gate_* function that reads .best.test",
        )

    def log(self, **metrics: float) -> None:
        """Record numbers of the trial's own; a name may serve as objective."""
        for name, value in metrics.items():
            if not isinstance(value, numbers.Real | np.bool_):
                raise ScoreError(
                    f"trial.log({name}={value!r}) is a {type(value).__name__}, not a number",
                    "log numbers; keep anything else by trial.log_artifact(path)",
                )
            self._logged[name] = float(value)

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a figure under a file name such as "roc.png"; of a repeat or fold, nothing is kept.

        figure: anything with `savefig(path)` (matplotlib), `write_html(path)` (plotly, name ending
            in .html), `write_image(path)` (plotly) or `save(path)` (Pillow, altair).
        """
        self._artifacts.figure(figure, name)

    def log_artifact(self, path: str | Path, name: str | None = None) -> None:
        """Keep a copy of a file under `name` (default: the file's own name); of a repeat, nothing is kept."""
        self._artifacts.copy(path, name)

    # What the harness asks of a trial when its function has returned.

    def objective(self) -> Objective | None:
        """Return what makes this trial the best; None for an experiment without data and objective."""
        data = self._data or next(iter(self._datasets), None)
        declared = objective(
            self._declaration.maximize,
            self._declaration.minimize,
            self._bench.metrics,
            task=data.task if data else None,
            logged=True,
        )
        if declared is not None or data is None:
            return declared
        return default_objective(data.task)

    def finish(self, repeats: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Score, check and store what the trial gave, its function having returned.

        repeats: fields of the trial's record that tell of its repeats. Raises ScoreError if it has an
        objective and gave no finite score for it.
        """
        wanted = self._demanded()
        self._outcome = {**self._describe(wanted, self._measured(wanted)), **repeats}
        if self._model is not None:
            self._artifacts.model(self._content, self._predictions, self._fit.stages if self._fit else None)
            self._outcome["files"] = dict(self._artifacts.files)

    def summary(self) -> dict[str, float]:
        """Return the validation scores, and the objective if it was logged.

        Raises ScoreError if the trial has an objective and gave no finite score for it.
        """
        wanted = self._demanded()
        found = dict(self._measured(wanted).get("validation", {}))
        if wanted is not None and wanted.name in self._logged:
            found[wanted.name] = self._logged[wanted.name]
        return found

    def abandon(self) -> None:
        """Keep what the trial gave before its function raised; no model, for it is never the best."""
        try:
            wanted = self.objective()
            self._outcome = self._describe(wanted, self._measured(wanted))
        except Exception:  # noqa: BLE001  # the function's own exception is the one to tell
            self._outcome = self._describe(None, {})

    @property
    def outcome(self) -> dict[str, Any]:
        """The part of the trial's record that the trial knows, once it finished or was abandoned."""
        return self._outcome

    def _measured(self, wanted: Objective | None) -> dict[str, dict[str, float]]:
        if self._model is None:
            return {}
        splits = sorted(self._scores, reverse=True)
        scores = {split: self._scores[split].values() for split in splits}
        if wanted is not None and wanted.name in self._bench.metrics and wanted.name not in self._logged:
            scores["validation"].setdefault(wanted.name, float(getattr(self.validation, wanted.name)))
        return scores

    def _describe(self, wanted: Objective | None, scores: dict[str, dict[str, float]]) -> dict[str, Any]:
        done = self._fit
        return {
            "dataset": self._data.name if self._data else None,
            "data_digest": self._data.raw.digest if self._data else None,
            "objective": wanted.name if wanted else None,
            "greater_is_better": wanted.greater_is_better if wanted else True,
            "scores": scores,
            "logged": dict(self._logged),
            **self._watched(),
            "fit_seconds": done.seconds if done else None,
            "peak_memory": done.peak_memory if done else None,
            "stopped_early": self._stopped_early,
            "estimator": type(self._model.estimator).__name__ if self._model else None,
            "features": list(self._data.features) if self._data else [],
            "files": dict(self._artifacts.files),
        }

    def _watched(self) -> dict[str, Any]:
        """Return the curves, of a fit that was stopped as far as they came."""
        curves = {name: list(curve) for name, curve in self._fit.curves.items()} if self._fit else {}
        if self._watcher is None or self._watcher.name is None:
            return {"curves": curves}
        return {"curves": {self._watcher.name: list(self._watcher.curve), **curves}, **self._watcher.outcome}

    def _take(self, estimator: Any, data: Any, verb: str) -> None:
        if isinstance(estimator, Dataset):
            raise EstimatorError(
                f"trial.{verb} was given the data first", f"write trial.{verb}(estimator, {estimator.name})"
            )
        if not isinstance(data, Dataset):
            raise EstimatorError(
                f"trial.{verb}(…, data) was given a {type(data).__name__}",
                "give the data set or the features by the name of their fixture",
            )
        if self._bench.repeat and data.raw.digest not in {known.digest for known in self._datasets}:
            raise EstimatorError(
                f"trial.{verb} was given the declared split of {data.name}, not its {self._bench.repeat}",
                "take the data set or features as arguments of the experiment: what other fixtures hold is "
                "not divided again",
            )

    def _keep(self, estimator: Any, data: Dataset) -> None:
        self._data = data
        self._scores.clear()
        # Pickled and scored as it is now: whoever fits the estimator once more has another model.
        self._model = Model.of(estimator, data)
        self._content = self._pickled(self._model)
        self._predictions = outputs(estimator, data.validation.X, data, threads=self._bench.threads)
        self._scores["validation"] = self._scored("validation", self._predictions, data)

    def _split(self, name: str) -> Scores:
        if self._data is None or self._model is None:
            raise ScoreError(
                f"the trial has no model yet, so no scores on its {name} rows",
                "call trial.fit(estimator, data) or trial.use(model, data) first",
            )
        if name not in self._scores:
            kept: Model = loads(self._content)  # as it was when it was given, whatever became of it
            said = kept.outputs(self._data.raw.train.X)
            self._scores[name] = self._scored(name, said, self._data)
        return self._scores[name]

    def _scored(self, split: str, said: Predictions, data: Dataset) -> Scores:
        assert self._model is not None
        return Scores.of(
            data,
            split,
            said,
            self._bench.metrics,
            model=type(self._model.estimator).__name__,
            title=f"trial.{split}",
            confidence=self._bench.confidence,
            caveat=STOPPED_EARLY if split == "validation" and self._stopped_early else "",
        )

    @property
    def _stopped_early(self) -> bool:
        return self._fit is not None and self._fit.stopped_early

    def _demanded(self) -> Objective | None:
        """Return the objective; raise ScoreError unless the trial gave a finite value for it."""
        wanted = self.objective()
        if wanted is not None:
            self._demand(wanted)
        return wanted

    def _demand(self, wanted: Objective) -> None:
        if wanted.name in self._logged:
            value = self._logged[wanted.name]
            if not math.isfinite(value):
                raise ScoreError(
                    f"the trial logged {wanted.name}={value}, its objective", "log a finite number"
                )
        elif self._model is not None and wanted.name in self._bench.metrics:
            getattr(self.validation, wanted.name)  # raises where it cannot be
        else:
            given = sorted(self._logged) or "nothing"
            again = "fixtures are not set up again: " if self._bench.repeat else ""
            raise ScoreError(
                f"the trial gave no score for its objective {wanted.name!r}; it logged {given}",
                f"{again}call trial.fit(estimator, data), trial.use(model, data) or "
                f"trial.log({wanted.name}=…){' in the experiment itself' if again else ''}",
            )

    def _pickled(self, model: Model) -> bytes:
        try:
            return self._bench.dumper.dumps(model)
        except Exception as error:  # noqa: BLE001  # pickling runs code of every class in the model
            raise EstimatorError(
                f"the fitted {type(model.estimator).__name__} cannot be kept: {error}",
                "let its functions hold plain values: no data set, no open file, no lock",
            ) from None
