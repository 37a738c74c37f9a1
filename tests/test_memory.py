import sys
from pathlib import Path

import numpy as np
import pytest

from harness.models import memory

LARGE = 200_000_000

linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="elsewhere the mark counts from the process' start"
)


def touch(size: int) -> np.ndarray:
    return np.ones(size, dtype=np.uint8)


@linux
def test_what_is_allocated_and_freed_inside_shows():
    with memory.peak() as nothing:
        pass
    with memory.peak() as measured:
        touch(LARGE)

    assert nothing.size is not None
    assert nothing.size + 0.9 * LARGE < measured.size < nothing.size + 1.5 * LARGE


@linux
def test_what_was_freed_before_does_not_count():
    with memory.peak() as first:
        touch(LARGE)
    with memory.peak() as second:
        pass

    assert second.size < first.size - 0.9 * LARGE


@linux
def test_it_is_measured_when_the_block_raises():
    with pytest.raises(KeyError), memory.peak() as measured:
        raise KeyError

    assert measured.size > 1_000_000


def test_without_the_kernels_help_it_is_the_mark_since_the_start(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(Path, "write_text", refuse)
    touch(LARGE)

    with memory.peak() as measured:
        pass

    unit = 1 if sys.platform == "darwin" else 1024
    assert measured.size == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    assert measured.size > LARGE


def test_it_is_unknown_where_no_system_call_tells(monkeypatch):
    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setitem(sys.modules, "resource", None)

    with memory.peak() as measured:
        pass

    assert measured.size is None


def refuse(*_, **__):
    raise PermissionError
