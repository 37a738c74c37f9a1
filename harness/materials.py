"""Declarations in; prepared data sets and fitted features out, each made once in this process."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle

from harness.contract import Verdict, check, render
from harness.data.consistency import check as check_declaration
from harness.data.dataset import Dataset, Seal
from harness.data.preparation import Prepared, digest_frame, open_dataset, prepare
from harness.declarations import DatasetDeclaration, FeaturesDeclaration
from harness.errors import DataError, FeaturesError, HarnessError
from harness.models.transforms import fit_features
from harness.results import ContractRecord
from harness.seeds import seed
from harness.store import Store

__tracebackhide__ = True


class BrokenContractError(HarnessError):
    """The rows do not look as the contract says; the text lists every broken expectation."""

    def __init__(self, text: str, violations: tuple[str, ...]) -> None:
        super().__init__(text)
        self.violations = violations


class BlockedError(HarnessError):
    """What an item needs has failed before it, and was told there."""


class Materials:
    """The data sets and features of one process."""

    def __init__(
        self, *, store: Store, project: Path, expectations: Path, examples: int, base_seed: int
    ) -> None:
        self.seal = Seal()
        self._store = store
        self._project = project
        self._expectations = expectations
        self._examples = examples
        self._seed = base_seed
        self._datasets: dict[str, Dataset] = {}
        self._prepared: dict[str, Prepared] = {}
        self._features: dict[Hashable, Dataset | Exception] = {}
        self._kept: list[Mapping[str, Any]] = []

    def prepare(self, declaration: DatasetDeclaration, fixtures: Mapping[str, Any]) -> ContractRecord:
        """Load, check, split, seal and store a data set.

        Raises BrokenContractError, ContractError, DeclarationError or DataError; an exception of
        the loader goes through.
        """
        started = time.perf_counter()
        check_declaration(declaration)
        seed(self._seed, "load", declaration.name)
        frame = declaration.loader(**fixtures)
        content = digest_frame(frame, declaration.name)
        verdict = self._judge(declaration, frame, content)
        prepared = prepare(declaration, frame, self._store, content)
        self._prepared[declaration.name] = prepared
        return ContractRecord(
            node_id="",
            dataset=declaration.name,
            outcome="passed",
            contract=declaration.contract,
            verdict=verdict.word if verdict else "no contract",
            digest=prepared.digest,
            task=prepared.task,
            rows=prepared.rows,
            columns={**prepared.columns, prepared.target: prepared.target_dtype},
            target=prepared.target,
            violations=tuple(v.text for v in verdict.violations) if verdict else (),
            seconds=time.perf_counter() - started,
        )

    def _judge(self, declaration: DatasetDeclaration, frame: Any, digest: str) -> Verdict | None:
        if declaration.contract is None:
            return None
        verdict = check(
            frame,
            contract=declaration.contract,
            folder=self._expectations,
            digest=digest,
            store=self._store,
        )
        if verdict.broken:
            text = render(verdict, dataset=declaration.name, examples=self._examples)
            raise BrokenContractError(text, tuple(violation.text for violation in verdict.violations))
        return verdict

    def dataset(self, declaration: DatasetDeclaration) -> Dataset:
        """Return a prepared data set; raise DataError if its contract item has not run."""
        name = declaration.name
        if name not in self._datasets:
            if name not in self._prepared:
                raise DataError(
                    f"data set {name!r} has not been prepared in this run",
                    f"ask for it as an argument, so that contract[{name}] is selected and runs first",
                )
            self._datasets[name] = open_dataset(self._prepared[name], self._store, self.seal)
        return self._datasets[name]

    def features(self, declaration: FeaturesDeclaration, inputs: Mapping[str, Any]) -> Dataset:
        """Return the transformed splits, fitted once per data and parameter values.

        Raises what the function or its transformer raised the first time it is asked for, and
        BlockedError every further time.
        """
        data = _only_dataset(declaration, inputs)
        params = {name: value for name, value in inputs.items() if not isinstance(value, Dataset)}
        key = (declaration.function, data.digest, self._content(params))
        known = self._features.get(key)
        if isinstance(known, Exception):
            text = str(known).strip().split("\n")[0]
            raise BlockedError(f"features {declaration.name} failed: {type(known).__name__}: {text}")
        if known is None:
            try:
                known = self._fit(declaration, data, inputs, params)
            except Exception as error:
                self._features[key] = error
                raise
            self._features[key] = known
        return known

    def _content(self, params: Mapping[str, Any]) -> Hashable:
        """Return what is equal for equal values; a repr of a long array or an estimator leaves things out."""
        try:
            return bytes(cloudpickle.dumps(sorted(params.items(), key=lambda p: p[0])))
        except Exception:  # noqa: BLE001  # pickling runs code of every class in the values
            self._kept.append(params)  # the identity of a deleted object may be another's
            return tuple(sorted((name, id(value)) for name, value in params.items()))

    def _fit(
        self,
        declaration: FeaturesDeclaration,
        data: Dataset,
        inputs: Mapping[str, Any],
        params: Mapping[str, Any],
    ) -> Dataset:
        seed(self._seed, declaration.name, sorted(params.items(), key=lambda p: p[0]))
        guarded = {n: data.for_features(declaration.name) if v is data else v for n, v in inputs.items()}
        transformer = declaration.function(**guarded)
        return fit_features(declaration, data, transformer, project=self._project)


def _only_dataset(declaration: FeaturesDeclaration, inputs: Mapping[str, Any]) -> Dataset:
    found = [name for name, value in inputs.items() if isinstance(value, Dataset)]
    if len(found) != 1:
        raise FeaturesError(
            f"features {declaration.name!r} take {len(found)} data sets ({', '.join(found) or 'none'}), "
            f"{declaration.place}",
            "name exactly one data set or other features among the arguments",
        )
    dataset: Dataset = inputs[found[0]]
    return dataset
