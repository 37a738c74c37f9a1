import lightgbm
import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toys import numeric, toy
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier
from xgboost.callback import EarlyStopping, TrainingCallback

from harness.models.boosters import validation
from harness.models.boosters import watched as watched_rounds
from harness.models.estimators import Structures, fit

ROUNDS = 12
SMALL = {"n_estimators": ROUNDS}
QUIET = {**SMALL, "verbose": -1, "min_child_samples": 5}


class Log:
    """A watch that notes what it is told, and may end the fit."""

    def __init__(self, end: int | None = None) -> None:
        self.told: list[tuple[str, int, float, bool]] = []
        self._end = end

    def __call__(self, curve, index, value, greater_is_better):
        self.told.append((curve, index, value, greater_is_better))
        if index == self._end:
            raise Ended


class Ended(BaseException):
    """As pytest's outcomes."""


def watched(estimator, task="binary", **options):
    log = Log()
    done = fit(estimator, toy(numeric(), task), threads=1, watch=log, **options)
    return done, log.told


FITS = [
    (lambda: XGBClassifier(**SMALL), "binary", "logloss"),
    (lambda: XGBClassifier(**SMALL), "multiclass", "mlogloss"),
    (lambda: XGBRegressor(**SMALL), "regression", "rmse"),
    (lambda: XGBClassifier(**SMALL, early_stopping_rounds=2, learning_rate=0.9), "binary", "logloss"),
    (lambda: LGBMClassifier(**QUIET), "binary", "binary_logloss"),
    (lambda: LGBMClassifier(**QUIET), "multiclass", "multi_logloss"),
    (lambda: LGBMRegressor(**QUIET), "regression", "l2"),
    (lambda: LGBMClassifier(**QUIET, early_stopping_round=2, learning_rate=0.9), "binary", "binary_logloss"),
]


@pytest.mark.parametrize("structures", [None, Structures()], ids=["alone", "shared"])
@pytest.mark.parametrize(("make", "task", "metric"), FITS)
def test_a_watch_is_told_every_round_of_the_curve(make, task, metric, structures):
    done, told = watched(make(), task, structures=structures)

    (curve,) = done.curves.values()
    assert list(done.curves) == [f"validation_{metric}"]
    assert told == [(f"validation_{metric}", index, value, False) for index, value in enumerate(curve)]
    assert len(told) <= ROUNDS
    assert (done.watched, done.watched_greater_is_better) == (f"validation_{metric}", False)


@pytest.mark.parametrize(("make", "task", "metric"), FITS)
def test_a_watch_changes_no_model(make, task, metric):
    done, _ = watched(make(), task)

    alone = fit(make(), toy(numeric(), task), threads=1)
    assert content(done.estimator) == content(alone.estimator)
    assert (alone.watched, alone.watched_greater_is_better) == (None, False)


def content(estimator):
    if isinstance(estimator, lightgbm.LGBMModel):
        return estimator.booster_.model_to_string()
    return estimator.get_booster().save_raw("ubj")


DIRECTIONS = [
    ("binary", "auc", "auc", True),
    ("binary", "aucpr", "aucpr", True),
    ("binary", "error", "error", False),
    ("binary", "map", "map", True),
    ("binary", ["auc", "logloss"], "logloss", False),
    ("binary", ["logloss", "auc"], "auc", True),
    ("multiclass", "merror", "merror", False),
    ("regression", "mape", "mape", False),
    ("regression", ["mae", "rmse"], "rmse", False),
]


@pytest.mark.parametrize(("task", "metric", "name", "greater_is_better"), DIRECTIONS)
def test_the_metric_is_what_xgboost_stops_early_by(task, metric, name, greater_is_better):
    kind = XGBRegressor if task == "regression" else XGBClassifier
    estimator = kind(**SMALL, eval_metric=metric, early_stopping_rounds=ROUNDS)

    done, told = watched(estimator, task)

    values = [value for _, _, value, _ in told]
    best = np.argmax(values) if greater_is_better else np.argmin(values)
    assert {(curve, better) for curve, _, _, better in told} == {(f"validation_{name}", greater_is_better)}
    assert estimator.best_iteration == best
    assert estimator.best_score == values[best]
    assert done.watched_greater_is_better is greater_is_better


