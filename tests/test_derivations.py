"""Features of one process: fitted once, shared with others where that is safe, and told once if they fail."""

import mmap
import warnings

import numpy as np
import pytest
from fitting import bits, wide
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_info
from toys import toy

from harness.data.dataset import Dataset, Seal
from harness.declarations import FeaturesDeclaration
from harness.derivations import BlockedError, Derivations, SharingWarning
from harness.errors import LeakageError, SealedError
from harness.store import Store


@pytest.fixture
def process(store, tmp_path):
    """Make what one process has; by default features have the source "v1"."""

    def process(source=lambda declaration: "v1", *, base_seed=0, threads=None) -> Derivations:
        return Derivations(store=store, project=tmp_path, base_seed=base_seed, source=source, threads=threads)

    return process


def features(function) -> FeaturesDeclaration:
    return FeaturesDeclaration(name=function.__name__, function=function)


def counted(transformer=StandardScaler):
    """A features function and the arguments of its calls."""
    calls = []

    def scaled(people, **params):
        calls.append(params)
        return transformer()

    return features(scaled), calls


def keys(store) -> int:
    return len(list(store.path("features").glob("*/meta.json")))


def test_one_process_fits_and_the_others_read_the_same(process, store):
    scaled, calls = counted()
    raw = toy(wide(300))

    first, second = (process().features(scaled, {"people": raw}) for _ in range(2))

    assert calls == [{}]
    assert first.digest == second.digest
    assert first.digest != raw.digest
    assert [step.name for step in second.steps] == ["scaled"]
    for split in ("train", "validation"):
        assert bits(getattr(first, split).X) == bits(getattr(second, split).X)
    np.testing.assert_array_equal(second.train.X, StandardScaler().fit_transform(raw.train.X))


def test_who_fitted_holds_the_files_and_not_a_copy(process):
    scaled, _ = counted()

    made = process().features(scaled, {"people": toy(wide(300))})

    base = made.train.X.to_numpy()
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)


def test_a_process_asks_the_store_once(process, store, monkeypatch):
    scaled, calls = counted()
    raw, mine = toy(wide(300)), process()
    made = mine.features(scaled, {"people": raw})
    monkeypatch.setattr(Store, "path", lambda *parts: pytest.fail("asked again"))

    assert mine.features(scaled, {"people": raw}) is made
    assert calls == [{}]


@pytest.mark.parametrize("source", [None, lambda declaration: None], ids=["nobody knows", "not of these"])
def test_without_a_source_each_process_fits_its_own(process, store, source):
    scaled, calls = counted()
    raw = toy(wide(300))

    first, second = (process(source).features(scaled, {"people": raw}) for _ in range(2))

    assert calls == [{}, {}]
    assert keys(store) == 0
    assert bits(first.train.X) == bits(second.train.X)
    assert first.digest == second.digest


def other_rows() -> Dataset:
    data = toy(wide(300) * 2)
    data.digest = "1" * 32
    return data


DIFFERENT = {
    "source": {"source": lambda declaration: "v2"},
    "seed": {"base_seed": 1},
    "threads": {"threads": 2},
    "rows": {"people": other_rows()},
    "name": {"name": "other"},
    "value": {"n": 2},
    "float": {"n": 1.0},
    "bool": {"n": True},
    "text": {"n": "1"},
    "one more": {"m": 1},
    "array": {"n": np.array([1])},
    "array of another dtype": {"n": np.array([1], dtype="int32")},
    "list": {"n": [1]},
    "tuple": {"n": (1,)},
}


def test_whatever_decides_what_is_fitted_decides_what_is_shared(process, store):
    scaled, calls = counted()
    raw = toy(wide(300))
    digests = set()

    for change in [{}, *DIFFERENT.values()]:
        made = FeaturesDeclaration(name=change.get("name", "scaled"), function=scaled.function)
        options = {name: change[name] for name in ("source", "base_seed", "threads") if name in change}
        params = {n: v for n, v in change.items() if n not in (*options, "name", "people")}
        inputs = {"people": change.get("people", raw), "n": 1, **params}
        before = len(calls)
        for _ in range(2):
            digests.add(process(**options).features(made, inputs).digest)
        assert len(calls) == before + 1, change

    assert len(digests) == keys(store) == 1 + len(DIFFERENT)


@pytest.mark.parametrize("values", [[{"b": 1, "a": None}, {"a": None, "b": 1}], [{"a": {"x", "y", "z"}}] * 2])
def test_equal_parameters_are_equal_in_whatever_order_they_come(process, values):
    scaled, calls = counted()
    raw = toy(wide(300))

    for params in values:
        process().features(scaled, {**params, "people": raw})

    assert len(calls) == 1


@pytest.mark.parametrize(
    "value",
    [StandardScaler(), StandardScaler, lambda: 1, np.array([object()]), [len], {"a": (PCA(),)}, open],
    ids=["object", "class", "lambda", "array of objects", "list of functions", "nested", "function"],
)
def test_features_of_objects_and_functions_stay_in_their_process(process, store, value):
    scaled, calls = counted()
    raw = toy(wide(300))

    for _ in range(2):
        process().features(scaled, {"people": raw, "how": value})

    assert len(calls) == 2
    assert keys(store) == 0


