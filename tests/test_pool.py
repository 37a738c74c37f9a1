"""Workers die, hang, refuse and exit; the run goes on, tells what happened and loses nothing."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import harness.workforce
from harness.pool.processes import limited
from harness.pool.spawned import Spawn
from harness.rundir import runs
from harness.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

DEATHS = """
    import ctypes, os, resource, signal, sys, threading, time
    import pytest
    from harness import experiment, grid

    def exhaust():
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 28), -1))
        bytearray(1 << 30)

    HOW = {
        "exit-0": lambda: os._exit(0),
        "exit-3": lambda: os._exit(3),
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "segfault": lambda: ctypes.string_at(0),
        "abort": os.abort,
        "from a thread": lambda: (threading.Thread(target=os._exit, args=[7]).start(), time.sleep(60)),
        "memory": exhaust,
    }

    @pytest.fixture(scope="session")
    def shared():
        yield 1

    @experiment(maximize="n")
    @grid(n=[1, 2], how=[*HOW, "not"])
    def experiment_dying(trial, n, how, shared):
        print("printed before")
        trial.log(n=n)
        if how == "exit-3":
            print("said at last", file=sys.__stderr__, flush=True)
            os.write(1, b"lost in the capture")
        if how != "not":
            HOW[how]()

    def gate_living(experiment_dying):
        assert experiment_dying.best.params == {"n": 2, "how": "not"}
    """


def last(project):
    """The records of the last run's trials, by what stands in brackets."""
    trials = runs(Store(project.path / ".harness"))[-1].records().trials
    return {record.id or record.experiment: record for record in trials}


def test_a_dead_worker_is_an_error_of_its_one_trial_with_the_signal_named(empty_project):
    empty_project.write({"experiment_dying.py": DEATHS})

    result = empty_project.run("-rE", "--junitxml=seen.xml", workers=2)

    # Without memory Python raises an error, as it does in this process.
    result.assert_outcomes(passed=3, failed=2, errors=12)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of experiment_dying?n:1-how:segfault? *",
            "the worker was killed by SIGSEGV",
            "*what the worker printed last*",
            "Fatal Python error: Segmentation fault",
            '  File "*experiment_dying.py", line * in experiment_dying',
        ]
    )
    assert "_pytest" not in result.stdout.str()
    assert "Extension modules" not in result.stdout.str()
    assert result.stdout.str().count("test session starts") == 1
    found = {record.params["how"]: record for record in last(empty_project).values()}
    assert {how: record.message for how, record in found.items() if record.outcome == "error"} == {
        "exit-0": "the worker ended with exit code 0",
        "exit-3": "the worker ended with exit code 3",
        "kill": "the worker was killed by SIGKILL: out of memory?",
        "segfault": "the worker was killed by SIGSEGV",
        "abort": "the worker was killed by SIGABRT",
        "from a thread": "the worker ended with exit code 7",
    }
    assert found["memory"].outcome == "raised"
    assert "Segmentation fault" in found["segfault"].output
    assert all(record.seconds > 0 for record in found.values())
    cases = ElementTree.parse(empty_project.path / "seen.xml").iter("testcase")
    assert all(float(case.get("time", 0)) > 0 for case in cases if case.find("error") is not None)
    assert (empty_project.path / "seen.xml").read_text().count("<error") == 12
    assert not (empty_project.path / "core").exists()


def test_trials_of_milliseconds_survive_the_death_of_the_worker_that_held_them(empty_project):
    """They are handed out many at a time; one in seven kills its worker, and none runs twice."""
    empty_project.write(
        {
            "experiment_many.py": """
                import os
                from pathlib import Path
                from harness import experiment, grid
                RAN = Path(__file__).parent / "ran.txt"

                @experiment(maximize="n")
                @grid(n=range(60))
                def experiment_many(trial, n):
                    with RAN.open("a") as file:
                        file.write(f"{n}\\n")
                    trial.log(n=n)
                    if n > 12 and n % 7 == 0:
                        os._exit(1)
                """
        }
    )

    result = empty_project.run(workers=2)

    result.assert_outcomes(passed=53, errors=7)
    ran = (empty_project.path / "ran.txt").read_text().split()
    assert sorted(map(int, ran)) == list(range(60))


