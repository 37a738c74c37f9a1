"""Experiment files in; trials, gates and contract items out, each an ordinary `pytest.Function`."""

from __future__ import annotations

import ast
import fnmatch
import inspect
import sys
import unittest
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest

from harness.declarations import DatasetDeclaration, declared
from harness.errors import DeclarationError, HarnessError
from harness.parametrization import expand, needs_trial, search_of, unsearched
from harness.space import Search

__tracebackhide__ = True

Role = Literal["contract", "trial", "gate"]

ROLE = pytest.StashKey[Role]()
DATASET = pytest.StashKey[DatasetDeclaration]()
"""The data set that a contract item prepares."""
INDEX = pytest.StashKey[int]()
"""Position of a trial within its experiment."""
VALUES = pytest.StashKey[dict[str, Any]]()
"""Hyperparameters of a trial that belongs to a search, as the user sees them; there once they are chosen."""
_SEARCH = pytest.StashKey[Search]()

FIXTURE = type(pytest.fixture(lambda: None))
EXPERIMENT = "experiment_"
GATE = "gate_"


def role(item: pytest.Item) -> Role | None:
    """Return what an item is to the harness; None for an ordinary test."""
    return item.stash.get(ROLE, None)


def experiment_name(item: pytest.Item) -> str:
    """Return the name of the experiment that a trial belongs to."""
    return str(getattr(item, "originalname", None) or item.name)


def searched(item: pytest.Item) -> Search | None:
    """Return the search that a trial belongs to."""
    return item.stash.get(_SEARCH, None)


def requested(item: pytest.Item) -> list[str]:
    """Return the names of all fixtures an item needs, also through other fixtures."""
    return list(getattr(item, "fixturenames", ()))


class _Collector(pytest.Collector):
    """What experiment modules and the classes in them have in common."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        # Asked again when a selection is widened: the items must be the same objects.
        children = self.stash.get(_CHILDREN, None)
        if children is None:
            children = list(super().collect())  # type: ignore[safe-super]
            for item in children:
                if isinstance(item, pytest.Function):
                    _label(item)
            for name, trials in _by_experiment(children).items():
                for index, trial in enumerate(trials):
                    trial.stash[INDEX] = index
                pytest.register_fixture(name=name, func=_results(name), node=self.session, scope="session")
                search = searched(trials[0])
                for parameter in search.ranges if search else ():
                    pytest.register_fixture(
                        name=parameter, func=unsearched(parameter, name), node=self.session
                    )
            self.stash[_CHILDREN] = children
        return children

    def items(self) -> Iterator[pytest.Function]:
        """Yield every item below, selected or not."""
        for child in self.collect():
            if isinstance(child, pytest.Function):
                yield child
            elif isinstance(child, _Collector):
                yield from child.items()

    def istestfunction(self, obj: object, name: str) -> bool:
        if name.startswith((EXPERIMENT, GATE)):
            bare = _bare(obj)
            return callable(bare) and not isinstance(bare, FIXTURE) and self._own(bare, name)
        return bool(super().istestfunction(obj, name))  # type: ignore[misc]

    def istestclass(self, obj: object, name: str) -> bool:
        if name.startswith(("Experiment", "Gate")):
            return inspect.isclass(obj) and not inspect.isabstract(obj) and self._own(obj, name)
        return bool(super().istestclass(obj, name))  # type: ignore[misc]

    def _own(self, obj: Any, name: str) -> bool:
        return True

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)  # the sentence says it all; a traceback would be ours
        return super().repr_failure(excinfo)


_CHILDREN = pytest.StashKey[list[pytest.Item | pytest.Collector]]()


def _bare(obj: object) -> Any:
    return obj.__func__ if isinstance(obj, staticmethod | classmethod) else obj


class ExperimentClass(_Collector, pytest.Class):
    """A class of experiments and gates."""


class ExperimentModule(_Collector, pytest.Module):
    """A file of experiments and gates, or one that defines data sets."""

    @property
    def collected(self) -> bool:
        """Whether its content is known."""
        return _CHILDREN in self.stash

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        children = self.stash.get(_CHILDREN, None)
        if children is None:
            if hasattr(self.config, "workerinput"):
                raise DeclarationError(
                    "experiments cannot be distributed by pytest-xdist: gates need all trials in one place",
                    f"run without -n, or leave out this file by --ignore-glob='*/{self.path.name}'",
                )
            _refuse_shadowed(self.path)
            children = [*self._contracts(), *super().collect()]
            self.stash[_CHILDREN] = children
        return children

    def _own(self, obj: Any, name: str) -> bool:
        # What has another name came from a decorator without functools.wraps: it must not be lost.
        if obj.__module__ == self.obj.__name__ or getattr(obj, "__name__", None) != name:
            return True
        # What an experiment file defines is collected there, and not where it is imported; from any
        # other file it would be collected nowhere.
        home = Path(getattr(sys.modules.get(obj.__module__), "__file__", None) or "")
        patterns = self.config.getini("experiment_files")
        return not any(fnmatch.fnmatch(home.name, pattern) for pattern in patterns)

    def _contracts(self) -> Iterator[pytest.Function]:
        for declaration in loaders(self.obj):
            if declaration.path == self.path:
                item: pytest.Function = pytest.Function.from_parent(
                    self, name=f"contract[{declaration.name}]", callobj=_preparation(declaration)
                )
                item.stash[ROLE] = "contract"
                item.stash[DATASET] = declaration
                yield item


def _label(item: pytest.Function) -> None:
    name = experiment_name(item)
    if name.startswith(EXPERIMENT):
        item.stash[ROLE] = "trial"
        needs_trial(f"{item.path.name}::{name}", item.fixturenames)
        search = search_of(item)
        if search is not None:
            item.stash[_SEARCH] = search
    elif name.startswith(GATE):
        item.stash[ROLE] = "gate"


def _by_experiment(children: Iterable[pytest.Item | pytest.Collector]) -> dict[str, list[pytest.Function]]:
    found: dict[str, list[pytest.Function]] = {}
    for item in children:
        if isinstance(item, pytest.Function) and role(item) == "trial":
            found.setdefault(experiment_name(item), []).append(item)
    return found


def _results(name: str) -> Callable[[Any], Any]:
    """Return the fixture by which a gate asks for an experiment."""

    def results(_harness: Any) -> Any:
        return _harness.experiment(name)

    results.__doc__ = f"Results of the experiment {name}, for gates."
    return results


def _preparation(declaration: DatasetDeclaration) -> Callable[..., None]:
    """Return the body of a contract item: the loader's own fixtures are its arguments."""

    def contract(_harness: Any, **fixtures: Any) -> None:
        _harness.prepare(declaration, fixtures)

    own = inspect.Parameter("_harness", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.signature(declaration.loader)
    wanted = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for p in signature.parameters.values()
        if p.default is inspect.Parameter.empty
    ]
    contract.__signature__ = inspect.Signature([own, *wanted])  # type: ignore[attr-defined]
    contract.__wrapped__ = declaration.loader  # type: ignore[attr-defined]  # where reports point
    return contract


