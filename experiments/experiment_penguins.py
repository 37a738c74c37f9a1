"""Which species of penguin is it? Three classes, 344 rows, missing measurements."""

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from harness import experiment, grid


@pytest.mark.parametrize(
    "model", [LogisticRegression(), KNeighborsClassifier(5)], ids=["linear", "neighbours"]
)
def experiment_simple(penguin_features, trial, model):
    """Two plain models; pytest's own parametrize makes a grid as well."""
    trial.fit(model, penguin_features)


@experiment(minimize="log_loss")
@grid(max_depth=[3, 6, None])
def experiment_forest(penguin_features, trial, max_depth):
    """A random forest, judged by its probabilities."""
    trial.fit(RandomForestClassifier(max_depth=max_depth), penguin_features)


def gate_every_species_is_found(experiment_simple):
    """All 35 test rows are right, and still that proves no more than 0.9: they are few."""
    assert experiment_simple.best.test.accuracy >= 0.9


def gate_forest_is_sure(experiment_forest):
    """Probabilities must be usable, not only the most likely species."""
    assert experiment_forest.best.test.log_loss <= 0.3
