"""A process' end is said in words; of its crash report the user's own frames are shown."""

from __future__ import annotations

import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import harness
from harness.pool.endings import crash, ended


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "ended with exit code 0"),
        (139, "ended with exit code 139"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-signal.SIGKILL, "was killed by SIGKILL: out of memory?"),
        (-signal.SIGABRT, "was killed by SIGABRT"),
        (-99, "was killed by signal 99"),
        (None, "ended, and it is not known how"),
    ],
)
def test_an_end_is_said_in_words(status, text):
    assert ended(status) == text


PACKAGE, PYTHON = Path(harness.__file__).parent, Path(sysconfig.get_path("stdlib"))
REPORT = f"""a line of the user's
Fatal Python error: Segmentation fault

Thread 0x00007f84e93ff6c0 (most recent call first):
  File "{PACKAGE}/pool/frames.py", line 41 in _exactly
  File "{PYTHON}/threading.py", line 982 in run

Thread 0x00007f84e93ff6d1 (most recent call first):
  File "{PYTHON}/queue.py", line 41 in get
  File "/venv/site-packages/joblib/pool.py", line 7 in work
  File "{PYTHON}/threading.py", line 982 in run

Current thread 0x00007f84f5e88b80 (most recent call first):
  File "{PYTHON}/ctypes/__init__.py", line 519 in string_at
  File "/home/it's mine/experiment_a.py", line 8 in experiment_a
  File "/venv/site-packages/_pytest/python.py", line 187 in pytest_pyfunc_call
  File "/venv/site-packages/pluggy/_execution.py", line 147 in _multicall
  File "{PACKAGE}/worker.py", line 202 in _perform
  File "<frozen runpy>", line 88 in _run_code
  File "<string>", line 1 in <module>

Extension modules: numpy._core._multiarray_umath (total: 161)
the last line"""

SHOWN = f"""a line of the user's
Fatal Python error: Segmentation fault

Thread 0x00007f84e93ff6d1 (most recent call first):
  File "{PYTHON}/queue.py", line 41 in get
  File "/venv/site-packages/joblib/pool.py", line 7 in work

Current thread 0x00007f84f5e88b80 (most recent call first):
  File "{PYTHON}/ctypes/__init__.py", line 519 in string_at
  File "/home/it's mine/experiment_a.py", line 8 in experiment_a

the last line"""


def test_a_crash_report_shows_the_frames_of_others_and_what_they_called():
    assert crash(REPORT) == SHOWN


def test_a_report_of_this_python_is_understood():
    """As faulthandler writes it now, which no standard fixes."""
    code = "import faulthandler, ctypes; faulthandler.enable()\ndef mine(): ctypes.string_at(0)\nmine()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    shown = crash(done.stderr.replace('"<string>"', '"/home/mine.py"'))

    assert "Current thread" in shown
    assert 'File "/home/mine.py", line 2 in mine' in shown
    assert "Extension modules" not in shown


@pytest.mark.parametrize("text", ["", "just\n\nprinted", 'Traceback:\n  File "x"\nError: 1'])
def test_other_output_is_left_as_it_is(text):
    assert crash(text) == text
