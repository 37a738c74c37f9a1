"""A search is ordinary pytest items whose values come when they run."""

from __future__ import annotations

import pytest
from recorded import trials

RIDE = """
from harness import experiment, search, integers, uniform

@experiment(maximize="speed")
@search(trials=12, gear=integers(1, 9), wind=uniform(-1, 1))
def experiment_ride(trial, gear, wind):
    assert type(gear) is int and 1 <= gear <= 9
    assert type(wind) is float and -1 <= wind <= 1
    assert trial.params == {"gear": gear, "wind": wind}
    trial.log(speed=gear + wind)

def gate_ride(experiment_ride):
    assert len(experiment_ride.trials) == 12
    best = experiment_ride.best
    assert best.logged["speed"] == best.params["gear"] + best.params["wind"]
    assert set(experiment_ride.frame.columns) >= {"gear", "wind", "speed"}
"""

CONFTEST = """
import pandas as pd
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from harness import dataset, features

@dataset(target="sold", seed=1)
def shops():
    return pd.DataFrame({"size": range(40), "sold": ["no", "yes"] * 20})

@features
def shifted(shops, shift):
    return FunctionTransformer(lambda X: X + shift)

@features
def scaled(shifted):
    return StandardScaler()
"""


@pytest.fixture
def ride(empty_project):
    """A search without data and its gate: quick."""
    return empty_project.write({"experiments/experiment_ride.py": RIDE})


def source(body, imports="search, grid, integers, uniform, choice"):
    return f"import pytest\nfrom harness import {imports}\n{body}"


def run(project, *arguments):
    return project.run("--workers=1", *arguments)


def short(project, *arguments):
    """Return the names of the items that a collection shows."""
    result = project.run("--collect-only", "-q", *arguments)
    assert result.ret in (0, pytest.ExitCode.NO_TESTS_COLLECTED), result.stdout.str()
    return [line.rpartition("::")[2] for line in result.outlines if "::" in line]


def numbered(count, name="experiment_ride"):
    return [f"{name}[trial:{index:02}]" for index in range(count)]


# Items


def test_every_trial_is_an_item_with_a_number(ride):
    assert short(ride) == [*numbered(12), "gate_ride"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-k", "trial:03"], [3]),
        (["-k", "trial:1"], [10, 11]),
        (["-k", "trial: and not trial:0"], [10, 11]),
        (["experiments/experiment_ride.py::experiment_ride[trial:07]"], [7]),
    ],
    ids=["one", "some", "not", "node id"],
)
def test_trials_can_be_selected(ride, arguments, expected):
    assert short(ride, *arguments) == [numbered(12)[index] for index in expected]


def test_a_search_runs_and_a_gate_judges_it(ride):
    run(ride).assert_outcomes(passed=13)

    records = trials(ride.path, "experiment_ride")
    assert [record.id for record in records] == [f"trial:{index:02}" for index in range(12)]
    assert [record.index for record in records] == list(range(12))
    assert len({record.params["wind"] for record in records}) == 12
    for record in records:
        assert list(record.params) == ["gear", "wind"]
        assert record.logged["speed"] == record.params["gear"] + record.params["wind"]


def test_one_trial_alone_has_the_values_that_it_has_among_all(ride):
    run(ride)
    among = {record.id: record.params for record in trials(ride.path, "experiment_ride")}
    run(ride, "-k", "trial:02").assert_outcomes(passed=1)

    (alone,) = trials(ride.path, "experiment_ride")
    assert alone.params == among[alone.id]


def test_the_seed_of_the_project_makes_another_search(ride):
    run(ride, "-k", "trial:02")
    (first,) = trials(ride.path, "experiment_ride")
    run(ride, "-k", "trial:02", "-o", "experiment_seed=1")
    (other,) = trials(ride.path, "experiment_ride")

    assert other.params != first.params


