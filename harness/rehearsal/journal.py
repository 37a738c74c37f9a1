"""Calls to the rehearsal in; which ones there have been, in order, out."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d+/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an operation of AWS."""

    service: str
    """As it is signed: "sagemaker", "s3", "iam", "sts", "logs"."""
    operation: str
    resource: str
    """Name of what it is about; "bucket/key" in S3."""
    region: str
    key: str
    """Access key of the caller."""
    form: bool
    """Whether it speaks in forms and is answered in XML, as IAM, STS and EC2 do."""
    body: bytes

    @classmethod
    def of(cls, environ: dict[str, Any]) -> Call:
        """Read a call from a WSGI environment, whose body can be read again."""
        body = _body(environ)
        signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        key, region, service = signed.groups() if signed else ("", "", "s3")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target:
            operation = target.rpartition(".")[2]
            resource = _named(_json(body))
        elif service == "s3":
            operation, resource = _s3(environ)
        else:
            form = parse_qs(body.decode(errors="replace"))
            operation = form.get("Action", ["?"])[0]
            resource = next((values[0] for name, values in form.items() if name.endswith("Name")), "")
        return cls(
            service=service,
            operation=operation,
            resource=resource,
            region=region,
            key=key,
            form=environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"),
            body=body,
        )

    def request(self) -> dict[str, Any]:
        """Return the request of a service that speaks JSON."""
        return _json(self.body)


class Journal:
    """The calls up to now; threads may share it."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()

    def record(self, call: Call) -> None:
        """Add a call."""
        with self._lock:
            self._calls.append((call.service, call.operation, call.resource))

    def calls(self) -> list[tuple[str, str, str]]:
        """Return service, operation and resource of each."""
        with self._lock:
            return list(self._calls)


def _body(environ: dict[str, Any]) -> bytes:
    """Return the whole body and put it back: moto works under a lock, where nobody may wait for a client."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body: bytes = stream.read()
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _named(request: Mapping[str, Any]) -> str:
    """Return the first member that is a name: of a job, a role, a stream."""
    names = ("logStreamName", "TrainingJobName", "HyperParameterTuningJobName", "ResourceArn", "logGroupName")
    return next((str(request[name]) for name in names if name in request), "")


_OF_KEY = {
    ("PUT", "partNumber"): "UploadPart",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", ""): "GetObject",
    ("HEAD", ""): "HeadObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
}
_OF_BUCKET = {
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", ""): "ListObjects",
    ("POST", "delete"): "DeleteObjects",
    ("HEAD", ""): "HeadBucket",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
}
_PLAIN = frozenset({"x-id", "versionId", "prefix", "max-keys", "encoding-type", "delimiter", "marker"})
"""Queries that do not make another operation of it."""


def _s3(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Return operation and resource of a call to S3, by method, path and query."""
    path = str(environ["PATH_INFO"]).encode("latin-1").decode(errors="replace").lstrip("/")
    bucket, _, key = path.partition("/")
    if not bucket:
        return "ListBuckets", ""
    method = environ["REQUEST_METHOD"]
    names = [name for name, _ in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)]
    table = _OF_KEY if key else _OF_BUCKET
    for name in names:
        if (method, name) in table:
            return table[method, name], path
    special = next((name for name in names if name not in _PLAIN and "-" not in name), "")
    if special:
        return f"{method.capitalize()}{special.capitalize()}", path
    operation = table.get((method, ""), method)
    if operation == "PutObject" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        operation = "CopyObject"
    return operation, path
