"""What S3, or the way to it, raises in; what was wrong with which bucket, and what to set, out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    LoginError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from harness.errors import HarnessError

_BUCKET = "--sagemaker-bucket=NAME or sagemaker_bucket in the ini file"
LOGIN = (
    "run `aws configure` or `aws sso login`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY"
)
_NO_CREDENTIALS = (
    NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError, SSOError,
    LoginError,
)  # fmt: skip
_BAD_CREDENTIALS = frozenset(
    ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "InvalidToken",
     "InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
     "AuthFailure")
)  # fmt: skip
_ELSEWHERE = frozenset(
    ("301", "307", "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
     "IllegalLocationConstraintException")
)  # fmt: skip
_FORBIDDEN = frozenset(("403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled"))
PASSING = frozenset(
    ("Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException",
     "RequestLimitExceeded", "SlowDown", "InternalFailure", "InternalError", "InternalServerError",
     "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException")
)  # fmt: skip
"""Codes of errors that may be gone when one asks again."""
_ACTIONS: Mapping[str, str] = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
}
"""What IAM calls the permission for an operation."""


class BucketError(HarnessError):
    """A bucket cannot be used, or S3 cannot be reached."""


class UnreachedError(BucketError):
    """S3 was not reached or is too busy: it may answer when it is asked again."""


class ObjectError(BucketError, LookupError):
    """An object that should be there is not."""

    def __str__(self) -> str:
        return HarnessError.__str__(self)


@contextmanager
def told(bucket: str, *, key: str = "", region: str = "", kms_key: str | None = None) -> Iterator[None]:
    """Raise what S3 refuses as a BucketError of one sentence, an object that is missing as an ObjectError.

    key: what was asked for in the bucket; region: of the client; kms_key: which objects are locked with.
    """
    try:
        yield
    except ClientError as error:
        raise _refusal(error, bucket, key, region, kms_key) from error
    except _NO_CREDENTIALS as error:
        raise BucketError(
            f"there are no AWS credentials for bucket {bucket!r}: {_line(error)}", LOGIN
        ) from error
    except ParamValidationError as error:
        raise BucketError(
            f"S3 can have no bucket {bucket!r} with an object {key!r}: {_line(error)}", f"set {_BUCKET}"
        ) from error
    except BotoCoreError as error:
        raise UnreachedError(
            f"S3 was not reached for bucket {bucket!r}: {_line(error)}",
            "check the network, a proxy, a VPC's endpoint for S3, and sagemaker_region",
        ) from error


def _refusal(error: ClientError, bucket: str, key: str, region: str, kms_key: str | None) -> BucketError:
    answer: Mapping[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", "unknown"))
    said = " ".join(str(answer.get("Error", {}).get("Message") or "").split()) or "without a reason"
    if code == "NoSuchBucket" or (code == "404" and not key):
        return BucketError(f"there is no bucket {bucket!r}", f"make it, or name another one with {_BUCKET}")
    if code in ("404", "NoSuchKey", "NotFound"):
        return ObjectError(
            f"s3://{bucket}/{key} does not exist", "it was deleted, or never written: run the trial again"
        )
    if code in _ELSEWHERE:
        home = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
        return elsewhere(bucket, home or answer.get("Error", {}).get("Region"), region)
    if code in _BAD_CREDENTIALS or code == "400":  # S3's answer to HEAD says no more
        return BucketError(f"S3 refuses the credentials for bucket {bucket!r} ({code}: {said})", LOGIN)
    if code in PASSING or answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        return UnreachedError(f"S3 is too busy for bucket {bucket!r} ({code}: {said})", "try again later")
    if code.startswith("KMS."):
        return BucketError(
            f"S3 cannot use the KMS key {kms_key or 'of the bucket'} for bucket {bucket!r} ({code}: {said})",
            "set sagemaker_kms_key or --sagemaker-kms-key=KEY to a key that works in the bucket's region",
        )
    if code in _FORBIDDEN:
        return _forbidden(str(error.operation_name), said, bucket, kms_key)
    return BucketError(
        f"S3 refuses {error.operation_name} in bucket {bucket!r} ({code}: {said})",
        f"try again, or name another bucket with {_BUCKET}",
    )


def _forbidden(operation: str, said: str, bucket: str, kms_key: str | None) -> BucketError:
    named = re.search(r"\b(?:s3|kms):\w+", said)
    action = named[0] if named else _ACTIONS.get(operation, f"s3:{operation}")
    if action == "s3:ListBucket":
        what = f"arn:aws:s3:::{bucket}"
    elif action.startswith("kms:"):
        what = f"the key {kms_key or 'of the bucket'}"
    else:
        what = f"arn:aws:s3:::{bucket}/*"
    also = f" and kms:GenerateDataKey and kms:Decrypt on {kms_key}" if kms_key and not named else ""
    return BucketError(
        f"S3 forbids {operation} in bucket {bucket!r} ({said})",
        f"ask for the IAM action {action} on {what}{also}, or, if the bucket is another account's, "
        f"name your own with {_BUCKET}",
    )


def elsewhere(bucket: str, home: str | None, region: str) -> BucketError:
    """Return the error that a bucket is in another region; home: its own, if that is known."""
    return BucketError(
        f"bucket {bucket!r} is in {f'region {home}' if home else 'another region'}, not in "
        f"{region or 'the one asked for'}",
        f"name a bucket there with {_BUCKET}"
        + (
            f", or set sagemaker_region or --sagemaker-region={home}" if home else ", or set sagemaker_region"
        ),
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