@pytest.mark.parametrize("where", ["module", "collection"])
def test_trials_run_here_with_one_warning_where_workers_cannot_collect_them(
    empty_project, monkeypatch, where
):
    monkeypatch.setenv("CONTROLLER", str(os.getpid()))
    dying = "os._exit(5)" if where == "module" else 'raise OSError("no licence here")'
    empty_project.write(
        {
            "experiment_toy.py": f"""
                import os
                from harness import experiment, grid
                if str(os.getpid()) != os.environ["CONTROLLER"]:
                    {dying}

                @experiment(maximize="pid")
                @grid(n=[1, 2, 3])
                def experiment_toy(trial, n): trial.log(pid=os.getpid())
                """
        }
    )

    result = empty_project.run("-W", "error", workers=2)

    result.assert_outcomes(passed=3, warnings=1)
    told = "*PytestWarning: trials ran in this process, not in workers: a worker "
    if where == "module":
        result.stdout.fnmatch_lines([f"{told}ended with exit code 5 while it collected"])
    else:
        result.stdout.fnmatch_lines([f"{told}could not collect them: *", "  E   OSError: no licence here"])
    assert {record.logged["pid"] for record in last(empty_project).values()} == {os.getpid()}


def test_a_fork_server_that_dies_is_replaced(empty_project):
    """Its workers go on; whoever comes after it is forked from another one."""
    empty_project.write(
        {
            "experiment_toy.py": """
                import os, signal, time
                from harness import experiment, grid

                @experiment(maximize="n")
                @grid(n=[1, 2, 3, 4, 5, 6])
                def experiment_toy(trial, n):
                    trial.log(n=n, server=os.getppid())
                    if n == 2:
                        os.kill(os.getppid(), signal.SIGKILL)
                    if n in (3, 4):
                        os._exit(4)
                """
        }
    )

    result = empty_project.run(workers=2)

    result.assert_outcomes(passed=4, errors=2)
    found = last(empty_project)
    assert {trial for trial, record in found.items() if record.outcome == "error"} == {"n:3", "n:4"}
    result.stdout.fnmatch_lines(["the worker ended, and it is not known how"])
    assert found["n:6"].logged["server"] != found["n:1"].logged["server"]


def test_new_interpreters_do_where_there_is_no_fork(empty_project, monkeypatch):
    """What a user sees is the same: results, deaths, captured output."""
    monkeypatch.setattr(harness.workforce, "_launcher", lambda config, threads: Spawn(limited(threads)))
    monkeypatch.setattr("harness.plugin.SERVER", pytest.StashKey())
    empty_project.write(
        {
            "experiment_toy.py": """
                import os, signal, sys
                from harness import experiment, grid

                @experiment(maximize="pid")
                @grid(n=[1, 2, 3, 4])
                def experiment_toy(trial, n, tmp_path):
                    print("printed", n)
                    trial.log(pid=os.getpid(), parent=os.getppid())
                    if n == 2:
                        os.kill(os.getpid(), signal.SIGKILL)
                    assert n != 3
                """
        }
    )

    result = empty_project.run(workers=2)

    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["the worker was killed by SIGKILL: out of memory?", "E *assert 3 != 3", "printed 3"]
    )
    found = last(empty_project)
    assert {found[trial].logged["parent"] for trial in ("n:1", "n:3", "n:4")} == {os.getpid()}
    assert os.getpid() not in {record.logged.get("pid") for record in found.values()}


def test_a_trial_that_hangs_is_killed_and_says_where(empty_project):
    empty_project.write(
        {
            "experiment_hanging.py": """
                import itertools, time
                from harness import experiment, grid

                def wait(): time.sleep(100)
                def spin():
                    while True: pass
                def hold(): sum(itertools.repeat(0))

                @experiment(maximize="n")
                @grid(how=["wait", "no", "spin", "nor this", "hold"])
                def experiment_hanging(trial, how):
                    trial.log(n=1)
                    globals().get(how, lambda: None)()
                """
        }
    )

    result = empty_project.run("--trial-timeout=1", workers=2)

    result.assert_outcomes(passed=2, errors=3)
    result.stdout.fnmatch_lines(
        [
            "the trial ran longer than --trial-timeout=1 seconds and was killed",
            "Timeout (0:00:01)!",
            '  File "*experiment_hanging.py", line * in wait',
            '  File "*experiment_hanging.py", line * in experiment_hanging',
            '  File "*experiment_hanging.py", line * in spin',
            '  File "*experiment_hanging.py", line * in hold',
        ]
    )
    assert "_pytest" not in result.stdout.str()
    assert sorted(record.outcome for record in last(empty_project).values()) == ["error"] * 3 + ["passed"] * 2


