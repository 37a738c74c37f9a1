import json

import pytest

from harness.earlier import Earlier, Miss, Wanted, changes
from harness.findings import Findings
from harness.fingerprint import UNSTABLE
from harness.results import MODEL, BestRecord, RunRecord, TrialRecord
from harness.reuse import Candidate, usable
from harness.rundir import RunFolder
from harness.store import Store

PRINT = {
    "source": "s1",
    "conftest.py": "c1",
    "data shops": "d1",
    "version of pandas": "3.0.1",
    "parameters": "p1",
}
NODE = "e.py::experiment_a[C:1]"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".harness")


def record(node_id=NODE, **fields):
    known = {
        "experiment": "experiment_a",
        "index": 3,
        "id": "C:1",
        "params": {"C": 1},
        "outcome": "passed",
        "objective": "accuracy",
        "scores": {"validation": {"accuracy": 0.5}},
        "files": {MODEL: "trials/a-0003/model.pkl", "predictions": "trials/a-0003/predictions.npz"},
        "fingerprint": PRINT,
    }
    return TrialRecord(node_id=node_id, **known | fields)


def run(store, name, *records, started=None, exit=0, write=(MODEL, "predictions")):
    """A run of the store that has recorded something; exit=None: it died."""
    folder = RunFolder.create(
        store,
        RunRecord(
            id=name,
            project="p",
            started=float(name[1:]) if started is None else started,
            backend="local",
            harness_version="1",
            commit=None,
            dirty=None,
        ),
    )
    for made in records:
        for role in write:
            if role in made.files:
                path = folder.path / made.files[role]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
        folder.record(made)
    if exit is not None:
        folder.finish(exit, 9.0)
    return folder


def wanted(node_id=NODE, fingerprint=PRINT, **options):
    return Wanted(node_id=node_id, index=0, folder="trials/a-0000", fingerprint=fingerprint, **options)


def find(store, trial=None, current="r9"):
    trial = trial or wanted()
    found = Earlier(store, current).find([trial])
    assert found.keys() == {trial.node_id}
    return found[trial.node_id]


def test_an_equal_trial_is_found_and_takes_its_new_place(store):
    folder = run(store, "r1", record())
    found = find(store)
    assert isinstance(found, Candidate)
    assert found.record == record(
        index=0,
        files={MODEL: "trials/a-0000/model.pkl", "predictions": "trials/a-0000/predictions.npz"},
        reused_from="r1",
    )
    assert found.files == record().files
    assert found.source.path == folder.path
    assert found.whole


def test_artifacts_keep_their_folders(store):
    run(
        store,
        "r1",
        record(files={"artifact/x/y.png": "trials/a-0003/artifacts/x/y.png"}),
        write=["artifact/x/y.png"],
    )
    assert find(store).record.files == {"artifact/x/y.png": "trials/a-0000/artifacts/x/y.png"}


def test_a_trial_that_was_reused_itself_names_the_run_in_which_it_ran(store):
    run(store, "r2", record(reused_from="r1"))
    assert find(store).record.reused_from == "r1"


def test_of_equal_records_the_newest_is_taken_and_this_run_does_not_count(store):
    run(store, "r1", record())
    run(store, "r2", record())
    run(store, "r3", record())
    assert find(store, current="r3").source.run.id == "r2"


def test_an_older_run_counts_if_the_newer_had_other_code(store):
    run(store, "r1", record())
    run(store, "r2", record(fingerprint=PRINT | {"source": "s2"}))
    assert find(store).source.run.id == "r1"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("failed", "failed before"),
        ("raised", "failed before"),
        ("error", "was lost before"),
        ("skipped", "was skipped before"),
    ],
)
@pytest.mark.parametrize("older", [[], [record()]])
def test_what_did_not_finish_runs_again_even_if_it_once_did(store, outcome, reason, older):
    run(store, "r1", *older)
    run(store, "r2", record(outcome=outcome))
    assert find(store) == Miss(reason)


def test_a_failure_of_other_code_is_told_where_nothing_finished(store):
    run(store, "r1", record(outcome="raised", fingerprint=PRINT | {"source": "s2"}))
    assert find(store) == Miss("failed before")


def test_what_finished_after_a_failure_counts(store):
    run(store, "r1", record(outcome="failed"))
    run(store, "r2", record())
    assert isinstance(find(store), Candidate)


