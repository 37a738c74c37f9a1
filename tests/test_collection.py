"""Experiment files become ordinary pytest items, wherever they lie and however they are asked for."""

from __future__ import annotations

import pytest

CONFTEST = """
import pandas as pd
from harness import dataset, features

@dataset(target="sold", seed=1)
def shops():
    return pd.DataFrame({"size": range(40), "sold": ["no", "yes"] * 20})
"""

LIGHT = """
from harness import experiment, grid

@experiment(maximize="speed")
@grid(gear=[1, 2, 3])
def experiment_ride(trial, gear):
    trial.log(speed=gear * 10)

def gate_speed(experiment_ride):
    assert experiment_ride.best.params == {"gear": 3}
    assert experiment_ride.best.logged["speed"] == 30
"""

IDS = [f"experiment_ride[gear:{gear}]" for gear in (1, 2, 3)]


@pytest.fixture
def light(empty_project):
    """An experiment without data and its gate: quick."""
    return empty_project.write({"experiments/experiment_ride.py": LIGHT})


def names(project, *arguments):
    """Return the node ids that a collection shows."""
    result = project.run("--collect-only", "-q", *arguments)
    assert result.ret in (0, pytest.ExitCode.NO_TESTS_COLLECTED), result.stdout.str()
    return [line for line in result.outlines if "::" in line]


def short(project, *arguments):
    return [name.rpartition("::")[2] for name in names(project, *arguments)]


# Where files are found


@pytest.mark.parametrize(
    "asked",
    [
        ["experiments"],
        ["experiments/experiment_ride.py"],
        ["experiments/experiment_ride.py::experiment_ride", "experiments/experiment_ride.py::gate_speed"],
        ["."],
        [],
        ["--rootdir=.", "experiments/"],
    ],
    ids=lambda asked: " ".join(asked) or "nothing",
)
def test_experiments_are_found_by(light, asked):
    light.run(*asked).assert_outcomes(passed=4)
    assert short(light, *asked) == [*IDS, "gate_speed"]


def test_no_argument_means_testpaths(light):
    light.write({"other/experiment_other.py": "def experiment_other(trial): pass\n"})
    light.pytester.makeini("[pytest]\ntestpaths = other\n")

    assert names(light) == ["other/experiment_other.py::experiment_other"]


def test_one_trial_is_addressed_by_its_node_id(light):
    light.run("experiments/experiment_ride.py::experiment_ride[gear:2]").assert_outcomes(passed=1)


def test_a_node_id_that_is_not_there_is_told(light):
    result = light.run("experiments/experiment_ride.py::experiment_ride[gear:9]")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: not found: *experiment_ride*",
            "(no match in any of [[]<ExperimentModule experiment_ride.py>])",
        ]
    )


def test_the_current_folder_may_be_the_experiments(light, monkeypatch):
    monkeypatch.chdir(light.path / "experiments")

    assert short(light) == [*IDS, "gate_speed"]


def test_files_of_other_names_are_left_to_pytest(light):
    light.write(
        {
            "experiments/helper.py": "def experiment_no(trial): pass\ndef gate_no(): pass\n",
            "experiments/test_plain.py": "def test_plain(): pass\ndef experiment_no(trial): pass\n",
            "experiments/my_experiment.py": "def experiment_no(trial): pass\n",
        }
    )

    assert short(light, "experiments") == [*IDS, "gate_speed", "test_plain"]


def test_the_names_of_experiment_files_are_a_setting(light):
    light.pytester.makeini("[pytest]\nexperiment_files = trials_*.py exp/*.py\n")
    light.write({"trials_a.py": "def experiment_a(trial): pass\n"})

    assert names(light) == ["trials_a.py::experiment_a"]


def test_several_patterns_can_be_set(light):
    light.pytester.makeini("[pytest]\nexperiment_files = trials_*.py experiment_*.py\n")
    light.write({"trials_a.py": "def experiment_a(trial): assert 1 == 2\n"})

    result = light.run()

    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["E*assert 1 == 2"])


