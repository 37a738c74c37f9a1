"""Requests of tuning and training jobs in; which of them run, have ended or were lost, by trial, out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.backends.sagemaker.plan import number
from harness.backends.sagemaker.service import Service, ServiceError

_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_MISSES = 3
"""Looks at which a job that was there is not, before it counts as lost: lists lag behind."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial that nothing more is to be waited for."""

    node_id: str
    job: str | None
    """Its training job, which has ended; None: there is none."""
    reason: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many trials are where."""

    queued: int
    running: int
    ended: int


class Jobs(Protocol):
    """The jobs of one experiment's trials."""

    @property
    def done(self) -> bool:
        """Whether every trial has ended."""

    @property
    def counts(self) -> Counts:
        """How many trials are where, by the last look."""

    def start(self) -> None:
        """Start what is started at once; raise ServiceError or PassingError if it is refused."""

    def look(self) -> list[Ended]:
        """Ask how things stand; start what may start; return the trials that have ended since the last look.

        Raises ServiceError or PassingError.
        """

    def stop(self) -> None:
        """Stop what runs, and start nothing more."""

    def names(self) -> list[str]:
        """Return the names of the jobs that may still run."""


class TuningJob:
    """One tuning job: SageMaker starts its training jobs.

    request: what starts it; trials: node ids. find: the trial of a training job's summary, LookupError:
    it has none.
    """

    def __init__(
        self,
        service: Service,
        request: Mapping[str, Any],
        trials: Sequence[str],
        find: Callable[[Mapping[str, Any]], str],
    ) -> None:
        self._service = service
        self._request = request
        self._name = str(request["HyperParameterTuningJobName"])
        self._begun = False
        self._open = dict.fromkeys(trials)
        self._find = find
        self._total = len(trials)
        self._running: set[str] = set()
        self._missed: dict[str, int] = {}
        self._jobs: dict[str, str] = {}

    @property
    def done(self) -> bool:
        return not self._open

    @property
    def counts(self) -> Counts:
        running = len(self._running)
        return Counts(len(self._open) - running, running, self._total - len(self._open))

    def start(self) -> None:
        self._begun = True  # even if nobody hears of it any more
        try:
            self._service.create(self._request)
        except ServiceError:
            self._begun = False
            raise

    def look(self) -> list[Ended]:
        ended: list[Ended] = []
        before, self._running = self._running, set()
        for summary in self._service.children(self._name):
            node_id = self._trial_of(summary)
            if node_id is None:
                continue
            self._jobs[node_id] = summary["TrainingJobName"]
            if node_id in self._open and summary["TrainingJobStatus"] in _ENDED:
                ended.append(Ended(node_id, summary["TrainingJobName"]))
            elif node_id in self._open:
                self._running.add(node_id)
        for found in ended:
            del self._open[found.node_id]
        return ended + self._lost(before) + self._left()

    def _lost(self, before: set[str]) -> list[Ended]:
        """Return the trials whose jobs were there and are not any more."""
        missed = {node_id for node_id in before | set(self._missed) if node_id in self._open} - self._running
        self._missed = {node_id: self._missed.get(node_id, 0) + 1 for node_id in missed}
        gone = [node_id for node_id, times in self._missed.items() if times >= _MISSES]
        for node_id in gone:
            del self._missed[node_id], self._open[node_id]
        return [
            Ended(node_id, None, f"SageMaker knows training job {self._jobs[node_id]} no more")
            for node_id in gone
        ]

    def _left(self) -> list[Ended]:
        """Return the trials that were never started, if the tuning job has ended."""
        if not self._open or self._running or self._missed:
            return []
        told = self._service.tuning(self._name)
        status = told["HyperParameterTuningJobStatus"]
        if status not in _ENDED:
            return []
        # A training job may have come and gone between the two questions.
        known = {self._trial_of(summary) for summary in self._service.children(self._name)}
        left = [node_id for node_id in self._open if node_id not in known]
        why = told.get("FailureReason", "")
        for node_id in left:
            del self._open[node_id]
        reason = f"tuning job {self._name} ended as {status} before it started this trial"
        return [Ended(node_id, None, f"{reason}{': ' if why else ''}{why}") for node_id in left]

    def _trial_of(self, summary: Mapping[str, Any]) -> str | None:
        try:
            return self._find(summary)
        except LookupError:
            return None

    def stop(self) -> None:
        if self._begun and self._open:
            self._service.stop_tuning(self._name)

    def names(self) -> list[str]:
        return [self._name] if self._begun and self._open else []


