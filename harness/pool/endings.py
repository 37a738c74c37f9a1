"""Exit codes, signals and crash reports in; sentences and the frames that matter out."""

from __future__ import annotations

import re
import signal
import sysconfig
from pathlib import Path

_PACKAGE = f"{Path(__file__).parents[1].as_posix()}/"
_PYTHON = f"{Path(sysconfig.get_path('stdlib')).as_posix()}/"
_FRAME = re.compile(r'  File "(?P<file>.+)", line (\d+|\?\?\?) in ')
_HEAD = re.compile(r"(Current thread|Thread) 0x[0-9a-f]+.*:$")


def ended(status: int | None) -> str:
    """Say how a process ended: exit code, negative number of a signal, or not known."""
    if status is None:
        return "ended, and it is not known how"
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = ": out of memory?" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def crash(printed: str) -> str:
    """Return what a process printed without those frames of faulthandler's reports that say nothing.

    Those are of pytest and the harness, and of threads that have none but these and Python's own; the list
    of extension modules goes, too.
    """
    shown: list[str] = []
    thread: list[str] = []
    in_thread = False
    for line in [*printed.splitlines(), ""]:
        if _HEAD.match(line) or (in_thread and not line.startswith("  ")):
            shown += _telling(thread)
            thread, in_thread = [], bool(_HEAD.match(line))
        if in_thread:
            thread.append(line)
        elif not line.startswith("Extension modules: "):
            shown.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(shown)).strip()


def _telling(thread: list[str]) -> list[str]:
    """Return the lines of a thread down to its last frame of somebody else, none without one."""
    of_others = [i for i, line in enumerate(thread) if _FRAME.match(line) and not _of_ours(line)]
    return thread[: of_others[-1] + 1] if of_others else []


def _of_ours(line: str) -> bool:
    found = _FRAME.match(line)
    path = found["file"].replace("\\", "/") if found else ""
    if "/site-packages/" in path:
        return "/_pytest/" in path or "/pluggy/" in path or path.startswith(_PACKAGE)
    return path.startswith((_PACKAGE, _PYTHON, "<frozen ", "<string>"))
