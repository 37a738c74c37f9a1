"""A rehearsed tuning job tries a whole grid, draws what it should draw, and learns if it is Bayesian."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rehearsal import sampler


def config(strategy, *, most=None, seed=None, kind="Maximize", **ranges):
    return {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": kind, "MetricName": "score"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 1, "MaxNumberOfTrainingJobs": most},
        "ParameterRanges": ranges,
        **({} if seed is None else {"RandomSeed": seed}),
    }


def numbers(kind, low, high, scaling="Linear", name="a"):
    return {
        f"{kind}ParameterRanges": [{"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}]
    }


def asked(chosen):
    return list(iter(chosen.ask, None))


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.text("xyz"), min_size=1, max_size=4, unique=True))
)
def test_a_grid_is_every_combination_once_in_order(values):
    ranges = [{"Name": name, "Values": texts} for name, texts in values.items()]

    points = [tuple(p.values()) for p in asked(sampler.of(config("Grid", CategoricalParameterRanges=ranges)))]

    assert points == list(itertools.product(*values.values()))


@given(
    st.sampled_from(["Random", "Bayesian"]),
    st.integers(-50, 50),
    st.integers(0, 100),
    st.sampled_from(["Auto", "Linear"]),
)
def test_whole_numbers_stay_between_their_ends(strategy, low, width, scaling):
    ranges = numbers("Integer", str(low), str(low + width), scaling)

    values = [point["a"] for point in asked(sampler.of(config(strategy, most=8, seed=0, **ranges)))]

    assert len(values) == 8
    assert all(low <= int(value) <= low + width and value == str(int(value)) for value in values)


@given(
    st.sampled_from(["Linear", "Logarithmic", "ReverseLogarithmic"]),
    st.floats(1e-6, 0.9),
    st.floats(0, 0.09),
)
def test_numbers_stay_between_their_ends_and_survive_the_way_as_texts(scaling, low, width):
    ranges = numbers("Continuous", repr(low), repr(low + width), scaling)

    for point in asked(sampler.of(config("Random", most=8, seed=0, **ranges))):
        assert low <= float(point["a"]) <= low + width
        assert repr(float(point["a"])) == point["a"]


def test_every_whole_number_is_drawn_as_often_as_another():
    points = asked(sampler.of(config("Random", most=3000, seed=1, **numbers("Integer", "1", "3"))))
    counts = [sum(point["a"] == text for point in points) for text in "123"]

    assert all(900 < count < 1100 for count in counts)


def test_logarithmic_numbers_are_spread_over_the_powers():
    ranges = numbers("Continuous", "0.0001", "1", "Logarithmic")
    values = [float(point["a"]) for point in asked(sampler.of(config("Random", most=2000, seed=2, **ranges)))]

    assert 0.005 < statistics.median(values) < 0.02


def test_logarithmic_whole_numbers_reach_both_ends():
    ranges = numbers("Integer", "1", "64", "Logarithmic")
    values = {int(p["a"]) for p in asked(sampler.of(config("Random", most=1000, seed=2, **ranges)))}

    assert {1, 2, 64} <= values


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_the_same_seed_draws_the_same(strategy):
    ranges = numbers("Continuous", "0", "1") | {
        "CategoricalParameterRanges": [{"Name": "b", "Values": ["x", "y", "z"]}]
    }

    def draw(seed):
        return asked(sampler.of(config(strategy, most=6, seed=seed, **ranges)))

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def bowl(point):
    return -((math.log10(float(point["a"])) + 2) ** 2) - 0.1 * (point["b"] != "y")


def searched(strategy, seed, kind="Maximize"):
    ranges = numbers("Continuous", "0.00001", "10", "Logarithmic") | {
        "CategoricalParameterRanges": [{"Name": "b", "Values": ["x", "y", "z"]}]
    }
    chosen = sampler.of(config(strategy, most=40, seed=seed, kind=kind, **ranges))
    sign = 1 if kind == "Maximize" else -1
    values = []
    while (point := chosen.ask()) is not None:
        values.append(bowl(point))
        chosen.tell(point, sign * values[-1])
    return statistics.mean(values[20:])


@pytest.mark.parametrize("kind", ["Maximize", "Minimize"])
def test_bayesian_search_learns_where_it_is_good(kind):
    learned = statistics.mean(searched("Bayesian", seed, kind) for seed in range(3))
    blind = statistics.mean(searched("Random", seed, kind) for seed in range(3))

    assert learned > blind / 2  # both are below zero


def test_bayesian_search_goes_on_without_objectives_and_with_equal_points():
    ranges = {"CategoricalParameterRanges": [{"Name": "b", "Values": ["x", "y"]}]}
    chosen = sampler.of(config("Bayesian", most=6, seed=0, **ranges))
    first = [chosen.ask() for _ in range(4)]
    for point in first:
        chosen.tell(point, None)

    assert len(asked(chosen)) == 2