def _refuse_shadowed(path: Path) -> None:
    """Refuse a second definition of a name: Python keeps only the last, silently."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in ast.walk(tree):
        for block in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(block, list):
                _refuse_twins(
                    path, [n for n in block if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
                )


def _refuse_twins(path: Path, functions: list[ast.FunctionDef | ast.AsyncFunctionDef]) -> None:
    names = Counter(function.name for function in functions)
    for function in functions:
        if names[function.name] == 1:
            continue
        decorators = {_decorator(decorator) for decorator in function.decorator_list}
        kind = "data set" if "dataset" in decorators else function.name.split("_")[0]
        if kind == "data set" or function.name.startswith((EXPERIMENT, GATE)):
            lines = [str(twin.lineno) for twin in functions if twin.name == function.name]
            raise DeclarationError(
                f"{path.name} defines the {kind} {function.name!r} {len(lines)} times, in lines "
                f"{', '.join(lines)}",
                "only the last would count: rename or remove the others",
            )


def _decorator(node: ast.expr) -> str:
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Turn the grids or the search of an experiment into pytest parameters."""
    if isinstance(metafunc.definition.parent, _Collector):
        name = experiment_name(metafunc.definition)
        expand(metafunc, name, is_experiment=name.startswith(EXPERIMENT))


def make_item(collector: pytest.Collector, name: str, obj: object) -> pytest.Collector | None:
    """Return the collector of a class of experiments; None leaves the object to pytest."""
    if not isinstance(collector, _Collector) or not inspect.isclass(obj):
        return None
    if collector.istestclass(obj, name) and not issubclass(obj, unittest.TestCase):
        made: pytest.Collector = ExperimentClass.from_parent(collector, name=name, obj=obj)
        return made
    return None


def loaders(module: ModuleType) -> Iterator[DatasetDeclaration]:
    """Yield the data sets that a module names."""
    for value in list(vars(module).values()):
        declaration = declared(value, DatasetDeclaration)
        if declaration is not None:
            yield declaration
