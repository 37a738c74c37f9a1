"""Values of any type in; how JSON knows them, and which of them are equal, out."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any


def jsonable(value: Any) -> Any:
    """Return a value that survives JSON unchanged, or its repr."""
    if type(value) in (str, int, bool, type(None)) or (type(value) is float and math.isfinite(value)):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy scalar
    try:
        return value if json.loads(json.dumps(value)) == value else repr(value)
    except (TypeError, ValueError):
        return repr(value)


def twin(values: Sequence[Any]) -> int | None:
    """Return the position of the first value that equals an earlier one of its type; None without one."""
    known: dict[type, set[Any]] = defaultdict(set)
    odd: list[Any] = []
    """Values that no set takes: they are compared one by one."""
    for position, value in enumerate(values):
        alike = known[type(value)]
        before = len(alike)
        try:
            alike.add(value)
        except (TypeError, ValueError):  # of the hash, or of a comparison with a value of the same hash
            earlier: Sequence[Any] = values[:position]
            odd.append(value)
        else:
            if len(alike) == before:
                return position
            earlier = odd
        if any(type(value) is type(other) and _equal(value, other) for other in earlier):
            return position
    return None


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a is b or a == b)
    except (TypeError, ValueError):  # arrays and frames compare element by element
        return False
