"""GridSearchCV, then a run of MLflow a point, by hand.

Without an argument it logs the accuracy; with `all` the validation scores that the harness logs.
"""

import sys

import mlflow
import work
from grid_search import search

ALL = [
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "average_precision",
    "neg_log_loss",
]

if __name__ == "__main__":
    if sys.argv[1:] == ["all"]:
        results = search(ALL).cv_results_
        columns = {f"validation_{name}": f"mean_test_{name}" for name in ALL}
    else:
        results = search().cv_results_
        columns = {"validation_accuracy": "mean_test_score"}
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("grid")
    with mlflow.start_run(run_name="grid"):
        for place, params in enumerate(results["params"]):
            with mlflow.start_run(nested=True):
                mlflow.log_params(params)
                metrics = {name: float(results[column][place]) for name, column in columns.items()}
                mlflow.log_metrics({**metrics, "fit_seconds": float(results["mean_fit_time"][place])})
    work.tell(zip(results["params"], results[columns["validation_accuracy"]], strict=True))
