"""The lock: one holder among all processes, whatever becomes of it."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import processes

from harness.errors import StoreError
from harness.lock import HeldError, exclusive

HOLD = """
import os, sys
from pathlib import Path
from harness.lock import exclusive
print("begun", flush=True)
with exclusive(Path(sys.argv[1])):
    {}
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features" / "key.lock"


@pytest.fixture
def start():
    """Start Python with a script; nothing of it is left behind."""
    with processes() as made:
        yield lambda script, *arguments: made.start("-c", script, *arguments)


def begun(process) -> None:
    assert process.stdout.readline() == "begun\n"


def held(process) -> None:
    begun(process)
    assert process.stdout.readline() == "held\n"


def free(path: Path) -> bool:
    try:
        with exclusive(path, seconds=0):
            return True
    except HeldError:
        return False


def test_another_process_waits_until_the_holder_is_done(path, start):
    holder = start(HOLD.format("pass"), path)
    held(holder)
    waiting = start(HOLD.format("pass"), path)
    with pytest.raises(HeldError) as raised, exclusive(path, seconds=0.05):
        pytest.fail("two at a time")

    begun(waiting)
    assert waiting.poll() is None
    holder.stdin.close()

    assert waiting.stdout.readline() == "held\n"
    assert not free(path)
    waiting.stdin.close()
    waiting.wait(20)
    assert free(path)
    assert str(raised.value) == (
        f"{path} has been held by another process for 0.05 s; wait for it to end, or end it"
    )


def test_who_waits_can_be_interrupted(path, start):
    with exclusive(path):
        waiting = start(HOLD.format("pass"), path)
        begun(waiting)
        time.sleep(0.5)  # it tries to get the lock by now; before, an interrupt would be no art

        waiting.send_signal(signal.SIGINT)

        waiting.wait(20)
    assert "KeyboardInterrupt" in waiting.stderr.read()
    assert free(path)


def test_a_killed_holder_lets_go(path, start):
    holder = start(HOLD.format("pass"), path)
    held(holder)
    assert not free(path)

    holder.kill()
    holder.wait(20)

    assert free(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_of_a_killed_holder_does_not_hold_on(path, start):
    holder = start(
        HOLD.format(
            """child = os.fork()
    if child == 0:
        os.close(1)
        os.close(2)
        import time; time.sleep(60); os._exit(0)
    print(child, flush=True)"""
        ),
        path,
    )
    begun(holder)
    child = int(holder.stdout.readline())
    assert holder.stdout.readline() == "held\n"
    assert not free(path)
    try:
        holder.kill()
        holder.wait(20)

        assert Path(f"/proc/{child}").exists() or sys.platform != "linux"
        assert free(path)
    finally:
        os.kill(child, signal.SIGKILL)


def test_many_processes_never_meet(path, start):
    counter = path.parent.parent / "counter"
    counter.write_text("0")
    script = """
import sys, time
from pathlib import Path
from harness.lock import exclusive
for _ in range(20):
    with exclusive(Path(sys.argv[1])):
        number = int(Path(sys.argv[2]).read_text())
        time.sleep(0.001)
        Path(sys.argv[2]).write_text(str(number + 1))
"""
    for process in [start(script, path, counter) for _ in range(4)]:
        assert process.wait(60) == 0, process.stderr.read()

    assert counter.read_text() == "80"


def test_threads_of_one_process_exclude_each_other(path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with exclusive(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(most) == 60
    assert set(most) == {1}


def test_an_error_in_the_block_lets_go_and_goes_through(path):
    with pytest.raises(ZeroDivisionError), exclusive(path):
        raise ZeroDivisionError

    assert free(path)


def test_it_is_not_re_entrant(path):
    with exclusive(path):
        assert not free(path)


@pytest.mark.parametrize(
    "content", [b"not a database, whatever else it may be" * 9, b"SQLite format 3\0" + b"\xff" * 600]
)
def test_a_file_that_is_no_database_is_in_nobodys_way(path, content):
    path.parent.mkdir()
    path.write_bytes(content)

    with exclusive(path, seconds=5):
        assert not free(path)

    assert path.read_bytes() == b""


def test_locks_of_two_paths_are_two_locks(path):
    with exclusive(path), exclusive(path.with_name("other.lock"), seconds=0):
        assert not free(path)


@pytest.mark.parametrize("where", ["a folder", "below a file"])
def test_a_place_that_cannot_be_locked_is_told_with_a_remedy(tmp_path, where):
    (tmp_path / "file").write_text("mine")
    path = tmp_path if where == "a folder" else tmp_path / "file" / "x.lock"

    with pytest.raises(StoreError) as raised, exclusive(path):
        pytest.fail("not locked")

    assert not isinstance(raised.value, HeldError)
    assert str(raised.value).startswith(f"{path} cannot be locked: ")
    assert str(raised.value).endswith(
        "; make the store writable, or name another folder with -o experiment_store=FOLDER"
    )
