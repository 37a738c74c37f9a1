"""Who compares two scores: an operator that somebody wrote, or a function such as `max` and `sorted`."""

from __future__ import annotations

import dis
import sys

__tracebackhide__ = True

_CALLS = frozenset({"PRECALL", "CALL", "CALL_KW", "CALL_FUNCTION_EX"})
"""Instructions, by their names in CPython 3.11 to 3.14."""


def ordering(depth: int) -> bool:
    """Return whether a comparison method was reached from a function of C, which puts values in order.

    Such a function has no frame of its own: whose code calls it stands at a call, not at an operator. An
    interpreter that has no frames, or other instructions, tells nothing: False.

    depth: of the frame that compares, counted from the caller of this function, 0.
    """
    if not hasattr(sys, "_getframe"):
        return False
    frame = sys._getframe(depth + 1)
    code = frame.f_code.co_code
    return 0 <= frame.f_lasti < len(code) and dis.opname[code[frame.f_lasti]] in _CALLS
