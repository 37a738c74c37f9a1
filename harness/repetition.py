"""A trial whose function has returned in; what it scores on other divisions of the same rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from harness.data.dataset import Dataset
from harness.data.resplit import Repeat, rounds
from harness.errors import HarnessError
from harness.recorder import copied, parameters
from harness.stage import Stage, objective_of
from harness.trial import Trial

__tracebackhide__ = True

_AGAIN = pytest.StashKey[bool]()
"""Whether the function of a trial is being called for a repeat."""


class Repetition:
    """The repeats or folds of one trial, run in the process and the call phase of the trial itself."""

    def __init__(self, stage: Stage, item: pytest.Function, repeats: Sequence[Repeat]) -> None:
        self._stage = stage
        self._item = item
        self._repeats = repeats
        own = parameters(item)
        self._given = [name for name, value in own.items() if item.funcargs.get(name) is value]
        self._params = copied(own)  # from before the function could change them
        stage.expect(len(repeats))

    @classmethod
    def of(cls, stage: Stage, item: pytest.Function) -> Repetition | None:
        """Return what comes after the function of a trial; None if it runs on the declared split only."""
        stated = objective_of(item)
        return cls(stage, item, rounds(stated.repeats, stated.folds)) if stated.repeated else None

    @staticmethod
    def running(item: pytest.Item) -> bool:
        """Return whether the function of a trial is being called for a repeat."""
        return item.stash.get(_AGAIN, False)

    def run(self, declared: Trial) -> dict[str, Any]:
        """Call the function for each repeat; return the fields of the trial's record that tell of them.

        declared: the trial as it stands after the declared split. What the function raises goes through,
        with a note that says in which repeat; what the harness finds wrong fails the trial, also before
        the first repeat if the declared split gave no objective.
        """
        with _failing():
            first = declared.summary()
        folds = any(repeat.fold for repeat in self._repeats)
        before = dict(self._item.funcargs)
        self._item.stash[_AGAIN] = True
        try:
            found = [self._one(repeat, before) for repeat in self._repeats]
        finally:
            self._item.stash[_AGAIN] = False
            self._item.funcargs.update(before)
            self._stage.materials.release()
        return {"repeats": found if folds else [first, *found], "folds": folds}

    def _one(self, repeat: Repeat, before: Mapping[str, Any]) -> dict[str, float]:
        with _told(repeat):
            trial = self._set_up(repeat, before)
            self._stage.seed_again(self._item, repeat.key)
            self._item.ihook.pytest_pyfunc_call(pyfuncitem=self._item)
            with _failing():
                return trial.summary()

    def _set_up(self, repeat: Repeat, before: Mapping[str, Any]) -> Trial:
        """Give the function the arguments of a repeat and return its trial."""
        stage, item = self._stage, self._item
        stage.materials.release()
        params = copied(self._params)
        with _failing():
            own = [stage.repeated(stage.named(name), repeat) for name in stage.datasets_of(item)]
            trial = stage.repeated_trial(item, params, own, str(repeat))
            for name, value in before.items():
                if isinstance(value, Dataset):
                    item.funcargs[name] = stage.repeated(value, repeat)
                elif isinstance(value, Trial):
                    item.funcargs[name] = trial
                elif name in self._given:
                    item.funcargs[name] = params[name]
        return trial


@contextmanager
def _failing() -> Iterator[None]:
    """Let a problem that the harness has found fail the trial by its text alone."""
    problem = None
    try:
        yield
    except HarnessError as error:
        problem = str(error)
    if problem is not None:
        __tracebackhide__ = False  # where every frame is hidden, pytest adds a line about that
        raise pytest.fail.Exception(problem, pytrace=False) from None


@contextmanager
def _told(repeat: Repeat) -> Iterator[None]:
    """Let what ends a trial early say in which repeat."""
    try:
        yield
    except (pytest.fail.Exception, pytest.skip.Exception) as stop:
        stop.msg = f"in {repeat}: {stop.msg}"  # pytest shows no notes of these
        raise
    except BaseException as error:
        error.add_note(f"in {repeat}")
        raise
