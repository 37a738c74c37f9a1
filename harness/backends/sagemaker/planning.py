"""What is known of trials in; by which kind of job each experiment is run out; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.backends.base import Brief
from harness.backends.sagemaker.layout import MOST_JOBS, MOST_VALUES, Layout, layout, speaks
from harness.backends.sagemaker.plan import PlannedExperiment, ranges
from harness.ranges import Choice
from harness.space import Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The trials of one experiment, in order."""

    experiment: str
    briefs: tuple[Brief, ...]
    layout: Layout | None = None
    """Points of a Grid tuning job."""
    guided: bool = False
    """Whether a tuning job chooses the values."""

    @property
    def trials(self) -> list[str]:
        """Node ids."""
        return [brief.node_id for brief in self.briefs]

    @property
    def search(self) -> Search | None:
        """The search that the trials belong to."""
        return self.briefs[0].search

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets that the trials need."""
        return list(dict.fromkeys(name for brief in self.briefs for name in brief.datasets))

    @property
    def kind(self) -> str:
        """What a message calls its jobs."""
        if self.layout is not None:
            return "a Grid tuning job"
        if self.guided and self.search is not None:
            return f"a {'Bayesian' if self.search.strategy == 'tpe' else 'Random'} tuning job"
        return "a training job" if len(self.briefs) == 1 else "training jobs"

    @property
    def planned(self) -> PlannedExperiment:
        """What travels."""
        return PlannedExperiment(
            trials=self.trials,
            params=[brief.params for brief in self.briefs],
            names=self.layout.names if self.layout else (),
            labels=self.layout.labels if self.layout else (),
            ranges=ranges(self.search) if self.guided and self.search is not None else None,
            datasets=self.datasets,
        )


def groups(briefs: Iterable[Brief]) -> list[Group]:
    """Return the trials by experiment, and what runs them.

    A grid is a Grid tuning job and a search a Random or Bayesian one. A single trial is a training job, and
    so is each trial that a tuning job cannot take: it needs an objective, and has limits.
    """
    found: dict[str, list[Brief]] = {}
    for brief in briefs:
        found.setdefault(brief.experiment, []).append(brief)
    return [_group(experiment, tuple(members)) for experiment, members in found.items()]


def _group(experiment: str, briefs: tuple[Brief, ...]) -> Group:
    first = briefs[0]
    tunable = first.objective is not None and len(briefs) > 1
    if tunable and first.search is not None:
        return Group(experiment=experiment, briefs=briefs, guided=_fits(first.search, len(briefs)))
    points = layout([brief.params or {} for brief in briefs]) if tunable else None
    return Group(experiment=experiment, briefs=briefs, layout=points)


def _fits(search: Search, trials: int) -> bool:
    """Return whether a tuning job can choose the values."""
    options = [r.size for r in search.ranges.values() if isinstance(r, Choice)]
    return (
        trials <= MOST_JOBS
        and len(search.ranges) <= MOST_VALUES
        and max(options, default=0) <= MOST_VALUES
        and all(map(speaks, search.ranges))
    )
