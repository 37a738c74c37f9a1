"""What a trial gave comes back whole from a container, by file or by log, or is refused with the reason."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.sagemaker.record import JobRecord, RecordError, dump, found, lines, load, tail

RECORD = JobRecord(
    harness="0.1.0",
    job="shops-001-abc",
    node_id="experiment_shops.py::experiment_tree[1]",
    reports=[{"when": "call", "outcome": "passed", "longrepr": None}],
    warnings=[{"text": "careful"}],
    exited=["enough", 3],
    values={"depth": 3},
)


def test_a_record_comes_back_as_it_was():
    assert load(dump(RECORD), "0.1.0") == RECORD


@given(st.integers(0, len(dump(RECORD)) - 1))
def test_a_record_that_was_cut_short_is_refused(size):
    with pytest.raises(RecordError, match=rf"is damaged: {size} bytes that are no whole record"):
        load(dump(RECORD)[:size], "0.1.0")


@given(st.integers(0, len(dump(RECORD)) - 1), st.integers(1, 255))
def test_a_record_with_one_other_byte_is_refused_or_the_same(place, change):
    content = bytearray(dump(RECORD))
    content[place] ^= change
    with contextlib.suppress(RecordError):
        assert load(bytes(content), "0.1.0") == RECORD


def test_a_record_of_another_version_is_refused_with_both():
    with pytest.raises(RecordError, match=r"is of harness 0\.1\.0, 0\.2\.0 runs here; use one version"):
        load(dump(RECORD), "0.2.0")


def test_a_record_of_another_format_is_refused():
    content = json.loads(dump(RECORD)) | {"format": 7}

    with pytest.raises(RecordError, match="has format 7, not 1; the container ran another version"):
        load(json.dumps(content).encode(), "0.1.0")


@given(st.binary(max_size=40_000))
def test_a_log_carries_a_file_among_other_lines(content):
    log = ["before", *lines(content), "after"]

    assert found(log) == content
    assert tail(log, 9) == ["before", "after"]
    assert all(len(line) < 10_000 for line in log)


def test_a_log_that_lacks_a_line_carries_nothing():
    log = list(lines(bytes(range(256)) * 400))

    assert found(log[1:]) is None
    assert found([]) is None
    assert found([*log[:-1], log[-1][:-20]]) is None


def test_the_end_of_a_log_begins_with_the_trial_s_own_lines():
    log = ["SM_SECRET=1", "Invoking script with the following command:", *map(str, range(9)), "x" * 1000]

    assert tail(log, 3) == ["7", "8", "x" * 400 + "…"]
    assert tail(log, 99)[0] == "0"
