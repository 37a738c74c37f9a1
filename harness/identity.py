"""Any value in; a digest that is the same in every process, or None where there can be none, out."""

from __future__ import annotations

import copyreg
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from harness.imports import installed

PLAIN = frozenset({int, float, str, bool, type(None), complex, bytes, type(...)})
"""Types whose `repr` says all."""


def digest(value: Any) -> str | None:
    """Return the digest of a value, 32 hex digits; None if it has none that holds in another process.

    Functions count by their byte code, defaults and closures, classes by their name (their source is
    the business of whoever asks), other objects by what pickling would keep of them: an open file, a
    lock or a class that only exists at run time has no digest.
    """
    try:
        return _Reader().read(value).hex()
    except Exception:  # noqa: BLE001  # pickling runs code of every class in the value
        return None


class _UnstableError(Exception):
    """A value means something in this process only."""


def _hash(kind: str, parts: Iterable[bytes] = ()) -> bytes:
    made = hashlib.blake2b(kind.encode("utf-8", "surrogatepass"), digest_size=16)
    for part in parts:
        made.update(part)  # each of 16 bytes, so that no two lists of parts run into the same text
    return made.digest()


class _Reader:
    """One walk through a value; not pickle's bytes, for they tell equal texts from the same text."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._open: list[int] = []
        self._kept: list[object] = []

    def read(self, value: Any) -> bytes:
        kind = type(value)
        if kind in PLAIN:
            return _hash(f"{kind.__name__} {value!r}")
        number = id(value)
        if number in self._known:
            return self._known[number]
        if number in self._open:
            return _hash(f"above {len(self._open) - self._open.index(number)}")
        self._kept.append(value)  # the identity of a deleted object may be another's
        self._open.append(number)
        found = self._read(value)
        self._open.pop()
        self._known[number] = found
        return found

    def _read(self, value: Any) -> bytes:
        match value:
            case FunctionType():
                return self._function(value)
            case CodeType():
                return self._code(value)
            case ModuleType():
                return _hash(f"module {value.__name__}")
            case type():
                return _hash(f"class {self._name(value)}")
        kind = type(value)
        if kind in (list, tuple):
            return _hash(kind.__name__, map(self.read, value))
        if kind in (set, frozenset):
            return _hash(kind.__name__, sorted(map(self.read, value)))
        if kind is dict:
            return _hash("dict", (self.read(part) for item in value.items() for part in item))
        return self._reduced(value)

    def _function(self, function: FunctionType) -> bytes:
        if _is_importable(function) and installed(Path(function.__code__.co_filename)):
            return _hash(f"function {self._name(function)}")
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        parts = (function.__defaults__, function.__kwdefaults__, cells, function.__dict__)
        return _hash("function", map(self.read, (function.__code__, *parts)))

    def _code(self, code: CodeType) -> bytes:
        if code.co_filename.startswith("<"):
            raise _UnstableError("nobody knows what its global names stand for")
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        parts = (code.co_code, code.co_exceptiontable, code.co_consts, *names, counts)
        return _hash("code", map(self.read, parts))

    def _reduced(self, value: Any) -> bytes:
        reduce = copyreg.dispatch_table.get(type(value))
        made = value.__reduce_ex__(4) if reduce is None else reduce(value)
        if isinstance(made, str):  # a global name
            return _hash(f"{type(value).__qualname__} {getattr(value, '__module__', None)} {made}")
        function, arguments, state, items, pairs = (*made, None, None, None)[:5]
        parts = (function, arguments, state, list(items or ()), [list(pair) for pair in pairs or ()])
        return _hash("object", map(self.read, parts))

    @staticmethod
    def _name(value: Any) -> str:
        if not _is_importable(value):
            raise _UnstableError(f"{value!r} only exists at run time")
        return f"{value.__module__}.{value.__qualname__}"


def _is_importable(value: Any) -> bool:
    found: object = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value