def test_only_what_failed_runs_again(ride):
    ride.write(
        {
            "experiments/experiment_ride.py": source(
                "@search(trials=6, gear=integers(1, 9))\n"
                "def experiment_ride(request, trial, gear):\n"
                "    assert request.node.callspec.params['trial'] not in (2, 4)\n"
            )
        }
    )
    run(ride).assert_outcomes(passed=4, failed=2)

    assert short(ride, "--lf") == [numbered(6)[2], numbered(6)[4]]
    run(ride, "--lf").assert_outcomes(failed=2)


def test_a_plan_of_set_ups_runs_nothing(ride):
    result = run(ride, "--setup-plan", "experiments/experiment_ride.py::experiment_ride")

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*SETUP    F gear*",
            "*experiment_ride?trial:00?*fixtures used:*gear*trial*wind*",
            "*TEARDOWN F gear*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_other_plugins_see_the_values_when_a_trial_runs_and_the_ranges_before(ride):
    ride.write(
        {
            "conftest.py": """
                def pytest_collection_modifyitems(items):
                    print([item.callspec.params for item in items if hasattr(item, "callspec")][3])

                def pytest_runtest_call(item):
                    given = item.callspec.params
                    print("ran " + ", ".join(sorted(given)) + ":", type(given["gear"]).__name__)
                """
        }
    )

    result = run(ride, "-s", "-k", "trial:03")

    result.stdout.fnmatch_lines(
        [
            "*'trial': 3, 'gear': integers(1, 9), 'wind': uniform(-1.0, 1.0)*",
            "*ran gear, trial, wind: int*",
        ]
    )


# Parameters are fixtures


def test_features_fixtures_and_requests_get_the_values(empty_project):
    empty_project.write(
        {
            "conftest.py": CONFTEST,
            "experiments/experiment_f.py": source("""
from sklearn.dummy import DummyClassifier

@pytest.fixture
def doubled(shift):
    return 2 * shift

@pytest.fixture
def asked(request):
    return request.getfixturevalue("shift")

@search(trials=4, shift=integers(100, 999))
def experiment_f(shifted, trial, doubled, asked):
    shift = trial.params["shift"]
    assert (doubled, asked) == (2 * shift, shift)
    assert (shifted.train.X["size"] >= shift).all()
    assert (shifted.train.X["size"] <= shift + 40).all()
    trial.fit(DummyClassifier(), shifted)

@search(trials=2, shift=choice(0, 100))
def experiment_chain(scaled, trial):
    assert abs(scaled.train.X.to_numpy().mean()) < 1e-9
    trial.fit(DummyClassifier(), scaled)

def gate_f(experiment_f, experiment_chain):
    assert len({t.params["shift"] for t in experiment_f.trials}) == 4
    assert sorted(t.params["shift"] for t in experiment_chain.trials) == [0, 100]
"""),
        }
    )

    run(empty_project).assert_outcomes(passed=8)


def test_a_name_may_belong_to_two_searches_a_grid_and_a_mark(empty_project):
    empty_project.write(
        {
            "experiments/experiment_x.py": source("""
@search(trials=2, gear=integers(1, 9))
def experiment_a(trial, gear): assert 1 <= gear <= 9

@search(trials=2, gear=integers(11, 19))
def experiment_b(trial, gear): assert 11 <= gear <= 19

@grid(gear=[21, 29])
def experiment_c(trial, gear): assert gear in (21, 29)

@pytest.mark.parametrize("gear", [31])
def experiment_d(trial, gear): assert gear == 31

class Experiment:
    @search(trials=2, gear=integers(41, 49))
    def experiment_e(self, trial, gear): assert 41 <= gear <= 49

    @staticmethod
    @grid(gear=[51])
    def experiment_f(trial, gear): assert gear == 51
""")
        }
    )

    run(empty_project).assert_outcomes(passed=10)


