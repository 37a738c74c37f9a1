"""What goes to a worker: frozen records, plain JSON; and what a trial gives, wherever it ran."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.results import JsonRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(JsonRecord):
    """The first message: all that a worker needs to collect the same trials as the pytest process."""

    arguments: Sequence[str]
    """Of pytest."""
    folder: str
    """The working directory."""
    environment: Mapping[str, str]
    path: Sequence[str]
    """sys.path."""
    command: Sequence[str]
    """sys.argv, which the project's code may read."""
    options: Mapping[str, Any]
    """By dest; the worker takes those that pytest has not declared itself."""
    pickled: Mapping[str, str]
    """Options whose values JSON has no word for: as pickles, in base 64; an empty text if that cannot be."""
    run: str
    """Folder of the run, for the files of trials."""
    threads: int
    """Of one fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(JsonRecord):
    """One trial to run."""

    node_id: str
    params: Mapping[str, Any] | None = None
    """Hyperparameters as the pytest process knows them, in JSON's words; None: they are not compared."""
    values: Mapping[str, Any] | None = None
    """What a sampler chose, in its own plain form; None unless the trial belongs to a search."""
    bars: Sequence[Mapping[str, Any]] | None = None
    """What it must reach to go on (`pruning.Bar`); None: it is not watched."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a trial gave, wherever it ran: what pytest is to see, in order."""

    reports: Sequence[Mapping[str, Any]]
    """As `pytest_report_to_serializable` made them."""
    warnings: Sequence[Mapping[str, Any]] = field(default=())
    """As `harness.pool.warned.pack` made them."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where it ran, by the names of tags; nothing for processes of this machine."""


_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")


def alike(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Return whether parameters of two processes are the same, but for addresses in the repr of objects."""
    if some == others:
        return True
    texts = [json.dumps(params, sort_keys=True, default=str) for params in (some, others)]
    return _ADDRESS.sub("", texts[0]) == _ADDRESS.sub("", texts[1])


def plain(value: Any) -> Any:
    """Return a value that prints the same when it has been through JSON: itself, or its `str`."""
    return value if type(value) in (str, int, float, bool, type(None)) else str(value)
