"""One pytest run that has experiments: its store folder, materials and results."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest

import harness
from harness.bests import best, defined, measured
from harness.catalogue import Catalogue
from harness.collection import DATASET, experiment_name, role
from harness.corrections import correct, obstacle
from harness.data.dataset import Dataset
from harness.data.resplit import check as check_repeats
from harness.declarations import DatasetDeclaration, FeaturesDeclaration
from harness.errors import HarnessError, ResultError
from harness.findings import Findings
from harness.hearing import Hearing
from harness.looks import looks
from harness.materials import BrokenContractError, Materials
from harness.models.shelf import FEATURES
from harness.multiplicity import note
from harness.objectives import check
from harness.openings import Openings
from harness.outcomes import Archive, ExperimentResult
from harness.policy import policy_of
from harness.provenance import commit, project_name
from harness.recorder import broken_contract, gate_record, parameters
from harness.results import ContractRecord, GateRecord, Objective, RunRecord, TrialRecord
from harness.rundir import RunFolder
from harness.scoring.metrics import default_objective, objective
from harness.scoring.score import Claim
from harness.selection import judged, subjects
from harness.settings import Settings
from harness.stage import Stage, objective_of
from harness.staging import fail
from harness.store import Store
from harness.tracking.registry import Registered, find
from harness.trial import Trial

__tracebackhide__ = True

VIOLATIONS = pytest.StashKey[tuple[str, ...]]()
VERDICT = pytest.StashKey[str]()
CONTRACT = pytest.StashKey[ContractRecord]()

_NOT_IN_NAMES = str.maketrans("/:", "__")
"""What MLflow refuses in the name of a registered model."""


class Run:
    """What fixtures reach as `_harness` in the pytest process, and what the session asks of its items.

    threads: of one fit. shared: whether other processes run trials, too.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        session: pytest.Session,
        *,
        run_id: str,
        threads: int,
        shared: bool,
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.session = session
        self.store = store = Store(settings.store)
        self.materials = Materials(
            store=store,
            project=settings.root,
            expectations=settings.expectations,
            examples=settings.examples,
            base_seed=settings.seed,
            shelf=Store(store.path("runs", run_id)) if shared else None,
            threads=threads,
        )
        self.stage = Stage(
            settings,
            catalogue,
            materials=self.materials,
            folder=store.path("runs", run_id),
            threads=threads,
        )
        self.experiments = _experiments(session.items)
        self.metrics = {name: self.stage.metrics(i[0].path) for name, i in self.experiments.items()}
        self._refuse_objectives()
        for item in session.items:
            if role(item) == "gate":
                policy_of(item)  # a wrong mark is refused before anything is trained
                subjects(catalogue, item)
        store.open()  # now that nothing was refused
        head, dirty = commit(settings.root, besides=settings.ledger)
        self.folder = RunFolder.create(
            store,
            RunRecord(
                id=run_id,
                project=project_name(settings.root),
                started=time.time(),
                backend=settings.backend,
                harness_version=harness.__version__,
                commit=head,
                dirty=dirty,
            ),
        )
        self.findings = Findings(self.folder)
        self.openings = Openings(settings.ledger, guard=store.path("ledger.lock"), commit=head)
        self.params = {i.nodeid: parameters(i) for items in self.experiments.values() for i in items}
        """Hyperparameters of each trial, as they were before it could change them."""
        self._results: dict[str, ExperimentResult] = {}
        self._hearing = Hearing(settings.confidence)
        self._claimed: dict[str, list[tuple[str, Claim]]] = {}
        """What gates have compared, by the data set whose test rows they opened."""
        self._champions: dict[str, Registered | None] = {}
        self._tested: dict[str, dict[str, float]] = {}

    def _refuse_objectives(self) -> None:
        for name, items in self.experiments.items():
            known = [self.catalogue.dataset(data) for data in self.stage.datasets_of(items[0])]
            check_repeats(f"{items[0].path.name}::{name}", objective_of(items[0]), [d for d in known if d])
            function = getattr(items[0], "function", None)
            if function is not None:
                check(
                    f"{items[0].path.name}::{name}",
                    function,
                    objective_of(items[0]),
                    self.metrics[name],
                    has_data=bool(self.stage.datasets_of(items[0])),
                )

    # What fixtures ask.

    def prepare(self, declaration: DatasetDeclaration, fixtures: Mapping[str, Any]) -> None:
        """Be the body of a contract item."""
        item = self._item(f"contract[{declaration.name}]")
        problem = None
        try:
            item.stash[CONTRACT] = self.materials.prepare(declaration, fixtures)
        except BrokenContractError as error:
            item.stash[VIOLATIONS], item.stash[VERDICT] = error.violations, error.verdict
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
        return self.stage.dataset(declaration)

    def features(self, declaration: FeaturesDeclaration, inputs: Mapping[str, Any]) -> Dataset:
        """Return transformed splits."""
        return self.stage.features(declaration, inputs)

    def trial(self, item: pytest.Item) -> Trial:
        """Return the `trial` of an item."""
        return self.stage.trial(item)

    def experiment(self, name: str) -> ExperimentResult:
        """Return the results of an experiment, for a gate."""
        if name not in self._results:
            archive = Archive(
                run=self.folder.path,
                dataset=self.stage.named,
                metrics=self.metrics.get(name, {}),
                on_read=self._hearing.read,
                on_compare=self._hearing.compare,
                confidence=self.settings.confidence,
                seed=self.settings.seed,
                registered=self.registered_name(name),
                find=self._champion,
                on_note=self._hearing.note,
            )
            self._results[name] = ExperimentResult(name, partial(self._whole, name), self.params, archive)
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

    def registered_name(self, experiment: str) -> str:
        """Return the name of the model in MLflow that an experiment competes for."""
        declared = objective_of(self.experiments[experiment][0]).registered_name
        return declared or f"{self.folder.run.project}.{experiment}".translate(_NOT_IN_NAMES)

    def _champion(self, name: str) -> Registered | None:
        if name not in self._champions:
            self._champions[name] = find(name, "champion", root=self.settings.root, store=self.store)
        return self._champions[name]

    # What the session asks.

    def datasets_of(self, item: pytest.Item) -> list[str]:
        """Return the data sets that an item needs, a gate also those of its experiments."""
        found = dict.fromkeys(self.stage.datasets_of(item))
        for name in judged(self.catalogue, item):
            for trial in self.experiments.get(name, ()):
                found |= dict.fromkeys(self.stage.datasets_of(trial))
        own = item.stash[DATASET].name if role(item) == "contract" else None
        return [name for name in found if name != own]

    def objective(self, item: pytest.Item) -> Objective | None:
        """Return what will make a trial the best; None: nothing, or only the trial itself will tell."""
        tasks = {
            self.findings.contracts[n].task
            for n in self.stage.datasets_of(item)
            if n in self.findings.contracts
        }
        task = tasks.pop() if len(tasks) == 1 else None
        declared = objective_of(item)
        named = objective(
            declared.maximize, declared.minimize, self.metrics[experiment_name(item)], task=task, logged=True
        )
        return default_objective(task) if named is None and task is not None else named

    def blocked(self, item: pytest.Item) -> str | None:
        """Return why an item cannot run: a contract that is broken."""
        broken = {name for name, record in self.findings.contracts.items() if record.outcome == "broken"}
        if not broken:
            return None
        return next((f"contract {n} is broken" for n in self.datasets_of(item) if n in broken), None)

    def open(self, gate: pytest.Item) -> None:
        """Open the seal for a gate."""
        self.materials.seal.opened_by = gate.nodeid

    def close(self) -> None:
        """Close the seal again, and forget what a gate has read and compared."""
        self.materials.seal.opened_by = None
        self._hearing.begin()

    def record(self, item: pytest.Item) -> ContractRecord | GateRecord:
        """Return the record of a contract or a gate whose tear-down was reported."""
        if role(item) == "gate":
            self._measure(item)
            opened = sorted(d for d, gate in self.materials.seal.openings if gate == item.nodeid)
            rows = {name: self.materials.prepared[name].test_rows for name in opened}
            known = [self._results[n] for n in judged(self.catalogue, item) if n in self._results]
            self.openings.enter(looks(known, opened, rows))
            for name in opened:
                claims = [(item.name, claim) for claim in self._hearing.claims]
                self._claimed.setdefault(name, []).extend(claims)
            return gate_record(
                item,
                judged(self.catalogue, item),
                readings=self._hearing.readings,
                comparisons=self._hearing.comparisons,
                policy=self._policy(item),
                opened=opened,
                notes=self._hearing.notes,
            )
        if CONTRACT in item.stash:
            return ContractRecord(**{**item.stash[CONTRACT].to_json(), "node_id": item.nodeid})
        violations: tuple[str, ...] = item.stash.get(VIOLATIONS, ())
        return broken_contract(item, violations, item.stash.get(VERDICT, "broken"))

    def _policy(self, gate: pytest.Item) -> str:
        return policy_of(gate) or self.settings.gate_policy

    def objection(self, gate: pytest.Item) -> str | None:
        """Return what the policy has against a gate whose body has passed."""
        return self._hearing.objection(self._policy(gate))

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

    def adjustments(self) -> list[str]:
        """Return what of the comparisons on each data set's test rows stays proven all together."""
        confidence = self.settings.confidence
        return [text for name, made in self._claimed.items() if (text := note(name, made, confidence))]

    def finish(self, exit: int) -> None:
        """Record the best trials and end the journal with pytest's exit code."""
        for name in self.experiments:
            found = best(self.results_of(name))
            if found is not None:
                # Who pressed Ctrl-C does not wait for a baseline.
                named = found.dataset if exit != pytest.ExitCode.INTERRUPTED else None
                data = self.stage.named(named) if named else None
                test = self._tested.get(name, {})
                record = measured(found, data, self.metrics[name], test, self.folder.path)
                if data is not None:
                    record = dataclasses.replace(record, **self._corrected(name, data))
                if test and found.dataset is not None:
                    rows = self.materials.prepared[found.dataset].test_rows
                    counted = self.openings.models(rows)
                    record = dataclasses.replace(record, test_rows=rows, openings=counted)
                self.findings.take(record)
        self.findings.close(exit)
        Store(self.folder.path).remove(FEATURES)

    def _corrected(self, name: str, data: Dataset) -> dict[str, Any]:
        """Return the fields of a best record that tell what the choice among the trials has gained."""
        records = self.results_of(name)
        if sum(record.finished for record in records) < 2:  # there was no choice
            return {}
        why = obstacle(records, self.metrics[name])
        if why:
            return {"uncorrected": why}
        try:
            found = correct(records, data, self.metrics[name], self.folder.path, self.settings.seed)
        except HarnessError as error:  # rows that have no such score
            return {"uncorrected": error.problem}
        return {"corrected": found.value}


def _experiments(items: Sequence[pytest.Item]) -> dict[str, list[pytest.Item]]:
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        if role(item) == "trial":
            found.setdefault(experiment_name(item), []).append(item)
    return found
