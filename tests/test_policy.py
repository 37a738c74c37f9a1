"""The policy `proven`: what held but is not proven fails the gate, by setting, option or mark."""

from __future__ import annotations

import json
import re

import pytest
from recorded import records

from harness.results import ComparisonRecord

GATES = """
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from harness import grid

def experiment_line(scaled, trial):
    trial.fit(LogisticRegression(), scaled)

def experiment_stump(scaled, trial):
    trial.fit(DecisionTreeClassifier(max_depth=1), scaled)

def gate_proven(experiment_line):
    assert experiment_line.best.test.accuracy >= 0.5

def gate_close(experiment_line):
    score = experiment_line.best.test.accuracy
    assert score >= float(score) - 0.01

@pytest.mark.gate_policy("point")
def gate_exempt(experiment_line):
    assert experiment_line.best.test.accuracy >= 0.8

def gate_mute(experiment_line):
    assert round(experiment_line.best.test.accuracy, 2) >= 0.5

def gate_negated(experiment_line):
    assert not experiment_line.best.test.accuracy < 0.5

def gate_red(experiment_line):
    assert experiment_line.best.test.accuracy >= 1.5

def gate_from_the_right(experiment_line):
    assert np.float64(0.5) <= experiment_line.best.test.accuracy

def gate_gain(experiment_line, experiment_stump):
    gain = experiment_line.best.test - experiment_stump.best.test
    assert gain.roc_auc > -0.5
    assert gain.accuracy > -0.5

def gate_slices(experiment_line):
    test = experiment_line.best.test
    left, right = test.where(size=lambda s: s < 0), test.where(size=lambda s: s >= 0)
    assert left.accuracy >= right.accuracy - 0.9
"""


@pytest.fixture
def judged(project):
    return project.write({"experiments/experiment_shops.py": GATES})


def gates(path) -> dict[str, tuple[str, str, list[ComparisonRecord]]]:
    return {
        gate.name: (gate.outcome, gate.policy, [ComparisonRecord.from_json(c) for c in gate.comparisons])
        for gate in records(path).gates
    }


def test_by_default_the_values_decide_and_the_verdicts_are_told(judged):
    result = judged.run("experiments/")

    result.assert_outcomes(passed=11, failed=1)
    found = gates(judged.path)
    assert {name for name, (outcome, _, _) in found.items() if outcome == "failed"} == {"gate_red"}
    assert {policy for _, policy, _ in found.values()} == {"point"}
    verdicts = {name: [one.verdict for one in made] for name, (_, _, made) in found.items()}
    assert verdicts == {
        "gate_proven": ["PROVEN"],
        "gate_close": ["NOT PROVEN"],
        "gate_exempt": verdicts["gate_exempt"],
        "gate_mute": [],
        "gate_negated": ["PROVEN"],
        "gate_red": ["REFUTED"],
        "gate_from_the_right": ["PROVEN"],
        "gate_gain": ["PROVEN", "PROVEN"],
        "gate_slices": ["PROVEN"],
    }
    [proven] = found["gate_proven"][2]
    assert (proven.score, proven.n, proven.method) == ("experiment_line.best.test.accuracy", 30, "Wilson")
    assert json.loads(json.dumps(proven.to_json())) == proven.to_json()
    text = result.stdout.str()
    assert re.search(r"passed  gate_proven  0\.\d+ \[0\.\d+, 0?1?\.\d+\] >= 0\.5 PROVEN, n 30, Wilson", text)
    assert "rows would settle it, if the score stays as it is" in text


def test_under_the_policy_what_is_not_proven_fails_after_the_body(judged):
    result = judged.run("experiments/", "--gate-policy=proven")

    found = gates(judged.path)
    failed = {name for name, (outcome, _, _) in found.items() if outcome == "failed"}
    assert failed == {"gate_red", "gate_close", "gate_mute"}
    assert found["gate_exempt"][:2] == ("passed", "point")
    text = result.stdout.str()
    assert "its asserts held, but not all of that is proven (gate_policy = proven)" in text
    assert "it compared no score, so it proves nothing (gate_policy = proven)" in text
    assert 'judge by the value: @pytest.mark.gate_policy("point")' in text
    assert "NOT PROVEN, n 30, Wilson" in text
    assert "Traceback" not in text


def test_a_gate_with_a_failed_subtest_has_not_relied_on_what_it_compared(project):
    project.write(
        {
            "experiments/experiment_shops.py": """
            from sklearn.linear_model import LogisticRegression

            def experiment_line(scaled, trial):
                trial.fit(LogisticRegression(), scaled)

            def gate_parts(experiment_line, subtests):
                with subtests.test("too much"):
                    assert experiment_line.best.test.accuracy >= 1.5
            """
        }
    )

    result = project.run("experiments/", "--gate-policy=proven")

    [(outcome, _, [compared])] = gates(project.path).values()
    assert (outcome, compared.sign, compared.verdict) == ("failed", ">=", "REFUTED")
    result.stdout.no_fnmatch_line("*its asserts held*")


def test_the_policy_may_be_a_setting_that_the_option_overrules(judged):
    judged.pytester.makeini("[pytest]\ngate_policy = proven\n")
    result = judged.run("experiments/", "-k", "gate_close")
    result.assert_outcomes(passed=2, failed=1)

    result = judged.run("experiments/", "-k", "gate_close", "--gate-policy=point")
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("gate_policy = strict", "*gate_policy = 'strict' is neither of point and proven*"),
        ("confidence = 95", "*confidence = '95' is not a number from 0.5 up to, but not, 1, such as 0.95*"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(judged, setting, text):
    judged.pytester.makeini(f"[pytest]\n{setting}\n")

    result = judged.run("experiments/")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])


def test_a_mark_without_a_policy_is_refused_before_anything_runs(judged):
    judged.write({"experiments/experiment_shops.py": GATES.replace('policy("point")', 'policy("mild")')})

    result = judged.run("experiments/")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*gate_exempt: @pytest.mark.gate_policy('mild') names no policy; write @pytest.mark.gate_policy*"]
    )


def test_the_confidence_is_that_of_the_setting(judged):
    judged.pytester.makeini("[pytest]\nconfidence = 0.8\n")

    judged.run("experiments/", "-k", "gate_proven or gate_gain")

    made = [one for _, _, found in gates(judged.path).values() for one in found]
    assert {one.confidence for one in made} == {0.8}
    [proven] = gates(judged.path)["gate_proven"][2]
    assert 0 < proven.upper - proven.lower < 0.2  # 30 rows, 80 %


def test_a_mark_that_names_what_the_gate_does_not_ask_for_is_refused(judged):
    marked = '@pytest.mark.judges("experiment_stump")\ndef gate_proven('
    judged.write({"experiments/experiment_shops.py": GATES.replace("def gate_proven(", marked)})

    result = judged.run("experiments/")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "*gate_proven: @pytest.mark.judges names 'experiment_stump', which is none of its arguments; "
            'name those that it judges, as @pytest.mark.judges("experiment_line")*'
        ]
    )
