"""Operations of SageMaker and their requests in; answers, from jobs that truly run, out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from harness.backends.sagemaker.limits import violations
from harness.rehearsal.address import REGION
from harness.rehearsal.admission import Admission
from harness.rehearsal.attempts import final
from harness.rehearsal.errors import NOT_FOUND, RefusalError, invalid, unplayed
from harness.rehearsal.paging import page
from harness.rehearsal.training import Site, TrainingJob
from harness.rehearsal.tuning import TuningJob
from harness.rehearsal.unplayed import refuse

Request = Mapping[str, Any]
Answer = dict[str, Any]
_SUMMARY = ("CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus", "SecondaryStatus")
_TRAINING, _TUNING = "training", "hyper parameter tuning"


class Operations:
    """SageMaker's operations on the training and tuning jobs of one account; threads share it."""

    def __init__(self, account: str, site: Site, admission: Admission) -> None:
        self._prefix = f"arn:aws:sagemaker:{REGION}:{account}"
        self._site, self._admission = site, admission
        self._lock = threading.RLock()
        self._trainings: dict[str, TrainingJob] = {}
        self._tunings: dict[str, TuningJob] = {}
        self._tags: dict[str, dict[str, str]] = {}
        """Of every job, by its ARN."""
        self._played: Mapping[str, Callable[[Request], Answer]] = {
            "AddTags": self._add_tags,
            "CreateHyperParameterTuningJob": self._create_tuning,
            "CreateTrainingJob": self._create_training,
            "DescribeHyperParameterTuningJob": lambda request: self._tuning(request).describe(),
            "DescribeTrainingJob": lambda request: self._training(request).describe(),
            "ListHyperParameterTuningJobs": self._list_tunings,
            "ListTags": self._list_tags,
            "ListTrainingJobs": self._list_trainings,
            "ListTrainingJobsForHyperParameterTuningJob": self._list_of_tuning,
            "StopHyperParameterTuningJob": self._stop_tuning,
            "StopTrainingJob": self._stop_training,
        }

    def answer(self, operation: str, request: Request) -> Answer:
        """Return the answer to a request; raise RefusalError if it is refused."""
        play = self._played.get(operation)
        if play is None:
            raise unplayed(operation, f"it plays {', '.join(self._played)}")
        found = violations(operation, request)
        if found:
            count = f"{len(found)} validation error{'s' * (len(found) > 1)} detected"
            raise invalid(f"{count}: {'; '.join(found)}")
        refuse(operation, request, self._site.isolation.kind)
        return play(request)

    @property
    def count(self) -> int:
        """How many training jobs there have been."""
        return len(self._trainings)

    def close(self) -> None:
        """End every job at once."""
        for tuning in list(self._tunings.values()):
            tuning.stop()
        for training in list(self._trainings.values()):
            training.kill()
        for tuning in list(self._tunings.values()):
            tuning.wait()

    def _create_training(self, request: Request) -> Answer:
        self._admission.check(request)
        with self._lock:
            arn = self._new(_TRAINING, request["TrainingJobName"], request)
            self._begin(TrainingJob(request, arn, self._site), lambda: None)
        return {"TrainingJobArn": arn}

    def _create_tuning(self, request: Request) -> Answer:
        self._admission.check(request["TrainingJobDefinition"])
        name = request["HyperParameterTuningJobName"]

        def train(definition: Request, tuned: Mapping[str, str], then: Callable[[], None]) -> TrainingJob:
            with self._lock:
                own = self._new(_TRAINING, definition["TrainingJobName"], {})
                return self._begin(TrainingJob(definition, own, self._site, tuning=arn, tuned=tuned), then)

        with self._lock:
            arn = self._new(_TUNING, name, request)
            made = self._tunings[name.lower()] = TuningJob(request, arn, train)
        made.start()
        return {"HyperParameterTuningJobArn": arn}

    def _new(self, kind: str, name: str, request: Request) -> str:
        """Return the ARN of a new job; refuse a name that is taken, in whatever case of letters."""
        arn = f"{self._prefix}:{kind.replace(' ', '-')}-job/{name.lower()}"
        if arn in self._tags:
            raise RefusalError(
                "ResourceInUse",
                f"{kind.capitalize()} job names must be unique within an AWS account and region, "
                f"and a {kind} job with this name already exists ({arn})",
            )
        self._tags[arn] = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
        return arn

    def _begin(self, job: TrainingJob, then: Callable[[], None]) -> TrainingJob:
        self._trainings[job.name.lower()] = job
        job.start(then)
        return job

    def _training(self, request: Request) -> TrainingJob:
        name = request["TrainingJobName"]
        job = self._trainings.get(name.lower())
        if job is None or self._site.faults.forgotten(name):
            raise invalid(NOT_FOUND)
        return job

    def _tuning(self, request: Request) -> TuningJob:
        name = request["HyperParameterTuningJobName"]
        job = self._tunings.get(name.lower())
        if job is None or self._site.faults.forgotten(name):
            raise invalid(NOT_FOUND)
        return job

    def _stop_training(self, request: Request) -> Answer:
        job = self._training(request)
        if job.status.over:
            raise invalid(
                f"The request was rejected because the training job is in status {job.status.primary}."
            )
        job.stop()
        return {}

    def _stop_tuning(self, request: Request) -> Answer:
        job = self._tuning(request)
        if job.status not in ("InProgress", "Stopping"):
            raise invalid(
                f"The request was rejected because the hyperparameter tuning job is in status {job.status}."
            )
        job.stop()
        return {}

    def _list_trainings(self, request: Request) -> Answer:
        entries = []
        for job in list(self._trainings.values()):
            status = job.status.describe()
            told = {name: status[name] for name in _SUMMARY if name in status}
            entries.append({"TrainingJobName": job.name, "TrainingJobArn": job.arn, **told})
        found, token = page(entries, request, "TrainingJob", by="CreationTime")
        return {"TrainingJobSummaries": found, **token}

    def _list_tunings(self, request: Request) -> Answer:
        entries = [job.listed() for job in list(self._tunings.values())]
        found, token = page(entries, request, "HyperParameterTuningJob", by="Name")
        return {"HyperParameterTuningJobSummaries": found, **token}

    def _list_of_tuning(self, request: Request) -> Answer:
        tuning = self._tuning(request)
        entries = [tuning.attempts.summary(job) for job in list(tuning.jobs)]
        keys = {}
        if request.get("SortBy") == "FinalObjectiveMetricValue":  # others are left out: that is documented
            entries = [entry for entry in entries if final(entry) is not None]
            keys["FinalObjectiveMetricValue"] = final
        found, token = page(entries, request, "TrainingJob", by="Name", keys=keys)
        return {"TrainingJobSummaries": found, **token}

    def _add_tags(self, request: Request) -> Answer:
        self._tagged(request).update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
        return self._list_tags(request)

    def _list_tags(self, request: Request) -> Answer:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tagged(request).items()]}

    def _tagged(self, request: Request) -> dict[str, str]:
        tags = self._tags.get(request["ResourceArn"])
        if tags is None:
            raise invalid(f"the rehearsal has no resource {request['ResourceArn']}")
        return tags