@pytest.mark.parametrize(
    ("exit", "reason"), [(None, "never finished"), (2, "never finished"), (1, "never ran before")]
)
def test_a_trial_without_a_record_was_interrupted_if_the_last_run_was(store, exit, reason):
    run(store, "r1", record("e.py::other"), exit=exit)
    assert find(store) == Miss(reason)


def test_an_empty_store_knows_nothing(store):
    assert find(store) == Miss("never ran before")
    run(store, "r9", record())
    assert find(store) == Miss("never ran before")


def test_a_run_that_was_killed_gives_what_it_finished(store):
    folder = run(store, "r1", record(), exit=None)
    with folder.path.joinpath("journal.jsonl").open("ab") as file:
        file.write(json.dumps({"kind": "trial", "node_id": "e.py::other"}).encode()[:-7])
    assert isinstance(find(store), Candidate)


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("source", "s2", "source of experiment_a"),
        ("conftest.py", "c2", "conftest.py"),
        ("module helpers.py", "m1", "module helpers.py"),
        ("data shops", "d2", "data shops"),
        ("parameters", "p2", "parameters"),
        ("version of pandas", "3.0.2", "pandas 3.0.1 → 3.0.2"),
        ("version of xgboost", "3.2.0", "xgboost none → 3.2.0"),
        ("seed", "1", "experiment_seed none → 1"),
        ("threads", "2", "threads none → 2"),
    ],
)
def test_a_part_that_changed_is_named(store, part, value, said):
    run(store, "r1", record())
    assert find(store, wanted(fingerprint=PRINT | {part: value})) == Miss(f"changed: {said}")


def test_several_parts_are_named_and_those_that_are_gone(store):
    run(store, "r1", record())
    now = {"source": "s2", "conftest.py": "c1", "data towns": "d1", "parameters": "p1"}
    said = ["source of experiment_a", "data towns", "data shops", "pandas 3.0.1 → none"]
    assert sorted(changes(wanted(fingerprint=now), record())) == sorted(said)


def test_changes_are_those_since_it_last_finished(store):
    run(store, "r1", record(fingerprint=PRINT | {"source": "s0"}))
    run(store, "r2", record(fingerprint=PRINT | {"data shops": "d0"}))
    run(store, "r3", record(fingerprint=PRINT | {"conftest.py": "c0"}, outcome="failed"))
    assert find(store) == Miss("changed: data shops")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("parameters", "parameters that mean something in one process only"),
        ("source", "source of experiment_a, which cannot be read"),
    ],
)
def test_what_is_unstable_never_equals_itself(store, part, said):
    unstable = PRINT | {part: UNSTABLE}
    run(store, "r1", record(fingerprint=unstable))
    assert find(store, wanted(fingerprint=unstable)) == Miss(f"changed: {said}")


@pytest.mark.parametrize("now", [{}, PRINT])
def test_a_record_without_a_fingerprint_equals_nothing(store, now):
    run(store, "r1", record(fingerprint={}))
    assert find(store, wanted(fingerprint=now)) == Miss("ran before without a fingerprint")


def test_of_a_search_the_parameters_are_those_of_the_record(store):
    run(store, "r1", record(params={"C": 0.25}))
    shared = {name: value for name, value in PRINT.items() if name != "parameters"}
    assert isinstance(find(store, wanted(fingerprint=shared)), Miss)
    assert find(store, wanted(fingerprint=shared, open=["parameters"])).record.params == {"C": 0.25}
    other = wanted(fingerprint=shared | {"source": "s2"}, open=["parameters"])
    assert find(store, other) == Miss("changed: source of experiment_a")


@pytest.mark.parametrize(
    "print_", [PRINT | {"parameters": UNSTABLE}, {k: v for k, v in PRINT.items() if k != "parameters"}]
)
def test_of_a_search_parameters_must_have_been_stable(store, print_):
    run(store, "r1", record(fingerprint=print_))
    shared = {name: value for name, value in PRINT.items() if name != "parameters"}
    assert isinstance(find(store, wanted(fingerprint=shared, open=["parameters"])), Miss)


def test_a_lost_file_makes_a_trial_run_again(store):
    folder = run(store, "r1", record())
    folder.path.joinpath("trials/a-0003/predictions.npz").unlink()
    assert find(store) == Miss("lost its predictions from the store")


