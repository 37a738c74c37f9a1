"""Positions of rows in; so many of them that more would change nothing, out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return all positions, or `most` of them, spread at random, the same in every run, in their order."""
    if len(positions) <= most:
        return positions
    chosen = np.random.default_rng(0).choice(len(positions), most, replace=False)
    return positions[np.sort(chosen)]
