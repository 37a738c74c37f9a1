"""What a rehearsed run of SageMaker costs beside the same trials here: a grid of trials that do nothing.

    python benchmarks/rehearsal.py [--rounds 3]

Needs `pip install -e '.[rehearsal]'`. Prints, of alternating rounds, medians with lowest and highest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness.rehearsal.service import Rehearsal

GRID = """
from harness import experiment, grid

@experiment(maximize="speed")
@grid(a={values}, b=[1, 2])
def experiment_noop(trial, a, b):
    trial.log(speed=a * b)
"""
FEW, MANY = 4, 24
"""Trials: what two runs differ in is the cost of their trials, without that of a start."""
SUBMITTED = "CreateHyperParameterTuningJob"


def project(folder: Path, trials: int) -> Path:
    """Write a project of so many trials."""
    made = folder / f"noop-{trials}"
    made.mkdir()
    (made / "pytest.ini").write_text("[pytest]\n")
    (made / "experiment_noop.py").write_text(GRID.format(values=list(range(trials // 2))))
    return made


def run(folder: Path, *arguments: str, rehearsal: Rehearsal | None = None) -> tuple[float, float]:
    """Return the seconds of a run, and those from the end of collection to its submission (0 without)."""
    environment = {**os.environ, **({"HARNESS_REHEARSAL": rehearsal.endpoint} if rehearsal else {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    submitted = threading.Event()
    seen: list[float] = []
    before = 0 if rehearsal is None else sum(call[1] == SUBMITTED for call in rehearsal.journal.calls())

    def look() -> None:
        while rehearsal is not None and not submitted.is_set():
            if sum(call[1] == SUBMITTED for call in rehearsal.journal.calls()) > before:
                seen.append(time.perf_counter())
                return
            time.sleep(0.005)

    watcher = threading.Thread(target=look)
    start = time.perf_counter()
    command = [sys.executable, "-u", "-m", "pytest", "--no-tracking", "-p", "no:cacheprovider", *arguments]
    collected = start
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        watcher.start()
        for line in process.stdout or ():
            if line.startswith("collected"):
                collected = time.perf_counter()
    seconds = time.perf_counter() - start
    submitted.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"the run in {folder} ended with {process.returncode}")
    return seconds, seen[0] - collected if seen else 0.0


def shown(values: list[float]) -> str:
    """Return a median with lowest and highest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> None:
    """Measure and print."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    here: list[float] = []
    there: list[float] = []
    submissions: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Rehearsal(Path(name), instances=2) as played:
        few, many = (project(Path(name), trials) for trials in (FEW, MANY))
        rehearsed = ("--backend=sagemaker", "--rehearse")
        for _ in range(rounds):
            here.append((run(many)[0] - run(few)[0]) / (MANY - FEW))
            base, _ = run(few, *rehearsed, rehearsal=played)
            seconds, submission = run(many, *rehearsed, rehearsal=played)
            there.append((seconds - base) / (MANY - FEW))
            submissions.append(submission)
        kind = played.address.isolation
        print(f"isolation: {kind}, 2 jobs at once, {os.cpu_count()} cores, {rounds} rounds")
    print(f"seconds a trial, rehearsed:        {shown(there)}")
    print(f"seconds a trial, here:             {shown(here)}")
    print(f"seconds to submit {MANY} trials:      {shown(submissions)}")


if __name__ == "__main__":
    main()