def test_a_file_named_on_the_command_line_needs_a_name_of_an_experiment_file(light):
    light.write({"experiments/ride2.py": "def experiment_a(trial): pass\n"})

    result = light.run("experiments/ride2.py")

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_every_import_mode_works(light, mode):
    light.write({"experiments/deep/experiment_ride_too.py": LIGHT.replace("_ride", "_bike")})

    light.run("experiments", f"--import-mode={mode}").assert_outcomes(passed=8)


def test_packages_and_plain_folders_work(light):
    light.write(
        {
            "experiments/__init__.py": "",
            "experiments/pack/__init__.py": "GEARS = [7]\n",
            "experiments/pack/experiment_pack.py": """
                from harness import grid
                from experiments.pack import GEARS

                @grid(gear=GEARS)
                def experiment_pack(trial, gear): pass
                """,
        }
    )

    result = light.run("experiments")

    result.assert_outcomes(passed=5)


def test_a_root_folder_may_have_spaces_and_letters_of_any_language(light, monkeypatch):
    root = light.path / "mein Öl [1] 日本"
    root.mkdir()
    (light.path / "experiments").rename(root / "experiments")
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "conftest.py").write_text(CONFTEST)
    (root / "experiments" / "experiment_größe.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier\n"
        "def experiment_größe(shops, trial): trial.fit(DecisionTreeClassifier(max_depth=1), shops)\n"
        "def gate_größe(experiment_größe): assert experiment_größe.best.test.accuracy >= 0\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(root)

    light.run("experiments").assert_outcomes(passed=7)
    light.run("experiments/experiment_größe.py::gate_größe").assert_outcomes(passed=3)
    assert (root / ".harness" / "runs").is_dir()


# What is in a file


def test_functions_of_tests_work_beside_experiments(light):
    light.write(
        {
            "experiments/experiment_ride.py": LIGHT
            + """
def test_helper():
    assert 2 == 3

class TestHelpers:
    def test_method(self):
        pass

import unittest
class TestCase(unittest.TestCase):
    def test_unit(self):
        self.assertTrue(True)
"""
        }
    )

    result = light.run("experiments")

    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["E*assert 2 == 3"])


def test_an_imported_experiment_belongs_to_the_file_that_defines_it(light):
    light.write(
        {
            "experiments/conftest.py": "",
            "experiments/experiment_second.py": """
                from experiment_ride import experiment_ride, gate_speed
                import experiment_ride as module

                def experiment_second(trial):
                    module.experiment_ride(trial, 5)
                """,
        }
    )

    assert names(light, "experiments") == [
        *(f"experiments/experiment_ride.py::{name}" for name in [*IDS, "gate_speed"]),
        "experiments/experiment_second.py::experiment_second",
    ]


def test_things_named_like_experiments_that_are_no_functions_are_left_alone(light):
    light.write(
        {
            "experiments/experiment_odd.py": """
                import pytest

                experiment_name = "odd"
                gate_limit = 0.5
                Experiments = ["a", "b"]
                class Experimental: pass
                class gate_class: pass

                @pytest.fixture
                def gate_size(): return 3

                def gate_off(): raise AssertionError("never")
                gate_off.__test__ = False
                """
        }
    )

    assert short(light, "experiments/experiment_odd.py") == []


def test_no_gate_is_lost_that_a_decorator_or_an_assignment_made(light):
    light.write(
        {
            "experiments/helpers.py": """
                def plainly(function):
                    def inner(experiment_ride):
                        function(experiment_ride)
                    return inner
                """,
            "experiments/experiment_made.py": """
                import functools
                from helpers import plainly

                @plainly
                def gate_decorated(experiment_ride):
                    assert 1 == 2

                def check(experiment_ride, limit):
                    assert len(experiment_ride.trials) > limit

                gate_partial = functools.partial(check, limit=2)
                gate_lambda = lambda experiment_ride: check(experiment_ride, 3)
                """,
        }
    )

    result = light.run("experiments/experiment_made.py", "-rf")

    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["FAILED *::gate_decorated*", "FAILED *::gate_lambda*"])


