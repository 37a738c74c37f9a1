"""Everything a project declares, by name: data sets, metrics, experiments and their items."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.collection import (
    DATASET,
    EXPERIMENT,
    FIXTURE,
    ExperimentModule,
    experiment_name,
    loaders,
    role,
)
from harness.declarations import DatasetDeclaration, MetricDeclaration, declared
from harness.errors import DeclarationError

_OF_THE_SESSION = frozenset(
    {"cache", "record_testsuite_property", "record_xml_attribute", "pytester", "testdir"}
)
"""pytest's own fixtures that hold something of the session."""


_OF_OTHERS = ("pyvenv.cfg", "pytest.ini", ".pytest.ini")
"""What makes a folder a virtual environment, or another project of pytest's."""


def _is_foreign(module: ModuleType) -> bool:
    """Return whether a module belongs to another pytest plugin."""
    parts = Path(getattr(module, "__file__", None) or "").parts
    ours = module.__name__.partition(".")[0] in ("_pytest", "pytest", "harness")
    return not ours and bool({"site-packages", "dist-packages"}.intersection(parts))


def _arguments(function: Any) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


class Catalogue:
    """Names to declarations and items; looks into further experiment files when asked for a name."""

    def __init__(self, config: pytest.Config, patterns: tuple[str, ...]) -> None:
        self._config = config
        self._patterns = patterns
        self._modules: dict[Path, list[ExperimentModule]] = {}
        self._datasets: dict[str, DatasetDeclaration] = {}
        self._metrics: dict[str, MetricDeclaration] = {}
        self._shared: set[str] = set()
        self._own: dict[Path, set[str]] = {}
        self._fixtures: dict[str, list[Any]] = {}
        self._foreign: set[str] = set()
        self._tied: dict[Any, str | None] = {}
        self._clash: DeclarationError | None = None

    def metrics(self, path: Path) -> list[MetricDeclaration]:
        """Return the metrics for the experiments of a file: its own, and those of conftests and plugins."""
        names = self._shared | self._own.get(path, set())
        return [metric for name, metric in self._metrics.items() if name in names]

    def registered(self, plugin: object) -> None:
        """Take in what a plugin declares that pytest has just registered."""
        if isinstance(plugin, ModuleType):
            self.scan(plugin)

    def scan(self, module: ModuleType, path: Path | None = None) -> None:
        """Take in what a plugin, conftest or experiment module declares.

        path: of an experiment file; None: what the module declares is for all files.
        """
        for dataset in loaders(module):
            known = self._datasets.setdefault(dataset.name, dataset)
            self._compare("data sets", dataset.name, known.place, dataset.place)
        for value in list(vars(module).values()):
            if isinstance(value, FIXTURE):
                self._fixtures.setdefault(value.name, []).append(value)
                if _is_foreign(module):
                    self._foreign.add(value.name)
            metric = declared(value, MetricDeclaration)
            if metric is not None:
                taken = self._metrics.setdefault(metric.name, metric)
                self._compare("metrics", metric.name, taken.place, metric.place)
                (self._shared if path is None else self._own.setdefault(path, set())).add(metric.name)

    def add(self, module: ExperimentModule) -> None:
        """Take in an experiment file; its content is read when it is collected.

        Of a file that is named beside others pytest makes several modules, and collects one.
        """
        self._modules.setdefault(module.path, []).append(module)

    def _module(self, path: Path) -> ExperimentModule | None:
        made = self._modules.get(path, ())
        return next((module for module in made if module.collected), made[-1] if made else None)

    def check(self) -> None:
        """Raise DeclarationError if a name stands for two things."""
        for module in self._collected():
            shared = self._config.pluginmanager.get_plugin(str(module.path)) is not None
            self.scan(module.obj, None if shared else module.path)
        if self._clash is not None:
            raise self._clash
        self._experiments()

    def _compare(self, kind: str, name: str, first: str, second: str) -> None:
        if first != second:
            self._clash = self._clash or DeclarationError(
                f"two {kind} are called {name!r}: {first} and {second}",
                "a name stands for one thing in a project: rename one",
            )

    def dataset(self, name: str) -> DatasetDeclaration | None:
        """Return the data set of that name, if there is one."""
        return self._datasets.get(name)

    def is_fixture(self, name: str) -> bool:
        """Return whether a user's own fixture has that name."""
        return name in self._fixtures

    def tied(self, item: pytest.Item) -> str | None:
        """Return the fixture by which an item is tied to the pytest process; None for most.

        One of another plugin may hold something of the session: `benchmark` gathers what it measures.
        Only what a function names counts, not what a plugin adds to every test. A coroutine function is
        tied by the plugin that runs it.
        """
        function = getattr(item, "function", None)
        marked = tuple(str(name) for mark in item.iter_markers("usefixtures") for name in mark.args)
        owner = getattr(item, "cls", None)
        key = (function, owner, marked)  # the same for every trial of an experiment
        if key not in self._tied:
            tied = "async" if inspect.iscoroutinefunction(function) else None
            self._tied[key] = tied or self._knot([*_arguments(function), *marked], owner)
        return self._tied[key]

    def _knot(self, waiting: list[str], owner: type | None) -> str | None:
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self._foreign or name in _OF_THE_SESSION:
                return name
            for definition in (*self._fixtures.get(name, ()), getattr(owner, name, None)):
                waiting += _arguments(definition) if isinstance(definition, FIXTURE) else ()
        return None

    def contract(self, session: pytest.Session, declaration: DatasetDeclaration) -> pytest.Function:
        """Return the item that prepares a data set."""
        module = self._module(declaration.path)
        if module is None:
            module = self._open(session, declaration.path, declaration.loader.__module__)
        return next(
            item
            for item in module.items()
            if role(item) == "contract" and item.stash[DATASET].name == declaration.name
        )

    def trials(self, session: pytest.Session, name: str) -> list[pytest.Function]:
        """Return every trial of an experiment in declared order, also from files not collected yet.

        Raises DeclarationError, naming close matches, if no file defines it.
        """
        found = self._experiments()
        if name not in found:
            for path in self._files():
                if f"def {name}(" in path.read_text("utf-8", "replace"):
                    self._items(session, path)
            self.check()
            found = self._experiments()
        if name not in found:  # made by a call
            for path in list(self._modules):
                self._items(session, path)
            self.check()
            found = self._experiments()
        if name not in found:
            close = difflib.get_close_matches(name, found, 1)
            raise DeclarationError(
                f"no experiment is called {name!r}",
                f"did you mean {close[0]!r}?"
                if close
                else f"experiments are {EXPERIMENT}* functions in files {' '.join(self._patterns)}",
            )
        return found[name]

    def gates(self, session: pytest.Session, experiments: Collection[str]) -> list[pytest.Function]:
        """Return every gate of the project that names an experiment, also from files not collected yet.

        Raises DeclarationError if a file that names one of the experiments cannot be collected.
        """
        for path in self._files():
            text = path.read_text("utf-8", "replace")
            named = next((name for name in experiments if name in text), None)
            if named is None:
                continue
            try:
                self._items(session, path)
            except Exception as error:  # noqa: BLE001  # importing it runs code of the user
                reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
                raise DeclarationError(
                    f"{path.name} names {named}, and its gates cannot be collected: {reason}", "mend it"
                ) from None
        self.check()
        return [item for module in self._collected() for item in module.items() if role(item) == "gate"]

    def _items(self, session: pytest.Session, path: Path) -> list[pytest.Function]:
        module = self._module(path) or self._open(session, path, None)
        return list(module.items())

    def _collected(self) -> list[ExperimentModule]:
        """Return the files that were read; pytest makes a module also of files beside the one it is given."""
        return [module for made in self._modules.values() for module in made if module.collected]

    def _experiments(self) -> dict[str, list[pytest.Function]]:
        found: dict[str, list[pytest.Function]] = {}
        for module in self._collected():
            for item in module.items():
                if role(item) == "trial":
                    name = experiment_name(item)
                    if name in found and found[name][0].parent is not item.parent:
                        first = found[name][0]
                        raise DeclarationError(
                            f"two experiments are called {name!r}: {first.nodeid} and {item.nodeid}",
                            "gates ask for an experiment by its name: rename one",
                        )
                    found.setdefault(name, []).append(item)
        return found

    def _files(self) -> Iterator[Path]:
        """Yield the experiment files of the project, as pytest without arguments would meet them."""
        pruned = list(self._config.getini("norecursedirs"))
        for folder, names, files in os.walk(self._config.rootpath):
            here = Path(folder)
            names[:] = sorted(
                name
                for name in names
                if not any(fnmatch.fnmatch(name, pattern) for pattern in pruned)
                and not any((here / name / file).exists() for file in _OF_OTHERS)
            )
            for name in sorted(files):
                if any(fnmatch.fnmatch(name, pattern) for pattern in self._patterns):
                    yield here / name

    def _open(self, session: pytest.Session, path: Path, name: str | None) -> ExperimentModule:
        module: ExperimentModule = ExperimentModule.from_parent(self._parent(session, path.parent), path=path)
        # A conftest or a plugin is imported already: a second import under another name would
        # make a second set of functions.
        imported = self._config.pluginmanager.get_plugin(str(path)) or sys.modules.get(name or "")
        if imported is not None:
            module.obj = imported
        self.add(module)
        return module

    def _parent(self, session: pytest.Session, folder: Path) -> pytest.Collector:
        for module in (module for made in self._modules.values() for module in made):
            for node in module.iter_parents():
                if isinstance(node, pytest.Collector) and node.path == folder:
                    return session if isinstance(node, pytest.Session) and node is not session else node
        if folder in (self._config.rootpath, folder.parent):
            made = pytest.Dir.from_parent(session, path=folder)
        else:
            parent = self._parent(session, folder.parent)
            made = parent.ihook.pytest_collect_directory(path=folder, parent=parent)
        return made if isinstance(made, pytest.Collector) else session
