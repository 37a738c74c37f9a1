"""Trials, data sets and versions in; the record that travels with the sources to every container out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from harness.backends.sagemaker.layout import Layout
from harness.pool.messages import Opening
from harness.ranges import Choice, Integers, Plain
from harness.results import JsonRecord
from harness.space import Search

EXPERIMENT, TRIAL, VALUES = "harness_experiment", "harness_trial", "harness_values"
"""Hyperparameters of the harness' own: which experiment; of a single job, which trial, and what a sampler
has chosen for it."""

OBJECTIVE = "harness objective ="
"""Starts the line of a job's log that a tuning job reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedExperiment(JsonRecord):
    """One experiment of a plan."""

    trials: Sequence[str]
    """Node ids."""
    params: Sequence[Mapping[str, Any] | None]
    """Hyperparameters of each trial in JSON's words; None: they are not compared."""
    names: Sequence[str] = ()
    """Of the parameters that a Grid tuning job varies; none: it is no such job."""
    labels: Sequence[Sequence[str]] = ()
    """Texts for the names, by trial."""
    ranges: Mapping[str, Sequence[Any]] | None = None
    """Of a search that a tuning job chooses values for: kind, and bounds or number of options, by name."""
    datasets: Sequence[str] = ()
    """Names of the data sets that its trials need."""

    @property
    def layout(self) -> Layout:
        """The points of its Grid."""
        return Layout(self.names, self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(JsonRecord):
    """All that a container needs besides sources, data and its own hyperparameters.

    Equal runs have equal plans: no time, no id of a run, nothing of the machine is in it.
    """

    harness: str
    """Version of the harness."""
    python: str
    """Major and minor version."""
    requirements: Mapping[str, str]
    """Versions by distribution."""
    opening: Mapping[str, Any]
    """What the worker is told first (`Opening`), see `relocation`."""
    threads: int | None
    """Of one fit; None: as many as the machine there has."""
    data: Mapping[str, Mapping[str, Any]]
    """`Prepared`, by name of the data set."""
    experiments: Mapping[str, PlannedExperiment]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = JsonRecord.to_json(self)
        return values | {"experiments": {n: planned.to_json() for n, planned in self.experiments.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the plan of `to_json`."""
        experiments = {n: PlannedExperiment.from_json(v) for n, v in values["experiments"].items()}
        return cls(**{**values, "experiments": experiments})

    def content(self) -> bytes:
        """Return the plan as a file."""
        return json.dumps(self.to_json(), indent=1).encode()  # unsorted: columns have an order

    def first_word(self) -> Opening:
        """Return what the worker is told first."""
        return Opening.from_json(self.opening)


def channel(name: str) -> str:
    """Return the input channel of a data set, a word that is also the name of a variable."""
    return f"data_{hashlib.blake2b(name.encode(), digest_size=6).hexdigest()}"


def number(job: str) -> int | None:
    """Return the number of a tuning job's training job, from 1; None: its name has none.

    It stands in the name, before something random, in the order of creation. No interface of SageMaker's
    tells it otherwise, neither there nor in the container.
    """
    found = re.search(r"-(\d{3,})-[0-9a-f]+$", job)
    return None if found is None else int(found[1])


def ranges(search: Search) -> dict[str, list[Any]]:
    """Return the ranges of a search as a container reads them."""
    found: dict[str, list[Any]] = {}
    for name, r in search.ranges.items():
        if isinstance(r, Choice):
            found[name] = ["choice", r.size]
        else:
            found[name] = ["integer" if isinstance(r, Integers) else "float", r.lo, r.hi]
    return found


def option(position: int) -> str:
    """Return the text for an option of a `choice`."""
    return f"option:{position}"


def chosen(ranges: Mapping[str, Sequence[Any]], texts: Mapping[str, str]) -> dict[str, Plain]:
    """Return the plain values that a tuning job has chosen; ValueError or LookupError for other texts."""
    return {name: _plain(kind, bounds, texts[name]) for name, (kind, *bounds) in ranges.items()}


def _plain(kind: str, bounds: Sequence[Any], text: str) -> Plain:
    if kind == "choice":
        options = [option(position) for position in range(int(bounds[0]))]
        return options.index(text)
    if kind == "integer":
        return int(text)
    low, high = map(float, bounds)
    return min(max(float(text), low), high)  # who reckons in logarithms may come out a little beyond
