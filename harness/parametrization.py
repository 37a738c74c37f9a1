"""The grids or the search of a function in; the parameters of its pytest items out."""

from __future__ import annotations

import contextlib
import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

import pytest

from harness.declarations import ExperimentDeclaration, Function, declared, grids, searches
from harness.errors import DeclarationError
from harness.space import Search

__tracebackhide__ = True

_ONCE = "a search tries each point once: give those values by choice(…) as well"

Declared = TypeVar("Declared")


def expand(metafunc: pytest.Metafunc, name: str, *, is_experiment: bool) -> None:
    """Let pytest make an item of every point of a grid, of every trial of a search.

    name: of the function, for messages. Raises DeclarationError for declarations that make no sense.
    """
    place = f"{metafunc.definition.path.name}::{name}"
    stated = declared(metafunc.function, ExperimentDeclaration)
    if stated is not None:
        with _at(place):
            stated.check()
    found = _of(metafunc.function, searches)
    if found:
        if not is_experiment:
            raise DeclarationError(
                f"{place}: @search stands above a function that is no experiment",
                "only experiment_* functions have trials",
            )
        _refuse_beside_search(place, metafunc)
        _search(place, found[0], metafunc)
    for grid in _of(metafunc.function, grids):
        _refuse_untaken(place, "@grid", grid.values, metafunc)
        with _at(place):
            points = list(grid.points())
        names = tuple(grid.values)
        metafunc.parametrize(
            names,
            [tuple(point.values[n] for n in names) for point in points],
            ids=[point.id for point in points],
        )


def _search(place: str, search: Search, metafunc: pytest.Metafunc) -> None:
    _refuse_untaken(place, "@search", search.ranges, metafunc)
    with _at(place):
        search.check()
    # The ranges hold the place of the values, which are not known before the trial is set up.
    metafunc.parametrize(
        ("trial", *search.ranges),
        [(index, *search.ranges.values()) for index in range(search.trials)],
        indirect=["trial"],
        ids=search.ids,
    )


def search_of(item: pytest.Function) -> Search | None:
    """Return the search that an item is a trial of, if it is one.

    Raises DeclarationError if something else has multiplied its trials: a fixture with `params`, say.
    """
    for search in _of(item.function, searches):
        others = set(item.callspec.params) - {"trial", *search.ranges}
        if others:
            place = f"{item.path.name}::{item.originalname}"
            text = f"{place}: @search and the parameters of {', '.join(sorted(others))} on one function"
            raise DeclarationError(text, _ONCE)
        return search
    return None


def unsearched(parameter: str, experiment: str) -> Callable[[pytest.FixtureRequest], Any]:
    """Return the fixture for functions that name a parameter which only another one searches.

    A fixture of the project by that name is nearer to them, or asked here if it is a plugin's.
    """

    def fixture(request: pytest.FixtureRequest) -> Any:
        try:
            return request.getfixturevalue(parameter)
        except pytest.FixtureLookupError:
            text = (
                f"{request.node.name} takes {parameter!r}, to which only {experiment} gives values; "
                f"write @grid({parameter}=[…]) or @search above its def as well"
            )
        pytest.fail(text, pytrace=False)

    fixture.__doc__ = f"Chosen by the @search of {experiment}."
    return fixture


def needs_trial(place: str, fixturenames: Collection[str]) -> None:
    """Raise DeclarationError if the experiment at `place`, `file::name`, does not take `trial`."""
    if "trial" not in fixturenames:
        raise DeclarationError(
            f"{place} does not take `trial`, so it could neither fit nor log",
            f"write def {place.rpartition('::')[2]}(trial, …)",
        )


def _of(function: Function, declarations: Callable[[Function], tuple[Declared, ...]]) -> tuple[Declared, ...]:
    # A decorator of the user's own may stand below the grid, or above it without keeping attributes.
    return declarations(function) or declarations(inspect.unwrap(function))


@contextlib.contextmanager
def _at(place: str) -> Iterator[None]:
    """Let a DeclarationError of the block say which experiment it is about."""
    try:
        yield
    except DeclarationError as error:
        raise DeclarationError(f"{place}: {error.problem}", error.remedy) from None


def _refuse_untaken(place: str, decorator: str, parameters: Iterable[str], metafunc: pytest.Metafunc) -> None:
    for parameter in parameters:
        if parameter not in metafunc.fixturenames:
            candidates = [f for f in metafunc.fixturenames if f not in ("_harness", "trial", "request")]
            close = difflib.get_close_matches(parameter, candidates, 1)
            raise DeclarationError(
                f"{place}: {decorator} gives {parameter!r}, which neither the function nor its features take",
                f"did you mean {close[0]!r}?" if close else f"add {parameter} to its arguments",
            )


def _refuse_beside_search(place: str, metafunc: pytest.Metafunc) -> None:
    """Refuse what would multiply the trials of a search."""
    needs_trial(place, metafunc.fixturenames)
    if len(_of(metafunc.function, searches)) > 1:
        raise DeclarationError(
            f"{place}: two @search above one function", "write one @search with all ranges"
        )
    marked = next(metafunc.definition.iter_markers("parametrize"), None)
    if marked is not None or _of(metafunc.function, grids):
        other = "@grid" if marked is None else "@pytest.mark.parametrize"
        raise DeclarationError(f"{place}: @search and {other} on one function", _ONCE)
