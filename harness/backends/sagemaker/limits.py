"""A request for SageMaker in; what the service would reject of it out, by botocore's own model."""

from __future__ import annotations

import difflib
import functools
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from harness.backends.sagemaker import rules

_CLASSES = {
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{L}": r"\w",  # both take letters and figures of every script, and "_" besides
    r"\p{N}": r"\w",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
"""Classes of Java's patterns that Python lacks, as they stand between brackets."""

_LISTED = 12
"""Allowed values that are all shown; of more, those that look alike."""

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "a whole number"),
    "long": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
    "timestamp": ((datetime, int, float, str), "a time"),
    "list": ((list, tuple), "a list"),
    "map": ((Mapping,), "a mapping"),
    "structure": ((Mapping,), "a mapping"),
}


def violations(operation: str, request: Mapping[str, Any]) -> list[str]:
    """Return why SageMaker would reject a request, one sentence each; empty if it would not.

    operation: as botocore's model has it, "CreateTrainingJob". Its shape is checked first: required and
    unknown members, types, bounds, patterns and enumerations, of which botocore itself checks but the
    first three and the lower bounds. What members say together (see `rules`) is checked of a request
    of the right shape. Raises KeyError for an operation that SageMaker does not have.
    """
    shape = _members(operation)
    found = list(_structure(shape, request, "", operation))
    return found or list(rules.conflicts(operation, request))


@functools.cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


def operations() -> Sequence[str]:
    """Return the names of all operations of SageMaker."""
    names: Sequence[str] = _model().operation_names
    return names


def _members(operation: str) -> Any:
    if operation not in operations():
        raise KeyError(operation)
    return _model().operation_model(operation).input_shape


def _walk(shape: Any, value: Any, path: str) -> Iterator[str]:
    accepted, wanted = _TYPES[shape.type_name]
    fits: bool = isinstance(value, accepted) and (bool in accepted or not isinstance(value, bool))
    if not fits:
        yield f"{path} {_short(value)} is not {wanted}"
    elif shape.type_name == "structure":
        yield from _structure(shape, value, f"{path}.", path)
    elif shape.type_name == "list":
        yield from _size(shape, value, path, "items")
        for number, item in enumerate(value):
            yield from _walk(shape.member, item, f"{path}[{number}]")
    elif shape.type_name == "map":
        yield from _size(shape, value, path, "entries")
        for key, item in value.items():
            yield from _walk(shape.key, key, f"{path} key")
            yield from _walk(shape.value, item, f"{path}[{_short(key)}]")
    elif shape.type_name == "string":
        yield from _string(shape, value, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _number(shape, value, path)


def _structure(shape: Any, value: Mapping[str, Any], prefix: str, owner: str) -> Iterator[str]:
    members = shape.members if shape is not None else {}
    for name in getattr(shape, "required_members", ()):
        if value.get(name) is None:
            yield f"{prefix}{name} is missing"
    for name, item in value.items():
        if name not in members:
            close = difflib.get_close_matches(str(name), members, 1)
            yield f"{prefix}{name} is unknown to {owner}" + (f", which has {close[0]}" if close else "")
        elif item is not None or name not in shape.required_members:
            yield from _walk(members[name], item, f"{prefix}{name}")


def _size(shape: Any, value: Any, path: str, things: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if high is not None and len(value) > high:
        yield f"{path} has {len(value)} {things}, at most {high}"
    if low is not None and len(value) < low:
        yield f"{path} has {len(value)} {things}, at least {low}"


def _number(shape: Any, value: float, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if high is not None and value > high:
        yield f"{path} is {value}, at most {high}"
    if low is not None and value < low:
        yield f"{path} is {value}, at least {low}"


def _string(shape: Any, value: str, path: str) -> Iterator[str]:
    shown = f"{path} {_short(value)}"
    wrong = list(_size(shape, value, shown, "characters"))
    if wrong:
        yield from wrong  # many patterns would say it once more
        return
    pattern = _compiled(shape.metadata.get("pattern", ""))
    if pattern is not None and not pattern.fullmatch(value):
        yield f"{shown} does not match {shape.metadata['pattern']}"
    enum = shape.metadata.get("enum")
    if enum and value not in enum:
        allowed = enum if len(enum) <= _LISTED else difflib.get_close_matches(value, enum, 3)
        yield f"{shown} is none of {', '.join(allowed) or f'{len(enum)} allowed values'}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a pattern as Python has it, Java's classes approximated; None: there is nothing to check."""
    for theirs, ours in _CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    try:
        return re.compile(pattern) if pattern else None
    except re.error:  # a few of operations that have nothing to do with training
        return None


def _short(value: object) -> str:
    form = reprlib.Repr()
    form.maxstring = 60
    return form.repr(value)
