"""What a trial gave in a container in; a file, or lines of a log, that prove to be whole, out, and back."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import HarnessError
from harness.pool.messages import Answer
from harness.results import PAYLOAD, JsonRecord

NAME = "answer.json"
"""Of the file among a job's output."""
RAISED = "the trial raised"
"""Starts the failure of a job whose log carries the record."""
_FORMAT = 1
_MARK = "harness answer"
_INVOKED = "Invoking script with the following command"
"""What the toolkit says after all that it has set up."""
_WIDEST = 400
"""Characters of a line that are shown."""
_PIECE = 8_000
"""Characters of a line; a log takes 256 KiB."""


class RecordError(HarnessError):
    """What came back from a container is no whole record of this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(JsonRecord):
    """What one trial gave in its container."""

    harness: str
    """Version of the harness."""
    job: str
    """Name of the training job."""
    node_id: str
    reports: Sequence[Mapping[str, Any]]
    warnings: Sequence[Mapping[str, Any]] = field(default_factory=list)
    late: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Reports of faults in tearing down what the trial had set up for others."""
    late_warnings: Sequence[Mapping[str, Any]] = field(default_factory=list)
    exited: Sequence[Any] | None = None
    """Reason and exit code, if the trial called `pytest.exit`."""
    values: Mapping[str, Any] | None = None
    """What a tuning job chose for a search, in its plain form."""

    @property
    def answer(self) -> Answer:
        """What pytest is to see."""
        return Answer(self.reports, self.warnings)

    @property
    def payload(self) -> Mapping[str, Any]:
        """The trial's own record, packed; empty if it called `pytest.exit`."""
        return next((report[PAYLOAD] for report in self.reports if PAYLOAD in report), {})

    @property
    def later(self) -> Answer | None:
        """What pytest is to see of what came after the trial; None: nothing."""
        return Answer(self.late, self.late_warnings) if self.late or self.late_warnings else None


def dump(record: JobRecord) -> bytes:
    """Return a record as the content of a file."""
    body = json.dumps(record.to_json(), default=str)
    return json.dumps({"format": _FORMAT, "checksum": _checksum(body), "body": body}).encode()


def load(content: bytes, version: str) -> JobRecord:
    """Return the record of a file; raise RecordError if it was cut short, changed, or of another version."""
    try:
        outer = json.loads(content)
        form, body = outer["format"], outer["body"]
        whole = outer["checksum"] == _checksum(body)
        values = json.loads(body)
    except (ValueError, LookupError, TypeError, AttributeError):
        whole, form, values = False, None, None
    if form is not None and form != _FORMAT:
        raise RecordError(
            f"the record of the trial has format {form!r}, not {_FORMAT}",
            "the container ran another version of the harness",
        )
    if not whole:
        raise RecordError(
            f"the record of the trial is damaged: {len(content)} bytes that are no whole record"
        )
    if values.get("harness") != version:
        raise RecordError(
            f"the record of the trial is of harness {values.get('harness')}, {version} runs here",
            "use one version in a run",
        )
    try:
        return JobRecord.from_json(values)
    except TypeError as error:
        raise RecordError(f"the record of the trial lacks something: {error}") from None


def lines(content: bytes) -> Iterator[str]:
    """Yield the lines of a log that carry a file: nothing says that output of failed jobs is kept."""
    text = base64.b64encode(zlib.compress(content)).decode()
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    for number, piece in enumerate(pieces, 1):
        yield f"{_MARK} {number}/{len(pieces)} {piece}"


def found(log: Iterable[str]) -> bytes | None:
    """Return the file that lines of a log carry; None if not all of them are there."""
    pieces: dict[int, str] = {}
    total = 0
    for line in log:
        if line.startswith(_MARK):
            number, _, piece = line.removeprefix(_MARK).strip().partition(" ")
            place, _, of = number.partition("/")
            if place.isdecimal() and of.isdecimal():
                pieces[int(place)] = piece.strip()
                total = int(of)
    if not total or sorted(pieces) != list(range(1, total + 1)):
        return None
    try:
        return zlib.decompress(base64.b64decode("".join(pieces[n] for n in range(1, total + 1))))
    except (ValueError, zlib.error):
        return None


def tail(log: Iterable[str], most: int) -> list[str]:
    """Return the last lines of a log that are of the trial: without the toolkit's own and those of a file."""
    lines = [
        line if len(line) <= _WIDEST else f"{line[:_WIDEST]}…" for line in log if not line.startswith(_MARK)
    ]
    start = next((i for i, line in enumerate(lines) if line.startswith(_INVOKED)), -1)
    return lines[start + 1 :][-most:]


def _checksum(body: str) -> str:
    return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()
