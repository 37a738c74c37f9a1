"""The experiments a gate judged, and the test rows it opened, in; the models it held against them out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from harness.ledger import BY_HAND
from harness.openings import Look
from harness.outcomes import ExperimentResult

__tracebackhide__ = True


def looks(
    judged: Collection[ExperimentResult], opened: Collection[str], rows: Mapping[str, str]
) -> Iterator[Look]:
    """Yield each model that a gate held against test rows, best trials and champions.

    opened: data sets whose test rows it saw; rows: digest of these by data set.
    A gate that took the rows themselves, and not the scores of a model on them, may have held any model
    against them that it knows of; if it knows of none, it has still seen them.
    """
    for dataset in opened:
        bests = [found for result in judged if (found := result.judged) and found.dataset == dataset]
        held = [found for found in bests if found.tested is not None] or bests
        digests = {found.digest or BY_HAND: found.experiment for found in held}
        for result in judged:
            if result.rival is not None and result.rival.tested and result.best.dataset == dataset:
                digests[result.rival.digest] = result.name
        for digest, experiment in (digests or {BY_HAND: ""}).items():
            yield Look(test_rows=rows[dataset], model=digest, dataset=dataset, experiment=experiment)
