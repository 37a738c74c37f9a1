"""Requests over a socket in, forked workers out: a process that has imported much and run nothing.

It imports the modules that it is told, once for all workers, and then forks a worker per request. Each
worker leads a process group of its own, away from the terminal: Ctrl-C there reaches the pytest process
alone. When a worker ends, whatever it started is killed; when the pytest process is gone, however it
ended, everything is.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NoReturn

Work = Callable[[BinaryIO, BinaryIO], int]

HEAD = struct.Struct("!Q")
"""Length of the opening; a read that could take more would swallow the first request and its files."""


def main() -> None:
    """Serve the socket whose file descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv.pop(1)))
    workers: set[int] = set()
    try:
        wanted = json.loads(_exactly(control, HEAD.unpack(_exactly(control, HEAD.size))[0]))
        gc.disable()  # imports are all that happens here: nothing would be found
        preload(wanted["modules"], lambda: _gone(control))
        work = importlib.import_module(wanted["worker"]).work
        gc.freeze()  # or the first collection in each worker would copy every page
        sys.stdout.flush()
        serve(control, work, workers)
    except EOFError:
        return
    finally:
        for pid in workers:
            _sweep(pid)
        os.killpg(0, signal.SIGKILL)


def preload(modules: Sequence[str], unwanted: Callable[[], bool]) -> None:
    """Import modules; what cannot be imported is met again, and told, by the worker that needs it.

    unwanted: asked before each; raises EOFError once it is true.
    """
    for name in modules:
        if unwanted():
            raise EOFError
        with contextlib.suppress(BaseException):
            importlib.import_module(name)


def serve(control: socket.socket, work: Work, workers: set[int]) -> None:
    """Fork a worker per request and tell how each ended, until the other side is gone.

    A request is one line of JSON with two file descriptors: a socket to work by, and a file for what the
    worker prints. workers: ids of those that live, kept up to date.
    """
    children, bell = socket.socketpair()
    for end in (children, bell):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # or it would not ring
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(children, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if children in ready:
                children.recv(4096)
                for pid, status in _ended():
                    workers.discard(pid)
                    _tell(control, {"pid": pid, "status": status})
            if control not in ready:
                continue
            request, fds, _, _ = socket.recv_fds(control, 4096, 2)
            if not request:
                return
            told = {"token": json.loads(request)["token"]}
            try:
                with warnings.catch_warnings():  # of other threads: that of Arrow's allocator knows forks
                    warnings.simplefilter("ignore", DeprecationWarning)
                    pid = os.fork()
            except OSError as error:  # no more processes, or no memory
                told["problem"] = str(error)
            else:
                if not pid:
                    signal.set_wakeup_fd(-1)
                    for mine in (selector, control, children, bell):
                        mine.close()
                    _become(work, *fds)
                with contextlib.suppress(OSError):  # the worker does it, too: whoever comes first
                    os.setpgid(pid, pid)
                workers.add(pid)
                told["pid"] = pid
            for fd in fds:
                os.close(fd)
            _tell(control, told)


def _exactly(control: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = control.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _gone(control: socket.socket) -> bool:
    try:
        return not control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _tell(control: socket.socket, message: Any) -> None:
    with contextlib.suppress(OSError):  # nobody is left to hear it: the next read says so
        control.sendall(json.dumps(message).encode() + b"\n")


def _ended() -> Iterator[tuple[int, int]]:
    """Yield the workers that ended: process id and exit code, or the negative number of a signal."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _sweep(pid)
        yield pid, os.waitstatus_to_exitcode(status)


def _sweep(pid: int) -> None:
    """Kill a worker, and what is left of what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _become(work: Work, control: int, log: int) -> NoReturn:
    """Be a worker, and never return."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.enable()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(log)
        os.set_inheritable(control, False)
        with socket.socket(fileno=control) as way:
            code = work(way.makefile("rb"), way.makefile("wb"))
    except BaseException:  # noqa: BLE001  # to the log, where the pytest process finds it
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
