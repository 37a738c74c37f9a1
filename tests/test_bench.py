"""The benchmark's own arithmetic, table and measuring; whether its runners do the same work. No peers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.append(str(BENCHMARKS))  # a folder of scripts, not a package that is installed

import compare  # noqa: E402
from comparison import data, measure, table, tree, verdicts  # noqa: E402
from comparison.bench import Bench  # noqa: E402
from comparison.intervals import covered  # noqa: E402
from comparison.records import Answer, Results, Run, disagreements  # noqa: E402
from comparison.runners import Harness, PlainPytest, runners  # noqa: E402
from comparison.spread import Spread, ratios, spread, walls  # noqa: E402
from comparison.workloads import ROWS, Row, choose, points  # noqa: E402

from harness.declarations import grids  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

TITLES = {name: runner.title for name, runner in runners().items()}


def run(wall=1.0, *, params=None, score=0.9, points=24, cpu=1.0, memory=2**20, problem="", **more):
    cost = tree.Cost(wall, cpu, memory, 0, more.pop("others", 0.0), more.pop("left", ()), 1)
    answer = None if problem else Answer(params=params or {"a": 1}, score=score, points=points, **more)
    return Run(cost=cost, answer=answer, problem=problem)


def row(**changes):
    return replace(ROWS["xgboost-20k"], **changes)


# spreads and ratios


def test_a_spread_is_the_median_with_the_lowest_and_the_highest():
    assert spread([3.0, 1.0, 2.5]) == Spread(2.5, 1.0, 3.0)
    assert spread([]) is None


def test_a_spread_shows_three_digits_and_at_most_two_decimals():
    assert str(Spread(9.996, 0.0123, 99.96)) == "10.0 (0.01–100)"


@given(st.lists(st.floats(0.1, 100), min_size=1))
def test_a_median_lies_between_the_lowest_and_the_highest(values):
    found = spread(values)

    assert found.low == min(values) <= found.median <= max(values) == found.high


def test_a_ratio_is_of_the_two_runs_of_one_round():
    assert ratios([run(2.0), run(9.0)], [run(4.0), run(3.0)]) == [0.5, 3.0]


def test_a_failed_run_takes_its_partner_out_and_shifts_no_other_pair():
    above = [run(1.0), run(1.0, problem="exit code 1"), run(6.0)]

    assert ratios(above, [run(2.0), run(5.0), run(3.0)]) == [0.5, 2.0]
    assert walls(above) == [1.0, 6.0]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted)))
def test_time_covered_by_intervals_is_the_number_of_seconds_in_any_of_them(intervals):
    seconds = {second for start, end in intervals for second in range(start, end)}

    assert covered(intervals) == len(seconds)


# disagreement


def test_runners_with_the_same_best_agree():
    assert disagreements(Results("r", {"joblib": [run(), run()], "ray": [run()]}), 24) == []


def test_another_best_is_told_with_both_answers():
    runs = {"joblib": [run()], "optuna": [run(params={"a": 2})], "ray": [run()]}

    assert disagreements(Results("r", runs), 24) == ["optuna found a=2 with 0.9, the others a=1 with 0.9"]


def test_the_same_best_with_another_score_is_told():
    runs = {"joblib": [run(), run()], "optuna": [run(score=0.91), run()]}

    assert disagreements(Results("r", runs), 24) == ["optuna found a=1 with 0.91, the others a=1 with 0.9"]


def test_a_runner_that_did_less_work_is_told():
    runs = {"joblib": [run()], "optuna": [run(points=23)]}

    assert disagreements(Results("r", runs), 24) == ["optuna scored 23 points, not 24"]


# targets


@pytest.mark.parametrize(("wall", "reached"), [(1.15, True), (1.16, False)])
def test_a_ratio_is_reached_up_to_its_limit(wall, reached):
    results = Results("xgboost-20k", {"harness": [run(wall)], "joblib": [run(1.0)]})

    (verdict,) = verdicts.verdicts(row(at_most={"joblib": 1.15}), results)

    assert verdict.reached is reached


def test_a_target_without_a_pair_of_runs_has_no_verdict():
    results = Results("xgboost-20k", {"harness": [run()], "joblib": [run(problem="exit code 1")]})

    assert verdicts.verdicts(row(at_most={"joblib": 1.15}), results) == []


def test_a_resumed_run_may_take_the_start_up_and_a_tenth_of_the_fitting():
    first = [run(10.0, fitting=8.0, reused=0)]
    resumed = [run(2.8, reused=24)]

    (verdict,) = verdicts.verdicts(
        ROWS["resume"], Results("resume", {"harness": first, "harness-resume": resumed})
    )

    assert verdict.at_most == pytest.approx(0.28)  # (10 - 8) + 0.1 * 8 of 10 seconds
    assert verdict.reached


def noops(*costs):
    return {
        f"noop-{n}": Results(f"noop-{n}", {"harness-off": [run(wall, memory=memory)]})
        for n, (wall, memory) in zip((1_000, 5_000, 10_000), costs, strict=False)
    }


def test_trials_are_flat_if_their_cost_does_not_depend_on_their_number():
    flat = verdicts.flatness(noops((2.0, 1_100), (6.0, 5_100), (11.0, 10_100)), "harness-off")

    assert (flat.seconds, flat.memory) == (pytest.approx(1.0), pytest.approx(1.0))
    assert flat.reached


@pytest.mark.parametrize("last", [(14.0, 10_100), (11.0, 14_000), (9.0, 10_100)])
def test_trials_are_not_flat_if_time_or_memory_grows_otherwise(last):
    assert not verdicts.flatness(noops((2.0, 1_100), (6.0, 5_100), last), "harness-off").reached


def test_noise_is_not_flat():
    flat = verdicts.flatness(noops((6.0, 1_100), (6.0, 5_100), (11.0, 10_100)), "harness-off")

    assert np.isnan(flat.seconds)
    assert not flat.reached


def test_flatness_needs_all_three_sizes():
    assert verdicts.flatness(noops((2.0, 1_100), (6.0, 5_100)), "harness-off") is None


# the table


def rendered(results, **changes):
    return table.render(row(**changes), results, TITLES)


def test_the_table_shows_medians_ratios_and_targets():
    results = Results(
        "xgboost-20k",
        {
            "harness": [run(6.0), run(7.0), run(8.0)],
            "joblib": [run(wall, cpu=15.0, memory=300 * 2**20) for wall in (8.0, 7.0, 8.0)],
            "gridsearch": [run(7.0), run(7.0), run(7.0)],
        },
    )

    lines = rendered(results)

    assert lines[2].split() == ["harness", "7.00", "(6.00–8.00)", "1.0", "1"]
    assert lines[3].split() == [
        "joblib",
        "loop",
        "8.00",
        "(7.00–8.00)",
        "1.00",
        "(0.75–1.00)",
        "1.15",
        "ok",
        "15.0",
        "300",
    ]
    assert "1.00 (0.86–1.14)  0.85 NO" in lines[4]
    assert lines[5] == "  all found a=1: 0.9"


def test_the_table_tells_what_went_wrong():
    results = Results(
        "xgboost-20k",
        {
            "harness": [run(), run()],
            "joblib": [run(problem="exit code 1: ValueError"), run(problem="exit code 1: ValueError")],
            "optuna": [run(params={"a": 3}), run()],
            "ray": [run(left=["raylet --x"]), run(left=["raylet --x"])],
        },
        {"pytest": "not installed"},
    )

    lines = rendered(results)

    assert "joblib loop                        failed" in lines
    assert "! optuna found a=3 with 0.9, the others a=1 with 0.9" in lines
    assert "! joblib loop: 2 of 2 runs: exit code 1: ValueError" in lines
    assert "! Ray Tune left a process 2 times: raylet --x" in lines
    assert "  plain pytest: not available: not installed" in lines
    assert not any("all found" in line for line in lines)


def test_the_table_says_how_many_trials_were_reused():
    results = Results("resume", {"harness": [run(5.0, reused=0)], "harness-resume": [run(2.0, reused=24)]})

    assert "  harness --resume: 24 of 24 trials reused" in table.render(ROWS["resume"], results, TITLES)


@given(
    st.lists(st.floats(0.1, 999), min_size=1, max_size=3), st.text("é x", max_size=200), st.integers(1, 2**36)
)
def test_no_line_is_wider_than_80_columns(seconds, text, memory):
    runs = [run(wall, cpu=wall, memory=memory, params={"name": 0.1234567}) for wall in seconds]
    results = Results("r", {"harness": runs, "ray": [*runs[1:], run(problem=text or "x")]}, {"optuna": text})
    found = verdicts.verdicts(row(), results)
    flat = [verdicts.Flatness("harness-off", 1.234, 100.0)]

    lines = [*rendered(results), *table.summary(found, flat, TITLES), *table.NOTES.splitlines()]

    assert max(map(len, lines)) <= table.WIDTH


def test_the_summary_judges_the_harness_alone_by_flatness():
    flat = [verdicts.Flatness("harness-off", 1.0, 1.3), verdicts.Flatness("pytest", 1.0, 1.3)]

    assert [line.split()[-1] for line in table.summary([], flat, TITLES)[2:]] == ["NO", "1.30"]


def test_a_busy_machine_is_told():
    runs = [run(10.0, others=2.0), run(10.0, others=2.4), run(10.0)]

    assert table.busy(runs, cores=2)[0].startswith("! other work took 10% of the 2 cores")
    assert table.busy([run(10.0, others=0.9)], cores=2) == []


# measuring


BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"


def program(text):
    return [sys.executable, "-S", "-c", textwrap.dedent(text)]


def test_cpu_seconds_include_those_of_an_orphan(tmp_path):
    orphan = """
        import os, time
        read, write = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                while time.process_time() < 0.4: pass
                os._exit(0)     # its parent has gone: it holds the last end of the pipe
            os._exit(0)
        os.close(write)
        os.wait()
        os.read(read, 1)
        print(time.process_time(), end="")
    """

    cost = measure.cost(program(orphan), tmp_path, {}, 60)

    own = float((tmp_path / measure.OUTPUT).read_text())
    assert cost.exit == 0
    assert cost.cpu >= 0.4 + own - 0.02  # ticks of 10 ms
    assert cost.left == []


def test_cpu_seconds_of_a_living_process_are_sampled():
    child = subprocess.Popen(
        program(BURN.format(seconds=0.2) + "print(flush=True)\ninput()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    found = tree.Tree()
    alive = found.sample()
    child.communicate(b"\n")

    assert child.pid in alive
    assert found.cpu >= 0.19


def test_memory_that_two_processes_share_counts_once():
    size = 64 * 2**20
    child = subprocess.Popen(
        program(
            f"""
            import os, sys
            block = b"x" * {size}
            os.fork()
            print(flush=True)
            sys.stdin.buffer.read()
            """
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline(), child.stdout.readline()
    pids = [child.pid, *tree.descendants(child.pid)]
    found = tree.memory(pids)
    child.communicate()

    assert len(pids) == 2
    assert size < found < 1.5 * size


def test_a_process_that_outlives_the_command_is_told_and_ended(tmp_path):
    parent = """
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"]).pid, end="")
    """

    cost = measure.cost(program(parent), tmp_path, {}, 60)

    assert cost.left == [f"{sys.executable} -S -c import time; time.sleep(600)"]
    assert not Path("/proc", (tmp_path / measure.OUTPUT).read_text()).exists()


def test_a_command_that_hangs_is_ended(tmp_path):
    cost = measure.cost(program("import time; time.sleep(600)"), tmp_path, {}, 0.1)

    assert cost.exit is None
    assert cost.wall >= 0.1


def test_an_exit_code_is_kept(tmp_path):
    assert measure.cost(program("raise SystemExit(3)"), tmp_path, {}, 60).exit == 3


def test_runs_do_not_inherit_what_makes_them_slower(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")

    found = measure.environment({"TRIALS": "3"})

    assert {"PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS"}.isdisjoint(found)
    assert (found["TRIALS"], found["PATH"]) == ("3", os.environ["PATH"])


# the same work


def test_rows_are_chosen_by_name_or_by_the_beginning_of_their_names():
    assert [r.name for r in choose(["resume", "xgboost"])] == ["resume", "xgboost-20k", "xgboost-200k"]
    assert [r.name for r in choose([])] == list(ROWS)
    with pytest.raises(KeyError, match="svm"):
        choose(["svm"])


def test_every_runner_of_a_row_exists():
    named = {name for r in ROWS.values() for name in (*r.runners, r.reference, *r.at_most)}

    assert named <= set(TITLES)
    assert all(len(title) <= 20 for title in TITLES.values())


def test_a_row_may_be_narrowed_to_some_runners_beside_its_reference():
    assert compare.narrowed(ROWS["noop-5000"], ["pytest"], runners()).runners == ("harness-off", "pytest")


def test_a_runner_that_goes_on_in_the_folder_of_another_brings_it_along():
    assert compare.narrowed(ROWS["resume"], ["harness-off"], runners()).runners == (
        "harness",
        "harness-resume",
        "harness-off",
    )


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The module that the peers share, told to do the work of a row."""

    def load(wanted: Row):
        (tmp_path / "work.json").write_text(
            json.dumps({"library": wanted.library, "grid": wanted.grid, "rows": None, "workers": 2})
        )
        monkeypatch.setenv("WORK", str(tmp_path / "work.json"))
        monkeypatch.syspath_prepend(BENCHMARKS / "peers")
        monkeypatch.delitem(sys.modules, "work", raising=False)
        import work

        monkeypatch.delitem(sys.modules, "work")
        return work

    return load


