"""One pytest run that has experiments: its store folder, materials and results."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import pytest

import harness
from harness.backends.base import Backend
from harness.backends.local import InProcess
from harness.bests import best, defined, measured
from harness.catalogue import Catalogue
from harness.collection import DATASET, INDEX, experiment_name, requested, role
from harness.data.dataset import Dataset
from harness.declarations import (
    DatasetDeclaration,
    ExperimentDeclaration,
    FeaturesDeclaration,
    declared,
)
from harness.errors import DeclarationError, HarnessError, ResultError
from harness.findings import Findings
from harness.materials import BlockedError, BrokenContractError, Materials
from harness.models.threads import available
from harness.objectives import check
from harness.outcomes import Archive, ExperimentResult
from harness.provenance import commit, project_name
from harness.recorder import (
    broken_contract,
    gate_record,
    own_parameters,
    parameters,
    trial_record,
)
from harness.results import ContractRecord, Record, RunRecord, TrialRecord
from harness.rundir import RunFolder
from harness.scoring.metrics import table
from harness.seeds import seed
from harness.selection import judged
from harness.settings import Settings
from harness.store import Store
from harness.trial import Bench, Trial

__tracebackhide__ = True

TRIAL = pytest.StashKey[Trial]()
VIOLATIONS = pytest.StashKey[tuple[str, ...]]()
CONTRACT = pytest.StashKey[ContractRecord]()


class Run:
    """What fixtures reach as `_harness`, and what the session asks while items run."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, session: pytest.Session, store: Store
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.session = session
        self.store = store
        self.experiments = _experiments(session.items)
        self.metrics = {name: table(catalogue.metrics(i[0].path)) for name, i in self.experiments.items()}
        self._refuse_objectives()
        store.open()  # now that nothing was refused
        head, dirty = commit(settings.root)
        self.folder = RunFolder.create(
            store,
            RunRecord(
                id=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}",
                project=project_name(settings.root),
                started=time.time(),
                backend=settings.backend,
                harness_version=harness.__version__,
                commit=head,
                dirty=dirty,
            ),
        )
        self.materials = Materials(
            store=store,
            project=settings.root,
            expectations=settings.expectations,
            examples=settings.examples,
            base_seed=settings.seed,
        )
        self.backend: Backend = InProcess()
        self.threads = settings.threads or max(1, available() // self.backend.in_flight)
        self.findings = Findings(self.folder)
        self._params = {
            item.nodeid: parameters(item) for items in self.experiments.values() for item in items
        }
        self._results: dict[str, ExperimentResult] = {}
        self._readings: dict[str, float] = {}
        self._tested: dict[str, dict[str, float]] = {}

    def _refuse_objectives(self) -> None:
        for name, items in self.experiments.items():
            function = getattr(items[0], "function", None)
            if function is not None:
                check(
                    f"{items[0].path.name}::{name}",
                    function,
                    _objective_of(items[0]),
                    self.metrics[name],
                    has_data=bool(self.datasets_of(items[0])),
                )

    # What fixtures ask.

    def prepare(self, declaration: DatasetDeclaration, fixtures: Mapping[str, Any]) -> None:
        """Be the body of a contract item."""
        item = self._item(f"contract[{declaration.name}]")
        problem = None
        try:
            item.stash[CONTRACT] = self.materials.prepare(declaration, fixtures)
        except BrokenContractError as error:
            item.stash[VIOLATIONS] = error.violations
            problem = str(error)
        except HarnessError as error:
            item.stash[VIOLATIONS] = (error.problem,)
            problem = str(error)
        if problem is not None:  # outside of the handler, or pytest would show two exceptions
            fail(problem)

    def _item(self, name: str) -> pytest.Item:
        return next(i for i in self.session.items if i.name == name and role(i) == "contract")

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
        name = experiment_name(item)
        datasets = tuple(self._dataset(n) for n in self.datasets_of(item))
        made = Trial(
            parameters(item),
            _objective_of(item),
            Bench(
                project=self.settings.root,
                run=self.folder.path,
                folder=f"trials/{name}-{item.stash[INDEX]:04d}",
                metrics=self.metrics[name],
                threads=self.threads,
            ),
            datasets,
        )
        if len({data.task for data in datasets}) == 1:
            made.objective()  # one of another task is told before anything is fitted
        item.stash[TRIAL] = made
        return made

    def experiment(self, name: str) -> ExperimentResult:
        """Return the results of an experiment, for a gate."""
        if name not in self._results:
            archive = Archive(
                run=self.folder.path,
                dataset=self._dataset,
                metrics=self.metrics.get(name, {}),
                on_read=self._read,
            )
            self._results[name] = ExperimentResult(name, partial(self._whole, name), self._params, archive)
        return self._results[name]

    def _whole(self, name: str) -> list[TrialRecord]:
        """Return the records of every trial of an experiment; some of them would be half a grid."""
        missing = [
            item
            for item in self.catalogue.trials(self.session, name)
            if item.nodeid not in self.findings.trials
        ]
        if missing:
            raise ResultError(
                f"{len(missing)} trials of {name} have not run yet",
                f"name {name} among the arguments of the gate, so that all of them run before it",
            )
        return self.results_of(name)

    def _read(self, name: str, value: float) -> None:
        self._readings[name] = value

    def _dataset(self, name: str) -> Dataset:
        declaration = self.catalogue.dataset(name)
        assert declaration is not None
        return self.materials.dataset(declaration)

    # What the session asks.

    def datasets_of(self, item: pytest.Item) -> list[str]:
        """Return the data sets that an item needs, a gate also those of its experiments."""
        items = [item]
        for name in judged(self.catalogue, item):
            items.extend(self.experiments.get(name, ()))
        found = (name for i in items for name in requested(i) if self.catalogue.dataset(name))
        own = item.stash[DATASET].name if role(item) == "contract" else None
        return [name for name in dict.fromkeys(found) if name != own]

    def blocked(self, item: pytest.Item) -> str | None:
        """Return why an item cannot run: a contract that is broken."""
        for name in self.datasets_of(item):
            contract = self.findings.contracts.get(name)
            if contract is not None and contract.outcome == "broken":
                return f"contract {name} is broken"
        return None

    def begin(self, item: pytest.Item) -> None:
        """Make ready for an item: parameters of its own, seed, and the seal open for a gate."""
        own_parameters(item)
        self._seed(item)
        if role(item) == "gate":
            self.materials.seal.opened_by = item.nodeid

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

    def seed_again(self, item: pytest.Item) -> None:
        """Seed again before the call: a fixture may have drawn numbers, or have been there before."""
        self._seed(item)

    def _seed(self, item: pytest.Item, *names: str) -> None:
        if role(item) in ("trial", "gate"):
            params = sorted((name, repr(value)) for name, value in parameters(item).items())
            seed(self.settings.seed, experiment_name(item), params, *names)

    def end(self) -> None:
        """Close the seal again, and forget what a gate has read."""
        self.materials.seal.opened_by = None
        self._readings = {}

    def record(self, item: pytest.Item, report: pytest.TestReport) -> Record | None:
        """Return the record of an item whose tear-down was reported."""
        match role(item):
            case "trial":
                made = item.stash.get(TRIAL, None)
                return trial_record(item, report, made.outcome if made else {})
            case "gate":
                self._measure(item)
                opened = [d for d, gate in self.materials.seal.openings if gate == item.nodeid]
                return gate_record(item, judged(self.catalogue, item), self._readings, opened)
            case "contract":
                if CONTRACT in item.stash:
                    return ContractRecord(**{**item.stash[CONTRACT].to_json(), "node_id": item.nodeid})
                violations: tuple[str, ...] = item.stash.get(VIOLATIONS, ())
                return broken_contract(item, violations)
        return None

    def _measure(self, item: pytest.Item) -> None:
        """Take all scores on test rows that a gate has opened, while they are open."""
        for name in judged(self.catalogue, item):
            result = self._results.get(name)
            test = result.judged.tested if result and result.judged else None
            if test is not None and name not in self._tested:
                self._tested[name] = defined(test, self.metrics[name])

    def evidence(self, item: pytest.Item) -> list[tuple[str, str]]:
        """Return what a failing gate shows besides its assertion: the best trials it judged."""
        known = (self._results.get(name) for name in judged(self.catalogue, item))
        shown = [repr(result.judged) for result in known if result and result.judged]
        return [("judged", "\n".join(shown))] if shown else []

    def results_of(self, name: str) -> list[TrialRecord]:
        """Return the records of an experiment's trials that ran, in declared order."""
        known = self.findings.trials
        return [known[item.nodeid] for item in self.experiments[name] if item.nodeid in known]

    def finish(self, exit: int) -> None:
        """Record the best trials and end the journal with pytest's exit code."""
        for name in self.experiments:
            found = best(self.results_of(name))
            if found is not None:
                data = self._dataset(found.dataset) if found.dataset else None
                test = self._tested.get(name, {})
                self.findings.take(measured(found, data, self.metrics[name], test, self.folder.path))
        self.findings.close(exit)


def fail(text: str) -> NoReturn:
    """Fail the item that runs by a text that says it all."""
    __tracebackhide__ = False  # where every frame is hidden, pytest adds a line about that
    pytest.fail(text, pytrace=False)


def _objective_of(item: pytest.Item) -> ExperimentDeclaration:
    return declared(getattr(item, "function", None), ExperimentDeclaration) or ExperimentDeclaration()


def _experiments(items: Sequence[pytest.Item]) -> dict[str, list[pytest.Item]]:
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        if role(item) == "trial":
            found.setdefault(experiment_name(item), []).append(item)
    return found
