"""Steps of a training job in; its status as SageMaker describes it out."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

_MESSAGES = {
    "Starting": "Starting the training job",
    "Pending": "Waiting for an instance",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
ENDED = frozenset({"Completed", "Failed", "Stopped"})
_REASON = 1024
"""Characters of a failure's reason."""


class Status:
    """How far a training job is; threads share it."""

    def __init__(self) -> None:
        self.created = self._modified = time.time()
        self.primary = "InProgress"
        self.reason = ""
        self._started: float | None = None
        self._ended: float | None = None
        self._transitions: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self.step("Starting")

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.primary in ENDED

    def step(self, secondary: str) -> None:
        """Take the next step of a job that goes on."""
        with self._lock:
            if self.primary == "Stopping" and secondary in ("Pending", "Downloading", "Training"):
                return
            self._add(secondary)
            if secondary == "Downloading":
                self._started = self._modified

    def stopping(self) -> None:
        """Note that the job is to stop."""
        with self._lock:
            if self.primary == "InProgress":
                self.primary = "Stopping"
                self._add("Stopping")

    def end(self, primary: str, secondary: str, reason: str = "") -> None:
        """Take the last step."""
        with self._lock:
            self._add(secondary)
            self._ended = self._modified
            self._transitions[-1]["EndTime"] = self._modified
            self.reason = reason[:_REASON]
            self.primary = primary

    def _add(self, secondary: str) -> None:
        self._modified = time.time()
        if self._transitions:
            self._transitions[-1]["EndTime"] = self._modified
        self._transitions.append(
            {"Status": secondary, "StartTime": self._modified, "StatusMessage": _MESSAGES[secondary]}
        )

    def describe(self) -> dict[str, Any]:
        """Return the members of a description that tell how far the job is."""
        with self._lock:
            described: dict[str, Any] = {
                "TrainingJobStatus": self.primary,
                "SecondaryStatus": self._transitions[-1]["Status"],
                "SecondaryStatusTransitions": [dict(step) for step in self._transitions],
                "CreationTime": self.created,
                "LastModifiedTime": self._modified,
            }
            if self.reason:
                described["FailureReason"] = self.reason
            if self._started is not None:
                described["TrainingStartTime"] = self._started
            if self._ended is not None:
                described["TrainingEndTime"] = self._ended
                if self._started is not None:
                    seconds = max(1, math.ceil(self._ended - self._started))
                    described |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
            return described
