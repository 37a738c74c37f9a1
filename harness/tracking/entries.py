"""What MLflow is to hold about a pytest run: frozen records with a digest each; nothing is written here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from harness.tracking.inputs import Input

__tracebackhide__ = True

PARENT = "mlflow.parentRunId"
RUN = "harness.run"
KEY = "harness.key"
NOTE = "mlflow.note.content"
"""Tag of a description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One MLflow run."""

    key: str
    """"experiment:NODE ID" or "trial:NODE ID"."""
    parent: str | None
    """Key of the run above it."""
    name: str
    status: str
    started: int
    """Milliseconds since 1970, as all times of MLflow."""
    ended: int
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """(Step, value) points by metric."""
    input: Input | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """Path within the run's folder by path among the MLflow run's artifacts."""
    best: str | None = None
    """Of an experiment: key of its best trial."""

    @property
    def digest(self) -> str:
        """Changes when anything that MLflow is to hold changes."""
        return _digest(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """The model of an experiment's best trial."""

    key: str
    """"model:NODE ID" of the trial."""
    trial: str
    """Key of the trial's entry."""
    file: str
    """Path of the pickle within the run's folder."""
    example: str | None
    """Path of a JSON file with raw rows within the run's folder."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON about its trial, kept beside the model."""
    rows: str | None = None
    """Path within the run's folder of a file that tells which rows it has seen (`models.seen`)."""

    @property
    def digest(self) -> str:
        """Changes when another model is the best."""
        return _digest(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that MLflow is to hold about a run; an experiment stands before its trials."""

    entries: Sequence[Entry]
    models: Sequence[ModelEntry]
    digests: Mapping[str, str]
    """By key."""
    before: Mapping[str, Entry] = field(default_factory=dict)
    """Entries of the best trials, by key, as they were before it was known that they are the best."""

    @classmethod
    def of(
        cls, entries: Sequence[Entry], models: Sequence[ModelEntry] = (), before: Sequence[Entry] = ()
    ) -> Plan:
        """Return the plan with its digests."""
        items: list[Entry | ModelEntry] = [*entries, *models]
        digests = {item.key: item.digest for item in items}
        return cls(entries, models, digests, {entry.key: entry for entry in before})


def milliseconds(seconds: float) -> int:
    """Return a time as MLflow counts it."""
    return round(seconds * 1000)


def _digest(item: Entry | ModelEntry | Input) -> str:
    values = [getattr(item, part.name) for part in fields(item)]
    text = json.dumps(values, sort_keys=True, default=_digest)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