class SingleJobs:
    """Training jobs, of which a few run at once.

    requests: by node id, each made when its turn comes. part: what the names of all of them, and of
    nobody else's, have in common.
    """

    def __init__(
        self,
        service: Service,
        requests: Mapping[str, Callable[[], Mapping[str, Any]]],
        *,
        part: str,
        parallel: int,
    ) -> None:
        self._service = service
        self._requests = requests
        self._part = part
        self._parallel = parallel
        self._queue = deque(requests)
        self._running: dict[str, str] = {}
        self._asked: str | None = None
        """The job that was asked for last, until SageMaker has said whether it runs."""
        self._missed: dict[str, int] = {}
        self._ended = 0
        self._stopped = False

    @property
    def done(self) -> bool:
        return (self._stopped or not self._queue) and not self._running

    @property
    def counts(self) -> Counts:
        return Counts(len(self._queue), len(self._running), self._ended)

    def start(self) -> None:
        """Nothing: the first ones start with the first look."""

    def look(self) -> list[Ended]:
        ended: list[Ended] = []
        if self._running:
            known = {
                s["TrainingJobName"]: s["TrainingJobStatus"] for s in self._service.trainings(self._part)
            }
            for node_id, job in list(self._running.items()):
                if known.get(job) in _ENDED:
                    ended.append(Ended(node_id, job))
                elif job not in known:
                    self._missed[job] = self._missed.get(job, 0) + 1
                    if self._missed[job] >= 2 * _MISSES:
                        ended.append(Ended(node_id, None, f"SageMaker knows training job {job} no more"))
                else:
                    self._missed.pop(job, None)
        for found in ended:
            del self._running[found.node_id]
        self._ended += len(ended)
        self._fill()
        return ended

    def _fill(self) -> None:
        """Start as many as may run."""
        while self._queue and len(self._running) < self._parallel and not self._stopped:
            node_id = self._queue[0]
            request = self._requests[node_id]()
            self._asked = request["TrainingJobName"]
            try:
                self._service.create(request)
            except ServiceError as error:
                self._asked = None
                if "ResourceLimitExceeded" in error.problem and self._running:
                    return  # until one of them has ended
                raise
            self._running[node_id] = request["TrainingJobName"]
            self._asked = None
            if self._stopped:  # meanwhile, by another thread
                self._service.stop_training(request["TrainingJobName"])
                return
            self._queue.popleft()

    def stop(self) -> None:
        self._stopped = True
        for job in self.names():
            self._service.stop_training(job)

    def names(self) -> list[str]:
        asked = self._asked  # before what runs: the watching thread moves it there
        return list(dict.fromkeys([*self._running.values(), *([asked] if asked else [])]))


def by_point(
    find: Callable[[Mapping[str, str]], int], trials: Sequence[str]
) -> Callable[[Mapping[str, Any]], str]:
    """Return how to find the trial of a Grid's training job: by the texts it was given."""
    return lambda summary: trials[find(summary["TunedHyperParameters"])]


def by_number(trials: Sequence[str]) -> Callable[[Mapping[str, Any]], str]:
    """Return how to find the trial of a search's training job: by the number in its name."""

    def find(summary: Mapping[str, Any]) -> str:
        place = number(summary["TrainingJobName"])
        if place is None or not 1 <= place <= len(trials):
            raise LookupError(summary["TrainingJobName"])
        return trials[place - 1]

    return find
