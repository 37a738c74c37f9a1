"""Who does what, decided without processes and threads: a fake worker says what it likes."""

from __future__ import annotations

import signal
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.pool import crew as module
from harness.pool.crew import Crew
from harness.pool.member import Member
from harness.pool.messages import Answer, Order


class FakeProcess:
    """Hears what a worker is told, and does nothing by itself."""

    def __init__(self):
        self.channel = self
        self.told = []
        self.orders = []
        self.killed = self.interrupted = False

    def send(self, message):
        self.told.append(message["do"])
        if message["do"] == "run":
            self.orders += [order["node_id"] for order in message["orders"]]

    def kill(self):
        self.killed = True

    def interrupt(self):
        self.interrupted = True

    def printed(self):
        return "printed"

    def turn_page(self):
        pass


class FakeHost:
    """Notes what it is told."""

    def __init__(self, searched=()):
        self.searched = set(searched)
        self.assigned = []
        self.kept = {}
        self.late = []
        self.exits = []

    def assign(self, node_id):
        self.assigned.append(node_id)
        return Order(node_id=node_id, values={"x": 1} if node_id in self.searched else None)

    def arrived(self, node_id, answer):
        assert node_id not in self.kept
        self.kept[node_id] = answer

    def spoilt(self, node_id, answer):
        self.late.append((node_id, answer))

    def died(self, node_id, reason, printed, seconds):
        assert 0 <= seconds < 60
        return Answer([{"died": reason, "printed": printed}])

    def fell(self, node_id, reason, printed):
        return Answer([{"fell": reason}])

    def exited(self, node_id, reason, code):
        self.exits.append((node_id, reason, code))


def crew_of(count=2, *, trials="abcdef", timeout=None, one_by_one=False, host=None, ready=True):
    host = host or FakeHost()
    made = Crew(lambda: Member(FakeProcess()), host, timeout=timeout, one_by_one=one_by_one)
    made.hire(count)
    made.give(list(trials), {})
    if ready:
        for member in list(made.members):
            made.hear(member, {"event": "ready"})
    return made, host


def answers(crew, member, node_id):
    crew.hear(member, {"event": "result", "node_id": node_id, "reports": [], "warnings": []})


def held(member):
    return list(member.held)


def hurry(crew):
    """Let it know that trials take next to nothing."""
    for _ in range(8):
        crew._pace = crew._pace.after(1e-6)


def test_each_free_worker_gets_the_next_trial():
    crew, host = crew_of()
    first, second = crew.members

    assert (held(first), held(second)) == (["a"], ["b"])
    answers(crew, second, "b")
    assert (held(first), held(second)) == (["a"], ["c"])
    assert host.assigned == ["a", "b", "c"]
    assert list(host.kept) == list(crew.answers) == ["b"]


def test_nothing_is_handed_out_before_the_data_are_there_or_the_worker_has_collected():
    host = FakeHost()
    crew = Crew(lambda: Member(FakeProcess()), host, timeout=None, one_by_one=False)
    crew.hire(2)
    first, second = crew.members
    crew.hear(first, {"event": "ready"})
    assert first.process.told == []

    crew.give(["a", "b"], {})

    assert first.process.told == ["data", "run"]
    assert second.process.told == ["data"]
    crew.hire(1)
    assert crew.members[2].process.told == ["data"]


def test_a_worker_with_nothing_left_to_do_ends():
    crew, _ = crew_of(trials="ab")
    first, second = crew.members

    answers(crew, first, "a")

    assert first.retired
    assert first.process.told[-1] == "end"
    assert not second.retired


def test_short_trials_go_out_ahead_and_the_idle_get_those_of_the_busy():
    crew, host = crew_of(trials=[f"t{i}" for i in range(40)])
    first, second = crew.members
    hurry(crew)
    answers(crew, first, "t0")
    behind = held(first)
    assert len(behind) > 5

    while second.held:  # does all the others
        answers(crew, second, held(second)[0])
    assert not second.retired
    assert first.process.told.count("give back") == 1
    crew.hear(first, {"event": "given back", "node_ids": behind[1:]})

    assert held(first) == behind[:1]
    assert held(second) == behind[1 : 1 + len(second.held)]
    assert len(host.assigned) == len(set(host.assigned))


