"""A command in; its output as it comes, and how it ended, out: the process that keeps a job's processes.

A program of its own, started without site packages, for it is started with every job. On standard input
it gets the length of the order in ten figures, the order as JSON, and perhaps a word: "stop" ends the job
with grace; the end of the input (of the service, that is) ends it at once. The job's output, both streams,
goes to standard output; at the end one line of JSON to standard error. Whatever the job has started dies
with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans of the job come to this process, not to init
_PAUSE = 0.005
_FIGURES = 10


def main() -> None:
    """Run the command of an order: argv, environment, folder, cores, seconds, grace."""
    order = json.loads(_read(int(_read(_FIGURES))))
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    os.sched_setaffinity(0, order["cores"])
    os.chdir(order["folder"])
    awake, alarm = os.pipe()
    for end in (awake, alarm):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    child = os.posix_spawn(
        order["argv"][0],
        order["argv"],
        order["environment"],
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    code, reason = _watch(child, order["seconds"], order["grace"], awake)
    _kill()
    os.write(2, json.dumps({"code": code, "reason": reason}).encode() + b"\n")


def _read(size: int) -> bytes:
    """Return so many bytes of the input, not one more; end if it ends before."""
    found = b""
    while len(found) < size:
        part = os.read(0, size - len(found))
        if not part:
            sys.exit()
        found += part
    return found


def _watch(child: int, seconds: float, grace: float, awake: int) -> tuple[int, str]:
    """Return the exit code of the child and why it ended: "ended", "stopped", "overtime" or "lost"."""
    deadline = time.monotonic() + seconds
    code, reason = None, "ended"
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(awake, select.POLLIN)
    while True:
        ended, alone = _reap(child)
        code = ended if code is None else code
        # A job that was told to end may tidy up in what it has started.
        if alone or (code is not None and reason == "ended"):
            return 137 if code is None else code, reason
        left = deadline - time.monotonic()
        if left <= 0:
            if reason != "ended":
                _kill()
                continue
            reason, deadline = "overtime", time.monotonic() + grace
            _signal(signal.SIGTERM)
            continue
        ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
        if awake in ready:
            os.read(awake, 4096)
        if 0 in ready:
            if not os.read(0, 4096):
                _kill()
                return 137, "lost"
            if reason == "ended":
                reason, deadline = "stopped", time.monotonic() + grace
                _signal(signal.SIGTERM)


def _reap(child: int) -> tuple[int | None, bool]:
    """Return the exit code of the child, if it has just ended, and whether no process is left."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code, True
        if not pid:
            return code, False
        if pid == child:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else 128 - ended  # as a shell has it


def _kill() -> None:
    """End every process of the job at once."""
    while _signal(signal.SIGKILL):
        time.sleep(_PAUSE)
        _reap(0)


def _signal(number: int) -> int:
    """Send a signal to what this process and its children have started; return to how many."""
    parents = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  # pathlib takes as long as all else here
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    command, fields = file.read().rsplit(b")", 1)
            except OSError:
                continue  # it has just ended
            state, parent = fields.split()[:2]
            if state not in (b"Z", b"X"):
                parents[int(name)] = int(parent), command.partition(b"(")[2]
    found, unseen = [], [os.getpid()]
    while unseen:
        above = unseen.pop()
        below = [pid for pid, (parent, _) in parents.items() if parent == above]
        found += below
        unseen += below
    sent = 0
    for pid in found:
        # bubblewrap ends at once by what would end its guest in time, and takes it along
        if number == signal.SIGKILL or parents[pid][1] != b"bwrap":
            try:
                os.kill(pid, number)
                sent += 1
            except ProcessLookupError:
                pass
    return sent


if __name__ == "__main__":
    main()
