"""Versions where pytest was started in; what differs in this process out. Needs the standard library only."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping


def mismatches(wanted: Mapping[str, str], python: str) -> list[str]:
    """Return a sentence for each difference, none if this process has what it needs.

    wanted: versions by name of distribution; builds of one version ("2.9.0+cu126") count as the same.
    python: "3.11" or longer, of which the first two numbers count.
    """
    here = ".".join(map(str, sys.version_info[:2]))
    there = ".".join(python.split(".")[:2])
    found = [] if here == there else [f"Python {here} runs here, {there} where pytest was started"]
    for name, version in sorted(wanted.items()):
        own = _installed(name)
        if own is None:
            found.append(f"{name} is not installed here, {version} where pytest was started")
        elif public(own) != public(version):
            found.append(f"{name} {own} is installed here, {version} where pytest was started")
    return found


def public(version: str) -> str:
    """Return a version without the name of its build."""
    return version.partition("+")[0]


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name) or None
    except (importlib.metadata.PackageNotFoundError, KeyError):  # what is left of it has no version
        return None
