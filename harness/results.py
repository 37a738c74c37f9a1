"""Frozen records that cross every border: between processes, into the store, to MLflow, to the report."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

Outcome = Literal["passed", "failed", "raised", "skipped", "pruned", "error"]
"""Of a trial: `failed` an assert of its own, `raised` any other exception of user code, `skipped`
(also an expected failure) it gave no result, `pruned` it was stopped as hopeless, `error` the machinery
broke (a killed worker, say)."""


PAYLOAD = "harness"
"""Attribute of a tear-down report that carries the item's record, as JSON, wherever the report goes."""

STOPPED_EARLY = "these rows also chose the number of boosting rounds"
"""Why validation scores of an estimator that stopped early flatter it."""

PREDICTIONS = "predictions"
"""Role of the file with what a trial's model says of the validation rows."""

STAGES = "stages"
"""Role of the file with what a model that stopped early would have said of them after other rounds."""

MODEL = "model"
"""Role of the file that only the best trial of an experiment keeps: all models would fill the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Which score makes a trial the best."""

    name: str
    greater_is_better: bool


@functools.cache
def _fields(kind: type) -> dict[str, None]:
    return dict.fromkeys(field.name for field in dataclasses.fields(kind))


class JsonRecord:
    """A frozen dataclass of plain JSON values."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values, which it still shares."""
        # Not asdict: it copies all that is in the values, and was most of the cost of a short trial.
        known = _fields(type(self))  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in known}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the record of `to_json`; fields this version does not know are left out."""
        known = _fields(cls)  # type: ignore[arg-type]
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(JsonRecord):
    """One pytest run that had experiments."""

    id: str
    project: str
    started: float
    """Seconds since 1970."""
    backend: str
    harness_version: str
    commit: str | None
    dirty: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRecord(JsonRecord):
    """What became of one data set before any trial."""

    node_id: str
    dataset: str
    outcome: Literal["passed", "broken"]
    contract: str | None
    verdict: str
    """"passed", "passed with warnings", "broken", "leaks" (and has `leaks="error"`) or "no contract"."""
    digest: str | None = None
    """Of the rows and of what shapes their split; None if there were none to prepare."""
    task: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    """Number of rows by split."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Dtype by name, of what models see and the target."""
    target: str | None = None
    violations: Sequence[str] = ()
    """One line each, without example rows."""
    leaks: Sequence[str] = field(default_factory=list)
    """What may make scores too good, one sentence each, that was found and did not break the contract."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord(JsonRecord):
    """What one trial gave."""

    node_id: str
    experiment: str
    index: int
    """Position in declared order within the experiment."""
    id: str
    """The bracketed part of the node id, or an empty string."""
    params: Mapping[str, Any]
    """Hyperparameters; a value that JSON has no word for is its `repr`."""
    outcome: Outcome
    message: str = ""
    """Text of the failure or the reason of the skip."""
    dataset: str | None = None
    data_digest: str | None = None
    objective: str | None = None
    greater_is_better: bool = True
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By split ("train", "validation") and metric."""
    logged: Mapping[str, float] = field(default_factory=dict)
    """Values given to `trial.log`."""
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Whole learning curves by name, one value an iteration."""
    repeats: Sequence[Mapping[str, float]] = field(default_factory=list)
    """Validation scores, and the objective if it was logged, of each repeat, the declared split first,
    or of each fold; none if the trial ran on the declared split alone."""
    folds: bool = False
    """Whether `repeats` are folds; the declared split is none of them."""
    watched: str | None = None
    """Name of the curve that pruning compares; None if the trial was not watched."""
    watched_greater_is_better: bool = False
    started: float = 0.0
    seconds: float = 0.0
    """Set-up, call and tear-down."""
    estimator: str | None = None
    """Class of the fitted estimator."""
    stopped_early: bool = False
    """Whether the validation rows also chose the number of boosting rounds, which flatters it there."""
    features: Sequence[str] = field(default_factory=list)
    """Names of the features functions that the rows went through, in order."""
    fit_seconds: float | None = None
    peak_memory: int | None = None
    """Highest resident bytes of the process during the fit."""
    output: str = ""
    """Captured stdout and stderr."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path within the run's folder by role: "model", "predictions" and "stages" (validation rows) or
    "artifact/NAME"; of all but the best trial, the model is dropped after the run."""
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    """Digest of each part that the trial's result depends on, by the part's name."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where it ran, by the names of tags, if not on this machine."""
    reused_from: str | None = None
    """Id of the run in which the trial ran, if `--resume` took its result from there."""

    @property
    def finished(self) -> bool:
        """Whether the trial may be the best of its experiment."""
        return self.outcome == "passed"

    @property
    def value(self) -> float | None:
        """The objective's value, its mean over the repeats if there are any; None without one."""
        values = self.repeated
        return math.fsum(values) / len(values) if values else self.declared

    @property
    def declared(self) -> float | None:
        """The objective's value on the declared split, as logged or else on the validation rows."""
        if self.objective is None:
            return None
        score = self.scores.get("validation", {}).get(self.objective)
        return self.logged.get(self.objective, score)

    @property
    def repeated(self) -> list[float]:
        """The objective's value in each repeat or fold."""
        name = self.objective
        return [] if name is None else [found[name] for found in self.repeats if name in found]

    @property
    def spread(self) -> float | None:
        """Sample standard deviation of the objective over the repeats or folds; None without any."""
        return deviation(self.repeated)


def deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (n - 1 in the denominator); None of fewer than two values."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


Sign = Literal[">=", ">", "<=", "<"]
End = Literal["", "lower", "upper"]
Verdict = Literal["PROVEN", "NOT PROVEN", "REFUTED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRecord(JsonRecord):
    """A score that a gate held against a number, and what that proves of the true score."""

    score: str
    """Its full name, as "experiment_trees.best.test.accuracy"."""
    value: float
    sign: Sign
    threshold: float
    held: bool
    """Whether the comparison was true of the value, or of the `end` of its interval."""
    verdict: Verdict
    """Whether it is true of what the value estimates, at the risk that `confidence` leaves."""
    confidence: float
    """Of the interval, two-sided; a proof is one-sided, at half its risk."""
    lower: float | None = None
    """Of the interval; None if there is none."""
    upper: float | None = None
    n: int = 0
    """Rows that the interval rests on."""
    method: str = ""
    """Of the interval."""
    rows: int | None = None
    """How many rows would settle what is not proven, if the value stays as it is; None: no number would."""
    end: End = ""
    """Which end of the interval was compared."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord(JsonRecord):
    """What one gate decided, and the numbers it looked at."""

    node_id: str
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    experiments: Sequence[str]
    """Names of the experiments it judged."""
    readings: Mapping[str, float] = field(default_factory=dict)
    """Scores it read, by "EXPERIMENT.best.test.METRIC"."""
    comparisons: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """`ComparisonRecord`s as JSON, in the order in which the gate made them."""
    policy: str = "point"
    """"proven": what held but is not proven has failed the gate; "point": the values alone decide."""
    message: str = ""
    opened: Sequence[str] = ()
    """Data sets whose test rows it opened."""
    note: str = ""
    """What a reader should know besides: that there was no champion yet, say."""
    seconds: float = 0.0

    @property
    def compared(self) -> tuple[ComparisonRecord, ...]:
        """What it compared, in the order in which it did."""
        return tuple(ComparisonRecord.from_json(one) for one in self.comparisons)

    @property
    def uncompared(self) -> dict[str, float]:
        """Scores that it read, but for those whose comparison tells them."""
        known = " ".join(str(one["score"]) for one in self.comparisons)
        return {name: value for name, value in self.readings.items() if name not in known}


@dataclass(frozen=True, slots=True, kw_only=True)
class BestRecord(JsonRecord):
    """The best trial of an experiment at the end of a run."""

    experiment: str
    node_id: str
    corrected: float | None = None
    """The objective's validation score less what the choice among the trials has gained."""
    uncorrected: str = ""
    """Why there is no corrected score."""
    baseline: Mapping[str, float] = field(default_factory=dict)
    """Validation scores of the Dummy estimator on the same rows."""
    test: Mapping[str, float] = field(default_factory=dict)
    """Test scores, if a gate opened the test rows."""
    example: str | None = None
    """Path within the run's folder of a JSON file with raw input rows (orient="split")."""
    model_digest: str | None = None
    """Of what its model says; None without a model."""
    test_rows: str | None = None
    """Digest of the test rows, if a gate opened them for it."""
    rows: str | None = None
    """Path within the run's folder of a file that tells which rows its model has seen (`models.seen`)."""
    openings: int | None = None
    """For how many models those rows have been opened so far."""


Record = ContractRecord | TrialRecord | GateRecord | BestRecord

KINDS: Mapping[str, type[Record]] = {
    "contract": ContractRecord,
    "trial": TrialRecord,
    "gate": GateRecord,
    "best": BestRecord,
}
"""The word by which a packed record says what it is."""
_WORDS = {made: kind for kind, made in KINDS.items()}


def pack(record: Record) -> dict[str, Any]:
    """Return a record as JSON values that say what they are."""
    return {"kind": _WORDS[type(record)], **record.to_json()}


def unpack(values: Mapping[str, Any]) -> Record | None:
    """Return the record of `pack`; None for a kind or a form that this version does not know."""
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        return None
    try:
        return kind.from_json(values)
    except TypeError:  # a field that this version needs is missing
        return None
