"""The trials of a run: who is told to do which, and what came of it; between pytest and a backend."""

from __future__ import annotations

import copy
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from harness.backends.base import Brief
from harness.bests import best
from harness.collection import INDEX, VALUES, experiment_name, searched
from harness.errors import StoreError
from harness.pool.messages import Answer, Order
from harness.pruning import Bar, bars
from harness.recorder import own_parameters, recorded_parameters
from harness.results import PAYLOAD, TrialRecord, pack, unpack
from harness.resumption import Resumption
from harness.run import Run
from harness.space import Search
from harness.stage import BARS

if TYPE_CHECKING:
    from harness.sampling import Sampler

__tracebackhide__ = True

REUSED = "reused"
"""Attribute of the reports of a trial whose result was taken from the store."""


class Roster:
    """Told by threads of a backend what happens to trials; the `Host` of a pool.

    maxfail: failures after which nothing more starts, 0: any number.
    halt: stops the backend from starting more; stop: ends the session, for the reason it is given.
    """

    def __init__(
        self,
        config: pytest.Config,
        run: Run,
        *,
        maxfail: int,
        halt: Callable[[], None],
        stop: Callable[[str], None],
    ) -> None:
        self._config = config
        self._run = run
        self._resumption = Resumption(config, run)
        self._items = {item.nodeid: item for items in run.experiments.values() for item in items}
        self._maxfail = maxfail
        self._halt = halt
        self._stop = stop
        self._failures = 0
        self._exits: dict[str, tuple[str, int | None]] = {}
        self._samplers: dict[str, Sampler] = {}
        self._lock = threading.Lock()
        self._chosen: dict[str, Mapping[str, Any]] = {}

    def resume(self, items: Sequence[pytest.Item]) -> None:
        """Take from the store what trials that are about to start have given before."""
        self._resumption.look(items)
        for node_id, record in self._resumption.reused.items():
            item = self._items[node_id]
            search = searched(item)
            plain = search.plain(record.params) if search is not None else None
            if search is not None and plain is not None:  # it would not be reused without them
                self._choose(item, search, plain)
            self.keep(pack(record))

    def reused(self, item: pytest.Item) -> Answer | None:
        """Return what stands for a trial whose result was taken from the store; None for others."""
        if item.nodeid not in self._resumption.reused:
            return None
        said = [self._report(item, when) for when in ("setup", "call", "teardown")]
        return Answer([{**report, REUSED: True} for report in said])

    def reason(self, node_id: str) -> str | None:
        """Return why a trial runs; None unless its result was looked for in the store."""
        return self._resumption.reasons.get(node_id)

    def brief(self, node_id: str) -> Brief:
        """Return what is known of a trial before it starts."""
        item = self._items[node_id]
        search = searched(item)
        return Brief(
            node_id=node_id,
            experiment=experiment_name(item),
            folder=self._run.stage.folder_of(item),
            params=recorded_parameters(item) if search is None else None,
            search=search,
            objective=self._run.objective(item),
            datasets=self._run.stage.datasets_of(item),
        )

    def choose(self, node_id: str, values: Mapping[str, Any]) -> None:
        """Learn the values that another sampler than ours has chosen for a trial of a search."""
        item = self._items[node_id]
        search = searched(item)
        assert search is not None
        item.stash[VALUES] = search.values(values)
        self._run.params[node_id] = search.values(values)

    def best(self) -> tuple[str, float] | None:
        """Return the best objective so far, name and value, where a trial has finished last."""
        finished = [record for record in self._run.findings.trials.values() if record.finished]
        found = best(self._run.results_of(finished[-1].experiment)) if finished else None
        return None if found is None or found.value is None else (str(found.objective), found.value)

    def assign(self, node_id: str) -> Order:
        """Return the order of a trial that is about to start, with the values that its search has chosen."""
        item = self._items[node_id]
        search = searched(item)
        if search is None:
            return Order(node_id=node_id, params=recorded_parameters(item))
        plain = self._sampler(item, search).ask(item.stash[INDEX])
        self._choose(item, search, plain)
        if not search.prune:
            return Order(node_id=node_id, values=plain)
        rivals = bars(self._run.results_of(experiment_name(item)))
        return Order(node_id=node_id, values=plain, bars=[bar.to_json() for bar in rivals])

    def _choose(self, item: pytest.Item, search: Search, plain: Mapping[str, Any]) -> None:
        self._chosen[item.nodeid] = plain
        item.stash[VALUES] = search.values(plain)
        self._run.params[item.nodeid] = search.values(plain)

    def take_up(self, item: pytest.Item) -> None:
        """Make ready a trial that runs in this process."""
        wanted = self.assign(item.nodeid).bars
        item.stash[BARS] = None if wanted is None else [Bar.from_json(bar) for bar in wanted]

    def _sampler(self, item: pytest.Item, search: Search) -> Sampler:
        from harness.sampling import Sampler  # imports Optuna

        name = experiment_name(item)
        with self._lock:
            if name not in self._samplers:
                self._samplers[name] = Sampler(search, self._run.settings.seed, name)
            return self._samplers[name]

    def arrived(self, node_id: str, answer: Answer) -> None:  # noqa: ARG002  # the record says it
        """Keep the record of a trial, at once: pytest sees its reports later."""
        for report in answer.reports:
            if report.get("outcome") == "failed":
                self.failed()
            if PAYLOAD in report:
                self.keep({**report[PAYLOAD], "origin": answer.origin} if answer.origin else report[PAYLOAD])

    def spoilt(self, node_id: str, answer: Answer) -> None:
        """Take in that a fixture which the trial shared with others failed at its end, after its answer."""
        for data in answer.reports:
            self.failed()
            report = self._config.hook.pytest_report_from_serializable(
                config=self._config,
                data=copy.deepcopy(dict(data)),  # which pytest takes apart, and it is told once more
            )
            known = self._run.findings.trials.get(node_id)
            if known is None:  # the store could not take it
                return
            self.keep(pack(dataclasses.replace(known, outcome="raised", message=report.longreprtext)))

    def keep(self, payload: Mapping[str, Any]) -> None:
        """Keep a packed record; end the session if the store cannot take it."""
        if payload.get("kind") == "trial" and not payload.get("fingerprint"):
            fingerprint = self._resumption.fingerprint(self._items[payload["node_id"]])
            payload = {**payload, "fingerprint": fingerprint}
        record = unpack(payload)
        if record is None:  # of another version of the harness
            return
        try:
            self._run.findings.take(record)
        except StoreError as error:  # a full disk: what comes next could not be kept either
            self._stop(str(error))
            self._halt()
            return
        if isinstance(record, TrialRecord) and record.node_id in self._chosen:
            plain = self._chosen[record.node_id]
            item = self._items[record.node_id]
            search = searched(item)
            if search is not None:
                self._sampler(item, search).tell(record.index, plain, record)

    def failed(self) -> None:
        """Count a failure, and start nothing more if it was one too many."""
        self._failures += 1
        if self._maxfail and self._failures >= self._maxfail:
            self._halt()

    def exited(self, node_id: str, reason: str, code: int | None) -> None:
        """Learn that a trial called `pytest.exit`: nothing more starts, and `leave` ends the session."""
        self._exits[node_id] = (reason, code)
        self._halt()

    def leave(self, node_id: str) -> None:
        """Call `pytest.exit` in this process if the trial did so in its own."""
        if node_id in self._exits:
            reason, code = self._exits[node_id]
            pytest.exit(reason, returncode=code)

    def died(self, node_id: str, reason: str, printed: str, seconds: float) -> Answer:
        """Return what stands for a trial whose worker died: an error in its set-up."""
        item = self._items[node_id]
        own_parameters(item)
        record = TrialRecord(
            node_id=node_id,
            experiment=experiment_name(item),
            index=item.stash[INDEX],
            id=item.callspec.id if hasattr(item, "callspec") else "",
            params=recorded_parameters(item),
            outcome="error",
            message=reason,
            started=time.time() - seconds,
            seconds=seconds,
            output=printed,
        )
        told = {**self._report(item, "setup", reason, _last(printed)), "duration": seconds}
        return Answer([told, {**self._report(item, "teardown"), PAYLOAD: pack(record)}])

    def fell(self, node_id: str, reason: str, printed: str) -> Answer:
        """Return what stands for the death of a worker after its last trial: an error in its tear-down."""
        text = f"{reason} while it tore down what trials had shared"
        return Answer([self._report(self._items[node_id], "teardown", text, _last(printed))])

    def _report(
        self,
        item: pytest.Item,
        when: str,
        problem: str | None = None,
        sections: Sequence[tuple[str, str]] = (),
    ) -> dict[str, Any]:
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords=dict.fromkeys(item.keywords, 1),
            outcome="failed" if problem else "passed",
            longrepr=problem,
            when=when,  # type: ignore[arg-type]
            sections=sections,
        )
        made: dict[str, Any] = self._config.hook.pytest_report_to_serializable(
            config=self._config, report=report
        )
        return made


def _last(printed: str) -> list[tuple[str, str]]:
    return [("what the worker printed last", printed)] if printed else []
