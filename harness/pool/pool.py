"""Trials by node id in, their answers out, in whichever order they are asked for: the crew, and who waits."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness.pool.crew import Crew
from harness.pool.host import Host
from harness.pool.member import Member
from harness.pool.messages import Answer, Opening
from harness.pool.processes import Launcher

_GRACE = 0.5
"""Seconds that fixtures of a worker have to be torn down after an interrupt."""
_BLINK = 0.25
"""Seconds between two looks at the clock while nothing happens."""


class Pool:
    """Workers that share the trials of a run; a `Backend`.

    launcher: makes what starts workers, again if it dies. workers: most at once; timeout: seconds that a
    trial may take, None: for ever; one_by_one: a trial is handed out only when the worker is free for it.
    """

    name = "local"
    elsewhere = True

    def __init__(
        self,
        launcher: Callable[[], Launcher],
        opening: Callable[[], Opening],
        host: Host,
        *,
        workers: int,
        timeout: float | None = None,
        one_by_one: bool = False,
    ) -> None:
        self.in_flight = workers
        self._launch = launcher
        self._opening = opening
        self._timeout = timeout
        self._launchers: list[Launcher] = []
        self._crew = Crew(self._hire, host, timeout=timeout, one_by_one=one_by_one)
        # Ctrl-C may come at any moment: `with` on this lock stands it, a Condition's would not.
        self._lock = threading.RLock()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Rung for the one who waits."""
        self._over: Callable[[], bool] | None = None
        """Whether somebody who waits need not any longer; None: nobody waits."""
        self._next_look = 0.0
        self._place: dict[str, int] = {}
        self._fault: BaseException | None = None

    @property
    def refusal(self) -> str | None:
        """Why trials that were to run in workers run in the pytest process; None if none do."""
        return self._crew.refusal if self._crew.here else None

    def boot(self, trials: int) -> None:
        """Start workers, so that they have collected by the time the data are prepared."""
        with self._lock:
            self._crew.hire(min(self.in_flight, trials))

    def start(self, node_ids: Sequence[str], prepared: Mapping[str, Any]) -> None:
        """Hand out trials, in order; prepared: records of the data sets in the store."""
        with self._lock:
            self._place = {node_id: place for place, node_id in enumerate(node_ids)}
            self._crew.give(node_ids, prepared)

    def answer(self, node_id: str) -> Answer | None:
        """Wait for a trial and return what it gave, None: it is to run in this process.

        Raises LookupError if it was not started, and will not be, for the run was halted.
        """
        crew = self._crew
        self._wait(lambda: node_id in crew.answers or not crew.coming(node_id))
        with self._lock:
            if node_id in crew.answers:
                return crew.answers.pop(node_id)
            if crew.halted and node_id not in crew.here:
                raise LookupError(node_id)
            return None

    def late(self) -> list[tuple[str, Answer]]:
        """Return what came of trials after their answers: faults in tearing down what several shared."""
        with self._lock:
            found, self._crew.late = self._crew.late, []
            return found

    def halt(self) -> None:
        """Start nothing more; what runs may finish."""
        with self._lock:
            self._crew.halt()
            self._ring()

    def rest(self) -> Iterator[tuple[str, Answer]]:
        """Halt; yield the answers of trials that were in flight, or that nobody asked for."""
        self.halt()
        self._wait(lambda: self._crew.given_up or not self._crew.busy)
        answers = self._crew.answers
        for node_id in sorted(answers, key=lambda known: self._place.get(known, 0)):
            yield node_id, answers.pop(node_id)

    def stop(self, *, now: bool = False) -> None:
        """End all workers: after their fixtures were torn down, or within seconds.

        now: a trial in flight is given up; whatever it had sent is still taken in.
        """
        with self._lock:
            members = list(self._crew.members)
            self._crew.given_up = self._crew.given_up or now
            self._crew.retire()
            for member in members:
                if not member.used:  # it has no fixtures to tear down
                    member.done = True
                    member.process.kill()
                elif now and member.held:
                    member.process.interrupt()
        self._join(members, _GRACE if now else self._timeout)
        with self._lock:
            self._crew.end()
        for launcher in self._launchers:
            launcher.close()
        self._join(members, _GRACE)
        with self._lock:
            self._crew.given_up = True

    def _join(self, members: Sequence[Member], seconds: float | None) -> None:
        """Wait until workers have ended, in slices that an interrupt can come between."""
        end = None if seconds is None else time.monotonic() + seconds
        for member in members:
            while member.thread is not None and member.thread.is_alive():
                if end is not None and time.monotonic() >= end:
                    return
                member.thread.join(_BLINK if end is None else min(_BLINK, max(end - time.monotonic(), 0)))

    def _wait(self, over: Callable[[], bool]) -> None:
        """Wait until `over`, looking at the clock; raise the harness' own mistake that a thread has met."""
        try:
            while True:
                with self._lock:
                    if self._fault is not None:
                        raise self._fault
                    if over():
                        return
                    self._over = over
                    now = time.monotonic()
                    if now >= self._next_look:
                        self._next_look = now + _BLINK
                        self._crew.watch()
                with contextlib.suppress(queue.Empty):
                    self._bell.get(timeout=_BLINK)
        finally:
            self._over = None

    def _ring(self) -> None:
        """Wake whoever waits, if it was for what has just come: to be woken costs half a short trial."""
        if self._over is not None and self._over():
            self._bell.put(None)

    # Workers, each listened to by a thread.

    def _hire(self) -> Member:
        if not self._launchers or not self._launchers[-1].alive:
            self._launchers.append(self._launch())
        try:
            process = self._launchers[-1].launch()
        except OSError:
            if self._launchers[-1].alive:
                raise
            self._launchers.append(self._launch())  # the other one had just died
            process = self._launchers[-1].launch()
        member = Member(process)
        member.tell(self._opening().to_json())
        member.thread = threading.Thread(
            target=self._listen, args=(member,), name="harness worker", daemon=True
        )
        member.thread.start()
        return member

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Hold the lock; whoever has it next knows of a mistake before of what it left half done."""
        with self._lock:
            try:
                yield
            except BaseException as error:
                self._fault = error
                raise

    def _listen(self, member: Member) -> None:
        try:
            while True:
                try:
                    message = member.process.channel.receive()
                except EOFError:
                    break
                with self._telling():
                    self._crew.hear(member, message)
                    self._ring()
            status = member.process.status(5)
            with self._telling():
                self._crew.lose(member, status)
        except BaseException as error:  # noqa: BLE001  # for the thread that waits for answers
            self._fault = error
            member.process.kill()
        finally:
            member.process.close()
            self._bell.put(None)
