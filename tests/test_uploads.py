"""Objects in a bucket: sent once, fetched whole, and every refusal says what to set or to ask for."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
)
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from moto import mock_aws

from harness.backends.sagemaker import uploads as module
from harness.backends.sagemaker.refusals import BucketError, ObjectError
from harness.backends.sagemaker.uploads import Uploads
from harness.errors import HarnessError

BUCKET = "shop-models"
NAME = "--sagemaker-bucket=NAME or sagemaker_bucket in the ini file"
LOGIN = (
    "run `aws configure` or `aws sso login`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY"
)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """Nobody's settings of AWS, and credentials of nobody."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")


def s3(region="eu-west-1", **options):
    config = Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=2)
    return boto3.session.Session().client("s3", region_name=region, config=config, **options)


@pytest.fixture
def client():
    """A client of a bucket that moto plays."""
    with mock_aws():
        made = s3()
        made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield made


@pytest.fixture
def stubbed():
    made = s3()
    with Stubber(made) as stubber:
        yield made, stubber
        stubber.assert_no_pending_responses()


def operations(client):
    """Return a list that grows by each request that is sent."""
    sent = []
    client.meta.events.register(
        "before-send.s3", lambda request, **_: sent.append((request.method, dict(request.headers)))
    )
    return sent


def refusal(function, kind=BucketError):
    with pytest.raises(kind) as raised:
        function()
    assert isinstance(raised.value, HarnessError)
    assert raised.value.__cause__ is not None
    return str(raised.value)


# Sending


def test_what_is_not_there_is_sent_and_what_is_there_is_not(client, tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"rows")
    uploads = Uploads(client, BUCKET)

    assert uploads.put("a/sourcedir.tar.gz", b"sources")
    assert uploads.put("a/train.parquet", tmp_path / "train.parquet")
    assert (uploads.objects, uploads.sent) == (2, 11)
    sent = operations(client)
    assert not uploads.put("a/sourcedir.tar.gz", b"sources")
    assert not uploads.put("a/train.parquet", tmp_path / "train.parquet")
    assert not Uploads(client, BUCKET).put("a/train.parquet", b"rows")

    assert [method for method, _ in sent] == ["HEAD"] * 3
    assert (uploads.objects, uploads.sent) == (2, 11)
    assert client.get_object(Bucket=BUCKET, Key="a/sourcedir.tar.gz")["Body"].read() == b"sources"
    assert client.get_object(Bucket=BUCKET, Key="a/train.parquet")["Body"].read() == b"rows"


def test_an_empty_object_is_one(client):
    uploads = Uploads(client, BUCKET)

    assert uploads.put("empty", b"")
    assert not uploads.put("empty", b"")
    assert (uploads.objects, uploads.sent, uploads.size("empty")) == (1, 0, 0)


