"""A command in; what it and every process that it started cost, as JSON, out. Run as a script, Linux only.

`python tree.py RESULT SECONDS COMMAND...` runs the command and writes to the file RESULT:

    wall     seconds from start to the end of the command's own process
    cpu      seconds of all processes, user and system. Orphans are adopted here (PR_SET_CHILD_SUBREAPER),
             so that the kernel's own account of them counts; only of a process whose parent ignores
             SIGCHLD the last sample has to do
    memory   bytes; the highest sampled sum of proportional set sizes (PSS: a page that n processes share
             counts 1/n in each)
    exit     exit code; None: it was killed after SECONDS
    others   CPU seconds that the machine spent meanwhile on anything else, or lost to a hypervisor
    left     command lines of processes that were still there GRACE seconds after the command's end. They
             are killed

No process of the command outlives this one.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

GRACE = 3.0
"""Seconds that a forkserver or a resource tracker has to notice the end of the command."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_INTERVAL = 0.05
_SHARE = 0.01  # of one core that sampling may take
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command and its processes cost; see the module."""

    wall: float
    cpu: float
    memory: int
    exit: int | None
    others: float
    left: Sequence[str]
    samples: int


def descendants(root: int) -> list[int]:
    """Return the ids of all processes below `root`, zombies included, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208  # read many times a second
        if entry.isdecimal() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = list(children.get(root, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def memory(pids: Sequence[int]) -> int:
    """Return the sum of the processes' proportional set sizes in bytes; one that has ended counts 0."""
    total = 0
    for pid in pids:
        with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
            total += next((int(line.split()[1]) for line in file if line.startswith(b"Pss:")), 0)
    return total * 1024


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third, the state, on."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def _busy() -> float:
    """Return the CPU seconds that the whole machine has spent, stolen ones included."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123
        user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICK


def _command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    return ""


class Tree:
    """The processes below this one."""

    def __init__(self) -> None:
        self.peak = 0
        self.samples = 0
        self.exit: int | None = None
        self._reaped = 0.0
        self._seen: dict[tuple[int, str], int] = {}  # by process id and start time, as ids are used again

    def sample(self) -> list[int]:
        """Look at every process once; return those that are alive."""
        alive = []
        for pid in descendants(os.getpid()):
            fields = _stat(pid)
            if fields is None:
                continue
            self._seen[pid, fields[19]] = int(fields[11]) + int(fields[12])
            if fields[0] != "Z":
                alive.append(pid)
        self.peak = max(self.peak, memory(alive))
        self.samples += 1
        return alive

    def reap(self, child: int) -> bool:
        """Take what has ended into the account; return whether `child` is among it."""
        ended = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            self._reaped += usage.ru_utime + usage.ru_stime  # with those that it has itself waited for
            if pid == child:
                ended = True
                self.exit = os.waitstatus_to_exitcode(status)

    @property
    def cpu(self) -> float:
        """Seconds; the larger of two lower bounds."""
        return max(self._reaped, sum(self._seen.values()) / _TICK)

    def kill(self, child: int) -> None:
        """End every process, and those that they start meanwhile."""
        while alive := self.sample():
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
            self.reap(child)


def run(command: Sequence[str], seconds: float) -> Cost:
    """Run a command to its end, or for so many seconds; see the module."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) or libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM):
        raise OSError(ctypes.get_errno(), "prctl")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tree = Tree()
    no_input = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    busy, started = _busy(), time.perf_counter()
    child = os.posix_spawnp(command[0], list(command), os.environ, file_actions=no_input)
    try:
        wall = _watch(tree, child, started, seconds)
        tree.reap(child)
        others = max(0.0, _busy() - busy - tree.cpu)
        exit = tree.exit
        left = [] if exit is None else _leftover(tree, child)
    finally:
        tree.kill(child)
    return Cost(wall, tree.cpu, tree.peak, exit, others, left, tree.samples)


def _watch(tree: Tree, child: int, started: float, seconds: float) -> float:
    """Sample until the child ends or its time is up; return the seconds that it took."""
    poll = select.poll()
    poll.register(os.pidfd_open(child), select.POLLIN)
    pause = _INTERVAL
    while not poll.poll(pause * 1000):
        before = time.perf_counter()
        if before - started > seconds:
            return before - started
        tree.reap(child)
        used = time.thread_time()
        tree.sample()
        pause = max(_INTERVAL, (time.thread_time() - used) / _SHARE)
    return time.perf_counter() - started


def _leftover(tree: Tree, child: int) -> list[str]:
    until = time.perf_counter() + GRACE
    while time.perf_counter() < until:
        tree.reap(child)
        if not (alive := tree.sample()):
            return []
        time.sleep(0.02)
    return [_command_line(pid) for pid in alive]


if __name__ == "__main__":
    result, limit, *rest = sys.argv[1:]
    Path(result).write_text(json.dumps(asdict(run(rest, float(limit)))))
