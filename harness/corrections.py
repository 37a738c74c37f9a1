"""The trials of an experiment in; its best validation score, less what choosing it has gained, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.bests import best
from harness.data.dataset import Dataset
from harness.errors import ResultError
from harness.models.predictions import Predictions
from harness.results import PREDICTIONS, TrialRecord
from harness.scoring.correction import Corrected, corrected
from harness.scoring.metrics import Metric
from harness.scoring.scores import evidence

__tracebackhide__ = True


def correct(
    records: Sequence[TrialRecord], data: Dataset, metrics: Mapping[str, Metric], folder: Path, seed: int
) -> Corrected:
    """Return the best validation score, corrected for having been picked as the best of all finished trials.

    data: that the trials were fitted on; folder: of the run, has the predictions they kept; seed: of the
    resamples, see `scoring.correction.corrected`.

    Raises ResultError where that does not hold: for pruned trials, repeats or folds, a logged objective,
    other data.
    """
    found = best(records)
    finished = sorted((record for record in records if record.finished), key=lambda record: record.index)
    if found is None or found.objective is None:
        raise ResultError("no trial is the best", "mend the trials first")
    what = f"the best {found.objective} of {found.experiment} cannot be corrected for the choice"
    pruned = sum(record.outcome == "pruned" for record in records)
    if pruned:
        raise ResultError(
            f"{what}: {pruned} of its trials were pruned for their validation scores, and what they would "
            "have predicted is not known",
            "search without prune=True, or judge by .best.test",
        )
    if found.repeats:
        raise ResultError(
            f"{what}: it was chosen on the mean of {len(found.repeats)} divisions of the rows, which overlap",
            "judge by .best.test",
        )
    metric = metrics.get(found.objective)
    if metric is None or any(found.objective in record.logged for record in finished):
        raise ResultError(
            f"{what}: it was logged, and is of no rows that are kept", "judge by a score, or by .best.test"
        )
    if any(record.data_digest != found.data_digest for record in finished):
        raise ResultError(f"{what}: its trials are of several data sets", "let an experiment have one")
    kept = [Predictions.load(folder / record.files[PREDICTIONS]) for record in finished]
    return corrected(metric, [evidence(data, "validation", said) for said in kept], seed=seed)
