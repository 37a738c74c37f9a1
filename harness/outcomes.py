"""Records of finished trials in; what a gate sees of an experiment out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from harness.bests import best, model_digest
from harness.champion import Champion
from harness.corrections import correct
from harness.data.dataset import Dataset
from harness.errors import NoChampion, ResultError, ScoreError
from harness.models.model import Model
from harness.models.pickling import loads
from harness.models.predictions import Predictions
from harness.results import STOPPED_EARLY, TrialRecord
from harness.scoring.metrics import Metric
from harness.scoring.score import Listener, Score
from harness.scoring.scores import Scores
from harness.tracking.registry import Registered

__tracebackhide__ = True

Reader = Callable[[str, float], None]
Finder = Callable[[str], "Registered | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where the results of a run are found."""

    run: Path
    dataset: Callable[[str], Dataset]
    """Gives a data set by its name."""
    metrics: Mapping[str, Metric]
    on_read: Reader
    """Called with "EXPERIMENT.best.test.METRIC" and the value, each time a score is read."""
    on_compare: Listener
    """Called with each comparison of a score with a number."""
    confidence: float
    """Of the scores' intervals, two-sided."""
    seed: int
    """Of the resamples by which the best score is corrected."""
    registered: str = ""
    """Name of the model in MLflow whose champion a gate may ask for."""
    find: Finder = lambda _: None
    """Gives the champion of a name; None if there is none yet."""
    on_note: Callable[[str], None] = lambda _: None
    """Told what a reader of the gate's outcome should know besides."""

    def scores(self, data: Dataset, split: str, said: Predictions, *, owner: str, **told: Any) -> Scores:
        """Return scores of which gates' records are told.

        owner: such as `experiment_x.best`; told: `model`, `caveat` and `digest`, see `Scores`.
        """

        def read(metric: str, value: float) -> None:
            self.on_read(f"{owner}.{split}.{metric}", value)

        return Scores.of(
            data,
            split,
            said,
            self.metrics,
            title=f"{owner}.{split}",
            confidence=self.confidence,
            on_read=read,
            on_compare=self.on_compare,
            **told,
        )


def _text(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in params.items())