def test_a_large_file_goes_in_parts(client, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WHOLE", 8 << 20)
    content = os.urandom(9 << 20)
    (tmp_path / "train.parquet").write_bytes(content)
    uploads = Uploads(client, BUCKET, KEY)
    sent = operations(client)

    assert uploads.put("train", tmp_path / "train.parquet")

    assert sorted(method for method, _ in sent) == ["HEAD", "POST", "POST", "PUT", "PUT"]
    assert uploads.sent == len(content)
    assert client.head_object(Bucket=BUCKET, Key="train")["SSEKMSKeyId"] == KEY
    assert uploads.get("train", tmp_path / "back") == len(content)
    assert (tmp_path / "back").read_bytes() == content


def test_objects_are_locked_with_the_key_that_was_named(client, tmp_path):
    (tmp_path / "b").write_bytes(b"b")
    Uploads(client, BUCKET, KEY).put("a", b"a")
    Uploads(client, BUCKET, KEY).put("b", tmp_path / "b")
    Uploads(client, BUCKET).put("c", b"c")

    heads = [client.head_object(Bucket=BUCKET, Key=key) for key in "abc"]
    assert [head.get("SSEKMSKeyId") for head in heads] == [KEY, KEY, None]
    assert [head.get("ServerSideEncryption") for head in heads[:2]] == ["aws:kms"] * 2


@pytest.mark.parametrize("status", [400, 403, 404])
def test_where_head_tells_nothing_the_object_is_sent(status, stubbed):
    """Without s3:ListBucket S3 answers 403 for an object that is missing."""
    client, stubber = stubbed
    stubber.add_client_error("head_object", str(status), http_status_code=status)
    stubber.add_response("put_object", {}, {"Bucket": BUCKET, "Key": "a", "Body": b"a"})
    uploads = Uploads(client, BUCKET)

    assert uploads.put("a", b"a")
    assert uploads.sent == 1


def test_what_was_refused_is_not_counted(stubbed):
    client, stubber = stubbed
    stubber.add_client_error("head_object", "404")
    stubber.add_client_error("put_object", "AccessDenied", "Access Denied")
    uploads = Uploads(client, BUCKET)

    refusal(lambda: uploads.put("a", b"a"))
    assert (uploads.objects, uploads.sent) == (0, 0)


def test_a_file_that_is_gone_is_no_fault_of_the_bucket(client, tmp_path):
    with pytest.raises(FileNotFoundError):
        Uploads(client, BUCKET).put("a", tmp_path / "gone")


# Fetching


def test_an_object_is_fetched_whole(client, tmp_path):
    client.put_object(Bucket=BUCKET, Key="model", Body=b"m" * 3_000_000)
    uploads = Uploads(client, BUCKET)
    path = tmp_path / "runs" / "model.tar.gz"

    assert uploads.size("model") == 3_000_000
    assert uploads.get("model", path) == 3_000_000
    assert path.read_bytes() == b"m" * 3_000_000
    assert os.listdir(path.parent) == ["model.tar.gz"]


def test_an_object_that_is_missing_is_told(client, tmp_path):
    (tmp_path / "model").write_bytes(b"older")
    uploads = Uploads(client, BUCKET)

    assert refusal(lambda: uploads.get("runs/1/model", tmp_path / "model"), ObjectError) == (
        f"s3://{BUCKET}/runs/1/model does not exist; it was deleted, or never written: run the trial again"
    )
    assert uploads.size("runs/1/model") is None
    assert (tmp_path / "model").read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["model"]


def test_a_connection_that_is_cut_leaves_nothing(stubbed, tmp_path):
    client, stubber = stubbed
    body = StreamingBody(io.BytesIO(b"half"), 8)
    stubber.add_response("get_object", {"Body": body, "ContentLength": 8}, {"Bucket": BUCKET, "Key": "a"})

    text = refusal(lambda: Uploads(client, BUCKET).get("a", tmp_path / "a"))

    assert text == (
        f"S3 was not reached for bucket {BUCKET!r}: 4 read, but total bytes expected is 8.; "
        "check the network, a proxy, a VPC's endpoint for S3, and sagemaker_region"
    )
    assert os.listdir(tmp_path) == []


def test_an_interrupt_leaves_nothing(stubbed, tmp_path):
    class Body(io.BytesIO):
        def iter_chunks(self, size):
            yield self.getvalue()
            raise KeyboardInterrupt

    client, stubber = stubbed
    stubber.add_response(
        "get_object", {"Body": Body(b"half"), "ContentLength": 8}, {"Bucket": BUCKET, "Key": "a"}
    )

    with pytest.raises(KeyboardInterrupt):
        Uploads(client, BUCKET).get("a", tmp_path / "a")

    assert os.listdir(tmp_path) == []


# What can be wrong with a bucket


def test_a_bucket_that_can_be_used_is_fine(client):
    Uploads(client, BUCKET).check()


@pytest.mark.parametrize("ask", ["check", "put", "get"])
def test_a_bucket_that_does_not_exist_is_told(ask, client, tmp_path):
    uploads = Uploads(client, "elses")
    call = {
        "check": uploads.check,
        "put": lambda: uploads.put("a", b"a"),
        "get": lambda: uploads.get("a", tmp_path / "a"),
    }[ask]

    assert refusal(call) == f"there is no bucket 'elses'; make it, or name another one with {NAME}"


def test_a_bucket_of_another_region_is_told_though_boto3_would_follow(client):
    uploads = Uploads(s3("us-east-2"), BUCKET)

    with pytest.raises(BucketError) as raised:
        uploads.check()

    assert str(raised.value) == (
        f"bucket {BUCKET!r} is in region eu-west-1, not in us-east-2; "
        f"name a bucket there with {NAME}, or set sagemaker_region or --sagemaker-region=eu-west-1"
    )


@pytest.mark.parametrize(
    ("code", "meta", "home"),
    [
        ("PermanentRedirect", {}, None),
        ("301", {"HTTPHeaders": {"x-amz-bucket-region": "us-west-2"}}, "us-west-2"),
        ("AuthorizationHeaderMalformed", {}, None),
        ("IllegalLocationConstraintException", {}, None),
    ],
)
def test_a_redirect_is_told(code, meta, home, stubbed):
    client, stubber = stubbed
    stubber.add_client_error("list_objects_v2", code, "over there", response_meta=meta)

    assert refusal(Uploads(client, BUCKET).check) == (
        f"bucket {BUCKET!r} is in {f'region {home}' if home else 'another region'}, not in eu-west-1; "
        f"name a bucket there with {NAME}, or set sagemaker_region"
        + (f" or --sagemaker-region={home}" if home else "")
    )


@pytest.mark.parametrize(
    ("ask", "operation", "action", "what"),
    [
        ("check", "list_objects_v2", "s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
        ("put", "put_object", "s3:PutObject", f"arn:aws:s3:::{BUCKET}/*"),
        ("get", "get_object", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/*"),
    ],
)
def test_a_forbidden_bucket_names_the_permission(ask, operation, action, what, stubbed, tmp_path):
    client, stubber = stubbed
    uploads = Uploads(client, BUCKET)
    call = {
        "check": uploads.check,
        "put": lambda: uploads.put("a", b"a"),
        "get": lambda: uploads.get("a", tmp_path / "a"),
    }[ask]
    if ask == "put":
        stubber.add_client_error("head_object", "403", "Forbidden")
    stubber.add_client_error(operation, "AccessDenied", "Access Denied", http_status_code=403)

    name = {"check": "ListObjectsV2", "put": "PutObject", "get": "GetObject"}[ask]
    assert refusal(call) == (
        f"S3 forbids {name} in bucket {BUCKET!r} (Access Denied); ask for the IAM action {action} on {what}, "
        f"or, if the bucket is another account's, name your own with {NAME}"
    )


def test_the_permission_that_aws_names_is_the_one_to_ask_for(stubbed):
    client, stubber = stubbed
    stubber.add_client_error("head_object", "404")
    stubber.add_client_error(
        "put_object",
        "AccessDenied",
        "User: arn:aws:iam::1:user/me is not authorized to perform: kms:GenerateDataKey on resource: key\n"
        "because no identity-based policy allows the kms:GenerateDataKey action",
    )

    text = refusal(lambda: Uploads(client, BUCKET, KEY).put("a", b"a"))

    assert f"; ask for the IAM action kms:GenerateDataKey on the key {KEY}, or, if the" in text
    assert "\n" not in text


def test_with_a_key_its_permissions_are_named_too(stubbed):
    client, stubber = stubbed
    stubber.add_client_error("head_object", "404")
    stubber.add_client_error("put_object", "AccessDenied", "Access Denied")

    assert (
        f"ask for the IAM action s3:PutObject on arn:aws:s3:::{BUCKET}/* and kms:GenerateDataKey and "
        f"kms:Decrypt on {KEY}, or,"
    ) in refusal(lambda: Uploads(client, BUCKET, KEY).put("a", b"a"))


def test_a_part_that_is_forbidden_is_told_as_well(stubbed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WHOLE", 1)
    (tmp_path / "a").write_bytes(b"x" * (9 << 20))
    client, stubber = stubbed
    stubber.add_client_error("head_object", "404")
    stubber.add_client_error("create_multipart_upload", "AccessDenied", "Access Denied")

    text = refusal(lambda: Uploads(client, BUCKET).put("a", tmp_path / "a"))

    assert text.startswith(
        f"S3 forbids CreateMultipartUpload in bucket {BUCKET!r} (Access Denied); "
        f"ask for the IAM action s3:PutObject on arn:aws:s3:::{BUCKET}/*, "
    )


@pytest.mark.parametrize(
    "code", ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "RequestExpired"]
)
def test_credentials_that_are_refused_are_told(code, stubbed):
    client, stubber = stubbed
    stubber.add_client_error("list_objects_v2", code, "The provided token has expired.")

    assert refusal(Uploads(client, BUCKET).check) == (
        f"S3 refuses the credentials for bucket {BUCKET!r} ({code}: The provided token has expired.); {LOGIN}"
    )


def test_what_head_refuses_without_a_word_is_told(stubbed):
    client, stubber = stubbed
    stubber.add_response("list_objects_v2", {}, {"Bucket": BUCKET, "MaxKeys": ANY})
    stubber.add_client_error("head_bucket", "400", "")

    assert refusal(Uploads(client, BUCKET).check) == (
        f"S3 refuses the credentials for bucket {BUCKET!r} (400: without a reason); {LOGIN}"
    )


def test_no_credentials_are_told(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    uploads = Uploads(s3(), BUCKET)

    for call in (uploads.check, lambda: uploads.put("a", b"a")):
        assert refusal(call) == (
            f"there are no AWS credentials for bucket {BUCKET!r}: Unable to locate credentials; {LOGIN}"
        )


@pytest.mark.parametrize(
    "error",
    [
        PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"),
        CredentialRetrievalError(provider="sso", error_msg="expired"),
        UnauthorizedSSOTokenError(),
    ],
)
def test_credentials_that_cannot_be_had_are_told(error, monkeypatch):
    client = s3()
    monkeypatch.setattr(client, "list_objects_v2", raising(error))

    assert refusal(Uploads(client, BUCKET).check) == (
        f"there are no AWS credentials for bucket {BUCKET!r}: {error}; {LOGIN}"
    )


def raising(error):
    def call(**_):
        raise error

    return call


def test_an_endpoint_that_does_not_answer_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        uploads = Uploads(s3(endpoint_url=address), BUCKET)

        text = refusal(uploads.check)

    assert text.startswith(
        f"S3 was not reached for bucket {BUCKET!r}: Could not connect to the endpoint URL: "
        f'"{address}/{BUCKET}?'
    )
    assert text.endswith("; check the network, a proxy, a VPC's endpoint for S3, and sagemaker_region")


@pytest.mark.parametrize("kind", [ConnectTimeoutError, ReadTimeoutError, SSLError])
def test_a_network_that_fails_is_told(kind, monkeypatch):
    client = s3()
    error = kind(endpoint_url="https://s3", error="broken\noff")
    monkeypatch.setattr(client, "list_objects_v2", raising(error))

    text = refusal(Uploads(client, BUCKET).check)

    assert text.startswith(f"S3 was not reached for bucket {BUCKET!r}: ")
    assert "\n" not in text


@pytest.mark.parametrize("name", ["a bucket", "s3://shop", ""])
def test_a_name_that_no_bucket_can_have_is_told(name):
    text = refusal(Uploads(s3(), name).check)

    assert text.startswith(f"S3 can have no bucket {name!r} with an object '': Parameter validation failed: ")
    assert text.endswith(f"; set {NAME}")


@pytest.mark.parametrize("code", ["KMS.NotFoundException", "KMS.DisabledException"])
def test_a_key_that_cannot_be_used_is_told(code, stubbed):
    client, stubber = stubbed
    stubber.add_client_error("head_object", "404")
    stubber.add_client_error("put_object", code, "Key is odd")

    assert refusal(lambda: Uploads(client, BUCKET, KEY).put("a", b"a")) == (
        f"S3 cannot use the KMS key {KEY} for bucket {BUCKET!r} ({code}: Key is odd); "
        "set sagemaker_kms_key or --sagemaker-kms-key=KEY to a key that works in the bucket's region"
    )


def test_what_nobody_foresaw_is_told_in_the_words_of_s3(stubbed):
    client, stubber = stubbed
    stubber.add_client_error("head_object", "503", "Slow Down")

    assert refusal(lambda: Uploads(client, BUCKET).put("a", b"a")) == (
        f"S3 refuses HeadObject in bucket {BUCKET!r} (503: Slow Down); "
        f"try again, or name another bucket with {NAME}"
    )


def test_a_disk_that_does_not_take_it_is_no_fault_of_the_bucket(client, tmp_path):
    client.put_object(Bucket=BUCKET, Key="a", Body=b"a")
    (tmp_path / "file").touch()

    with pytest.raises(OSError) as raised:
        Uploads(client, BUCKET).get("a", tmp_path / "file" / "a")

    assert Path(raised.value.filename) == tmp_path / "file"
