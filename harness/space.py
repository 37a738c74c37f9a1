"""Grids: lists of values in, points with stable ids out; pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DeclarationError

__tracebackhide__ = True


@dataclass(frozen=True, slots=True)
class Point:
    """One combination: its values by parameter name, and the id that names it everywhere."""

    values: Mapping[str, Any]
    id: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Lists of values by parameter name, as declared."""

    values: Mapping[str, Sequence[Any]]

    def __post_init__(self) -> None:
        kept = {n: list(v) if isinstance(v, Iterator) else v for n, v in self.values.items()}
        object.__setattr__(self, "values", kept)  # a generator gives its values only once

    def __len__(self) -> int:
        return math.prod(len(list(values)) for values in self.values.values())

    def points(self) -> Iterator[Point]:
        """Yield every combination in declared order, the last parameter fastest.

        Raises DeclarationError for a grid that is not a product of non-empty lists of distinct
        values.
        """
        lists = {name: _checked(name, values) for name, values in self.values.items()}
        if not lists:
            raise DeclarationError("@grid() has no parameter", "write @grid(name=[value, …])")
        ids = {name: _ids(name, values) for name, values in lists.items()}
        for indices in itertools.product(*(range(len(values)) for values in lists.values())):
            picked = dict(zip(lists, indices, strict=True))
            yield Point(
                {name: lists[name][i] for name, i in picked.items()},
                "-".join(ids[name][i] for name, i in picked.items()),
            )


def _checked(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise DeclarationError(
            f"grid parameter {name!r} is {values!r}, a {type(values).__name__}, not a list",
            f"write {name}=[…] with the values to try",
        )
    found = list(values)
    if not found:
        raise DeclarationError(
            f"grid parameter {name!r} is an empty list, so the grid has no point",
            f"give at least one value, {name}=[…]",
        )
    for i, value in enumerate(found):
        for earlier in found[:i]:
            if type(value) is type(earlier) and _equal(value, earlier):
                raise DeclarationError(
                    f"grid parameter {name!r} has the value {value!r} twice",
                    "every combination must be a different trial: remove one",
                )
    return found


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a is b or a == b)
    except (TypeError, ValueError):  # arrays and frames compare element by element
        return False


def _ids(name: str, values: Sequence[Any]) -> list[str]:
    """Ids that are the same in every process: no memory address, no order of a set."""
    texts = []
    for i, value in enumerate(values):
        numpy_scalar = hasattr(value, "item") and getattr(value, "ndim", None) == 0
        plain = value.item() if numpy_scalar else value
        if isinstance(plain, bool | int | float | str) or plain is None:
            texts.append(str(value))
        else:
            texts.append(getattr(value, "__name__", f"{name}{i}"))
    if len(set(texts)) < len(texts):  # 1 and "1", two lambdas
        texts = [f"{text}.{i}" if texts.count(text) > 1 else text for i, text in enumerate(texts)]
    if len(set(texts)) < len(texts):
        texts = [f"{name}{i}" for i in range(len(values))]
    return [f"{name}:{text}" for text in texts]
