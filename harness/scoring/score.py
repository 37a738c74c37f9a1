"""A value and what it was estimated from in; a float that knows how sure it is, and is overheard, out."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import ScoreError
from harness.results import Sign
from harness.scoring.estimates import Estimate, Known

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A comparison that a gate has made: `estimate sign threshold`, and whether it held for the values."""

    estimate: Estimate
    label: str
    """Names the score, as `experiment_xgboost.best.test.accuracy`."""
    value: float
    """Left of the sign, as it was compared: of a bound, the bound."""
    sign: Sign
    threshold: float
    held: bool


Listener = Callable[[Claim], None]


class _Compared(float):
    """A float whose comparisons with numbers are told to the listener of its score."""

    __slots__ = ()

    # A float subclass with other results than a float's would break sorting, rounding and numpy: the
    # result is always the float's own, and only afterwards somebody is told.

    def __ge__(self, other: Any) -> Any:
        return _compare(self, other, ">=", operator.ge)

    def __gt__(self, other: Any) -> Any:
        return _compare(self, other, ">", operator.gt)

    def __le__(self, other: Any) -> Any:
        return _compare(self, other, "<=", operator.le)

    def __lt__(self, other: Any) -> Any:
        return _compare(self, other, "<", operator.lt)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        """Be a plain float to numpy, also on the right of a numpy number, which asks numpy first."""
        if method == "__call__" and ufunc.__name__ in _MIRRORED and len(inputs) == 2 and not named:
            left, right = inputs
            if isinstance(right, _Compared) and np.ndim(left) == 0 and not isinstance(left, _Compared):
                sign, compare = _MIRRORED[ufunc.__name__]
                return np.bool_(_compare(right, np.asarray(left).item(), sign, compare))
        plain = [float(value) if isinstance(value, _Compared) else value for value in inputs]
        return getattr(ufunc, method)(*plain, **named)

    def _parts(self) -> tuple[Score, float]:
        """Return the score and what was added to it."""
        raise NotImplementedError


_MIRRORED: dict[str, tuple[Sign, Callable[[Any, Any], Any]]] = {
    "less_equal": (">=", operator.ge),
    "less": (">", operator.gt),
    "greater_equal": ("<=", operator.le),
    "greater": ("<", operator.lt),
}


class Score(_Compared):
    """A measured quality: a float in every comparison, sort and hash.

    `name` of its metric; `lower` and `upper`, the ends of its confidence interval (two-sided, 95 % unless
    the setting `confidence` says otherwise); `n`, the rows that the interval rests on; `method`, how it
    was made. They are computed when they are first read; a score without an interval raises ScoreError
    there. In a gate, each comparison of a score or of one of its ends with a number is recorded.

    A score minus another one is a score itself: of the same metric on the same rows, a paired difference.
    """

    __slots__ = ("_estimate", "_label", "_listener", "_n", "name")

    name: str
    _estimate: Estimate | None
    _label: str
    _listener: Listener | None
    _n: int

    def __new__(
        cls,
        value: float,
        name: str,
        n: int,
        estimate: Estimate | None = None,
        *,
        label: str = "",
        listener: Listener | None = None,
    ) -> Score:
        """Make a score of n rows; estimate: what its interval comes from, None if there is none."""
        self = super().__new__(cls, value)
        self.name, self._n, self._estimate = name, n, estimate
        self._label, self._listener = label or name, listener
        return self

    @property
    def lower(self) -> float:
        """Lower end of the confidence interval."""
        return Bound(self._known.interval().lower, self, "lower")

    @property
    def upper(self) -> float:
        """Upper end of the confidence interval."""
        return Bound(self._known.interval().upper, self, "upper")

    @property
    def n(self) -> int:
        """Rows that the score and its interval rest on: for recall, say, those of the positive class."""
        return self._n

    @property
    def estimate(self) -> Estimate | None:
        """What the interval comes from."""
        return self._estimate

    @property
    def method(self) -> str:
        """How the interval was made."""
        return self._known.interval().method

    @property
    def _known(self) -> Estimate:
        if self._estimate is None:
            raise ScoreError(
                f"no interval is known for this {self.name}",
                "read the score from .train, .validation or .test",
            )
        return self._estimate

    def _parts(self) -> tuple[Score, float]:
        return self, 0.0

    def __add__(self, other: Any) -> Any:
        return _shifted(
            self, other, 1, float.__add__(self, other) if isinstance(other, float | int) else None
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Score):
            return _difference(self, other)
        return _shifted(
            self, other, -1, float.__sub__(self, other) if isinstance(other, float | int) else None
        )

    def __copy__(self) -> Score:
        return self

    def __deepcopy__(self, memo: Any) -> Score:
        return self

    def __reduce__(self) -> tuple[Callable[..., Score], tuple[Any, ...]]:
        try:
            interval = None if self._estimate is None else self._estimate.interval()
        except ScoreError:  # there is none for this metric
            interval = None
        return _restored, (float(self), self.name, self.n, interval)


