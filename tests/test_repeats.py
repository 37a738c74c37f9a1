"""`@experiment(repeats=…)` and `folds=…`: one trial, several fits, and the mean decides."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from recorded import records, trials
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from harness.results import TrialRecord

SEEN = """
import json
from pathlib import Path
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from harness import experiment, features, grid

HERE = Path(__file__).parent

class Recording(TransformerMixin, BaseEstimator):
    '''Scales by the training rows, and keeps which rows those were.'''

    def fit(self, X, y=None):
        self.seen_ = X.index.tolist()
        self.scaler_ = StandardScaler().fit(X)
        return self

    def transform(self, X):
        return self.scaler_.transform(X)

@features
def recorded(shops):
    return Recording()

@features
def recorded_twice(recorded):
    return StandardScaler()

def scored(data, raw, trial, C):
    seen = set(data.steps[0].transformer.seen_)
    assert seen == set(raw.train.positions) == set(data.train.positions)
    assert not seen & set(raw.validation.positions)
    trial.fit(LogisticRegression(C=C), data)
    trial.log(seen=sum(seen), rows=len(seen))

@experiment(repeats=3)
@grid(C=[0.1, 1.0])
def experiment_repeats(recorded, shops, trial, C):
    scored(recorded, shops, trial, C)

@experiment(folds=3, minimize="log_loss")
@grid(C=[0.1, 1.0])
def experiment_folds(recorded_twice, shops, trial, C):
    scored(recorded_twice, shops, trial, C)

@grid(C=[0.1, 1.0])
def experiment_once(recorded, shops, trial, C):
    scored(recorded, shops, trial, C)

def gate_write(experiment_repeats, shops):
    (HERE / "test.json").write_text(json.dumps(shops.test.positions.tolist()))
"""

PLAIN = """
import json
import numpy as np
import pandas as pd
from pathlib import Path
from harness import dataset

@dataset(target="sold", seed=1)
def shops():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=300), "street": rng.normal(size=300)})
    frame["sold"] = np.where(frame["size"] + frame["street"] + rng.normal(size=300) / 3 > 0, "yes", "no")
    poisoned = Path(__file__).parent / "experiments/test.json"
    if poisoned.exists():
        frame.loc[json.loads(poisoned.read_text()), ["size", "street"]] = 1e6
    return frame
"""


def found(path):
    """Return what each trial gave, but for times."""
    names = ("scores", "logged", "repeats", "folds", "value", "spread", "outcome", "objective")
    return {t.node_id: {name: getattr(t, name) for name in names} for t in records(path).trials}


@pytest.fixture
def seen(empty_project):
    return empty_project.write({"conftest.py": PLAIN, "experiments/experiment_x.py": SEEN})


def by_hand():
    """Return the ROC AUC on the declared split and on the second and third, as a reader would get them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=300), rng.normal(size=300)
    y = np.where(X[0] + X[1] + rng.normal(size=300) / 3 > 0, 1, 0)
    X = pd.DataFrame({"size": X[0], "street": X[1]})
    rest, _ = train_test_split(np.arange(300), test_size=30, random_state=1, stratify=y)
    train, validation = train_test_split(rest, test_size=60, random_state=1, stratify=y[rest])
    pool = np.concatenate([train, validation])
    pairs = [(train, validation)]
    pairs += [train_test_split(pool, test_size=60, random_state=s, stratify=y[pool]) for s in (2, 3)]
    scores = []
    for train, validation in pairs:
        scaler = StandardScaler().fit(X.iloc[train])
        model = LogisticRegression(C=0.1).fit(scaler.transform(X.iloc[train]), y[train])
        said = model.predict_proba(scaler.transform(X.iloc[validation]))[:, 1]
        scores.append(roc_auc_score(y[validation], said))
    return scores


def test_a_trial_gives_the_same_here_and_in_workers_and_test_rows_change_nothing(seen):
    here = seen.run("experiments", "--workers=1")
    here.assert_outcomes(passed=8)
    alone = found(seen.path)
    seen.run("experiments", "--workers=2").assert_outcomes(passed=8)  # test.json is there now: other data
    together = found(seen.path)
    assert json.loads(json.dumps(alone)) == json.loads(json.dumps(together))

    first, _, fold, _, once, _ = alone.values()
    assert [row["roc_auc"] for row in first["repeats"]] == pytest.approx(by_hand(), abs=1e-12)
    assert first["repeats"][0] == first["scores"]["validation"] == once["scores"]["validation"]
    assert first["value"] == pytest.approx(np.mean(by_hand()))
    assert first["spread"] == pytest.approx(np.std(by_hand(), ddof=1))
    assert first["logged"] == once["logged"] == {"seen": once["logged"]["seen"], "rows": 210.0}
    assert len(fold["repeats"]) == 3
    assert fold["folds"]
    assert fold["scores"] == once["scores"]
    assert fold["value"] == pytest.approx(np.mean([row["log_loss"] for row in fold["repeats"]]))
    assert once["repeats"] == []
    assert once["value"] == once["scores"]["validation"]["roc_auc"]


