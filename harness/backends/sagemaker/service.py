"""Names and requests of jobs in; what SageMaker says of them, and their logs, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.backends.sagemaker.account import Account
from harness.backends.sagemaker.refusals import PASSING
from harness.errors import HarnessError

_GROUP = "/aws/sagemaker/TrainingJobs"
_EXPIRED = frozenset(("ExpiredToken", "ExpiredTokenException", "RequestExpired"))
"""Codes of credentials that somebody may renew while jobs run."""


class ServiceError(HarnessError):
    """SageMaker refuses something."""


class PassingError(HarnessError):
    """SageMaker cannot be reached or is too busy; it may answer when it is asked again."""


class Service:
    """SageMaker and CloudWatch Logs as the harness uses them.

    It speaks through the boto3 clients of the SDK's session. The SDK's typed resources would describe
    each job once more after every call, list jobs by describing each of them, and leave out fields
    that are false; ModelTrainer and HyperparameterTuner start other programs in trained than in tuned
    jobs, encode parameters in two ways and drop network isolation. So what was checked is what is sent.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._sagemaker = account.client("sagemaker")
        self._logs = account.client("logs")
        self._stands_in = "://127.0.0.1:" in self._sagemaker.meta.endpoint_url
        """Whether it is played on this machine."""

    def create(self, request: Mapping[str, Any]) -> None:
        """Start the tuning or training job of a request; a second time for the same name changes nothing.

        Raises ServiceError if it is refused, PassingError if it is not known whether it was started.
        """
        if "HyperParameterTuningJobName" in request:
            name, call = (
                request["HyperParameterTuningJobName"],
                self._sagemaker.create_hyper_parameter_tuning_job,
            )
        else:
            name, call = request["TrainingJobName"], self._sagemaker.create_training_job
        try:
            self._ask(f"start job {name}", call, **request)
        except ServiceError as error:
            if "ResourceInUse" not in error.problem:  # the answer to an earlier attempt was lost
                raise

    def tuning(self, name: str) -> Mapping[str, Any]:
        """Return what is known of a tuning job."""
        call = self._sagemaker.describe_hyper_parameter_tuning_job
        return self._ask(f"describe tuning job {name}", call, HyperParameterTuningJobName=name)

    def children(self, name: str) -> list[Mapping[str, Any]]:
        """Return summaries of all training jobs of a tuning job, oldest first."""
        call = self._sagemaker.list_training_jobs_for_hyper_parameter_tuning_job
        return self._pages(
            f"list jobs of {name}",
            call,
            "TrainingJobSummaries",
            HyperParameterTuningJobName=name,
            SortBy="CreationTime",
            SortOrder="Ascending",
            MaxResults=100,
        )

    def trainings(self, part: str) -> list[Mapping[str, Any]]:
        """Return summaries of all training jobs whose names have a part in common."""
        call = self._sagemaker.list_training_jobs
        return self._pages("list jobs", call, "TrainingJobSummaries", NameContains=part, MaxResults=100)

    def training(self, name: str) -> Mapping[str, Any]:
        """Return what is known of a training job."""
        return self._ask(f"describe job {name}", self._sagemaker.describe_training_job, TrainingJobName=name)

    def stop_tuning(self, name: str) -> None:
        """Stop a tuning job and its training jobs; one that has ended stays as it is."""
        call = self._sagemaker.stop_hyper_parameter_tuning_job
        self._stop(f"stop tuning job {name}", call, HyperParameterTuningJobName=name)

    def stop_training(self, name: str) -> None:
        """Stop a training job; one that has ended stays as it is."""
        self._stop(f"stop job {name}", self._sagemaker.stop_training_job, TrainingJobName=name)

    def log(self, job: str) -> list[str]:
        """Return the lines that a training job has logged up to now; none if it has no log."""
        try:
            streams = self._ask(
                f"read the log of {job}",
                self._logs.describe_log_streams,
                logGroupName=_GROUP,
                logStreamNamePrefix=f"{job}/",
            )["logStreams"]
            return [line for stream in streams for line in self._lines(job, stream["logStreamName"])]
        except ServiceError:
            return []

    def _lines(self, job: str, stream: str) -> list[str]:
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            answer = self._ask(
                f"read the log of {job}",
                self._logs.get_log_events,
                logGroupName=_GROUP,
                logStreamName=stream,
                startFromHead=True,
                **token,
            )
            found += [event["message"].rstrip("\n") for event in answer["events"]]
            if answer["nextForwardToken"] == token.get("nextToken"):  # the end says where one is
                return found
            token = {"nextToken": answer["nextForwardToken"]}

    def _stop(self, what: str, call: Callable[..., Any], **request: Any) -> None:
        try:
            self._ask(what, call, **request)
        except ServiceError as error:
            if "ValidationException" not in error.problem and "ResourceNotFound" not in error.problem:
                raise

    def _pages(
        self, what: str, call: Callable[..., Any], key: str, **request: Any
    ) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        while True:
            answer = self._ask(what, call, **request)
            found += answer[key]
            if not answer.get("NextToken"):
                return found
            request["NextToken"] = answer["NextToken"]

    def _ask(self, what: str, call: Callable[..., Any], **request: Any) -> Mapping[str, Any]:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            EndpointConnectionError,
            HTTPClientError,
        )

        try:
            answer: Mapping[str, Any] = call(**request)
        except ClientError as error:
            code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            if code in PASSING or code in _EXPIRED or status >= 500:
                raise PassingError(f"cannot {what}: {code}: {said}") from None
            raise ServiceError(f"SageMaker refuses to {what}: {code}: {said}", _remedy(code, said)) from None
        except EndpointConnectionError as error:
            if self._stands_in:
                raise ServiceError(f"cannot {what}: what stood in for SageMaker has ended: {error}") from None
            raise PassingError(f"cannot {what}: {error}") from None
        except (HTTPClientError, ConnectionError) as error:
            raise PassingError(f"cannot {what}: {error}") from None
        except BotoCoreError as error:
            raise ServiceError(f"cannot {what}: {error}") from None
        return answer

    def console(self, job: str) -> str:
        """Return the address of a training job's page."""
        region = self.account.region
        return f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/jobs/{job}"

    def log_page(self, job: str) -> str:
        """Return the address of a training job's log."""
        region = self.account.region
        return (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FTrainingJobs"
            f"$3FlogStreamNameFilter$3D{job}"
        )


def _remedy(code: str, said: str) -> str:
    if "assume role" in said:
        return "let sagemaker.amazonaws.com assume it (docs/sagemaker.md), or name another in sagemaker_role"
    if code == "ResourceLimitExceeded":
        return "write --sagemaker-parallel-jobs=1, take another sagemaker_instance, or ask AWS for a quota"
    if code in ("AccessDenied", "AccessDeniedException"):
        return "docs/sagemaker.md lists the permissions that are needed"
    return ""