class Bound(_Compared):
    """An end of a score's confidence interval; comparing it is a comparison of the score."""

    __slots__ = ("_score", "_side")

    _score: Score
    _side: str

    def __new__(cls, value: float, score: Score, side: str) -> Bound:
        """Make the end called `side`, "lower" or "upper"."""
        self = super().__new__(cls, value)
        self._score, self._side = score, side
        return self

    def _parts(self) -> tuple[Score, float]:
        return self._score, 0.0

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


class Shifted(_Compared):
    """A score plus or minus a number, which is as uncertain as the score is."""

    __slots__ = ("_by", "_score")

    _by: float
    _score: Score

    def __new__(cls, value: float, score: Score, by: float) -> Shifted:
        """Make the sum of a score and `by`."""
        self = super().__new__(cls, value)
        self._score, self._by = score, by
        return self

    def _parts(self) -> tuple[Score, float]:
        return self._score, self._by

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


def _restored(value: float, name: str, n: int, interval: Any) -> Score:
    return Score(value, name, n, None if interval is None else Known(value, interval))


def _shifted(score: Score, by: Any, sign: int, value: float | None) -> Any:
    if value is None or isinstance(by, bool | _Compared) or score._listener is None:
        return NotImplemented if value is None else value
    return Shifted(value, score, sign * float(by))


def _difference(a: Score, b: Score) -> Any:
    """Return a - b, a score itself, or a plain number if nothing is known of one of the two."""
    value = float(a) - float(b)
    if a._estimate is None or b._estimate is None:
        return value
    return Score(
        value,
        a.name if a.name == b.name else f"{a.name} - {b.name}",
        min(a.n, b.n),
        a._estimate.minus(b._estimate),
        label=f"{a._label} - {b._label}",
        listener=a._listener or b._listener,
    )


def _compare(left: _Compared, other: Any, sign: Sign, compare: Callable[[Any, Any], Any]) -> Any:
    plain = float(other) if isinstance(other, _Compared) else other
    held = compare(float(left), plain)
    if not isinstance(other, numbers.Real) or isinstance(other, bool):
        return held
    claim = _claim(left, other, sign, bool(held))
    if claim is not None:
        claim[0](claim[1])
    return held


def _claim(left: _Compared, other: Any, sign: Sign, held: bool) -> tuple[Listener, Claim] | None:
    score, by = left._parts()
    if not isinstance(other, _Compared):
        if score._listener is None or score._estimate is None:
            return None
        value, label = float(score), score._label
        if isinstance(left, Bound):
            value, label = float(left), f"{label}.{left._side}"
        return score._listener, Claim(
            estimate=score._estimate,
            label=label,
            value=value,
            sign=sign,
            threshold=float(other) - by,
            held=held,
        )
    second, added = other._parts()
    listener = score._listener or second._listener
    if listener is None or score._estimate is None or second._estimate is None:
        return None
    return listener, Claim(
        estimate=score._estimate.minus(second._estimate),
        label=f"{score._label} - {second._label}",
        value=float(score) - float(second),
        sign=sign,
        threshold=added - by,
        held=held,
    )
