"""A folder in; a rehearsal that listens on loopback, for as long as the block lasts, out."""

from __future__ import annotations

import hashlib
import shutil
import socket
import threading
import uuid
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from werkzeug.serving import make_server

from harness.lock import HeldError, exclusive
from harness.rehearsal import isolation as isolations
from harness.rehearsal.address import REGION, Address, configuration
from harness.rehearsal.admission import Admission
from harness.rehearsal.faults import Faults
from harness.rehearsal.front import Front
from harness.rehearsal.instances import Instances
from harness.rehearsal.journal import Journal
from harness.rehearsal.logs import Logs
from harness.rehearsal.objects import Objects
from harness.rehearsal.operations import Operations
from harness.rehearsal.roles import Roles
from harness.rehearsal.training import Site

_GRACE = 3.0
_NEVER = 3600.0
"""Seconds between two looks whether the server is to end: it is told."""


class Rehearsal:
    """A service on loopback that plays SageMaker; a context manager.

    folder: keeps what clients put into buckets (s3/) and, until the next service starts there, the
    folders of jobs (jobs/); instances: how many jobs run at once (default: one a core);
    isolation: "bubblewrap", "folder" or None: bubblewrap where it works; hide: folders that look empty
    to a job (bubblewrap only); grace: seconds that a job has to tidy up when it is stopped.

    Raises ValueError for another isolation, OSError if bubblewrap is asked for and does not work.
    """

    def __init__(
        self,
        folder: Path,
        *,
        instances: int | None = None,
        isolation: str | None = None,
        hide: Iterable[Path] = (),
        grace: float = _GRACE,
    ) -> None:
        self._folder = folder.resolve()
        self._instances = Instances(instances)
        # The rehearsal's own folder holds what other jobs and clients have put.
        self._isolation = isolations.of(isolation, (self._folder, *hide))
        self._grace = grace
        self.faults = Faults()
        """What is to go wrong."""
        self.journal = Journal()
        """The calls up to now."""

    def __enter__(self) -> Rehearsal:
        self._held = ExitStack()
        try:
            self._open(self._held)
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def _open(self, held: ExitStack) -> None:
        account = _account(self._folder)
        objects = Objects(account, self._folder)
        held.callback(objects.close)
        objects.restore()
        bucket = f"rehearsal-{account}"
        objects.create(bucket)
        roles = Roles(account, objects.lock)
        role = roles.create()
        jobs = _own(self._folder / "jobs", held)
        defaults = jobs / "sagemaker.yaml"
        defaults.write_text(configuration(bucket, role), encoding="utf-8")
        server = make_server("127.0.0.1", 0, _closed, threaded=True, request_handler=_handler())
        held.callback(server.server_close)
        self.address = Address(
            endpoint=f"http://127.0.0.1:{server.server_port}",
            bucket=bucket,
            role=role,
            region=REGION,
            isolation=self._isolation.kind,
            instances=self._instances.count,
            configuration=str(defaults),
        )
        site = Site(
            endpoint=self.address.endpoint,
            folder=jobs,
            objects=objects,
            logs=Logs(account, objects.lock),
            instances=self._instances,
            isolation=self._isolation,
            faults=self.faults,
            grace=self._grace,
        )
        operations = Operations(account, site, Admission(roles, objects, self.faults))
        server.app = Front(self.address, operations, objects, self.faults, self.journal)
        thread = threading.Thread(target=server.serve_forever, args=(_NEVER,), daemon=True)
        thread.start()
        held.callback(_shut, server, thread)
        held.callback(operations.close)

    @property
    def endpoint(self) -> str:
        """URL of all its services."""
        return self.address.endpoint

    @property
    def bucket(self) -> str:
        """Name of a bucket that exists, the same one in every rehearsal on the same folder."""
        return self.address.bucket

    @property
    def role(self) -> str:
        """ARN of a role that jobs may take on."""
        return self.address.role

    @property
    def region(self) -> str:
        """The region that is played."""
        return self.address.region

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point boto3 and the SDK at it; see `address.astray` for those to unset."""
        return self.address.environment


def _account(folder: Path) -> str:
    """Return an account of its own for a folder: rehearsals in one process share moto, but no account."""
    return str(int.from_bytes(hashlib.blake2b(bytes(folder), digest_size=8).digest()) % 10**12).zfill(12)


def _own(folder: Path, held: ExitStack) -> Path:
    """Return a folder of this service's own, and remove those of services that have ended."""
    folder.mkdir(parents=True, exist_ok=True)
    for other in [path for path in folder.iterdir() if path.is_dir()]:
        lock = other.with_suffix(".lock")
        with suppress(HeldError), exclusive(lock, seconds=0):
            shutil.rmtree(other, ignore_errors=True)
            lock.unlink(missing_ok=True)
    own = folder / uuid.uuid4().hex[:8]
    held.enter_context(exclusive(own.with_suffix(".lock"), seconds=0))
    own.mkdir()
    return own


def _shut(server: Any, thread: threading.Thread) -> None:
    """End a server that waits for a call: one comes."""
    ending = threading.Thread(target=server.shutdown)
    ending.start()
    while ending.is_alive():
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.server_port), timeout=1):
            pass
        ending.join(0.01)
    thread.join()


def _closed(_: Any, start: Any) -> list[bytes]:
    start("503 Slow Down", [])
    return []


def _handler() -> Any:
    """Return moto's handler of requests, which keeps S3's metadata as they are spelt, without its log."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        def log(self, *_: Any) -> None:
            """Say nothing of each call."""

        def connection_dropped(self, *_: Any) -> None:
            """Say nothing of clients that have ended."""

    return Handler
