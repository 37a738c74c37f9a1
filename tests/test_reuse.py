import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bests import best
from harness.errors import StoreError
from harness.results import MODEL, RunRecord, TrialRecord
from harness.reuse import Candidate, adopt, leader, reuse, usable
from harness.rundir import RunFolder
from harness.store import Store


def folder(store, name, started=1.0):
    run = RunRecord(
        id=name, project="p", started=started, backend="local", harness_version="1", commit=None, dirty=None
    )
    return RunFolder.create(store, run)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".harness")


@pytest.fixture
def source(store):
    return folder(store, "r1")


@pytest.fixture
def target(store):
    return folder(store, "r2", 2.0)


def candidate(source, index, value, *, whole=True, outcome="passed", peers=(), greater=True, write=True):
    """A trial of `source` that stood one place further down there."""
    old = {
        role: f"trials/a-{index + 1:04d}/{role}.bin" for role in (MODEL, "predictions", "artifact/x/y.png")
    }
    record = TrialRecord(
        node_id=f"e.py::experiment_a[{index}]",
        experiment="experiment_a",
        index=index,
        id=str(index),
        params={},
        outcome=outcome,
        objective=None if value is None else "accuracy",
        greater_is_better=greater,
        scores={} if value is None else {"validation": {"accuracy": value}},
        files={role: f"trials/a-{index:04d}/{role}.bin" for role in old},
        reused_from="r1",
    )
    for role, path in old.items() if write else ():
        if role != MODEL or whole:
            file = source.path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{role} of {index}")
    return Candidate(record, source, old, whole, frozenset(peers))


def ids(*indices):
    return {f"e.py::experiment_a[{i}]" for i in indices}


def plain(*given, **options):
    """Candidates without files; each is (value, whole)."""
    return [candidate(None, i, v, whole=w, write=False, **options) for i, (v, w) in enumerate(given)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(0.5, True), (0.7, True)], [0, 1]),
        ([(0.5, False), (0.7, True)], [0, 1]),
        ([(0.5, True), (0.7, False)], [0]),
        ([(0.7, True), (0.7, False)], [0, 1]),  # ties go to the first declared
        ([(0.7, False), (0.7, True)], [1]),
        ([(0.5, False), (0.7, False)], []),
        ([(None, False), (0.7, False)], [0]),
        ([(0.9, False), (0.7, True), (0.6, False)], [1, 2]),
        ([], []),
    ],
)
def test_without_its_model_a_trial_is_usable_after_one_that_has_it(given, expected):
    assert usable(plain(*given)) == ids(*expected)


def test_where_less_is_better_the_order_is_the_other_way_round():
    assert usable(plain((0.5, False), (0.7, True), (0.9, False), greater=False)) == ids(1, 2)


def test_a_trial_that_this_run_ran_counts_like_one_with_its_model():
    (ran,) = plain((0.8, True))
    others = [candidate(None, i, v, whole=False, write=False) for i, v in ((1, 0.7), (2, 0.9))]
    assert usable(others, [ran.record]) == ids(1)


@pytest.mark.parametrize(("peers", "expected"), [([0], [0, 2]), ([0, 1], [0]), ([], [0, 2]), ([0, 9], [0])])
def test_a_pruned_trial_is_usable_beside_all_that_it_was_compared_with(peers, expected):
    finished = plain((0.7, True), (0.8, False))
    pruned = candidate(None, 2, 0.9, whole=False, outcome="pruned", peers=ids(*peers), write=False)
    assert usable([*finished, pruned]) == ids(*expected)


def test_a_pruned_trial_alone_runs_again():
    assert usable([candidate(None, 0, 0.5, outcome="pruned", write=False)]) == frozenset()


GIVEN = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.2, 0.3, 0.4, None]), st.booleans(), st.sampled_from(["passed", "pruned"])
    ),
    max_size=8,
)


@given(GIVEN, st.booleans())
def test_the_best_of_what_is_reused_always_has_its_model(given, greater):
    made = [
        candidate(None, i, value, whole=whole, outcome=outcome, greater=greater, write=False)
        for i, (value, whole, outcome) in enumerate(given)
    ]
    chosen = usable(made)
    winner = best([c.record for c in made if c.node_id in chosen])
    assert winner is None or next(c for c in made if c.record is winner).whole


@given(GIVEN, st.booleans())
def test_all_are_usable_once_the_leader_ran_again(given, greater):
    made = [
        candidate(None, i, value, whole=whole, greater=greater, write=False)
        for i, (value, whole, _) in enumerate(given)
    ]
    first = leader(made)
    if first is None:
        assert usable(made) == {c.node_id for c in made}
        return
    again = next(c for c in made if c.node_id == first)
    others = [c for c in made if c is not again]
    assert usable(others, [again.record]) == {c.node_id for c in others}


def test_reused_trials_have_their_files_in_the_new_run_at_their_new_place(source, target):
    found = candidate(source, 0, 0.5)
    assert reuse([found], target) == {found.node_id: found.record}
    for role, path in found.record.files.items():
        assert target.path.joinpath(path).read_text() == f"{role} of 0"
        assert "a-0000" in path
    source.delete()
    assert target.path.joinpath(found.record.files[MODEL]).read_text() == "model of 0"


def test_a_missing_model_is_named_still_so_that_the_next_run_knows(source, target):
    made = reuse([candidate(source, 0, 0.5, whole=False), candidate(source, 1, 0.6)], target)
    lacking = made["e.py::experiment_a[0]"]
    assert MODEL in lacking.files
    assert not target.path.joinpath(lacking.files[MODEL]).exists()
    assert target.path.joinpath(lacking.files["predictions"]).exists()