def test_features_of_features_are_shared_if_those_are(process, store):
    scaled, first = counted()
    reduced, second = counted(lambda: PCA(2))
    raw = toy(wide(300))

    results = []
    for _ in range(2):
        mine = process()
        inner = mine.features(scaled, {"people": raw})
        results.append(mine.features(reduced, {"people": inner}))

    assert (len(first), len(second), keys(store)) == (1, 1, 2)
    assert results[0].digest == results[1].digest
    assert [type(step.transformer) for step in results[1].steps] == [StandardScaler, PCA]
    assert bits(results[0].validation.X) == bits(results[1].validation.X)

    mine = process(lambda declaration: "v1" if declaration is reduced else None)
    inner = mine.features(scaled, {"people": raw})
    mine.features(reduced, {"people": inner})
    assert (len(first), len(second), keys(store)) == (2, 2, 2)


class Noisy(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.noise_ = np.random.normal(size=X.shape[1])
        self.unseeded_ = np.random.default_rng().normal()
        return self

    def transform(self, X):
        return X.to_numpy() + self.noise_ + self.unseeded_


def test_random_numbers_are_drawn_once_for_all(process):
    noisy, _ = counted(Noisy)
    raw = toy(wide(300))

    first, second = (process().features(noisy, {"people": raw}) for _ in range(2))

    assert bits(first.train.X) == bits(second.train.X)
    assert first.steps[0].transformer.unseeded_ == second.steps[0].transformer.unseeded_
    assert first.steps[0].transformer.noise_.tolist() == second.steps[0].transformer.noise_.tolist()


def test_seeded_numbers_are_the_same_with_and_without_the_store(process):
    noisy, _ = counted(Noisy)
    raw = toy(wide(300))

    shared = process().features(noisy, {"people": raw})
    alone = process(None).features(noisy, {"people": raw})

    assert shared.steps[0].transformer.noise_.tolist() == alone.steps[0].transformer.noise_.tolist()


class Watching(StandardScaler):
    def fit(self, X, y=None):
        self.threads_ = {pool["num_threads"] for pool in threadpool_info()}
        return super().fit(X, y)


def test_a_fit_keeps_to_its_threads(process):
    watching, _ = counted(Watching)
    raw = toy(wide(300))

    made = process(threads=1).features(watching, {"people": raw})

    assert made.steps[0].transformer.threads_ == {1}


def test_features_that_fail_are_told_once_in_each_process_and_not_kept(process, store):
    calls = []

    def broken(people):
        calls.append(1)
        raise ValueError("no such column\nmore")

    raw = toy(wide(300))
    for _ in range(2):
        mine = process()
        with pytest.raises(ValueError, match="no such column"):
            mine.features(features(broken), {"people": raw})
        with pytest.raises(BlockedError) as raised:
            mine.features(features(broken), {"people": raw})
        assert str(raised.value) == "features broken failed: ValueError: no such column"

    assert calls == [1, 1]
    assert keys(store) == 0


def test_features_learn_from_training_rows_only(process):
    def peeping(people):
        return StandardScaler(with_mean=len(people.validation) > 0)

    with pytest.raises(LeakageError, match="features 'peeping' asked for the validation rows of 'toy'"):
        process().features(features(peeping), {"people": toy(wide(300))})


def test_test_rows_are_transformed_by_what_was_read_and_only_in_a_gate(process, store):
    scaled, _ = counted(lambda: PCA(3))
    seal = Seal()
    raw = toy(wide(300), seal=seal)
    first, second = (process().features(scaled, {"people": raw}) for _ in range(2))
    with pytest.raises(SealedError):
        _ = second.test

    seal.opened_by = "gate"

    assert bits(first.test.X) == bits(second.test.X)
    assert first.test.X.index.tolist() == raw.test.positions.tolist()
    test = raw.test.X.to_numpy()
    kept = b"".join(path.read_bytes() for path in store.path("features").rglob("*") if path.is_file())
    assert len(kept) > first.train.X.size * 8
    assert not any(row.tobytes() in kept for row in [*test, *first.test.X.to_numpy()])
    assert first.train.X.to_numpy()[0].tobytes() in kept


def test_a_store_that_cannot_be_written_is_warned_of_once(process, store, recwarn):
    store.path("features").write_text("in the way")
    scaled, _ = counted()
    reduced, _ = counted(lambda: PCA(2))
    raw, mine = toy(wide(300)), process()

    made = mine.features(scaled, {"people": raw})
    mine.features(reduced, {"people": raw})
    mine.features(reduced, {"people": made})

    [told] = [str(warning.message) for warning in recwarn if warning.category is SharingWarning]
    assert told.startswith("features 'scaled' are fitted in every process and every run: ")
    assert "cannot be locked: [Errno 17] File exists" in told
    assert told.endswith("; make the store writable, or name another folder with -o experiment_store=FOLDER")
    np.testing.assert_array_equal(made.train.X, StandardScaler().fit_transform(raw.train.X))


def test_a_warning_that_is_an_error_blocks_nobody_else(process, store):
    store.path("features").write_text("in the way")
    scaled, calls = counted()
    raw, mine = toy(wide(300)), process()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SharingWarning):
            mine.features(scaled, {"people": raw})
        mine.features(scaled, {"people": raw})

    assert calls == [{}]


def test_what_cannot_be_pickled_stays_in_its_process_without_a_word(process, store, recwarn):
    odd, calls = counted(
        lambda: FunctionTransformer(lambda X: X.assign(c0=[mmap.mmap(-1, 1) for _ in X.index]))
    )
    raw = toy(wide(60))

    for _ in range(2):
        process().features(odd, {"people": raw})

    assert len(calls) == 2
    assert keys(store) == 0
    assert not [warning for warning in recwarn if warning.category is SharingWarning]
