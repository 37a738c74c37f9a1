"""How a champion is held against today's rows, and what keeps it from being so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from toys import people, toy

from harness.champion import LEAST, Champion
from harness.data.dataset import Seal
from harness.errors import ResultError, ScoreError, SealedError
from harness.models import seen
from harness.models.columns import describe
from harness.models.model import Model
from harness.outcomes import Archive
from harness.scoring.metrics import table
from harness.tracking.registry import Registered

X = people(400)


class Held:
    """A champion trained on some data, held against others; with what it told."""

    def __init__(self, trained, today, known=None, facts=(), seal=None):
        numbers = make_pipeline(
            FunctionTransformer(_numbers), DecisionTreeClassifier(max_depth=2, random_state=0)
        )
        estimator = DummyClassifier() if trained.task == "multiclass" else numbers
        estimator.fit(trained.train.X, trained.train.y)
        columns = describe(trained.train.X)
        self.model = Model(columns, (), estimator, trained.task, trained.classes)
        splits = (trained.train, trained.validation) if known is None else known
        rows = [seen.hashes(s.X, s.y, trained.classes, columns) for s in splits]
        found = Registered(
            name="income",
            version="3",
            model=self.model,
            rows=seen.unique(*rows) if rows else np.array([], dtype=np.uint64),
            facts=dict(facts),
        )
        self.reads, self.notes = {}, []
        archive = Archive(
            run=Path(),
            dataset=lambda _: today,
            metrics=table([]),
            on_read=self.reads.__setitem__,
            on_compare=lambda _: None,
            confidence=0.95,
            seed=0,
        )
        self.champion = Champion(
            found,
            data=lambda: today,
            scores=archive.scores,
            label="experiment_a.champion",
            on_note=self.notes.append,
        )


def _numbers(frame):
    return frame.select_dtypes("number").drop(columns="height", errors="ignore")


def opened(**fields):
    seal = Seal()
    seal.opened_by = "gate_a"
    return toy(seal=seal, **fields)


def test_it_is_judged_on_the_rows_that_it_has_never_seen():
    today = opened(X=X)
    held = Held(toy(X.iloc[:240]), today)  # the splits of another, smaller state of the data

    scores = held.champion.test
    old = {tuple(row) for row in X.iloc[:240].astype(str).itertuples(index=False)}
    fresh = np.array([tuple(row) not in old for row in today.test.X.astype(str).itertuples(index=False)])
    trained = toy(X.iloc[:240])
    sealed = trained._load("test").X  # its own test rows it has not seen, either
    fresh |= today.test.X.index.isin(sealed.index) & (today.test.X.index < 240)
    assert LEAST < len(scores) == fresh.sum() < len(today.test)
    said = held.model.outputs(today.test.X).labels
    assert scores.accuracy == pytest.approx((said == today.test.y)[fresh].mean())
    assert held.reads == {
        "experiment_a.champion.test.accuracy where unseen by the champion": float(scores.accuracy)
    }
    assert held.notes == [
        f"champion income version 3: judged on {len(scores)} of 60 test rows, the others it has seen"
    ]
    assert len(held.champion.train) == len(today.train)


def test_rows_that_are_all_new_are_all_judged_and_named_as_any_others():
    today = opened(X=people(400, seed=9))
    held = Held(toy(X), today)

    assert len(held.champion.test) == 60
    assert held.champion.validation.accuracy > 0
    assert list(held.reads) == ["experiment_a.champion.validation.accuracy"]
    assert held.notes[0] == "champion income version 3: judged on all 60 test rows"


def test_of_the_same_split_every_test_row_is_unseen_though_one_may_equal_a_training_row():
    twins = pd.concat([X.iloc[:200], X.iloc[:200]], ignore_index=True)
    today = opened(X=twins)
    same = Held(today, today, facts={"data_digest": today.digest})

    assert len(same.champion.test) == len(today.test)
    assert len(same.champion.test) == len(Held(today, today, known=()).champion.test)
    with pytest.raises(ResultError, match=r"has seen 100 of the 100 validation rows of toy in training or"):
        same.champion.validation  # noqa: B018
    with pytest.raises(
        ResultError, match=r"has seen \d+ of the 60 test rows of toy in training or validation"
    ):
        Held(today, today, facts={"data_digest": "of other rows"}).champion.test  # noqa: B018


def test_what_it_tells_of_itself():
    facts = {"params": {"C": 1}, "fit_seconds": 0.5, "model_digest": "abc"}
    champion = Held(toy(X), toy(X), facts=facts).champion

    assert (champion.registered_name, champion.version) == ("income", "3")
    assert (champion.params, champion.fit_seconds, champion.digest) == ({"C": 1}, 0.5, "abc")
    assert repr(champion) == "experiment_a.champion(income version 3)"
    assert set(champion.predict(X)) <= {"no", "yes"}
    assert champion.predict_proba(X).shape == (400, 2)
    assert not champion.tested
    with pytest.raises(ScoreError, match=r"experiment_a.champion has no 'accuracy'; a score is read"):
        champion.accuracy  # noqa: B018
    assert Held(toy(X), toy(X)).champion.digest == "income:3", "it does not tell"


def test_its_test_scores_ask_the_seal_each_time():
    seal = Seal()
    seal.opened_by = "gate_a"
    held = Held(toy(X), toy(people(400, seed=9), seal=seal))
    assert held.champion.test is held.champion.test
    seal.opened_by = None

    with pytest.raises(SealedError):
        held.champion.test  # noqa: B018


def test_too_few_unseen_rows_are_refused_with_their_number():
    today = opened(X=X)
    test = today.test
    few = pd.Index(test.X.index[: 60 - LEAST + 1])
    known = [type(test)(test.X.loc[few], test.y.loc[few], None, np.asarray(few))]

    with pytest.raises(ResultError) as caught:
        Held(toy(X), today, known).champion.test  # noqa: B018
    assert str(caught.value) == (
        "experiment_a.champion(income version 3) has seen 31 of the 60 test rows of toy in training or "
        "validation, and the other 29 are too few to compare it on: it takes 30; load more new rows, or "
        "split by @dataset(key=…), which never moves a row between splits"
    )
    exactly = [type(test)(test.X.iloc[:30], test.y.iloc[:30], None, test.positions[:30])]
    assert len(Held(toy(X), today, exactly).champion.test) == LEAST


WHOSE = r"^experiment_a.champion\(income version 3\) cannot judge the test rows of toy: "
REMEDY = "; restore (it|what it needs), or take the alias away in MLflow, and the next --promote makes a"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.drop(columns="age"), "they lack the column 'age'"),
        (lambda f: f.drop(columns=["age", "city"]), "they lack the columns 'age', 'city'"),
        (
            lambda f: f.assign(age=f["city"], city=f["age"]).drop(columns="member"),
            r"they lack the column 'member' and the columns 'age' \(in training int64, today str\), "
            r"'city' \(in training str, today int64\) changed",
        ),
        (
            lambda f: f.assign(size=f["age"]),
            r"the column 'size' \(in training category, today int64\) changed",
        ),
        (
            lambda f: f.assign(city=pd.Timestamp("2020-01-01")),
            r"the column 'city' \(in training str, today datetime64\[\w+\]\) changed",
        ),
    ],
    ids=["missing", "several", "kinds", "levels", "times"],
)
def test_columns_that_are_missing_or_changed_are_named(change, problem):
    held = Held(toy(X), opened(X=change(X), y=toy(X)._load("train").y.reindex(X.index, fill_value=0)))

    for split in ("test", "validation", "train"):
        with pytest.raises(ResultError, match=WHOSE.replace("test", split) + problem + REMEDY):
            getattr(held.champion, split)


def test_what_does_no_harm_is_no_change():
    other = X.astype({"age": "float64", "city": "category", "size": "str", "member": "Int64"})
    today = opened(X=other.assign(new=1)[::-1].sort_index())

    assert len(Held(toy(X), today, known=()).champion.test) == 60


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ("multiclass", r"it knows multiclass of \[10, 20, 30\], today's target is binary of \['no', 'yes'\]"),
        ("regression", r"it knows regression, today's target is binary of \['no', 'yes'\]"),
    ],
)
def test_another_task_is_refused(task, problem):
    trained = toy(X, task)
    held = Held(toy(X), opened(X=X))
    held.model = Model(describe(X), (), DummyClassifier(), trained.task, trained.classes)
    object.__setattr__(held.champion._found, "model", held.model)

    with pytest.raises(ResultError, match=WHOSE + problem + REMEDY):
        held.champion.test  # noqa: B018


def test_a_model_that_does_not_tell_its_rows_is_refused():
    held = Held(toy(X), opened(X=X))
    object.__setattr__(held.champion._found, "rows", None)

    with pytest.raises(ResultError, match=r"does not tell which rows it was trained on: .*; take the alias"):
        held.champion.test  # noqa: B018
