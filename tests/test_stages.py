"""What boosters that stopped early would have said after other rounds, and what is made of it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.testing import assert_allclose, assert_array_equal
from recorded import last_run, records
from sklearn.linear_model import LogisticRegression
from toys import numeric, people, toy
from xgboost import XGBClassifier, XGBRegressor
from xgboost.callback import EarlyStopping

from harness.artifacts import Artifacts
from harness.corrections import correct, obstacle
from harness.errors import ResultError
from harness.models.estimators import Structures, fit, outputs
from harness.models.predictions import Predictions
from harness.models.stages import MOST, Follower, Stages, grid
from harness.results import RunRecord, TrialRecord
from harness.scoring.correction import Candidate, corrected
from harness.scoring.evidence import Evidence
from harness.scoring.standard import METRICS
from harness.tracking.children import Children

X = {"n_estimators": 60, "early_stopping_rounds": 4, "learning_rate": 0.5}
L = {
    **{"n_estimators": 60, "early_stopping_round": 4, "learning_rate": 0.5},
    **{"verbose": -1, "min_child_samples": 5},
}


def stopped(estimator, task="binary", data=None, **options):
    return fit(estimator, data or toy(numeric(400), task), threads=1, stages=True, **options)


KINDS = [
    (lambda: XGBClassifier(**X), "binary", "log_loss"),
    (lambda: XGBClassifier(**X, eval_metric="error"), "binary", "accuracy"),
    (lambda: XGBClassifier(**X, eval_metric=["auc", "logloss"]), "binary", "log_loss"),
    (lambda: XGBClassifier(**X), "multiclass", "log_loss"),
    (lambda: XGBRegressor(**X), "regression", "rmse"),
    (lambda: LGBMClassifier(**L), "binary", "log_loss"),
    (lambda: LGBMClassifier(**L, metric="auc"), "binary", "roc_auc"),
    (lambda: LGBMClassifier(**L, boosting_type="goss"), "multiclass", "log_loss"),
    (lambda: LGBMRegressor(**L), "regression", "mse"),
]


# which rounds


@given(st.integers(1, 5000))
def test_rounds_lie_equally_far_apart_up_to_the_end(rounds):
    kept = list(grid(rounds))

    assert kept == list(range(kept[0], rounds + 1, kept[0]))
    assert min(rounds, MOST // 2) <= len(kept) <= MOST


@given(st.integers(1, 300))
def test_a_follower_that_does_not_know_the_end_keeps_the_same_rounds(rounds):
    follower = Follower(follows=True)
    buffer = np.zeros(2)
    for index in range(1, rounds + 1):
        buffer[:] = index
        assert follower.arguments["eval_metric"](None, buffer) == []

    assert list(follower.stages()) == list(grid(rounds))
    assert [said[0] for said in follower.stages().values()] == list(grid(rounds))


# what is said after them


@pytest.mark.parametrize("structures", [None, Structures()], ids=["alone", "shared"])
@pytest.mark.parametrize(("make", "task", "metric"), KINDS)
def test_stages_score_as_the_curve_says(make, task, metric, structures):
    data = toy(numeric(400), task, weighted=True)
    data.digest = task  # by which structures are shared
    done = stopped(make(), data=data, structures=structures)
    near = 0.02 if metric == "roc_auc" else 1e-4  # LightGBM has its own way with equal ranks

    assert done.stages.metric == metric
    curve = list(done.curves.values())[-1]
    assert list(done.stages.rounds) == list(grid(len(curve)))
    part = data.validation
    for index, rounds in enumerate(done.stages.rounds):
        said = done.stages.predictions(index, 0 if task == "regression" else len(data.classes))
        seen = Evidence(part.y.to_numpy(), said, part.weight.to_numpy(), len(data.classes or ()), None)
        value = METRICS[metric].function(seen)
        assert (1 - value if metric == "accuracy" else value) == pytest.approx(curve[rounds - 1], rel=near)


@pytest.mark.parametrize(("make", "task", "metric"), KINDS)
def test_keeping_stages_changes_no_model(make, task, metric):
    data = toy(numeric(400), task)
    done, plain = (fit(make(), data, threads=1, stages=stages) for stages in (True, False))

    assert plain.stages is None
    assert done.curves == plain.curves
    said, known = (outputs(one.estimator, data.validation.X, data) for one in (done, plain))
    assert_array_equal(said.labels, known.labels)


@pytest.mark.parametrize("make", [lambda: XGBClassifier(**X), lambda: LGBMClassifier(**L)], ids=["x", "l"])
def test_a_stage_at_the_chosen_round_says_what_the_model_says(make):
    estimator = make().set_params(n_estimators=3)  # too few to stop: each round is kept
    data = toy(numeric(400))
    done = stopped(estimator, data=data)

    best = getattr(estimator, "best_iteration", None)
    best = estimator.best_iteration_ - 1 if best is None else best
    known = outputs(estimator, data.validation.X, data)
    said = done.stages.predictions(best, 2)
    assert_allclose(said.probability, known.probability, atol=1e-6)
    assert_array_equal(said.labels, known.labels)
    assert done.stages.said.dtype == np.float32


@pytest.mark.parametrize("make", [lambda: XGBClassifier(**X), lambda: LGBMClassifier(**L)], ids=["x", "l"])
def test_a_class_that_was_not_seen_gets_no_probability(make):
    # the validation rows may hold no class that training lacks, or the booster itself refuses them
    y = pd.Series(np.arange(400) % 2)
    done = stopped(make(), data=toy(numeric(400), "multiclass", y=y))

    assert done.stages is not None
    assert done.stages.said.shape[1:] == (100, 3)
    assert (done.stages.said[:, :, 2] == 0).all()
    assert_allclose(done.stages.said.sum(axis=2), 1, atol=1e-6)


def test_categories_reach_the_stages():
    frame = people(400).drop(columns="city")
    done = stopped(XGBClassifier(**X, enable_categorical=True), data=toy(frame))

    assert done.stages is not None


UNKNOWN = [
    (LogisticRegression, "binary"),
    (lambda: XGBClassifier(n_estimators=5), "binary"),  # does not stop early
    (lambda: XGBClassifier(**X, booster="dart", rate_drop=0.5), "binary"),
    (lambda: XGBClassifier(**X, eval_metric="auc"), "multiclass"),
    (lambda: XGBClassifier(**X, eval_metric="error@0.7"), "binary"),
    (lambda: XGBClassifier(**X, objective="multi:softmax"), "multiclass"),
    (lambda: XGBRegressor(**X, objective=lambda y, p: (p - y, np.ones_like(y))), "regression"),
    (lambda: XGBClassifier(n_estimators=9, callbacks=[EarlyStopping(rounds=2, save_best=True)]), "binary"),
    (lambda: XGBRegressor(**X, objective="reg:quantileerror", quantile_alpha=0.9), "regression"),
    (lambda: LGBMClassifier(**L, metric=["auc", "binary_logloss"]), "binary"),
    (lambda: LGBMClassifier(**L, early_stopping_min_delta=0.1), "binary"),
    (lambda: LGBMRegressor(**L, metric="mape"), "regression"),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("make", "task"), UNKNOWN)
def test_where_the_choice_is_not_surely_known_nothing_is_kept(make, task):
    assert stopped(make(), task).stages is None


# what is kept


def test_stages_survive_their_file(tmp_path):
    made = stopped(XGBClassifier(**X)).stages

    artifacts = Artifacts(tmp_path, "trials/a-0000")
    artifacts.model(b"", Predictions(np.zeros(3)), made)
    assert artifacts.files["stages"] == "trials/a-0000/stages.npz"
    again = Stages.load(tmp_path / artifacts.files["stages"])
    assert_array_equal(again.said, made.said)
    assert_array_equal(again.rounds, made.rounds)
    assert again.metric == made.metric


def test_mlflow_is_not_given_stages():
    run = RunRecord(
        **{"id": "r1", "project": "p", "started": 1.0, "backend": "local"},
        **{"harness_version": "1", "commit": None, "dirty": None},
    )
    files = {**trial(0).files, "artifact/roc.txt": "3.txt"}
    _, entry = Children(run).take(trial(0, files=files))

    assert entry.files == {"roc.txt": "3.txt"}


# what is made of it


def trial(index, **fields):
    return TrialRecord(
        **{
            "node_id": f"e.py::experiment_a[{index}]",
            "experiment": "experiment_a",
            "index": index,
            "id": str(index),
            "params": {},
            "outcome": "passed",
            "objective": "accuracy",
            "scores": {"validation": {"accuracy": 0.5}},
            "stopped_early": True,
            "files": {"predictions": f"{index}.npz", "stages": f"{index}-stages.npz"},
            **fields,
        }
    )


def seen(right, said=None):
    """Evidence of a classifier that is right where `right` is True, all rows being of class 1."""
    probability = np.where(right, 0.6, 0.4) if said is None else said
    both = np.column_stack([1 - probability, probability])
    return Evidence(
        np.ones(len(right), dtype=np.int64),
        Predictions(right.astype(np.int64), both, probability),
        None,
        2,
        None,
    )


def candidate(stages, kept=None, chooser="accuracy"):
    return Candidate(
        kept=kept or stages[0], stages=len(stages), stage=stages.__getitem__, chooser=METRICS[chooser]
    )


def drawn(shape, p=0.7, seed=0):
    return np.random.default_rng(seed).random(shape) < p


def test_a_single_stage_is_as_no_stage():
    trials = [seen(right) for right in drawn((5, 200))]
    staged = [candidate([one]) for one in trials]

    assert corrected(METRICS["accuracy"], staged, seed=1) == corrected(METRICS["accuracy"], trials, seed=1)


def test_trials_with_and_without_stages_compete():
    plain = seen(np.ones(200, dtype=bool))
    staged = candidate([seen(right) for right in drawn((3, 200))])

    assert corrected(METRICS["accuracy"], [staged, plain], seed=1).value == 1.0


def test_kept_predictions_make_the_raw_score_and_nothing_else():
    stages = [seen(right) for right in drawn((4, 200))]
    lucky = seen(np.ones(200, dtype=bool))
    found = corrected(METRICS["accuracy"], [candidate(stages, lucky)], seed=1)

    assert found.raw == 1.0
    assert found.value == pytest.approx(0.7, abs=0.06)
    assert (found.trials, found.resamples) == (1, 1000)


def test_a_stage_is_chosen_by_the_metric_of_early_stopping():
    right = drawn((1, 400))[0]
    sure = seen(~right, np.where(~right, 0.99, 0.45))  # wrong more often, and less surprised
    unsure = seen(right, np.where(right, 0.51, 0.01))
    lucky = seen(np.ones(400, dtype=bool))
    by = {
        name: corrected(METRICS["accuracy"], [candidate([sure, unsure], lucky, name)], seed=1).value
        for name in ("accuracy", "log_loss")
    }

    assert by["accuracy"] == pytest.approx(right.mean(), abs=0.01)
    assert by["log_loss"] == pytest.approx(1 - right.mean(), abs=0.01)


def test_what_early_stopping_has_gained_is_taken_off():
    accuracy = METRICS["accuracy"]
    found = []
    for seed in range(16):
        right = drawn((8, 16, 300), seed=seed)
        best = [rounds[rounds.mean(axis=1).argmax()] for rounds in right]
        luck = right.mean() - 0.7
        stages = [[seen(rounds[k - 1]) for k in grid(16)] for rounds in right]
        staged = [candidate(mine, seen(kept)) for mine, kept in zip(stages, best, strict=True)]
        blind = corrected(accuracy, [seen(kept) for kept in best], seed=seed)
        found.append(
            [blind.raw - luck, blind.value - luck, corrected(accuracy, staged, seed=seed).value - luck]
        )

    raw, blind, value = np.mean(found, axis=0) - 0.7
    assert raw > 0.06
    assert blind > 0.02
    assert abs(value) < 0.008


def test_trials_whose_stages_are_not_known_are_not_corrected(tmp_path):
    known, unknown = trial(0), trial(1, files={"predictions": "1.npz"})
    why = "1 trials stopped early, and what they would have predicted after other rounds was not kept"

    assert obstacle([known, known], METRICS) == ""
    assert obstacle([known, unknown], METRICS) == why
    with pytest.raises(ResultError, match=f"cannot be corrected for the choice: {why}"):
        correct([known, unknown], toy(), METRICS, tmp_path, 0)


BOOSTED = """
from harness import grid
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier

@grid(max_depth=[1, 3])
def experiment_levels(shops, trial, max_depth):
    trial.fit(XGBClassifier(max_depth=max_depth, n_estimators=60, early_stopping_rounds=5), shops)

@grid(num_leaves=[3, 7])
def experiment_leaves(shops, trial, num_leaves):
    model = LGBMClassifier(num_leaves=num_leaves, n_estimators=60, early_stopping_round=5, verbose=-1)
    trial.fit(model, shops)

def gate_corrected(experiment_levels, experiment_leaves):
    for best in experiment_levels.best, experiment_leaves.best:
        assert best.corrected <= best.validation.roc_auc
"""


def test_the_best_of_a_run_is_corrected_and_so_is_what_is_resumed(project):
    (project.path / "experiments/experiment_shops.py").unlink()
    project.write({"experiments/experiment_x.py": BOOSTED})
    result = project.run("experiments", workers=2)

    assert result.ret == 0, result.stdout.str()
    folder, bests = last_run(project.path), records(project.path).bests
    for one in records(project.path).trials:
        assert (folder.path / one.files["stages"]).stat().st_size < 10_000
    assert [one.uncorrected for one in bests] == ["", ""]

    again = project.run("experiments", "--resume", workers=2)
    assert again.ret == 0, again.stdout.str()
    assert last_run(project.path).run.id != folder.run.id
    assert all(one.reused_from for one in records(project.path).trials)
    assert {one.experiment: one.corrected for one in records(project.path).bests} == {
        one.experiment: one.corrected for one in bests
    }
