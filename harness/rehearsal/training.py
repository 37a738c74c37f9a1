"""A request to train in; a job that truly runs, and is described as SageMaker does it, out."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.rehearsal.address import JOB, REGION, credentials
from harness.rehearsal.container import Container
from harness.rehearsal.execution import Ending, Execution
from harness.rehearsal.faults import Faults
from harness.rehearsal.instances import Instances
from harness.rehearsal.isolation import Isolation, NoProgramError, default_image
from harness.rehearsal.logs import Logs
from harness.rehearsal.metrics import Metrics
from harness.rehearsal.objects import Objects
from harness.rehearsal.status import Status

_LONGEST = 86400
"""Seconds that a job may take where nothing is said."""
_LOST = "InternalServerError: We encountered an internal error. Please try again."
# As AWS puts it, from memory.
_NO_PROGRAM = (
    "ClientError: CannotStartContainerError. Please make sure the container can be run with "
    "'docker run <image> train'. Please refer SageMaker documentation for details: "
    'exec: "train": executable file not found in $PATH: {path}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What jobs find where they run."""

    endpoint: str
    folder: Path
    """Folder of the jobs' folders."""
    objects: Objects
    logs: Logs
    instances: Instances
    isolation: Isolation
    faults: Faults
    grace: float
    """Seconds that a job has to tidy up; AWS gives it 120."""


class TrainingJob:
    """One training job; it runs in a thread of its own once it is started."""

    def __init__(
        self,
        request: Mapping[str, Any],
        arn: str,
        site: Site,
        *,
        tuning: str | None = None,
        tuned: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare it.

        request: of CreateTrainingJob, checked; tuning: ARN of the tuning job that it belongs to;
        tuned: the hyperparameters that the tuning job chose, as strings.
        """
        self.request = dict(request)
        self.name: str = request["TrainingJobName"]
        self.arn = arn
        self.tuned = dict(tuned or {})
        self.status = Status()
        self.metrics = Metrics(request["AlgorithmSpecification"].get("MetricDefinitions", ()))
        self._tuning = tuning
        self._site = site
        self._model = ""
        self._cancelled = threading.Event()
        self._running: Execution | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._perform, name=self.name, daemon=True)
        self._then: Callable[[], None] = lambda: None

    def start(self, then: Callable[[], None] = lambda: None) -> None:
        """Let it run as soon as there is an instance; `then` is called when it has ended."""
        self._then = then
        self._thread.start()

    def stop(self) -> None:
        """Stop it, with grace."""
        self.status.stopping()
        self._cancelled.set()
        self._site.instances.wake()
        with self._lock:
            if self._running is not None:
                self._running.stop()

    def kill(self) -> None:
        """End its processes at once and wait for that."""
        self.stop()
        with self._lock:
            if self._running is not None:
                self._running.kill()
        self._thread.join()

    def _perform(self) -> None:
        try:
            self._wait()
        except Exception as error:  # noqa: BLE001  # a broken rehearsal is a job that SageMaker broke
            traceback.print_exc()
            self.status.end("Failed", "Failed", f"InternalServerError: the rehearsal broke: {error!r}")
        self._then()

    def _wait(self) -> None:
        self.status.step("Pending")
        instance = self._site.instances.take(self._cancelled)
        if instance is None:
            self.status.end("Stopped", "Stopped")
            return
        try:
            self._run(self._site.instances.cores(instance))
        finally:
            self._site.instances.give_back(instance)

    def _run(self, cores: list[int]) -> None:
        site, request = self._site, self.request
        container = Container(site.folder / self.name)
        self.status.step("Downloading")
        try:
            container.fill(request, site.objects, site.isolation.host)
        except KeyError as error:
            self.status.end("Failed", "Failed", f"ClientError: Data download failed: {error.args[0]}")
            return
        image = site.faults.image(request["AlgorithmSpecification"]["TrainingImage"]) or default_image()
        try:
            command = site.isolation.command(
                container.folder, image, self._variables(), network=not request.get("EnableNetworkIsolation")
            )
        except NoProgramError as error:
            self.status.end("Failed", "Failed", _NO_PROGRAM.format(path=error))
            return
        self.status.step("Training")
        seconds = request["StoppingCondition"].get("MaxRuntimeInSeconds", _LONGEST)
        with self._lock:
            if self._cancelled.is_set():
                self.status.end("Stopped", "Stopped")
                return
            running = self._running = Execution(command, cores, seconds, site.grace)
        if site.faults.lost():
            running.kill()
        ending = self._follow(running)
        with self._lock:
            self._running = None
        self._conclude(ending, container)

    def _follow(self, running: Execution) -> Ending:
        """Take in what a job prints until it has ended; then its log is complete."""
        log = self._site.logs.stream(self.name)
        for printed in running.output():
            lines = printed.decode(errors="replace").split("\n")
            self.metrics.read(lines)
            log.put(lines)
        return running.ending()

    def _conclude(self, ending: Ending, container: Container) -> None:
        if ending.reason == "lost":
            self.status.end("Failed", "Failed", _LOST)
        elif ending.reason == "ended" and ending.code:
            # Whether AWS uploads the output of a failed job is not known: here nobody can rely on it.
            tail = f", exit code: {ending.code}"
            text = f"AlgorithmError: {container.failure()}"
            self.status.end("Failed", "Failed", text[: 1024 - len(tail)] + tail)
        else:
            if ending.reason == "overtime":
                self.status.stopping()
            self.status.step("Uploading")
            self._model = container.upload(self.request, self._site.objects)
            last = {"ended": "Completed", "stopped": "Stopped", "overtime": "MaxRuntimeExceeded"}
            primary = "Completed" if ending.reason == "ended" else "Stopped"
            self.status.end(primary, last[ending.reason])

    def _variables(self) -> dict[str, str]:
        """Return what a container's environment has besides PATH and HOME."""
        request = self.request
        reach = {} if request.get("EnableNetworkIsolation") else credentials(self._site.endpoint, JOB)
        return {
            "AWS_REGION": REGION,
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self.arn,
            **reach,
            **request.get("Environment", {}),
        }

    def describe(self) -> dict[str, Any]:
        """Return what DescribeTrainingJob answers."""
        described = {
            "TrainingJobArn": self.arn,
            **{name: value for name, value in self.request.items() if name != "Tags"},
            **self.status.describe(),
            "ModelArtifacts": {"S3ModelArtifacts": self._model},
        }
        if not self._site.faults.spot:
            described.pop("EnableManagedSpotTraining", None)
        if self._tuning is not None:
            described["TuningJobArn"] = self._tuning
        if self.status.over:
            described["FinalMetricDataList"] = self.metrics.describe()
        return described
