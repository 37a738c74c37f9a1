"""Pytest's own options do to trials, gates and contracts what they do to any test."""

from __future__ import annotations

import importlib.util
import json
import xml.etree.ElementTree as ET

import pytest

LIGHT = """
import warnings
from harness import experiment, grid

@experiment(maximize="speed")
@grid(gear=[1, 2, 3])
def experiment_ride(trial, gear):
    print("riding in", gear)
    trial.log(speed=gear * 10)
    assert gear != 2

def gate_speed(experiment_ride):
    assert experiment_ride.best.logged["speed"] >= 99

def gate_easy(experiment_ride):
    assert len(experiment_ride.trials) == 3
"""

EMPTY = "[pytest]\n"


@pytest.fixture
def light(empty_project):
    """Three trials of which the second fails, a red gate and a green one; no data."""
    return empty_project.write({"experiments/experiment_ride.py": LIGHT})


def lines(result, part):
    return [line for line in result.outlines if part in line]


# Selection


def test_k_selects_trials_by_their_parameters(light):
    light.run("-k", "gear:1 or gear:3").assert_outcomes(passed=2, deselected=3)


def test_m_selects_by_mark(light):
    light.pytester.makeini(EMPTY + "markers = nightly\n")
    light.write(
        {
            "experiments/experiment_ride.py": LIGHT.replace(
                "@experiment", "import pytest\n@pytest.mark.nightly\n@experiment"
            )
        }
    )

    light.run("-m", "nightly").assert_outcomes(passed=2, failed=1, deselected=2)


def test_lf_runs_what_failed_and_what_a_red_gate_needs(light):
    light.run().assert_outcomes(passed=3, failed=2)

    for _ in range(2):
        result = light.run("--lf")

        # The gate needs all three trials; the green gate stays out.
        result.stdout.fnmatch_lines(["*4 items*"])
        result.assert_outcomes(passed=2, failed=2)
        assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_lf_forgets_a_trial_that_was_mended(light):
    light.run("-k", "gear").assert_outcomes(passed=2, failed=1, deselected=2)
    light.write({"experiments/experiment_ride.py": LIGHT.replace("gear != 2", "gear != 9")})

    light.run("-k", "gear", "--lf").assert_outcomes(passed=1)
    light.run("-k", "gear", "--lf").assert_outcomes(passed=3, deselected=2)


def test_lf_runs_a_broken_contract_again(project):
    project.write(
        {"conftest.py": (project.path / "conftest.py").read_text().replace('target="sold"', 'target="slod"')}
    )

    for _ in range(2):
        result = project.run("--lf")

        result.assert_outcomes(failed=1, skipped=4)
        assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_ff_runs_failed_trials_first(light):
    light.run("-k", "gear")

    result = light.run("-k", "gear", "--ff", "-v")

    shown = [line.partition("[")[2].partition("]")[0] for line in lines(result, "::experiment_ride[gear")]
    assert shown[:3] == ["gear:2", "gear:1", "gear:3"]


def test_ff_keeps_a_gate_after_its_trials(light):
    light.run()

    result = light.run("--ff", "-v")

    result.assert_outcomes(passed=3, failed=2)
    order = [line.partition("::")[2].split()[0] for line in lines(result, "::") if "%" in line]
    assert order.index("gate_speed") > max(order.index(f"experiment_ride[gear:{g}]") for g in (1, 2, 3))


def test_nf_runs_new_files_first(light):
    light.run("-k", "gear")
    light.write({"experiments/experiment_zoo.py": "def experiment_zoo(trial): pass\n"})

    result = light.run("--nf", "-v", "-k", "gear or zoo")

    result.stdout.fnmatch_lines(["*experiment_zoo PASSED*", "*gear:1* PASSED*"])


def test_sw_stops_at_a_failure_and_goes_on_from_there(light):
    light.run("--sw", "-k", "gear").assert_outcomes(passed=1, failed=1, deselected=2)

    result = light.run("--sw", "-k", "gear", "-v")

    result.assert_outcomes(failed=1, deselected=3)

    light.write({"experiments/experiment_ride.py": LIGHT.replace("gear != 2", "gear != 9")})
    light.run("--sw", "-k", "gear").assert_outcomes(passed=2, deselected=3)


def test_deselect_takes_a_trial_away_unless_a_gate_needs_it(light):
    name = "experiments/experiment_ride.py::experiment_ride[gear:2]"

    light.run("-k", "gear", "--deselect", name).assert_outcomes(passed=2, deselected=3)
    light.run("--deselect", name).assert_outcomes(passed=3, failed=2)


