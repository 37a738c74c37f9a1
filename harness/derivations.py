"""A features function and its arguments in; the data set of transformed rows out, fitted once."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle

from harness.data.dataset import Dataset
from harness.declarations import FeaturesDeclaration
from harness.errors import FeaturesError, HarnessError, StoreError
from harness.identity import PLAIN, digest
from harness.models.shelf import Shelf
from harness.models.transforms import Fitted, derive, learn
from harness.seeds import seed
from harness.store import Store

__tracebackhide__ = True

_LAYOUT = 1
"""Of fitted features in the store; another number makes every entry anew."""


class BlockedError(HarnessError):
    """What an item needs has failed before it, and was told there."""


class SharingWarning(UserWarning):
    """Fitted features could not be kept in the store: every process fits its own."""


class Derivations:
    """The features of one process, shared with others through the store where that is safe.

    source: gives a digest of all code and libraries that a features function is made of, None if
        there is none. If there is one, and the parameters are plain values, one process fits and
        all others that have the same store read what it has kept. Otherwise, and without `source`,
        each process fits its own.
    threads: of one fit; None: as OpenMP and BLAS have it.
    """

    def __init__(
        self,
        *,
        store: Store,
        project: Path,
        base_seed: int,
        source: Callable[[FeaturesDeclaration], str | None] | None = None,
        threads: int | None = None,
    ) -> None:
        self._project = project
        self._seed = base_seed
        self._source = source
        self._threads = threads
        self._shelf = Shelf(store)
        self._shared: set[str] = set()
        """Digests of data sets that are the same in every process."""
        self._made: dict[Hashable, Dataset | Exception] = {}
        self._kept: list[Mapping[str, Any]] = []
        self._told = False
        self._origins: dict[int, tuple[FeaturesDeclaration, Mapping[str, Any]]] = {}
        """What each data set that was made here was made of, by its `id`: `_made` keeps them all."""

    def features(self, declaration: FeaturesDeclaration, inputs: Mapping[str, Any]) -> Dataset:
        """Return the transformed splits, fitted once per data and parameter values.

        Raises what the function or its transformer raised the first time it is asked for in this
        process, and BlockedError every further time. Warns once, by a SharingWarning, if the store
        cannot be written: splits must be there for others, but features can be fitted again.
        """
        data = _only_dataset(declaration, inputs)
        params = {name: inputs[name] for name in sorted(inputs) if not isinstance(inputs[name], Dataset)}
        number = (declaration.function, data.digest, self._content(params))
        known = self._made.get(number)
        if isinstance(known, Exception):
            text = str(known).strip().split("\n")[0]
            raise BlockedError(f"features {declaration.name} failed: {type(known).__name__}: {text}")
        if known is None:
            try:
                known, problem = self._make(declaration, data, inputs, params)
            except Exception as error:
                self._made[number] = error
                raise
            self._made[number] = known
            self._origins[id(known)] = (declaration, dict(inputs))
            self._warn(declaration, problem)
        return known

    def repeated(self, data: Dataset, again: Callable[[Dataset], Dataset]) -> Dataset:
        """Return the features that made `data`, and those before them, of other rows.

        again: gives a raw data set with its rows divided once more. Raises what `features` raises.
        """
        if id(data) not in self._origins:
            return again(data)
        declaration, inputs = self._origins[id(data)]
        other = {
            name: self.repeated(value, again) if isinstance(value, Dataset) else value
            for name, value in inputs.items()
        }
        return self.features(declaration, other)

    def _content(self, params: Mapping[str, Any]) -> Hashable:
        """Return what is equal for equal values; a repr of a long array or an estimator leaves things out."""
        try:
            return bytes(cloudpickle.dumps(list(params.items())))
        except Exception:  # noqa: BLE001  # pickling runs code of every class in the values
            self._kept.append(params)  # the identity of a deleted object may be another's
            return tuple((name, id(value)) for name, value in params.items())

    def _make(
        self,
        declaration: FeaturesDeclaration,
        data: Dataset,
        inputs: Mapping[str, Any],
        params: Mapping[str, Any],
    ) -> tuple[Dataset, StoreError | None]:
        def fit() -> Fitted:
            seed(self._seed, declaration.name, list(params.items()))
            seen = {n: data.for_features(declaration.name) if v is data else v for n, v in inputs.items()}
            transformer = declaration.function(**seen)
            return learn(declaration, data, transformer, project=self._project, threads=self._threads)

        key = self._key(declaration, data, params)
        if key is None:
            return derive(data, fit()), None
        found = self._shelf.fetch(key, data, fit)
        if not found.shared:
            return derive(data, found.fitted), found.problem
        made = derive(data, found.fitted, key)
        self._shared.add(made.digest)
        return made, None

    def _key(self, declaration: FeaturesDeclaration, data: Dataset, params: Mapping[str, Any]) -> str | None:
        """Return the digest of all that decides what is fitted; None unless every process has the same."""
        if self._source is None or (data.features and data.digest not in self._shared) or not _plain(params):
            return None
        source, values = self._source(declaration), digest(params)
        if source is None or values is None:
            return None
        parts = [_LAYOUT, data.digest, declaration.name, source, values, self._seed, self._threads]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def _warn(self, declaration: FeaturesDeclaration, problem: StoreError | None) -> None:
        if problem is not None and not self._told:
            self._told = True
            text = f"features {declaration.name!r} are fitted in every process and every run: {problem}"
            warnings.warn(text, SharingWarning, stacklevel=2)


def _plain(value: Any) -> bool:
    """Return whether a value is without functions and objects, whose code no `source` may know."""
    kind = type(value)
    if kind is dict:
        return all(_plain(part) for item in value.items() for part in item)
    if kind in (list, tuple, set, frozenset):
        return all(map(_plain, value))
    numpy = kind.__module__ == "numpy"
    return kind in PLAIN or (numpy and not getattr(getattr(value, "dtype", None), "hasobject", True))


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
