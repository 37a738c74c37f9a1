"""A worker collects a project as pytest did, and its trials find what they would find in pytest's process."""

from __future__ import annotations

import json
import os
import sys

import pytest

from harness.rundir import runs
from harness.store import Store


def records(project):
    """The records of the last run's trials, by what stands in brackets."""
    return {record.id: record for record in runs(Store(project.path / ".harness"))[-1].records().trials}


def test_a_project_with_everything_is_collected_in_workers_as_here(empty_project, monkeypatch):
    """Odd paths, settings, plugins, options of conftests, src layout, classes, another working directory."""
    pytester = empty_project.pytester
    pytester.syspathinsert()  # as `python -m pytest` does
    monkeypatch.setattr(sys, "argv", ["pytest"])  # also where the tests themselves are distributed
    where, inner = "some [where]", 'it\'s a "project"\n= @home'
    folder = f"{where}/{inner}"
    monkeypatch.setenv("CONTROLLER", str(os.getpid()))
    monkeypatch.setenv("TOUCHED", str(pytester.path / "touched.txt"))
    empty_project.write(
        {
            "toy_plugin.py": """
                import pytest
                def pytest_addoption(parser):
                    parser.addoption("--colour", default="grey")
                @pytest.fixture
                def colour(request):
                    return request.config.getoption("colour")
                """,
            f"{folder}/pytest.ini": """
                [pytest]
                addopts = --benchmark-disable -p toy_plugin --import-mode=importlib --junitxml=out/junit.xml
                strict_config = true
                strict_markers = true
                filterwarnings = error
                pythonpath = src
                log_level = INFO
                log_cli = true
                log_file = out/log.txt
                markers = toy
                usefixtures = everywhere
                benchmark_toy = yes
                """,
            f"{folder}/src/toy_library/__init__.py": """
                import os
                with open(os.environ["TOUCHED"], "a") as file:
                    file.write(f"{os.getpid()}\\n")
                """,
            f"{folder}/src/toy_library/values.py": "import this\nNUMBER = 7\n",
            f"{folder}/conftest.py": """
                import os, pytest, toy_library
                os.environ["SET_BY_PROJECT"] = "yes"
                stages = []
                def pytest_addoption(parser):
                    parser.addoption("--stage", default="none")
                    parser.addini("benchmark_toy", "of the project")
                def pytest_configure(config):
                    stages.append(config.getoption("--stage"))
                def pytest_runtest_setup(item):
                    assert item.function and item.fixturenames is not None and item.funcargs is not None
                def pytest_runtest_teardown(item, nextitem):
                    assert item.originalname
                @pytest.fixture
                def everywhere(): return os.environ["SET_BY_PROJECT"]
                @pytest.fixture
                def stage(request):
                    assert stages == [request.config.getoption("--stage")]
                    return stages[0]
                """,
            f"{folder}/experiments/deep/conftest.py": """
                import pytest
                @pytest.fixture
                def deep(everywhere): return everywhere * 2
                """,
            f"{folder}/experiments/deep/experiment_odd.py": """
                import logging, os, sys
                from pathlib import Path
                import pytest
                from toy_library.values import NUMBER
                from harness import experiment, grid

                class ExperimentOdd:
                    @pytest.mark.toy
                    @grid(text=["plain", "a b", "ünï", "x/y::z", "n\\nl"], deep=[None])
                    def experiment_odd(
                        self, trial, text, deep, stage, colour, request, tmp_path, monkeypatch
                    ):
                        assert (stage, colour, NUMBER) == ("late", "red", 7)
                        assert os.environ["SET_BY_PROJECT"] == "yes"
                        assert request.config.getini("benchmark_toy") == "yes"
                        assert os.environ["PYTEST_CURRENT_TEST"].endswith("(call)")
                        assert request.node.get_closest_marker("toy")
                        assert Path.cwd() == Path(os.environ["WHERE"])
                        assert str(request.config.rootpath) == os.path.join(os.getcwd(), FOLDER)
                        assert sys.argv[0].endswith(("pytest", "__main__.py"))
                        assert tmp_path.is_dir() and not list(tmp_path.iterdir())
                        monkeypatch.setenv("SET_BY_TRIAL", text)
                        logging.getLogger("toy").info("noted %s", text)
                        trial.log(mine=os.getpid() != int(os.environ["CONTROLLER"]), server=os.getppid())
                        assert 0.85 >= 0.86

                def experiment_after(trial, deep):
                    assert "SET_BY_TRIAL" not in os.environ
                    assert deep == "yesyes"
                """.replace("FOLDER", repr(inner)),
        }
    )
    monkeypatch.setenv("WHERE", str(pytester.path / where))
    monkeypatch.chdir(pytester.path / where)

    result = empty_project.run(
        f"{inner}/experiments", "--stage=late", "--colour=red", "-o", "benchmark_toy=yes", workers=2
    )

    result.assert_outcomes(failed=5, passed=1)
    result.stdout.no_fnmatch_line("*warning*")
    result.stdout.fnmatch_lines(["E *assert 0.85 >= 0.86", "INFO * noted plain"])
    known = runs(Store(empty_project.path / folder / ".harness"))[-1].records().trials
    odd = [record for record in known if record.experiment == "experiment_odd"]
    assert [record.logged["mine"] for record in odd] == [1.0] * 5
    (server,) = {record.logged["server"] for record in odd}
    importers = {int(line) for line in (pytester.path / "touched.txt").read_text().split()}
    assert os.getpid() in importers
    assert 2 <= len(importers) <= 3
    assert int(server) not in importers


