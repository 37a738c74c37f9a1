"""A folder in; the address of a rehearsal in a process of its own, which ends with this one, out."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.pool.processes import Log, python
from harness.rehearsal.address import Address

_PATIENCE = 30.0
"""Seconds that a service that listens may take for an answer, or to end."""


class UnreachableError(Exception):
    """There is no rehearsal at an address, or it did not come up."""


class Service:
    """A rehearsal's process; it is started at once, and nobody waits for it before `address`."""

    def __init__(self, folder: Path, *, isolation: str, hide: Iterable[Path]) -> None:
        arguments = ["--folder", str(folder), "--isolation", isolation]
        for hidden in hide:
            arguments += ["--hide", str(hidden)]
        self._log = Log()
        self._address: Address | None = None
        self._process = subprocess.Popen(
            python("harness.rehearsal.__main__", *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.file,
            # moto has settings of its own, and reads the profile that AWS_PROFILE names when it is imported
            env={name: value for name, value in os.environ.items() if not name.startswith(("MOTO_", "AWS_"))},
            start_new_session=True,  # Ctrl-C is for the experiments: the service ends after them
        )

    def address(self) -> Address:
        """Wait until it listens; raise UnreachableError with what it printed if it ends instead."""
        if self._address is None:
            assert self._process.stdout is not None
            try:
                self._address = Address.of(self._process.stdout.readline())
            except ValueError:
                self._process.wait(_PATIENCE)
                lines = self._log.last().splitlines() or [f"exit code {self._process.returncode}"]
                raise UnreachableError(f"the rehearsal did not start: {lines[-1]}") from None
        return self._address

    def close(self) -> None:
        """End it, and with it its jobs."""
        for end in (self._process.stdin, self._process.stdout):
            assert end is not None
            with contextlib.suppress(OSError):
                end.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def join(endpoint: str) -> Address:
    """Return the address of a rehearsal that listens at an endpoint; raise UnreachableError if none does."""
    try:
        return Address.of(json.dumps(ask(endpoint, "about")))
    except ValueError as error:
        raise UnreachableError(f"{endpoint} is no rehearsal: {error}") from None


def ask(endpoint: str, what: str) -> Any:
    """Return what a rehearsal tells: "about" or "calls"; raise UnreachableError if it does not."""
    where = urlsplit(endpoint)
    try:
        connection = HTTPConnection(where.hostname or "", where.port, timeout=_PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", f"/_rehearsal/{what}")
            return json.loads(connection.getresponse().read())
    except (OSError, ValueError, HTTPException) as error:
        raise UnreachableError(f"{endpoint} is no rehearsal: {error}") from None
