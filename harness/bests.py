"""Records of trials in; the best of them, with what it is measured against, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.dataset import Dataset
from harness.models import imprint, seen
from harness.models.columns import describe
from harness.models.predictions import Predictions
from harness.results import BestRecord, TrialRecord
from harness.scoring.baseline import baseline
from harness.scoring.metrics import Metric
from harness.scoring.scores import Scores

_EXAMPLE_ROWS = 100


def best(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the best finished trial (rule 4); None without a finished trial or an objective."""
    found: TrialRecord | None = None
    for record in sorted(records, key=lambda r: r.index):
        value = record.value
        if not record.finished or value is None:
            continue
        if (
            found is None
            or found.value is None
            or (value > found.value if record.greater_is_better else value < found.value)
        ):
            found = record
    return found


def measured(
    record: TrialRecord,
    data: Dataset | None,
    metrics: Mapping[str, Metric],
    test: Mapping[str, float],
    folder: Path,
) -> BestRecord:
    """Return the record of a best trial beside a Dummy baseline and its test scores.

    data: that it was fitted on, None if it fitted nothing; test: its scores on the test rows, none
    if no gate has opened them; folder: of the run, gets a file of raw training rows as an example.
    """
    return BestRecord(
        experiment=record.experiment,
        node_id=record.node_id,
        baseline={} if data is None else defined(baseline(data, metrics), metrics),
        test=dict(test),
        example=None if data is None else _example(data, folder),
        model_digest=model_digest(record, folder),
        rows=None if data is None else _rows(data, folder),
    )


def model_digest(record: TrialRecord, folder: Path) -> str | None:
    """Return the digest of a trial's model, see `imprint`; None without one. folder: of the run."""
    if "predictions" not in record.files:
        return None
    return imprint.digest(record, Predictions.load(folder / record.files["predictions"]))


def defined(scores: Scores, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Return all scores to record that these rows and predictions define."""
    found: dict[str, float] = {}
    for metric in metrics.values():
        try:
            found |= scores.values([metric.name]) if metric.logged else {}
        except Exception:  # noqa: BLE001, S112  # a @metric is user code, and nothing is decided by it here
            continue
    return found


def _rows(data: Dataset, folder: Path) -> str | None:
    path = folder / f"rows-{data.name}.npy"
    if not path.exists():
        raw = data.raw
        columns = describe(raw.train.X)
        try:
            known = [seen.hashes(s.X, s.y, raw.classes, columns) for s in (raw.train, raw.validation)]
        except Exception:  # noqa: BLE001  # values of a class of the user's own: a champion will say so
            return None
        seen.save(path, seen.unique(*known))
    return path.name


def _example(data: Dataset, folder: Path) -> str:
    path = folder / f"example-{data.name}.json"
    if not path.exists():
        rows = data.raw.train.X.head(_EXAMPLE_ROWS).reset_index(drop=True)
        content = rows.to_json(orient="split", date_format="iso", double_precision=15, default_handler=str)
        path.write_text(content, "utf-8")
    return path.name
