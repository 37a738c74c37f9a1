"""A value and what it was estimated from in; a float that knows how sure it is, and is overheard, out."""

from __future__ import annotations

import dataclasses
import math
import numbers
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import ScoreError
from harness.results import End, Sign
from harness.scoring.caller import ordering
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

    def _changed(self, value: Any, other: Any, factor: float, by: float) -> Any:
        """Return the result of an operation as what it is to a gate: factor times this, plus by.

        With another score in it, nothing is known of how sure it is.
        """
        score, mine, added = self._parts()
        if type(value) is not float or score._listener is None:
            return value
        if isinstance(other, _Compared):
            return Made(value, score)
        return Affine(value, score, factor * mine, factor * added + by)

    def _made(self, value: Any) -> Any:
        """Return the result of an operation after which nothing is known of how sure it is."""
        score = self._parts()[0]
        return value if type(value) is not float or score._listener is None else Made(value, score)

    def __neg__(self) -> Any:
        return self._changed(-float(self), None, -1.0, 0.0)

    def __abs__(self) -> Any:
        return self._made(abs(float(self)))

    def __add__(self, other: Any) -> Any:
        return self._changed(float.__add__(self, _plain(other)), other, 1.0, _size(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._changed(float.__sub__(self, _plain(other)), other, 1.0, -_size(other))

    def __rsub__(self, other: Any) -> Any:
        return self._changed(float.__rsub__(self, _plain(other)), other, -1.0, _size(other))

    def __mul__(self, other: Any) -> Any:
        return self._changed(float.__mul__(self, _plain(other)), other, _size(other), 0.0)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        value = float.__truediv__(self, _plain(other))
        return self._changed(value, other, 1 / _size(other) if type(value) is float else 1.0, 0.0)

    def __rtruediv__(self, other: Any) -> Any:
        return self._made(float.__rtruediv__(self, _plain(other)))

    def __pow__(self, other: Any, modulus: None = None) -> Any:
        return self._made(float.__pow__(self, _plain(other), modulus))

    def __rpow__(self, other: Any, modulus: None = None) -> Any:
        return self._made(float.__rpow__(self, _plain(other), modulus))

    def __floordiv__(self, other: Any) -> Any:
        return self._made(float.__floordiv__(self, _plain(other)))

    def __mod__(self, other: Any) -> Any:
        return self._made(float.__mod__(self, _plain(other)))


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

    def _changed(self, value: Any, other: Any, factor: float, by: float) -> Any:  # noqa: ARG002
        return self._made(value)  # what is made of an end is no claim about the score any more

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


class Made(_Compared):
    """A number made of a score in a way that leaves unknown how sure it is."""

    __slots__ = ("_score",)

    _score: Score

    def __new__(cls, value: float, score: Score) -> Made:
        """Make the value, which came of the score."""
        self = super().__new__(cls, value)
        self._score = score
        return self

    def _parts(self) -> tuple[Score, float, float]:
        return self._score, 0.0, 0.0

    def _changed(self, value: Any, other: Any, factor: float, by: float) -> Any:  # noqa: ARG002
        return self._made(value)

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

    @property
    def lower(self) -> float:
        """Lower end of the confidence interval."""
        return Made(min(self._ends), self._score)

    @property
    def upper(self) -> float:
        """Upper end of the confidence interval."""
        return Made(max(self._ends), self._score)

    @property
    def n(self) -> int:
        """Rows that the score rests on."""
        return self._score.n

    @property
    def method(self) -> str:
        """How the interval was made."""
        return self._score.method

    @property
    def _ends(self) -> tuple[float, float]:
        lower, upper = (
            self._factor * float(end) + self._by for end in (self._score.lower, self._score.upper)
        )
        return lower, upper

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
    if isinstance(other, _Compared) and ordering(2):
        return held  # of which is the larger for `max` or `sorted` a gate claims nothing
    if isinstance(other, numbers.Real) and not isinstance(other, bool) and not math.isnan(other):
        score = left._parts()[0]
        second = other._parts()[0] if isinstance(other, _Compared) else None
        listener = score._listener or (second._listener if second is not None else None)
        told = _claimed(left, other, sign) if listener is not None else None
        if listener is not None and told is not None:
            listener(dataclasses.replace(told, held=bool(held)))
    return held


def _claimed(left: _Compared, other: Any, sign: Sign) -> Claim | None:
    """Return what a comparison claims; None if it claims nothing."""
    if isinstance(left, Made) or isinstance(other, Made):
        return Claim(
            estimate=Unknown(_MADE),
            label=f"a number made of {left._parts()[0]._label}",
            value=float(left),
            sign=sign,
            threshold=float(other),
        )
    score, factor, by = left._parts()
    if not isinstance(other, _Compared):
        if score._estimate is None or not factor:
            return None
        claim = _single(score, factor, sign, float(other) - by)
        return dataclasses.replace(claim, end=left._side) if isinstance(left, Bound) else claim
    second, times, added = other._parts()
    unlike = score.name != second.name  # as `sorted` and `max` compare them: of which is more nothing follows
    if score._estimate is None or second._estimate is None or unlike or not factor:
        return None
    return _double((score, factor), sign, (second, times), added - by)


_MADE = (
    "of a number that is made of scores nothing is known: compare a score, or a difference a.test - b.test"
)

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
