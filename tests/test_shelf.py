"""Features in the store: fitted once for all, the same bits for everyone, and never trusted when damaged."""

import os
import signal
import subprocess
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from damage import DAMAGE
from fitting import KEY, bits, learnt, wide
from lightgbm import LGBMClassifier
from processes import processes
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier
from toys import people, toy
from xgboost import XGBClassifier

from harness.data.dataset import Dataset
from harness.errors import StoreError
from harness.models import shelf
from harness.models.columns import Column
from harness.models.estimators import fit, outputs
from harness.models.model import Model, Step
from harness.models.pickling import dumps, loads
from harness.models.shelf import Shelf
from harness.models.transforms import Fitted, derive
from harness.store import Store


def fetched(store: Store, transformer, data: Dataset, key: str = KEY, calls: list | None = None):
    def once() -> Fitted:
        if calls is not None:
            calls.append(key)
        return learnt(transformer, data)

    return Shelf(store).fetch(key, data, once)


def one_hot(**options):
    return OneHotEncoder(handle_unknown="ignore", **options)


def split_blocks(X):
    return pd.concat([X[[name]] * 2 for name in X], axis=1)


def with_flag(X):
    return X.assign(flag=X["c1"] > 0, count=(X["c2"] * 10).astype("int32"))


BOOSTED = {"n_estimators": 4, "n_jobs": 1}
ANY = [
    LogisticRegression(),
    DecisionTreeClassifier(max_depth=4, random_state=0),
    XGBClassifier(**BOOSTED),
    LGBMClassifier(**BOOSTED, verbose=-1),
]
NATIVE = [XGBClassifier(**BOOSTED, enable_categorical=True), LGBMClassifier(**BOOSTED, verbose=-1)]

