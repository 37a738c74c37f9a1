"""A rehearsed job's processes print, end, are ended in time, and never outlive who asked for them."""

from __future__ import annotations

import os
import signal
import sys
import textwrap

import pytest
from processes import processes
from rehearsed import alive, eventually

from harness.rehearsal.execution import Ending, Execution
from harness.rehearsal.isolation import Command

PATH = os.environ["PATH"]


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(script, *, seconds=60.0, grace=60.0, **variables):
        command = Command(
            argv=["/bin/sh", "-c", textwrap.dedent(script)],
            folder=tmp_path,
            environment={"PATH": PATH, **variables},
        )
        started.append(Execution(command, sorted(os.sched_getaffinity(0))[:1], seconds, grace))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


def finish(execution):
    printed = [line for chunk in execution.output() for line in chunk.decode().split("\n")]
    return printed, execution.ending()


def test_both_streams_and_the_exit_code_come_back(start):
    printed, ending = finish(start("echo one; echo two >&2; printf three; exit 3"))

    assert printed == ["one", "two", "three"]
    assert ending == Ending(code=3, reason="ended")


def test_a_job_that_is_killed_has_the_code_of_a_shell(start):
    assert finish(start("kill -9 $$"))[1] == Ending(code=137, reason="ended")


def test_a_job_sees_its_own_environment_folder_and_cores_only(start, tmp_path):
    script = f"env; pwd; exec {sys.executable} -c 'import os; print(len(os.sched_getaffinity(0)))'"

    printed, _ = finish(start(script, COLOUR="red"))

    variables = {line.partition("=")[0] for line in printed if "=" in line}
    assert variables <= {"PATH", "COLOUR", "PWD", "SHLVL", "_", "OLDPWD"}
    assert printed[-2:] == [str(tmp_path), "1"]


def test_an_environment_may_be_larger_than_an_argument(start):
    printed, _ = finish(start('echo "$LARGE" | wc -c', LARGE="ä" * 60_000))

    assert int(printed[0]) == 120_001


def test_a_stopped_job_may_tidy_up(start):
    execution = start("trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
    output = execution.output()
    assert next(output) == b"ready"

    execution.stop()

    assert b"tidied" in b"".join(output)
    assert execution.ending() == Ending(code=0, reason="stopped")


def test_a_stopped_job_may_tidy_up_in_what_it_has_started(start):
    inner = "trap 'sleep 0.2; echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    execution = start(f'sh -c "{inner}"; true')
    output = execution.output()
    assert next(output) == b"ready"

    execution.stop()  # which ends the outer shell at once

    assert b"tidied" in b"".join(output)
    assert execution.ending().reason == "stopped"


def test_a_job_that_does_not_care_is_ended_after_its_grace(start):
    execution = start("trap '' TERM; echo ready; while :; do sleep 0.01; done", grace=0.1)
    output = execution.output()
    assert next(output) == b"ready"

    execution.stop()

    assert list(output) == []
    assert execution.ending() == Ending(code=137, reason="stopped")


def test_a_job_that_takes_too_long_is_ended(start):
    assert finish(start("sleep 60", seconds=0.1))[1] == Ending(code=143, reason="overtime")


def test_what_a_job_leaves_behind_ends_with_it(start):
    left = "setsid sh -c 'echo $$; : > there; exec sleep 60' &"
    printed, ending = finish(start(f"{left} until [ -e there ]; do sleep 0.01; done"))

    assert ending == Ending(code=0, reason="ended")
    assert not alive(int(printed[0]))


def test_a_lost_job_is_gone_with_all_it_has_started(start):
    execution = start("setsid sh -c 'echo $$; exec sleep 60' & sleep 60")
    output = execution.output()
    pid = int(next(output))

    execution.kill()

    assert list(output) == []
    assert execution.ending() == Ending(code=137, reason="lost")
    assert not alive(pid)


def test_a_program_that_is_not_there_breaks_its_keeper_and_not_us(tmp_path):
    execution = Execution(Command(argv=["/nowhere"], folder=tmp_path, environment={}), [0], 60, 60)

    assert list(execution.output()) == []
    with pytest.raises(RuntimeError, match=r"(?s)the process that keeps a job broke: .*No such file"):
        execution.ending()


def test_no_process_outlives_whoever_asked_for_it():
    script = """
        import os, sys
        from pathlib import Path
        from harness.rehearsal.execution import Execution
        from harness.rehearsal.isolation import Command
        job = "setsid sh -c 'echo $$; exec sleep 60' & sleep 60"
        around = {"PATH": os.environ["PATH"]}
        command = Command(argv=["/bin/sh", "-c", job], folder=Path("/"), environment=around)
        for printed in Execution(command, [0], 60, 60).output():
            print(int(printed), flush=True)
    """
    with processes() as started:
        asking = started.start("-c", textwrap.dedent(script))
        pid = int(asking.stdout.readline())
        assert alive(pid)

        asking.send_signal(signal.SIGKILL)

        eventually(lambda: alive(pid), lambda lives: not lives)
