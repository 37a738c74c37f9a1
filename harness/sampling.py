"""Results of a search's trials in; the values of the next trials out: Optuna, or independent draws."""

from __future__ import annotations

import hashlib
import math
import random
import threading
from collections import deque
from collections.abc import Mapping

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from harness.ranges import Choice, Integers, Loguniform, Plain, Range
from harness.results import TrialRecord
from harness.space import Search

__tracebackhide__ = True

_STARTUP = 10
"""Trials that are spread at random before the estimator guides, as Optuna has it."""


class Sampler:
    """Chooses the values of one search; threads may share it."""

    def __init__(self, search: Search, base_seed: int, experiment: str) -> None:
        """Seed it from the base seed and the experiment's name: equal ones choose alike."""
        self._search = search
        self._draws = _Draws(search, f"{base_seed}/{experiment}")
        self._lock = threading.Lock()
        self._asked: dict[int, dict[str, Plain]] = {}
        self._startup = min(_STARTUP, math.ceil(search.trials / 3))
        guided = search.strategy == "tpe"
        self._guide = _Guide(search, self._draws.seed, self._startup) if guided else None

    def ask(self, index: int) -> dict[str, Plain]:
        """Return the values of a trial in their plain form, the same ones when it is asked again.

        index: of the trial, 0 … trials - 1. Values of strategy "random", and of the first trials of any,
        depend on the seed and the index alone.
        """
        with self._lock:
            if index not in self._asked:
                self._asked[index] = self._choose(index)
            return dict(self._asked[index])

    def _choose(self, index: int) -> dict[str, Plain]:
        if self._guide is None:
            return self._draws.point(index)
        return self._guide.take(index, self._draws.point(index) if index < self._startup else None)

    def tell(self, index: int, plain: Mapping[str, Plain], record: TrialRecord) -> None:
        """Take in what became of a trial, be it one that was asked for or one of an earlier run.

        Finished trials guide by their objective, pruned ones by how far they came; others, and those
        without an objective, do not.
        """
        with self._lock:
            self._asked.setdefault(index, dict(plain))
            if self._guide is not None:
                self._guide.learn(index, plain, record)


class _Draws:
    """Points that depend on a seed and a number alone, all of them different."""

    def __init__(self, search: Search, seed: str) -> None:
        self._search = search
        self.seed = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=4).digest())
        self._order = random.Random(self.seed)
        self._picked: list[int] = []
        self._moved: dict[int, int] = {}

    def point(self, index: int) -> dict[str, Plain]:
        """Return the point of a number."""
        size = self._search.size
        if size is not None:
            return self._at(self._number(index, size))
        return {
            name: r.draw(random.Random(f"{self.seed}/{index}/{name}").random())
            for name, r in self._search.ranges.items()
        }

    def _number(self, index: int, size: int) -> int:
        """Return a place in the order of a shuffled space, of which only the beginning is shuffled."""
        while len(self._picked) <= index:  # Fisher and Yates, without a list of every point
            done = len(self._picked)
            other = self._order.randrange(done, size)
            self._picked.append(self._moved.pop(other, other))
            if other != done:
                self._moved[other] = self._moved.pop(done, done)
        return self._picked[index]

    def _at(self, number: int) -> dict[str, Plain]:
        point: dict[str, Plain] = {}
        for name, r in self._search.ranges.items():
            assert isinstance(r, Integers | Choice)
            number, position = divmod(number, r.size)
            point[name] = r.at(position)
        return point


class _Guide:
    """Optuna's tree-structured Parzen estimator, asked and told in this process."""

    def __init__(self, search: Search, seed: int, startup: int) -> None:
        self._search = search
        self._distributions = {name: _distribution(r) for name, r in search.ranges.items()}
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it announces every study
        try:
            # Values are told so that less is better: the direction is known only with the first of them.
            self._study = optuna.create_study(
                sampler=optuna.samplers.TPESampler(
                    seed=seed,
                    n_startup_trials=startup,
                    multivariate=True,
                    constant_liar=True,  # what runs counts as bad, so that nobody tries the same at once
                )
            )
        finally:
            optuna.logging.set_verbosity(verbosity)
        self._running: dict[int, optuna.Trial] = {}
        self._taken: set[tuple[Plain, ...]] = set()

    def take(self, index: int, wanted: dict[str, Plain] | None) -> dict[str, Plain]:
        """Return the next point, `wanted` if given, that no trial has: a discrete one may be next to it."""
        if wanted is None:
            trial = self._study.ask(self._distributions)
            wanted = {name: trial.params[name] for name in self._distributions}
            point = self._untaken(wanted)
            if point != wanted:
                self._study.tell(trial, state=TrialState.FAIL)
                trial = self._fixed(point)
        else:
            point = self._untaken(wanted)
            trial = self._fixed(point)
        self._running[index] = trial
        self._taken.add(tuple(point.values()))
        return point

    def _fixed(self, point: Mapping[str, Plain]) -> optuna.Trial:
        self._study.enqueue_trial(dict(point))
        return self._study.ask(self._distributions)

    def _untaken(self, point: dict[str, Plain]) -> dict[str, Plain]:
        """Return the point, or the nearest one that no trial has; of a continuum, the point."""
        if self._search.size is None:
            return point
        ranges = list(self._search.ranges.values())
        start = tuple(point.values())
        seen, queue = {start}, deque([start])
        while queue:
            here = queue.popleft()
            if here not in self._taken:
                return dict(zip(point, here, strict=True))
            for i, r in enumerate(ranges):
                assert isinstance(r, Integers | Choice)
                steps = ((*here[:i], value, *here[i + 1 :]) for value in r.near(here[i]))
                fresh = [step for step in steps if step not in seen]
                seen.update(fresh)
                queue.extend(fresh)
        return point  # every point was told before, by an earlier run

    def learn(self, index: int, plain: Mapping[str, Plain], record: TrialRecord) -> None:
        """Take in a record."""
        state, value, curve = _told(record)
        trial = self._running.pop(index, None)
        if trial is not None and trial.params == dict(plain):
            for step, reached in curve.items():
                trial.report(reached, step)
            self._study.tell(trial, value, state)
            return
        if trial is not None:  # other values than those asked for
            self._study.tell(trial, state=TrialState.FAIL)
        self._taken.add(tuple(plain[name] for name in self._distributions))
        self._study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=value,
                params=dict(plain),
                distributions=self._distributions,
                intermediate_values=curve,
            )
        )


def _distribution(r: Range) -> BaseDistribution:
    if isinstance(r, Integers):
        return IntDistribution(r.lo, r.hi)
    if isinstance(r, Choice):
        return CategoricalDistribution(range(r.size))
    return FloatDistribution(r.lo, r.hi, log=isinstance(r, Loguniform))


def _told(record: TrialRecord) -> tuple[TrialState, float | None, dict[int, float]]:
    """Return state, value and last step of the curve of a record as Optuna takes them, less is better."""
    if record.outcome == "pruned":
        curve = record.curves.get(record.watched or "", ())
        pick = max if record.watched_greater_is_better else min
        seen = [value for value in curve if not math.isnan(value)]
        sign = -1 if record.watched_greater_is_better else 1
        # The estimator orders pruned trials by the last step and its value, and reads no other.
        return TrialState.PRUNED, None, {len(curve): sign * pick(seen)} if seen else {}
    value = record.value
    if record.outcome != "passed" or value is None or not math.isfinite(value):
        return TrialState.FAIL, None, {}
    return TrialState.COMPLETE, -value if record.greater_is_better else value, {}
