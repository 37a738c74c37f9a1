"""What experiments, features and gates hold: splits in, a `Dataset` with a sealed test part out."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.resplit import Repeat
from harness.data.seal import Seal
from harness.errors import FeaturesError, LeakageError

__all__ = ["Dataset", "Seal", "Split"]
__tracebackhide__ = True


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Split:
    """Some rows of a data set: `len(split)` of them."""

    X: Any
    """DataFrame of the feature columns (index: `positions`), or what a transformer made of it, of
    shape (rows, columns)."""
    y: pd.Series
    """int64 0..K-1 in the order of `Dataset.classes` (classification) or values (regression)."""
    weight: pd.Series | None
    """float64, finite, >= 0; None if the data set has no weights."""
    positions: NDArray[np.int64]
    """Of the rows in the loaded data."""

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        shape = " x ".join(str(n) for n in getattr(self.X, "shape", (len(self),)))
        return f"Split(X: {shape} {type(self.X).__name__}, y: {self.y.dtype})"


class Dataset:
    """Prepared rows in three splits, raw or after features.

    What it gives is yours: changing it changes neither the data set nor what another trial gets.
    """

    def __init__(
        self,
        *,
        name: str,
        task: str,
        classes: Sequence[Any] | None,
        columns: Sequence[str],
        digest: str,
        sizes: Mapping[str, int],
        seal: Seal,
        load: Callable[[str], Split],
        rows: Callable[[str], pd.DataFrame],
        group: str | None = None,
        in_order: bool = False,
        stratified: bool = False,
        content: str = "",
        resplit: Callable[[Repeat], Dataset] | None = None,
    ) -> None:
        self.name = name
        self.task = task
        """"binary", "multiclass" or "regression"."""
        self.digest = digest
        """Of the rows, how they are split and seen, and of the features applied: 32 hex digits."""
        self.group = group
        """Column whose equal values never stand in two splits; None if there is none."""
        self.in_order = in_order
        """Whether the rows of each split stand in the order of time."""
        self.stratified = stratified
        """Whether it was settled before the draw how many rows of each class a split gets."""
        self.content = content
        """Digest of the loaded rows alone, which data sets that split or see them in other ways share."""
        self.steps: tuple[Any, ...] = ()
        """The fitted transformers applied so far, in order."""
        self._classes = None if classes is None else tuple(classes)
        self._columns = tuple(columns)
        self._sizes = dict(sizes)
        self._seal = seal
        self._load = load
        self._rows = rows
        self._resplit = resplit
        self._splits: dict[str, Split] = {}
        self._features: tuple[str, ...] = ()
        self._raw: Dataset | None = None
        self._learner: str | None = None

    @property
    def classes(self) -> list[Any] | None:
        """The labels as they were loaded, in the order of `.y`, the positive class last; None: regression."""
        return None if self._classes is None else list(self._classes)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of `.X`."""
        return list(self._columns)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features functions applied so far, in order."""
        return self._features

    @property
    def raw(self) -> Dataset:
        """The data set before any features; itself if none were applied."""
        return self if self._raw is None else self._raw._seen_by(self._learner)

    @property
    def train(self) -> Split:
        """The rows to learn from."""
        return self._split("train")

    @property
    def validation(self) -> Split:
        """The rows to choose by; LeakageError in a features function."""
        return self._split("validation")

    @property
    def test(self) -> Split:
        """The rows to judge by; SealedError outside of a gate, LeakageError in a features function."""
        return self._split("test")

    def rows(self, split: str) -> pd.DataFrame:
        """Return every loaded column but the target, dropped ones and weights too, of the raw rows.

        The index holds positions in the loaded data. Raises as `.validation` and `.test` do.
        """
        self._admit(split)
        return self._rows(split).copy(deep=False)

    def for_features(self, features: str = "") -> Dataset:
        """Return a view of which only the training rows can be seen.

        features: name of the features function that will hold the view, for the LeakageError.
        """
        return self._seen_by(features)

    def resplit(self, repeat: Repeat) -> Dataset:
        """Return the raw data set with its training and validation rows divided once more.

        Its test rows stay sealed, in gates too. Raises DataError where the rows cannot be divided so.
        """
        assert self._resplit is not None
        return self._resplit(repeat)

    def release(self) -> None:
        """Let go of rows that were read; they are read again when they are asked for."""
        self._splits.clear()

    def derive(
        self,
        *,
        name: str,
        columns: Sequence[str],
        step: Any,
        train: Any,
        validation: Any,
        transform: Callable[[Any, pd.Index], Any],
        digest: str,
    ) -> Dataset:
        """Return the data set after one more fitted transformer: the only way to make one.

        name: of the features function.
        columns: names of the new columns.
        step: the fitted transformer.
        train, validation: the new `.X` of these splits, row by row as in this data set.
        transform: makes the new `.X` of the test rows from the old one and its index, the
            positions; called when a gate first asks for them, never before.
        digest: of what was fitted; the new data set's digest is made of its own and this one.

        Raises FeaturesError if rows were added or removed.
        """
        made = {"train": train, "validation": validation}
        for split, X in made.items():
            self._check_rows(name, split, X)

        def load(split: str) -> Split:
            before = self._split(split)
            if split not in made:
                late = transform(before.X, pd.Index(before.positions))
                self._check_rows(name, split, late)
                return replace(before, X=late)
            return replace(before, X=made[split])

        after = Dataset(
            name=self.name,
            task=self.task,
            classes=self._classes,
            columns=columns,
            digest=hashlib.blake2b(f"{self.digest}\n{digest}".encode(), digest_size=16).hexdigest(),
            sizes=self._sizes,
            seal=self._seal,
            load=load,
            rows=self.rows,
            group=self.group,
            in_order=self.in_order,
            stratified=self.stratified,
            content=self.content,
        )
        after.steps = (*self.steps, step)
        after._features = (*self._features, name)
        after._raw = self.raw
        after._learner = self._learner
        return after

    def _check_rows(self, features: str, split: str, X: Any) -> None:
        shape = getattr(X, "shape", None)
        height = shape[0] if shape else len(X)
        if height != self._sizes[split]:
            raise FeaturesError(
                f"features {features!r} made {height} rows of the {self._sizes[split]} {split} rows of "
                f"{self.name!r}",
                "features must keep every row; choose rows in the loader of the data set",
            )

    def _seen_by(self, learner: str | None) -> Dataset:
        view = copy.copy(self)
        view._learner = learner
        return view

    def _admit(self, split: str) -> None:
        if self._learner is not None and split != "train":
            who = f"features {self._learner!r}" if self._learner else "a features function"
            raise LeakageError(
                f"{who} asked for the {split} rows of {self.name!r}",
                f"features learn from training rows only: use {(self.name, *self._features)[-1]}.train; the "
                "fitted transformer is applied to the other rows afterwards",
            )
        if split == "test":
            self._seal.pass_through(self.name)

    def _split(self, name: str) -> Split:
        self._admit(name)
        if name not in self._splits:
            self._splits[name] = self._load(name)
        split = self._splits[name]
        weight = None if split.weight is None else split.weight.copy(deep=False)
        # pandas copies on write, so that a shallow copy keeps the next reader's frame as it is; a
        # sparse matrix does not, and an estimator with copy=False would write into it
        X = split.X.copy(deep=False) if isinstance(split.X, pd.DataFrame) else split.X.copy()
        return replace(split, X=X, y=split.y.copy(deep=False), weight=weight)

    def __repr__(self) -> str:
        steps = "".join(f" > {features}" for features in self._features)
        rows = " / ".join(str(self._sizes[split]) for split in ("train", "validation", "test"))
        return f"Dataset({self.name!r}{steps}: {self.task}, {len(self._columns)} columns, {rows} rows)"