@pytest.mark.parametrize(
    "wrapper", ["functools.wraps(function)", "lambda wrapped: wrapped"], ids=["wraps", "bare"]
)
def test_a_decorator_of_the_users_own_keeps_the_grid(light, wrapper):
    light.write(
        {
            "experiments/experiment_ride.py": f"""
                import functools
                from harness import grid

                def timed(function):
                    @{wrapper}
                    def inner(trial, gear):
                        function(trial, gear)
                    return inner

                @timed
                @grid(gear=[1, 2])
                def experiment_inside(trial, gear):
                    trial.log(speed=gear)

                @grid(gear=[1, 2])
                @timed
                def experiment_outside(trial, gear):
                    trial.log(speed=gear)
                """
        }
    )

    expected = 4 if "wraps" in wrapper else 2
    result = light.run("experiments", "-k", "outside" if expected == 2 else "")

    result.assert_outcomes(passed=expected, deselected=1 if expected == 2 else 0)


def test_classes_hold_experiments_and_gates(light):
    light.write(
        {
            "experiments/experiment_class.py": """
                import pytest
                from harness import experiment, grid

                class ExperimentBikes:
                    factor = 3

                    @pytest.fixture
                    def weight(self):
                        return self.factor * 2

                    @experiment(maximize="speed")
                    @grid(gear=[1, 2])
                    def experiment_bike(self, trial, gear, weight):
                        trial.log(speed=gear * weight)

                    @staticmethod
                    def experiment_static(trial):
                        trial.log(speed=1)

                    def gate_bike(self, experiment_bike, experiment_static):
                        assert experiment_bike.best.logged["speed"] == 12
                        assert experiment_static.trials[0].logged == {"speed": 1}

                    class ExperimentInner:
                        def experiment_inner(self, trial): pass

                class Helper:
                    def experiment_no(self, trial): pass

                def gate_outside(experiment_bike):
                    assert len(experiment_bike.trials) == 2
                """
        }
    )

    assert names(light, "experiments/experiment_class.py") == [
        f"experiments/experiment_class.py::{name}"
        for name in [
            "ExperimentBikes::experiment_bike[gear:1]",
            "ExperimentBikes::experiment_bike[gear:2]",
            "ExperimentBikes::experiment_static",
            "ExperimentBikes::gate_bike",
            "ExperimentBikes::ExperimentInner::experiment_inner",
            "gate_outside",
        ]
    ]
    light.run("experiments/experiment_class.py").assert_outcomes(passed=6)
    light.run("experiments/experiment_class.py::ExperimentBikes::gate_bike").assert_outcomes(passed=4)


def test_an_inherited_experiment_runs_in_every_class_but_its_name_must_be_one(light):
    light.write(
        {
            "experiments/experiment_class.py": """
                class Base:
                    def experiment_twice(self, trial): pass

                class ExperimentA(Base): pass
                class ExperimentB(Base): pass
                """
        }
    )

    result = light.run("experiments/experiment_class.py")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: two experiments are called 'experiment_twice'*ExperimentA*ExperimentB*"]
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "def experiment_x(gear): pass",
            "experiment_x does not take `trial`*write def experiment_x(trial, …)*",
        ),
        (
            "from harness import grid\n@grid(depht=[1])\ndef experiment_x(trial, depth): pass",
            "*::experiment_x: @grid gives 'depht', which neither * did you mean 'depth'?*",
        ),
        (
            "from harness import grid\n@grid(depth=[])\ndef experiment_x(trial, depth): pass",
            "*::experiment_x: grid parameter 'depth' is an empty list*",
        ),
        (
            "from harness import grid\n@grid(depth=[1, 1])\ndef experiment_x(trial, depth): pass",
            "*::experiment_x: grid parameter 'depth' has the value 1 twice*",
        ),
        (
            "def experiment_x(trial): pass\ndef experiment_x(trial): pass",
            "*defines the experiment 'experiment_x' 2 times*",
        ),
        ("def gate_x(): pass\ndef gate_x(): pass", "*defines the gate 'gate_x' 2 times, in lines 1, 2*"),
        ("def experiment_x(trial:", "*SyntaxError*"),
    ],
    ids=["no trial", "misspelt", "empty", "equal", "two experiments", "two gates", "syntax"],
)
def test_a_file_that_cannot_be_understood_is_one_error_and_runs_nothing(light, source, text):
    light.write({"experiments/experiment_x.py": source + "\n"})

    result = light.run("experiments")

    assert result.ret in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR)
    result.assert_outcomes(errors=1)
    assert any(pytest.LineMatcher([line])._match_lines for line in result.outlines)
    joined = " ".join(line.strip() for line in result.outlines)
    pytest.LineMatcher([joined]).fnmatch_lines([f"*{text}*"])
    assert "harness/" not in joined.replace(str(light.path), "")
    assert not (light.path / ".harness").exists()


