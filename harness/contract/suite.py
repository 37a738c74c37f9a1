"""A suite file in Great Expectations' JSON format, read and checked without Great Expectations."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contract.verdict import BREAKING, SEVERITIES
from harness.errors import ContractError

__tracebackhide__ = True

_SUITE_KEYS = frozenset({"name", "expectations", "meta", "notes", "id", "suite_parameters"})
_ENTRY_KEYS = frozenset({"type", "kwargs", "meta", "notes", "severity", "id", "description"})
_WRITTEN_BY_GX = frozenset({"rendered_content", "success_on_last_run", "expectation_context"})
_LEGACY = {"expectation_suite_name": "name", "expectation_type": "type"}
_NOT_KWARGS = _ENTRY_KEYS | _WRITTEN_BY_GX


@dataclass(frozen=True, slots=True)
class Suite:
    """The expectations of one file: at least one, each with a type, kwargs and a valid severity."""

    file: str
    """For messages: the path, relative to the working directory if it lies there."""
    content: Mapping[str, Any]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The expectations as they stand in the file."""
        return list(self.content["expectations"])

    @property
    def notes(self) -> str:
        """The data owner's words on the whole suite."""
        return prose(self.content)

    @property
    def canonical(self) -> str:
        """Text that is equal for files that differ in layout only."""
        return json.dumps(self.content, sort_keys=True)


def severity(entry: Mapping[str, Any]) -> str:
    """Return the severity of an expectation of a suite."""
    return str(entry.get("severity", BREAKING))


def prose(value: Mapping[str, Any]) -> str:
    """Return the notes of a suite or an expectation, which may be a text or a list of texts."""
    notes = value.get("notes") or ""
    return " ".join(map(str, notes)) if isinstance(notes, list) else str(notes)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'NAME'?" if a known name is near, else an empty string."""
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(other) for other in near)}?" if near else ""


def place(file: str, position: int, entry: Mapping[str, Any]) -> str:
    """Return how messages name an expectation of a file."""
    return f"{file}: expectations[{position}] ({entry['type']})"


def read(folder: Path, contract: str) -> Suite:
    """Read `folder/contract.json`; raise ContractError unless it is a whole suite."""
    path = folder / f"{contract}.json"
    file = _shown(path)
    content = _parse(_text(path, file, folder, contract), file)
    _check_suite(content, file, contract)
    for position, entry in enumerate(content["expectations"]):
        _check_entry(entry, position, file)
    return Suite(file, content)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _text(path: Path, file: str, folder: Path, contract: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # editors on Windows put a mark before the text
    except FileNotFoundError:
        names = sorted(suite.stem for suite in folder.glob("*.json"))
        near = suggestion(contract, names)
        there = f"the suites in {_shown(folder)} are {', '.join(names)}" if names else "there is no suite yet"
        raise ContractError(
            f"contract {contract!r} has no suite" + (f" ({near})" if near else ""),
            f"create {file} in Great Expectations' JSON format; {there}",
        ) from None
    except OSError as error:
        raise ContractError(
            f"{file} cannot be read: {error.strerror}", "make it a readable JSON file"
        ) from None
    except UnicodeDecodeError as error:
        raise ContractError(f"{file} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None


def _parse(text: str, file: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in pairs:
            if key in values:
                raise ContractError(f"{file} says {key!r} twice in one object", "remove one of the two")
            values[key] = value
        return values

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ContractError(
            f"{file} is not JSON: line {error.lineno} column {error.colno}: {error.msg}",
            'write {"name": …, "expectations": [{"type": …, "kwargs": {…}}]}',
        ) from None


def _check_keys(value: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    for key in value:
        if key in _LEGACY:
            raise ContractError(
                f"{where} has the key {key!r} of Great Expectations before 1.0",
                f"rename it to {_LEGACY[key]!r}",
            )
        if key not in allowed:
            near = suggestion(key, allowed)
            raise ContractError(
                f"{where} has the unknown key {key!r}", near or f"allowed are {', '.join(sorted(allowed))}"
            )


def _check_suite(content: Any, file: str, contract: str) -> None:
    if not isinstance(content, dict):
        raise ContractError(
            f"{file} holds a JSON {_kind(content)}, not an object",
            'write {"name": …, "expectations": [{"type": …, "kwargs": {…}}]}',
        )
    _check_keys(content, _SUITE_KEYS, file)
    if not isinstance(content.get("name"), str) or not content["name"]:
        raise ContractError(f"{file} has no name", f'add "name": "{contract}"')
    expectations = content.get("expectations")
    if not isinstance(expectations, list) or not expectations:
        raise ContractError(
            f"{file} has no expectations, so that any data would pass",
            'add one to its list "expectations", or remove contract= from the data set',
        )


def _check_entry(entry: Any, position: int, file: str) -> None:
    where = f"{file}: expectations[{position}]"
    if not isinstance(entry, dict):
        raise ContractError(
            f"{where} is a JSON {_kind(entry)}, not an object", 'write {"type": …, "kwargs": {…}}'
        )
    _check_keys(entry, _ENTRY_KEYS | _WRITTEN_BY_GX, where)
    if not isinstance(entry.get("type"), str):
        raise ContractError(f"{where} has no type", 'write "type": "expect_…"')
    where = place(file, position, entry)
    kwargs = entry.get("kwargs")
    if not isinstance(kwargs, dict):
        raise ContractError(f"{where} has no kwargs", 'write "kwargs": {…}, empty if it takes none')
    for key in kwargs:
        if key in _NOT_KWARGS:
            raise ContractError(f"{where} has {key!r} among its kwargs", 'move it out, beside "type"')
    for parameter in _parameters(kwargs):
        raise ContractError(
            f"{where} asks for the suite parameter {parameter!r}, which nothing can give it here",
            "write the value itself",
        )
    if severity(entry) not in SEVERITIES:
        raise ContractError(
            f"{where} has the severity {entry['severity']!r}", f"use {', '.join(SEVERITIES[:-1])} or info"
        )


def _parameters(value: Any) -> Iterator[Any]:
    """Yield the suite parameters asked for, as `{"$PARAMETER": NAME}` or as a bare string."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$PARAMETER":
                yield inner
            else:
                yield from _parameters(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parameters(inner)
    elif value == "$PARAMETER":
        yield value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {list: "list", str: "string", bool: "boolean"}.get(type(value), "number")
