"""Values of a search's trials: seeded, different, better the more is known, and quietly chosen."""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import printed_with_any_hash_seed
from recorded import searched

from harness.ranges import choice, integers, loguniform, uniform
from harness.sampling import Sampler
from harness.space import Search

MIXED = {
    "depth": integers(3, 10),
    "rate": loguniform(1e-3, 1),
    "share": uniform(0.5, 1),
    "kind": choice("a", "b", "c"),
}
DISCRETE = {"depth": integers(1, 4), "kind": choice("a", "b", "c")}


def sampler(ranges, trials=30, strategy="tpe", seed=0, experiment="experiment_x"):
    return Sampler(Search(trials=trials, strategy=strategy, prune=False, ranges=ranges), seed, experiment)


def record(index, value=None, outcome="passed", greater_is_better=False, **more):
    logged = {} if value is None else {"cost": value}
    decides = {"objective": "cost", "greater_is_better": greater_is_better}
    return searched(index, outcome=outcome, logged=logged, **decides, **more)


def cost(plain):
    return (plain["share"] - 0.7) ** 2 + abs(plain["depth"] - 6) / 10 + plain["kind"] / 5


def asked(made, trials, value=cost, **more):
    """Return the points of a search that one worker runs."""
    points = []
    for index in range(trials):
        points.append(made.ask(index))
        made.tell(index, points[-1], record(index, value(points[-1]), **more))
    return points


def key(point):
    return tuple(sorted(point.items()))


# What is chosen


@pytest.mark.parametrize("strategy", ["tpe", "random"])
def test_values_are_plain_within_the_ranges_and_survive_json(strategy):
    points = asked(sampler(MIXED, strategy=strategy), 30)

    assert json.loads(json.dumps(points)) == points
    for point in points:
        assert list(point) == list(MIXED)
        assert [type(number) for number in point.values()] == [int, float, float, int]
        assert 3 <= point["depth"] <= 10
        assert 1e-3 <= point["rate"] <= 1
        assert 0.5 <= point["share"] <= 1
        assert 0 <= point["kind"] <= 2
    assert len({key(point) for point in points}) == 30


@pytest.mark.parametrize("strategy", ["tpe", "random"])
def test_a_trial_that_is_asked_again_keeps_its_values(strategy):
    made = sampler(MIXED, strategy=strategy)
    points = [made.ask(index) for index in range(30)]
    points[0].clear()

    assert [made.ask(index) for index in range(1, 30)] == points[1:]
    assert list(made.ask(0)) == list(MIXED)


@settings(max_examples=25)
@given(st.permutations(range(20)), st.lists(st.booleans(), min_size=20, max_size=20))
@pytest.mark.parametrize(
    "ranges", [MIXED, {"a": integers(0, 9), "b": choice(1, 2)}], ids=["mixed", "discrete"]
)
def test_random_values_depend_on_seed_and_number_alone(ranges, order, told):
    straight = sampler(ranges, 20, "random")
    expected = [straight.ask(index) for index in range(20)]
    shuffled = sampler(ranges, 20, "random")

    for index in order:
        assert shuffled.ask(index) == expected[index]
        if told[index]:
            shuffled.tell(index, expected[index], record(index, 1.0))
    more = sampler(ranges, 20 if ranges is not MIXED else 500, "random")
    assert [more.ask(index) for index in range(20)] == expected


def test_random_values_are_spread_evenly():
    made = sampler({"a": uniform(0, 1), "b": integers(1, 4)}, 800, "random")
    points = [made.ask(index) for index in range(800)]

    quarters = [sum(q / 4 <= point["a"] < (q + 1) / 4 for point in points) for q in range(4)]
    numbers = [sum(point["b"] == b for point in points) for b in range(1, 5)]
    assert min(quarters + numbers) > 150
    together = [sum(p["a"] < 0.5 and p["b"] <= 2 for p in points)]
    assert 150 < together[0] < 250


