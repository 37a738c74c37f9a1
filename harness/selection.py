"""The items that pytest selected in; with all they cannot do without, in order, out (rule 3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from harness.catalogue import Catalogue
from harness.collection import DATASET, EXPERIMENT, experiment_name, requested, role
from harness.errors import DeclarationError

JUDGES = "judges"
"""Mark of a gate that asks for more experiments than it judges."""


def contracts(
    catalogue: Catalogue, session: pytest.Session, items: Sequence[pytest.Item]
) -> list[pytest.Function]:
    """Return the contract items of the data sets that any of the items needs, in order of need."""
    needed: dict[str, pytest.Function] = {}
    for item in items:
        for name in requested(item):
            declaration = catalogue.dataset(name)
            if declaration is not None and name not in needed:
                needed[name] = catalogue.contract(session, declaration)
        if role(item) == "contract":
            needed.setdefault(item.stash[DATASET].name, item)  # type: ignore[arg-type]
    return _prerequisites_first(catalogue, session, needed)


def _prerequisites_first(
    catalogue: Catalogue, session: pytest.Session, needed: dict[str, pytest.Function]
) -> list[pytest.Function]:
    """Order contracts so that a loader which asks for another data set comes after it."""
    ordered: dict[str, pytest.Function] = {}

    def visit(name: str, item: pytest.Function) -> None:
        if name in ordered:
            return
        for other in requested(item):
            declaration = catalogue.dataset(other)
            if declaration is not None and other != name:
                visit(other, needed.get(other) or catalogue.contract(session, declaration))
        ordered[name] = item

    for name, item in needed.items():
        visit(name, item)
    return list(ordered.values())


def judged(catalogue: Catalogue, item: pytest.Item) -> list[str]:
    """Return the names of the experiments whose results an item asks for."""
    if role(item) in ("trial", "contract"):
        return []
    return [
        name for name in requested(item) if name.startswith(EXPERIMENT) and not catalogue.is_fixture(name)
    ]


def judges(
    catalogue: Catalogue, session: pytest.Session, items: Sequence[pytest.Item]
) -> dict[str, list[str]]:
    """Return the node ids of all gates of the project, selected or not, by each experiment of the items."""
    found: dict[str, list[str]] = {experiment_name(item): [] for item in items if role(item) == "trial"}
    for gate in catalogue.gates(session, found):
        for name in subjects(catalogue, gate):
            found.setdefault(name, []).append(gate.nodeid)
    return found


def subjects(catalogue: Catalogue, gate: pytest.Item) -> list[str]:
    """Return the experiments that may not be promoted unless a gate passes.

    Those that it asks for, or of them only those that its mark `judges` names: the others are what they
    are compared with. Raises DeclarationError for a mark that names something else.
    """
    asked = judged(catalogue, gate)
    mark = gate.get_closest_marker(JUDGES)
    if mark is None:
        return asked
    strange = [name for name in mark.args if name not in asked]
    if strange or not mark.args or mark.kwargs:
        wrong = f"{strange[0]!r}, which is none of its arguments" if strange else "no experiment"
        example = f'@pytest.mark.{JUDGES}("{asked[0] if asked else "experiment_x"}")'
        raise DeclarationError(
            f"{gate.nodeid}: @pytest.mark.{JUDGES} names {wrong}", f"name those that it judges, as {example}"
        )
    return [name for name in asked if name in mark.args]


def widen(catalogue: Catalogue, session: pytest.Session, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the items with all trials of every judged experiment and all contracts needed.

    Contracts come first; a gate comes after the last trial that it judges; trials that are missing stand
    where they were declared, among those of their experiment that are there; everything else keeps its
    place. Raises DeclarationError for a gate whose experiment no file defines, and for a trial
    that asks for an experiment.
    """
    selected = set(items)
    judges: dict[pytest.Item, list[pytest.Function]] = {}
    beside: dict[pytest.Item, tuple[list[pytest.Function], list[pytest.Function]]] = {}
    for item in items:
        if role(item) == "trial":
            _refuse_results(catalogue, item)
        for name in judged(catalogue, item):
            trials = _trials(catalogue, session, item, name)
            judges.setdefault(item, []).extend(trials)
            beside.update(_around(trials, selected))
    full: dict[pytest.Item, None] = {}  # an ordered set
    for item in items:
        if role(item) == "contract":
            continue
        before, after = beside.get(item, ([], []))
        missing = (trial for trial in judges.get(item, ()) if trial not in selected)
        full.update(dict.fromkeys([*before, *missing, item, *after]))
    position = {item: i for i, item in enumerate(full)}

    def rank(item: pytest.Item) -> tuple[int, bool, int]:
        own = position[item]
        last = max((position[trial] for trial in judges.get(item, ())), default=own)
        return (max(own, last), last > own, own)

    ordered = sorted(full, key=rank)
    return [*contracts(catalogue, session, [*items, *ordered]), *ordered]


def _around(
    trials: Sequence[pytest.Function], selected: Collection[pytest.Item]
) -> dict[pytest.Item, tuple[list[pytest.Function], list[pytest.Function]]]:
    """Return, for each selected trial of an experiment, the missing ones to run right before and after it."""
    found: dict[pytest.Item, tuple[list[pytest.Function], list[pytest.Function]]] = {}
    waiting: list[pytest.Function] = []
    last: pytest.Function | None = None
    for trial in trials:
        if trial in selected:
            found[trial] = (waiting, [])
            waiting, last = [], trial
        else:
            waiting.append(trial)
    if last is not None:
        found[last][1].extend(waiting)
    return found


def _trials(
    catalogue: Catalogue, session: pytest.Session, item: pytest.Item, name: str
) -> list[pytest.Function]:
    try:
        return catalogue.trials(session, name)
    except DeclarationError as error:
        raise DeclarationError(f"{item.nodeid}: {error.problem}", error.remedy) from None


def _refuse_results(catalogue: Catalogue, item: pytest.Item) -> None:
    for name in requested(item):
        if name.startswith(EXPERIMENT) and not catalogue.is_fixture(name):
            raise DeclarationError(
                f"{item.nodeid}: {experiment_name(item)} asks for the results of {name}",
                "only gates see results: write a gate_* function, or share code by a plain function",
            )
