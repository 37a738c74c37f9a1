"""Rehearsed machines are equal shares of the cores, rented in the order of asking."""

from __future__ import annotations

import os
import threading

import pytest

from harness.cores import cores
from harness.rehearsal.instances import Instances


@pytest.mark.parametrize("count", [1, 2, 3])
def test_machines_share_the_cores_without_overlap(count):
    made = Instances(count)
    rented = [set(made.cores(number)) for number in range(count)]

    assert all(len(share) == max(1, cores() // count) for share in rented)
    assert set().union(*rented) <= os.sched_getaffinity(0)
    if count <= cores():
        assert sum(map(len, rented)) == len(set().union(*rented))


def test_there_are_as_many_machines_as_cores_unless_said():
    assert Instances().count == cores()


def test_who_came_first_is_served_first():
    made, order, never = Instances(1), [], threading.Event()
    held = made.take(never)

    def rent(number):
        machine = made.take(never)
        order.append(number)
        made.give_back(machine)

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=rent, args=(number,)))
        threads[-1].start()
        while made.waiting != number + 1:
            threading.Event().wait(0.001)
    made.give_back(held)
    for thread in threads:
        thread.join()

    assert order == list(range(5))


def test_who_is_cancelled_gets_none_and_nobody_waits_for_it():
    made, cancelled, never = Instances(1), threading.Event(), threading.Event()
    held, answers = made.take(never), {}
    first = threading.Thread(target=lambda: answers.update(first=made.take(cancelled)))
    first.start()
    while made.waiting != 1:
        threading.Event().wait(0.001)
    second = threading.Thread(target=lambda: answers.update(second=made.take(never)))
    second.start()

    cancelled.set()
    made.wake()
    first.join()
    made.give_back(held)
    second.join()

    assert answers == {"first": None, "second": held}
