from lightgbm import LGBMClassifier

from harness import experiment, grid


@experiment(maximize="accuracy")
@grid(max_depth=[3, 4, 6, 8], learning_rate=[0.05, 0.1, 0.3], subsample=[0.7, 1.0])
def experiment_lightgbm(rows, trial, max_depth, learning_rate, subsample):
    model = LGBMClassifier(
        n_estimators=100,
        subsample_freq=1,
        force_col_wise=True,  # or LightGBM times both ways, and the sums depend on which one won
        random_state=0,
        verbose=-1,
        max_depth=max_depth,
        learning_rate=learning_rate,
        subsample=subsample,
    )
    trial.fit(model, rows)