FORMS = {
    "rows": (wide, StandardScaler(), ANY),
    "columns": (wide, FunctionTransformer(lambda X: np.asfortranarray(X.to_numpy())), ANY),
    "float32": (wide, FunctionTransformer(lambda X: X.to_numpy().astype("float32")), ANY),
    "pandas": (wide, StandardScaler().set_output(transform="pandas"), ANY),
    "blocks": (wide, FunctionTransformer(split_blocks), ANY),
    "decomposed": (wide, PCA(5, random_state=0), ANY),
    "mixed": (wide, FunctionTransformer(with_flag), ANY),
    "categories": (people, FunctionTransformer(lambda X: X.astype({"city": "category"})), NATIVE),
    "sparse": (
        lambda: people()[["city", "age"]],
        make_column_transformer((one_hot(), ["city"]), ("passthrough", ["age"]), sparse_threshold=1),
        ANY,
    ),
    "target": (
        lambda: people()[["city", "size"]],
        TargetEncoder(cv=StratifiedKFold(5)),
        ANY,
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", FORMS)
def test_who_fits_who_reads_and_who_never_kept_them_have_the_same_bits(store, form):
    frame, transformer, estimators = FORMS[form]
    raw = toy(frame())

    alone = derive(raw, learnt(transformer, raw), KEY)
    writer = fetched(store, transformer, raw)
    reader = fetched(store, transformer, raw, calls=(calls := []))

    assert writer.shared
    assert reader.shared
    assert calls == []
    written, read = (derive(raw, found.fitted, KEY) for found in (writer, reader))
    assert alone.digest == written.digest == read.digest
    assert alone.columns == written.columns == read.columns
    for split in ("train", "validation"):
        assert bits(getattr(written, split).X) == bits(getattr(read, split).X)
        if form not in ("mixed", "categories"):  # columns of several dtypes are gathered anew in each fit
            assert bits(getattr(alone, split).X) == bits(getattr(read, split).X)
    for estimator in estimators:
        said = []
        for data in (alone, written, read):
            done = fit(estimator, data, threads=1).estimator
            said.append([outputs(done, s.X, data).ranking for s in (data.train, data.validation)])
            said[-1].append(Model.of(done, data).outputs(raw.validation.X).ranking)
        for other in said[1:]:
            for mine, theirs in zip(said[0], other, strict=True):
                assert mine.tobytes() == theirs.tobytes()


def test_what_is_read_transforms_other_rows_as_what_was_fitted(store):
    raw = toy()
    encoder = make_column_transformer(
        (one_hot(sparse_output=False), ["city", "size"]), ("passthrough", ["age"]), sparse_threshold=0
    )
    fitted = learnt(encoder, raw)

    fetched(store, encoder, raw)
    step = fetched(store, encoder, raw).fitted.step

    assert type(step) is Step
    assert list(step.names) == list(fitted.step.names)
    other = people(50, seed=9)
    pd.testing.assert_frame_equal(step(other, other.index), fitted.step(other, other.index))


def test_dtypes_of_a_frame_are_known_to_who_reads(store):
    raw = toy()
    keep = FunctionTransformer(lambda X: X)
    fetched(store, keep, raw)

    step = fetched(store, keep, raw).fitted.step

    assert {type(column) for column in step.dtypes.values()} == {Column}
    assert step(people(9, seed=5).astype({"age": "float64"}), pd.RangeIndex(9))["age"].dtype == "int64"


SCRIPT = """
import hashlib, os, signal, sys, time, pathlib
sys.path.insert(0, sys.argv[1])
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from fitting import KEY, bits, learnt, wide
from toys import toy
from harness.data import mapped
from harness.models.columns import Column
from harness.models.estimators import fit
from harness.models.model import Step
from harness.models.shelf import Shelf
from harness.models.transforms import derive
from harness.store import Store

root, fits = sys.argv[2], pathlib.Path(sys.argv[3])

class Counted(TransformerMixin, BaseEstimator):
    '''Of the project: other processes read a copy of it.'''
    def fit(self, X, y=None):
        with fits.open("a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(0.3)
        self.mean_ = X.to_numpy().mean(axis=0)
        return self
    def transform(self, X):
        {inside}
        return X - self.mean_

{before}
data = toy(wide())
print("ready", flush=True)
sys.stdin.readline()
found = Shelf(Store(pathlib.Path(root))).fetch(KEY, data, lambda: learnt(Counted(), data))
step = found.fitted.step
assert type(step) is Step
assert {type(column) for column in step.dtypes.values()} == {Column}
made = derive(data, found.fitted, KEY)
model = fit(LogisticRegression(), made, threads=1).estimator
seen = repr([bits(made.train.X), bits(made.validation.X), made.digest, model.coef_.tobytes()])
print(found.shared, hashlib.sha1(seen.encode()).hexdigest(), found.problem, flush=True)
"""


@pytest.fixture
def start(store, tmp_path):
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    with processes() as made:

        def start(before: str = "", inside: str = "") -> subprocess.Popen[str]:
            script = SCRIPT.replace("{before}", textwrap.dedent(before)).replace("{inside}", inside)
            return made.start("-B", "-c", script, Path(__file__).parent, store.root, tmp_path / "fits", **one)

        yield start


def ready(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def said(process: subprocess.Popen[str]) -> tuple[bool, str, str]:
    line = process.stdout.readline()
    assert line, process.stderr.read()
    shared, digest, problem = line.rstrip("\n").split(" ", 2)
    return shared == "True", digest, problem


def fits(tmp_path: Path) -> int:
    return len((tmp_path / "fits").read_text().splitlines())


def left(store: Store) -> list[str]:
    return sorted(path.name for path in store.path("features").iterdir())


def test_processes_that_need_them_at_once_fit_once(start, tmp_path, store):
    processes = [start(), start()]
    ready(*processes)

    answers = [said(process) for process in processes]

    assert fits(tmp_path) == 1
    assert answers[0] == answers[1] == (True, answers[0][1], "None")
    assert left(store) == [KEY, f"{KEY}.lock"]


@pytest.mark.parametrize("when", ["while it fits", "while it writes"])
def test_a_killed_process_is_succeeded_by_the_next(start, tmp_path, store, when):
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    if when == "while it fits":
        first = start(inside=kill)
    else:
        first = start(
            f"""
            write = mapped.write
            def cut(folder, name, X):
                write(folder, name, X)
                {kill}
            mapped.write = cut
            """
        )
    ready(first)
    assert first.wait(30) == -signal.SIGKILL

    found = fetched(store, StandardScaler(), toy(wide()), calls=(calls := []))

    assert found.shared
    assert (fits(tmp_path), calls) == (1, [KEY])
    drafts = [name for name in left(store) if name.startswith(".draft-")]
    assert len(drafts) == (when == "while it writes")
    assert [name for name in left(store) if name not in drafts] == [KEY, f"{KEY}.lock"]


def test_a_full_disk_costs_the_sharing_and_nothing_else(start, store):
    full = start(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        """
    )
    ready(full)
    shared, _, problem = said(full)

    assert not shared
    assert problem.startswith(f"the store {store.root} cannot be written: ")
    assert problem.endswith(
        "; free space or make it writable, or name another folder with -o experiment_store=FOLDER"
    )
    assert left(store) == [f"{KEY}.lock"]
    assert fetched(store, StandardScaler(), toy(wide())).shared


def test_a_store_that_cannot_be_locked_costs_the_sharing_and_nothing_else(store):
    store.path("features").write_text("in the way")
    raw = toy(wide(200))

    found = fetched(store, StandardScaler(), raw, calls=(calls := []))

    assert calls == [KEY]
    assert not found.shared
    assert isinstance(found.problem, StoreError)
    assert "cannot be locked" in str(found.problem)
    assert len(found.fitted.train) == 120


def test_what_the_fit_raises_goes_through_and_leaves_nothing(store):
    raw = toy(wide(200))

    def broken():
        raise StoreError("of the loader", "")

    for _ in range(2):
        with pytest.raises(StoreError, match="of the loader"):
            Shelf(store).fetch(KEY, raw, broken)

    assert left(store) == [f"{KEY}.lock"]
    assert fetched(store, StandardScaler(), raw).shared


class Unloadable(StandardScaler):
    def __setstate__(self, state):
        raise OSError("not here")


@pytest.mark.parametrize(
    "transformer",
    [Unloadable(), FunctionTransformer(lambda X: X.assign(c0=[threading.Lock() for _ in X.index]))],
    ids=["step", "column"],
)
def test_what_no_other_process_could_load_is_not_shared(store, transformer):
    raw = toy(wide(200))

    found = fetched(store, transformer, raw)

    assert not found.shared
    assert left(store) == [f"{KEY}.lock"]
    assert len(found.fitted.train) == 120


# Damage

FILES = [
    "meta.json",
    "step.pkl",
    "train.data.npy",
    "train.indices.npy",
    "train.indptr.npy",
    "train.pkl",
    "validation.data.npy",
    "validation.indices.npy",
    "validation.indptr.npy",
    "validation.pkl",
]


@pytest.mark.parametrize("file", [*FILES, "one more"])
def test_damaged_features_are_fitted_anew(store, file):
    raw = toy(people(60)[["city"]])
    good = derive(raw, fetched(store, one_hot(), raw).fitted, KEY)
    expected = [bits(good.train.X), bits(good.validation.X)]
    folder = store.path("features", KEY)
    assert sorted(path.name for path in folder.iterdir()) == FILES

    for damage in DAMAGE.values() if file in FILES else [lambda path: path.write_text("")]:
        damage(folder / file)
        calls: list[str] = []
        found = fetched(store, one_hot(), raw, calls=calls)

        assert calls == [KEY]
        assert found.shared
        data = derive(raw, found.fitted, KEY)
        assert [bits(data.train.X), bits(data.validation.X)] == expected
        assert fetched(store, one_hot(), raw, calls=calls).shared
        assert calls == [KEY]
        assert sorted(path.name for path in folder.iterdir()) == FILES
    assert [bits(good.train.X), bits(good.validation.X)] == expected  # who had them keeps them


def test_what_was_written_or_examined_in_this_run_is_not_examined_again(store, monkeypatch):
    raw = toy(wide(200))
    first, second = Shelf(store), Shelf(store)
    first.fetch(KEY, raw, lambda: learnt(StandardScaler(), raw))
    examined = []
    digests = shelf._digests
    monkeypatch.setattr(shelf, "_digests", lambda folder: examined.append(folder) or digests(folder))

    assert second.read(KEY, raw) is not None
    assert examined == []
    later = [Shelf(store), Shelf(store)]
    for reader in later:
        assert reader.read(KEY, raw) is not None
    assert len(examined) == 1


# What stays


def aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_model_of_features_that_were_read_travels(store):
    raw = toy(wide(200))
    fetched(store, StandardScaler(), raw)
    data = derive(raw, fetched(store, StandardScaler(), raw).fitted, KEY)
    done = fit(LogisticRegression(), data, threads=1).estimator

    model = loads(dumps(Model.of(done, data), Path("/project")))

    assert (
        model.outputs(raw.validation.X).ranking.tobytes()
        == outputs(done, data.validation.X, data).ranking.tobytes()
    )
