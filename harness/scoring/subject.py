"""What a score is about: which rows of which data set, by which model; texts that name them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The rows and the model that scores belong to, as messages name them."""

    split: str
    dataset: str
    task: str
    """"binary", "multiclass" or "regression"."""
    classes: Sequence[Any]
    """The K original labels, the positive last; empty for a regression."""
    size: int
    """Number of rows."""
    model: str = ""
    """Name of the estimator's class."""
    title: str = ""
    """How the scores were reached, as `experiment_trees.best.test`."""
    conditions: str = ""
    """What made these rows a slice of the split."""

    @property
    def condition(self) -> str:
        """The slice as part of a name."""
        return f" where {self.conditions}" if self.conditions else ""

    @property
    def estimator(self) -> str:
        """The model, as the subject of a sentence."""
        return self.model or "the model"

    @property
    def owner(self) -> str:
        """What the scores are called."""
        return (self.title or f"{self.split} of {self.dataset}") + self.condition

    def label(self, score: str) -> str:
        """Return the full name of a score."""
        return f"{self.title}.{score}{self.condition}" if self.title else f"{score}{self.condition}"

    def __str__(self) -> str:
        return f"the {rows(self.size, self.split)} of {self.dataset}{self.condition}"


def rows(n: int, split: str = "") -> str:
    """Return a number of rows as text."""
    return f"{n:,} {split + ' ' if split else ''}row{'' if n == 1 else 's'}"
