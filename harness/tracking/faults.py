"""An exception of MLflow or of what it stands on in; what it means to who reads one line, out."""

from __future__ import annotations

import re

from harness.errors import HarnessError
from harness.tracking.address import public

__tracebackhide__ = True

_REASON = 400
_CAUSE = re.compile(r"""Caused by \w+\(["'][^"]*?\): (.*?)["']\)""")  # of a request that urllib3 gave up


def refused(error: Exception) -> bool:
    """Whether MLflow did not like what it was given, rather than that it cannot be written at all."""
    return getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE"


def told(error: Exception, uri: str, failed: str = "cannot be used") -> str:
    """Return what went wrong with the store at a tracking URI; failed: what it could or did not do."""
    if isinstance(error, HarnessError):
        return str(error)
    text = public(" ".join(str(error).split()))
    cause = _CAUSE.search(text)
    kind = type(error).__name__
    reason = cause[1] if cause else f"{kind}: {text if len(text) <= _REASON else text[:_REASON] + '…'}"
    return f"MLflow at {public(uri)} {failed}: {reason}"
