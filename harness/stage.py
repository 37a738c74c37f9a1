"""What trials work with in one process, be it pytest's own or a worker's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.catalogue import Catalogue
from harness.collection import INDEX, experiment_name, requested, role
from harness.data.dataset import Dataset
from harness.data.resplit import Repeat
from harness.declarations import (
    DatasetDeclaration,
    ExperimentDeclaration,
    FeaturesDeclaration,
    declared,
)
from harness.errors import DeclarationError
from harness.materials import BlockedError, Materials
from harness.models.pickling import Dumper
from harness.models.structures import SIZE, Structures
from harness.models.threads import Threads
from harness.pruning import Bar
from harness.recorder import own_parameters, parameters, trial_record
from harness.results import TrialRecord
from harness.scoring.metrics import Metric, table
from harness.seeds import seed
from harness.settings import Settings
from harness.trial import Bench, Trial

__tracebackhide__ = True

TRIAL = pytest.StashKey[Trial]()
PRUNED = pytest.StashKey[str]()
"""Why a trial was stopped as hopeless."""
BARS = pytest.StashKey[Sequence[Bar] | None]()
"""What a trial of a search must reach to go on; None, or not there: it is not watched."""


class Stage:
    """What fixtures of trials reach as `_harness`, and what surrounds each item."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        *,
        materials: Materials,
        folder: Path,
        threads: int,
    ) -> None:
        """Folder: of the run, for the files of trials; threads: of one fit."""
        self.settings = settings
        self.catalogue = catalogue
        self.materials = materials
        self.folder = folder
        self.threads = threads
        self._threads = Threads(threads)
        self._dumper = Dumper(settings.root)
        self._structures = Structures()
        self._metrics: dict[Path, Mapping[str, Metric]] = {}

    # What fixtures ask.

    def dataset(self, declaration: DatasetDeclaration) -> Dataset:
        """Return a prepared data set."""
        return self.materials.dataset(declaration)

    def features(self, declaration: FeaturesDeclaration, inputs: Mapping[str, Any]) -> Dataset:
        """Return transformed splits; skip the item if the same features failed before."""
        try:
            return self.materials.features(declaration, inputs)
        except BlockedError as error:
            pytest.skip(str(error))

    def trial(self, item: pytest.Item) -> Trial:
        """Return the `trial` of an item."""
        if role(item) != "trial":
            raise DeclarationError(
                f"{item.nodeid} asks for `trial`", "only experiment_* functions in experiment files have one"
            )
        datasets = tuple(self.named(name) for name in self.datasets_of(item))
        bench = dataclasses.replace(
            self._bench(item), folder=self.folder_of(item), bars=item.stash.get(BARS, None)
        )
        made = Trial(parameters(item), objective_of(item), bench, datasets)
        if len({data.task for data in datasets}) == 1:
            made.objective()  # one of another task is told before anything is fitted
        item.stash[TRIAL] = made
        return made

    def _bench(self, item: pytest.Item) -> Bench:
        return Bench(
            dumper=self._dumper,
            run=self.folder,
            folder=None,
            metrics=self.metrics(item.path),
            threads=self._threads,
            structures=self._structures,
            confidence=self.settings.confidence,
        )

    def expect(self, repeats: int) -> None:
        """Make ready for so many repeats of a trial."""
        self._structures.widen(SIZE + repeats)

    def repeated(self, data: Dataset, repeat: Repeat) -> Dataset:
        """Return what a data set or features are in a repeat; skip the item if they failed there before."""
        try:
            return self.materials.repeated(data, repeat)
        except BlockedError as error:
            pytest.skip(str(error))

    def repeated_trial(
        self, item: pytest.Item, params: Mapping[str, Any], datasets: Sequence[Dataset], repeat: str
    ) -> Trial:
        """Return the `trial` of an item in a repeat: of what it is given only numbers are kept."""
        bench = dataclasses.replace(self._bench(item), repeat=repeat)
        return Trial(params, objective_of(item), bench, tuple(datasets))

    def folder_of(self, item: pytest.Item) -> str:
        """Return the folder for the files of a trial, relative to the run's."""
        return f"trials/{experiment_name(item)}-{item.stash[INDEX]:04d}"

    def named(self, name: str) -> Dataset:
        """Return a prepared data set by its name."""
        declaration = self.catalogue.dataset(name)
        assert declaration is not None
        return self.materials.dataset(declaration)

    def metrics(self, path: Path) -> Mapping[str, Metric]:
        """Return the metrics of an experiment file by name."""
        if path not in self._metrics:
            self._metrics[path] = table(self.catalogue.metrics(path))
        return self._metrics[path]

    # What surrounds an item.

    def datasets_of(self, item: pytest.Item) -> list[str]:
        """Return the names of the data sets that an item asks for."""
        return [name for name in dict.fromkeys(requested(item)) if self.catalogue.dataset(name)]

    def begin(self, item: pytest.Item) -> None:
        """Make ready for an item: parameters of its own, and its seed."""
        own_parameters(item)
        self._seed(item)

    @contextmanager
    def fixture(self, name: str, node: pytest.Collector | pytest.Item) -> Iterator[None]:
        """Let the block set up a fixture of `node`, with random numbers of its own.

        What was set up before it, or is still there from another item, changes them not. A fixture
        that outlives the item which asks first, perhaps a gate, sees no test rows.
        """
        if isinstance(node, pytest.Item):
            self._seed(node, "fixture", name)
            yield
            return
        seed(self.settings.seed, "fixture", name)
        seal = self.materials.seal
        opened, seal.opened_by = seal.opened_by, None
        try:
            yield
        finally:
            seal.opened_by = opened

    def seed_again(self, item: pytest.Item, *names: str) -> None:
        """Seed again before the call: a fixture may have drawn numbers, or have been there before.

        names: of the repeat, if the function is called for one.
        """
        self._seed(item, *names)

    def _seed(self, item: pytest.Item, *names: str) -> None:
        if role(item) in ("trial", "gate"):
            params = sorted((name, repr(value)) for name, value in parameters(item).items())
            seed(self.settings.seed, experiment_name(item), params, *names)

    def record(self, item: pytest.Item, report: pytest.TestReport) -> TrialRecord:
        """Return the record of a trial whose tear-down was reported."""
        made = item.stash.get(TRIAL, None)
        record = trial_record(item, report, made.outcome if made else {})
        if PRUNED in item.stash and record.outcome == "skipped":
            return dataclasses.replace(record, outcome="pruned")
        return record


def objective_of(item: pytest.Item) -> ExperimentDeclaration:
    """Return what the best trial of an item's experiment is."""
    return declared(getattr(item, "function", None), ExperimentDeclaration) or ExperimentDeclaration()