def test_what_the_new_run_drops_stays_in_the_old_one(source, target):
    found = candidate(source, 0, 0.5)
    reuse([found], target)
    target.path.joinpath(found.record.files[MODEL]).unlink()
    assert source.path.joinpath(found.files[MODEL]).read_text() == "model of 0"


def test_two_trials_may_change_places(source, target):
    made = [candidate(source, i, 0.5) for i in (0, 1)]  # the one's old folder is the other's new one
    reuse(made, target)
    for i, found in enumerate(made):
        assert target.path.joinpath(found.record.files["predictions"]).read_text() == f"predictions of {i}"


def test_a_file_that_is_gone_by_now_leaves_nothing_behind(source, target):
    found = candidate(source, 0, 0.5)
    source.path.joinpath(found.files["artifact/x/y.png"]).unlink()
    assert reuse([found], target) == {}
    assert list(target.path.rglob("*.bin")) == []


def test_a_run_that_is_deleted_meanwhile_is_as_if_it_had_never_been(source, target):
    made = [candidate(source, 0, 0.5), candidate(source, 1, 0.6, whole=False)]
    source.delete()
    assert reuse(made, target) == {}


def test_with_a_model_go_all_that_leant_on_it(source, target, store):
    elsewhere = folder(store, "r0", 0.0)
    winner = candidate(elsewhere, 0, 0.9)
    pruned = candidate(source, 3, 0.1, outcome="pruned", whole=False, peers=ids(1))
    made = [candidate(source, 1, 0.8, whole=False), candidate(source, 2, 0.5), winner, pruned]
    assert usable(made) == ids(0, 1, 2, 3)
    elsewhere.delete()
    assert reuse(made, target).keys() == ids(2)


@settings(max_examples=40, deadline=None)
@given(GIVEN, st.data())
def test_the_best_of_what_was_reused_has_all_its_files_whatever_vanished_before(given, data):
    with tempfile.TemporaryDirectory() as path:
        store = Store(Path(path))
        source, target = folder(store, "r1"), folder(store, "r2")
        made = [
            candidate(source, i, value, whole=whole, outcome=outcome)
            for i, (value, whole, outcome) in enumerate(given)
        ]
        files = sorted(source.path.glob("trials/**/*.bin"))
        for file in data.draw(st.lists(st.sampled_from(files), unique=True)) if files else ():
            file.unlink()
        taken = reuse(made, target)
        winner = best(list(taken.values()))
        assert winner is None or all(target.path.joinpath(f).exists() for f in winner.files.values())
        for record in taken.values():
            kept = {f for role, f in record.files.items() if role != MODEL}
            assert all(target.path.joinpath(f).exists() for f in kept)
        known = {f for record in taken.values() for f in record.files.values()}
        assert {f.relative_to(target.path).as_posix() for f in target.path.glob("trials/**/*.bin")} <= known


def no_links(monkeypatch):
    def link(*paths):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)


def test_without_links_files_are_copied(source, target, monkeypatch):
    no_links(monkeypatch)
    found = candidate(source, 0, 0.5)
    assert adopt(found, target)
    copied = target.path / found.record.files[MODEL]
    assert copied.read_text() == "model of 0"
    assert copied.stat().st_ino != source.path.joinpath(found.files[MODEL]).stat().st_ino
    assert list(target.path.rglob(".draft-*")) == []


def test_a_full_disk_is_told_and_leaves_no_half_file(source, target, monkeypatch):
    def half(source, goal):
        Path(goal).write_text("mod")
        raise OSError(errno.ENOSPC, "No space left on device")

    no_links(monkeypatch)
    monkeypatch.setattr(shutil, "copyfile", half)
    with pytest.raises(StoreError) as caught:
        adopt(candidate(source, 0, 0.5), target)
    assert "files of e.py::experiment_a[0] cannot be reused" in str(caught.value)
    assert "No space left on device; free space" in str(caught.value)
    assert [path for path in target.path.rglob("*") if path.is_file()] == [target.path / "run.json"]


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_reuse as t

def link(*paths):
    raise OSError(18, "Invalid cross-device link")

def copyfile(source, goal):
    Path(goal).write_text("mod")
    os.kill(os.getpid(), signal.SIGKILL)

os.link, shutil.copyfile = link, copyfile
store = t.Store(Path(sys.argv[1]))
t.adopt(t.candidate(t.folder(store, "r1"), 0, 0.5), t.folder(store, "r2"))
"""


def test_a_kill_leaves_no_half_file_under_a_name_that_counts(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, Path(__file__).parent], check=False)
    assert done.returncode == -signal.SIGKILL
    left = [path for path in tmp_path.joinpath("runs/r2").rglob("*") if path.is_file()]
    assert [path.name for path in left if not path.name.startswith(".draft-")] == ["run.json"]
    assert len(left) == 2  # the test did reach the copy


@pytest.mark.parametrize("links", [True, False])
def test_a_file_in_the_way_is_replaced_and_not_written_into(source, target, monkeypatch, links):
    found = candidate(source, 0, 0.5)
    goal = target.path / found.record.files[MODEL]
    goal.parent.mkdir(parents=True)
    other = target.path / "other"
    other.write_text("of another")
    os.link(other, goal)
    if not links:
        no_links(monkeypatch)
    assert adopt(found, target)
    assert (goal.read_text(), other.read_text()) == ("model of 0", "of another")