# Stopping


def test_x_stops_at_the_first_failure(light):
    result = light.run("-x")

    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["experiment_ride*1/3*", "*1 not run", "!* stopping after 1 failures !*"])


def test_maxfail_counts_trials_and_gates(light):
    light.run("--maxfail=2").assert_outcomes(passed=2, failed=2)


def test_x_after_a_broken_contract_starts_no_trial(project):
    project.write(
        {"conftest.py": (project.path / "conftest.py").read_text().replace('target="sold"', 'target="slod"')}
    )

    result = project.run("-x")

    result.assert_outcomes(failed=1)


# What is shown


def test_v_names_every_item(light):
    result = light.run("-v")

    result.stdout.fnmatch_lines(
        [
            "experiments/experiment_ride.py::experiment_ride[[]gear:1[]] PASSED *",
            "experiments/experiment_ride.py::experiment_ride[[]gear:2[]] FAILED *",
            "experiments/experiment_ride.py::experiment_ride[[]gear:3[]] PASSED *",
            "experiments/experiment_ride.py::gate_speed FAILED *",
            "experiments/experiment_ride.py::gate_easy PASSED *",
        ]
    )


def test_q_shows_dots_and_the_table(light):
    result = light.run("-q")

    result.stdout.fnmatch_lines([".F.F. *", "experiment_ride*2/3*speed*30*", "failed*gate_speed*"])


def test_captured_output_stands_beside_a_failing_trial(light):
    result = light.run()

    result.stdout.fnmatch_lines(["*Captured stdout call*", "riding in 2"])
    result.stdout.no_fnmatch_line("riding in 3")


def test_s_shows_output_as_it_comes(light):
    result = light.run("-s")

    result.stdout.fnmatch_lines(["*riding in 1*", "*riding in 3*"])


def test_collect_only_shows_the_tree_and_runs_nothing(light):
    result = light.run("--collect-only")

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*<ExperimentModule experiment_ride.py>",
            "*<Function experiment_ride[[]gear:1[]]>",
            "*<Function gate_easy>",
        ]
    )
    assert not (light.path / ".harness").exists()
    assert not (light.path / "mlflow.db").exists()


def test_collect_only_quiet_prints_node_ids_that_can_be_run(project):
    shown = lines(project.run("--collect-only", "-q"), "::")

    assert shown == [
        "conftest.py::contract[shops]",
        *(f"experiments/experiment_shops.py::experiment_tree[max_depth:{d}]" for d in (1, 2, 3)),
        "experiments/experiment_shops.py::gate_accuracy",
    ]
    for name in shown[:2]:
        project.run(name).assert_outcomes(passed=1 if "contract" in name else 2)


def test_durations_list_trials(light):
    result = light.run("--durations=0", "-vv")

    result.stdout.fnmatch_lines(
        ["*slowest durations*", "*call*experiments/experiment_ride.py::experiment_ride[[]gear:1[]]"]
    )


def test_setup_show_names_fixtures(light):
    result = light.run("--setup-show", "-k", "gear:1")

    result.assert_outcomes(passed=1, deselected=4)
    result.stdout.fnmatch_lines(["*SETUP*F trial*", "*fixtures used: *trial*", "*TEARDOWN F trial*"])


def test_fixtures_explain_themselves(project):
    result = project.run("--fixtures", "experiments")

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*shops*", "*300 shops; what is sold*", "*experiment_tree*", "*Results of the experiment*"]
    )
    result.stdout.fnmatch_lines(["*trial -- *", "*Fit, score and log one set of hyperparameters*"])


def test_help_lists_the_options(empty_project):
    result = empty_project.pytester.runpytest_inprocess("--help")

    result.stdout.fnmatch_lines(
        [
            "machine-learning experiments:",
            "  --backend=*",
            "  --threads=N*",
            "  --no-tracking*",
            "*experiment_files*",
            "*experiment_store*",
        ]
    )


# Reports for machines


def test_junit_is_well_formed_and_counts_every_item(light):
    light.run("--junitxml=out.xml")

    (suite,) = ET.parse(light.path / "out.xml").getroot()
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }
    cases = [(case.get("classname"), case.get("name"), case.find("failure") is not None) for case in suite]
    assert cases == [
        ("experiments.experiment_ride", "experiment_ride[gear:1]", False),
        ("experiments.experiment_ride", "experiment_ride[gear:2]", True),
        ("experiments.experiment_ride", "experiment_ride[gear:3]", False),
        ("experiments.experiment_ride", "gate_speed", True),
        ("experiments.experiment_ride", "gate_easy", False),
    ]
    assert "assert 2 != 2" in suite[1].find("failure").get("message")


