from xgboost import XGBClassifier

from harness import experiment, grid


@experiment(maximize="accuracy")
@grid(max_depth=[3, 4, 6, 8], learning_rate=[0.05, 0.1, 0.3], subsample=[0.7, 1.0])
def experiment_xgboost(rows, trial, max_depth, learning_rate, subsample):
    model = XGBClassifier(
        n_estimators=100,
        tree_method="hist",
        random_state=0,
        max_depth=max_depth,
        learning_rate=learning_rate,
        subsample=subsample,
    )
    trial.fit(model, rows)