OPTIONS = """
    import datetime, threading
    import pytest
    class Level:
        def __init__(self, text): self.text = text
    def pytest_addoption(parser):
        parser.addoption("--day", type=datetime.date.fromisoformat)
        parser.addoption("--level", type=Level)
        parser.addoption("--lock", type=lambda text: threading.Lock())
    @pytest.fixture
    def given(request):
        option = request.config.option
        return f"{option.day:%d.%m.%Y} {option.level.text}"
    """


@pytest.mark.parametrize("more", [[], ["--lock=x"]], ids=["", "lock"])
def test_options_that_json_has_no_word_for_travel_or_the_trials_stay_here(empty_project, more):
    empty_project.write(
        {
            "conftest.py": OPTIONS,
            "experiment_toy.py": """
                import os
                from harness import grid
                @grid(n=[1, 2])
                def experiment_toy(trial, n, given):
                    assert given == "24.12.2026 high"
                    trial.log(pid=os.getpid())
                """,
        }
    )

    result = empty_project.run("--day=2026-12-24", "--level=high", *more, workers=2)

    result.assert_outcomes(passed=2, warnings=len(more))
    here = {record.logged["pid"] == os.getpid() for record in records(empty_project).values()}
    assert here == {bool(more)}
    if more:
        result.stdout.fnmatch_lines(["*the value of the option 'lock' cannot be given to a worker*"])


SHARED = """
    import os, pytest
    from harness import grid

    def note(what):
        with open(os.environ["NOTES"], "a") as file:
            file.write(f"{what} {os.getpid()}\\n")

    @pytest.fixture(scope="session")
    def costly(tmp_path_factory):
        note("session")
        yield tmp_path_factory.mktemp("costly")
        note("session-end")

    @pytest.fixture(scope="module")
    def of_module(costly):
        note("module")
        yield
        note("module-end")
        if "first" in os.environ["FAULTY"]:
            print("about to fall")
            raise OSError("cannot close")
    """


def notes(project):
    """What was noted by each process, in order."""
    found: dict[str, list[str]] = {}
    for line in (project.path / "notes.txt").read_text().splitlines():
        what, pid = line.split()
        found.setdefault(pid, []).append(what)
    return found


def test_fixtures_are_shared_by_the_trials_of_a_worker_and_torn_down(empty_project, monkeypatch):
    monkeypatch.setenv("NOTES", str(empty_project.path / "notes.txt"))
    monkeypatch.setenv("FAULTY", "")
    trials = """
        import os
        from conftest import note
        from harness import grid

        @grid(n=[1, 2, 3, 4, 5, 6])
        def experiment_{name}(trial, n, of_module, costly, tmp_path):
            (tmp_path / "mine").touch()
            (costly / str(n)).touch()
            note("{name}")

        def experiment_free_{name}(trial): pass
        """
    empty_project.write(
        {
            "conftest.py": SHARED,
            "experiment_first.py": trials.format(name="first"),
            "experiment_second.py": trials.format(name="second"),
        }
    )

    empty_project.run(workers=2).assert_outcomes(passed=14)

    found = notes(empty_project)
    assert str(os.getpid()) not in found
    assert sum(done.count("first") for done in found.values()) == 6
    for done in found.values():
        assert done[0] == "session"
        assert done[-1] == "session-end"
        assert (done.count("session"), done.count("session-end")) == (1, 1)
        assert done.count("module") == done.count("module-end") == len({"first", "second"}.intersection(done))


