"""The ledger of the sealed split: what it keeps through crashes, races and merges, and what a run says."""

import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import records
from tracked import trial

from harness.data.preparation import prepare
from harness.ledger import BY_HAND, Ledger, LedgerError, Opening, read, record
from harness.models import imprint
from harness.models.predictions import Predictions
from harness.openings import Count, Look, Openings
from harness.report import unsealed

OPENING = Opening(
    test_rows="r1",
    model="m1",
    dataset="income",
    experiment="experiment_a",
    opened="2030-01-02T03:04:05+00:00",
    commit="c0ffee",
)


def opening(model, **fields):
    return replace(OPENING, model=model, **fields)


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def guard(tmp_path):
    return tmp_path / ".harness" / "ledger.lock"


texts = st.text(max_size=5)
openings = st.builds(
    Opening,
    test_rows=st.text(min_size=1, max_size=3),
    model=texts,
    dataset=texts,
    experiment=texts,
    opened=texts,
    commit=st.none() | texts,
)


@settings(max_examples=25, deadline=None)  # each takes forty locks
@given(made=st.lists(openings, max_size=8), cut=st.integers(0, 40), rubbish=st.binary(max_size=8))
def test_what_was_recorded_is_read_again_once_whatever_stands_between(tmp_path_factory, made, cut, rubbish):
    folder = tmp_path_factory.mktemp("ledger")
    ledger, guard = folder / "ledger.jsonl", folder / "guard"
    rubbish = rubbish.replace(b"{", b"").replace(b"\n", b"")
    ledger.write_bytes(rubbish)
    for one in made:
        record(ledger, [one], guard)
        record(ledger, [one], guard)

    held = read(ledger)
    assert {o.key for o in held.openings} == {o.key for o in made}
    assert ledger.read_bytes().count(b"\n") <= len(held.openings) + 1
    assert list(held.unreadable) == ([1] if rubbish.strip() else [])
    assert read(ledger) == record(ledger, made, guard)

    content = ledger.read_bytes()
    ledger.write_bytes(content[: len(content) - cut])  # a writer was killed, or a disk was full
    assert {o.key for o in read(ledger).openings} <= {o.key for o in made}
    assert {o.key for o in record(ledger, made, guard).openings} == {o.key for o in made}


def test_lines_are_json_and_an_opening_is_recorded_once(ledger, guard):
    record(ledger, [OPENING, OPENING, opening("m2")], guard)
    record(ledger, [opening("m1", opened="2031-01-01T00:00:00+00:00", experiment="other")], guard)

    first, second = map(json.loads, ledger.read_text().splitlines())
    assert first == {
        "test_rows": "r1",
        "model": "m1",
        "dataset": "income",
        "experiment": "experiment_a",
        "opened": "2030-01-02T03:04:05+00:00",
        "commit": "c0ffee",
    }
    assert second["model"] == "m2"


def test_models_are_counted_by_rows_and_an_opening_by_hand_is_none(ledger, guard):
    held = record(
        ledger,
        [OPENING, opening("m2", dataset="adults"), opening("m3", test_rows="r2"), opening(BY_HAND)],
        guard,
    )

    assert [held.models(rows) for rows in ("r1", "r2", "r3")] == [2, 1, 0]


def test_of_two_lines_of_one_opening_the_earlier_counts(ledger):
    late = opening("m1", opened="2031-01-01T00:00:00+00:00")
    ledger.write_text("".join(json.dumps(o.to_json()) + "\r\n" for o in (late, OPENING)))

    assert read(ledger) == Ledger([OPENING], [])


def test_foreign_lines_are_numbered_and_kept(ledger, guard):
    content = '<<<<<<< ours\n\n{"test_rows": 3}\n[]\n{"model": "x"}\n' + json.dumps(OPENING.to_json())
    ledger.write_text(content)  # without a newline at its end

    assert record(ledger, [opening("m2")], guard) == Ledger([OPENING, opening("m2")], [1, 3, 4, 5])
    assert ledger.read_text().startswith(content + "\n")


