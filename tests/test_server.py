"""A server imports once, forks as often as it is asked, and leaves nobody behind."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

import harness.pool.forked
from harness.pool.forked import ForkServer
from harness.pool.processes import limited
from harness.pool.spawned import Spawn

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

WORKER = """
from harness.pool.frames import Channel

def work(reader, writer):
    '''Run code that is sent, and send the value of `found` back.'''
    channel = Channel(reader, writer)
    names = {}
    while (source := channel.receive()) is not None:
        exec(source, names)
        channel.send(names.get("found"))
    return names.get("code", 0)

def main():
    import os, sys
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.exit(work(reader, writer))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder on sys.path with a worker that does what it is told."""
    (tmp_path / "toy_worker.py").write_text(WORKER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(harness.pool.forked, "WORKER", "toy_worker")
    monkeypatch.setattr("harness.pool.spawned.WORKER", "toy_worker")
    return tmp_path


@pytest.fixture
def serve(folder):
    """Start servers that end with the test."""
    made = []

    def start(*modules):
        made.append(ForkServer(modules, limited(1)))
        return made[-1]

    yield start
    for server in made:
        server.close()


def ask(process, source):
    process.channel.send(source)
    return process.channel.receive()


def ended(process):
    """Its status, when it has ended; lets go of it."""
    status = process.status(30)
    process.close()
    return status


def gone(pid):
    """Whether a process ends within a second."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    with open(f"/proc/{pid}/stat") as file:  # nobody may wait for it where process 1 does not
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_modules_are_imported_once_for_all_workers(folder, serve):
    (folder / "toy_heavy.py").write_text(
        "import os\nopen(os.path.join(os.path.dirname(__file__), 'n'), 'a').write('x')"
    )
    (folder / "toy_exits.py").write_text("import sys\nsys.exit('no')")
    (folder / "toy_prints.py").write_text("print('hello from import')")
    server = serve("toy_missing", "toy_exits", "toy_heavy", "toy_prints", "toy_syntax:error")
    workers = [server.launch() for _ in range(3)]

    found = [
        ask(w, "import os, sys; found = [os.getpid(), os.getppid(), 'toy_heavy' in sys.modules]")
        for w in workers
    ]

    assert len({pid for pid, _, _ in found}) == 3
    assert len({parent for _, parent, _ in found}) == 1
    assert all(heavy for _, _, heavy in found)
    assert (folder / "n").read_text() == "x"
    assert server.printed() == "hello from import"
    for worker in workers:
        worker.channel.send(None)
        assert worker.printed() == ""  # what the server had printed is not printed again
        assert ended(worker) == 0


def test_the_server_has_only_imported(serve):
    """It has one thread, so that nothing is under way that a fork would lose: no OpenMP team, no pool.

    But for Arrow's allocator, which starts its own again in every fork.
    """
    worker = serve("numpy", "sklearn.ensemble", "xgboost", "lightgbm").launch()

    threads, mask, frozen, collecting = ask(
        worker,
        "import gc, glob, os\n"
        "tasks = [open(path).read().strip() for path in glob.glob(f'/proc/{os.getppid()}/task/*/comm')]\n"
        "found = [tasks, os.environ['OMP_NUM_THREADS'], gc.get_freeze_count() > 10_000, gc.isenabled()]",
    )

    assert len(set(threads) - {"jemalloc_bg_thd"}) <= 1
    assert len(threads) <= 2
    assert mask == "1"
    assert frozen
    assert collecting


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("code = 0", 0, ""),
        ("code = 3", 3, ""),
        ("import os; os._exit(4)", 4, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("print('to the log'); 1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", 1, "KeyboardInterrupt"),
    ],
)
def test_how_a_worker_ended_is_told(serve, code, status, said):
    worker = serve().launch()

    worker.channel.send(code)
    if "code =" in code:
        worker.channel.receive()
        worker.channel.send(None)

    with pytest.raises(EOFError):
        worker.channel.receive()
    assert worker.status(30) == status
    assert said in worker.printed()
    assert ("to the log" in worker.printed()) == ("to the log" in code)
    worker.close()


def test_a_worker_leads_a_group_and_what_it_started_ends_with_it(serve):
    worker = serve().launch()
    pid, child, grandchild = ask(
        worker,
        "import os, subprocess, sys, time\n"
        "nap = [sys.executable, '-c', 'import time; time.sleep(100)']\n"
        "child = subprocess.Popen(nap).pid\n"
        "if not (fork := os.fork()):\n    time.sleep(100)\n"
        "assert os.getpgid(0) == os.getpid() != os.getsid(0)\n"
        "found = [os.getpid(), child, fork]",
    )

    worker.channel.send(None)

    assert ended(worker) == 0
    assert all(map(gone, (pid, child, grandchild)))


