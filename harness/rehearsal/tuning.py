"""A request to tune in; training jobs, so many at once, and what SageMaker says of them as a whole, out."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.backends.sagemaker.rules import OBJECTIVE
from harness.rehearsal import sampler
from harness.rehearsal.attempts import Attempts
from harness.rehearsal.training import TrainingJob

Train = Callable[[Mapping[str, Any], Mapping[str, str], Callable[[], None]], TrainingJob]
"""Starts a training job: its request, the tuned hyperparameters, what to call at its end."""

_ATTEMPTS = 5
"""Training jobs without any success after which a tuning job gives up."""
_COPIED = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "Environment",
)


class TuningJob:
    """One tuning job; it runs in a thread of its own once it is started."""

    def __init__(self, request: Mapping[str, Any], arn: str, train: Train) -> None:
        """Prepare it; request: of CreateHyperParameterTuningJob, checked."""
        self.request = dict(request)
        self.name: str = request["HyperParameterTuningJobName"]
        self.arn = arn
        self.status = "InProgress"
        self.jobs: list[TrainingJob] = []
        """The training jobs, in the order in which they were started."""
        self._config = request["HyperParameterTuningJobConfig"]
        self.attempts = Attempts(self._config["HyperParameterTuningJobObjective"])
        self._created = self._modified = time.time()
        self._ended: float | None = None
        self._train = train
        self._sampler = sampler.of(self._config)
        self._told: set[str] = set()
        self._reason = ""
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._perform, name=self.name, daemon=True)

    def start(self) -> None:
        """Let it run."""
        self._thread.start()

    def stop(self) -> None:
        """Start nothing more and stop what runs."""
        with self._changed:
            if self.status == "InProgress":
                self.status = "Stopping"
            self._stopping = True
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _perform(self) -> None:
        seconds = self._config["ResourceLimits"].get("MaxRuntimeInSeconds")
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while not self._stopping:
                self._learn()
                more = not self._reason and self._launch()
                left = None if deadline is None else deadline - time.monotonic()
                if self._reason or not (more or self._running()) or (left is not None and left <= 0):
                    break
                self._changed.wait(left)
            running = self._running()
        for job in running:
            job.stop()
        with self._changed:
            self._changed.wait_for(lambda: not self._running())
            if not self._stopping and not self._reason:
                self._reason = self.attempts.futile(self.jobs, min(_ATTEMPTS, len(self.jobs)))
            self._ended = self._modified = time.time()
            self.status = "Stopped" if self._stopping else "Failed" if self._reason else "Completed"

    def _running(self) -> list[TrainingJob]:
        return [job for job in self.jobs if not job.status.over]

    def _launch(self) -> bool:
        """Start as many training jobs as may run; return whether there are more to come."""
        while len(self._running()) < self._config["ResourceLimits"]["MaxParallelTrainingJobs"]:
            tuned = self._sampler.ask()
            if tuned is None:
                return False
            self.jobs.append(self._train(self._definition(tuned), tuned, self._notice))
            self._modified = time.time()
        return True

    def _notice(self) -> None:
        with self._changed:
            self._modified = time.time()
            self._changed.notify_all()

    def _learn(self) -> None:
        """Tell the sampler of training jobs that have ended, and give up if none comes to anything."""
        for job in self.jobs:
            if job.status.over and job.name not in self._told:
                self._told.add(job.name)
                self._sampler.tell(job.tuned, self.attempts.objective(job))
        self._reason = self.attempts.futile(self.jobs, _ATTEMPTS)

    def _definition(self, tuned: Mapping[str, str]) -> dict[str, Any]:
        """Return the request of the next training job."""
        definition = self.request["TrainingJobDefinition"]
        metric = self._config["HyperParameterTuningJobObjective"]["MetricName"]
        return {
            "TrainingJobName": f"{self.name}-{len(self.jobs) + 1:03d}-{secrets.token_hex(4)}",
            "HyperParameters": {**definition.get("StaticHyperParameters", {}), **tuned, OBJECTIVE: metric},
            **{name: definition[name] for name in _COPIED if name in definition},
        }

    def listed(self) -> dict[str, Any]:
        """Return what is listed of it among tuning jobs."""
        with self._changed:
            told: dict[str, Any] = {
                "HyperParameterTuningJobName": self.name,
                "HyperParameterTuningJobArn": self.arn,
                "HyperParameterTuningJobStatus": self.status,
                "Strategy": self._config["Strategy"],
                "ResourceLimits": self._config["ResourceLimits"],
                "CreationTime": self._created,
                "LastModifiedTime": self._modified,
                **self.attempts.counters(self.jobs),
            }
            if self._ended is not None:
                told["HyperParameterTuningEndTime"] = self._ended
            return told

    def describe(self) -> dict[str, Any]:
        """Return what DescribeHyperParameterTuningJob answers."""
        told = self.listed()
        del told["Strategy"], told["ResourceLimits"]
        told |= {name: value for name, value in self.request.items() if name != "Tags"}
        best = self.attempts.best(list(self.jobs))
        if best is not None:
            told["BestTrainingJob"] = self.attempts.summary(best)
        if self._reason:
            told["FailureReason"] = self._reason
        return told
