"""What may be gone when one asks again is told apart from what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from harness.backends.sagemaker.service import PassingError, Service, ServiceError


class Client:
    """Raises what a test says, whatever it is asked."""

    def __init__(self, endpoint):
        self.meta = SimpleNamespace(endpoint_url=endpoint)
        self.errors: list[Exception] = []

    def __getattr__(self, name):
        def call(**request):
            if self.errors:
                raise self.errors.pop(0)
            return {"TrainingJobSummaries": [{"TrainingJobName": "a"}], "NextToken": ""}

        return call


def service(endpoint="https://api.sagemaker.us-east-1.amazonaws.com"):
    client = Client(endpoint)
    made = Service(SimpleNamespace(client=lambda name: client, region="us-east-1"))
    return made, client


def refusal(code, status=400, message="said"):
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "ListTrainingJobs")


@pytest.mark.parametrize(
    "error",
    [
        exceptions.EndpointConnectionError(endpoint_url="https://x"),
        exceptions.ConnectTimeoutError(endpoint_url="https://x"),
        exceptions.ReadTimeoutError(endpoint_url="https://x"),
        exceptions.ConnectionClosedError(endpoint_url="https://x"),
        exceptions.SSLError(endpoint_url="https://x", error="cut"),
        exceptions.ProxyConnectionError(proxy_url="https://x"),
        refusal("ThrottlingException"),
        refusal("ExpiredTokenException"),
        refusal("Unknown", 503),
    ],
    ids=lambda error: type(error).__name__ if not isinstance(error, ClientError) else str(error)[:60],
)
def test_what_may_pass_is_no_refusal(error):
    made, client = service()
    client.errors = [error]

    with pytest.raises(PassingError, match="cannot list jobs: "):
        made.trainings("x")
    assert made.trainings("x") == [{"TrainingJobName": "a"}]


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        ("AccessDeniedException", "no", "docs/sagemaker.md lists the permissions that are needed"),
        ("ResourceLimitExceeded", "1", "write --sagemaker-parallel-jobs=1, take another sagemaker_instance"),
        ("ValidationException", "Could not assume role r", "let sagemaker.amazonaws.com assume it"),
    ],
)
def test_a_refusal_says_what_to_do(code, message, remedy):
    made, client = service()
    client.errors = [refusal(code, message=message)]

    with pytest.raises(ServiceError) as caught:
        made.trainings("x")

    assert str(caught.value).startswith(f"SageMaker refuses to list jobs: {code}: {message}; {remedy}")


def test_what_stood_in_for_sagemaker_and_has_ended_is_not_waited_for():
    made, client = service("http://127.0.0.1:5000")
    client.errors = [exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:5000")]

    with pytest.raises(ServiceError, match="cannot list jobs: what stood in for SageMaker has ended: "):
        made.trainings("x")


def test_a_job_that_was_started_by_an_attempt_whose_answer_was_lost_is_started():
    made, client = service()
    client.errors = [refusal("ResourceInUse")]

    made.create({"TrainingJobName": "a"})

    client.errors = [refusal("ResourceLimitExceeded")]
    with pytest.raises(ServiceError):
        made.create({"TrainingJobName": "a"})


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFound"])
def test_to_stop_what_has_ended_is_no_fault(code):
    made, client = service()
    client.errors = [refusal(code)]

    made.stop_training("a")
    made.stop_tuning("a")

    assert client.errors == []  # it was asked
    client.errors = [refusal("AccessDeniedException")]
    with pytest.raises(ServiceError, match="refuses to stop job a: AccessDeniedException"):
        made.stop_training("a")
