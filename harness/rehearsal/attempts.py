"""The training jobs of a tuning job in; their objectives, the best one, and how many came to what, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from harness.rehearsal.status import ENDED
from harness.rehearsal.training import TrainingJob

_FINAL = "FinalHyperParameterTuningJobObjectiveMetric"
# As AWS puts them, from memory.
_NO_SUCCESS = (
    "No training job succeeded after {count} attempts. "
    "Please take a look at the training job failures to get more details."
)
_NO_METRIC = (
    "No objective metrics found after running {count} training jobs. Please ensure that the custom algorithm "
    "is emitting the objective metric as defined by the regular expression provided."
)
_LISTED = ("CreationTime", "TrainingStartTime", "TrainingEndTime", "TrainingJobStatus", "FailureReason")


class Attempts:
    """What became of training jobs that share an objective."""

    def __init__(self, objective: Mapping[str, str]) -> None:
        """objective: Type, "Maximize" or "Minimize", and MetricName."""
        self._goal = objective

    def objective(self, job: TrainingJob) -> float | None:
        """Return the objective of a training job that has completed; None if it has none."""
        if job.status.primary != "Completed":
            return None
        return job.metrics.value(self._goal["MetricName"])

    def best(self, jobs: Iterable[TrainingJob]) -> TrainingJob | None:
        """Return the training job with the best objective, of equal ones the first; None if there is none."""
        scored = [(job, value) for job in jobs if (value := self.objective(job)) is not None]
        if not scored:
            return None
        pick = max if self._goal["Type"] == "Maximize" else min
        return pick(scored, key=lambda pair: pair[1])[0]

    def futile(self, jobs: Iterable[TrainingJob], attempts: int) -> str:
        """Return why so many jobs that came to nothing are enough; empty if they are not."""
        ended = [job for job in jobs if job.status.over]
        if len(ended) < attempts or any(self.objective(job) is not None for job in ended):
            return ""
        without = any(job.status.primary == "Completed" for job in ended)
        return (_NO_METRIC if without else _NO_SUCCESS).format(count=len(ended))

    def summary(self, job: TrainingJob) -> dict[str, Any]:
        """Return what is listed of a training job."""
        status = job.status.describe()
        value = self.objective(job)
        over = status["TrainingJobStatus"] in ENDED
        told: dict[str, Any] = {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "TunedHyperParameters": job.tuned,
            **{name: status[name] for name in _LISTED if name in status},
            "ObjectiveStatus": "Pending" if not over else "Failed" if value is None else "Succeeded",
        }
        if value is not None:
            told[_FINAL] = {**self._goal, "Value": value}
        return told

    def counters(self, jobs: Iterable[TrainingJob]) -> dict[str, dict[str, int]]:
        """Return how many jobs are in which status, and how many have an objective."""
        summaries = [self.summary(job) for job in jobs]
        states = Counter(summary["TrainingJobStatus"] for summary in summaries)
        objectives = Counter(summary["ObjectiveStatus"] for summary in summaries)
        return {
            "TrainingJobStatusCounters": {
                "Completed": states["Completed"],
                "InProgress": states["InProgress"] + states["Stopping"],
                "RetryableError": 0,
                "NonRetryableError": states["Failed"],
                "Stopped": states["Stopped"],
            },
            "ObjectiveStatusCounters": {
                name: objectives[name] for name in ("Succeeded", "Pending", "Failed")
            },
        }


def final(summary: Mapping[str, Any]) -> float | None:
    """Return the objective in a summary; None if there is none."""
    return summary[_FINAL]["Value"] if _FINAL in summary else None