@pytest.mark.parametrize("strategy", ["tpe", "random"])
def test_seed_and_experiment_make_another_search(strategy):
    shown = {
        key(sampler(MIXED, strategy=strategy, **other).ask(0))
        for other in ({}, {"seed": 1}, {"experiment": "experiment_y"})
    }

    assert len(shown) == 3


def test_the_seed_also_leads_what_is_guided():
    def after(seed):
        made = sampler(MIXED, seed=seed)
        for index in range(20):
            plain = {"depth": 3 + index % 8, "rate": 0.1, "share": 0.5 + index / 40, "kind": index % 3}
            made.tell(index, plain, record(index, cost(plain)))
        return made.ask(20)

    assert after(0) == after(0) != after(1)


def test_one_worker_repeats_a_guided_search():
    first = asked(sampler(MIXED), 30)

    assert asked(sampler(MIXED), 30) == first
    assert asked(sampler(MIXED), 30, value=lambda plain: -cost(plain)) != first


SCRIPT = """
import json, sys
from test_sampling import DISCRETE, MIXED, asked, sampler
print(json.dumps([asked(sampler(MIXED), 20), asked(sampler(DISCRETE, 12), 12, value=lambda p: p["depth"])]))
"""


def test_a_guided_search_is_the_same_in_every_process():
    shown = printed_with_any_hash_seed(SCRIPT, {"PYTHONPATH": os.path.dirname(__file__)})

    assert json.loads(shown)[0] == asked(sampler(MIXED), 20)


def test_the_first_trials_of_a_guided_search_do_not_depend_on_workers():
    one = asked(sampler(MIXED), 10)
    many = sampler(MIXED)

    assert [many.ask(index) for index in (3, 1, 0, 2, 9, 5)] == [one[index] for index in (3, 1, 0, 2, 9, 5)]


@pytest.mark.parametrize("told", [0, 12], ids=["nothing known", "some known"])
def test_trials_that_run_at_once_differ(told):
    made = sampler(DISCRETE | {"more": integers(1, 3)}, 36)
    asked(made, told, value=lambda plain: plain["depth"])
    together = [made.ask(index) for index in range(told, told + 16)]

    assert len({key(point) for point in together}) == 16


def test_what_runs_counts_as_bad_for_those_that_are_asked_meanwhile():
    def asked_after(running):
        made = sampler({"x": uniform(0, 1)}, 40)
        asked(made, 20, value=lambda plain: abs(plain["x"] - 0.4))
        points = []
        for index in range(20, 32):
            point = made.ask(index)
            points.append(point["x"])
            if not running:
                made.tell(index, point, record(index, outcome="failed"))
        return points

    at_once, after_failures = asked_after(running=True), asked_after(running=False)
    assert at_once != after_failures
    assert statistics.stdev(at_once) > statistics.stdev(after_failures)


@pytest.mark.parametrize("strategy", ["tpe", "random"])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_search_as_large_as_its_space_tries_every_point_once(strategy, workers):
    made = sampler(DISCRETE, 12, strategy)
    running, seen = [], []
    for index in range(12):
        running.append((index, made.ask(index)))
        seen.append(running[-1][1])
        if len(running) == workers:
            done, point = running.pop(0)
            made.tell(done, point, record(done, point["depth"]))

    everything = itertools.product(range(1, 5), range(3))
    assert sorted((p["depth"], p["kind"]) for p in seen) == sorted(everything)


def test_a_huge_space_costs_no_memory_and_has_no_twins():
    made = sampler({"a": integers(-(2**53), 2**53), "b": integers(0, 2**53)}, 300, "random")

    points = {key(made.ask(index)) for index in range(300)}

    assert len(points) == 300
    assert all(-(2**53) <= a <= 2**53 and 0 <= b <= 2**53 for (_, a), (_, b) in points)