MEAN = """
from harness import experiment, grid
import pytest

GAINS = {"lucky": [9.0, 1.0, 2.0], "steady": [5.0, 6.0, 7.0]}
CALLS = {"lucky": 0, "steady": 0}

@pytest.fixture
def kept():
    return []

@experiment(repeats=3, maximize="gain")
@grid(kind=["lucky", "steady"], sizes=[[1, 2]])
def experiment_gain(trial, kind, sizes, kept, tmp_path):
    assert trial.params == {"kind": kind, "sizes": [1, 2]} and sizes == [1, 2]
    sizes.append(3)  # of a copy
    kept.append(trial)
    assert len({id(one) for one in kept}) == CALLS[kind] + 1
    (tmp_path / "note.txt").write_text(str(CALLS[kind]))
    trial.log_artifact(tmp_path / "note.txt")
    trial.log(gain=GAINS[kind][CALLS[kind]], other=CALLS[kind])
    CALLS[kind] += 1

@experiment(maximize="gain")
def experiment_once(trial):
    trial.log(gain=1.0)

def gate_mean(experiment_gain, experiment_once):
    best = experiment_gain.best
    assert best.params["kind"] == "steady" and best.logged == {"gain": 5.0, "other": 0.0}
    assert best.repeats["gain"].tolist() == [5.0, 6.0, 7.0]
    assert best.repeats.index.tolist() == [1, 2, 3] and best.repeats.index.name == "repeat"
    assert experiment_gain.frame["mean_gain"].tolist() == [4.0, 6.0]
    assert experiment_gain.frame["gain"].tolist() == [9.0, 5.0]
    assert experiment_gain.frame["std_gain"].tolist() == pytest.approx([19**0.5, 1.0])
    assert "mean_gain" not in experiment_once.frame

def gate_none(experiment_once):
    experiment_once.best.repeats
"""


def test_the_best_is_the_best_on_average(empty_project):
    result = empty_project.write({"experiments/experiment_x.py": MEAN}).run("experiments")

    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * experiment_once.best() has no repeats; write @experiment(repeats=5) or*",
            "experiment_gain       2  gain        6.0",
            "  best: kind=steady, sizes=[[]1, 2[]]",
            "  mean of 3 repeats 6.0 ± 1.0 (5.0 on the declared split)",
        ]
    )
    lucky, _ = trials(empty_project.path, "experiment_gain")
    assert lucky.repeats == [{"gain": 9.0}, {"gain": 1.0}, {"gain": 2.0}]
    assert lucky.files.keys() == {"artifact/note.txt"}
    run = next((empty_project.path / ".harness/runs").iterdir())
    assert (run / lucky.files["artifact/note.txt"]).read_text() == "0"


FAILING = """
import pytest
from sklearn.dummy import DummyClassifier
from harness import experiment

CALLS = []

@pytest.fixture
def fitted(trial, scaled):
    return trial.fit(DummyClassifier(), scaled)

@pytest.fixture
def call(request):
    CALLS.append(request.node.name)
    return CALLS

def third(call, item):
    call.append(item)
    return call.count(item) == 4

@experiment(repeats=5)
def experiment_assert(scaled, trial, call):
    trial.fit(DummyClassifier(), scaled)
    wanted = 3 if third(call, "experiment_assert") else 210
    assert len(scaled.train) == wanted

@experiment(folds=5)
def experiment_raise(scaled, trial, call):
    trial.fit(DummyClassifier(), scaled)
    if third(call, "experiment_raise"):
        {}["wheel"]

@experiment(repeats=5)
def experiment_fail(scaled, trial, call):
    trial.fit(DummyClassifier(), scaled)
    if third(call, "experiment_fail"):
        pytest.fail("no good", pytrace=False)

@experiment(repeats=5)
def experiment_skip(scaled, trial, call):
    trial.fit(DummyClassifier(), scaled)
    if third(call, "experiment_skip"):
        pytest.skip("no use")

@experiment(repeats=2)
def experiment_by_a_fixture(fitted, trial):
    pass

@experiment(repeats=2)
def experiment_stale(request, trial):
    trial.fit(DummyClassifier(), request.getfixturevalue("scaled"))

@experiment(repeats=2)
def experiment_sealed(scaled, trial):
    trial.fit(DummyClassifier(), scaled)
    if len(scaled.train.X.columns) and scaled.digest not in CALLS:
        CALLS.append(scaled.digest)
        if sum(len(word) == 32 for word in CALLS) == 2:
            scaled.test

@experiment(folds=300)
def experiment_few(scaled, trial):
    trial.fit(DummyClassifier(), scaled)

@experiment(repeats=2)
def experiment_nothing(trial, shops):
    pass

def gate_no_best(experiment_assert):
    experiment_assert.best
"""


