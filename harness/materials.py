"""Declarations in; prepared data sets and fitted features out, each made once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.contract import Verdict, check, render
from harness.data.consistency import check as check_declaration
from harness.data.dataset import Dataset, Seal
from harness.data.preparation import Prepared, digest_frame, open_dataset, prepare
from harness.data.resplit import Repeat
from harness.declarations import DatasetDeclaration, FeaturesDeclaration
from harness.derivations import BlockedError, Derivations
from harness.errors import DataError, HarnessError
from harness.results import ContractRecord
from harness.seeds import seed
from harness.store import Store

__all__ = ["BlockedError", "BrokenContractError", "Materials"]
__tracebackhide__ = True


class BrokenContractError(HarnessError):
    """The rows do not look as the contract says; the text lists every broken expectation."""

    def __init__(self, text: str, violations: tuple[str, ...], verdict: str = "broken") -> None:
        super().__init__(text)
        self.violations = violations
        self.verdict = verdict


class Materials:
    """The data sets and features of one process.

    shelf: where the processes of one run share fitted features; None: each fits its own. Not the
        store: a features function may read files, which nothing here sees, and later runs would not
        notice that they have changed.
    threads: of one fit; None: as OpenMP and BLAS have it.
    """

    def __init__(
        self,
        *,
        store: Store,
        project: Path,
        expectations: Path,
        examples: int,
        base_seed: int,
        shelf: Store | None = None,
        threads: int | None = None,
    ) -> None:
        self.seal = Seal()
        self._store = store
        self._expectations = expectations
        self._examples = examples
        self._seed = base_seed
        self._datasets: dict[str, Dataset] = {}
        self._prepared: dict[str, Prepared] = {}
        self._repeated: dict[tuple[str, str], Dataset] = {}
        self._derivations = Derivations(
            store=shelf or store,
            project=project,
            base_seed=base_seed,
            source=_place if shelf else None,
            threads=threads,
        )

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
        leaks = self._leaks(declaration, frame, prepared)
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
            leaks=leaks,
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

    def _leaks(self, declaration: DatasetDeclaration, frame: Any, prepared: Prepared) -> tuple[str, ...]:
        if declaration.leaks == "off":
            return ()
        from harness.data.leaks import leaks, refusal  # trials have no use for it

        found = leaks(frame, declaration, digest=prepared.digest, store=self._store)
        if found and declaration.leaks == "error":
            text = refusal(found, dataset=declaration.name)
            raise BrokenContractError(text, tuple(f"leak: {leak.text}" for leak in found), "leaks")
        return tuple(leak.text for leak in found)

    @property
    def prepared(self) -> Mapping[str, Prepared]:
        """The data sets that can be opened here, by name."""
        return MappingProxyType(self._prepared)

    def adopt(self, prepared: Prepared) -> None:
        """Take over a data set that another process has prepared in the same store.

        Nothing is loaded or checked again; the files of its test rows need not be there.
        """
        self._prepared[prepared.name] = prepared
        self._datasets.pop(prepared.name, None)

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
        """Return the transformed splits, see `Derivations.features`."""
        return self._derivations.features(declaration, inputs)

    def repeated(self, data: Dataset, repeat: Repeat) -> Dataset:
        """Return what a data set, or the result of features, is in a repeat: its features are fitted anew.

        Raises DataError where the rows cannot be divided so, and what `features` raises.
        """

        def again(raw: Dataset) -> Dataset:
            key = (raw.digest, repeat.key)
            if key not in self._repeated:
                self._repeated[key] = raw.resplit(repeat)
            return self._repeated[key]

        return self._derivations.repeated(data, again)

    def release(self) -> None:
        """Let go of the raw rows of repeats, of which memory would hold a copy each."""
        for data in self._repeated.values():
            data.release()


def _place(declaration: FeaturesDeclaration) -> str:
    return declaration.place
