"""Old runs leave the store when nobody needs them any more."""

import os
import time

import pytest
from tracked import STARTED, begin, record, trial

from harness.retention import prune
from harness.tracking import deliver

pytestmark = pytest.mark.usefixtures("apart_from_mlflow")


@pytest.fixture
def project(tmp_path):
    return tmp_path.name


def left(store):
    return sorted(path.name for path in store.path("runs").iterdir() if path.is_dir())


def test_the_oldest_runs_are_pruned_only_when_nothing_in_them_is_wanted(store, project, database):
    for i in range(4):
        record(begin(store, project, id=f"delivered-{i}", started=STARTED + i), trial(0))
    record(begin(store, project, id="withheld", started=STARTED + 4), trial(0)).withhold()
    record(begin(store, project, id="unfinished", started=STARTED - 2), trial(0), exit=None)
    deliver(store, root=store.root.parent, uri=database)
    record(begin(store, project, id="due", started=STARTED - 1), trial(0))

    assert prune(store, keep=6) == 0
    assert prune(store, keep=1) == 4
    assert left(store) == ["due", "unfinished", "withheld"]
    assert prune(store, keep=0) == 1


def test_a_run_that_died_is_pruned_a_day_after_its_last_record(store, project, database):
    hour = 60 * 60
    ages = {"died": 25, "alone": 25, "going-on": 23, "due": 25, "newest": 25}
    for i, id in enumerate(ages):
        folder = begin(store, project, id=id, started=STARTED + i)
        if id != "alone":  # died before its first record
            record(folder, trial(0), exit=None)
        if id != "due":
            folder.withhold()
    for id, hours in ages.items():
        journal = store.path("runs", id, "journal.jsonl")
        if journal.exists():
            os.utime(journal, (time.time() - hours * hour,) * 2)

    assert prune(store, keep=1) == 2
    assert left(store) == ["due", "going-on", "newest"]


def test_a_run_with_the_newest_result_of_a_trial_stays(store, project):
    done = {"fingerprint": {"source": "s"}}
    for i, (id, trials) in enumerate(
        {
            "superseded": [trial(0, **done)],
            "newest of 0": [trial(0, **done)],
            "failed": [trial(1, outcome="failed", **done)],
            "newest of 2": [trial(2, outcome="pruned", **done), trial(3, **done)],
            "of unknown source": [trial(4)],
            "newest of 3": [trial(3, **done)],
        }.items()
    ):
        record(begin(store, project, id=id, started=STARTED + i), *trials).withhold()

    assert prune(store, keep=1) == 3
    assert left(store) == ["newest of 0", "newest of 2", "newest of 3"]
    assert prune(store, keep=1, sources=1) == 1
    assert left(store) == ["newest of 2", "newest of 3"]
