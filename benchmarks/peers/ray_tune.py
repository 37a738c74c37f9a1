"""Ray Tune's grid search, offline and quiet.

Without an argument each point gets an actor of its own, which is Tune's default; with `reuse` the actors
go on to the next point.
"""

import os
import sys
from pathlib import Path

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}

import ray
import work
from ray import tune


def objective(point, rows):
    """Score one point."""
    return {"accuracy": work.score(point, rows)}


if __name__ == "__main__":
    ray.init(
        num_cpus=work.WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=256 * 2**20,
        _temp_dir=str(Path("ray").absolute()),
    )
    with_rows = tune.with_parameters(objective, rows=work.rows())
    tuner = tune.Tuner(
        tune.with_resources(with_rows, {"cpu": 1}),
        param_space={name: tune.grid_search(values) for name, values in work.GRID.items()},
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            max_concurrent_trials=work.WORKERS,
            reuse_actors=sys.argv[1:] == ["reuse"],
        ),
        run_config=tune.RunConfig(storage_path=str(Path("results").absolute()), name="grid", verbose=0),
    )
    results = tuner.fit()
    work.tell((result.config, result.metrics["accuracy"]) for result in results)
    ray.shutdown()
