"""A model flows in; bytes that load without the harness and without the project flow out."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import is_
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

__tracebackhide__ = True

_TRAVELLERS = {
    "harness.models.columns",
    "harness.models.model",
    "harness.models.pickling",
    "harness.models.predictions",
}


class Unexplained:
    """What rewritten asserts call at a model's home, where there is no pytest to explain them."""

    def __getattr__(self, name: str) -> Any:
        return lambda *given: str(given[0]) if given else ""


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # skipped by mypy, see pyproject.toml
    def __init__(self, file: io.BytesIO, reduce: Callable[[FunctionType], Any]) -> None:
        """Reduce: for functions of the harness' own modules."""
        super().__init__(file)
        self._reduce = reduce

    def reducer_override(self, value: Any) -> Any:
        home = type(value).__module__
        if home.partition(".")[0] == "harness" and home not in _TRAVELLERS:
            # A closure over a data set would carry all its rows, opened test rows too.
            raise pickle.PicklingError(
                f"it holds a {type(value).__name__} with its rows; compute what you need before"
            )
        # pytest rewrites the asserts of conftest.py and experiment files: their functions refer to it
        if isinstance(value, ModuleType) and value.__name__ == "_pytest.assertion.rewrite":
            return Unexplained, ()
        if isinstance(value, FunctionType) and value.__globals__.get("__name__") in _TRAVELLERS:
            return self._reduce(value)
        return super().reducer_override(value)


class Dumper:
    """Pickles the models of one process, so that they load without the harness and without the project.

    Functions and classes of modules under `project` are pickled by value. What stays the same from one model
    to the next, the functions of the harness' own modules and which modules are the project's, is found once.
    """

    def __init__(self, project: Path) -> None:
        # Texts, not paths: a process has thousands of modules.
        self._roots = tuple(f"{folder}{os.sep}" for folder in (project.resolve(), project))
        self._modules: list[Any] = []
        self._travelling: list[ModuleType] = []
        self._reduced: dict[FunctionType, Any] = {}
        # One for all of them: it gives functions of one module the same globals.
        self._reducer = cloudpickle.Pickler(io.BytesIO())

    def dumps(self, value: Any) -> bytes:
        """Return the pickle of a model; raise PicklingError that names the attribute that has none."""
        with self._by_value():
            content = io.BytesIO()
            try:
                _Pickler(content, self._reduce).dump(value)
            except Exception as error:
                raise pickle.PicklingError(f"{_culprit(value)} cannot be pickled: {error}") from error
            return content.getvalue()

    def _reduce(self, function: FunctionType) -> Any:
        if function not in self._reduced:
            self._reduced[function] = self._reducer.reducer_override(function)
        return self._reduced[function]

    @contextmanager
    def _by_value(self) -> Iterator[None]:
        modules = list(sys.modules.values())
        if len(modules) != len(self._modules) or not all(map(is_, modules, self._modules)):
            self._travelling = list(_travelling(self._roots))
            self._modules = modules
        known = cloudpickle.list_registry_pickle_by_value()
        fresh = [module for module in self._travelling if module.__name__ not in known]
        for module in fresh:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in fresh:
                cloudpickle.unregister_pickle_by_value(module)


def dumps(value: Any, project: Path) -> bytes:
    """Return the pickle of one model, see `Dumper`."""
    return Dumper(project).dumps(value)


def loads(data: bytes) -> Any:
    """Return what `dumps` was given; classes of this process stay as they are."""
    return _Unpickler(io.BytesIO(data)).load()


# No public way leads to it (cloudpickle 3.1). In a version without it, classes are replaced as
# cloudpickle does by itself, and only tracebacks of gates grow longer.
_set_state = getattr(cloudpickle.cloudpickle, "_class_setstate", None)
_skeleton = getattr(cloudpickle.cloudpickle, "_make_skeleton_class", None)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        found = super().find_class(module_name, global_name)
        if found is None:
            return found
        return _complete if found is _set_state else _class if found is _skeleton else found


def _class(kind: type, name: str, bases: tuple[type, ...], about: Mapping[str, Any], *more: Any) -> type:
    """Return the class that a pickle brings; one of the harness' own, whichever process made it, is known."""
    module = sys.modules.get(str(about.get("__module__"))) if about.get("__module__") in _TRAVELLERS else None
    known = getattr(module, name, None)
    if isinstance(known, type):
        return known
    made: type = _skeleton(kind, name, bases, about, *more)  # type: ignore[misc]
    return made


def _complete(kind: type, state: tuple[Mapping[str, Any], Any]) -> type:
    """Fill a class that was made anew.

    cloudpickle recognises a class of this very process, and would give it the methods of the pickled copy,
    whose globals are no longer those of its module.
    """
    if _set_state is not None and not all(name in vars(kind) for name in state[0]):
        _set_state(kind, state)
    return kind


def _travelling(roots: tuple[str, ...]) -> Iterator[ModuleType]:
    """Yield the harness' own modules of a model, and those imported from files under `roots`."""
    for name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType) or module.__name__ != name or name == "__main__":
            continue
        if name in _TRAVELLERS:
            yield module
        elif isinstance(file := vars(module).get("__file__"), str) and file.startswith(roots):
            installed = {"site-packages", "dist-packages", ".venv"} & set(Path(file).parts)
            if not installed and name.partition(".")[0] not in sys.stdlib_module_names:
                yield module


def _culprit(value: Any, depth: int = 10) -> str:
    for name, inner in _inner(value) if depth else ():
        try:
            cloudpickle.dumps(inner)
        except Exception:  # noqa: BLE001  # pickling runs code of every class in the model
            return name + _culprit(inner, depth - 1)
    return f" (a {type(value).__name__})"


def _inner(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", inner) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"[{i}]", inner) for i, inner in enumerate(value))
    elif hasattr(value, "__code__"):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        yield from ((f".{name}", cell.cell_contents) for name, cell in cells)
        names = value.__code__.co_names
        yield from ((f".{name}", value.__globals__[name]) for name in names if name in value.__globals__)
    else:
        slots = (name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()))
        yield from (
            (f".{name}", getattr(value, name, None)) for name in (*getattr(value, "__dict__", ()), *slots)
        )
