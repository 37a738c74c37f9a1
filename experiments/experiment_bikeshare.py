"""How many bikes are rented in an hour? Trained on the past, judged on the last weeks of the year."""

import numpy as np
from lightgbm import LGBMRegressor
from sklearn.linear_model import Ridge

from harness import experiment, grid, metric


@metric(greater_is_better=False)
def rmsle(y, prediction):
    """Root mean squared logarithmic error: twenty bikes too many matter more at night."""
    return np.sqrt(np.mean((np.log1p(y) - np.log1p(np.clip(prediction, 0, None))) ** 2))


@grid(alpha=[0.1, 1.0, 10.0])
def experiment_ridge(hours, trial, alpha):
    """A linear model of hour, weather and season."""
    trial.fit(Ridge(alpha=alpha), hours)


@experiment(minimize="rmsle")
@grid(num_leaves=[15, 31], learning_rate=[0.05, 0.1])
def experiment_trees(hours, trial, num_leaves, learning_rate):
    """Boosted trees, with the learning curve of every trial."""
    model = LGBMRegressor(num_leaves=num_leaves, learning_rate=learning_rate, verbose=-1)
    trial.fit(model, hours, curves=True)


def gate_beats_the_linear_model(experiment_trees, experiment_ridge):
    """The hour of the day is no straight line."""
    gain = experiment_trees.best.test - experiment_ridge.best.test
    assert gain.rmse < -10


def gate_error_is_useful(experiment_trees):
    """Most of the variance, weeks ahead."""
    assert experiment_trees.best.test.r2 >= 0.6
