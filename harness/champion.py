"""A registered model and today's data in; how the champion does on the rows it has never seen, out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from harness.data.dataset import Dataset, Split
from harness.errors import ResultError, ScoreError
from harness.models import seen
from harness.models.columns import Column, conform
from harness.models.model import Model
from harness.scoring.scores import Scores
from harness.tracking.registry import Registered

__tracebackhide__ = True

LEAST = 30
"""Unseen rows below which nothing is compared: the 95 % interval of a proportion is then wider than 18
points to either side, and no difference that matters could be told from chance."""
UNSEEN = "unseen by the champion"


class Champion:
    """The model behind the alias `champion`, as a gate sees it.

    data: gives the experiment's data set; scores: `Archive.scores`; on_note: told on how many rows it is
    compared.
    """

    def __init__(
        self,
        found: Registered,
        *,
        data: Callable[[], Dataset],
        scores: Callable[..., Scores],
        label: str,
        on_note: Callable[[str], None],
    ) -> None:
        self._found = found
        self._data = data
        self._scores = scores
        self._label = label
        self._on_note = on_note
        self._known: dict[str, Scores] = {}
        self._notes: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{self._label}({self.registered_name} version {self.version})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(type(self), name):  # a property failed by an AttributeError, which is the one to tell
            return object.__getattribute__(self, name)
        raise ScoreError(
            f"{self._label} has no {name!r}", f"a score is read from its split: {self._label}.test.{name}"
        )

    @property
    def registered_name(self) -> str:
        """Name of the model in MLflow."""
        return self._found.name

    @property
    def version(self) -> str:
        """Version of the model in MLflow."""
        return self._found.version

    @property
    def digest(self) -> str:
        """Of the model; of one that does not tell, its name and version."""
        return str(self._found.facts.get("model_digest") or f"{self.registered_name}:{self.version}")

    @property
    def params(self) -> dict[str, Any]:
        """Hyperparameters by name, of which some may be the text of a value that JSON has no word for."""
        return dict(self._found.facts.get("params") or {})

    @property
    def fit_seconds(self) -> float | None:
        """Wall time of its fit in seconds; None for a model trained by hand."""
        return self._found.facts.get("fit_seconds")

    @property
    def model(self) -> Model:
        """The fitted features and estimator; takes raw rows."""
        return self._found.model

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return original labels (classification) or values (regression) for raw rows."""
        return self.model.predict(X)

    def predict_proba(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return probabilities, (rows, classes) in the order of the data set's `.classes`."""
        return self.model.predict_proba(X)

    @property
    def train(self) -> Scores:
        """Scores on today's training rows, all of them: it was trained on some or on none."""
        if "train" not in self._known:
            data = self._data()
            self._known["train"] = self._scored(data, "train", data.train)
        return self._known["train"]

    @property
    def validation(self) -> Scores:
        """Scores on those of today's validation rows that it was neither trained nor validated on.

        Raises ResultError as `test` does.
        """
        data = self._data()
        return self._unseen(data, "validation", data.validation)

    @property
    def test(self) -> Scores:
        """Scores on those of today's test rows that it was neither trained nor validated on.

        Reading it opens the seal for this gate. Raises ResultError if fewer than 30 rows are left, if it
        needs a column that is missing or has changed, and if the classes are others.
        """
        data = self._data()
        return self._unseen(data, "test", data.test)  # asks the seal each time

    @property
    def tested(self) -> bool:
        """Whether a gate has seen its scores on test rows."""
        return "test" in self._known

    def _unseen(self, data: Dataset, split: str, rows: Split) -> Scores:
        if split not in self._known:
            fresh = self._fresh(data, split, rows)
            left = int(fresh.sum())
            if left < LEAST:
                raise ResultError(
                    f"{self!r} has seen {len(fresh) - left:,} of the {len(fresh):,} {split} rows of "
                    f"{data.name} in training or validation, and the other {left:,} are too few to compare "
                    f"it on: it takes {LEAST}",
                    "load more new rows, or split by @dataset(key=…), which never moves a row between splits",
                )
            scores = self._scored(data, split, rows)
            self._known[split] = scores if left == len(fresh) else scores.only(fresh, UNSEEN)
            self._notes[split] = (
                f"champion {self.registered_name} version {self.version}: judged on "
                f"{'all' if left == len(fresh) else f'{left:,} of'} {len(fresh):,} {split} rows"
                f"{'' if left == len(fresh) else ', the others it has seen'}"
            )
        self._on_note(self._notes[split])
        return self._known[split]

    def _fresh(self, data: Dataset, split: str, rows: Split) -> NDArray[np.bool_]:
        """Return (n,) whether each row is one that the model has not seen.

        Of the same rows, split in the same way, the test rows are those that were sealed from it, too. Of
        others every row counts as seen that equals one it has seen, in its inputs and target.
        """
        self._refuse_others(data, split, rows.X)
        if split == "test" and self._found.facts.get("data_digest") == data.raw.digest:
            return np.ones(len(rows), dtype=np.bool_)
        if self._found.rows is None:
            raise ResultError(
                f"{self!r} does not tell which rows it was trained on: another version of harness logged it",
                "take the alias away in MLflow; the next --promote makes a champion that does",
            )
        numbers = seen.hashes(rows.X, rows.y, data.classes, self.model.columns)
        return ~np.isin(numbers, self._found.rows)

    def _scored(self, data: Dataset, split: str, rows: Split) -> Scores:
        self._refuse_others(data, split, rows.X)
        said = self.model.outputs(rows.X)
        who = type(self.model.estimator).__name__
        return self._scores(data, split, said, owner=self._label, model=who, digest=lambda: self.digest)

    def _refuse_others(self, data: Dataset, split: str, X: pd.DataFrame) -> None:
        """Raise ResultError if today's rows are not such as the model was trained on."""
        whose = f"{self!r} cannot judge the {split} rows of {data.name}"
        remedy = "or take the alias away in MLflow, and the next --promote makes a champion of today's data"
        model = self.model
        if (model.task, model.classes) != (data.task, data.classes):
            then, now = (
                f"{task}{'' if classes is None else f' of {classes}'}"
                for task, classes in ((model.task, model.classes), (data.task, data.classes))
            )
            raise ResultError(f"{whose}: it knows {then}, today's target is {now}", f"restore it, {remedy}")
        absent = [name for name in model.columns if name not in X.columns]
        changed = [
            f"{name!r} ({_was(column)}, today {X[name].dtype})"
            for name, column in model.columns.items()
            if name in X.columns and not _fits(X[[name]], name, column)
        ]
        problems = [
            *([f"they lack {_columns(map(repr, absent))}"] if absent else []),
            *([f"{_columns(changed)} changed"] if changed else []),
        ]
        if problems:
            raise ResultError(f"{whose}: {' and '.join(problems)}", f"restore what it needs, {remedy}")


def _columns(names: Any) -> str:
    listed: Sequence[str] = list(names)
    return f"the column{'s' if len(listed) > 1 else ''} {', '.join(listed)}"


def _was(column: Column) -> str:
    return f"in training {column.dtype or 'of another kind'}"


def _fits(frame: pd.DataFrame, name: Any, column: Column) -> bool:
    """Return whether a column is such as in training, or can be made so without a change of meaning."""
    today = frame[name].dtype
    texts = column.dtype in {"str", "string"}
    if texts and (is_numeric_dtype(today) or getattr(today, "kind", "") in "Mm"):
        return False  # conform would make "1.0" of what was "1", and every level a new one
    try:
        conform(frame, {name: column})
    except ValueError:
        return False
    if column.levels is None or isinstance(today, pd.CategoricalDtype):
        return True
    return is_numeric_dtype(today) == is_numeric_dtype(column.levels.dtype)