def test_one_trial_alone_can_be_killed_too(empty_project):
    empty_project.write(
        {
            "experiment_hanging.py": """
                import time
                def experiment_hanging(trial): time.sleep(100)
                """
        }
    )

    empty_project.run("--trial-timeout=0.5", workers=None).assert_outcomes(errors=1)
    refused = empty_project.run("--trial-timeout=0.5", workers=1)

    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["ERROR: --trial-timeout=0.5 cannot kill a trial in this process: *"])


def test_under_x_nothing_starts_after_a_known_failure_and_what_runs_is_reported(empty_project):
    """Trial 2 fails while 1 runs; 1 ends well, 3 to 9 are never begun."""
    empty_project.write(
        {
            "experiment_toy.py": """
                import time
                from pathlib import Path
                from harness import experiment, grid
                HERE = Path(__file__).parent

                @experiment(maximize="n")
                @grid(n=range(1, 10))
                def experiment_toy(trial, n):
                    (HERE / f"begun-{n}").touch()
                    trial.log(n=n)
                    while not (HERE / f"begun-{3 - n}").exists():
                        time.sleep(0.01)
                    if n == 1:
                        time.sleep(0.5)
                    assert n != 2
                """
        }
    )

    result = empty_project.run("-x", workers=2)

    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert sorted(path.name for path in empty_project.path.glob("begun-*")) == ["begun-1", "begun-2"]
    assert {trial: r.outcome for trial, r in last(empty_project).items()} == {
        "n:1": "passed",
        "n:2": "failed",
    }
    result.stdout.fnmatch_lines(["*7 not run*", "*stopping after 1 failures*"])


def test_a_failure_in_flight_when_the_session_ends_is_reported(empty_project):
    """Trial 1 fails first; 2, in flight then, fails as well: both are told."""
    empty_project.write(
        {
            "experiment_toy.py": """
                import time
                from pathlib import Path
                from harness import grid
                HERE = Path(__file__).parent

                @grid(n=range(1, 10))
                def experiment_toy(trial, n):
                    (HERE / f"begun-{n}").touch()
                    while not (HERE / f"begun-{3 - n}").exists():
                        time.sleep(0.01)
                    if n == 2:
                        time.sleep(0.5)
                    assert False
                """
        }
    )

    result = empty_project.run("-x", "-rf", workers=2)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["FAILED *[[]n:1[]]*", "FAILED *[[]n:2[]]*"])


@pytest.mark.parametrize("how", ["pytest.exit('enough', returncode=7)", "raise KeyboardInterrupt"])
def test_a_trial_that_ends_the_session_ends_it_here_as_well(empty_project, how):
    empty_project.write(
        {
            "experiment_toy.py": f"""
                import pytest, time
                from harness import grid
                @grid(n=range(1, 30))
                def experiment_toy(trial, n):
                    if n == 3:
                        {how}
                    time.sleep(0.05)
                def gate_toy(experiment_toy): assert False, "judged"
                """
        }
    )

    result = empty_project.run(workers=2)

    assert result.parseoutcomes()["passed"] in (2, 3)  # the neighbour may have come to its end
    if "exit" in how:
        assert result.ret == 7
        result.stdout.fnmatch_lines(["!*Exit: enough !*"])
    else:
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(["!*KeyboardInterrupt !*"])


def test_a_fault_in_tearing_down_what_trials_shared_is_shown_as_in_one_process(empty_project):
    empty_project.write(
        {
            "experiment_toy.py": """
                import pytest
                from harness import grid

                @pytest.fixture(scope="module")
                def falling():
                    yield
                    raise RuntimeError("it fell")

                @grid(n=[1, 2])
                def experiment_toy(trial, n, falling): trial.log(n=n)
                """
        }
    )

    here, there = (empty_project.run(workers=n).stdout.str() for n in (1, 2))

    for shown in (here, there):
        section = shown[shown.index("ERROR at teardown of") :].partition("____ ERROR")[0]
        assert section.count("\n") < 30
        assert "E       RuntimeError: it fell" in section
        assert "pluggy" not in section