class Noted:
    """In place of a trial: keeps the estimator."""

    def fit(self, estimator, data):
        self.estimator = estimator


@pytest.mark.parametrize("name", ["xgboost-20k", "lightgbm-20k", "logistic"])
def test_the_peers_fit_the_models_of_the_project(work, monkeypatch, name):
    wanted = ROWS[name]
    path = BENCHMARKS / "project" / "experiments" / f"experiment_{wanted.library}.py"
    names: dict = {"__name__": path.stem}
    exec(compile(path.read_text(), path, "exec"), names)
    function = names[f"experiment_{wanted.library}"]
    peers, trial = work(wanted), Noted()
    point = points(wanted.grid)[-1]

    function(rows=None, trial=trial, **point)
    mine, theirs = trial.estimator, peers.model(point)

    assert [dict(grid.values) for grid in grids(function)] == [wanted.grid]
    assert peers.points() == points(wanted.grid)
    assert type(mine) is type(theirs)
    assert without_threads(mine) == without_threads(theirs)


def without_threads(estimator):
    params = {name: value for name, value in estimator.get_params().items() if name != "n_jobs"}
    return {name: value for name, value in params.items() if value == value}  # XGBoost's missing=nan


def test_of_equal_scores_the_peers_tell_the_first_declared(work, tmp_path):
    peers = work(row(grid={"a": [2, 1], "b": [1, 2]}))

    peers.tell([({"b": 2, "a": 1}, 0.9), ({"b": 1, "a": 1}, 0.9), ({"b": 1, "a": 2}, 0.8)])

    assert json.loads((tmp_path / "best.json").read_text()) == {
        "params": {"a": 1, "b": 1},
        "score": 0.9,
        "points": 3,
    }