# Parameters


def test_parametrize_is_a_grid_too(light):
    light.write(
        {
            "experiments/experiment_p.py": """
                import pytest
                from harness import experiment, grid

                class Model:
                    pass

                @experiment(maximize="speed")
                @pytest.mark.parametrize("name", ["a", "b"], ids=["first", "second"])
                @pytest.mark.parametrize(("x", "y"), [(1, 2), pytest.param(3, 4, id="big")])
                @grid(gear=[5])
                def experiment_p(trial, name, x, y, gear):
                    assert trial.params == {"name": name, "x": x, "y": y, "gear": gear}
                    trial.log(speed=x)

                @pytest.mark.parametrize("model", [Model(), Model])
                def experiment_object(trial, model):
                    assert trial.params["model"] is model

                @pytest.fixture(params=[1, 2])
                def size(request):
                    return request.param * 100

                def experiment_fixture(trial, size):
                    assert trial.params["size"] * 100 == size

                def gate_p(experiment_p, experiment_object, experiment_fixture):
                    assert len(experiment_p.trials) == 4
                    assert experiment_p.best.params == {"name": "a", "x": 3, "y": 4, "gear": 5}
                    assert list(experiment_p.frame["x"]) == [1, 1, 3, 3]
                    assert isinstance(experiment_object.trials[0].params["model"], Model)
                    assert [t.params["size"] for t in experiment_fixture.trials] == [1, 2]
                """
        }
    )

    light.run("experiments/experiment_p.py").assert_outcomes(passed=9)


def test_a_grid_keeps_the_declared_order_and_its_ids(light):
    light.write(
        {
            "experiments/experiment_g.py": """
                from harness import grid

                @grid(b=[2, 1], a=["y", "x"])
                @grid(c=[True, None])
                def experiment_g(trial, a, b, c): pass
                """
        }
    )

    assert sorted(short(light, "experiments/experiment_g.py")) == sorted(
        f"experiment_g[b:{b}-a:{a}-c:{c}]" for b in (2, 1) for a in "yx" for c in (True, None)
    )
    assert short(light, "experiments/experiment_g.py")[:3] == [
        "experiment_g[b:2-a:y-c:True]",
        "experiment_g[b:2-a:y-c:None]",
        "experiment_g[b:2-a:x-c:True]",
    ]


def test_ids_can_be_selected_by_keyword(light):
    assert short(light, "-k", "gear:2") == ["experiment_ride[gear:2]"]
    assert short(light, "-k", "gear and not gear:2") == [IDS[0], IDS[2]]


FEATURES = """
from sklearn.preprocessing import StandardScaler, FunctionTransformer
from harness import features

@features
def shifted(shops, shift):
    return FunctionTransformer(lambda X: X + shift)

@features
def scaled(shifted, scale=True):
    return StandardScaler(with_std=scale)
"""


def test_a_grid_may_give_what_only_features_take(light):
    light.write(
        {
            "conftest.py": CONFTEST + FEATURES,
            "experiments/experiment_f.py": """
                from sklearn.dummy import DummyClassifier
                from harness import grid

                @grid(shift=[0, 100])
                def experiment_f(shifted, trial):
                    shift = trial.params["shift"]
                    assert (shifted.train.X["size"] >= shift).all()
                    trial.fit(DummyClassifier(), shifted)

                @grid(shift=[0, 100])
                def experiment_chain(scaled, trial):
                    assert abs(scaled.train.X.to_numpy().mean()) < 1e-9
                    trial.fit(DummyClassifier(), scaled)

                def gate_f(experiment_f, experiment_chain):
                    assert [t.params for t in experiment_f.trials] == [{"shift": 0}, {"shift": 100}]
                """,
        }
    )

    light.run("experiments/experiment_f.py").assert_outcomes(passed=6)


# Marks