def test_a_child_in_a_session_of_its_own_keeps_nobody_waiting(serve):
    """It holds the worker's socket open, but the worker has ended."""
    worker = serve().launch()
    child = ask(
        worker,
        "import os, time\nif not (found := os.fork()):\n    os.setsid()\n    time.sleep(100)\n",
    )
    try:
        worker.channel.send("import os; os._exit(5)")
        with pytest.raises(EOFError):
            worker.channel.receive()
        assert ended(worker) == 5
    finally:
        os.kill(child, signal.SIGKILL)


def test_killing_and_interrupting_reach_the_worker(serve):
    server = serve()
    sleeper, spinner, unborn = server.launch(), server.launch(), server.launch()
    assert ask(sleeper, "found = 1") == ask(spinner, "found = 1") == 1
    sleeper.channel.send("import time; time.sleep(100)")
    spinner.channel.send("import itertools; sum(itertools.repeat(0))")

    sleeper.interrupt()
    spinner.kill()
    unborn.kill()

    assert ended(sleeper) == 1
    assert ended(spinner) == -signal.SIGKILL
    assert ended(unborn) == -signal.SIGKILL
    for worker in (sleeper, spinner):
        worker.kill()  # again: nothing to kill, and no stranger that has the number now
        worker.interrupt()


@pytest.mark.parametrize("busy", ["", "import itertools; sum(itertools.repeat(0))"], ids=["idle", "busy"])
def test_closing_ends_everybody(serve, busy):
    server = serve()
    workers = [server.launch() for _ in range(2)]
    pids = [ask(worker, "import os; found = os.getpid()") for worker in workers]
    pids.append(ask(workers[0], "found = os.getppid()"))
    for worker in workers:
        worker.channel.send(busy or "found = 1")

    started = time.monotonic()
    server.close()

    assert time.monotonic() - started < 5
    assert all(map(gone, pids))
    assert not server.alive
    server.close()
    for worker in workers:
        worker.close()


def test_closing_does_not_wait_for_imports(folder, serve):
    (folder / "toy_slow.py").write_text("import time\ntime.sleep(100)")
    server = serve("toy_slow")
    worker = server.launch()

    started = time.monotonic()
    server.close()

    assert time.monotonic() - started < 5
    assert worker.status(1) is None
    worker.close()


def test_when_the_server_dies_its_workers_go_on_and_can_still_be_killed(serve):
    server = serve()
    worker = server.launch()
    pid, parent = ask(worker, "import os; found = [os.getpid(), os.getppid()]")

    os.kill(parent, signal.SIGKILL)

    assert worker.status(30) is None  # it lives, and nobody will know how it ends
    assert not server.alive
    assert ask(worker, "found = 2") == 2
    with pytest.raises(OSError):
        server.launch()
    worker.kill()
    assert gone(pid)
    worker.close()


def test_a_server_that_cannot_fork_says_so(folder, serve):
    (folder / "toy_no_fork.py").write_text(
        "import os\ndef fork(): raise BlockingIOError(11, 'Resource temporarily unavailable')\nos.fork = fork"
    )
    worker = serve("toy_no_fork").launch()

    with pytest.raises(EOFError):
        worker.channel.receive()

    assert ended(worker) is None
    assert worker.printed() == "no process could be started: [Errno 11] Resource temporarily unavailable"


def test_requests_that_come_with_the_opening_are_not_lost(serve):
    """A busy server reads the opening late; what follows it carries files."""
    for _ in range(5):
        server = serve(*[f"toy_missing_{i}" for i in range(5000)])
        workers = [server.launch() for _ in range(4)]
        assert [ask(worker, "found = 7") for worker in workers] == [7] * 4
        server.close()
        for worker in workers:
            worker.close()


def test_files_of_this_process_stay_here(serve, tmp_path):
    """A worker inherits its own socket and log; a lock or database of pytest's process is none of its own."""
    with (tmp_path / "open").open("w"):
        worker = serve().launch()
        links = ask(
            worker,
            "import os\nfound = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')"
            " if os.path.exists(f'/proc/self/fd/{fd}')]",
        )

    assert not [link for link in links if "open" in link]
    assert sum(link.startswith("socket:") for link in links) == 1
    assert not os.get_inheritable(sys.stdout.fileno()) or len(links) <= 8
    worker.close()


def test_spawned_workers_are_told_apart_by_nothing(folder):
    spawn = Spawn(limited(1))
    workers = [spawn.launch() for _ in range(4)]
    first, second, third, fourth = workers
    pids = [ask(worker, "import os, sys; found = os.getpid()") for worker in workers]
    child = ask(first, "import subprocess; found = subprocess.Popen([sys.executable, '-c', 'input()']).pid")

    first.channel.send(None)
    second.channel.send("print('said'); os._exit(3)")
    third.channel.send("import time; time.sleep(100)")
    assert ended(first) == 0
    assert second.status(30) == 3
    assert second.printed() == "said"
    assert third.status(0.05) is None
    third.interrupt()
    assert ended(third) in (1, -signal.SIGINT)
    assert "KeyboardInterrupt" in third.printed() or third.printed() == ""
    second.close()

    assert spawn.alive
    spawn.close()

    assert all(map(gone, [*pids, child]))
    fourth.close()
