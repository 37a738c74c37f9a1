"""A training job that has ended in; its trial's record and files, or why there are none, out."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harness.backends.sagemaker import record
from harness.backends.sagemaker.archive import unpack
from harness.backends.sagemaker.record import JobRecord, RecordError
from harness.backends.sagemaker.refusals import UnreachedError
from harness.backends.sagemaker.service import PassingError, Service
from harness.backends.sagemaker.uploads import Uploads
from harness.errors import HarnessError
from harness.results import MODEL

_TAIL = 40
"""Lines of a failed job's log that a report shows."""
_MOST = 16 * 2**30
"""Bytes that a trial may leave."""
_LOG_TRIES = 8
"""Times that the log of a failed job is looked at: it comes later than the news of the failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What came of a trial: its record, or else why there is none."""

    record: JobRecord | None = None
    reason: str = ""
    printed: str = ""
    """The last lines of its log."""
    seconds: float = 0.0
    """That its machine ran."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where it ran, by the names of tags."""
    stopped: bool = False
    """Whether it was stopped by a call."""
    on_demand: bool = False
    """Whether it ran on a machine at the full price."""


class Collector:
    """Fetches what trials left, for one run.

    folder: of the run; version: of the harness; wait: sleeps so many seconds.
    """

    def __init__(
        self, service: Service, uploads: Uploads, folder: Path, version: str, wait: Callable[[float], None]
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._folder = folder
        self._version = version
        self._wait = wait

    def collect(self, job: str, node_id: str, place: str) -> Collected:
        """Return what came of the trial of a job that has ended; PassingError if it cannot be asked now.

        place: the trial's folder, relative to the run's.
        """
        told = self._service.training(job)
        origin = {
            "sagemaker.training_job": job,
            "sagemaker.console": self._service.console(job),
            "sagemaker.log": self._service.log_page(job),
        }
        tuning = told.get("TuningJobArn")
        if tuning:
            origin["sagemaker.tuning_job"] = tuning.rpartition("/")[2]
        seconds = float(told.get("TrainingTimeInSeconds") or 0)
        status, why = told["TrainingJobStatus"], told.get("FailureReason", "")
        try:
            if status == "Completed":
                made: JobRecord | None = self._fetched(told, node_id, place)
            elif status == "Failed":
                made = self._logged(job, node_id) if record.RAISED in why else None
                why = f"training job {job} failed: {_failure(why)}"
            else:
                made = None
                why = f"training job {job} {_stopped(told)}"
        except PassingError:
            raise
        except UnreachedError as error:
            raise PassingError(str(error)) from None
        except HarnessError as error:
            made, why = None, f"training job {job} ended as {status}, and {error}"
        on_demand = not told.get("EnableManagedSpotTraining", False)
        if made is not None:
            return Collected(record=made, seconds=seconds, origin=origin, on_demand=on_demand)
        printed = "\n".join(record.tail(self._service.log(job), _TAIL))
        addresses = f"{origin['sagemaker.console']}\n{origin['sagemaker.log']}"
        return Collected(
            reason=f"{why}\n{addresses}",
            printed=printed,
            seconds=seconds,
            origin=origin,
            stopped=status == "Stopped" and told.get("SecondaryStatus") == "Stopped",
            on_demand=on_demand,
        )

    def _fetched(self, told: Mapping[str, Any], node_id: str, place: str) -> JobRecord:
        """Return the record of a job that has completed, with its files where the run keeps them."""
        base = told["OutputDataConfig"]["S3OutputPath"].split("/", 3)[3]
        prefix = f"{base}/{told['TrainingJobName']}/output"
        draft = self._folder / "sagemaker" / secrets.token_hex(4)
        draft.mkdir(parents=True)
        try:
            self._uploads.get(f"{prefix}/output.tar.gz", draft / "output.tar.gz")
            unpack(draft / "output.tar.gz", draft / "output", limit=_MOST)
            try:
                content = (draft / "output" / record.NAME).read_bytes()
            except FileNotFoundError:
                raise RecordError("it left no result: output.tar.gz has no record in it") from None
            made = self._checked(content, node_id)
            files = dict(made.payload.get("files", {}))
            for name in files.values():
                _inside(name, place)
            model = files.pop(MODEL, None)
            if model is not None:
                self._uploads.get(f"{prefix}/model.tar.gz", draft / "model.tar.gz")
                unpack(draft / "model.tar.gz", draft / "model", limit=_MOST)
                self._keep(draft / "model" / "model.pkl", model)
            for name in files.values():
                self._keep(draft / "output" / name, name)
            return made
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _keep(self, made: Path, name: str) -> None:
        if not made.is_file():
            raise RecordError(f"its record names {name!r}, which it did not leave")
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, target)

    def _logged(self, job: str, node_id: str) -> JobRecord:
        """Return the record that the log of a failed job carries."""
        for attempt in range(_LOG_TRIES):
            content = record.found(self._service.log(job))
            if content is not None:
                return self._checked(content, node_id)
            self._wait(0.25 * 2**attempt)
        raise RecordError("its log does not hold the whole record")

    def _checked(self, content: bytes, node_id: str) -> JobRecord:
        made = record.load(content, self._version)
        if made.node_id != node_id:
            raise RecordError(f"its record is of {made.node_id}, not of {node_id}")
        return made


def _inside(name: str, place: str) -> None:
    """Refuse a file that does not lie in the trial's folder."""
    path = PurePosixPath(name)
    if ".." in path.parts or not path.is_relative_to(place) or "\\" in name or "\0" in name:
        raise RecordError(f"its record names the file {name!r}, which is not below {place}")


def _failure(why: str) -> str:
    """Return why a job failed; of what the toolkit says of a process, how it ended."""
    ended = re.search(r"ExecuteUserScriptError:\s*ExitCode (-?\d+)", why)
    if ended is None:
        return why
    return f"the trial's process ended with exit code {ended[1]} and left no result"


def _stopped(told: Mapping[str, Any]) -> str:
    if told.get("SecondaryStatus") == "MaxRuntimeExceeded":
        limit = told["StoppingCondition"]["MaxRuntimeInSeconds"]
        return f"ran longer than sagemaker_max_runtime = {limit} seconds and was stopped"
    if told.get("SecondaryStatus") == "MaxWaitTimeExceeded":
        return "waited too long for a spare machine: leave out sagemaker_spot"
    return "was stopped from outside"
