"""Calls of AWS's clients are written down by service, operation and what they are about."""

from __future__ import annotations

import io

import pytest

from harness.rehearsal.journal import Call, Journal


def environ(method="GET", path="/", query="", service="s3", body=b"", **headers):
    signed = f"AWS4-HMAC-SHA256 Credential=KEY/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host"
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_AUTHORIZATION": signed,
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        **headers,
    }


@pytest.mark.parametrize(
    ("method", "path", "query", "operation", "resource"),
    [
        ("PUT", "/b", "", "CreateBucket", "b"),
        ("HEAD", "/b", "", "HeadBucket", "b"),
        ("GET", "/b", "list-type=2&prefix=a", "ListObjectsV2", "b"),
        ("GET", "/b", "prefix=a", "ListObjects", "b"),
        ("GET", "/b", "location", "GetLocation", "b"),
        ("POST", "/b", "delete", "DeleteObjects", "b"),
        ("PUT", "/b/k/l", "", "PutObject", "b/k/l"),
        ("PUT", "/b/k", "x-id=PutObject", "PutObject", "b/k"),
        ("PUT", "/b/k", "partNumber=1&uploadId=2", "UploadPart", "b/k"),
        ("POST", "/b/k", "uploads", "CreateMultipartUpload", "b/k"),
        ("POST", "/b/k", "uploadId=2", "CompleteMultipartUpload", "b/k"),
        ("DELETE", "/b/k", "uploadId=2", "AbortMultipartUpload", "b/k"),
        ("PUT", "/b/k", "tagging", "PutTagging", "b/k"),
        ("GET", "/b/gr\u00c3\u00b6\u00c3\u009fe", "", "GetObject", "b/größe"),
        ("GET", "/", "", "ListBuckets", ""),
    ],
)
def test_a_call_to_s3_has_the_name_that_the_documentation_gives_it(method, path, query, operation, resource):
    call = Call.of(environ(method, path, query))

    assert (call.service, call.operation, call.resource) == ("s3", operation, resource)
    assert (call.region, call.key) == ("eu-west-1", "KEY")


def test_a_copy_is_no_upload():
    assert Call.of(environ("PUT", "/b/k", HTTP_X_AMZ_COPY_SOURCE="/b/l")).operation == "CopyObject"


def test_a_call_in_json_is_about_the_job_that_it_names():
    given = environ(
        "POST",
        service="sagemaker",
        body=b'{"TrainingJobName": "a"}',
        HTTP_X_AMZ_TARGET="SageMaker.StopTrainingJob",
    )
    call = Call.of(given)

    assert (call.service, call.operation, call.resource) == ("sagemaker", "StopTrainingJob", "a")
    assert call.request() == {"TrainingJobName": "a"}
    assert given["wsgi.input"].read() == b'{"TrainingJobName": "a"}'  # it can be read again


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff"])
def test_a_body_that_is_no_request_is_an_empty_one(body):
    call = Call.of(
        environ("POST", service="sagemaker", body=body, HTTP_X_AMZ_TARGET="SageMaker.StopTrainingJob")
    )

    assert (call.resource, call.request()) == ("", {})


def test_a_call_in_a_form_is_about_the_role_that_it_names():
    call = Call.of(environ("POST", service="iam", body=b"Action=GetRole&RoleName=r&Version=1"))

    assert (call.service, call.operation, call.resource) == ("iam", "GetRole", "r")


def test_a_body_of_unknown_length_is_read_to_its_end():
    given = environ("PUT", "/b/k", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input_terminated": True})
    given["wsgi.input"] = io.BytesIO(b"content")
    del given["CONTENT_LENGTH"]

    assert Call.of(given).body == b"content"
    assert given["CONTENT_LENGTH"] == "7"


def test_a_journal_keeps_the_order():
    journal = Journal()
    for path in ("/b/k", "/b"):
        journal.record(Call.of(environ(path=path)))

    assert journal.calls() == [("s3", "GetObject", "b/k"), ("s3", "ListObjects", "b")]