def test_the_death_of_a_worker_while_it_tears_down_is_told(empty_project):
    empty_project.write(
        {
            "experiment_toy.py": """
                import os, pytest
                from harness import experiment, grid

                @pytest.fixture(scope="session")
                def falling():
                    yield
                    os._exit(9)

                @experiment(maximize="n")
                @grid(n=[1, 2])
                def experiment_toy(trial, n, falling): trial.log(n=n)
                """
        }
    )

    result = empty_project.run(workers=2)

    errors = result.parseoutcomes()["errors"]
    assert errors in (1, 2)  # workers that had a trial
    result.assert_outcomes(passed=2, errors=errors)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of *",
            "the worker ended with exit code 9 while it tore down what trials had shared",
        ]
    )
    assert [record.outcome for record in last(empty_project).values()].count("raised") == errors


def test_processes_that_trials_leave_behind_end_with_their_worker(empty_project):
    empty_project.write(
        {
            "experiment_toy.py": """
                import os, subprocess, sys
                from pathlib import Path
                from harness import grid
                @grid(n=[1, 2])
                def experiment_toy(trial, n):
                    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
                    Path(__file__).with_name(f"child-{n}").write_text(str(child.pid))
                    if n == 2:
                        os._exit(1)
                """
        }
    )

    empty_project.run(workers=2).assert_outcomes(passed=1, errors=1)

    for path in empty_project.path.glob("child-*"):
        assert not _lives(int(path.read_text()))


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_results_of_threads_that_meet_a_mistake_of_ours_are_not_waited_for(empty_project, monkeypatch):
    """A fault in the pytest process is told as an internal error; nobody hangs."""

    def broken(self, node_id, answer):
        raise ZeroDivisionError("of the harness")

    monkeypatch.setattr("harness.roster.Roster.arrived", broken)
    empty_project.write(
        {"experiment_toy.py": "def experiment_a(trial): pass\ndef experiment_b(trial): pass\n"}
    )

    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads meet everywhere
    try:
        result = empty_project.run(workers=2)
    finally:
        sys.setswitchinterval(often)

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["INTERNALERROR> ZeroDivisionError: of the harness"])


def test_interrupts_are_not_inherited_by_workers(empty_project):
    """Each worker leads a process group, away from the terminal's."""
    empty_project.write(
        {
            "experiment_toy.py": """
                import os, signal
                from harness import grid
                @grid(n=[1, 2])
                def experiment_toy(trial, n):
                    assert os.getpgid(0) == os.getpid()
                    assert os.getsid(0) not in (os.getpid(), SESSION)
                    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
                """.replace("SESSION", str(os.getsid(0)))
        }
    )

    empty_project.run(workers=2).assert_outcomes(passed=2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_workers_that_were_not_needed_are_not_waited_for(project):
    """The contract fails under -x while they collect: they are killed, and the run ends."""
    conftest = (project.path / "conftest.py").read_text().replace('target="sold"', 'target="slod"')
    slow = f"import os, time\nif os.getpid() != {os.getpid()}:\n    time.sleep(300)\n"
    project.write({"conftest.py": slow + conftest})

    result = project.run("-x", workers=2)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


def test_a_gate_that_fails_under_x_ends_the_run_and_trials_in_flight_are_reported(empty_project):
    empty_project.write(
        {
            "experiment_toy.py": """
                import time
                from pathlib import Path
                from harness import experiment, grid
                HERE = Path(__file__).parent

                @experiment(maximize="n")
                def experiment_a(trial): trial.log(n=1)

                def gate_a(experiment_a):
                    while not (HERE / "begun-1").exists():
                        time.sleep(0.01)
                    (HERE / "judged").touch()
                    assert False

                @grid(n=range(1, 10))
                def experiment_b(trial, n):
                    (HERE / f"begun-{n}").touch()
                    while not (HERE / "judged").exists():
                        time.sleep(0.01)
                    time.sleep(0.5)
                """
        }
    )

    result = empty_project.run("-x", workers=2)

    begun = len(list(empty_project.path.glob("begun-*")))
    assert begun in (1, 2)
    result.assert_outcomes(passed=1 + begun, failed=1)
    assert len(last(empty_project)) == 1 + begun
