"""However a run is interrupted, it ends at once, keeps every finished trial and leaves nothing behind."""

from __future__ import annotations

import signal
import sqlite3
import sys

import pytest
from live import Live

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

TRIALS = """
import itertools, os, pathlib, subprocess, sys, time
import pytest
from harness import experiment, grid

HERE = pathlib.Path(__file__).parent

def sleep(): time.sleep(100)

def spin():
    while True: pass

def hold(): sum(itertools.repeat(0))   # C code that keeps the GIL and looks for no signals

def start():
    # What a trial starts, joblib's workers say, and sleeps itself.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    if hasattr(os, "fork") and not os.fork():
        time.sleep(100)
    time.sleep(100)

@experiment(maximize="n")
@grid(n=[0, 1, 2, 3, 4, 5, 6])
def experiment_toy(trial, n):
    trial.log(n=n)
    if n in (2, 4):
        (HERE / f"begun-{n}").touch()
        {"sleep": sleep, "spin": spin, "hold": hold, "start": start}[os.environ["HOW"]]()
    (HERE / f"done-{n}").touch()
"""


@pytest.fixture
def live(empty_project, monkeypatch):
    """Start a run of trials of which two never end; with them two others have."""
    made = []

    def run(how, *arguments):
        monkeypatch.setenv("HOW", how)
        empty_project.write({"experiment_toy.py": TRIALS})
        made.append(Live(empty_project.path, "--workers=2", *arguments))
        return made[-1]

    yield run
    for one in made:
        one.clear()


def under_way(run):
    """Wait until two trials never end and all others that were reached are in the journal; return these."""

    def done():
        return {f"n:{path.name[-1]}": "passed" for path in run.folder.glob("done-*")}

    run.wait_for_files("begun-2", "begun-4", "done-0", "done-1")
    run.wait_for(lambda: run.journal() == done(), "the journal")
    return done()


@pytest.mark.parametrize(
    ("how", "group"), [("sleep", True), ("spin", False), ("hold", True), ("start", False)]
)
def test_an_interrupt_ends_the_run_within_two_seconds(live, how, group):
    run = live(how)
    done = under_way(run)

    run.interrupt(group=group)
    took = run.stopped()
    code = run.end()

    assert took < 2
    assert code == pytest.ExitCode.INTERRUPTED
    assert run.left(0.5) == []
    assert run.journal() == done
    assert f"{len(done)} passed" in run.output
    assert "KeyboardInterrupt" in run.output
    assert f"{7 - len(done)} not run" in run.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_nothing_is_left_of_a_killed_run(live, number):
    run = live("hold" if number == signal.SIGKILL else "start")
    done = under_way(run)
    assert len(run.processes()) >= 4

    run.interrupt(number, group=False)
    code = run.end()

    assert code == -number
    assert run.left(2) == []
    assert run.journal() == done
    for path in (run.folder / ".harness").rglob("*lock*"):
        sqlite3.connect(path, timeout=0).execute("BEGIN EXCLUSIVE").close()


def test_a_second_interrupt_during_the_end_leaves_nothing(live):
    run = live("hold")
    done = under_way(run)

    run.interrupt()
    run.wait_for(lambda: run.took > 0.3)
    run.process.send_signal(signal.SIGINT)
    run.end()

    assert run.left() == []
    assert run.journal() == done


def test_an_interrupt_while_everything_is_still_starting_leaves_nothing(live):
    """The server imports; then workers collect: whenever it comes."""
    for when in (2, 3, 4):
        run = live("sleep")
        run.wait_for(lambda run=run, when=when: len(run.processes()) >= when, f"{when} processes")
        run.interrupt()
        run.end()
        assert run.left() == [], when


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--collect-only"], 0),
        (["-h"], 0),
        (["--fixtures"], 0),
        (["-k", "nothing_is_called_so"], 5),
        (["-k", "n:0 and"], 4),
        (["--no-such-option"], 4),
        (["experiment_missing.py", "experiment_toy.py"], 4),
        (["-o", "experiment_seed=x"], 4),
    ],
    ids=str,
)
def test_runs_that_run_nothing_leave_no_process(live, arguments, code):
    run = live("sleep", *arguments)

    assert run.end() == code
    assert run.left(0.5) == []


def test_a_file_that_cannot_be_collected_leaves_no_process(live, empty_project):
    empty_project.write({"experiment_broken.py": "import no_such_module\n"})
    run = live("sleep")

    assert run.end() == pytest.ExitCode.INTERRUPTED
    assert run.left(0.5) == []
    assert "no_such_module" in run.output


def test_after_an_interrupt_no_baseline_is_fitted(project):
    """On large data it would take longer than the two seconds that somebody waits."""
    project.write(
        {
            "experiments/conftest.py": """
                import harness.bests

                def pytest_sessionstart():
                    harness.bests.baseline = None
                """,
            "experiments/experiment_shops.py": """
                from sklearn.tree import DecisionTreeClassifier
                from harness import grid

                @grid(max_depth=[1, 2, 3])
                def experiment_tree(scaled, trial, max_depth):
                    if max_depth == 3:
                        raise KeyboardInterrupt
                    trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)
                """,
        }
    )

    result = project.run_apart("experiments")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["experiment_tree     2/3  roc_auc    0.????"])