def test_what_fails_in_one_repeat_fails_the_trial_and_says_where(project):
    project.write({"experiments/experiment_shops.py": FAILING})
    result = project.run("experiments")

    result.assert_outcomes(passed=1, failed=9, skipped=1)
    text = re.sub(r"\n +|\n> +", " ", result.stdout.str())
    result.stdout.fnmatch_lines(
        [
            "E       AssertionError: assert 210 == 3",
            "E        +  where 210 = len(Split(X: 210 x 2 DataFrame, y: int64))",
            "E       in repeat 3 of 5",
            "E * KeyError: 'wheel'",
            "E * in fold 2 of 5",
            "in repeat 3 of 5: no good",
        ]
    )
    for part in (
        "in repeat 2 of 2: the trial gave no score for its objective 'roc_auc'; it logged nothing; fixtures "
        "are not set up again: call trial.fit(estimator, data), trial.use(model, data) or "
        "trial.log(roc_auc=…) in the experiment itself",
        "trial.fit was given the declared split of shops, not its repeat 2 of 2; take the data set or feat",
        "repeat 2 has no test rows of 'shops': they stay the same, and sealed; judge the model of the",
        "in fold 1 of 300: data set 'shops' has 270 training and validation rows, too few for folds=300;",
        "ResultError: experiment_assert has no finished trial (1 failed); mend its trials first",
    ):
        assert part in text
    assert "it logged nothing; call trial.fit" in text  # of the declared split, without a word of repeats
    assert "During handling" not in text

    known = {trial.experiment: trial for trial in records(project.path).trials}
    assert {name.removeprefix("experiment_"): trial.outcome for name, trial in known.items()} == {
        "assert": "failed",
        "raise": "raised",
        "fail": "failed",
        "skip": "skipped",
        "by_a_fixture": "failed",
        "stale": "raised",
        "sealed": "raised",
        "few": "failed",
        "nothing": "failed",
    }
    assert known["experiment_skip"].message == "in repeat 3 of 5: no use"
    for trial in known.values():
        assert trial.repeats == []
        assert "model" not in trial.files
    assert known["experiment_assert"].scores["validation"]["roc_auc"] == 0.5


SEARCH = """
import random
import numpy as np
from harness import experiment, search, uniform

@experiment(repeats=3, minimize="loss")
@search(trials=4, x=uniform(0, 1))
def experiment_search(trial, x):
    trial.log(loss=(x - 0.5) ** 2, chance=random.random() + np.random.random())

@experiment(repeats=3, minimize="chance")
def experiment_chance(trial):
    trial.log(chance=random.random() + np.random.random())
"""


def test_a_search_learns_the_mean_and_a_changed_number_of_repeats_is_another_trial(empty_project):
    empty_project.write({"experiments/experiment_x.py": SEARCH})
    empty_project.run("experiments", "--workers=2").assert_outcomes(passed=5)
    first = found(empty_project.path)
    chance = first.pop("experiments/experiment_x.py::experiment_chance")
    assert len({row["chance"] for row in chance["repeats"]}) == 3
    assert all(len({row["loss"] for row in trial["repeats"]}) == 1 for trial in first.values())

    again = empty_project.run("experiments", "--resume", "-v", "--workers=1")
    again.stdout.fnmatch_lines(["*experiment_chance REUSED*"])
    assert "PASSED" not in again.stdout.str()
    assert found(empty_project.path).items() >= first.items()
    assert found(empty_project.path)["experiments/experiment_x.py::experiment_chance"] == chance

    more = SEARCH.replace('repeats=3, minimize="chance"', 'repeats=4, minimize="chance"')
    empty_project.write({"experiments/experiment_x.py": more})
    changed = empty_project.run("experiments", "--resume", "-v", "--workers=1")
    changed.stdout.fnmatch_lines(["*experiment_chance PASSED (changed: source of experiment_chance)*"])
    assert changed.stdout.str().count("REUSED") == 4
    later = found(empty_project.path)["experiments/experiment_x.py::experiment_chance"]
    assert later["repeats"][:3] == chance["repeats"]
    assert len(later["repeats"]) == 4


def record(*repeats, **fields):
    known = {"node_id": "x", "experiment": "x", "index": 0, "id": "", "params": {}, "outcome": "passed"}
    return TrialRecord(**{**known, "objective": "f1", "repeats": repeats, **fields})


def test_the_value_of_a_record_is_the_mean_over_its_repeats():
    made = record({"f1": 0.5}, {"f1": 0.75}, scores={"validation": {"f1": 0.9}})

    assert (made.value, made.declared, made.repeated) == (0.625, 0.9, [0.5, 0.75])
    assert made.spread == pytest.approx(0.125 * 2**0.5)
    assert record(scores={"validation": {"f1": 0.9}}).value == 0.9
    assert record().value is None
    assert record().spread is None
    assert record({"f1": 0.5}, objective=None).value is None
