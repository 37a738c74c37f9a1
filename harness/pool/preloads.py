"""Experiment files in; the installed modules that they lead to, and what these are to find, out."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.imports import Import, Imports

_FOR_DATA = ("sklearn.metrics", "scipy.sparse")
"""What the harness itself imports when it meets data."""
_FILES = 500
"""To read; the more there are, the less it helps to have the modules of all of them."""
_SETTING = frozenset({"environ", "environb", "putenv", "unsetenv", "load_dotenv"})
"""Names by which a file may change the environment."""
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Preloads:
    """What can be imported before the project is."""

    modules: Sequence[str]
    environment: Mapping[str, str]
    """Variables that the project sets first: many a library looks at them once, when it is imported."""


def conftests(files: Iterable[Path], root: Path) -> list[Path]:
    """Return the conftest.py files that apply to files of a project."""
    found: dict[Path, None] = {}
    for path in files:
        for folder in reversed(path.parents):
            conftest = folder / "conftest.py"
            if folder.is_relative_to(root) and conftest not in found and conftest.is_file():
                found[conftest] = None
    return list(found)


def preloads(files: Iterable[Path]) -> Preloads:
    """Return the installed modules that files import, also through other files of the project.

    `from a import b` names `a`: whether b is a module only its import would tell. Files with faults in
    their syntax are left out; collection tells of them. There are no modules at all if the project,
    when it is imported, changes the environment in a way that only its import would tell.
    """
    imports = Imports()
    waiting = list(files)
    seen = set(waiting)
    named: dict[str, None] = {}
    environment: dict[str, str] = {}
    for path in waiting:  # which grows
        try:
            tree = ast.parse(path.read_bytes(), filename=str(path))
        except (OSError, SyntaxError, ValueError):
            continue
        sets = _environment(tree)
        if sets is None:
            return Preloads((), {})
        environment |= sets
        for imported in _imported(tree):
            if imported.module == "harness" and imported.name in ("", "dataset", "features"):
                named.update(dict.fromkeys(_FOR_DATA))
            found = imports.find(imported, path)
            if found.library is not None and imported.module:
                named[imported.module] = None
            further = [file for file in found.files if file.suffix == ".py" and file not in seen]
            waiting += further[: _FILES - len(seen)]
            seen.update(further)
    return Preloads(tuple(named), environment)


def _imported(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(node.module or "", alias.name, node.level) for alias in node.names)


def _environment(tree: ast.Module) -> dict[str, str] | None:
    """Return the variables that a file sets to plain texts; None if it does something else to them."""
    found: dict[str, str] = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(
                targets=[ast.Subscript(value=place, slice=ast.Constant(value=str(name)))],
                value=ast.Constant(value=str(text)),
            ) if _is_environ(place):
                found[name] = text
            case _ if any(_changes(node) for node in _now(statement)):
                return None
    return found


def _is_environ(node: ast.expr) -> bool:
    return getattr(node, "attr", getattr(node, "id", "")) == "environ"


def _now(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs before experiments are imported: in functions, only in pytest's hooks."""
    if isinstance(statement, _Scope) and not getattr(statement, "name", "").startswith("pytest_"):
        return
    yield statement
    for child in ast.iter_child_nodes(statement):
        yield from _now(child)


def _changes(node: ast.AST) -> bool:
    """Return whether a node may change the environment; to read a variable is no change."""
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute) and _is_environ(function.value):
            return function.attr not in ("get", "copy", "keys", "items", "values")
        return getattr(function, "attr", getattr(function, "id", "")) in _SETTING
    if isinstance(node, ast.Subscript):
        return _is_environ(node.value) and not isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.AugAssign) and _is_environ(node.target)