def test_a_point_that_is_taken_gives_way_to_its_nearest_neighbour():
    made = sampler({"a": integers(0, 10**6)}, 40)
    # Everything that is known says: the best is at 500_000.
    for index in range(30):
        made.tell(index, {"a": 499_985 + index}, record(index, abs(index - 15)))

    points = [made.ask(index)["a"] for index in range(30, 40)]

    assert len(set(points) | set(range(499_985, 500_015))) == 40
    assert all(0 <= a <= 10**6 for a in points)


def test_a_space_whose_points_are_all_known_gives_one_of_them():
    made = sampler(DISCRETE, 13)
    for index, (depth, kind) in enumerate(itertools.product(range(1, 5), range(3))):
        made.tell(index, {"depth": depth, "kind": kind}, record(index, depth))

    point = made.ask(12)

    assert (point["depth"], point["kind"]) in set(itertools.product(range(1, 5), range(3)))


# What is learnt


def best(made, trials):
    return min(cost(point) for point in asked(made, trials))


def test_a_guided_search_finds_better_points_than_a_random_one():
    guided = [best(sampler(MIXED, seed=seed), 30) for seed in range(8)]
    drawn = [best(sampler(MIXED, strategy="random", seed=seed), 30) for seed in range(8)]

    assert statistics.mean(guided) < statistics.mean(drawn) / 1.5


def test_the_greatest_is_sought_as_the_least_is():
    least = asked(sampler(MIXED), 30)
    greatest = asked(sampler(MIXED), 30, value=lambda plain: -cost(plain), greater_is_better=True)

    assert greatest == least


def test_of_repeats_the_mean_guides():
    made, points = sampler(MIXED), []
    for index in range(30):
        points.append(made.ask(index))
        rows = [{"cost": cost(points[-1])}] * 2
        made.tell(index, points[-1], record(index, 100 - index, repeats=rows))

    assert points == asked(sampler(MIXED), 30)


@pytest.mark.parametrize("outcome", ["failed", "raised", "skipped", "error"])
def test_a_trial_that_did_not_finish_teaches_nothing(outcome):
    def run(outcome, sign):
        made = sampler(MIXED)
        points = []
        for index in range(30):
            points.append(made.ask(index))
            value = cost(points[-1])
            odd = index % 3 == 0
            made.tell(
                index, points[-1], record(index, sign * value if odd else value, outcome if odd else "passed")
            )
        return points

    assert run(outcome, -100) == run(outcome, 100) == run("raised", 0)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_finished_trial_without_a_number_teaches_nothing(value):
    unknown = asked(sampler(MIXED), 30, value=lambda plain: value)
    failed = asked(sampler(MIXED), 30, outcome="failed")

    assert unknown == failed


def pruned(index, curve, greater_is_better=False):
    return record(
        index,
        outcome="pruned",
        watched="validation_loss",
        watched_greater_is_better=greater_is_better,
        curves={"validation_loss": curve},
    )


def told_pruned(curve, greater_is_better=False):
    """Return how far from 0.2 the points are that are asked when nothing has finished."""
    made = sampler({"x": uniform(0, 1)}, 60)
    r = random.Random(0)
    for index in range(40):
        x = r.random()
        made.tell(index, {"x": x}, pruned(index, curve(abs(x - 0.2)), greater_is_better))
    return statistics.median(abs(made.ask(index)["x"] - 0.2) for index in range(40, 55))


def test_points_near_pruned_trials_that_came_farther_are_asked_for():
    assert told_pruned(lambda far: [1.0] * (30 if far < 0.15 else 5)) < 0.15
    assert told_pruned(lambda far: [1.0] * (5 if far < 0.5 else 30)) > 0.45


def test_of_trials_pruned_in_one_round_the_better_ones_count():
    assert told_pruned(lambda far: [9.0, far, 9.0]) < 0.15
    assert told_pruned(lambda far: [9.0, -far, 9.0]) > 0.45
    assert told_pruned(lambda far: [-9.0, -far, -9.0], greater_is_better=True) < 0.15
    assert told_pruned(lambda far: [-9.0, far, -9.0], greater_is_better=True) > 0.45