MARKS = """
import pytest
from harness import experiment, grid

@pytest.mark.skip(reason="too slow")
@grid(gear=[1, 2])
def experiment_skipped(trial, gear): raise AssertionError("never")

@pytest.mark.skipif(True, reason="not here")
def experiment_skipif(trial): raise AssertionError("never")

@pytest.mark.xfail(reason="known")
def experiment_xfail(trial): assert 1 == 2

@pytest.mark.xfail(raises=ZeroDivisionError)
def experiment_raises(trial): 1 / 0

@pytest.mark.xfail(raises=KeyError)
def experiment_raises_other(trial): 1 / 0

@pytest.mark.xfail
def experiment_xpass(trial): trial.log(a=1)

@pytest.mark.xfail(strict=True)
def experiment_strict(trial): trial.log(a=1)

@pytest.mark.xfail(run=False)
def experiment_norun(trial): raise AssertionError("never")

def experiment_calls_skip(trial): pytest.skip("no licence")

def experiment_calls_xfail(trial): pytest.xfail("later")

@experiment(maximize="speed")
@pytest.mark.parametrize(
    "gear", [1, pytest.param(2, marks=pytest.mark.skip), pytest.param(3, marks=pytest.mark.xfail)]
)
def experiment_some(trial, gear):
    trial.log(speed=gear)
    assert gear < 3

def gate_some(experiment_some):
    assert [t.outcome for t in experiment_some.trials] == ["passed", "skipped", "skipped"]
    assert experiment_some.best.params == {"gear": 1}

@pytest.mark.xfail(raises=AssertionError, strict=True)
def gate_xfail(experiment_some): assert experiment_some.best.params["gear"] > 1

@pytest.mark.skip(reason="not yet")
def gate_skipped(experiment_some): raise AssertionError("never")

def gate_outcomes(experiment_xfail, experiment_raises, experiment_raises_other, experiment_xpass,
                  experiment_strict, experiment_norun, experiment_calls_skip, experiment_calls_xfail):
    assert [e.trials[0].outcome for e in (
        experiment_xfail, experiment_raises, experiment_raises_other, experiment_xpass,
        experiment_strict, experiment_norun, experiment_calls_skip, experiment_calls_xfail)] == [
        "skipped", "skipped", "raised", "passed", "failed", "skipped", "skipped", "skipped"]
"""


def test_skip_and_xfail_work_on_trials_and_gates(light):
    light.write({"experiments/experiment_ride.py": MARKS})

    result = light.run("experiments", "-rA")

    result.assert_outcomes(passed=3, skipped=6, xfailed=6, xpassed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["SKIPPED * too slow", "FAILED *experiment_raises_other*", "FAILED *experiment_strict*"]
    )


def test_marks_of_the_users_own_and_usefixtures_work(light):
    light.pytester.makeini(
        "[pytest]\nmarkers =\n    gpu: needs one\n    owner: who\naddopts = --strict-markers\n"
    )
    light.write(
        {
            "conftest.py": """
                import os, pytest

                @pytest.fixture
                def flagged():
                    os.environ["FLAGGED"] = "yes"
                    yield
                    del os.environ["FLAGGED"]
                """,
            "experiments/experiment_ride.py": """
                import os, pytest
                from harness import grid

                pytestmark = pytest.mark.owner("me")

                @pytest.mark.gpu
                @pytest.mark.usefixtures("flagged")
                @grid(gear=[1, 2])
                def experiment_ride(trial, gear, request):
                    assert os.environ["FLAGGED"] == "yes"
                    assert request.node.get_closest_marker("owner").args == ("me",)

                @pytest.mark.gpu
                def gate_ride(experiment_ride):
                    assert "FLAGGED" not in os.environ

                def experiment_other(trial): pass
                """,
        }
    )

    light.run("-m", "gpu").assert_outcomes(passed=3, deselected=1)
    assert short(light, "-m", "not gpu") == ["experiment_other"]


# Fixtures


FIXTURES = """
import pytest
LOG = []

def make(scope):
    @pytest.fixture(scope=scope, name=f"of_{scope}")
    def fixture():
        LOG.append(f"{scope} up")
        yield scope
        LOG.append(f"{scope} down")
    return fixture

of_function, of_class, of_module, of_package, of_session = map(
    make, ["function", "class", "module", "package", "session"])

@pytest.fixture(autouse=True)
def always():
    LOG.append("auto up")
    yield
    LOG.append("auto down")

@pytest.fixture(autouse=True, scope="session")
def once():
    yield
    print("LOG " + ", ".join(LOG))
"""


