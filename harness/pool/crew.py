"""What workers say in; what they are told, and what became of trials, out: no threads, no waiting."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.pool.endings import crash, ended
from harness.pool.host import Host
from harness.pool.member import Member
from harness.pool.messages import Answer, Order
from harness.pool.schedule import Pace, share

_BIRTHS = 3
"""Workers that may end one after the other before they ran anything; then no more are started."""
_CHILDHOOD = 120.0
"""Seconds after which nobody waits any longer for the first worker to have collected."""
_MARGIN = 0.5
"""Seconds that a trial is late before it is killed: its worker says meanwhile where it hangs."""


class Crew:
    """The workers of a pool, and the trials they are to do; who calls it lets nobody else do so meanwhile.

    hire: starts a worker, or raises OSError. timeout: seconds that a trial may take, None: for ever.
    one_by_one: a trial is handed out only when the worker is free for it.
    """

    def __init__(
        self, hire: Callable[[], Member], host: Host, *, timeout: float | None, one_by_one: bool
    ) -> None:
        self._hire = hire
        self._host = host
        self._timeout = timeout
        self._single = one_by_one or timeout is not None
        self._pending: OrderedDict[str, Order | None] = OrderedDict()
        """Trials to hand out, with the orders of those that were given back."""
        self._pace = Pace()
        self._prepared: Mapping[str, Any] | None = None
        self._begun: float | None = None
        """When trials could first have been handed out."""
        self._stillborn = 0
        self._closed: str | None = None
        """Why no more workers are started."""
        self.members: list[Member] = []
        self.answers: dict[str, Answer] = {}
        """Of trials, until they are taken."""
        self.late: list[tuple[str, Answer]] = []
        """What came of trials after their answers, until it is taken."""
        self.here: dict[str, None] = {}
        """Trials that are left to the pytest process."""
        self.refusal: str | None = None
        """Why."""
        self.halted = False
        self.given_up = False
        """Whether those that are left are killed, whatever they do."""

    def coming(self, node_id: str) -> bool:
        """Return whether a trial runs, or will run."""
        held = any(node_id in member.held for member in self.members)
        return held or (node_id in self._pending and not self.halted)

    @property
    def busy(self) -> bool:
        """Whether a trial runs."""
        return any(member.held for member in self.members)

    # What is to be done.

    def hire(self, count: int) -> None:
        """Start workers, unless that was given up."""
        for _ in range(count if self._closed is None else 0):
            try:
                member = self._hire()
            except OSError as error:
                self._closed = f"no worker could be started: {error}"
                return
            self.members.append(member)
            if self._prepared is not None:
                member.tell({"do": "data", "prepared": self._prepared})

    def give(self, node_ids: Sequence[str], prepared: Mapping[str, Any]) -> None:
        """Take in all trials, in order, and records of the data sets."""
        self._begun = time.monotonic()
        self._prepared = prepared
        self._pending.update(dict.fromkeys(node_ids))
        for member in list(self.members):
            member.tell({"do": "data", "prepared": prepared})
            self._feed(member)
        self._settle()

    def halt(self) -> None:
        """Start nothing more."""
        if not self.halted:
            self.halted = True
            self._recall()

    def retire(self) -> None:
        """Let everybody end who has nothing more to do."""
        self.halt()
        for member in self.members:
            member.retire()

    def _feed(self, member: Member) -> None:
        """Give a worker what it can do now; nothing, if there is nothing left for it."""
        if self._prepared is None or member.retired or not member.ready:
            return
        if self.halted or not self._pending:
            if not member.held and (self.halted or not self._recall()):
                member.retire()
            return
        count = share(
            Pace() if self._single else self._pace,
            pending=len(self._pending),
            held=len(member.held),
            workers=sum(not other.retired for other in self.members),
        )
        orders: list[Order] = []
        while len(orders) < count:
            node_id, known = self._pending.popitem(last=False)
            orders.append(known or self._host.assign(node_id))
            if orders[-1].values is not None:  # a sampler chooses better when more is known
                break
        if orders:
            member.give(orders)

    def _recall(self) -> bool:
        """Ask for what was handed out and has not begun; return whether there is any."""
        behind = [member for member in self.members if len(member.held) > 1]
        for member in behind:
            if not member.asked:
                member.asked = True
                member.tell({"do": "give back"})
        return bool(behind)

    def _settle(self) -> None:
        """Leave the trials that have not begun to the pytest process if nobody is there to do them."""
        if self._pending and not self.halted and all(member.retired for member in self.members):
            self.refusal = self._closed or "no worker is left"
            self.here.update(dict.fromkeys(self._pending))
            self._pending.clear()

    # What workers say.

    def hear(self, member: Member, message: Mapping[str, Any]) -> None:
        """Take in a message."""
        if self.given_up and message["event"] != "result":
            return
        match message["event"]:
            case "ready":
                member.ready = True
                member.process.turn_page()
            case "result":
                seconds = time.monotonic() - member.since
                order = member.free(message["node_id"])
                if order is not None:  # else a child that the trial has forked answers once more
                    self._pace = self._pace.after(seconds)
                    self._stillborn = 0
                    member.last = order.node_id
                    self._keep(member.last, Answer(message["reports"], message["warnings"]))
            case "late":
                self._too_late(message["node_id"], Answer(message["reports"], message["warnings"]))
            case "strange":
                order = member.free(message["node_id"])
                if order is not None:
                    self.here[order.node_id] = None
                    self.refusal = f"{order.node_id}: {message['reason']}"
            case "given back":
                member.asked = False
                # What it held is forgotten if it said meanwhile that a trial ends the session.
                freed = [member.free(node_id) for node_id in message["node_ids"]]
                self._take_back([order for order in freed if order is not None])
                if member.held:  # with what takes so long; it would have to give back the same once more
                    return
            case "refused":
                member.retired = member.done = True
                printed = member.process.printed() if message.get("printed") else ""
                self._closed = f"a worker could not collect them: {message['reason']}\n{printed}".strip()
            case "exit":
                self._host.exited(message["node_id"], message["reason"], message["code"])
                member.held.clear()
                member.retired = member.done = True
            case "ended":
                member.done = True
        self._feed(member)
        self._settle()

    def _keep(self, node_id: str, answer: Answer) -> None:
        self.answers[node_id] = answer
        self._host.arrived(node_id, answer)

    def _too_late(self, node_id: str, answer: Answer) -> None:
        self.late.append((node_id, answer))
        self._host.spoilt(node_id, answer)

    def _take_back(self, orders: Iterable[Order]) -> None:
        """Let others do what a worker has not begun."""
        if self.halted:
            return
        for order in reversed(list(orders)):
            self._pending[order.node_id] = order
            self._pending.move_to_end(order.node_id, last=False)
        for other in list(self.members):
            if not other.held:
                self._feed(other)

    def lose(self, member: Member, status: int | None) -> None:
        """Take in that a worker has ended, after all that it said."""
        self.members.remove(member)
        if self.given_up:
            return
        if member.held:
            lost, _ = member.held.popitem(last=False)
            seconds = time.monotonic() - member.since
            printed = crash(member.process.printed())
            self._keep(lost, self._host.died(lost, self._reason(member, status), printed, seconds))
            self._take_back(member.held.values())
        elif not member.retired:
            self._stillborn += 1
        elif not member.done and member.last is not None:
            answer = self._host.fell(
                member.last, self._reason(member, status), crash(member.process.printed())
            )
            self._too_late(member.last, answer)
        if self._stillborn >= _BIRTHS and self._closed is None:
            self._closed = f"a worker {ended(status)} while it collected\n{member.process.printed()}".strip()
        if self._pending and not self.halted:
            self.hire(1)
            self._settle()

    def _reason(self, member: Member, status: int | None) -> str:
        if not member.late:
            return f"the worker {ended(status)}"
        what = "the trial" if member.held or not member.retired else "the tear-down of shared fixtures"
        return f"{what} ran longer than --trial-timeout={self._timeout:g} seconds and was killed"

    # What takes too long.

    def watch(self) -> None:
        """Kill workers whose trial runs longer than allowed; give up if none may ever have collected."""
        now = time.monotonic()
        for member in self.members:
            if self._timeout is not None and member.held and not member.late:
                member.late = member.since + self._timeout + _MARGIN <= now
                if member.late:
                    member.process.kill()
        if not self._pending or self._begun is None:
            return
        grown = [max(member.born, self._begun) + _CHILDHOOD <= now for member in self.members]
        if all(grown) and not any(member.ready for member in self.members):
            self._closed = self._closed or f"no worker has collected within {_CHILDHOOD:.0f} seconds"
            for member in self.members:
                member.retired = True
                member.process.kill()
            self._settle()

    def end(self) -> None:
        """Kill whoever is left, as one who took too long."""
        for member in self.members:
            member.late = True
            member.process.kill()
