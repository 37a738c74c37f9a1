"""The trials of an experiment in; its best validation score, less what choosing it has gained, out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from harness.bests import best
from harness.data.dataset import Dataset
from harness.errors import ResultError
from harness.models.predictions import Predictions
from harness.models.stages import Stages
from harness.results import PREDICTIONS, STAGES, TrialRecord
from harness.scoring.correction import Candidate, Corrected, corrected
from harness.scoring.evidence import Evidence
from harness.scoring.metrics import METRICS, Metric
from harness.scoring.scores import evidence

__tracebackhide__ = True


def obstacle(records: Sequence[TrialRecord], metrics: Mapping[str, Metric]) -> str:
    """Return why the best score of an experiment cannot be corrected; empty if it can."""
    found = best(records)
    if found is None or found.objective is None:
        return "no trial is the best"
    pruned = sum(record.outcome == "pruned" for record in records)
    if pruned:
        return f"{pruned} trials were pruned, and what they would have predicted is not known"
    if found.repeats:
        return f"it was chosen on the mean of {len(found.repeats)} divisions of the rows, which overlap"
    finished = [record for record in records if record.finished]
    if found.objective not in metrics or any(found.objective in record.logged for record in finished):
        return "it was logged, and is of no rows that are kept"
    if any(record.data_digest != found.data_digest for record in finished):
        return "its trials are of several data sets"
    unknown = sum(record.stopped_early and STAGES not in record.files for record in finished)
    if unknown:
        return (
            f"{unknown} trials stopped early, and what they would have predicted after other rounds was not "
            "kept"
        )
    return ""


def correct(
    records: Sequence[TrialRecord], data: Dataset, metrics: Mapping[str, Metric], folder: Path, seed: int
) -> Corrected:
    """Return the best validation score, corrected for having been picked as the best of all finished trials.

    data: that the trials were fitted on; folder: of the run, has the predictions they kept; seed: of the
    resamples, see `scoring.correction.corrected`.

    Raises ResultError where that does not hold, see `obstacle`.
    """
    why, found = obstacle(records, metrics), best(records)
    if why or found is None or found.objective is None:
        name = records[0].experiment if records else "the experiment"
        raise ResultError(
            f"the best score of {name} cannot be corrected for the choice: {why}", "judge by .best.test"
        )
    finished = sorted((record for record in records if record.finished), key=lambda record: record.index)
    trials = [_candidate(record, data, folder) for record in finished]
    return corrected(metrics[found.objective], trials, seed=seed)


def _candidate(record: TrialRecord, data: Dataset, folder: Path) -> Evidence | Candidate:
    kept = evidence(data, "validation", Predictions.load(folder / record.files[PREDICTIONS]))
    if not record.stopped_early:
        return kept
    stages = Stages.load(folder / record.files[STAGES])
    return Candidate(
        kept=kept, stages=len(stages), stage=partial(_stage, kept, stages), chooser=METRICS[stages.metric]
    )


def _stage(kept: Evidence, stages: Stages, index: int) -> Evidence:
    return dataclasses.replace(kept, predictions=stages.predictions(index, kept.n_classes))
