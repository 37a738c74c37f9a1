"""Grids and searches: lists or ranges in, points with ids that are the same in every process out; pure."""

from __future__ import annotations

import difflib
import itertools
import math
import numbers
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DeclarationError
from harness.ranges import Plain, Range
from harness.values import twin

__tracebackhide__ = True

STRATEGIES = ("tpe", "random")

_RANGES = "integers(lo, hi), uniform(lo, hi), loguniform(lo, hi) or choice(a, b, …)"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Ranges by parameter name and how many trials look for the best point in them, as declared."""

    trials: int
    strategy: str
    prune: bool
    """Whether trials that fall behind are stopped."""
    ranges: Mapping[str, Range]

    def __post_init__(self) -> None:
        if isinstance(self.trials, numbers.Integral) and not isinstance(self.trials, bool):
            object.__setattr__(self, "trials", int(self.trials))  # NumPy's own

    @property
    def ids(self) -> list[str]:
        """Ids of the trials, `trial:00` and so on, of equal length."""
        width = max(2, len(str(self.trials - 1)))
        return [f"trial:{index:0{width}}" for index in range(self.trials)]

    @property
    def size(self) -> int | None:
        """Number of distinct points; None if a range is a continuum."""
        sizes = [r.size for r in self.ranges.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def values(self, plain: Mapping[str, Plain]) -> dict[str, Any]:
        """Return what the user sees of a point in its plain form, numbers by parameter name."""
        return {name: r.value(plain[name]) for name, r in self.ranges.items()}

    def plain(self, params: Mapping[str, Any]) -> dict[str, Plain] | None:
        """Return the plain form of a point from a record's `params`; None if it is not of this search."""
        found: dict[str, Plain] = {}
        for name, r in self.ranges.items():
            number = r.plain(params.get(name))
            if number is None:
                return None
            found[name] = number
        return found if params.keys() == found.keys() else None

    def check(self) -> None:
        """Raise DeclarationError for a search that cannot be."""
        self._check_options()
        for name, r in self.ranges.items():
            if name in ("trial", "request"):
                raise DeclarationError(
                    f"@search gives {name!r}, which is a fixture of its own", "call the parameter otherwise"
                )
            if not isinstance(r, Range):
                raise DeclarationError(
                    f"@search gives {name!r} {r!r}, a {type(r).__name__}, not a range",
                    f"write {name}=choice({', '.join(map(repr, r))}), or @grid for every combination"
                    if isinstance(r, list | tuple) and r
                    else f"write {name}={_RANGES}",
                )
            try:
                r.check()
            except DeclarationError as error:
                raise DeclarationError(f"@search gives {name!r} {error.problem}", error.remedy) from None
        size = self.size
        if size is not None and size < self.trials:
            raise DeclarationError(
                f"@search has {self.trials} trials, and its ranges hold {size} distinct points",
                f"write trials={size} or fewer, widen the ranges, or write @grid to try every point",
            )

    def _check_options(self) -> None:
        if self.trials is None:
            raise DeclarationError("@search does not say how many trials", "write @search(trials=30, …)")
        if not isinstance(self.trials, int) or isinstance(self.trials, bool) or self.trials < 1:
            raise DeclarationError(f"@search has trials={self.trials!r}", "write a whole number above 0")
        if self.strategy not in STRATEGIES:
            close = difflib.get_close_matches(str(self.strategy).lower(), STRATEGIES, 1)
            raise DeclarationError(
                f"@search has the unknown strategy={self.strategy!r}",
                f"did you mean {close[0]!r}?" if close else 'write strategy="tpe" or strategy="random"',
            )
        if not isinstance(self.prune, bool):
            raise DeclarationError(f"@search has prune={self.prune!r}", "write prune=True or prune=False")
        if not self.ranges:
            raise DeclarationError(
                "@search has no parameter", f"write @search(trials=…, name=…) with {_RANGES}"
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
    position = twin(found)
    if position is not None:
        raise DeclarationError(
            f"grid parameter {name!r} has the value {found[position]!r} twice",
            "every combination must be a different trial: remove one",
        )
    return found


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
    counts = Counter(texts)
    if len(counts) < len(texts):  # 1 and "1", two lambdas
        texts = [f"{text}.{i}" if counts[text] > 1 else text for i, text in enumerate(texts)]
    if len(set(texts)) < len(texts):
        texts = [f"{name}{i}" for i in range(len(values))]
    return [f"{name}:{text}" for text in texts]
