"""A worker takes one thing after the other, and gives back what it has not taken."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.pool.frames import Channel
from harness.pool.inbox import Inbox
from harness.pool.messages import Order

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture
def ends(monkeypatch):
    """An inbox, and the channel of who fills it; the end of the other side is noted."""
    left = threading.Event()

    def leave():
        left.set()
        sys.exit()  # of the thread

    monkeypatch.setattr("harness.pool.inbox.leave", leave)
    ours, theirs = os.pipe(), os.pipe()
    there = Channel(os.fdopen(theirs[0], "rb"), os.fdopen(ours[1], "wb"))
    here = Channel(os.fdopen(ours[0], "rb"), os.fdopen(theirs[1], "wb"))
    inbox = Inbox(here)
    yield inbox, there, left
    there.close()
    assert left.wait(10)
    here.close()


def run(*node_ids):
    return {"do": "run", "orders": [Order(node_id=node_id).to_json() for node_id in node_ids]}


def test_what_is_told_is_taken_in_order(ends):
    inbox, there, _ = ends
    there.send({"do": "data", "prepared": {"shops": {"name": "shops"}}})
    there.send(run("a", "b"))
    there.send({"do": "end"})

    found = [inbox.take() for _ in range(4)]

    assert found == [{"shops": {"name": "shops"}}, Order(node_id="a"), Order(node_id="b"), None]


def test_what_was_not_taken_is_given_back_in_order_and_comes_no_more(ends):
    inbox, there, _ = ends
    there.send(run("a", "b", "c"))
    assert inbox.take() == Order(node_id="a")

    there.send({"do": "give back"})

    assert there.receive() == {"event": "given back", "node_ids": ["b", "c"]}
    there.send({"do": "end"})
    assert inbox.take() is None


def test_records_of_data_sets_are_kept(ends):
    inbox, there, _ = ends
    there.send({"do": "data", "prepared": {}})
    there.send(run("a"))

    there.send({"do": "give back"})
    assert there.receive()["node_ids"] == ["a"]
    there.send({"do": "give back"})
    assert there.receive()["node_ids"] == []

    assert inbox.take() == {}


@pytest.mark.parametrize("how", ["closed", "garbage"])
def test_when_the_other_side_is_gone_the_process_ends(ends, how):
    _, there, left = ends
    if how == "garbage":
        there._writer.write(b"\0" * 7 + b"\3not")
        there._writer.flush()
    else:
        there.close()

    assert left.wait(10)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups")
def test_leaving_ends_the_group():
    code = (
        "import subprocess, sys\n"
        "from harness.pool.inbox import leave\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'])\n"
        "print(child.pid, flush=True)\nleave()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, check=False
    )

    assert done.returncode == -9
    end = time.monotonic() + 5
    while (state := _state(done.stdout.strip())) not in ("", "Z"):
        assert time.monotonic() < end, state


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
