"""Bounds and options of hyperparameters in; numbers that travel as JSON, and what they stand for, out."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DeclarationError
from harness.values import jsonable, twin

__tracebackhide__ = True

Plain = int | float
"""How a value travels: the number itself, of a `choice` the position of the option."""

_WIDEST = 2**53
"""Beyond it floats, in which samplers reckon, skip whole numbers."""
_BOUNDS = "write the lower bound first; a value that does not vary belongs into the function"


@dataclass(frozen=True, slots=True, repr=False)
class Integers:
    """Whole numbers from `lo` to `hi`, both of them included."""

    lo: int
    hi: int

    def __post_init__(self) -> None:
        _convert(self, numbers.Integral, int)

    def __repr__(self) -> str:
        return f"integers({self.lo!r}, {self.hi!r})"

    def check(self) -> None:
        """Raise DeclarationError if this is no range."""
        for bound in (self.lo, self.hi):
            if not isinstance(bound, int) or isinstance(bound, bool):
                raise DeclarationError(
                    f"{self!r} has the bound {bound!r}, a {type(bound).__name__}",
                    "integers takes two whole numbers; for fractions write uniform(lo, hi)",
                )
        if self.lo >= self.hi:
            raise DeclarationError(f"{self!r}: {self.lo} is not below {self.hi}", _BOUNDS)
        if max(-self.lo, self.hi) > _WIDEST:
            raise DeclarationError(
                f"{self!r} goes beyond 2**53",
                "search the exponent: integers(1, 60)",
            )

    @property
    def size(self) -> int:
        """Number of distinct values."""
        return self.hi - self.lo + 1

    def at(self, position: int) -> Plain:
        """Return the value at a position, 0 … size - 1."""
        return self.lo + position

    def draw(self, unit: float) -> Plain:
        """Return the value for a number of [0, 1)."""
        return self.at(int(unit * self.size))

    def near(self, plain: Plain) -> Iterator[Plain]:
        """Yield the values next to one."""
        yield from (n for n in (int(plain) - 1, int(plain) + 1) if self.lo <= n <= self.hi)

    def value(self, plain: Plain) -> Any:
        """Return what the user sees of a plain value."""
        return plain

    def plain(self, recorded: Any) -> Plain | None:
        """Return the plain value of one that a record kept; None if it is not of this range."""
        whole = isinstance(recorded, int) and not isinstance(recorded, bool)
        return recorded if whole and self.lo <= recorded <= self.hi else None


@dataclass(frozen=True, slots=True, repr=False)
class Uniform:
    """Numbers between `lo` and `hi`, every one as likely as any other."""

    lo: float
    hi: float

    def __post_init__(self) -> None:
        _convert(self, numbers.Real, float)

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()}({self.lo!r}, {self.hi!r})"

    def check(self) -> None:
        """Raise DeclarationError if this is no range."""
        for bound in (self.lo, self.hi):
            if not isinstance(bound, float):
                raise DeclarationError(
                    f"{self!r} has the bound {bound!r}, a {type(bound).__name__}",
                    f"{type(self).__name__.lower()} takes two numbers",
                )
        if not math.isfinite(self.hi - self.lo):  # also of two finite bounds that are too far apart
            raise DeclarationError(f"{self!r} is not finite", "write two finite bounds")
        if self.lo >= self.hi:
            raise DeclarationError(f"{self!r}: {self.lo} is not below {self.hi}", _BOUNDS)

    @property
    def size(self) -> None:
        """None: a continuum."""
        return

    def draw(self, unit: float) -> Plain:
        """Return the value for a number of [0, 1)."""
        return min(self.lo + unit * (self.hi - self.lo), self.hi)

    def value(self, plain: Plain) -> Any:
        """Return what the user sees of a plain value."""
        return plain

    def plain(self, recorded: Any) -> Plain | None:
        """Return the plain value of one that a record kept; None if it is not of this range."""
        return recorded if isinstance(recorded, float) and self.lo <= recorded <= self.hi else None


class Loguniform(Uniform):
    """Numbers between `lo` and `hi`, every order of magnitude as likely as any other."""

    __slots__ = ()

    def check(self) -> None:
        """Raise DeclarationError if this is no range."""
        super().check()
        if self.lo <= 0:
            raise DeclarationError(
                f"{self!r} starts at {self.lo}, which has no logarithm", "write a lower bound above 0"
            )

    def draw(self, unit: float) -> Plain:
        """Return the value for a number of [0, 1)."""
        drawn = math.exp(math.log(self.lo) + unit * (math.log(self.hi) - math.log(self.lo)))
        return min(max(drawn, self.lo), self.hi)


@dataclass(frozen=True, slots=True, repr=False)
class Choice:
    """Any of a few options, which have no order."""

    options: Sequence[Any]

    def __repr__(self) -> str:
        text = f"choice({', '.join(map(repr, self.options))})"
        return text if len(text) <= 80 else f"choice of {len(self.options)} options"

    def check(self) -> None:
        """Raise DeclarationError if this is no range."""
        if isinstance(self.options, set | frozenset):
            raise DeclarationError(
                f"choice was given the {type(self.options).__name__} {self.options!r}, whose order is "
                "another one in every process",
                "write choice([a, b, …])",
            )
        if not self.options:
            raise DeclarationError("choice() has no option", "write choice(a, b, …)")
        position = twin(self.options)
        if position is not None:
            raise DeclarationError(
                f"choice has the option {self.options[position]!r} twice", "remove one of them"
            )

    @property
    def size(self) -> int:
        """Number of options."""
        return len(self.options)

    def at(self, position: int) -> Plain:
        """Return the plain value of the option at a position: the position."""
        return position

    def draw(self, unit: float) -> Plain:
        """Return the value for a number of [0, 1)."""
        return int(unit * self.size)

    def near(self, plain: Plain) -> Iterator[Plain]:
        """Yield all other options: none is nearer than another."""
        yield from (n for n in range(self.size) if n != plain)

    def value(self, plain: Plain) -> Any:
        """Return the option."""
        return self.options[int(plain)]

    def plain(self, recorded: Any) -> Plain | None:
        """Return the position of the option that a record kept; None if there is not exactly one like it."""
        kept = [jsonable(option) for option in self.options]
        like = [n for n, option in enumerate(kept) if type(option) is type(recorded) and option == recorded]
        return like[0] if len(like) == 1 else None


Range = Integers | Uniform | Loguniform | Choice


def integers(lo: int, hi: int) -> Integers:
    """Search whole numbers from `lo` to `hi`, both of them included."""
    return Integers(lo, hi)


def uniform(lo: float, hi: float) -> Uniform:
    """Search numbers from `lo` to `hi`, at first every one as likely as any other."""
    return Uniform(lo, hi)


def loguniform(lo: float, hi: float) -> Loguniform:
    """Search numbers from `lo`, above 0, to `hi`, at first each order of magnitude as likely as any other."""
    return Loguniform(lo, hi)


def choice(*options: Any) -> Choice:
    """Search among options of any type, `choice(a, b, …)` or `choice([a, b, …])`, which have no order.

    For numbers that have one, `integers` and `uniform` find the best in fewer trials.
    """
    if len(options) == 1 and isinstance(options[0], set | frozenset):
        return Choice(options[0])  # type: ignore[arg-type]  # refused when it is checked
    alone: Any = options[0] if len(options) == 1 else None
    if hasattr(alone, "__iter__") and not isinstance(alone, str | bytes | dict | type):
        return Choice(tuple(alone))
    return Choice(options)


def _convert(bounds: Integers | Uniform, kind: type, to: Callable[[Any], int | float]) -> None:
    """Make Python's own numbers of NumPy's; what is none is left to be refused with its place."""
    for name in ("lo", "hi"):
        bound = getattr(bounds, name)
        if isinstance(bound, kind) and not isinstance(bound, bool):
            object.__setattr__(bounds, name, to(bound))