def test_processes_that_record_at_once_write_each_opening_once(tmp_path, ledger, guard):
    code = """
import sys
from pathlib import Path
from harness.ledger import Opening, record
sys.stdin.readline()
for i in range(40):
    made = Opening(test_rows="r", model=f"m{i}", dataset="d", experiment="e", opened=f"t{i:02}")
    record(Path(sys.argv[1]), [made], Path(sys.argv[2]))
"""
    words = [sys.executable, "-c", code, str(ledger), str(guard)]
    processes = [subprocess.Popen(words, stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        process.communicate(b"\n")

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(ledger.read_text().splitlines()) == 40
    assert read(ledger).models("r") == 40


def test_git_merges_two_branches_that_opened_the_rows(tmp_path, guard):
    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    ledger = tmp_path / "ledger.jsonl"
    attributes = Path(__file__).parent.parent / ".gitattributes"
    git("init", "-q", "-b", "main")
    shutil.copy(attributes, tmp_path)
    record(ledger, [OPENING], guard)
    git("add", "ledger.jsonl", ".gitattributes")
    git("commit", "-qm", "first")
    git("checkout", "-qb", "theirs")
    record(ledger, [opening("m2"), opening("m3")], guard)
    git("commit", "-qam", "theirs")
    git("checkout", "-q", "main")
    record(ledger, [opening("m4"), opening("m3", opened="2029-01-01T00:00:00+00:00")], guard)
    git("commit", "-qam", "ours")
    git("merge", "-q", "theirs", "-m", "both")

    held = read(ledger)
    assert [o.model for o in held.openings] == ["m3", "m1", "m2", "m4"]
    assert held.openings[0].opened.startswith("2029")
    assert not held.unreadable


def test_a_ledger_that_cannot_be_used_is_an_error_that_names_it(ledger, guard):
    ledger.mkdir()

    for call in (lambda: read(ledger), lambda: record(ledger, [OPENING], guard)):
        with pytest.raises(LedgerError, match=r"ledger\.jsonl cannot be read: Is a directory; make it a"):
            call()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="who may write anywhere is refused nothing")
def test_a_read_only_folder_is_told(tmp_path, guard):
    folder = tmp_path / "project"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    book = Openings(folder / "ledger.jsonl", guard=guard, commit=None)

    book.enter([Look(test_rows="r", model="m", dataset="income", experiment="e")])

    assert book.problem == (
        f"the ledger {folder / 'ledger.jsonl'} cannot be written: Permission denied; "
        "make it a writable file, or name another one with -o ledger=FILE"
    )
    assert book.counts == [Count(dataset="income", models=1, by_hand=False)]


# What the summary says.


def said(*counts, bound=20, **more):
    lines = unsealed(counts, file="ledger.jsonl", bound=bound, **more)
    return [(line.text, "yellow" in line.markup) for line in lines]


def test_the_summary_counts_models_and_warns_above_the_bound():
    four = Count(dataset="income", models=4, by_hand=False)
    many = Count(dataset="income", models=21, by_hand=False)
    hand = Count(dataset="shops", models=1, by_hand=True)

    assert said(four, hand) == [
        ("test rows of income opened for 4 models (ledger.jsonl)", False),
        ("test rows of shops opened for 1 model and by a gate without one (ledger.jsonl)", False),
    ]
    assert said(four, bound=4) == said(four)
    assert said(many, bound=0) == [("test rows of income opened for 21 models (ledger.jsonl)", False)]
    assert said(many) == [
        ("the test rows of income were opened for 21 models (ledger.jsonl): their scores", True),
        ("  are no longer honest; draw a new test split", True),
    ]


def test_the_summary_tells_what_is_wrong_with_the_ledger():
    one = Count(dataset="income", models=1, by_hand=False)

    assert said(one, problem="the ledger x cannot be written", unreadable=[1, 3, 4, 5, 6, 7])[1:] == [
        ("ledger.jsonl: 6 lines cannot be read (1, 3, 4, 5, 6, …), and whatever they tell", True),
        ("  is not counted", True),
        ("the ledger x cannot be written", True),
    ]


# Which rows and which model.


def test_rows_are_the_same_whatever_the_data_set_is_called_or_drops(store, declare):
    frame = declare.frame()
    first = prepare(declare(), frame, store)
    levels = frame.assign(city=frame["city"].cat.add_categories("Atlantis"))

    for declaration, rows in (
        (declare(name="others"), frame),
        (declare(drop=("size",)), frame),
        (declare(), levels),
        (declare(), frame.set_index(frame.index + 7)),
    ):
        assert prepare(declaration, rows, store).test_rows == first.test_rows
    assert prepare(declare(seed=5), frame, store).test_rows != first.test_rows
    changed = frame.assign(size=frame["size"] + 1)
    assert prepare(declare(), changed, store).test_rows != first.test_rows


@pytest.fixture
def declare():
    import pandas as pd

    from harness.declarations import DatasetDeclaration

    def make(**fields):
        known = dict.fromkeys(DatasetDeclaration.__dataclass_fields__)
        values = {"name": "shops", "loader": None, "target": "sold", "split": (0.6, 0.2, 0.2), "seed": 0}
        return DatasetDeclaration(**{**known, **values, "drop": (), **fields})

    def frame():
        rng = np.random.default_rng(0)
        return pd.DataFrame(
            {
                "size": rng.normal(size=60),
                "city": pd.Categorical(rng.choice(["Rome", "Oslo", None], 60)),
                "sold": np.arange(60) % 2,
            }
        )

    make.frame = frame
    return make


def test_a_model_is_the_same_when_it_is_trained_again_with_another_last_digit():
    shares = np.random.default_rng(0).random((50, 2))
    said = Predictions(shares.argmax(1), shares, shares[:, 1])
    again = Predictions(said.labels, np.round(shares, 3) + 1e-10, said.ranking)
    base = Predictions(said.labels, np.round(shares, 3), said.ranking)
    first = imprint.digest(trial(1), base)

    assert imprint.digest(replace(trial(1), seconds=9.0, experiment="experiment_b"), again) == first
    assert imprint.digest(trial(2), base) != first, "other hyperparameters"
    assert imprint.digest(replace(trial(1), data_digest="0"), base) != first
    assert imprint.digest(replace(trial(1), estimator="SVC"), base) != first
    assert imprint.digest(trial(1), Predictions(said.labels, shares, said.ranking)) != first
    assert imprint.digest(trial(1), Predictions(said.labels)) != first


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=5),
    scale=st.sampled_from([1e-9, 1e9]),
)
def test_any_predictions_have_a_digest_that_follows_their_scale(values, scale):
    wide = np.asarray(values) * scale
    other = wide.copy()
    other[0] = (abs(wide).max() or 1.0) * 1.5

    assert imprint.digest(trial(1), Predictions(wide)) == imprint.digest(trial(1), Predictions(wide.copy()))
    assert imprint.digest(trial(1), Predictions(wide)) != imprint.digest(trial(1), Predictions(other))