def test_after_a_run_all_but_the_best_lack_their_model_and_are_usable_beside_it(store):
    nodes = {f"e.py::experiment_a[{i}]": value for i, value in enumerate([0.5, 0.9, 0.7])}
    folder = run(store, "r1", exit=None)
    findings = Findings(folder)
    for index, (node_id, value) in enumerate(nodes.items()):
        files = {role: f"trials/a-{index:04d}/{role}" for role in (MODEL, "predictions", "train_predictions")}
        for file in files.values():
            path = folder.path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        scores = {"validation": {"accuracy": value}}
        findings.take(record(node_id, index=index, files=files, scores=scores))
    findings.take(BestRecord(experiment="experiment_a", node_id="e.py::experiment_a[1]"))
    findings.close(0)

    found = Earlier(store, "r9").find(
        Wanted(node_id=n, index=i, folder=f"trials/a-{i:04d}", fingerprint=PRINT) for i, n in enumerate(nodes)
    )
    assert [found[node_id].whole for node_id in nodes] == [False, True, False]
    assert usable(found.values()) == nodes.keys()


def test_a_pruned_trial_knows_what_it_was_compared_with(store):
    others = [
        record("e.py::experiment_a[1]"),
        record("e.py::experiment_a[2]", outcome="failed"),
        record("e.py::experiment_b[1]", experiment="experiment_b"),
    ]
    run(store, "r1", record(outcome="pruned", files={}), *others)
    assert find(store).peers == {"e.py::experiment_a[1]"}
    assert find(store, wanted("e.py::experiment_a[1]")).peers == frozenset()


def read(store, monkeypatch, *trials):
    """Ids of the runs whose records were read, and what was found."""
    read = []
    records = RunFolder.records
    monkeypatch.setattr(RunFolder, "records", lambda folder: read.append(folder.run.id) or records(folder))
    return read, Earlier(store, "r9").find(trials)


def test_runs_are_read_only_until_all_is_known(store, monkeypatch):
    for number in (1, 2, 3):
        run(store, f"r{number}", record())
    assert read(store, monkeypatch, wanted())[0] == ["r3"]


def test_runs_that_do_not_mention_the_code_of_a_trial_that_finished_later_are_not_read(store, monkeypatch):
    for number, source in enumerate(["s0", "s1", "s0", "s0"]):
        run(store, f"r{number}", record(fingerprint=PRINT | {"source": source, "data shops": "d0"}))
    ids, found = read(store, monkeypatch, wanted())
    assert ids == ["r3", "r1"]
    assert found == {NODE: Miss("changed: source of experiment_a, data shops")}


def test_runs_that_do_not_mention_a_trial_without_a_result_are_not_read(store, monkeypatch):
    new = 'e.py::experiment_a["1"]'
    for number, node_id in enumerate(["e.py::x", new, "e.py::x", "e.py::x"]):
        run(store, f"r{number}", record(node_id))
    ids, found = read(store, monkeypatch, wanted(new))
    assert ids == ["r3", "r1"]
    assert isinstance(found[new], Candidate)


def test_for_many_trials_without_a_result_every_run_is_read(store, monkeypatch):
    for number in range(3):
        run(store, f"r{number}", record("e.py::x"))
    ids, _ = read(store, monkeypatch, *(wanted(f"e.py::{i}") for i in range(60)))
    assert ids == ["r2", "r1", "r0"]


def test_that_the_last_run_was_interrupted_is_known_even_if_it_does_not_mention_the_trial(store):
    run(store, "r1", record("e.py::x"))
    run(store, "r2", exit=None)
    assert find(store) == Miss("never finished")


def test_a_run_that_is_deleted_while_it_is_read_is_passed_over(store, monkeypatch):
    run(store, "r1", record())
    run(store, "r2", record())
    records = RunFolder.records

    def vanish(folder):
        if folder.run.id == "r2":
            folder.delete()
        return records(folder)

    monkeypatch.setattr(RunFolder, "records", vanish)
    assert find(store).source.run.id == "r1"


def test_many_trials_are_answered_in_one_go(store):
    run(
        store,
        "r1",
        record("a"),
        record("b", outcome="failed"),
        record("c", fingerprint=PRINT | {"source": "s0"}),
    )
    found = Earlier(store, "r9").find(wanted(name) for name in "abcd")
    assert isinstance(found["a"], Candidate)
    assert [found[name].reason for name in "bcd"] == [
        "failed before",
        "changed: source of experiment_a",
        "never ran before",
    ]
