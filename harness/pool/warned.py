"""Warnings that pytest recorded in one process in; the same, told to pytest in another, out."""

from __future__ import annotations

import builtins
import importlib
import warnings
from collections.abc import Mapping
from typing import Any

import pytest


def pack(message: warnings.WarningMessage, when: str, nodeid: str, location: Any) -> dict[str, Any]:
    """Return what `pytest_warning_recorded` was told as JSON values."""
    return {
        "text": str(message.message),
        "module": message.category.__module__,
        "category": message.category.__qualname__,
        "file": message.filename,
        "line": message.lineno,
        "when": when,
        "nodeid": nodeid,
        "location": None if location is None else list(location),
    }


def tell(config: pytest.Config, packed: Mapping[str, Any]) -> None:
    """Tell pytest and its plugins a warning of `pack`."""
    category = _category(packed["module"], packed["category"])
    try:
        message = category(packed["text"])
    except Exception:  # noqa: BLE001  # a class of the user's own, whose arguments are not known here
        message = UserWarning(packed["text"])
    location = packed["location"]
    config.hook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": warnings.WarningMessage(message, category, packed["file"], packed["line"]),
            "when": packed["when"],
            "nodeid": packed["nodeid"],
            "location": None if location is None else tuple(location),
        }
    )


def warn(config: pytest.Config, text: str) -> None:
    """Let pytest show a warning about the run; filters that make errors of warnings do not meet it."""
    message = pytest.PytestWarning(text)
    place = str(config.inipath or config.rootpath)
    config.hook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": warnings.WarningMessage(message, type(message), place, 1, line=""),
            "when": "config",
            "nodeid": "",
            "location": None,
        }
    )


def _category(module: str, name: str) -> type[Warning]:
    try:
        found = getattr(builtins if module == "builtins" else importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if isinstance(found, type) and issubclass(found, Warning):
        return found
    return type(name, (UserWarning,), {"__module__": module})
