import numpy as np
from sklearn.linear_model import LogisticRegression

from harness import experiment, grid


@experiment(maximize="accuracy")
@grid(C=np.logspace(-3, 3, 200).tolist())
def experiment_logistic(rows, trial, C):
    trial.fit(LogisticRegression(C=C, max_iter=1000), rows)