def test_the_harness_and_its_peers_get_the_same_rows(tmp_path):
    made = Bench(tmp_path, runners(), 60).rows(200)  # raises DifferentRows

    with np.load(made.arrays) as arrays:
        assert [len(arrays[name]) for name in data.ARRAYS] == [140, 140, 40, 40]


@pytest.mark.parametrize("name", data.ARRAYS)
def test_other_rows_are_refused(tmp_path, name):
    made = data.make(200, tmp_path)
    with np.load(made.arrays) as arrays:
        np.savez(tmp_path / "seen.npz", **{**arrays, name: arrays[name][::-1]})

    with pytest.raises(data.DifferentRows, match=f"{name} differs in \\d+ rows, first in row \\d+"):
        data.check(made.arrays, tmp_path / "seen.npz")


def test_fewer_rows_are_refused(tmp_path):
    made = data.make(200, tmp_path)
    with np.load(made.arrays) as arrays:
        np.savez(tmp_path / "seen.npz", **{**arrays, "y_train": arrays["y_train"][:-1]})

    with pytest.raises(data.DifferentRows, match=r"y_train has shape \(139,\), not \(140,\)"):
        data.check(made.arrays, tmp_path / "seen.npz")


def test_a_row_is_measured(tmp_path):
    wanted = replace(ROWS["noop-1"], grid={"number": [0, 1, 2]})

    results = Bench(tmp_path, runners(), 60).measure(wanted, repeats=1, warm_up=False)

    assert results.unavailable == {}
    assert disagreements(results, 3) == []
    assert [len(walls(results.runs[name])) for name in ("harness-off", "pytest")] == [1, 1]
    assert all(r.cost.cpu > 0 < r.cost.memory for runs in results.runs.values() for r in runs)
    assert results.runs["harness-off"][0].answer.reused == 0
    assert json.loads(json.dumps(results.to_json()))["runs"]["pytest"][0]["answer"]["score"] == 1.0


