"""Modules that experiments import in; the exact versions of all that a container needs to run them out."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.imports import installed

_OURS = ("pytest", "pandas", "numpy", "pyarrow", "scipy", "sklearn", "threadpoolctl", "cloudpickle")
"""What the harness itself imports where a trial runs."""
_THERE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
"""Where the container differs from this machine, perhaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What must be installed where a trial runs."""

    versions: Mapping[str, str]
    """Exact, by normalised name, in the order of names."""
    local: Sequence[str]
    """Names of what cannot be had by name and version: it was installed from a folder or an address."""


def requirements(modules: Iterable[str]) -> Requirements:
    """Return what must be installed for modules, and for the harness' own work in a container.

    modules: names of installed ones, dotted or not: "sklearn.tree". Those of the standard library, of
        the project and those that are missing are passed over, and the harness, which travels itself.

    The distributions that provide them count, and all that these require on Linux, with extras as far
    as they are asked for. It depends on what is installed, not on what is imported.
    """
    providers = importlib.metadata.packages_distributions()
    wanted = {name for module in (*_OURS, *modules) for name in _providing(module, providers)}
    found = _closure(sorted(wanted))
    local = [name for name, distribution in found.items() if _is_local(distribution)]
    versions = {name: d.version for name, d in sorted(found.items()) if name not in local and d.version}
    return Requirements(versions=versions, local=sorted(local))


def _providing(module: str, providers: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the distributions of a module; of a namespace package, those that hold what is named of it."""
    parts = module.split(".")
    if parts[0] in sys.stdlib_module_names:
        return ()
    names = [
        name for name in dict.fromkeys(providers.get(parts[0], ())) if name
    ]  # what is left of some has none
    if len(names) < 2 or any(_holds(name, f"{parts[0]}/__init__.py") for name in names):
        return names
    for length in range(len(parts), 1, -1):
        inner = "/".join(parts[:length])
        owners = [name for name in names if _holds(name, f"{inner}.py") or _holds(name, f"{inner}/")]
        if owners:
            return owners
    return names


def _holds(name: str, path: str) -> bool:
    record = "\n" + (importlib.metadata.distribution(name).read_text("RECORD") or "")
    return f"\n{path}" in record


def _closure(names: Iterable[str]) -> dict[str, Distribution]:
    """Return distributions by normalised name, with those that they require and that are installed."""
    found: dict[str, Distribution] = {}
    extras: dict[str, set[str]] = {}
    waiting = [(canonicalize_name(name), frozenset({""})) for name in names]
    for name, asked in waiting:  # which grows
        new = asked - extras.setdefault(name, set())
        if name == "harness" or not new:
            continue
        extras[name] |= new
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for required in _required(found[name], new):
            further = frozenset({"", *map(canonicalize_name, required.extras)})
            waiting.append((canonicalize_name(required.name), further))
    return found


def _required(distribution: Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        try:
            required = Requirement(text)
        except InvalidRequirement:  # of an old release, which pip would not read either
            continue
        marker = required.marker
        if marker is None or any(marker.evaluate({**_THERE, "extra": extra}) for extra in extras):
            yield required


def _is_local(distribution: Distribution) -> bool:
    installer = (distribution.read_text("INSTALLER") or "").strip()
    if installer == "conda":  # which leaves the address of its own build there
        return False
    if not installer and not installed(Path(str(distribution.locate_file("")))):
        return True  # a project's own folder
    try:
        return "url" in json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return False