def test_a_search_comes_before_a_fixture_of_the_project_that_others_keep(empty_project):
    fixture = "import pytest\n@pytest.fixture\ndef {0}(): return '{1}'\n"
    empty_project.write(
        {
            "conftest.py": fixture.format("gear", "conftest"),
            "experiments/experiment_x.py": source("""
@pytest.fixture
def wind(gear): return f"module, {gear}"

@search(trials=2, gear=integers(1, 9), wind=uniform(-1, 1))
def experiment_a(trial, gear, wind): assert 1 <= gear <= 9 and -1 <= wind <= 1

@search(trials=2, gear=integers(1, 9))
def experiment_b(trial, gear, wind): assert wind == f"module, {gear}"

def experiment_c(trial, gear, wind): assert (gear, wind) == ("conftest", "module, conftest")

def gate_d(gear): assert gear == "conftest"
"""),
        }
    )

    run(empty_project).assert_outcomes(passed=6)


def test_a_plugins_fixture_is_kept_by_functions_without_a_search(empty_project):
    empty_project.write(
        {
            "more.py": "import pytest\n@pytest.fixture\ndef gear(): return 'plugin'\n",
            "experiments/experiment_x.py": source("""
@search(trials=2, gear=integers(1, 9))
def experiment_a(trial, gear): assert 1 <= gear <= 9

def experiment_b(trial, gear): assert gear == "plugin"
"""),
            "experiments/experiment_y.py": 'def experiment_c(trial, gear): assert gear == "plugin"',
        }
    )
    empty_project.pytester.syspathinsert()

    run(empty_project, "-p", "more").assert_outcomes(passed=4)


def test_a_function_without_a_search_is_told_what_to_write(empty_project):
    empty_project.write(
        {
            "experiments/experiment_x.py": source("""
@search(trials=2, gear=integers(1, 9))
def experiment_a(trial, gear): pass

def experiment_b(trial, gear): raise AssertionError("must not run")
""")
        }
    )

    result = run(empty_project)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "experiment_b takes 'gear', to which only experiment_a gives values; "
            "write @grid(gear=[[]…]) or @search above its def as well"
        ]
    )


def test_a_trial_owns_the_option_that_it_was_given(empty_project):
    empty_project.write(
        {
            "experiments/experiment_x.py": source("""
SIZES = [[1], [2]]

@search(trials=2, sizes=choice(*SIZES), kind=choice(dict))
def experiment_x(trial, sizes, kind):
    assert len(sizes) == 1 and kind is dict
    assert trial.params["sizes"] is sizes
    sizes.append(3)

def gate_x(experiment_x):
    assert SIZES == [[1], [2]]
    assert sorted(t.params["sizes"] for t in experiment_x.trials) == [[1], [2]]
""")
        }
    )

    run(empty_project).assert_outcomes(passed=3)
    records = trials(empty_project.path, "experiment_x")
    assert sorted(record.params["sizes"] for record in records) == [[1], [2]]
    assert {record.params["kind"] for record in records} == {"<class 'dict'>"}


WRAPPED = """
import functools

def plainly(function):
    def call(trial, gear):
        return function(trial, gear)
    return call

def wrapped(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)
    return call

def bare(function):
    @functools.wraps(function, updated=())
    def call(*args, **kwargs):
        return function(*args, **kwargs)
    return call
"""


@pytest.mark.parametrize(
    "decorators",
    [
        "@wrapped\n@search(trials=3, gear=integers(1, 9))",
        "@bare\n@search(trials=3, gear=integers(1, 9))",
        "@search(trials=3, gear=integers(1, 9))\n@plainly",
    ],
    ids=["above", "above, without attributes", "below"],
)
def test_a_decorator_of_the_users_own_keeps_the_search(empty_project, decorators):
    body = f"{WRAPPED}\n{decorators}\ndef experiment_x(trial, gear): assert 1 <= gear <= 9\n"
    empty_project.write({"experiments/experiment_x.py": source(body)})

    run(empty_project).assert_outcomes(passed=3)


# Where they run, and to what end


