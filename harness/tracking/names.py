"""Keys and values as MLflow accepts them: any text in, allowed and bounded text out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

__tracebackhide__ = True

RUN_NAME = 250
"""Characters of a run's name that databases hold."""
_KEY_LENGTH = 250
_PLAIN = re.compile(rf"\w[\w -]{{0,{_KEY_LENGTH - 1}}}", re.ASCII)
_REFUSED = re.compile(r"[^\w./ :-]", re.ASCII)


def allowed(key: str) -> str:
    """Return `key` with every character that MLflow refuses replaced by an underscore."""
    if _PLAIN.fullmatch(key):  # nearly every one: faster than to look for what may be wrong with it
        return key
    plain = _REFUSED.sub("_", key)
    if plain in {"", "."} or plain.startswith(("/", "..")) or posixpath.normpath(plain) != plain:
        plain = plain.replace("/", "_").strip(".") or "_"  # MLflow keeps names that cannot leave a folder
    return plain[:_KEY_LENGTH]


def rename(values: Mapping[str, Any], *, taken: Sequence[str] = (), prefix: str = "") -> dict[str, str]:
    """Return the allowed key of each name in `values`; no two are equal and none is in `taken`.

    A name in `taken` gets `prefix` first; what still collides is numbered, `name.2`.
    """
    used = set(taken)
    keys: dict[str, str] = {}
    for name in values:
        plain = allowed(name)
        if plain in used and prefix:
            plain = allowed(prefix + name)
        key, number = plain, 1
        while key in used:
            number += 1
            key = f"{plain[: _KEY_LENGTH - 6]}.{number}"
        used.add(key)
        keys[name] = key
    return keys


def shorten(text: str, length: int) -> str:
    """Return `text` of at most `length` characters, with an ellipsis where it was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def thin(curve: Sequence[float], most: int = 100) -> list[tuple[int, float]]:
    """Return at most `most` (iteration, value) points of a curve, evenly spaced.

    The first and the last iteration and those of the lowest and the highest value are kept.
    """
    count = len(curve)
    if count <= most:
        return list(enumerate(curve))
    finite = [i for i in range(count) if curve[i] == curve[i]]
    kept = {0, count - 1}
    if finite:
        kept |= {min(finite, key=curve.__getitem__), max(finite, key=curve.__getitem__)}
    room = most - len(kept)
    kept |= {round(i * (count - 1) / (room + 1)) for i in range(1, room + 1)}
    return [(i, curve[i]) for i in sorted(kept)]
