"""Where a key falls for ever: key columns and a seed in, one 64-bit number a row out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def hashes(columns: Sequence[pd.Series], seed: int) -> NDArray[np.uint64]:
    """Return the hash of every row: the first 8 bytes, big-endian, of blake2b.

    What is hashed is `json.dumps([seed, text, ...])` with one text a column, so that anyone can
    repeat it in any language. Depends on nothing but seed and key; equal keys have equal texts.
    """
    texts = []
    for column in columns:
        codes, distinct = pd.factorize(column)
        texts.append(np.array([text(key) for key in distinct.tolist()], dtype=object)[codes])
    return np.fromiter((_hash(seed, row) for row in zip(*texts, strict=True)), np.uint64, len(columns[0]))


def _hash(seed: int, texts: Sequence[str]) -> int:
    return int.from_bytes(hashlib.blake2b(json.dumps([seed, *texts]).encode(), digest_size=8).digest(), "big")


def text(key: Any) -> str:
    """Return one text for equal keys, whatever type a file format gave them this time.

    3, 3.0 and "3" have the same text, so that a column of numbers in which one key with a letter
    appears keeps its rows where they are.
    """
    if isinstance(key, bool | np.bool_):
        return str(bool(key))
    if isinstance(key, int | np.integer):
        return str(int(key))
    if isinstance(key, float | np.floating | Decimal | Fraction):
        number = float(key)
        if math.isfinite(number) and key == int(key):
            return str(int(key))
        return repr(number) if number == key else str(key)
    if isinstance(key, datetime):
        moment = pd.Timestamp(key)
        return (moment if moment.tzinfo is None else moment.tz_convert("UTC")).isoformat()
    return str(key)
