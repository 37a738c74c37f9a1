"""Other plugins meet trials and gates as the tests they know."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.recorder import seconds

SHOPS = """
from sklearn.tree import DecisionTreeClassifier

def experiment_tree(shops, trial):
    trial.fit(DecisionTreeClassifier(max_depth=2), shops)
"""


def test_hypothesis_gives_examples_to_a_gate(project):
    project.write(
        {
            "experiments/experiment_shops.py": SHOPS
            + """
import pandas as pd
from hypothesis import given, settings, strategies as st

@settings(max_examples=5, database=None, deadline=None)
@given(size=st.floats(-3, 3))
def gate_answers(experiment_tree, size):
    answer = experiment_tree.best.predict(pd.DataFrame({"size": [size], "street": [0.0]}))
    assert answer[0] in ("yes", "no")

@settings(database=None, deadline=None)
@given(size=st.integers(0, 100))
def gate_small(experiment_tree, size):
    assert size < 50
"""
        }
    )

    result = project.run("experiments")

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["E*assert 50 < 50", "*size=50*"])
    result = project.run("experiments", "-k", "gate_small")
    result.assert_outcomes(passed=2, failed=1, deselected=1)


def test_hypothesis_in_a_class_of_experiments(project):
    project.write(
        {
            "experiments/experiment_shops.py": """
                from hypothesis import given, settings, strategies as st

                class ExperimentShops:
                    def experiment_ride(self, trial): trial.log(speed=3)

                    @settings(max_examples=5, database=None, deadline=None)
                    @given(limit=st.integers(0, 2))
                    def gate_ride(self, experiment_ride, limit):
                        assert experiment_ride.trials[0].logged["speed"] > limit
                """
        }
    )

    project.run("experiments").assert_outcomes(passed=2)


def test_benchmark_times_a_gate(project):
    project.write(
        {
            "experiments/experiment_shops.py": SHOPS
            + """
def gate_quick(experiment_tree, benchmark, shops):
    best = experiment_tree.best
    result = benchmark.pedantic(best.predict, args=(shops.validation.X,), rounds=2)
    assert len(result) == 60
    assert benchmark.stats["mean"] < 100
"""
        }
    )

    result = project.run("experiments", "-p", "no:xdist")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*benchmark: 1 tests*", "gate_quick *"])


def test_benchmark_times_a_trial(project):
    project.write(
        {
            "experiments/experiment_shops.py": """
                from harness import experiment, grid

                @experiment(minimize="seconds")
                @grid(n=[10, 100])
                def experiment_sum(trial, benchmark, n):
                    benchmark.pedantic(sum, args=(range(n),), rounds=2)
                    trial.log(seconds=benchmark.stats["mean"])

                def gate_sum(experiment_sum):
                    assert experiment_sum.best.logged["seconds"] < 100
                """
        }
    )

    result = project.run("experiments", "-p", "no:xdist")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*benchmark: 2 tests*"])
    assert sum("experiment_sum[n:10" in line for line in result.outlines) >= 2


SUBTESTS = """
from harness import grid

@grid(gear=[1, 2])
def experiment_ride(trial, subtests, gear):
    for limit in (1, 2):
        with subtests.test("limit", limit=limit):
            assert gear <= limit
    trial.log(speed=gear)

def gate_parts(experiment_ride, subtests):
    for trial in experiment_ride.trials:
        with subtests.test(str(trial.params)):
            assert trial.outcome == "passed"

def gate_green(experiment_ride, subtests):
    with subtests.test("one"):
        assert True
    assert [t.outcome for t in experiment_ride.trials] == ["passed", "failed"]
    assert [t.logged for t in experiment_ride.trials] == [{"speed": 1}, {"speed": 2}]
"""


def test_a_failing_subtest_fails_its_trial_and_its_gate_once_each(project):
    project.write({"experiments/experiment_shops.py": SUBTESTS})

    result = project.run("experiments")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["E *assert 2 <= 1", "SUBFAILED*experiment_ride[[]gear:2[]]*", "SUBFAILED*gate_parts*"]
    )
    (gate, green) = [
        line for line in result.outlines if line.startswith(("failed", "passed")) and "gate_" in line
    ]
    assert gate.split()[:2] == ["failed", "gate_parts"]
    assert green.split()[:2] == ["passed", "gate_green"]
    result.stdout.fnmatch_lines(["experiment_ride*1/2*"])


def test_a_gate_with_a_failing_subtest_is_run_again_by_last_failed(project):
    project.write({"experiments/experiment_shops.py": SUBTESTS})
    project.run("experiments")

    result = project.run("experiments", "--lf")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["failed*gate_parts*"])


def test_the_seconds_of_a_subtest_lie_within_those_of_its_trial():
    phases = [
        SimpleNamespace(when=when, seconds=long)
        for when, long in [("setup", 1.0), ("call", 30.0), ("call", 60.0), ("call", 100.0), ("teardown", 2.0)]
    ]

    assert seconds(phases) == 103
