"""Experiment files in; the installed modules that they lead to out: what to preload."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.imports import Import, Imports

_FOR_DATA = ("sklearn.metrics", "scipy.sparse")
"""What the harness itself imports when it meets data."""
_FILES = 500
"""To read; the more there are, the less it helps to have the modules of all of them."""


def conftests(files: Iterable[Path], root: Path) -> list[Path]:
    """Return the conftest.py files that apply to files of a project."""
    found: dict[Path, None] = {}
    for path in files:
        for folder in reversed(path.parents):
            conftest = folder / "conftest.py"
            if folder.is_relative_to(root) and conftest not in found and conftest.is_file():
                found[conftest] = None
    return list(found)


def installed(files: Iterable[Path]) -> list[str]:
    """Return the installed modules that files import, also through other files of the project.

    `from a import b` names `a`: whether b is a module only its import would tell. Files with faults in
    their syntax are left out; collection tells of them.
    """
    imports = Imports()
    waiting = list(files)
    seen = set(waiting)
    named: dict[str, None] = {}
    for path in waiting:  # which grows
        for imported in _imported(path):
            if imported.module == "harness" and imported.name in ("", "dataset", "features"):
                named.update(dict.fromkeys(_FOR_DATA))
            found = imports.find(imported, path)
            if found.library is not None and imported.module:
                named[imported.module] = None
            further = [file for file in found.files if file.suffix == ".py" and file not in seen]
            waiting += further[: _FILES - len(seen)]
            seen.update(further)
    return list(named)


def _imported(path: Path) -> Iterator[Import]:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(node.module or "", alias.name, node.level) for alias in node.names)
