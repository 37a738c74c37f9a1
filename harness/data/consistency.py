"""Whether the options of one `@dataset` agree: a declaration in, a DeclarationError or silence out."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Collection, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from harness.declarations import DatasetDeclaration
from harness.errors import DeclarationError

__tracebackhide__ = True

TASKS = ("binary", "multiclass", "regression")
LEAKS = ("warn", "error", "off")

_EXAMPLE = "write the shares of train, validation and test rows, such as split=(0.7, 0.2, 0.1)"


def names(columns: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return one column name, several or none as a tuple."""
    if columns is None:
        return ()
    return (columns,) if isinstance(columns, str) else tuple(columns)


def close(word: object, known: Iterable[str]) -> str:
    """Return "did you mean …? " for a misspelt word, an empty text if nothing is close."""
    matches = difflib.get_close_matches(str(word), list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, matches))}? " if matches else ""


def shares(split: Any) -> tuple[Fraction, Fraction, Fraction]:
    """Return the shares of train, validation and test rows as exact fractions, each > 0, sum 1.

    A float means the decimal number that it prints as, or the fraction with a denominator up to
    10**6 that is nearest: 0.1 is 1/10 and 1 / 3 is 1/3. Raises DeclarationError.
    """
    listed = isinstance(split, Collection) and not isinstance(split, str | bytes)
    found = [_exact(share) for share in split] if listed else []
    if len(found) != 3 or None in found:
        raise DeclarationError(f"split={split!r}, which is not three numbers", _EXAMPLE)
    train, validation, test = (share for share in found if share is not None)
    if min(train, validation, test) <= 0:
        raise DeclarationError(f"split={tuple(split)!r}, which has a share that is not above 0", _EXAMPLE)
    total = train + validation + test
    if total != 1:
        raise DeclarationError(f"split={tuple(split)!r}, which sums to {float(total):.6g}, not 1", _EXAMPLE)
    return train, validation, test


def _exact(share: Any) -> Fraction | None:
    if isinstance(share, bool) or not isinstance(share, numbers.Real | Decimal):
        return None
    try:
        return Fraction(str(share)).limit_denominator(10**6)
    except (ValueError, OverflowError):  # NaN and infinity
        return None


def check(declaration: DatasetDeclaration) -> None:
    """Raise DeclarationError if the options cannot work, whatever the rows are."""
    d, who = declaration, f"data set {declaration.name!r} has "
    try:
        shares(d.split)
    except DeclarationError as error:
        raise DeclarationError(who + error.problem, error.remedy) from None
    if isinstance(d.seed, bool) or not isinstance(d.seed, numbers.Integral) or not 0 <= d.seed < 2**32:
        raise DeclarationError(f"{who}seed={d.seed!r}", "write an int from 0 to 2**32 - 1, such as seed=42")
    if d.task is not None and d.task not in TASKS:
        raise DeclarationError(
            f"{who}task={d.task!r}",
            f"{close(d.task, TASKS)}write task='binary', 'multiclass' or 'regression'",
        )
    if d.leaks not in LEAKS:
        raise DeclarationError(
            f"{who}leaks={d.leaks!r}", f"{close(d.leaks, LEAKS)}write leaks='warn', 'error' or 'off'"
        )
    _check_names(d, who)
    _check_manner(d, who)
    _check_target(d, who)


def _check_names(d: DatasetDeclaration, who: str) -> None:
    for option in ("target", "group", "weight"):
        value = getattr(d, option)
        if not isinstance(value, str) and (value is not None or option == "target"):
            raise DeclarationError(
                f"{who}{option}={value!r}", f"name one column, such as {option}='{option}'"
            )
    if not isinstance(d.stratify, bool | str | None):
        raise DeclarationError(f"{who}stratify={d.stratify!r}", "write True, False or the name of one column")
    for option in ("time", "key", "drop"):
        value = getattr(d, option)
        if value is None or isinstance(value, str):
            continue
        accepted = Collection if option == "drop" else list | tuple  # the others have an order
        several = isinstance(value, accepted) and all(isinstance(name, str) for name in value)
        if not several or (option != "drop" and not len(value)):
            raise DeclarationError(
                f"{who}{option}={value!r}",
                f"name one column or a list of columns, such as {option}=['a', 'b']",
            )


def _check_manner(d: DatasetDeclaration, who: str) -> None:
    """Check that the rows are divided in one manner: by chance, group, time or key."""
    given = [option for option in ("group", "time", "key") if getattr(d, option) is not None]
    written = [f"{option}={getattr(d, option)!r}" for option in given]
    if len(given) > 1:
        raise DeclarationError(
            who + " and ".join(written), "these are different ways to divide the rows: keep one of them"
        )
    if given and d.stratify not in (None, False):
        raise DeclarationError(
            f"{who}stratify={d.stratify!r} with {written[0]}",
            f"only a random split can be stratified: leave out stratify= or {given[0]}=",
        )
    for option in given:
        if d.target in names(getattr(d, option)):
            raise DeclarationError(
                f"{who}{written[0]}, which is its target",
                "rows divided by their target make splits that are not alike: name another column",
            )


def _check_target(d: DatasetDeclaration, who: str) -> None:
    if d.weight == d.target:
        raise DeclarationError(f"{who}weight={d.weight!r}, which is its target", "name another column")
    if d.target in names(d.drop):
        raise DeclarationError(
            f"{who}its target {d.target!r} in drop=", "leave it out there: the target is never part of .X"
        )
    if d.positive is not None and d.task in ("multiclass", "regression"):
        raise DeclarationError(
            f"{who}positive={d.positive!r} with task={d.task!r}",
            "a positive class exists for two classes only: leave out one of them",
        )
    if d.stratify is True and d.task == "regression":
        raise DeclarationError(
            f"{who}stratify=True with task='regression'",
            "a continuous target has no classes: leave stratify= out, or name a column with few values",
        )
