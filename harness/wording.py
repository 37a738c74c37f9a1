"""Numbers and nouns in; how they are said, out."""

from __future__ import annotations

import math


def counted(number: int, noun: str) -> str:
    """Return "1 trial" or "2 trials"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def number(value: float) -> str:
    """Return a number in at most 11 characters, with four digits that count."""
    if not math.isfinite(value):
        return str(value)
    value += 0.0  # no negative zero
    size = abs(value)
    if value == int(value) and size < 1e6:
        return f"{value:.1f}" if size < 10 else f"{value:.0f}"
    if size < 1e-2 or size >= 1e6:
        return f"{value:.4g}"
    return f"{value:.4f}" if size < 100 else f"{value:,.2f}"


def reason(message: str) -> str:
    """Return the one line of a failure's text that says why."""
    texts = message.splitlines()
    marked = [line[1:].strip() for line in texts if line.startswith("E   ")]
    reason = next(iter(marked or [line for line in texts if line.strip()]), "")
    kind, colon, rest = reason.partition(": ")
    plain = kind.replace(".", "").replace("_", "").isalnum()
    return kind.rpartition(".")[2] + colon + rest if colon and plain else reason