def test_values_travel_to_workers(empty_project):
    empty_project.write(
        {
            "conftest.py": CONFTEST,
            "experiments/experiment_w.py": source("""
import os
from sklearn.dummy import DummyClassifier

class Shape:
    pass

@search(
    trials=8, strategy="random",
    shift=uniform(100, 999), shape=choice(Shape, Shape(), None), n=integers(1, 9),
)
def experiment_w(shifted, trial, shift, shape, n):
    assert shape is Shape or shape is None or isinstance(shape, Shape)
    assert abs((shifted.train.X["size"].to_numpy() - shift) % 1).max() < 1e-9
    trial.fit(DummyClassifier(), shifted)
    trial.log(process=os.getpid(), n=n)

def gate_w(experiment_w):
    for trial in experiment_w.trials:
        assert trial.params["n"] == trial.logged["n"]
        assert trial.params["shape"] in (Shape, None) or isinstance(trial.params["shape"], Shape)
"""),
        }
    )

    empty_project.run_apart("--workers=2", "-p", "no:cacheprovider").assert_outcomes(passed=10)
    there = trials(empty_project.path, "experiment_w")
    run(empty_project).assert_outcomes(passed=10)
    here = trials(empty_project.path, "experiment_w")

    def values(records):
        return {r.id: (r.params["shift"], r.params["n"], r.scores["validation"]) for r in records}

    assert len({record.logged["process"] for record in here}) == 1
    assert {r.logged["process"] for r in there}.isdisjoint(r.logged["process"] for r in here)
    assert values(there) == values(here)


@pytest.mark.parametrize(
    "booster",
    [
        "xgboost.XGBClassifier(learning_rate=rate, n_estimators=60, max_depth=2)",
        "lightgbm.LGBMClassifier(learning_rate=rate, n_estimators=60, verbosity=-1)",
    ],
    ids=["xgboost", "lightgbm"],
)
def test_hopeless_trials_are_pruned_and_never_the_best(project, booster):
    project.write(
        {
            "experiments/experiment_shops.py": source(
                f"""
import lightgbm, xgboost

@search(trials=10, strategy="random", prune=True, rate=loguniform(1e-6, 0.5))
def experiment_p(shops, trial, rate):
    try:
        trial.fit({booster}, shops)
    except Exception:
        raise AssertionError("no user code sees the end of a pruned trial")

def gate_p(experiment_p):
    outcomes = [trial.outcome for trial in experiment_p.trials]
    assert outcomes[:5] == ["passed"] * 5
    assert "pruned" in outcomes
    assert experiment_p.best.outcome == "passed" and experiment_p.best.params["rate"] > 0.01
""",
                "search, loguniform",
            )
        }
    )

    result = run(project, "--threads=1")

    records = trials(project.path, "experiment_p")
    pruned = [record for record in records if record.outcome == "pruned"]
    assert result.parseoutcomes() == {"passed": 12 - len(pruned), "pruned": len(pruned)}
    assert 1 <= len(pruned) <= 5
    for record in pruned:
        assert 20 < len(record.curves[record.watched]) < 60
        assert "finished trials" in record.message
    for record in records:
        assert record.watched == "validation_" + ("logloss" if "xgb" in booster else "binary_logloss")
        assert record.watched_greater_is_better is False
    assert max(record.params["rate"] for record in pruned) < max(record.params["rate"] for record in records)


# What is refused


MULTIPLIED = "on one function; a search tries each point once: give those values by choice(…) as well"
ONE = "@search(trials=3, gear=integers(1, 9))\n"
BARE = "def experiment_x(trial, gear): pass"

