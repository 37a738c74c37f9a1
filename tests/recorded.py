"""What a mini-project's runs left in the store: a folder in, typed records out."""

from pathlib import Path
from typing import Any

from harness.results import TrialRecord
from harness.rundir import Records, RunFolder, runs
from harness.store import Store


def last_run(path: Path) -> RunFolder:
    """Return the newest run of the project at `path`."""
    return runs(Store(path / ".harness"))[-1]


def records(path: Path) -> Records:
    """Return what the newest run of the project at `path` recorded."""
    return last_run(path).records()


def trials(path: Path, experiment: str) -> list[TrialRecord]:
    """Return the trials of an experiment in the newest run, in the order in which they ran."""
    return [trial for trial in records(path).trials if trial.experiment == experiment]


def searched(index: int, **fields: Any) -> TrialRecord:
    """Return the record of a trial of a search, which passed unless `fields` say otherwise."""
    return TrialRecord(
        **{
            "node_id": f"x.py::experiment_x[trial:{index:02}]",
            "experiment": "experiment_x",
            "index": index,
            "id": f"trial:{index:02}",
            "params": {},
            "outcome": "passed",
            **fields,
        }
    )
