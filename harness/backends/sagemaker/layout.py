"""Hyperparameters of trials in; names and texts that give a tuning job a point for each out; pure."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_VALUES = 30
"""Of a categorical parameter."""
MOST_JOBS = 750
"""Training jobs of a tuning job."""

_BASE = "0123456789abcdefghijklmnopqrst"
_PLAIN = re.compile(r"[A-Za-z0-9_.+:-][A-Za-z0-9_.+: -]{0,99}")
"""What no shell, log or page shows otherwise than it is."""
_RESERVED = ("sagemaker_", "_tuning_", "harness_")


@dataclass(frozen=True, slots=True)
class Layout:
    """The points of a Grid tuning job, which tries every combination of its parameters' values."""

    names: Sequence[str]
    labels: Sequence[Sequence[str]]
    """One point a trial, in the trials' order: a text for each name. They are never parsed back."""

    @property
    def values(self) -> dict[str, list[str]]:
        """Distinct texts by parameter name, in order."""
        columns = zip(*self.labels, strict=True)
        return {name: list(dict.fromkeys(column)) for name, column in zip(self.names, columns, strict=True)}

    def find(self, point: Mapping[str, str]) -> int:
        """Return the trial of a point; raise LookupError if there is none."""
        wanted = [point[name] for name in self.names]
        for index, labels in enumerate(self.labels):
            if list(labels) == wanted:
                return index
        raise LookupError(wanted)


def layout(params: Sequence[Mapping[str, Any]]) -> Layout | None:
    """Return the points of trials with their real parameters, else as digits of their numbers.

    params: of each trial, as JSON values. None: their number is no product of few small factors, so
    that a Grid would have more points than there are trials.
    """
    return product(params) or digits(len(params))


def product(params: Sequence[Mapping[str, Any]]) -> Layout | None:
    """Return the points if the trials are every combination of their values, within SageMaker's limits."""
    names = list(params[0])
    if not names or len(params) > MOST_JOBS or any(list(point) != names for point in params):
        return None
    if not all(map(speaks, names)):
        return None
    texts = [{name: json.dumps(value, sort_keys=True) for name, value in point.items()} for point in params]
    columns = {name: list(dict.fromkeys(point[name] for point in texts)) for name in names}
    sizes = [len(column) for column in columns.values()]
    if max(sizes) > MOST_VALUES or math.prod(sizes) != len(params):
        return None
    if len({tuple(point.values()) for point in texts}) != len(params):
        return None
    labels = {name: _labels(column) for name, column in columns.items()}
    return Layout(names, [[labels[name][text] for name, text in point.items()] for point in texts])


def speaks(name: str) -> bool:
    """Return whether a parameter can have its own name among a job's hyperparameters."""
    return bool(_PLAIN.fullmatch(name)) and not name.startswith(_RESERVED)


def digits(count: int) -> Layout | None:
    """Return points that are the digits of 0 … count - 1 in mixed bases of at most 30."""
    bases = _factors(count)
    if count > MOST_JOBS or bases is None:
        return None
    names = [f"trial_digit_{place}" for place in range(len(bases) - 1, -1, -1)]
    return Layout(names, [list(point) for point in itertools.product(*(_BASE[:base] for base in bases))])


def _factors(count: int) -> list[int] | None:
    """Return as few factors of at most 30 as possible; None if there are none."""
    if count <= MOST_VALUES:
        return [count]
    for first in range(MOST_VALUES, 1, -1):
        if count % first == 0:
            rest = _factors(count // first)
            if rest is not None:
                return [first, *rest]
    return None


def _labels(texts: Sequence[str]) -> dict[str, str]:
    """Return a short plain text for each value; its position where the value has none, or not alone."""
    values = [json.loads(text) for text in texts]
    short = [value if isinstance(value, str) else str(value) for value in values]
    if len(set(short)) < len(short) or not all(_PLAIN.fullmatch(text) for text in short):
        short = [f"value:{position}" for position in range(len(texts))]
    return dict(zip(texts, short, strict=True))