def test_a_search_is_asked_for_one_trial_at_a_time():
    """A sampler chooses better when more is known."""
    host = FakeHost(searched="abcdefghijklmnopq")
    crew, _ = crew_of(1, trials="abcdefghijklmnopq", host=host)
    hurry(crew)

    answers(crew, crew.members[0], "a")

    assert host.assigned == ["a", "b"]


@pytest.mark.parametrize("options", [{"one_by_one": True}, {"timeout": 5}])
def test_with_maxfail_or_a_timeout_nobody_has_a_trial_in_store(options):
    crew, _ = crew_of(1, trials="abcdefghijklmnop", **options)
    hurry(crew)

    answers(crew, crew.members[0], "a")

    assert held(crew.members[0]) == ["b"]


def test_halting_takes_back_what_has_not_begun_and_lets_the_rest_finish():
    crew, host = crew_of(trials=[f"t{i}" for i in range(40)])
    first, second = crew.members
    hurry(crew)
    answers(crew, first, "t0")

    crew.halt()
    crew.halt()

    assert first.process.told.count("give back") == 1
    running, *others = held(first)
    crew.hear(first, {"event": "given back", "node_ids": others})
    assert held(first) == [running]
    answers(crew, first, running)
    answers(crew, second, "t1")
    assert first.retired
    assert second.retired
    assert not crew.busy
    assert not any(crew.coming(node_id) for node_id in others)
    assert set(host.kept) == {"t0", "t1", running}


def test_a_dead_worker_costs_one_trial_and_is_replaced():
    crew, host = crew_of(trials=[f"t{i}" for i in range(40)])
    first = crew.members[0]
    hurry(crew)
    answers(crew, first, "t0")
    lost, *others = held(first)

    crew.lose(first, -signal.SIGKILL)

    assert host.kept[lost].reports == [
        {"died": "the worker was killed by SIGKILL: out of memory?", "printed": "printed"}
    ]
    assert all(crew.coming(node_id) for node_id in others)
    assert len(crew.members) == 2
    fresh = crew.members[1]
    crew.hear(fresh, {"event": "ready"})
    assert held(fresh)[0] == others[0]
    assert host.assigned.count(others[0]) == 1  # a sampler is not asked twice for one trial


def test_a_worker_that_ends_idle_is_not_replaced():
    crew, _ = crew_of(trials="ab")
    first, second = crew.members
    answers(crew, first, "a")
    crew.hear(first, {"event": "ended"})

    crew.lose(first, 0)

    assert crew.members == [second]
    assert crew.late == []


def test_a_worker_that_dies_while_it_tears_down_is_told_of_its_last_trial():
    crew, host = crew_of(trials="ab")
    first, _ = crew.members
    answers(crew, first, "a")

    crew.lose(first, 9)

    assert crew.late == host.late == [("a", Answer([{"fell": "the worker ended with exit code 9"}]))]


def test_when_no_worker_comes_up_the_trials_are_left_with_the_reason():
    crew, host = crew_of(ready=False)
    for _ in range(4):
        if crew.members:
            crew.lose(crew.members[0], 5)

    assert crew.members == []
    assert list(crew.here) == list("abcdef")
    assert crew.refusal == "a worker ended with exit code 5 while it collected\nprinted"
    assert host.assigned == []


def test_one_worker_that_came_up_does_everything():
    crew, host = crew_of(ready=False)
    good = crew.members[0]
    crew.hear(good, {"event": "ready"})
    for _ in range(5):
        for member in [member for member in crew.members if member is not good]:
            crew.lose(member, 5)

    assert crew.members == [good]
    for node_id in "abcdef":
        answers(crew, good, node_id)
    assert crew.here == {}
    assert list(host.kept) == list("abcdef")


def test_a_worker_that_dies_after_the_pool_gave_up_on_more_leaves_the_rest():
    crew, _ = crew_of(ready=False)
    good = crew.members[0]
    crew.hear(good, {"event": "ready"})
    for _ in range(5):
        for member in [member for member in crew.members if member is not good]:
            crew.lose(member, 5)

    crew.lose(good, 3)

    assert list(crew.here) == list("bcdef")
    assert not any(map(crew.coming, "bcdef"))


