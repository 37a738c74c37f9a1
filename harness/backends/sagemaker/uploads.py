"""Contents and keys in, objects in a bucket out, each sent once; and what jobs have left there, back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from harness.backends.sagemaker.refusals import elsewhere, told

_CHUNK = 1 << 20
_WHOLE = 64 << 20
"""Bytes that go in one request; more go in parts, of which one that fails is sent again alone."""
_UNTOLD = frozenset({"400", "403", "404"})
"""What HEAD answers, without a text: not there, not to be told, or wrong in a way that PUT will tell."""


class Uploads:
    """One bucket; keys are named by digest, so that what is there is what would be sent.

    Whoever may neither list the bucket nor read the object is told nothing of it by S3: it is sent again.
    Every method raises BucketError with what to set or to ask for.
    """

    def __init__(self, client: Any, bucket: str, kms_key: str | None = None) -> None:
        """Take a boto3 client of S3; kms_key: with which objects are locked, default: as the bucket says."""
        self._client = client
        self._bucket = bucket
        self._kms_key = kms_key
        self._region = str(client.meta.region_name or "")
        self._locked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        self.objects = 0
        """Sent so far."""
        self.sent = 0
        """Bytes of them."""

    def check(self) -> None:
        """Raise BucketError unless the bucket is there, in the client's region, and may be listed."""
        with self._told(""):
            # Of HEAD S3 would not say what is wrong, and boto3 follows a bucket into another region.
            self._client.list_objects_v2(Bucket=self._bucket, MaxKeys=1)
            home = self._client.head_bucket(Bucket=self._bucket).get("BucketRegion")
        if home and self._region and home != self._region:
            raise elsewhere(self._bucket, home, self._region)

    def size(self, key: str) -> int | None:
        """Return the bytes of an object; None if there is none, or nobody may know."""
        with self._told(key):
            try:
                return int(self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
            except ClientError as error:
                if str(error.response["Error"]["Code"]) in _UNTOLD:
                    return None
                raise

    def put(self, key: str, content: bytes | Path) -> bool:
        """Send an object unless there is one; return whether it was sent; OSError for a file."""
        if self.size(key) is not None:
            return False
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        with self._told(key):
            if isinstance(content, bytes):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=content, **self._locked)
            else:
                with content.open("rb") as file:
                    if size <= _WHOLE:
                        self._client.put_object(Bucket=self._bucket, Key=key, Body=file, **self._locked)
                    else:
                        self._client.upload_fileobj(file, self._bucket, key, ExtraArgs=self._locked or None)
        self.objects += 1
        self.sent += size
        return True

    def get(self, key: str, path: Path) -> int:
        """Write an object to a file, whole or not at all; return its bytes.

        Raises ObjectError if there is none, BucketError also for a connection that is cut, OSError.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file, self._told(key):
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                size = 0
                for chunk in answer["Body"].iter_chunks(_CHUNK):
                    size += file.write(chunk)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return size

    def _told(self, key: str) -> Any:
        return told(self._bucket, key=key, region=self._region, kms_key=self._kms_key)
