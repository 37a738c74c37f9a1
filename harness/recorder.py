"""Pytest's reports of one item in; the record of that item out."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from harness.collection import DATASET, INDEX, VALUES, experiment_name, searched
from harness.results import ComparisonRecord, ContractRecord, GateRecord, Outcome, TrialRecord
from harness.values import jsonable

_LONGEST = 20_000
"""Characters of a failure or of captured output that a record keeps."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Set-up, call or tear-down of an item, as pytest reported it."""

    when: str
    outcome: str
    asserted: bool
    """Whether, if it failed, it did so by an assert, `pytest.fail` or a strict xfail."""
    text: str
    crash: str
    """First line of the exception, if there was one."""
    started: float
    seconds: float


PHASES = pytest.StashKey[list[Phase]]()


def observe(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Take in the report of one phase."""
    if call.when == "setup":
        item.stash[PHASES] = []  # a plugin that runs items again starts anew
    excinfo = call.excinfo
    item.stash.setdefault(PHASES, []).append(
        Phase(
            when=str(report.when),
            outcome=report.outcome,
            # Without an exception it is a strict xfail that passed.
            asserted=excinfo is None or isinstance(excinfo.value, AssertionError | pytest.fail.Exception),
            text=_reason(report),
            crash="" if excinfo is None else excinfo.exconly(tryshort=True).split("\n")[0],
            started=call.start,
            seconds=report.duration,
        )
    )


def _reason(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    if hasattr(report, "wasxfail"):
        return f"expected failure: {report.wasxfail}".removesuffix(": ")
    return report.longreprtext[:_LONGEST]


def failed(item: pytest.Item) -> bool:
    """Return whether a phase of an item, or a subtest, has failed up to now."""
    return any(phase.outcome == "failed" for phase in item.stash[PHASES])


def outcome(phases: Sequence[Phase]) -> tuple[Outcome, str]:
    """Return what became of a trial, and why."""
    for phase in phases:
        if phase.outcome == "failed":
            return ("failed" if phase.asserted and phase.when == "call" else "raised"), phase.text
        if phase.outcome == "skipped":
            return "skipped", phase.text
    return "passed", ""


def seconds(phases: list[Phase]) -> float:
    """Return how long an item took; a subtest lies within the call that is reported after it."""
    return sum({phase.when: phase.seconds for phase in phases}.values())


def parameters(item: pytest.Item) -> dict[str, Any]:
    """Return the hyperparameters of a trial: every parameter that pytest gave it, or what a search chose.

    None before the search has chosen.
    """
    if searched(item) is not None:
        values: dict[str, Any] = item.stash.get(VALUES, {})
        return dict(values)
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}


def _plain_parameters(item: pytest.Item) -> dict[str, Any]:
    return {name: jsonable(value) for name, value in parameters(item).items()}


def recorded_parameters(item: pytest.Item) -> dict[str, Any]:
    """Return the hyperparameters of a trial as JSON values, from before it could change them."""
    return item.stash[PARAMS] if PARAMS in item.stash else _plain_parameters(item)


PARAMS = pytest.StashKey[dict[str, Any]]()
"""Hyperparameters as JSON, from before the trial could change them."""


def own_parameters(item: pytest.Item) -> None:
    """Give an item copies of its parameters: what it does to them is not another trial's business."""
    item.stash[PARAMS] = _plain_parameters(item)
    own = copied(parameters(item))
    if own:
        item.callspec.params.update(own)  # type: ignore[attr-defined]  # read when fixtures are set up
    if VALUES in item.stash:
        item.stash[VALUES] = own


def copied(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return copies of parameters, as far as they can be copied."""
    own = dict(params)
    for name, value in own.items():
        with contextlib.suppress(Exception):  # copying runs code of the value's class
            own[name] = copy.deepcopy(value)
    return own


def trial_record(item: pytest.Item, report: pytest.TestReport, known: Mapping[str, Any]) -> TrialRecord:
    """Return the record of a trial whose tear-down was just reported.

    known: what its `trial` object knows, fields of TrialRecord.
    """
    phases = item.stash[PHASES]
    verdict, message = outcome(phases)
    callspec = getattr(item, "callspec", None)
    output = "\n".join(part for part in (report.capstdout, report.capstderr) if part)
    return TrialRecord(
        node_id=item.nodeid,
        experiment=experiment_name(item),
        index=item.stash[INDEX],
        id=callspec.id if callspec is not None else "",
        params=recorded_parameters(item),
        outcome=verdict,
        message=message,
        started=phases[0].started,
        seconds=seconds(phases),
        output=output[-_LONGEST:],
        **known,
    )


def gate_record(
    item: pytest.Item,
    experiments: Sequence[str],
    *,
    readings: Mapping[str, float],
    comparisons: Sequence[ComparisonRecord],
    policy: str,
    opened: Sequence[str],
    notes: Sequence[str] = (),
) -> GateRecord:
    """Return the record of a gate whose tear-down was just reported."""
    phases = item.stash[PHASES]
    verdict, message = outcome(phases)
    return GateRecord(
        node_id=item.nodeid,
        name=item.name,
        outcome="failed"
        if verdict in ("failed", "raised", "error")
        else "passed"
        if verdict == "passed"
        else "skipped",
        experiments=tuple(experiments),
        readings=dict(readings),
        comparisons=[one.to_json() for one in comparisons],
        policy=policy,
        message=message,
        opened=tuple(opened),
        note="; ".join(notes),
        seconds=seconds(phases),
    )


def broken_contract(item: pytest.Item, violations: Sequence[str], verdict: str) -> ContractRecord:
    """Return the record of a contract item that failed; example rows stay out of the store.

    violations: none, if something else than the contract is the reason: the loader raised or skipped.
    """
    declaration = item.stash[DATASET]
    reasons = violations or [phase.crash for phase in item.stash[PHASES] if phase.outcome != "passed"]
    return ContractRecord(
        node_id=item.nodeid,
        dataset=declaration.name,
        outcome="broken",
        contract=declaration.contract,
        verdict=verdict,
        violations=tuple(reasons),
        seconds=seconds(item.stash[PHASES]),
    )
