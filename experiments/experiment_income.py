"""Who earns more than 50K a year? A linear model, the first champion, against two kinds of boosted trees."""

import pytest
from lightgbm import LGBMClassifier
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from harness import experiment, grid


@experiment(maximize="roc_auc", repeats=3, registered_name="income")
@grid(C=[0.1, 1.0, 10.0])
def experiment_logistic(one_hot, trial, C):
    """A linear model: what the trees have to beat. Three divisions of the rows tell how steady it is."""
    trial.fit(LogisticRegression(C=C, max_iter=1000), one_hot)


@experiment(maximize="roc_auc", registered_name="income")
@grid(max_depth=[4, 6], learning_rate=[0.05, 0.1, 0.3])
def experiment_xgboost(one_hot, trial, max_depth, learning_rate):
    """Gradient-boosted trees, level by level."""
    model = trial.fit(XGBClassifier(max_depth=max_depth, learning_rate=learning_rate), one_hot)
    trial.log(rounds=model.get_booster().num_boosted_rounds())
    assert trial.validation.roc_auc > 0.9


@grid(num_leaves=[15, 31, 63])
def experiment_lightgbm(one_hot, trial, num_leaves):
    """Gradient-boosted trees, leaf by leaf, as many as the validation rows reward."""
    model = LGBMClassifier(num_leaves=num_leaves, n_estimators=500, early_stopping_round=20, verbose=-1)
    trial.fit(model, one_hot)
    trial.log(rounds=model.best_iteration_)


def gate_linear_model(experiment_logistic):
    """Good enough to begin with: the majority class alone is right in 76 % of the rows."""
    assert experiment_logistic.best.test.accuracy >= 0.83


def gate_accuracy(experiment_xgboost):
    """Good enough to be useful."""
    assert experiment_xgboost.best.test.accuracy >= 0.86


@pytest.mark.judges("experiment_xgboost")
def gate_beats_the_linear_model(experiment_xgboost, experiment_logistic):
    """Trees must earn their complexity, on the same rows and not by luck."""
    gain = experiment_xgboost.best.test - experiment_logistic.best.test
    assert gain.roc_auc.lower > 0


def gate_keeps_up_with_the_champion(experiment_xgboost):
    """What is to be promoted is not worse than what is in use."""
    gain = experiment_xgboost.best.test - experiment_xgboost.champion.test
    assert gain.roc_auc > -0.002


@pytest.mark.judges("experiment_lightgbm")
def gate_lightgbm_keeps_up(experiment_lightgbm, experiment_xgboost):
    """The two kinds of trees agree; if they do not, one of them is misconfigured."""
    gain = experiment_lightgbm.best.test - experiment_xgboost.best.test
    assert -0.01 < gain.roc_auc < 0.01


def gate_ranks_women_as_well_as_men(experiment_xgboost):
    """The model must not be good at one sex only."""
    test = experiment_xgboost.best.test
    assert test.where(sex="Female").roc_auc >= test.where(sex="Male").roc_auc - 0.02
