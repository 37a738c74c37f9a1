"""A row in; its runners' runs, one after the other and round by round, out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from comparison import data, measure
from comparison.records import Results, Run
from comparison.runners import PROJECT, Runner
from comparison.workloads import Row

_SMALL = 1_000
"""Rows of data in a warm-up."""


_TAIL = 4_000
"""Characters kept of what a failed run printed."""


class Place(NamedTuple):
    """Where a runner runs."""

    folder: Path
    variables: Mapping[str, str]
    """Added to the environment."""


class Bench:
    """Measures rows; each run gets an empty folder in `folder`, which is removed after its round."""

    def __init__(self, folder: Path, runners: Mapping[str, Runner], seconds: float) -> None:
        self._folder = folder
        self._runners = runners
        self._seconds = seconds
        self._data: dict[int, data.Data] = {}
        self._warm: set[tuple[str, str]] = set()
        self._why: dict[str, str] = {}
        self._count = 0

    def measure(self, row: Row, repeats: int, *, warm_up: bool = True) -> Results:
        """Run every runner of a row once uncounted and on little data, then `repeats` rounds of all.

        Raises DifferentRows if the harness would train on other rows than its peers.
        """
        rows = self.rows(row.rows)
        unavailable = {name: why for name in row.runners if (why := self._unavailable(name))}
        names = [name for name in row.runners if name not in unavailable]
        runs: dict[str, list[Run]] = {name: [] for name in names}
        if warm_up:
            self._warm_up(row, names)
        for repeat in range(repeats):
            places: dict[str, Place] = {}
            for name in names:
                self._say(f"{row.name}: {self._runners[name].title}, {repeat + 1} of {repeats}")
                runs[name].append(self._run(name, row, rows, places))
            for place in places.values():
                shutil.rmtree(place.folder)
        self._say("")
        return Results(row.name, runs, unavailable)

    def _unavailable(self, name: str) -> str:
        if name not in self._why:
            self._why[name] = self._runners[name].unavailable()
        return self._why[name]

    def rows(self, count: int | None) -> data.Data | None:
        """Return the files of so many rows, made at first use, the harness's split being as expected.

        Raises DifferentRows if it is not.
        """
        if count is None:
            return None
        if count not in self._data:
            self._say(f"makes {count:,} rows")
            made = data.make(count, self._folder)
            seen = self._seen(made)
            data.check(made.arrays, seen)
            self._data[count] = made
        return self._data[count]

    def _seen(self, made: data.Data) -> Path:
        """Run an experiment that writes the rows that it is given; return its file."""
        folder = self._new_folder()
        for name in ("pytest.ini", "conftest.py", "experiments/experiment_rows.py"):
            shutil.copy(PROJECT / name, folder)
        shutil.copy(made.frame, folder / "rows.parquet")
        command = [sys.executable, "-m", "pytest", "experiment_rows.py", "--no-tracking"]
        told = subprocess.run(
            command, cwd=folder, env=measure.environment({}), capture_output=True, text=True, check=False
        )
        if told.returncode != 0:
            raise data.DifferentRows(f"the experiment that shows them failed:\n{told.stdout}{told.stderr}")
        return folder / "rows.npz"

    def _warm_up(self, row: Row, names: list[str]) -> None:
        """Let every runner compile and read what it imports; once a library is enough.

        The peers get two points; the harness's project always has its whole grid, if it has data.
        """
        cold = [name for name in names if (name, row.library) not in self._warm]
        if not cold:
            return
        first, *others = row.grid
        grid = {first: row.grid[first][:2], **{name: row.grid[name][:1] for name in others}}
        small = replace(row, rows=None if row.rows is None else _SMALL, grid=grid)
        rows = self.rows(small.rows)
        places: dict[str, Place] = {}
        # one that goes on in the folder of another needs it now, however warm that is from an earlier row
        before = {self._runners[name].after for name in cold}
        for name in (name for name in names if name in cold or name in before):
            self._say(f"{row.name}: {self._runners[name].title}, warm-up")
            self._run(name, small, rows, places)
            self._warm.add((name, row.library))

    def _run(self, name: str, row: Row, rows: data.Data | None, places: dict[str, Place]) -> Run:
        runner = self._runners[name]
        if runner.after is None:
            folder = self._new_folder()
            places[name] = Place(folder, runner.lay_out(folder, row, rows))
        folder, variables = places[runner.after or name]
        cost = measure.cost(runner.command(), folder, variables, self._seconds)
        self._say(f"{row.name}: {runner.title} took {cost.wall:.1f} s")
        output = (folder / measure.OUTPUT).read_text(errors="replace")
        problem = ""
        if cost.exit is None:
            problem = f"killed after {self._seconds:g} seconds"
        elif cost.exit:
            problem = f"exit code {cost.exit}: {_telling(output)}"
        else:
            try:
                return Run(cost=cost, answer=runner.answer(folder))
            except (OSError, ValueError, LookupError) as error:
                problem = f"gave no answer: {error!r}"
        self._say("")
        print(f"{row.name}: {runner.title}: {problem}\n{output[-_TAIL:]}", file=sys.stderr)
        return Run(cost=cost, answer=None, problem=problem, output=output[-_TAIL:])

    def _new_folder(self) -> Path:
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        return folder

    @staticmethod
    def _say(text: str) -> None:
        """Show what goes on: on a terminal in one line that changes, in a log a line each."""
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif text:
            print(text, file=sys.stderr, flush=True)


def _telling(output: str) -> str:
    """Return the line that says most of a failure: the last that names an error, or else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line]
    return (errors or lines or ["it printed nothing"])[-1]
