"""HTTP calls of AWS's clients in; answers out: of SageMaker played here, of S3, IAM, STS and Logs by moto."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import create_backend_app

from harness.rehearsal import faults as fault
from harness.rehearsal.address import JOB, REGION, Address
from harness.rehearsal.errors import JSON, XML, RefusalError, forbidden, throttled, unplayed
from harness.rehearsal.journal import Call, Journal
from harness.rehearsal.roles import simulated

if TYPE_CHECKING:
    from harness.rehearsal.faults import Faults
    from harness.rehearsal.objects import Objects
    from harness.rehearsal.operations import Operations

Environ = dict[str, Any]
Start = Callable[..., Any]

CONTROL = "/_rehearsal/"
_MOTO = ("s3", "iam", "sts", "logs")
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 503: "Slow Down"}
_WRITTEN = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})


class Front:
    """The WSGI application of one rehearsal."""

    def __init__(
        self, address: Address, operations: Operations, objects: Objects, faults: Faults, journal: Journal
    ) -> None:
        self._address, self._operations, self._objects = address, operations, objects
        self._faults, self._journal = faults, journal
        self._uploaded = 0
        self._moto: Mapping[str, Any] = {service: create_backend_app(service) for service in _MOTO}

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer a call."""
        if environ["PATH_INFO"].startswith(CONTROL):
            return self._control(environ, start)
        call = Call.of(environ)
        self._journal.record(call)
        if self._faults.dropped(call.operation):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError("dropped on demand")
        try:
            self._permit(call)
            if call.service == "sagemaker":
                answer = self._operations.answer(call.operation, call.request())
                return _send(start, 200, JSON, json.dumps(answer).encode())
            if call.operation == "SimulatePrincipalPolicy":
                return _send(start, 200, XML, simulated(call.body))
        except RefusalError as error:
            return _send(start, error.status, *error.answer(call.service, form=call.form), code=error.code)
        return self._pass(call, environ, start)

    def _permit(self, call: Call) -> None:
        """Refuse what is to go wrong, and what is not played at all."""
        if self._faults.throttled(call.operation):
            raise throttled(call.service)
        barred = call.service == "s3" and self._faults.forbidden(call.resource.partition("/")[0])
        if barred or self._faults.denied(call.operation):
            raise forbidden(call.service, call.operation, self._address.role)
        if call.service not in ("sagemaker", *_MOTO):
            played = ", ".join(("sagemaker", *_MOTO))
            raise unplayed(f"the service {call.service}", f"it plays {played}")
        if call.service == "sagemaker" and call.region != REGION:
            raise unplayed(f"the region {call.region}", f"it plays {REGION}")

    def _pass(self, call: Call, environ: Environ, start: Start) -> Iterable[bytes]:
        """Let moto answer; see to it that what a client puts is kept."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._address.account
        answered: list[Any] = []

        def note(status: str, headers: Any, *rest: Any) -> Any:
            answered[:] = [status, headers, *rest]
            return lambda _: None

        with self._objects.lock:
            body = b"".join(self._moto[call.service](environ, note))
            if call.service == "s3" and call.key != JOB and answered[0].startswith("2"):
                self._keep(call)
        start(*answered)
        return [body]

    def _keep(self, call: Call) -> None:
        bucket, _, key = call.resource.partition("/")
        if call.operation in _WRITTEN:
            self._uploaded += 1
            self._objects.keep(bucket, key)
        elif call.operation == "DeleteObject":
            self._objects.keep(bucket, key)
        elif call.operation in ("DeleteObjects", "DeleteBucket"):
            self._objects.reconcile(bucket)

    def _control(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Tell of the rehearsal, or let things go wrong."""
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(CONTROL)
        if asked == ("GET", "about"):
            return _send(start, 200, JSON, self._address.line().encode())
        if asked == ("GET", "calls"):
            return _send(start, 200, JSON, json.dumps(self.told()).encode())
        if asked == ("DELETE", "faults"):
            self._faults.clear()
            return _send(start, 200, JSON, b"{}")
        if asked == ("POST", "faults"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            try:
                fault.told(self._faults, json.loads(body))
            except ValueError as error:
                return _send(start, 400, "text/plain", str(error).encode())
            return _send(start, 200, JSON, b"{}")
        return _send(start, 404, "text/plain", b"GET about, GET calls, POST faults, DELETE faults")

    def told(self) -> dict[str, Any]:
        """Return the calls up to now, how many training jobs there were and how often an object was put."""
        return {
            "calls": self._journal.calls(),
            "training_jobs": self._operations.count,
            "objects_uploaded": self._uploaded,
        }


def _send(start: Start, status: int, kind: str, body: bytes, *, code: str = "") -> list[bytes]:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-RequestId", "rehearsal")]
    if code and kind == JSON:
        headers.append(("x-amzn-ErrorType", code))
    start(f"{status} {_REASONS[status]}", headers)
    return [body]
