"""Declared objectives in; a refusal, before anything runs, of those that no trial could reach, out."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from harness.declarations import ExperimentDeclaration
from harness.errors import DeclarationError
from harness.scoring.metrics import Metric, objective


def check(
    place: str,
    function: Callable[..., Any],
    declaration: ExperimentDeclaration,
    metrics: Mapping[str, Metric],
    *,
    has_data: bool,
) -> None:
    """Raise DeclarationError, naming `place`, for an objective that is no score and cannot be logged.

    A name that is no score is allowed where the trial may log it: in an experiment without data, and
    in one whose function calls `trial.log` or hands `trial` to another function.
    """
    logged = not has_data or _may_log(function)
    try:
        objective(declaration.maximize, declaration.minimize, metrics, logged=logged)
    except DeclarationError as error:
        raise DeclarationError(f"{place}: {error.problem}", error.remedy) from None


def _may_log(function: Callable[..., Any]) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):  # no source to read: the trial itself will tell
        return True
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trial"
    ]
    uses = sum(isinstance(node, ast.Name) and node.id == "trial" for node in ast.walk(tree))
    return uses > len(calls) or any(node.attr == "log" for node in calls)