class TrialResult:
    """One trial of an experiment, as a gate sees it."""

    def __init__(self, record: TrialRecord, params: Mapping[str, Any], archive: Archive, label: str) -> None:
        self._record = record
        self._params = dict(params)
        self._archive = archive
        self._label = label
        self._known: dict[str, Scores] = {}
        self._model: Model | None = None

    def __repr__(self) -> str:
        return f"{self._label}({_text(self._params)})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(type(self), name):  # a property failed by an AttributeError, which is the one to tell
            return object.__getattribute__(self, name)
        remedy = (
            f"a score is read from its split: {self._label}.validation.{name}, in gates .best.test.{name}"
        )
        if name == "test":
            remedy = "only the best trial meets the test rows: read .best.test"
        raise ScoreError(f"{self._label} has no {name!r}", remedy)

    @property
    def params(self) -> dict[str, Any]:
        """Hyperparameters by name."""
        return dict(self._params)

    @property
    def outcome(self) -> str:
        """What became of it: "passed", "failed", "raised", "skipped" or "error"."""
        return self._record.outcome

    @property
    def logged(self) -> dict[str, float]:
        """What the trial gave to `trial.log`."""
        return dict(self._record.logged)

    @property
    def curves(self) -> dict[str, list[float]]:
        """Learning curves by name, one value an iteration."""
        return {name: list(curve) for name, curve in self._record.curves.items()}

    @property
    def fit_seconds(self) -> float | None:
        """Wall time of the fit in seconds; None for a model trained by hand."""
        return self._record.fit_seconds

    @property
    def repeats(self) -> pd.DataFrame:
        """Validation scores of each repeat or fold, one row each, numbered from 1.

        Repeat 1 is the declared split, which is none of the folds. A logged objective is a column, too.
        Raises ResultError for a trial without any.
        """
        record = self._record
        if not record.repeats:
            raise ResultError(
                f"{self._label}({_text(self._params)}) has no repeats",
                "write @experiment(repeats=5) or @experiment(folds=5) above the experiment"
                if record.finished
                else f"it {record.outcome}: judge finished trials",
            )
        numbers = pd.RangeIndex(1, len(record.repeats) + 1, name="fold" if record.folds else "repeat")
        return pd.DataFrame(list(record.repeats), index=numbers)

    # Not functools.cached_property: its frames would stand in the traceback of a failing gate.

    @property
    def train(self) -> Scores:
        """Scores on the training rows."""
        if "train" not in self._known:
            self._known["train"] = self._scores("train", self._dataset.train)
        return self._known["train"]

    @property
    def validation(self) -> Scores:
        """Scores on the validation rows, from the predictions the trial kept."""
        if "validation" not in self._known:
            kept = Predictions.load(self._path("predictions"))
            self._known["validation"] = self._scores("validation", self._dataset.validation, kept)
        return self._known["validation"]

    @property
    def model(self) -> Model:
        """The fitted features and estimator; takes raw rows."""
        if self._model is None:
            self._model = self._load()
        return self._model

    def _load(self) -> Model:
        path = self._path("model")
        if not path.exists():
            raise ResultError(
                f"the model of {self._label} is no longer in the store",
                "only the best trial's model is kept after a run",
            )
        model: Model = loads(path.read_bytes())
        return model

    def predict(self, X: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Return original labels (classification) or values (regression) for raw rows."""
        return self.model.predict(X)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Return probabilities, (rows, classes) in the order of the data set's `.classes`."""
        return self.model.predict_proba(X)

    @property
    def _dataset(self) -> Dataset:
        name = self._record.dataset
        if name is None:
            raise ResultError(
                f"{self._label} fitted no model, so it has no scores and no model",
                "read .logged, or call trial.fit(estimator, data) in the experiment",
            )
        return self._archive.dataset(name)

    def _path(self, file: str) -> Path:
        self._dataset  # noqa: B018  # says why there is none
        if file not in self._record.files:
            raise ResultError(
                f"{self._label}({_text(self._params)}) {self._record.outcome}, so it has no {file}",
                "judge finished trials: those whose .outcome is 'passed'",
            )
        return self._archive.run / self._record.files[file]

    def _scores(self, name: str, split: Any, predictions: Predictions | None = None) -> Scores:
        if predictions is None:
            predictions = self.model.outputs(split.X)
        flattered = name == "validation" and self._record.stopped_early
        caveat = STOPPED_EARLY if flattered else ""
        return self._archive.scores(
            self._dataset, name, predictions, owner=self._label, caveat=caveat, digest=self._made
        )

    def _made(self) -> str | None:
        return model_digest(self._record, self._archive.run)


class BestTrial(TrialResult):
    """The best finished trial of an experiment; the only one with test scores."""

    def __init__(
        self,
        record: TrialRecord,
        params: Mapping[str, Any],
        archive: Archive,
        label: str,
        among: Sequence[TrialRecord] = (),
    ) -> None:
        """Take the record of the best trial; among: those of all trials it was picked from."""
        super().__init__(record, params, archive, label)
        self._among = among
        self._corrected: Score | None = None

    @property
    def corrected(self) -> Score:
        """The objective's validation score, less what picking the best of N trials has gained.

        `.validation` of the best flatters it: among many trials some are lucky on these very rows. The
        correction resamples the kept predictions, see `harness.scoring.correction`; nothing is trained.
        What a `tpe` search gains by adapting to these rows it cannot see. Raises ResultError where it does
        not hold, as with pruned trials.
        """
        if self._corrected is None:
            archive = self._archive
            found = correct(self._among, self._dataset, archive.metrics, archive.run, archive.seed)
            self._corrected = Score(found.value, str(self._record.objective), len(self._dataset.validation))
        self._archive.on_read(f"{self._label}.corrected", float(self._corrected))
        return self._corrected

    @property
    def test(self) -> Scores:
        """Scores on the sealed test rows; reading it opens the seal for this gate."""
        rows = self._dataset.test  # asks the seal each time: a gate may have kept this object
        if "test" not in self._known:
            self._known["test"] = self._scores("test", rows)
        return self._known["test"]

    @property
    def node_id(self) -> str:
        """Node id of the trial."""
        return self._record.node_id

    @property
    def digest(self) -> str | None:
        """Of the model, see `models.imprint`; None without one."""
        return self._made()

    def today(self) -> Dataset:
        """Return the data set that the trial used."""
        return self._dataset

    @property
    def experiment(self) -> str:
        """Name of the trial's experiment."""
        return self._record.experiment

    @property
    def dataset(self) -> str | None:
        """Name of the data set that the trial used."""
        return self._record.dataset

    @property
    def tested(self) -> Scores | None:
        """Scores on the test rows if a gate has opened them, else None."""
        return self._known.get("test")


class ExperimentResult:
    """What an experiment gave: the value of its name in a gate."""

    def __init__(
        self,
        name: str,
        load: Callable[[], Sequence[TrialRecord]],
        params: Mapping[str, Mapping[str, Any]],
        archive: Archive,
    ) -> None:
        self.name = name
        self._load = load
        self._known: list[TrialRecord] | None = None
        self._params = params
        self._archive = archive
        self._best: BestTrial | None = None
        self._champion: Champion | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def _records(self) -> list[TrialRecord]:
        if self._known is None:  # only now: a gate that was given the experiment may run much later
            self._known = sorted(self._load(), key=lambda record: record.index)
        return self._known

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # copy and pickle ask for such names before there is anything
            raise AttributeError(name)
        where = f".best.{name}" if hasattr(BestTrial, name) else ".best, .trials or .frame"
        raise ScoreError(f"{type(self).__name__} {self.name!r} has no {name!r}", f"read {where}")

    @property
    def judged(self) -> BestTrial | None:
        """The best trial if a gate has asked for it, else None."""
        return self._best

    @property
    def best(self) -> BestTrial:
        """The finished trial with the best validation score of the objective; ties go to the first.

        With `repeats=` or `folds=` it is the best mean; its model and scores are of the declared split.

        Raises ResultError if no trial finished or the experiment has no objective.
        """
        if self._best is None:
            self._best = self._find()
        return self._best

    @property
    def rival(self) -> Champion | None:
        """The champion if a gate has asked for it, else None."""
        return self._champion

    @property
    def champion(self) -> Champion:
        """The model that MLflow has under the experiment's registered name and the alias `champion`.

        While there is none, reading it raises NoChampion, which ends the gate as passed, with a note.
        Raises TrackingError if MLflow cannot be asked, ResultError as `best` does.
        """
        archive, mine = self._archive, self.best  # without a best trial there is nothing to compare
        if self._champion is None:
            found = archive.find(archive.registered)
            if found is None:
                archive.on_note(f"{archive.registered} has no champion yet; the first --promote makes one")
                raise NoChampion(
                    f"{archive.registered} has no champion yet",
                    "the first --promote makes one; until then read it in the gate itself, which then passes",
                )
            self._champion = Champion(
                found,
                data=mine.today,
                scores=archive.scores,
                label=f"{self.name}.champion",
                on_note=archive.on_note,
            )
        if mine.digest == self._champion.digest:
            archive.on_note(
                f"the best trial is the champion itself, {archive.registered} version "
                f"{self._champion.version}"
            )
        return self._champion

    def _find(self) -> BestTrial:
        record = best(self._records)
        if record is None:
            outcomes: dict[str, int] = {}
            for trial in self._records:
                outcomes[trial.outcome] = outcomes.get(trial.outcome, 0) + 1
            if any(trial.finished for trial in self._records):
                raise ResultError(
                    f"{self.name} has no objective, so none of its trials is the best",
                    "name one: @experiment(maximize=…) or @experiment(minimize=…)",
                )
            counts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items()) or "none ran"
            raise ResultError(f"{self.name} has no finished trial ({counts})", "mend its trials first")
        label = f"{self.name}.best"
        params = self._params.get(record.node_id, record.params)
        return BestTrial(record, params, self._archive, label, self._records)

    @property
    def trials(self) -> list[TrialResult]:
        """Every trial that ran, in declared order."""
        return [
            TrialResult(
                record,
                self._params.get(record.node_id, record.params),
                self._archive,
                f"{self.name}.trials[{i}]",
            )
            for i, record in enumerate(self._records)
        ]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a trial: its id, parameters, outcome, validation scores, logged values and seconds.

        A column is called as in the experiment; of two with one name the later has a prefix,
        `param_`, `validation_` or `logged_`. With repeats or folds, scores are of the declared split, and
        `mean_NAME` and `std_NAME` are of the objective over the repeats.
        """
        return pd.DataFrame([self._row(record) for record in self._records])

    def _row(self, record: TrialRecord) -> dict[str, Any]:
        row: dict[str, Any] = {"trial": record.id, "outcome": record.outcome}
        row |= {"fit_seconds": record.fit_seconds, "seconds": record.seconds}
        parts = {
            "param_": self._params.get(record.node_id, record.params),
            "validation_": record.scores.get("validation", {}),
            "logged_": record.logged,
        }
        for prefix, values in parts.items():
            row |= {prefix + name if name in row else name: value for name, value in values.items()}
        if record.repeats and record.value is not None:
            row |= {f"mean_{record.objective}": record.value, f"std_{record.objective}": record.spread}
        return row
