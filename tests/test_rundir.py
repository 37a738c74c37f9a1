import json

import pytest

from harness.results import BestRecord, ContractRecord, GateRecord, RunRecord, TrialRecord
from harness.rundir import Mark, RunFolder, runs
from harness.store import Store

RUN = RunRecord(
    id="r1", project="p", started=5.0, backend="local", harness_version="1", commit=None, dirty=None
)
TRIAL = TrialRecord(
    node_id="e.py::experiment_a[C:1]",
    experiment="experiment_a",
    index=0,
    id="C:1",
    params={"C": 1},
    outcome="passed",
    scores={"validation": {"roc_auc": 0.75}},
    curves={"loss": [0.5, 0.25]},
)
CONTRACT = ContractRecord(
    node_id="e.py::contract[d]",
    dataset="d",
    outcome="passed",
    contract=None,
    verdict="passed with warnings",
    violations=["age: 3 values are below 0"],
)
GATE = GateRecord(
    node_id="e.py::gate_a", name="gate_a", outcome="passed", experiments=["experiment_a"], opened=["d"]
)
BEST = BestRecord(experiment="experiment_a", node_id=TRIAL.node_id, baseline={"roc_auc": 0.5})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".harness")


@pytest.fixture
def folder(store):
    return RunFolder.create(store, RUN)


def test_records_come_back_as_they_were_written(store, folder):
    for record in (CONTRACT, TRIAL, GATE, BEST):
        folder.record(record)
    folder.finish(1, 9.0)

    found = runs(store)[0].records()
    assert (found.contracts, found.trials, found.gates, found.bests) == ([CONTRACT], [TRIAL], [GATE], [BEST])
    assert (found.exit, found.ended, found.finished) == (1, 9.0, True)
    assert runs(store)[0].run == RUN


def test_a_run_without_an_end_is_not_finished(folder):
    folder.record(TRIAL)
    assert not folder.records().finished


def test_of_two_records_of_one_trial_the_later_counts_at_the_place_of_the_first(folder):
    other = TrialRecord.from_json({**TRIAL.to_json(), "node_id": "e.py::experiment_a[C:2]"})
    again = TrialRecord.from_json({**TRIAL.to_json(), "outcome": "failed"})
    for record in (TRIAL, other, again):
        folder.record(record)
    assert folder.records().trials == [again, other]


def test_a_line_cut_off_by_a_kill_costs_only_itself(folder):
    folder.record(TRIAL)
    path = folder.path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind": "trial", "node_id": "e.p')
    folder.record(GATE)

    found = folder.records()
    assert (found.trials, found.gates) == ([TRIAL], [GATE])


@pytest.mark.parametrize("line", [{"kind": "later"}, {"kind": "trial", "node_id": "x"}, {"no": "kind"}])
def test_a_record_of_another_version_is_left_out(folder, line):
    folder.record(TRIAL)
    with (folder.path / "journal.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert folder.records().trials == [TRIAL]


def test_runs_are_listed_oldest_first_and_broken_folders_left_out(store):
    for name, started in (("b", 1.0), ("a", 3.0), ("c", 1.0)):
        RunFolder.create(store, RunRecord.from_json({**RUN.to_json(), "id": name, "started": started}))
    store.path("runs", "empty").mkdir()
    store.write_bytes(b"{", "runs", "torn", "run.json")
    store.write_json([], "runs", "list", "run.json")
    store.write_json({"id": "half"}, "runs", "half", "run.json")
    store.write_json(RUN.to_json(), "runs", "copied", "run.json")  # its records are those of another
    assert [folder.run.id for folder in runs(store)] == ["b", "c", "a"]


def test_no_store_has_no_runs(tmp_path):
    assert runs(Store(tmp_path / "none")) == []


def test_marks_are_kept_by_store_and_key_and_the_latest_counts(folder):
    first, again = Mark("sqlite:///a", "trial:x", "m1", "d1"), Mark("sqlite:///a", "trial:x", "m1", "d2")
    other = Mark("http://b", "trial:x", "m9", "d1")
    for mark in (first, other, again):
        folder.mark(mark)
    with (folder.path / "delivered.jsonl").open("a") as file:
        file.write('{"uri": "sqlite:///a"}\n')
    assert folder.delivered() == {"sqlite:///a": {"trial:x": again}, "http://b": {"trial:x": other}}


def test_a_journal_is_known_by_the_texts_in_it(folder):
    assert not folder.mentions(["e.py"])  # nothing is recorded yet
    odd = 'é.py::experiment_a["1"]'
    folder.record(TrialRecord.from_json({**TRIAL.to_json(), "node_id": odd}))
    assert folder.mentions(["absent", odd])
    assert not folder.mentions(["absent", "experiment_b"])
    assert not folder.mentions([])


def test_a_settled_run_is_unsettled_by_the_next_record(folder):
    folder.record(TRIAL)
    assert not folder.settled
    folder.settle(folder.size)
    assert folder.settled
    folder.record(GATE)
    assert not folder.settled


def test_a_withheld_run_stays_settled(folder):
    folder.withhold()
    folder.record(TRIAL)
    assert folder.settled


def test_a_deleted_folder_is_gone(store, folder):
    folder.record(TRIAL)
    folder.delete()
    assert runs(store) == []