REFUSED = {
    "misspelt": (
        f"@search(trials=3, gaer=integers(1, 9))\n{BARE}",
        "experiment_x: @search gives 'gaer', which neither the function nor its features take; "
        "did you mean 'gear'?",
    ),
    "not_taken": (
        "@search(trials=3, wind=integers(1, 9))\ndef experiment_x(trial): pass",
        "experiment_x: @search gives 'wind', which neither the function nor its features take; "
        "add wind to its arguments",
    ),
    "no_trials": (
        f"@search(gear=integers(1, 9))\n{BARE}",
        "experiment_x: @search does not say how many trials; write @search(trials=30, …)",
    ),
    "none": (
        f"@search(trials=0, gear=integers(1, 9))\n{BARE}",
        "experiment_x: @search has trials=0; write a whole number above 0",
    ),
    "too_many": (
        f"@search(trials=10, gear=integers(1, 9))\n{BARE}",
        "experiment_x: @search has 10 trials, and its ranges hold 9 distinct points; write trials=9 or fewer",
    ),
    "list": (
        f"@search(trials=3, gear=[1, 2])\n{BARE}",
        "experiment_x: @search gives 'gear' [1, 2], a list, not a range; write gear=choice(1, 2), or @grid",
    ),
    "in_a_class": (
        "class ExperimentX:\n    @search(trials=3, gear=integers(9, 1))\n"
        "    def experiment_x(self, trial, gear): pass",
        "experiment_x: @search gives 'gear' integers(9, 1): 9 is not below 1; write the lower bound first",
    ),
    "no_trial": (
        f"{ONE}def experiment_x(gear): pass",
        "experiment_x does not take `trial`, so it could neither fit nor log; write def experiment_x(",
    ),
    "two": (
        f"{ONE}@search(trials=3, wind=uniform(0, 1))\ndef experiment_x(trial, gear, wind): pass",
        "experiment_x: two @search above one function; write one @search with all ranges",
    ),
    "grid": (
        f"@grid(wind=[1])\n{ONE}def experiment_x(trial, gear, wind): pass",
        f"experiment_x: @search and @grid {MULTIPLIED}",
    ),
    "mark": (
        f"@pytest.mark.parametrize('wind', [1])\n{ONE}def experiment_x(trial, gear, wind): pass",
        f"experiment_x: @search and @pytest.mark.parametrize {MULTIPLIED}",
    ),
    "mark_of_the_same": (
        f"{ONE}@pytest.mark.parametrize('gear', [1])\n{BARE}",
        f"experiment_x: @search and @pytest.mark.parametrize {MULTIPLIED}",
    ),
    "mark_of_the_file": (
        f"pytestmark = pytest.mark.parametrize('wind', [1])\n{ONE}def experiment_x(trial, gear, wind): pass",
        f"experiment_x: @search and @pytest.mark.parametrize {MULTIPLIED}",
    ),
    "fixture": (
        "@pytest.fixture(params=[1, 2])\ndef wind(request): return request.param\n"
        f"{ONE}def experiment_x(trial, gear, wind): pass",
        f"experiment_x: @search and the parameters of wind {MULTIPLIED}",
    ),
    "gate": (
        f"{ONE}def gate_x(gear): pass",
        "gate_x: @search stands above a function that is no experiment; only experiment_* functions",
    ),
    "name": (
        "@search(trials=3, trial=integers(1, 9))\ndef experiment_x(trial): pass",
        "experiment_x: @search gives 'trial', which is a fixture of its own; call the parameter otherwise",
    ),
}


def test_a_search_that_makes_no_sense_is_one_error_of_its_file(empty_project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    empty_project.write(
        {f"experiments/experiment_{name}.py": source(body) + "\n" for name, (body, _) in REFUSED.items()}
    )

    result = run(empty_project)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=len(REFUSED))
    for name, (_, text) in REFUSED.items():
        said = [line for line in result.outlines if line.startswith(f"experiment_{name}.py::")]
        assert [line.startswith(f"experiment_{name}.py::{text}") for line in said] == [True], (name, said)
    assert "Traceback" not in result.stdout.str()
    assert not (empty_project.path / ".harness").exists()


def test_a_decorator_that_is_used_wrongly_is_an_error_of_its_line(empty_project):
    empty_project.write(
        {
            "experiments/experiment_x.py": source("@search(30)\ndef experiment_x(trial): pass\n"),
            "experiments/experiment_y.py": source("@search\ndef experiment_y(trial): pass\n"),
        }
    )

    result = run(empty_project)

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "experiment_x.py:3: @search was given 30 without a name; write @search(trials=30, *",
            "experiment_y.py:3: @search was given no ranges; write @search(trials=30, *",
        ]
    )
