"""A block of code flows in; the highest memory this process had meanwhile flows out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__tracebackhide__ = True


@dataclass(slots=True)
class Peak:
    """What `peak` measures; `size` is there when its block has ended."""

    size: int | None = None
    """Highest resident bytes of this process; None where the system does not say."""


@contextmanager
def peak() -> Iterator[Peak]:
    """Measure the highest resident memory of this process during the block.

    Linux: the kernel's high-water mark (VmHWM), set back at the start of the block. Elsewhere, and where
    the kernel refuses that: the high-water mark of the process since its start (`ru_maxrss`).
    """
    measured = Peak()
    fresh = _set_back()
    try:
        yield measured
    finally:
        measured.size = (_high_water() if fresh else None) or _since_start()


def _set_back() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _high_water() -> int | None:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _since_start() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