@pytest.mark.parametrize("when", ["at once", "later"])
def test_where_no_process_can_be_started_the_trials_are_left(when):
    def hire():
        if made or when == "at once":
            raise OSError("too many processes")
        made.append(Member(FakeProcess()))
        return made[-1]

    made = []
    crew = Crew(hire, FakeHost(), timeout=None, one_by_one=False)
    crew.hire(1)
    crew.give(["a", "b"], {})
    if made:
        crew.lose(made[0], 1)

    assert list(crew.here) == ["a", "b"]
    assert crew.refusal == "no worker could be started: too many processes"


def test_a_refusal_leaves_the_trials_when_the_last_worker_has_refused():
    crew, _ = crew_of(ready=False)
    first, second = crew.members

    crew.hear(first, {"event": "refused", "reason": "E   OSError"})
    assert crew.here == {}
    crew.hear(second, {"event": "refused", "reason": "exit code 4", "printed": True})

    assert list(crew.here) == list("abcdef")
    assert crew.refusal == "a worker could not collect them: exit code 4\nprinted"
    crew.lose(first, 0)
    crew.lose(second, 0)
    assert crew.members == []


def test_a_trial_that_is_strange_to_a_worker_is_left_alone():
    crew, _ = crew_of()
    first, _ = crew.members

    crew.hear(first, {"event": "strange", "node_id": "a", "reason": "its id differs"})

    assert list(crew.here) == ["a"]
    assert crew.refusal == "a: its id differs"
    assert held(first) == ["c"]


def test_a_trial_that_exits_is_told_and_its_worker_gets_nothing_more():
    crew, host = crew_of()
    first, _ = crew.members

    crew.hear(first, {"event": "exit", "node_id": "a", "reason": "enough", "code": 7})

    assert host.exits == [("a", "enough", 7)]
    assert first.retired
    assert held(first) == []
    crew.lose(first, 2)
    assert "a" not in host.kept


def test_what_comes_of_a_trial_after_its_answer_is_kept():
    crew, host = crew_of()
    first, _ = crew.members
    answers(crew, first, "a")

    crew.hear(first, {"event": "late", "node_id": "a", "reports": [{"r": 1}], "warnings": [{"w": 1}]})

    assert crew.late == host.late == [("a", Answer([{"r": 1}], [{"w": 1}]))]


def test_a_trial_that_is_late_is_killed_and_the_reason_names_the_option(monkeypatch):
    crew, host = crew_of(timeout=2.5)
    first, second = crew.members
    now = first.since
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 2.9)
    crew.watch()
    assert not first.process.killed

    monkeypatch.setattr(module.time, "monotonic", lambda: now + 3.1)
    second.since = now + 1
    crew.watch()

    assert first.process.killed
    assert not second.process.killed
    crew.lose(first, -9)
    (report,) = host.kept["a"].reports
    assert report["died"] == "the trial ran longer than --trial-timeout=2.5 seconds and was killed"


def test_nobody_waits_for_ever_for_workers_that_never_collect(monkeypatch):
    crew, _ = crew_of(ready=False)
    now = module.time.monotonic()
    members = list(crew.members)
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 119)
    crew.watch()
    assert crew.here == {}

    monkeypatch.setattr(module.time, "monotonic", lambda: now + 121)
    crew.watch()

    assert all(member.process.killed for member in members)
    assert list(crew.here) == list("abcdef")
    assert crew.refusal == "no worker has collected within 120 seconds"


