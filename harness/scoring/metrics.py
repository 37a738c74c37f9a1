"""Declared metrics and objectives flow in; the table of all metrics and checked objectives flow out."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from numpy.typing import NDArray

from harness.declarations import MetricDeclaration
from harness.errors import DeclarationError
from harness.results import Objective
from harness.scoring.evidence import Evidence
from harness.scoring.standard import CLASSIFICATION, METRICS, REGRESSION, Metric

__all__ = ["METRICS", "Metric", "advice", "default_objective", "objective", "table"]

__tracebackhide__ = True

ARGUMENTS = ("y", "prediction", "probability", "X", "weight")
"""What a `@metric` may ask for by name."""
RESERVED = frozenset({"of", "only", "where", "values"})
"""Attributes of `Scores` that are no score."""


def table(declarations: Iterable[MetricDeclaration]) -> dict[str, Metric]:
    """Return the built-in metrics and those declared with `@metric`, by name.

    Raise `DeclarationError` if a name is taken or no score, or a function asks for what there is not.
    """
    metrics, declared = dict(METRICS), dict[str, MetricDeclaration]()
    for declaration in declarations:
        name, other = declaration.name, declared.get(declaration.name)
        if name in METRICS or name in RESERVED or name.startswith("_"):
            taken = (
                "a score of scikit-learn" if name in METRICS else "an attribute that Scores keeps for itself"
            )
            raise DeclarationError(
                f"@metric {name} ({declaration.place}) has the name of {taken}",
                "give the function another name",
            )
        if other is not None and _source(other) != _source(declaration):
            raise DeclarationError(
                f"two metrics are named {name}: {other.place} and {declaration.place}", "rename one of them"
            )
        declared[name], metrics[name] = declaration, _declared(declaration)
    return metrics


def default_objective(task: str) -> Objective:
    """Return highest `roc_auc` (binary), highest `accuracy` (multiclass) or lowest `rmse` (regression)."""
    name = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}[task]
    return Objective(name=name, greater_is_better=METRICS[name].greater_is_better)


def objective(
    maximize: str | None,
    minimize: str | None,
    metrics: Mapping[str, Metric],
    *,
    task: str | None = None,
    logged: bool = False,
) -> Objective | None:
    """Return what `@experiment(maximize=…, minimize=…)` declares, None if it declares nothing.

    task: once it is known, a metric of another task is refused too.
    logged: whether a name that is no metric may be one that `trial.log` will be given.

    Raise `DeclarationError` for both directions at once, one against the metric's own, or an unknown name.
    """
    if maximize is not None and minimize is not None:
        raise DeclarationError(
            f"maximize={maximize!r} and minimize={minimize!r} are both given",
            "an experiment has one objective",
        )
    name = maximize if minimize is None else minimize
    if name is None:
        return None
    greater, written = minimize is None, f"{'maximize' if minimize is None else 'minimize'}={name!r}"
    metric = metrics.get(name) if isinstance(name, str) else None
    if metric is not None and metric.greater_is_better != greater:
        better, right = ("higher", "maximize") if metric.greater_is_better else ("lower", "minimize")
        raise DeclarationError(f"{written}, but {name} is better when {better}", f"write {right}={name!r}")
    allowed = [m.name for m in metrics.values() if task is None or task in m.tasks]
    if metric is not None and name not in allowed:
        raise DeclarationError(f"{written} is no score for {task} data", advice(name, allowed))
    if metric is None and not (logged and isinstance(name, str) and name.isidentifier()):
        raise DeclarationError(f"{written} is no known score", advice(str(name), allowed))
    return Objective(name=name, greater_is_better=greater)


def advice(name: str, known: Iterable[str]) -> str:
    """Return the remedy for a name that is not among the `known`: the closest of them and the list."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    return (f"did you mean {close[0]}? " if close else "") + f"known: {shown}"


def _source(declaration: MetricDeclaration) -> tuple[str, int]:
    # A file imported under two names gives two functions, yet one metric.
    code = inspect.unwrap(declaration.function).__code__
    return code.co_filename, code.co_firstlineno


def _declared(declaration: MetricDeclaration) -> Metric:
    parameters = inspect.signature(declaration.function).parameters.values()
    for parameter in parameters:
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if parameter.name not in ARGUMENTS or not by_name:
            raise DeclarationError(
                f"@metric {declaration.name} ({declaration.place}) asks for {str(parameter)!r}",
                f"its parameters are any of {', '.join(ARGUMENTS)}, by name",
            )
    return Metric(
        name=declaration.name,
        greater_is_better=declaration.greater_is_better,
        tasks=CLASSIFICATION | REGRESSION,
        needs="labels",
        function=partial(_call, declaration.function, tuple(p.name for p in parameters)),
        logged=True,
        place=declaration.place,
    )


def _call(function: Callable[..., Any], names: tuple[str, ...], e: Evidence) -> Any:
    given: dict[str, Any] = {
        "y": _read_only(e.y),
        "prediction": _read_only(e.predictions.labels),
        "probability": _read_only(e.predictions.probability),
        "weight": _read_only(e.weight),
    }
    if "X" in names:
        given["X"] = e.rows().copy(deep=False)
    return function(**{name: given[name] for name in names})


def _read_only(values: NDArray[Any] | None) -> NDArray[Any] | None:
    if values is None:
        return None
    view = values.view()
    view.flags.writeable = False  # the next metric is computed from the same array
    return view