def test_fixtures_of_every_scope_are_set_up_and_torn_down_once(light):
    light.write(
        {
            "conftest.py": FIXTURES,
            "experiments/experiment_ride.py": """
                from harness import grid

                def setup_module(): from conftest import LOG; LOG.append("setup_module")
                def teardown_module(): from conftest import LOG; LOG.append("teardown_module")

                @grid(gear=[1, 2])
                def experiment_ride(trial, gear, of_function, of_class, of_module, of_package, of_session):
                    from conftest import LOG
                    LOG.append(f"trial {gear}")

                def gate_ride(experiment_ride, of_function, of_session):
                    from conftest import LOG
                    LOG.append("gate")
                """,
        }
    )

    result = light.run("experiments", "-s", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=3)
    (line,) = [line for line in result.outlines if "LOG " in line]
    log = line.partition("LOG ")[2].split(", ")
    assert sorted(log) == sorted(
        ["setup_module", "teardown_module", "trial 1", "trial 2", "gate"]
        + ["auto up", "auto down"] * 3
        + ["function up", "function down"] * 3
        + ["class up", "class down"] * 2
        + [f"{scope} {way}" for scope in ("module", "package", "session") for way in ("up", "down")]
    )
    assert [entry for entry in log if entry.split()[0] in ("setup_module", "trial", "gate")] == [
        "setup_module",
        "trial 1",
        "trial 2",
        "gate",
    ]
    assert log[-1] == "session down" or log[-1] == "teardown_module" or log[-1].endswith("down")


def test_builtin_fixtures_work_in_trials_and_gates(light):
    light.write(
        {
            "experiments/experiment_ride.py": """
                import os, warnings

                def experiment_ride(trial, tmp_path, capsys, monkeypatch, request, recwarn, pytestconfig):
                    monkeypatch.setenv("RIDE", "yes")
                    print("hello")
                    assert capsys.readouterr().out == "hello\\n"
                    (tmp_path / "a.txt").write_text("a")
                    trial.log_artifact(tmp_path / "a.txt")
                    assert request.node.name == "experiment_ride"
                    assert pytestconfig is request.config
                    warnings.warn("careful")
                    assert len(recwarn) == 1

                def gate_ride(experiment_ride, tmp_path, capsys, request):
                    assert "RIDE" not in os.environ
                    assert list(tmp_path.iterdir()) == []
                    assert request.getfixturevalue("experiment_ride") is experiment_ride
                """
        }
    )

    light.run("experiments").assert_outcomes(passed=2)


def test_a_loader_may_ask_for_fixtures(light):
    light.write(
        {
            "conftest.py": """
                import pandas as pd, pytest
                from harness import dataset

                @pytest.fixture(scope="session")
                def rows():
                    return 60

                @dataset(target="y")
                def numbers(rows, tmp_path_factory, request, repeat=2):
                    folder = tmp_path_factory.mktemp("download")
                    assert folder.is_dir() and repeat == 2
                    return pd.DataFrame({"x": range(rows), "y": [0, 1] * (rows // 2)})
                """,
            "experiments/experiment_ride.py": """
                from sklearn.dummy import DummyClassifier

                def experiment_ride(numbers, trial):
                    assert len(numbers.train) == 42
                    trial.fit(DummyClassifier(), numbers)
                """,
        }
    )

    light.run("experiments").assert_outcomes(passed=2)


def test_a_fixture_that_fails_is_an_error_of_each_trial(light):
    light.write(
        {
            "experiments/experiment_ride.py": """
                import pytest
                from harness import grid

                @pytest.fixture
                def broken(): raise OSError("no licence server")

                @grid(gear=[1, 2])
                def experiment_ride(trial, broken, gear): pass

                def gate_ride(experiment_ride):
                    experiment_ride.best
                """
        }
    )

    result = light.run("experiments")

    result.assert_outcomes(errors=2, failed=1)
    result.stdout.fnmatch_lines(["E*experiment_ride has no finished trial (2 raised); mend its trials first"])