def test_junit_counts_a_broken_contract_and_what_it_blocks(project):
    project.write(
        {"conftest.py": (project.path / "conftest.py").read_text().replace('target="sold"', 'target="slod"')}
    )

    project.run("--junitxml=out.xml")

    (suite,) = ET.parse(project.path / "out.xml").getroot()
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["5", "1", "0", "4"]
    assert "slod" in suite[0].find("failure").get("message")
    assert suite[1].find("skipped").get("message") == "contract shops is broken"


# Debugging


PDB = """
import sys

class Recorder:
    quitting = False
    def reset(self): pass
    def interaction(self, frame, traceback):
        while traceback.tb_next:
            traceback = traceback.tb_next
        frame = traceback.tb_frame
        print("PDB at", frame.f_code.co_name, sorted(n for n in frame.f_locals if n[0] != "@"))
    def __init__(self, *args, **options): pass
    def setup(self, *args): pass
"""


def test_pdb_opens_in_the_function_of_the_user(light, monkeypatch):
    light.write({"recorder.py": PDB})
    monkeypatch.syspath_prepend(light.path)

    result = light.run("--pdb", "--pdbcls=recorder:Recorder", "-s")

    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        ["PDB at experiment_ride ['gear', 'trial']", "PDB at gate_speed ['experiment_ride']"]
    )


def test_trace_opens_the_debugger_at_the_start_of_a_trial(light, monkeypatch):
    runcall = "    def runcall(self, function): print('TRACE', function.keywords); return function()\n"
    light.write({"tracer.py": PDB.replace("Recorder", "Tracer") + runcall})
    monkeypatch.syspath_prepend(light.path)

    result = light.run("--trace", "--pdbcls=tracer:Tracer", "-s", "-k", "gear:1")

    result.assert_outcomes(passed=1, deselected=4)
    result.stdout.fnmatch_lines(["TRACE {*'gear': 1*}"])


# Plugins left out, settings


def test_without_the_cache_everything_works(light):
    light.run("-p", "no:cacheprovider").assert_outcomes(passed=3, failed=2)
    assert not (light.path / ".pytest_cache").exists()


def test_without_a_terminal_everything_works(light):
    result = light.run("-p", "no:terminal", "--junitxml=out.xml")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (suite,) = ET.parse(light.path / "out.xml").getroot()
    assert suite.get("tests") == "5"
    assert result.outlines == []


@pytest.mark.parametrize(
    "name",
    [
        "junitxml",
        "assertion",
        "logging",
        "warnings",
        "capture",
        "unittest",
        "doctest",
        "faulthandler",
        "stepwise",
    ],
)
def test_without_another_plugin_everything_works(light, name):
    result = light.run("-p", f"no:{name}", "-k", "gear")

    result.assert_outcomes(passed=2, failed=1, deselected=2)


def test_without_the_harness_experiment_files_are_nothing(light):
    light.write({"test_plain.py": "def test_plain(): pass\n"})

    result = light.pytester.runpytest_inprocess("-p", "no:harness")

    result.assert_outcomes(passed=1)


def test_warnings_can_be_errors(light):
    light.write(
        {
            "experiments/experiment_ride.py": """
                import warnings
                from harness import grid

                @grid(gear=[1, 2])
                def experiment_ride(trial, gear):
                    if gear == 2: warnings.warn("too fast")

                def gate_ride(experiment_ride): assert len(experiment_ride.trials) == 2
                """
        }
    )

    light.run("-W", "error").assert_outcomes(passed=2, failed=1)
    light.run().assert_outcomes(passed=3, warnings=1)


def test_the_harness_itself_warns_of_nothing(project):
    project.run("-W", "error").assert_outcomes(passed=5)


@pytest.mark.parametrize("option", ["-o", "ini"])
def test_the_store_is_a_setting(light, option):
    if option == "ini":
        light.pytester.makeini(EMPTY + "experiment_store = kept/here\n")

    light.run("-k", "gear:1", *([] if option == "ini" else ["-o", "experiment_store=kept/here"]))

    (run,) = (light.path / "kept/here/runs").iterdir()
    records = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    assert [r["kind"] for r in records] == ["trial", "best", "finished"]
    assert not (light.path / ".harness").exists()


