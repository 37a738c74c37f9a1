"""A folder in; the folders below it that may hold a project's files out, without those of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_MOST = 2_000
"""To look through; pytest itself looks through all of them."""


def walk(place: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield path, names of folders and of files as `os.walk` does, from the top down, names in order.

    Virtual environments are left out, and all beyond the first 2,000 folders.
    """
    for count, (folder, names, files) in enumerate(os.walk(place)):
        if count >= _MOST:
            return
        names.sort()
        if "pyvenv.cfg" in files:
            names.clear()
            continue
        yield folder, names, sorted(files)
