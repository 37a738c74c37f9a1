"""Rule 3: a red gate cannot be selected green."""

from __future__ import annotations

import pytest

RED = """
from sklearn.tree import DecisionTreeClassifier
from harness import grid

@grid(max_depth=[1, 2, 3])
def experiment_tree(scaled, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)

def gate_accuracy(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 0.999

def gate_easy(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 0.5
"""

ELSEWHERE = """
def gate_elsewhere(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 0.999
"""


@pytest.fixture
def red(project):
    return project.write(
        {"experiments/experiment_shops.py": RED, "experiments/experiment_late.py": ELSEWHERE}
    )


def test_a_raised_gate_turns_exactly_that_gate_red(red):
    (red.path / "experiments/experiment_late.py").unlink()

    result = red.run("experiments")

    result.assert_outcomes(passed=5, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED experiments/experiment_shops.py::gate_accuracy*"])


@pytest.mark.parametrize(
    "selection",
    [
        ["experiments", "-k", "gate_accuracy"],
        ["experiments/experiment_shops.py::gate_accuracy"],
        ["experiments/experiment_shops.py"],
        ["experiments/experiment_late.py"],
        ["experiments/experiment_late.py::gate_elsewhere"],
        ["experiments", "--deselect", "experiments/experiment_shops.py::experiment_tree"],
    ],
    ids=lambda selection: selection[-1].rpartition("/")[2],
)
def test_a_red_gate_stays_red_under_every_selection(red, selection):
    result = red.run(*selection)

    assert result.parseoutcomes()["failed"] >= 1
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_red_gate_stays_red_under_last_failed(red):
    for _ in range(3):
        result = red.run("experiments", "--lf")

        assert result.parseoutcomes()["failed"] == 2
        assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_gate_alone_brings_all_its_trials_and_their_contract(red):
    result = red.run("experiments/experiment_shops.py::gate_easy", "-v")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        [
            "*collected 5 items",
            "selected as well, for 1 gate: 1 contract and 3 trials",
            "conftest.py::contract[[]shops] PASSED*",
            "*experiment_tree[[]max_depth:1] PASSED*",
            "*experiment_tree[[]max_depth:3] PASSED*",
            "*gate_easy PASSED*",
        ]
    )


def test_a_reselected_trial_is_not_counted_as_deselected(red):
    result = red.run("experiments", "-k", "gate_easy")

    result.assert_outcomes(passed=5, deselected=2)


def test_a_trial_alone_brings_its_contract_and_no_gate(red):
    result = red.run("experiments", "-k", "max_depth:2", "-v")

    result.assert_outcomes(passed=2, deselected=5)
    result.stdout.no_fnmatch_line("*gate_*")


def test_contracts_can_be_run_alone(red):
    red.run("experiments", "-k", "contract").assert_outcomes(passed=1, deselected=6)
    red.run("conftest.py::contract[shops]").assert_outcomes(passed=1)


def test_a_gate_runs_after_the_trials_of_a_file_that_comes_later(project):
    project.write(
        {
            "experiments/experiment_a.py": """
                def gate_first(experiment_tree):
                    assert len(experiment_tree.trials) == 3
                """
        }
    )

    result = project.run("experiments", "-v")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*experiment_tree[[]max_depth:3] PASSED*", "*gate_first PASSED*"])


def test_a_fixture_of_a_conftest_may_stand_between_gate_and_experiment(project):
    with (project.path / "conftest.py").open("a") as file:
        file.write(
            "import pytest\n@pytest.fixture\ndef champ(experiment_tree): return experiment_tree.best\n"
        )
    project.write(
        {"experiments/experiment_b.py": "def gate_champ(champ):\n    assert champ.test.accuracy > 0.5\n"}
    )

    project.run("experiments/experiment_b.py").assert_outcomes(passed=5)


def test_a_fixture_of_the_users_own_may_be_named_like_an_experiment(project):
    project.write(
        {
            "experiments/experiment_shops.py": """
                import pytest

                @pytest.fixture
                def experiment_config():
                    return 3

                def gate_config(experiment_config):
                    assert experiment_config == 3
                """
        }
    )

    project.run("experiments").assert_outcomes(passed=1)


def test_an_unknown_experiment_is_refused_before_anything_runs(project):
    project.write({"experiments/experiment_b.py": "def gate_x(experiment_treee): pass\n"})

    result = project.run("experiments")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: experiments/experiment_b.py::gate_x: no experiment is called 'experiment_treee'; "
            "did you mean 'experiment_tree'?"
        ]
    )
    assert not (project.path / ".harness").exists()


def test_a_trial_cannot_ask_for_results(project):
    project.write({"experiments/experiment_b.py": "def experiment_b(trial, experiment_tree): pass\n"})

    result = project.run("experiments")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *experiment_b asks for the results of experiment_tree; only gates*"])


def test_two_experiments_of_one_name_are_refused_with_both_places(project):
    content = (project.path / "experiments/experiment_shops.py").read_text()
    project.write({"experiments/experiment_twin.py": content})

    result = project.run("experiments")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: two experiments are called 'experiment_tree': *shops.py*twin.py*rename one"]
    )


def test_two_data_sets_of_one_name_are_refused_with_both_places(project):
    twin = (project.path / "conftest.py").read_text()
    project.write({"experiments/experiment_twin.py": "\n" + twin + "def experiment_x(shops, trial): pass\n"})

    result = project.run("experiments")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: two data sets are called 'shops': conftest.py:*experiment_twin.py:*"]
    )


@pytest.mark.parametrize("named", [1, 2, 3])
def test_trials_that_a_gate_brings_stand_in_declared_order_among_those_selected(red, named):
    result = red.run("experiments", "-v", "-k", f"max_depth:{named} or gate_easy")

    lines = [line for line in result.outlines if "experiment_tree[" in line]
    assert [line.partition("max_depth:")[2][0] for line in lines] == ["1", "2", "3"]
