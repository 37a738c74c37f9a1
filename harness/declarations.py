"""What a user's decorators leave on a function: frozen records, read at collection."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DeclarationError
from harness.space import Grid, Search

__tracebackhide__ = True

Function = Callable[..., Any]

_ATTRIBUTE = "__harness__"


def place(function: Function) -> str:
    """Return `file:line` of a function, for messages."""
    code = inspect.unwrap(function).__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDeclaration:
    """One `@dataset`: the loader and how its rows are to be split."""

    name: str
    loader: Function
    target: str
    contract: str | None
    split: Sequence[float]
    seed: int
    stratify: bool | str | None
    group: str | None
    time: str | Sequence[str] | None
    key: str | Sequence[str] | None
    weight: str | None
    drop: Sequence[str]
    task: str | None
    positive: Any
    leaks: str
    """"warn", "error" or "off"."""

    @property
    def path(self) -> Path:
        """The file that defines the loader."""
        return Path(inspect.unwrap(self.loader).__code__.co_filename)

    @property
    def place(self) -> str:
        """`file:line` of the loader, for messages."""
        return place(self.loader)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesDeclaration:
    """One `@features`: the function that returns an unfitted transformer."""

    name: str
    function: Function

    @property
    def place(self) -> str:
        """`file:line` of the function, for messages."""
        return place(self.function)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDeclaration:
    """One `@metric`: a score of the user's own."""

    name: str
    function: Function
    greater_is_better: bool

    @property
    def place(self) -> str:
        """`file:line` of the function, for messages."""
        return place(self.function)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDeclaration:
    """One `@experiment`: what its best trial is, and on how many divisions of the rows it is tried."""

    maximize: str | None = None
    minimize: str | None = None
    repeats: int = 1
    folds: int | None = None

    @property
    def repeated(self) -> bool:
        """Whether a trial is fitted more than once."""
        return self.folds is not None or self.repeats > 1

    def check(self) -> None:
        """Raise DeclarationError unless `repeats` and `folds` are numbers that make sense together."""
        wanted: dict[str, tuple[Any, int]] = {"repeats": (self.repeats, 1)}
        if self.folds is not None:
            wanted["folds"] = (self.folds, 2)
        for option, (value, least) in wanted.items():
            whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            if not whole or value < least:
                raise DeclarationError(
                    f"@experiment({option}={value!r})", f"write an int from {least} on, such as {option}=5"
                )
        if self.folds is not None and self.repeats != 1:
            raise DeclarationError(
                f"@experiment(repeats={self.repeats!r}, folds={self.folds!r})",
                "these are different ways to divide the rows again: keep one of them",
            )

    registered_name: str | None = None
    """Of its champion in MLflow; None: PROJECT.EXPERIMENT."""


def declared(value: object, kind: type) -> Any:
    """Return the record of type `kind` that a decorator left on `value`, or None."""
    try:
        record = vars(value).get(_ATTRIBUTE, {}).get(kind)
    except TypeError:  # an object without a __dict__
        return None
    return record if isinstance(record, kind) else None


def grids(function: Function) -> tuple[Grid, ...]:
    """Return the grids of `function`, the topmost decorator first."""
    records: Mapping[type, Any] = vars(function).get(_ATTRIBUTE, {})
    return tuple(records.get(Grid, ()))


def searches(function: Function) -> tuple[Search, ...]:
    """Return the searches of `function`, the topmost decorator first; there may be only one."""
    records: Mapping[type, Any] = vars(function).get(_ATTRIBUTE, {})
    return tuple(records.get(Search, ()))


def attach(function: Function, kind: type, record: object) -> None:
    """Leave a record on a function, beside those of other kinds."""
    records = dict(vars(function).get(_ATTRIBUTE, {}))
    records[kind] = record
    setattr(function, _ATTRIBUTE, records)
