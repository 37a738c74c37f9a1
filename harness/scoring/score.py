"""A value and what it was estimated from in; a float that knows how sure it is, and is overheard, out."""

from __future__ import annotations

import dataclasses
import numbers
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import ScoreError
from harness.results import End, Sign
from harness.scoring.estimates import Estimate, Known, Unknown

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A comparison that a gate has made: `estimate sign threshold`, and whether it held for the value."""

    estimate: Estimate
    label: str
    """Names the score, as `experiment_xgboost.best.test.accuracy`."""
    value: float
    sign: Sign
    threshold: float
    held: bool = False
    end: End = ""
    """Which end of the interval was compared, "lower" or "upper"; empty for the value itself."""


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

    def _parts(self) -> tuple[Score, float, float]:
        """Return the score, the factor of it, and what was added."""
        raise NotImplementedError

    def _changed(self, value: Any, factor: float, by: float) -> Any:
        """Return the plain result of an operation as what it is to a gate: factor times this, plus by."""
        if type(value) is not float:
            return value
        score, mine, added = self._parts()
        return value if score._listener is None else Affine(value, score, factor * mine, factor * added + by)

    def __neg__(self) -> float:
        return self._changed(-float(self), -1.0, 0.0)  # type: ignore[no-any-return]

    def __add__(self, other: Any) -> Any:
        return self._changed(float.__add__(self, _plain(other)), 1.0, _size(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._changed(float.__sub__(self, _plain(other)), 1.0, -_size(other))

    def __rsub__(self, other: Any) -> Any:
        return self._changed(float.__rsub__(self, _plain(other)), -1.0, _size(other))

    def __mul__(self, other: Any) -> Any:
        return self._changed(float.__mul__(self, _plain(other)), _size(other), 0.0)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        value = float.__truediv__(self, _plain(other))
        return self._changed(value, 1 / _size(other) if value is not NotImplemented else 1.0, 0.0)


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

    def _parts(self) -> tuple[Score, float, float]:
        return self, 1.0, 0.0

    def __sub__(self, other: Any) -> Any:
        return _difference(self, other) if isinstance(other, Score) else super().__sub__(other)

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
    _side: End

    def __new__(cls, value: float, score: Score, side: End) -> Bound:
        """Make the end called `side`, "lower" or "upper"."""
        self = super().__new__(cls, value)
        self._score, self._side = score, side
        return self

    def _parts(self) -> tuple[Score, float, float]:
        return self._score, 1.0, 0.0

    def _changed(self, value: Any, factor: float, by: float) -> Any:  # noqa: ARG002
        return value  # what is made of an end is no claim about the score any more

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


class Affine(_Compared):
    """A score times a factor plus a number, which is as uncertain as the score is."""

    __slots__ = ("_by", "_factor", "_score")

    _by: float
    _factor: float
    _score: Score

    def __new__(cls, value: float, score: Score, factor: float, by: float) -> Affine:
        """Make `factor * score + by`, which is `value`."""
        self = super().__new__(cls, value)
        self._score, self._factor, self._by = score, factor, by
        return self

    def _parts(self) -> tuple[Score, float, float]:
        return self._score, self._factor, self._by

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


def _restored(value: float, name: str, n: int, interval: Any) -> Score:
    return Score(value, name, n, None if interval is None else Known(value, interval))


def _plain(other: Any) -> Any:
    return float(other) if isinstance(other, _Compared) else other


def _size(other: Any) -> float:
    """Return a number as a float: what came of anything else is none of ours."""
    return float(other) if isinstance(other, float | int) else 1.0


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
    held = compare(float(left), _plain(other))
    if isinstance(other, numbers.Real) and not isinstance(other, bool):
        score, factor, by = left._parts()
        second, times, added = other._parts() if isinstance(other, _Compared) else (None, 0.0, float(other))
        listener = score._listener or (second._listener if second is not None else None)
        known = score._estimate is not None and (second is None or second._estimate is not None)
        if listener is not None and known and factor:
            end = left._side if isinstance(left, Bound) and second is None else ""
            if second is None:
                told = _single(score, factor, sign, added - by)
            else:
                told = _double((score, factor), sign, (second, times), added - by)
            listener(dataclasses.replace(told, held=bool(held), end=end))
    return held


_TURNED: dict[Sign, Sign] = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


def _single(score: Score, factor: float, sign: Sign, threshold: float) -> Claim:
    """Return the claim that `factor * score` is on a side of a threshold."""
    assert score._estimate is not None, "who has no estimate is not listened to"
    return Claim(
        estimate=score._estimate,
        label=score._label,
        value=float(score),
        sign=sign if factor > 0 else _TURNED[sign],
        threshold=threshold / factor,
    )


def _double(left: tuple[Score, float], sign: Sign, right: tuple[Score, float], threshold: float) -> Claim:
    """Return the claim that one score minus another, each times its factor, is on a side of a threshold."""
    (score, factor), (second, times) = left, right
    assert score._estimate is not None, "who has no estimate is not listened to"
    assert second._estimate is not None, "who has no estimate is not listened to"
    if factor == times:
        return Claim(
            estimate=score._estimate.minus(second._estimate),
            label=f"{score._label} - {second._label}",
            value=float(score) - float(second),
            sign=sign if factor > 0 else _TURNED[sign],
            threshold=threshold / factor,
        )
    one, other = (f"{size:.6g} * " if size != 1 else "" for size in (factor, times))
    return Claim(
        estimate=Unknown("of a difference of multiples of scores nothing is known: compare a.test - b.test"),
        label=f"{one}{score._label} - {other}{second._label}",
        value=factor * float(score) - times * float(second),
        sign=sign,
        threshold=threshold,
    )
