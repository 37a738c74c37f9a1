"""Optuna's GridSampler in threads of one process."""

import optuna
import work

if __name__ == "__main__":
    rows = work.rows()

    def objective(trial):
        """Score the point that the sampler chose."""
        point = {name: trial.suggest_categorical(name, values) for name, values in work.GRID.items()}
        return work.score(point, rows)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GridSampler(work.GRID, seed=0))
    study.optimize(objective, n_jobs=work.WORKERS)
    work.tell((trial.params, trial.value) for trial in study.trials)