def test_pruned_trials_guide_also_when_they_were_asked_for():
    def run(sign):
        made = sampler({"x": uniform(0, 1)}, 60)
        for index in range(40):
            point = made.ask(index)
            made.tell(index, point, pruned(index, [9.0 * sign, sign * abs(point["x"] - 0.2)], sign < 0))
        return [made.ask(index)["x"] for index in range(40, 55)]

    assert statistics.median(abs(x - 0.2) for x in run(1)) < 0.15
    assert run(-1) == run(1)


@pytest.mark.parametrize("curve", [[], [float("nan")]], ids=["no round", "no number"])
def test_a_trial_that_was_pruned_without_a_number_is_taken(curve):
    made = sampler(MIXED)
    for index in range(12):
        made.tell(index, made.ask(index), pruned(index, curve))

    assert made.ask(12)["depth"] in range(3, 11)


def test_results_of_an_earlier_run_guide_though_nobody_asked_for_them():
    r = random.Random(0)
    made = sampler(MIXED, 60)
    for index in range(30):
        plain = {"depth": r.randint(3, 10), "rate": 0.1, "share": r.uniform(0.5, 1), "kind": r.randrange(3)}
        made.tell(index, plain, record(index, cost(plain)))
        assert made.ask(index) == plain

    points = [made.ask(index) for index in range(30, 45)]

    drawn = [sampler(MIXED, 60, "random").ask(index) for index in range(30, 45)]
    assert statistics.mean(map(cost, points)) < statistics.mean(map(cost, drawn)) / 1.5


def test_points_of_an_earlier_run_are_not_tried_again():
    made = sampler(DISCRETE, 12)
    known = [{"depth": depth, "kind": kind} for depth in (1, 2) for kind in range(3)]
    for index, plain in enumerate(known):
        made.tell(index, plain, record(index, plain["depth"]))

    points = [made.ask(index) for index in range(6, 12)]

    assert {point["depth"] for point in points} == {3, 4}
    assert len({key(point) for point in points}) == 6


def test_other_values_than_those_asked_for_may_come_back():
    made = sampler(MIXED)
    for index in range(12):
        point = made.ask(index)
        made.tell(index, {**point, "kind": (point["kind"] + 1) % 3}, record(index, 1.0))
        made.tell(index, point, record(index, 2.0))  # run once more

    assert made.ask(12)["depth"] in range(3, 11)


# How it is used


def test_threads_may_share_a_sampler():
    made = sampler(DISCRETE | {"more": integers(1, 5)}, 60)

    def run(index):
        point = made.ask(index)
        made.tell(index, point, record(index, point["depth"] + point["more"]))
        return key(point)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            points = list(pool.map(run, range(60)))
    finally:
        sys.setswitchinterval(interval)

    assert len(set(points)) == 60


def test_optuna_says_nothing_and_is_left_as_it_was(caplog, capfd, recwarn):
    optuna.logging.enable_propagation()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        with caplog.at_level(logging.DEBUG):
            asked(sampler(MIXED), 15)
            asked(sampler(DISCRETE, 12), 12, value=lambda plain: plain["depth"])
        after = optuna.logging.get_verbosity()
    finally:
        optuna.logging.disable_propagation()
        optuna.logging.set_verbosity(before)

    assert after == optuna.logging.INFO
    assert [entry for entry in caplog.records if entry.levelno >= logging.INFO] == []
    assert capfd.readouterr() == ("", "")
    assert list(recwarn) == []


def test_declaring_a_search_does_not_import_what_runs_it():
    script = (
        "import sys, harness\n"
        "from harness.space import Search\n"
        "@harness.search(trials=3, a=harness.integers(1, 9))\n"
        "def experiment_x(trial, a): ...\n"
        "Search(trials=3, strategy='tpe', prune=False, ranges={'a': harness.uniform(0, 1)}).check()\n"
        "print([name for name in ('optuna', 'numpy', 'pandas') if name in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert shown.stdout == "[]\n"