class Dry:
    """In place of a runner: no command is run for it."""

    title = "dry"

    def __init__(self, after=None):
        self.after = after

    def unavailable(self):
        return ""

    def lay_out(self, folder, row, data):
        return {}

    def command(self):
        return []

    def answer(self, folder):
        return run().answer


def test_a_runner_is_warmed_up_in_the_folder_of_another_that_was_warm_before(tmp_path, monkeypatch):
    folders = []

    def cost(command, folder, variables, seconds):
        (folder / measure.OUTPUT).touch()
        folders.append(folder.name)
        return run().cost

    monkeypatch.setattr(measure, "cost", cost)
    bench = Bench(tmp_path, {"harness": Dry(), "harness-resume": Dry(after="harness")}, 60)

    bench.measure(row(rows=None, runners=("harness",)), repeats=1)
    results = bench.measure(row(rows=None, runners=("harness", "harness-resume")), repeats=1)

    assert folders == ["1", "2", "3", "3", "4", "4"]  # each a warm-up, then a round
    assert [len(runs) for runs in results.runs.values()] == [1, 1]


def test_a_run_that_fails_is_a_problem_that_names_the_error(tmp_path, capsys):
    broken = {"pytest": PlainPytest("plain pytest", "", "pytest")}
    wanted = replace(ROWS["noop-1"], grid={"letter": [0]}, runners=("pytest",))

    results = Bench(tmp_path, broken, 60).measure(wanted, repeats=1, warm_up=False)

    assert results.runs["pytest"][0].problem.startswith("exit code 2")
    assert "KeyError: 'number'" in capsys.readouterr().err


def test_an_option_that_pytest_does_not_know_makes_a_runner_unavailable():
    assert Harness("harness", ("--no-tracking", "--wings=2")).unavailable() == "pytest has no option --wings"
