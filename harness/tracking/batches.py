"""Entries in; requests with MLflow's own objects, each small enough for it, out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from harness.tracking.entries import Entry

__tracebackhide__ = True

_Item = TypeVar("_Item")

_METRICS, _PARAMS, _TAGS = 900, 100, 100  # of one request, with MLflow's limits of 1000, 100, 100 and 1 MB
_SHORT = 100_000
"""Characters of parameters and tags that go into one request."""


def metrics(entry: Entry, before: Entry | None = None) -> list[Metric]:
    """Return an entry's numbers for its run, except for those it had before."""
    points = [] if before and before.curves == entry.curves else list(_points(entry))
    had = before.metrics if before else {}
    return [*_scalars(entry, {k: v for k, v in entry.metrics.items() if had.get(k) != v}), *points]


def of_model(entry: Entry, model_id: str) -> list[Metric]:
    """Return an entry's numbers for its model."""
    return _scalars(entry, entry.metrics, model_id)


def _scalars(entry: Entry, values: Mapping[str, float], model_id: str | None = None) -> list[Metric]:
    return [Metric(key, value, entry.ended, 0, model_id=model_id) for key, value in values.items()]


def _points(entry: Entry) -> Iterator[Metric]:
    for key, curve in entry.curves.items():
        for step, value in curve:
            yield Metric(key, value, entry.ended, step)


def requests(
    metrics: Sequence[Metric], params: Mapping[str, str], tags: Mapping[str, str]
) -> Iterator[tuple[Sequence[Metric], Sequence[Param], Sequence[RunTag]]]:
    """Cut into requests that MLflow accepts: one, if all is short, else tags apart from parameters."""
    some_params = [Param(key, value) for key, value in params.items()]
    some_tags = [RunTag(key, value) for key, value in tags.items()]
    length = sum(map(len, (*params.values(), *tags.values())))
    together = len(metrics) <= _METRICS - _PARAMS and len(params) <= _PARAMS and len(tags) <= _TAGS
    if together and length <= _SHORT:
        if metrics or params or tags:
            yield metrics, some_params, some_tags
        return
    chunks = itertools.zip_longest(_chunks(metrics, _METRICS), _chunks(some_params, _PARAMS), fillvalue=())
    for metrics_of_one, params_of_one in chunks:
        yield metrics_of_one, params_of_one, ()
    for tags_of_one in _chunks(some_tags, _TAGS):
        yield (), (), tags_of_one


def dataset(entry: Entry) -> list[DatasetInput]:
    """Return the data that an entry names; none if it names none."""
    data = entry.input
    if data is None:
        return []
    made = Dataset(data.name, data.digest, "code", data.source, schema=data.schema, profile=data.profile)
    return [DatasetInput(made, [InputTag("mlflow.data.context", data.context)])]


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
