"""What a trial's result depends on in: source, data, parameters, versions; a digest of each part out."""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import harness
from harness.identity import PLAIN, digest
from harness.imports import Imports, installed, packages
from harness.pieces import Piece, pieces
from harness.pieces import digest as digest_pieces
from harness.visibility import visible

UNSTABLE = "unstable"
"""Stands for a digest that nothing equals, not even itself."""

SOURCE, PARAMETERS, THREADS = "source", "parameters", "threads"
MODULE, DATA, VERSION = "module ", "data ", "version of "
"""Names of parts, or how they begin."""

_LIBRARIES = ("numpy", "pandas", "scipy", "sklearn")
"""By which every trial is prepared, seeded or scored."""
_RUNNERS = ("pytest", "_pytest")
"""Which run a trial and do not change what it gives."""


def of_parameters(params: Mapping[str, Any]) -> str:
    """Return the digest of hyperparameters by name; UNSTABLE if a value has none (`identity.digest`)."""
    if all(type(value) in PLAIN for value in params.values()):
        text = repr(sorted(params.items(), key=_first))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return digest(dict(sorted(params.items(), key=_first))) or UNSTABLE


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


class Fingerprints:
    """The fingerprints of one run; reads each file and looks up each library once.

    What is not seen: files that an experiment reads by itself, environment variables, modules whose
    names are made at run time, and how a library was built. Fitted features need no part: they follow
    from source, data, parameters, seed and versions.
    """

    def __init__(self, root: Path, *, seed: int, threads: int) -> None:
        """Take what all trials have in common.

        root: the project's folder, to which names of parts are relative.
        seed: `experiment_seed`. threads: of one fit.
        """
        self._root = root.resolve()
        self._home = Path(harness.__file__).resolve().parent
        self._imports = Imports(self._root)
        self._files: dict[Path, tuple[Piece, ...] | None] = {}
        self._same = {
            "seed": str(seed),
            THREADS: str(threads),
            f"{VERSION}python": platform.python_version(),
            f"{VERSION}harness": _own_version(self._home),
        }

    def shared(
        self,
        path: Path,
        names: Sequence[str],
        *,
        function: Callable[..., Any] | None = None,
        conftests: Sequence[Path] = (),
        requested: Collection[str] = (),
        data: Mapping[str, str],
    ) -> dict[str, str]:
        """Return the parts that all trials of an experiment share: all but "parameters".

        path: the experiment file. names: of the classes around the function, and its own.
        function: as collected; code that no file holds makes the source UNSTABLE.
        conftests: those that apply, and the project's plugin modules; those of the harness are left out.
        requested: names of the fixtures it is known to need, besides those found in the sources.
        data: digest by name of each data set; stands for its loader, too.

        Source counts by its syntax, so that comments, layout and docstrings do not; docstrings do in a
        file that mentions `__doc__`.
        """
        theirs = (file.resolve() for file in conftests)
        own = [path.resolve(), *(file for file in theirs if not file.is_relative_to(self._home))]
        sliced = [self._pieces(file) or () for file in own]
        seen = visible(sliced, {*names, *requested})
        modules, libraries = self._reached(own, seen, function)
        if any("getfixturevalue" in p.uses for file in modules for p in self._pieces(file) or ()):
            seen = [list(file) for file in sliced]  # any fixture, by a name that is made elsewhere
            modules, libraries = self._reached(own, seen, function)
        found = {
            SOURCE: UNSTABLE if _is_typed(function) else self._part(own[0], seen[0]),
            **{self._name(file): self._part(file, s) for file, s in zip(own[1:], seen[1:], strict=True)},
            **{MODULE + self._name(file): self._whole(file) for file in modules},
            **{DATA + name: value for name, value in data.items()},
            **self._same,
        }
        for library in (*_LIBRARIES, *sorted(libraries)):
            name, version = self._imports.version(library)
            found[VERSION + name] = version
        return found

    def _reached(
        self, own: Sequence[Path], seen: Sequence[Sequence[Piece]], function: Callable[..., Any] | None
    ) -> tuple[list[Path], set[str]]:
        """Return the project's modules that the pieces seen of some files import, and the libraries."""
        modules: set[Path] = set()
        libraries: set[str] = set()
        pending = [file for file in (*_homes(function), *_surrounding(own)) if file not in own]
        for file, kept in zip(own, seen, strict=True):
            pending.extend(self._take(file, kept, libraries))
        while pending:
            file = pending.pop()
            if file not in modules:
                modules.add(file)
                pending.extend(self._take(file, self._pieces(file) or (), libraries))
        return sorted(modules), libraries

    def _take(self, file: Path, kept: Iterable[Piece], libraries: set[str]) -> Iterator[Path]:
        for imported in {i for piece in kept for i in piece.imports}:
            found = self._imports.find(imported, file)
            if (
                imported.likely
                and found.library is not None
                and found.library.partition(".")[0] not in _RUNNERS
            ):
                libraries.add(found.library)
            yield from found.files

    def _pieces(self, file: Path) -> tuple[Piece, ...] | None:
        """Return the code of a file; None if it cannot be read as Python."""
        if file not in self._files:
            try:
                found = pieces(file.read_bytes())
            except (OSError, SyntaxError, ValueError, RecursionError):
                self._files[file] = None
            else:
                self._files[file] = tuple(self._settled(piece, file) for piece in found)
        return self._files[file]

    def _settled(self, piece: Piece, file: Path) -> Piece:
        """Return a piece; modules of the project may do more, when they are imported, than to give names."""
        if piece.kind == "import" and any(self._imports.find(i, file).files for i in piece.imports):
            return replace(piece, kind="fixed")
        return piece

    def _part(self, file: Path, seen: Sequence[Piece]) -> str:
        return UNSTABLE if self._pieces(file) is None else digest_pieces(seen)

    def _whole(self, file: Path) -> str:
        known = self._pieces(file)
        if known is not None:
            return digest_pieces(known)
        try:
            return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()  # a compiled module
        except OSError:
            return UNSTABLE

    def _name(self, file: Path) -> str:
        return Path(os.path.relpath(file, self._root)).as_posix()


def _surrounding(own: Iterable[Path]) -> Iterator[Path]:
    for file in own:
        yield from packages(file.parent)


def _functions(function: Callable[..., Any] | None) -> Iterator[Callable[..., Any]]:
    """Yield a function and those that its decorators wrapped."""
    while inspect.isfunction(function):
        yield function
        function = getattr(function, "__wrapped__", None)


def _homes(function: Callable[..., Any] | None) -> Iterator[Path]:
    """Yield the project's files that define a function and its decorators' wrappers."""
    for layer in _functions(function):
        file = Path(layer.__code__.co_filename)
        if file.is_file() and not installed(file):
            yield file.resolve()


def _is_typed(function: Callable[..., Any] | None) -> bool:
    """Return whether a function was made by `exec` or at a prompt, where no source is kept."""
    return any(layer.__code__.co_filename.startswith("<") for layer in _functions(function))


def _own_version(folder: Path) -> str:
    """Return the harness' version; with a digest of its code if that may change under the version."""
    if installed(folder):
        return harness.__version__
    made = hashlib.blake2b(digest_size=6)
    for file in sorted(folder.rglob("*.py")):
        made.update(file.read_bytes())
    return f"{harness.__version__}+{made.hexdigest()}"