def test_a_fault_in_the_tear_down_of_a_shared_fixture_is_an_error_of_the_last_trial(
    empty_project, monkeypatch
):
    monkeypatch.setenv("NOTES", str(empty_project.path / "notes.txt"))
    monkeypatch.setenv("FAULTY", "first")
    empty_project.write(
        {
            "conftest.py": SHARED,
            "experiment_first.py": """
                from harness import grid
                @grid(n=[1, 2, 3])
                def experiment_first(trial, n, of_module): trial.log(n=n)
                """,
        }
    )

    result = empty_project.run("-rA", "--workers=1")
    result.assert_outcomes(passed=3, errors=1)
    (here,) = [record for record in records(empty_project).values() if record.outcome == "raised"]
    apart = empty_project.run("-rA", "--workers=2")

    faults = sum(done.count("module") for done in notes(empty_project).values()) - 1
    apart.assert_outcomes(passed=3, errors=faults)
    apart.stdout.fnmatch_lines(
        ["*ERROR at teardown of experiment_first*", "E *OSError: cannot close", "about to fall"]
    )
    assert apart.ret == result.ret == pytest.ExitCode.TESTS_FAILED
    spoilt = [record for record in records(empty_project).values() if record.outcome == "raised"]
    assert len(spoilt) == faults
    assert "cannot close" in spoilt[0].message
    assert "cannot close" in here.message


def test_what_differs_from_process_to_process_runs_here_and_is_told(empty_project):
    """Node ids are addresses: one that a worker does not know, or that means something else there."""
    empty_project.write(
        {
            "experiment_toy.py": """
                import os
                import pytest
                from harness import experiment, grid

                class Thing: pass

                @experiment(maximize="pid")
                @pytest.mark.parametrize("n", [1, os.getpid()], ids=str)
                def experiment_ids(trial, n): trial.log(pid=os.getpid())

                @experiment(maximize="pid")
                @pytest.mark.parametrize("n", [1, os.getpid()], ids=["one", "pid"])
                def experiment_values(trial, n): trial.log(pid=os.getpid())

                @experiment(maximize="pid")
                @pytest.mark.parametrize("thing", [Thing(), Thing()], ids=["a", "b"])
                def experiment_addresses(trial, thing): trial.log(pid=os.getpid())
                """
        }
    )

    result = empty_project.run(workers=2)

    result.assert_outcomes(passed=6, warnings=1)
    result.stdout.fnmatch_lines(
        ["*trials ran in this process, not in workers: *differ* from process to process"]
    )
    where = {trial: record.logged["pid"] == os.getpid() for trial, record in records(empty_project).items()}
    assert where == {
        "1": False, str(os.getpid()): True, "one": False, "pid": True, "a": False, "b": False
    }  # fmt: skip


def test_large_outputs_and_records_arrive_whole(empty_project):
    empty_project.write(
        {
            "experiment_large.py": """
                from harness import grid
                @grid(n=[1, 2])
                def experiment_large(trial, n, record_property):
                    print("é" * 5_000_000 + f"END {n}")
                    record_property("long", "x" * 3_000_000)
                    trial.log(**{f"metric_{i}": i / 7 for i in range(100_000)})
                """
        }
    )

    result = empty_project.run("-s", "--junitxml=seen.xml", workers=2)

    result.assert_outcomes(passed=2)
    assert {"END 1", "END 2"} <= {line[-5:] for line in result.outlines}
    assert all(record.logged["metric_99999"] == 99999 / 7 for record in records(empty_project).values())
    assert json.dumps("x" * 3_000_000)[1:-1] in (empty_project.path / "seen.xml").read_text()


def test_a_trial_that_asks_for_anothers_session_runs_here(empty_project):
    """Fixtures of pytest's own session and of installed plugins; async functions need a plugin, too."""
    empty_project.write(
        {
            "conftest.py": """
                import pytest
                @pytest.fixture
                def through(cache): return cache
                @pytest.fixture(autouse=True)
                def anyio_backend(): return "asyncio"
                """,
            "experiment_toy.py": """
                import os
                import pytest
                from harness import experiment

                def experiment_cache(trial, through):
                    through.set("toy/key", [1])
                    trial.log(pid=os.getpid())
                def experiment_benchmark(trial, benchmark):
                    benchmark(len, "toy")
                    trial.log(pid=os.getpid())
                @pytest.mark.usefixtures("cache")
                def experiment_marked(trial): trial.log(pid=os.getpid())
                @pytest.mark.anyio
                async def experiment_async(trial): trial.log(pid=os.getpid())
                def experiment_other(trial, tmp_path): trial.log(pid=os.getpid())
                def experiment_another(trial, tmp_path): trial.log(pid=os.getpid())
                def gate_cache(experiment_cache, cache): assert cache.get("toy/key", None) == [1]
                """,
        }
    )

    result = empty_project.run(workers=2)

    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*benchmark: 1 tests*"])
    store = runs(Store(empty_project.path / ".harness"))[-1].records().trials
    here = {record.experiment for record in store if record.logged["pid"] == os.getpid()}
    assert here == {"experiment_cache", "experiment_benchmark", "experiment_marked", "experiment_async"}
