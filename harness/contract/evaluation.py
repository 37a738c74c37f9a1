"""A suite and a frame go into Great Expectations; the expectations that do not hold come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.compatibility.pydantic import ValidationError
from great_expectations.data_context.data_context.context_factory import project_manager
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.exceptions import DataContextRequiredError, GreatExpectationsError
from great_expectations.expectations.registry import (
    get_expectation_impl,
    list_registered_expectation_implementations,
)

from harness.contract.suite import Suite, place, prose, severity, suggestion
from harness.contract.texts import arguments, examples, found, shorten
from harness.contract.verdict import EXAMPLES, Violation
from harness.errors import ContractError

__tracebackhide__ = True

_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES}
_SINGLE = ("column", "column_A", "column_B")
_DOMAIN = (*_SINGLE, "column_list")
_EXISTENCE = "expect_column_to_exist"
_ON_NULLS = ("expect_column_values_to_be_null", "expect_column_values_to_not_be_null")


def builtin(suite: Suite) -> bool:
    """Return whether every rule is of Great Expectations itself, so that its version says what it does."""
    modules = {get_expectation_impl(entry["type"]).__module__ for entry in suite.entries}
    return all(module.startswith("great_expectations.") for module in modules)


def evaluate(frame: pd.DataFrame, suite: Suite) -> tuple[Violation, ...]:
    """Return the expectations that do not hold or could not be evaluated, in the suite's order.

    One that counts values and had none to judge (a column of nulls, a row_condition that no row meets)
    could not be evaluated, unless it is about nulls.

    frame: its index is ignored; rows are named by their position, from 0.
    Raises ContractError for an expectation that Great Expectations would drop or cannot build.
    """
    whole = gx.ExpectationSuite(name=suite.content["name"])
    whole.expectations = [_build(suite, position) for position in range(len(suite.entries))]
    with _context() as context:
        batches = context.data_sources.add_pandas("harness").add_dataframe_asset("frame")
        batch = batches.add_batch_definition_whole_dataframe("rows").get_batch(
            # not a column of positions: rules on the set of columns would see it
            {"dataframe": frame.reset_index(drop=True)}
        )
        results = batch.validate(whole, result_format=_FORMAT).results
    # Great Expectations returns what raised an exception first
    answers = {result.expectation_config.id: result for result in results}
    if sorted(answers) != sorted(expectation.id for expectation in whole.expectations):
        raise ContractError(
            f"{suite.file}: Great Expectations evaluated {len(answers)} of {len(suite.entries)} expectations",
            "look for the missing ones in the suite and remove what is special about them",
        )
    violations = (_violation(suite, rule, answers[rule.id], frame) for rule in whole.expectations)
    return tuple(violation for violation in violations if violation is not None)


@contextmanager
def _context() -> Iterator[Any]:
    """Give a context without progress bars; the user's own current context is put back."""
    try:
        previous = project_manager.get_current_project()
    except DataContextRequiredError:
        previous = None
    try:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        yield context
    finally:
        project_manager.set_project(previous)


def _build(suite: Suite, position: int) -> Any:
    entry = suite.entries[position]
    where = place(suite.file, position, entry)
    known = list_registered_expectation_implementations()
    if entry["type"] not in known:  # it would be logged and left out
        raise ContractError(
            f"{suite.file}: expectations[{position}] has the unknown type {entry['type']!r}",
            suggestion(entry["type"], known) or "see greatexpectations.io/expectations for those there are",
        )
    try:
        built = gx.ExpectationSuite(name="one", expectations=[{**entry, "id": str(position)}]).expectations
    except ValidationError as error:
        raise ContractError(f"{where}: {'; '.join(_mistakes(error))}", _remedy(entry, error)) from None
    except (GreatExpectationsError, TypeError, ValueError) as error:
        text = shorten(str(error), 200)
        raise ContractError(f"{where} is refused by Great Expectations: {text}", "correct it") from None
    if not built:
        raise ContractError(f"{where} is dropped by Great Expectations", "correct it, or write another rule")
    return built[0]


