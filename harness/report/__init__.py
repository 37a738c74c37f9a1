"""The records of a run in; the lines that the terminal shows after pytest's own out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.report import datasets
from harness.report.datasets import unsealed
from harness.report.experiments import table
from harness.report.gates import judgements
from harness.report.line import GREEN, RED, WIDTH, YELLOW, Line, flow, sentence
from harness.results import BestRecord, ContractRecord, GateRecord, TrialRecord

if TYPE_CHECKING:
    from harness.tracking import Delivery

__all__ = ["GREEN", "RED", "WIDTH", "YELLOW", "Line", "lines", "sentence", "tracked", "unsealed"]


def lines(
    contracts: Sequence[ContractRecord],
    experiments: Mapping[str, Sequence[TrialRecord]],
    bests: Mapping[str, BestRecord],
    gates: Sequence[GateRecord],
    planned: Mapping[str, int] | None = None,
) -> list[Line]:
    """Return the table of data sets, experiments and gates, none longer than 80 characters.

    planned: number of selected trials by experiment, of which some may not have run.
    """
    counts = {name: len(records) for name, records in experiments.items()} | dict(planned or {})
    parts = [
        list(datasets.contracts(contracts)),
        list(table(experiments, bests, counts)),
        list(judgements(gates)),
    ]
    shown: list[Line] = []
    for part in filter(None, parts):
        if shown:
            shown.append(Line(""))
        shown.extend(part)
    return shown


def tracked(delivery: Delivery | None, view: str) -> list[Line]:
    """Return where to look at the runs, or why they are not there yet.

    view: the command that opens MLflow's UI on the tracking store.
    """
    if delivery is None:
        return []
    if delivery.problem is not None:
        problem = delivery.problem.removesuffix(".")  # MLflow's own texts may end in one
        who = "" if "MLflow" in problem else "MLflow: "  # most problems name it themselves
        wait = "record waits" if delivery.pending == 1 else "records wait"
        text = f"{who}{problem}. {delivery.pending} {wait} in the store: `harness sync`"
        return sentence(text, YELLOW)
    return list(flow(view, "compare the runs: ", 2, {}, keep=True))
