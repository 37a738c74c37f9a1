"""Entries and a request to list them in; one page of them, in the wanted order, out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.rehearsal.errors import invalid

Entry = Mapping[str, Any]
_PAGE = 10
"""Entries of a page where nothing is said."""


def page(
    entries: Sequence[Entry],
    request: Mapping[str, Any],
    kind: str,
    *,
    by: str,
    keys: Mapping[str, Callable[[Entry], Any]] | None = None,
) -> tuple[list[Entry], dict[str, str]]:
    """Return a page and, in a dict of its own, the token of the next one, if there is one.

    request: with SortBy, SortOrder, StatusEquals, NameContains, MaxResults and NextToken, all optional;
    kind: with which the members for name and status begin, "TrainingJob"; by: what to sort by if nothing is
    said; keys: what else there is to sort by than Name, CreationTime and Status.
    """
    name, status = f"{kind}Name", f"{kind}Status"
    sorts: Mapping[str, Callable[[Entry], Any]] = {
        "Name": lambda entry: entry[name],
        "CreationTime": lambda entry: entry["CreationTime"],
        "Status": lambda entry: entry[status],
        **(keys or {}),
    }
    start, asked = _start(request)
    found = [
        entry
        for entry in entries
        if request.get("NameContains", "").lower() in entry[name].lower()
        and request.get("StatusEquals", entry[status]) == entry[status]
    ]
    order = request.get("SortOrder", "Ascending")
    found.sort(key=sorts[request.get("SortBy", by)], reverse=order == "Descending")
    end = start + request.get("MaxResults", _PAGE)
    if end >= len(found):
        return found[start:], {}
    token = base64.urlsafe_b64encode(json.dumps([end, asked]).encode()).decode()
    return found[start:end], {"NextToken": token}


def _start(request: Mapping[str, Any]) -> tuple[int, str]:
    """Return where the page begins, and the rest of the request, which must be that of the first page."""
    rest = {name: value for name, value in request.items() if name not in ("NextToken", "MaxResults")}
    asked = json.dumps(rest, sort_keys=True)
    token = request.get("NextToken")
    if token is None:
        return 0, asked
    try:
        start, before = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        start, before = 0, None
    if before != asked:
        raise invalid("NextToken does not belong to this request")
    return int(start), asked
