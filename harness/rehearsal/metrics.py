"""Lines that a job prints, and what its metrics look like, in; their last values out."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any


class Metrics:
    """The metrics of one job: of each the last finite number that was printed."""

    def __init__(self, definitions: Iterable[Mapping[str, str]]) -> None:
        self._patterns = [(one["Name"], re.compile(one["Regex"])) for one in definitions]
        self._found: dict[str, tuple[float, float]] = {}

    def read(self, lines: Iterable[str]) -> None:
        """Look for metrics in lines.

        What is no number, or none that JSON has, does not count: what AWS does with it is not known.
        """
        for line in lines:
            for name, pattern in self._patterns:
                match = pattern.search(line)
                if match and pattern.groups:
                    value = _number(match.group(1))
                    if value is not None:
                        self._found[name] = value, time.time()

    def value(self, name: str) -> float | None:
        """Return the last value of a metric, None if there is none."""
        return self._found.get(name, (None, 0))[0]

    def describe(self) -> list[dict[str, Any]]:
        """Return the metrics as a training job's description has them."""
        return [
            {"MetricName": name, "Value": value, "Timestamp": when}
            for name, (value, when) in sorted(self._found.items())
        ]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
