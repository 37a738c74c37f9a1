"""Trials in; jobs of SageMaker that run them, and their answers as the jobs end, out."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends.base import Planner
from harness.backends.sagemaker.account import connect, hushed
from harness.backends.sagemaker.jobs import Counts, Ended, Jobs
from harness.backends.sagemaker.opened import Opened
from harness.backends.sagemaker.options import SageMakerSettings
from harness.backends.sagemaker.planning import Group, groups
from harness.backends.sagemaker.prices import Estimate, hourly, parse_overrides, refuse
from harness.backends.sagemaker.progress import Progress, line
from harness.backends.sagemaker.relocation import PROJECT, renamed
from harness.backends.sagemaker.retrieval import Collected, Collector
from harness.backends.sagemaker.service import Service
from harness.backends.sagemaker.submission import Commission, Submission
from harness.backends.sagemaker.uploads import Uploads
from harness.backends.sagemaker.watch import Watch
from harness.errors import HarnessError
from harness.pool.messages import Answer
from harness.pool.warned import warn
from harness.settings import Settings
from harness.store import Store

_BLINK = 0.25
"""Seconds between two looks at what Ctrl-C, or a fault of the watch, may have changed."""
_SECTION = "SageMaker"
_NAMED = 4
"""Files that stay here and are named."""


class SageMaker:
    """Trials as tuning and training jobs; a `Backend`.

    files: by node id of every trial that may come.
    """

    name = "sagemaker"
    elsewhere = True
    refusal = None

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        cloud: SageMakerSettings,
        planner: Planner,
        *,
        run: str,
        files: Mapping[str, Path],
    ) -> None:
        self.in_flight = cloud.parallel_jobs
        self._config = config
        self._settings = settings
        self._cloud = cloud
        self._planner = planner
        self._run = run
        self._files = files
        self._folder = settings.store / "runs" / run
        self._opened = Opened(config.rootpath, apart=[settings.store, settings.expectations])
        self._progress = Progress(config)
        # Ctrl-C may come at any moment: `with` on this lock stands it, a Condition's would not.
        self._lock = threading.RLock()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Rung for the one who waits."""
        self._collector: Collector | None = None
        self._watch: Watch | None = None
        self._jobs: Sequence[Jobs] = ()
        self._places: dict[str, str] = {}
        """Folder within the run's, by node id."""
        self._answers: dict[str, Answer] = {}
        self._late: list[tuple[str, Answer]] = []
        self._open: dict[str, None] = {}
        self._failed = 0
        self._halted = False
        self._fault: BaseException | None = None
        self._on_demand = False

    def boot(self, trials: int) -> None:
        """Note from now on which files data sets are read from: they never travel."""
        self._opened.begin()

    def start(self, node_ids: Sequence[str], prepared: Mapping[str, Any]) -> None:
        """Check, price, upload and submit the trials; raise HarnessError where one of it cannot be."""
        self._opened.end()
        if not node_ids:
            return
        with hushed():
            account = connect(self._cloud)
            service = Service(account)
            uploads = Uploads(account.client("s3"), account.bucket, self._cloud.kms_key)
        briefs = [self._planner.brief(node_id) for node_id in node_ids]
        planned = groups(briefs)
        commission = Commission(
            config=self._config,
            settings=self._cloud,
            account=account,
            store=Store(self._settings.store),
            run=self._run,
            seed=self._settings.seed,
            threads=self._settings.threads,
            files=list(dict.fromkeys(self._files[node_id] for node_id in node_ids)),
            prepared=prepared,
            opened=self._opened.paths,
        )
        submission = Submission(commission, planned, self._planner)
        self._tell(submission, planned)
        submission.upload(uploads)
        self._places = {brief.node_id: brief.folder for brief in briefs}
        self._open = dict.fromkeys(node_ids)
        self._collector = Collector(service, uploads, self._folder, harness.__version__, time.sleep)
        self._jobs = submission.jobs(service)
        for jobs in self._jobs:  # `stop` ends what was started if one is refused, or by Ctrl-C
            jobs.start()
        self._watch = Watch(self._jobs, ended=self._take, fault=self._give_up, news=self._ring)
        self._watch.begin()

    def _tell(self, submission: Submission, planned: Sequence[Group]) -> None:
        """Say what is about to be submitted, and its price; raise HarnessError if that is too high."""
        cloud = self._cloud
        price = hourly(cloud.instance, parse_overrides(cloud.prices))
        trials = sum(len(group.briefs) for group in planned)
        estimate = Estimate(trials=trials, instance=cloud.instance, seconds=cloud.max_runtime, hourly=price)
        said = [*submission.described(), str(estimate)]
        if submission.left_out:
            names = [name for name, _ in submission.left_out]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            said.append(f"stays here: {', '.join(names[:_NAMED])}{more}")
        if submission.local:
            said.append(
                f"must be in the image, for it was not installed by version: {', '.join(submission.local)}"
            )
        if any(group.search is not None and group.search.prune for group in planned):
            said.append("prune=True has no effect on SageMaker: every trial runs to its end")
        self._progress.say([f"SageMaker: {text}" for text in said])
        if cloud.max_cost is not None:
            refuse([estimate], cloud.max_cost)

    # What the watching thread tells.

    def _take(self, ended: Ended) -> None:
        """Take in that a trial has ended; raise PassingError if its results cannot be fetched now."""
        assert self._collector is not None
        if ended.node_id not in self._open:
            return
        if ended.job is None:
            found = Collected(reason=ended.reason, stopped=self._halted)
        else:
            found = self._collector.collect(ended.job, ended.node_id, self._places[ended.node_id])
        with self._lock:
            del self._open[ended.node_id]
            if found.record is not None or not (self._halted and found.stopped):
                self._keep(ended.node_id, found)
            if self._cloud.spot and found.on_demand:
                self._on_demand = True
        self._ring()

    def _keep(self, node_id: str, found: Collected) -> None:
        record = found.record
        if record is None:
            answer = self._planner.died(node_id, found.reason, found.printed, found.seconds)
        elif record.exited is not None:
            reason, code = record.exited
            self._planner.exited(node_id, reason, code)
            return
        else:
            if record.values is not None:
                self._planner.choose(node_id, record.values)
            answer = _placed(record.answer, found.origin, str(self._config.rootpath))
        answer = dataclasses.replace(answer, origin=found.origin)
        self._failed += any(report.get("outcome") == "failed" for report in answer.reports)
        self._answers[node_id] = answer
        self._planner.arrived(node_id, answer)
        later = None if record is None else record.later
        if later is not None:
            self._late.append((node_id, later))
            self._planner.spoilt(node_id, later)

    def _give_up(self, error: BaseException) -> None:
        """Take in that nobody looks after the jobs any more: stop them, and give up their trials."""
        self._stop_jobs()
        with self._lock:
            if isinstance(error, HarnessError):
                for node_id in list(self._open):
                    del self._open[node_id]
                    self._keep(node_id, Collected(reason=str(error)))
            else:
                self._fault = error
        self._ring()

    def _ring(self) -> None:
        self._bell.put(None)

    # What pytest's thread asks.

    def answer(self, node_id: str) -> Answer | None:
        """Wait for a trial and return what it gave.

        Raises LookupError if it has not run and will not.
        """
        while True:
            with self._lock:
                self._raise()
                if node_id not in self._open or self._halted:
                    self._progress.clear(outcome=True)
                    if node_id in self._answers:
                        return self._answers.pop(node_id)
                    raise LookupError(node_id)
                self._show()
            with contextlib.suppress(queue.Empty):
                self._bell.get(timeout=_BLINK)

    def _raise(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _show(self) -> None:
        counts = [jobs.counts for jobs in self._jobs]
        total = Counts(*(sum(getattr(c, part) for c in counts) for part in ("queued", "running", "ended")))
        trouble = self._watch.trouble if self._watch else None
        best = self._planner.best()
        shown = "" if best is None else f"{best[0]} {best[1]:.4f}"
        self._progress.show(line(total, self._failed, shown, trouble))

    def late(self) -> list[tuple[str, Answer]]:
        """Return what came of trials after their answers: faults in tearing down what they had set up."""
        with self._lock:
            found, self._late = self._late, []
            return found

    def halt(self) -> None:
        """Stop all jobs."""
        self._halted = True
        self._ring()
        if self._watch is not None:
            self._watch.halt()

    def rest(self) -> Iterator[tuple[str, Answer]]:
        """Halt; yield the answers of trials that nobody asked for, when the last job has ended."""
        if self._open:
            self.halt()
        while self._watch is not None and not self._watch.join(_BLINK):
            self._raise()
        self._progress.clear()
        for node_id in [node_id for node_id in self._places if node_id in self._answers]:
            yield node_id, self._answers.pop(node_id)

    def stop(self, *, now: bool = False) -> None:
        """Stop every job that may still run, and wait for none of them."""
        self._progress.clear()
        self._opened.end()
        if self._watch is not None:
            self._watch.abandon()
        self._halted = True
        if self._open:
            self._stop_jobs()
        if self._watch is not None:
            self._watch.join(2.0 if now else 5.0)
        if self._on_demand:
            warn(self._config, "sagemaker_spot is set, but jobs ran on machines at the full price")

    def _stop_jobs(self) -> None:
        """Stop every job that may still run; say which, and which may run on."""
        for jobs in self._jobs:
            left = ", ".join(jobs.names())
            if left:
                self._progress.say([f"SageMaker: stopping {left}"])
            try:  # also where none runs: one may be about to
                jobs.stop()
            except HarnessError as error:
                warn(self._config, f"jobs may still run and cost money: {left}: {error}")


def _placed(answer: Answer, origin: Mapping[str, str], root: str) -> Answer:
    """Return an answer whose failed reports say where the trial ran, and whose warnings name files here."""
    here = renamed(answer, PROJECT, root)
    text = "\n".join(
        origin[name] for name in ("sagemaker.training_job", "sagemaker.console", "sagemaker.log")
    )
    reports = [
        {**report, "sections": [*report.get("sections", ()), [_SECTION, text]]}
        if report.get("outcome") == "failed"
        else report
        for report in here.reports
    ]
    return dataclasses.replace(here, reports=reports)
