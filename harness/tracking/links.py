"""A run and its delivery in; where a browser finds its experiments in MLflow, out; pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.rundir import RunFolder
from harness.tracking.courier import Delivery

__tracebackhide__ = True


def links(folder: RunFolder, delivery: Delivery) -> Mapping[str, str]:
    """Return the address of each experiment's parent run by the experiment's name.

    None of them has one in a store that is no server.
    """
    place = delivery.experiments.get(folder.run.project)
    if place is None or not delivery.uri.startswith(("http://", "https://")):
        return {}
    marks = folder.delivered().get(delivery.uri, {})
    return {
        key.rpartition("::")[2]: f"{delivery.uri.rstrip('/')}/#/experiments/{place}/runs/{mark.mlflow_run}"
        for key, mark in marks.items()
        if key.startswith("experiment:")
    }