@pytest.mark.parametrize(
    ("task", "metric", "name", "greater_is_better"),
    [
        ("binary", "auc", "auc", True),
        ("binary", ["average_precision", "binary_logloss"], "average_precision", True),
        ("binary", ["binary_logloss", "auc"], "binary_logloss", False),
        ("regression", "mape", "mape", False),
    ],
)
def test_the_metric_is_the_first_of_lightgbm(task, metric, name, greater_is_better):
    kind = LGBMRegressor if task == "regression" else LGBMClassifier
    estimator = kind(**QUIET, metric=metric, early_stopping_round=ROUNDS, first_metric_only=True)

    done, told = watched(estimator, task)

    values = [value for _, _, value, _ in told]
    best = np.argmax(values) if greater_is_better else np.argmin(values)
    assert {(curve, better) for curve, _, _, better in told} == {(f"validation_{name}", greater_is_better)}
    assert estimator.best_iteration_ == best + 1
    assert done.watched == f"validation_{name}"


def accuracy(y, prediction):
    return float(((prediction > 0.5) == y).mean())


@pytest.mark.parametrize(
    ("stopper", "name", "greater_is_better"),
    [
        (None, "accuracy", False),  # XGBoost takes a callable for a loss
        (EarlyStopping(rounds=ROUNDS, maximize=True), "accuracy", True),
        (EarlyStopping(rounds=ROUNDS, metric_name="auc"), "auc", True),
        (EarlyStopping(rounds=ROUNDS, metric_name="error", maximize=False), "error", False),
        (EarlyStopping(rounds=ROUNDS, metric_name="error"), "error", False),
    ],
)
def test_the_users_own_early_stopping_names_metric_and_direction(stopper, name, greater_is_better):
    given = None if stopper is None else [stopper]
    estimator = XGBClassifier(**SMALL, eval_metric=["error", "auc", accuracy], callbacks=given)

    _, told = watched(estimator)

    assert {(curve, better) for curve, _, _, better in told} == {(f"validation_{name}", greater_is_better)}
    assert len(told) == ROUNDS
    assert estimator.callbacks is given


class Counter(TrainingCallback):
    def __init__(self):
        self.rounds = 0

    def after_iteration(self, model, epoch, evals_log):
        self.rounds += 1
        return self.rounds == 5


def test_the_users_own_callbacks_go_on_and_the_last_round_is_told_too():
    counter = Counter()
    given = [counter]
    estimator = XGBClassifier(**SMALL, callbacks=given)

    _, told = watched(estimator)

    assert counter.rounds == len(told) == 5
    assert estimator.callbacks is given
    assert given == [counter]


def test_the_last_round_is_told_also_if_another_callback_stops_first():
    estimator, data, log = XGBClassifier(**SMALL, callbacks=[Counter()]), toy(numeric()), Log()

    with watched_rounds(estimator, log):
        estimator.callbacks.reverse()  # XGBoost 3.0 asks them in any order
        estimator.fit(data.train.X, data.train.y, **validation(estimator, data.validation))

    assert [index for _, index, _, _ in log.told] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("structures", [None, Structures()], ids=["alone", "shared"])
@pytest.mark.parametrize("make", [lambda: XGBClassifier(**SMALL), lambda: LGBMClassifier(**QUIET)])
def test_what_a_watch_raises_ends_the_fit_and_goes_through(make, structures):
    estimator, log, data = make(), Log(end=3), toy(numeric())

    with pytest.raises(Ended):
        fit(estimator, data, threads=1, watch=log, structures=structures)

    whole = fit(make(), data, threads=1, curves=True)
    (curve,) = whole.curves.values()
    assert [value for _, _, value, _ in log.told] == curve[:4]
    assert estimator.get_params() == make().get_params()
    again = fit(estimator, data, threads=1)
    assert content(again.estimator) == content(whole.estimator)


class OwnFit(LGBMClassifier):
    def fit(self, X, y):
        return super().fit(X, y)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), XGBClassifier(**SMALL)),
        XGBRFClassifier(**SMALL),
        OwnFit(**QUIET),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_what_gives_no_rounds_ignores_a_watch(estimator):
    done, told = watched(estimator)

    assert told == []
    assert done.watched is None
    assert done.curves == {}


@pytest.mark.parametrize(
    "estimator",
    [XGBClassifier(**SMALL, disable_default_eval_metric=1), LGBMClassifier(**QUIET, metric="None")],
    ids=["xgboost", "lightgbm"],
)
def test_without_a_metric_nothing_is_told(estimator):
    done, told = watched(estimator)

    assert told == []
    assert done.watched is None
    assert done.curves == {}
