"""scikit-learn's GridSearchCV, judged on the same validation rows."""

import numpy as np
import work
from sklearn.model_selection import GridSearchCV, PredefinedSplit


def search(scoring="accuracy", **options):
    """Return the fitted search."""
    rows = work.rows()
    X = np.concatenate([rows.X_train, rows.X_validation])
    y = np.concatenate([rows.y_train, rows.y_validation])
    split = PredefinedSplit(np.repeat([-1, 0], [len(rows.y_train), len(rows.y_validation)]))
    grid = dict(work.GRID)
    found = GridSearchCV(
        work.model({}), grid, scoring=scoring, cv=split, refit=False, n_jobs=work.WORKERS, **options
    )
    return found.fit(X, y)


if __name__ == "__main__":
    results = search().cv_results_
    work.tell(zip(results["params"], results["mean_test_score"], strict=True))