def test_addresses_in_hyperparameters_do_not_make_another_model():
    one, other = (
        replace(trial(1), params={"f": f"<function f at 0x{address:x}>"}) for address in (4096, 8192)
    )
    labels = Predictions(np.zeros(3, dtype=np.int64))

    assert imprint.digest(one, labels) == imprint.digest(other, labels)


# In a run.

GATES = """
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from harness import grid

@grid(max_depth=[1, 2])
def experiment_tree(scaled, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)

@grid(C=[1.0])
def experiment_linear(scaled, trial, C):
    trial.fit(LogisticRegression(C=C), scaled)

def gate_on_validation(experiment_tree):
    assert experiment_tree.best.validation.accuracy > 0.5

def gate_both(experiment_tree, experiment_linear):
    assert experiment_tree.best.test.accuracy > 0.4
    assert experiment_linear.best.validation.accuracy > 0.4
"""
LINEAR = """
def gate_predicts_by_itself(experiment_linear, shops):
    test = shops.test
    assert (experiment_linear.best.predict(test.X) == "yes").any()
"""
LOOKS = """
def gate_looks(shops):
    assert len(shops.test) == 30
"""


def test_a_run_enters_the_models_that_gates_held_against_the_test_rows(project):
    ledger = project.path / "ledger.jsonl"
    path = {"experiments/experiment_shops.py": GATES}

    project.write(path).run("experiments", "-k", "validation").assert_outcomes(passed=4)
    assert not ledger.exists(), "no gate has opened the test rows"

    result = project.run("experiments")
    (tree,) = read(ledger).openings
    assert (tree.dataset, tree.experiment, tree.commit) == ("shops", "experiment_tree", None)
    result.stdout.fnmatch_lines(["test rows of shops opened for 1 model (ledger.jsonl)"])
    bests = {best.experiment: best for best in records(project.path).bests}
    assert bests["experiment_tree"].model_digest == tree.model
    assert (bests["experiment_tree"].test_rows, bests["experiment_tree"].openings) == (tree.test_rows, 1)
    assert bests["experiment_linear"].model_digest not in (None, tree.model)
    assert bests["experiment_linear"].openings is None

    path["experiments/experiment_shops.py"] += LINEAR + LOOKS
    result = project.write(path).run_apart("experiments", "-o", "ledger_bound=1", workers=2)
    result.assert_outcomes(passed=8)
    found = {o.experiment: o for o in read(ledger).openings}
    assert {name: o.model == BY_HAND for name, o in found.items()} == {
        "experiment_tree": False,
        "experiment_linear": False,
        "": True,
    }
    assert found["experiment_tree"] == tree, "in another process and by workers it is the same model"
    result.stdout.fnmatch_lines(
        [
            "the test rows of shops were opened for 2 models and by a gate without one",
            "*no longer honest; draw*",
        ]
    )


def test_a_ledger_that_cannot_be_written_fails_nothing(project):
    (project.path / "file").write_text("")

    result = project.run("experiments", "-o", "ledger=file/ledger.jsonl")

    result.assert_outcomes(passed=5)
    assert result.ret == 0
    output = " ".join(result.stdout.str().split())
    assert "test rows of shops opened for 1 model (ledger.jsonl)" in output
    assert "ledger.jsonl cannot be " in output
    assert "name another one with -o ledger=FILE" in output


def test_a_ledger_without_a_name_is_refused(project):
    result = project.run("-o", "ledger=", "experiments")

    assert result.ret == 4
    result.stderr.fnmatch_lines(["*ledger = '' is not the name of a file: name one such as ledger.jsonl"])