def test_after_giving_up_only_results_count():
    crew, host = crew_of()
    first, second = crew.members
    crew.given_up = True

    answers(crew, first, "a")
    crew.hear(second, {"event": "exit", "node_id": "b", "reason": "interrupted", "code": None})
    crew.lose(second, -2)

    assert list(host.kept) == ["a"]
    assert host.exits == []


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Whatever workers do, every trial gets one answer, or is left, or was never begun after a halt."""

    @initialize(trials=st.integers(1, 30), workers=st.integers(1, 4), short=st.booleans())
    def begin(self, trials, workers, short):
        self.trials = [f"t{i}" for i in range(trials)]
        self.host = FakeHost()
        self.crew = Crew(lambda: Member(FakeProcess()), self.host, timeout=None, one_by_one=False)
        self.crew.hire(workers)
        self.crew.give(self.trials, {})
        self.ended = []
        self.halted_with = None
        if short:
            hurry(self.crew)

    def pick(self, data, condition):
        found = [member for member in self.crew.members if condition(member)]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data())
    def ready(self, data):
        member = self.pick(data, lambda m: not m.ready and not m.retired)
        if member:
            self.crew.hear(member, {"event": "ready"})

    @rule(data=st.data())
    def result(self, data):
        member = self.pick(data, lambda m: m.held)
        if member:
            answers(self.crew, member, held(member)[0])

    @rule(data=st.data())
    def give_back(self, data):
        member = self.pick(data, lambda m: m.asked)
        if member:
            begun = data.draw(st.integers(1, max(1, len(member.held))))
            node_ids = held(member)[begun:]
            self.crew.hear(member, {"event": "given back", "node_ids": node_ids})

    @rule(data=st.data(), status=st.sampled_from([0, 1, -9, None]))
    def die(self, data, status):
        member = self.pick(data, lambda m: True)
        if member:
            self.crew.lose(member, status)

    @rule(data=st.data())
    def end(self, data):
        member = self.pick(data, lambda m: m.retired)
        if member:
            self.crew.hear(member, {"event": "ended"})
            self.crew.lose(member, 0)

    @precondition(lambda self: len(self.host.kept) > 3)
    @rule()
    def halt(self):
        self.crew.halt()

    @invariant()
    def every_trial_is_somewhere(self):
        if not hasattr(self, "crew"):
            return
        holders = Counter(node_id for member in self.crew.members for node_id in held(member))
        assert all(count == 1 for count in holders.values())
        assert len(self.host.assigned) == len(set(self.host.assigned))
        for node_id in self.trials:
            known = (node_id in self.host.kept) + (node_id in self.crew.here) + self.crew.coming(node_id)
            assert known == 1 or (self.crew.halted and known == 0), node_id
        if any(map(self.crew.coming, self.trials)):
            assert self.crew.members, "somebody must be there to do it"

    def teardown(self):
        if not hasattr(self, "crew"):
            return
        for _ in range(500):  # workers that do as they are told come to an end
            for member in list(self.crew.members):
                if not member.ready and not member.retired:
                    self.crew.hear(member, {"event": "ready"})
                elif member.asked:
                    self.crew.hear(member, {"event": "given back", "node_ids": held(member)[1:]})
                elif member.held:
                    answers(self.crew, member, held(member)[0])
                elif member.retired:
                    self.crew.hear(member, {"event": "ended"})
                    self.crew.lose(member, 0)
        assert not self.crew.busy
        assert not any(map(self.crew.coming, self.trials))


AnyOrderOfEvents.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase


def test_a_worker_may_say_what_it_gives_back_after_that_a_trial_ends_the_session():
    """Its two threads speak in any order."""
    crew, host = crew_of(trials=map(str, range(90)))
    first, second = crew.members
    hurry(crew)
    answers(crew, first, "0")
    running, *asked = held(first)
    assert asked

    crew.halt()
    crew.hear(first, {"event": "exit", "node_id": running, "reason": "enough", "code": 7})
    crew.hear(first, {"event": "given back", "node_ids": asked})

    assert host.exits == [(running, "enough", 7)]
    assert not crew.coming(running)
    assert held(second) == ["1"]


def test_the_answer_of_a_forked_child_does_not_count_once_more():
    crew, _ = crew_of()
    first = crew.members[0]
    node_id = next(iter(first.held))
    said = {"event": "result", "node_id": node_id, "reports": [{"n": 1}], "warnings": []}

    crew.hear(first, said)
    held = list(first.held)
    crew.hear(first, {**said, "reports": [{"n": 2}]})

    assert list(first.held) == held
    assert crew.answers[node_id] == Answer([{"n": 1}], [])