# Conftests and plugins


def test_conftests_of_two_folders_may_both_hold_data_sets(light):
    light.write(
        {
            "conftest.py": CONFTEST,
            "experiments/conftest.py": CONFTEST.replace("def shops", "def stalls"),
            "experiments/experiment_ride.py": """
                from sklearn.dummy import DummyClassifier

                def experiment_shops(shops, trial): trial.fit(DummyClassifier(), shops)
                def experiment_stalls(stalls, trial): trial.fit(DummyClassifier(), stalls)
                """,
        }
    )

    assert names(light) == [
        "conftest.py::contract[shops]",
        "experiments/conftest.py::contract[stalls]",
        "experiments/experiment_ride.py::experiment_shops",
        "experiments/experiment_ride.py::experiment_stalls",
    ]
    light.run().assert_outcomes(passed=4)
    light.run("experiments/conftest.py::contract[stalls]").assert_outcomes(passed=1)
    light.run("-k", "experiment_stalls").assert_outcomes(passed=2, deselected=2)


def test_a_data_set_may_live_in_a_plugin_module(light):
    light.write(
        {
            "shop_data.py": CONFTEST,
            "conftest.py": 'pytest_plugins = ["shop_data"]\n',
            "experiments/experiment_ride.py": """
                from sklearn.dummy import DummyClassifier

                def experiment_shops(shops, trial): trial.fit(DummyClassifier(), shops)
                """,
        }
    )
    light.pytester.syspathinsert()

    result = light.run("experiments", "-v")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["shop_data.py::contract[[]shops[]] PASSED*"])


def test_a_data_set_that_a_conftest_imports_is_the_same_one(light):
    light.write(
        {
            "shop_data.py": CONFTEST,
            "conftest.py": "from shop_data import shops\n",
            "experiments/experiment_ride.py": """
                from sklearn.dummy import DummyClassifier

                def experiment_shops(shops, trial): trial.fit(DummyClassifier(), shops)
                """,
        }
    )
    light.pytester.syspathinsert()

    light.run("experiments").assert_outcomes(passed=2)


def test_a_data_set_may_stand_in_the_experiment_file(light):
    light.write(
        {
            "experiments/experiment_ride.py": CONFTEST
            + """
from sklearn.dummy import DummyClassifier

def experiment_shops(shops, trial): trial.fit(DummyClassifier(), shops)
"""
        }
    )

    assert names(light) == [
        "experiments/experiment_ride.py::contract[shops]",
        "experiments/experiment_ride.py::experiment_shops",
    ]
    light.run().assert_outcomes(passed=2)


def test_an_ordinary_test_may_ask_for_a_data_set_and_an_experiment(light):
    light.write(
        {
            "conftest.py": CONFTEST,
            "tests/test_shops.py": """
                def test_rows(shops): assert len(shops.train) == 28
                def test_ride(experiment_ride): assert len(experiment_ride.trials) == 3
                def test_plain(): pass
                """,
        }
    )

    light.run("tests/test_shops.py").assert_outcomes(passed=7)


def test_an_ordinary_test_cannot_ask_for_trial(light):
    light.write({"experiments/experiment_ride.py": "def test_x(trial): pass\ndef gate_y(trial): pass\n"})

    result = light.run("experiments")

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["E*asks for `trial`; only experiment_[*] functions in experiment files have one"]
    )


def test_files_named_one_by_one_have_their_metrics(project):
    """Of files in one folder that are named each, pytest makes several modules and collects one."""
    for name in ("a", "b"):
        project.write(
            {
                f"experiments/experiment_{name}.py": f"""
                    from sklearn.tree import DecisionTreeClassifier
                    from harness import experiment, metric

                    @metric
                    def hits_{name}(y, prediction):
                        return float((y == prediction).sum())

                    @experiment(maximize="hits_{name}")
                    def experiment_{name}(scaled, trial):
                        trial.fit(DecisionTreeClassifier(max_depth=2), scaled)
                """
            }
        )
    files = [f"experiments/experiment_{name}.py" for name in ("shops", "a", "b")]

    project.run(*files).assert_outcomes(passed=7)
    project.run(*reversed(files)).assert_outcomes(passed=7)