def _mistakes(error: ValidationError) -> list[str]:
    """Return one clause for each wrong field, without pydantic's alternatives of one field."""
    mistakes: dict[str, str] = {}
    for detail in error.errors():
        mistakes.setdefault(str(detail["loc"][0]), detail["msg"])
    whole = mistakes.pop("__root__", None)  # follows from a wrong field, if there is one
    clauses = [f"{field!r}: {message}" for field, message in mistakes.items()]
    return clauses or [str(whole)]


def _remedy(entry: Mapping[str, Any], error: ValidationError) -> str:
    own = set(get_expectation_impl(entry["type"]).__fields__) - set(gx.expectations.Expectation.__fields__)
    allowed = ", ".join(sorted(own - {"batch_id"}))
    wrong = [str(detail["loc"][0]) for detail in error.errors() if detail["type"] == "value_error.extra"]
    near = [suggestion(name, own) for name in wrong]
    return " ".join([*filter(None, near), f"its kwargs are {allowed}"])


def _errors(info: Mapping[str, Any]) -> Iterator[str]:
    """Yield the messages of both shapes: one exception, or one for each metric that raised."""
    if "raised_exception" in info:
        if info["raised_exception"]:
            yield str(info["exception_message"])
        return
    for exception in info.values():
        yield str(exception["exception_message"])


def _columns(kwargs: Mapping[str, Any]) -> list[str]:
    single = [kwargs[name] for name in _SINGLE if name in kwargs]
    return [*single, *kwargs.get("column_list", ())]


def _violation(suite: Suite, expectation: Any, answer: Any, frame: pd.DataFrame) -> Violation | None:
    position = int(expectation.id)
    entry = suite.entries[position]
    kind, kwargs = entry["type"], dict(entry["kwargs"])
    columns = [] if kind.startswith("expect_table_") else [str(column) for column in _columns(kwargs)]
    unknown = "" if kind == _EXISTENCE else _unknown(columns, frame)
    count, total, words = found(kind, answer.result)
    vacuous = total == 0 and kind not in _ON_NULLS  # Great Expectations calls that a success
    if answer.success and not unknown and not vacuous:
        return None
    if (condition := kwargs.get("row_condition")) is not None:
        readable = expectation.row_condition  # its repr reads like a sentence, unless it is one string
        kwargs["row_condition"] = getattr(readable, "pass_through_filter", readable or condition)
    rule = f"{kind}({arguments({k: v for k, v in kwargs.items() if k not in _DOMAIN or not columns})})"
    errors = dict.fromkeys(_errors(answer.exception_info))
    reason, shown = "", examples(answer.result, kind)
    if unknown:
        count, total, reason, shown = None, None, unknown, ()
    elif errors:
        reason = "Great Expectations raised an exception"
        shown = tuple(shorten(text, 200) for text in errors)  # it may quote a cell
    elif vacuous:
        reason = "no value was evaluated"
    where = shorten(", ".join(columns), 60) or None
    return Violation(
        entry=position,
        expectation=kind,
        column=where,
        severity=severity(entry),
        text=": ".join(filter(None, [where, rule, reason or words])),
        unexpected=count,
        total=total,
        examples=shown[:EXAMPLES],
        reason=reason,
        notes=prose(entry),
    )


def _unknown(columns: list[str], frame: pd.DataFrame) -> str:
    """Return why the columns of a rule are not those of the frame; empty if they are.

    Great Expectations compares names as databases do: "Age" is taken for "age", the first one wins.
    """
    names = [str(name) for name in frame.columns]
    for column in columns:
        twins = [name for name in names if name != column and name.casefold() == column.casefold()]
        if column not in names:
            near = suggestion(column, names)
            return f"the data has no column {column!r}" + (f", {near}" if near else "")
        if twins:
            return f"Great Expectations cannot tell {column!r} from {twins[0]!r}; rename one of the two"
    return ""
