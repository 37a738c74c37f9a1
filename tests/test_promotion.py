"""From the first --promote to a champion that later models are held against, as a user meets it."""

import json
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from recorded import records
from tracked import content

from harness.ledger import read
from harness.tracking.quiet import quiet

pytestmark = pytest.mark.usefixtures("apart_from_mlflow")

CONFTEST = """
from pathlib import Path
import pandas as pd
from sklearn.preprocessing import StandardScaler
from harness import dataset, features

@dataset(target="sold", seed=1, split=(0.6, 0.2, 0.2))
def shops():
    return pd.read_csv(Path(__file__).parent / "shops.csv")

@features
def scaled(shops):
    return StandardScaler()
"""

EXPERIMENT = """
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from harness import experiment, grid

@experiment(registered_name="shops")
@grid(max_depth=[DEPTHS])
def experiment_tree(scaled, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth, random_state=0), scaled)

def gate_better(experiment_tree):
    assert experiment_tree.best.validation.accuracy > 0.6
    champion = experiment_tree.champion
    assert experiment_tree.best.test.only(FRESH, "fresh").accuracy >= champion.test.accuracy - 0.2
    assert len(champion.test) == len(FRESH.nonzero()[0])
"""


def frame(n, seed=0):
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"size": rng.normal(size=n), "street": rng.normal(size=n)})
    made["rooms"] = rng.integers(1, 9, n)
    noise = rng.normal(size=n) / 3
    made["sold"] = np.where(made["size"] + made["street"] + noise > 0, "yes", "no")
    return made


@pytest.fixture
def shops(empty_project, pristine):
    """A project with a CSV in a git repository, and a tracking store of its own."""
    project = empty_project.write({"conftest.py": CONFTEST})
    shutil.copy(pristine, project.path / "mlflow.db")
    (project.path / ".gitignore").write_text(".harness/\nmlflow.db*\nmlruns/\n__pycache__/\n.pytest_cache/\n")
    frame(300).to_csv(project.path / "shops.csv", index=False)
    return project


EOF = None