SEEDED = """
import random
import numpy as np
from harness import grid

@grid(gear=[1, 2])
def experiment_draw(trial, gear):
    trial.log(drawn=random.random(), also=np.random.rand())

def gate_draw(experiment_draw):
    print("DRAWN", [t.logged for t in experiment_draw.trials])
"""


def drawn(project, *arguments):
    (line,) = lines(project.run("-s", *arguments), "DRAWN")
    return line.partition("DRAWN")[2]


def test_a_trial_draws_the_same_numbers_whatever_runs_before_it_and_others_with_another_seed(empty_project):
    project = empty_project.write({"experiments/experiment_draw.py": SEEDED})

    first = drawn(project)
    project.write(
        {"experiments/experiment_a.py": "import random\ndef experiment_a(trial): random.random()\n"}
    )

    assert drawn(project) == first
    assert drawn(project, "-o", "experiment_seed=1") != first


def test_threads_can_be_fixed(project):
    project.write(
        {
            "experiments/experiment_shops.py": """
                from sklearn.dummy import DummyClassifier
                from threadpoolctl import threadpool_info

                class Counting(DummyClassifier):
                    def fit(self, X, y):
                        self.seen_ = {pool["num_threads"] for pool in threadpool_info()}
                        return super().fit(X, y)

                def experiment_threads(shops, trial):
                    print("THREADS", trial.fit(Counting(), shops).seen_)
                """
        }
    )

    for n in "12":
        project.run(f"--threads={n}", "-s").stdout.fnmatch_lines([f"*THREADS {{{n}}}"])


# Values that cannot be


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--backend=foo"], "*argument --backend: invalid choice: 'foo' (choose from *local*)"),
        (["--threads=0"], "*argument --threads: '0' is not a whole number of threads, 1 or more"),
        (["--threads=x"], "*argument --threads: 'x' is not a whole number of threads, 1 or more"),
        (["--threads=1.5"], "*argument --threads: '1.5' is not a whole number of threads, 1 or more"),
        (["--threads=-1"], "*argument --threads: '-1' is not a whole number of threads, 1 or more"),
        (["--threads=²"], "*argument --threads: '²' is not a whole number of threads, 1 or more"),
        (
            ["-o", "contract_examples=many"],
            "ERROR: contract_examples = 'many' is not a whole number, 0 or more",
        ),
        (["-o", "contract_examples=-1"], "ERROR: contract_examples = '-1' is not a whole number, 0 or more"),
        (["-o", "experiment_seed=1.5"], "ERROR: experiment_seed = '1.5' is not a whole number, 0 or more"),
        (["-o", "experiment_seed="], "ERROR: experiment_seed = '' is not a whole number, 0 or more"),
        (["-o", "experiment_store="], "ERROR: experiment_store = '' is a folder that holds the project: *"),
        (["-o", "experiment_store=."], "ERROR: experiment_store = '.' is a folder that holds the project: *"),
        (
            ["-o", "experiment_store=../"],
            "ERROR: experiment_store = '../' is a folder that holds the project: *",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_value_that_cannot_be_is_a_usage_error(light, arguments, text):
    result = light.run(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])
    assert result.outlines == []
    assert not (light.path / ".harness").exists()


def test_a_store_that_cannot_be_written_is_a_usage_error(light):
    (light.path / "file").write_text("mine")

    result = light.run("-o", "experiment_store=file")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: the store */file cannot be written: *-o experiment_store=FOLDER"])
    assert (light.path / "file").read_text() == "mine"


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_xdist_is_refused_in_one_sentence(light):
    result = light.run_apart("-n", "2")

    assert result.ret != 0
    result.stdout.fnmatch_lines(["*experiments cannot be distributed by pytest-xdist*run without -n*"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_xdist_may_distribute_tests_of_a_project_without_experiments(empty_project):
    empty_project.write({"test_plain.py": "def test_a(): pass\ndef test_b(): pass\n"})

    empty_project.run_apart("-n", "2").assert_outcomes(passed=2)


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_xdist_cannot_distribute_a_test_that_needs_a_data_set(project):
    project.write({"tests/test_shops.py": "def test_a(): pass\ndef test_shops(shops): pass\n"})

    result = project.run_apart("tests", "-n", "1")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*pytest-xdist cannot distribute tests that use data sets: run without -n"])
