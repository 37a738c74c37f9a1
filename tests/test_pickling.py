import ast
import pickle
import subprocess
import sys
import threading
import types

import cloudpickle
import pytest
from _pytest.assertion.rewrite import rewrite_asserts
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from toys import people, toy

from harness.models.columns import Column
from harness.models.model import Model, Step, dumps, loads
from harness.models.pickling import Dumper

PROJECT = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

LIMIT = 60

class Capped(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.median_ = X["height"].median()
        return self

    def transform(self, X):
        assert "height" in X.columns, "no height"
        return relative(X.assign(age=np.minimum(X["age"], LIMIT)).fillna({"height": self.median_}))

def relative(X):
    return X[["age", "height"]] / [LIMIT, 2]
"""

STRANGER = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("harness", "conftest", "toys"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
import pickle
import pandas as pd
model = pickle.load(open(sys.argv[1], "rb"))
rows = pd.read_pickle(sys.argv[2])
print(model.predict(rows).tolist())
print(model.predict_proba(rows)[:, 1].tolist())
assert not [name for name in sys.modules if name.partition(".")[0] in ("harness", "conftest", "pytest")]
import cloudpickle
again = pickle.loads(cloudpickle.dumps(model))
print(again.predict(rows).tolist())
try:
    model.predict(rows.drop(columns="age"))
except ValueError as error:
    print(error)
try:
    model.steps[0].transformer.transform(rows[["age"]])
except AssertionError as error:
    print(str(error).splitlines()[0])
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a conftest.py that was imported as pytest does."""
    file = tmp_path / "project" / "conftest.py"
    file.parent.mkdir()
    file.write_text(PROJECT)
    module = types.ModuleType("conftest")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "conftest", module)
    tree = ast.parse(PROJECT)
    rewrite_asserts(tree, PROJECT.encode())
    exec(compile(tree, str(file), "exec"), vars(module))
    assert "@pytest_ar" in vars(module)
    return module, file.parent


def fitted_model(module) -> Model:
    raw = toy()
    steps = []
    train = raw.train.X
    for transformer in (module.Capped(), FunctionTransformer(module.relative)):
        made = transformer.fit_transform(train)
        step = Step("relative", transformer, list(made.columns))
        train = step.contain(made, train.index)
        steps.append(step)
    model = Model.of(LogisticRegression().fit(train, raw.train.y), raw)
    return Model(model.columns, steps, model.estimator, model.task, model.classes)


def test_a_model_works_where_neither_harness_nor_project_can_be_imported(project, tmp_path):
    module, folder = project
    model = fitted_model(module)
    (tmp_path / "model.pkl").write_bytes(dumps(model, folder))
    people().to_pickle(tmp_path / "rows.pkl")

    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, str(tmp_path / "model.pkl"), str(tmp_path / "rows.pkl")],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert done.stderr == ""
    labels, probability, again, error, asserted = done.stdout.splitlines()
    assert labels == str(model.predict(people()).tolist())
    assert probability == str(model.predict_proba(people())[:, 1].tolist())
    assert again == labels
    assert error.startswith("the rows lack the column 'age'")
    assert asserted.startswith("no height")


def test_without_the_project_the_same_pickle_would_need_its_modules(project, tmp_path, monkeypatch):
    module, _ = project

    content = dumps(FunctionTransformer(module.relative), tmp_path / "elsewhere")

    monkeypatch.setitem(sys.modules, "conftest", None)
    with pytest.raises(ModuleNotFoundError, match="conftest"):
        loads(content)


def test_pickling_by_value_ends_with_the_call(project):
    module, folder = project
    cloudpickle.register_pickle_by_value(module)

    dumps(module.Capped(), folder)
    with pytest.raises(pickle.PicklingError):
        dumps(threading.Lock(), folder)

    assert cloudpickle.list_registry_pickle_by_value() == {"conftest"}
    cloudpickle.unregister_pickle_by_value(module)


@pytest.mark.parametrize("place", ["venv/lib/python3.11/site-packages", ".venv/lib/python3.11"])
def test_installed_packages_inside_the_project_stay_references(place, tmp_path, monkeypatch):
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "installed_thing.py").write_text("def double(X):\n    return X * 2\n")
    monkeypatch.syspath_prepend(str(folder))
    import installed_thing

    content = dumps(installed_thing.double, tmp_path)

    assert b"installed_thing" in content
    assert len(content) < 100  # a name, no code
    monkeypatch.delitem(sys.modules, "installed_thing")


def holder(**attributes):
    transformer = FunctionTransformer()
    vars(transformer).update(attributes)
    return transformer


def closure(lock):
    return lambda X: lock and X


def generator():
    yield 1


def with_global(X):
    return LOCK and X


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: holder(rows=[1, generator()]), ".transformer.rows[1] (a generator)"),
        (lambda: holder(state={"lock": LOCK}), ".transformer.state['lock'] (a lock)"),
        (lambda: FunctionTransformer(closure(LOCK)), ".transformer.func.lock (a lock)"),
        (lambda: FunctionTransformer(with_global), ".transformer.func.LOCK (a lock)"),
        (
            lambda: make_pipeline(holder(lock=LOCK), LogisticRegression()),
            ".transformer.steps[0][1].lock (a lock)",
        ),
    ],
    ids=["generator", "lock", "closure", "global", "pipeline"],
)
def test_what_cannot_be_pickled_is_named(make, named, monkeypatch, tmp_path):
    monkeypatch.setattr(with_global, "__module__", "__main__")  # functions of experiments go by value

    with pytest.raises(pickle.PicklingError) as raised:
        dumps(Step("s", make()), tmp_path)

    assert str(raised.value).startswith(f"{named} cannot be pickled: ")


def test_an_open_file_is_named(tmp_path):
    with (
        (tmp_path / "log.txt").open("w") as file,
        pytest.raises(
            pickle.PicklingError, match=r"^\.transformer\.log \(a TextIOWrapper\) cannot be pickled: "
        ),
    ):
        dumps(Step("s", holder(log=file)), tmp_path)


def test_an_object_that_contains_itself_is_named_in_the_end(tmp_path):
    knot = holder(lock=LOCK)
    knot.knot = knot
    vars(knot)["lock"] = vars(knot).pop("lock")

    with pytest.raises(pickle.PicklingError, match="lock"):
        dumps(knot, tmp_path)


def test_a_model_of_this_process_keeps_its_class(tmp_path):
    model = Model.of(LogisticRegression(), toy())

    assert type(loads(dumps(model, tmp_path))) is Model
    assert type(pickle.loads(pickle.dumps(model))) is Model


def test_a_failing_assert_of_the_project_still_says_its_own_words(project):
    module, folder = project

    again = loads(dumps(module.Capped().transform, folder))

    with pytest.raises(AssertionError, match="no height"):
        again(people()[["age"]])


# Many models of one process


def test_each_model_of_a_process_is_pickled_as_the_first(project):
    module, folder = project
    dumper = Dumper(folder)

    models = [fitted_model(module), LogisticRegression(), fitted_model(module), toy]
    contents = [dumper.dumps(model) for model in models]

    assert contents == [dumps(model, folder) for model in models]


def test_a_model_after_one_that_could_not_be_pickled_is_whole(project, tmp_path):
    module, folder = project
    dumper = Dumper(folder)
    model = fitted_model(module)

    with pytest.raises(pickle.PicklingError, match="lock"):
        dumper.dumps(Model.of(holder(lock=LOCK), toy()))

    assert dumper.dumps(model) == dumps(model, folder)


def test_project_functions_are_pickled_as_they_are_now(project):
    module, folder = project
    dumper = Dumper(folder)

    said = []
    for limit in 60, 30:
        module.LIMIT = limit
        said.append(loads(dumper.dumps(module.relative))(people()[["age", "height"]])["age"].max())

    assert said[1] == pytest.approx(2 * said[0])


def test_a_module_that_was_imported_since_is_pickled_by_value(tmp_path, monkeypatch):
    dumper = Dumper(tmp_path)
    dumper.dumps(LogisticRegression())
    (tmp_path / "late.py").write_text("def double(X):\n    return X * 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import late

    content = dumper.dumps(late.double)

    monkeypatch.setitem(sys.modules, "late", None)
    assert loads(content)(2) == 4


def test_a_module_that_took_the_place_of_another_is_pickled_by_value(project, monkeypatch):
    _, folder = project
    dumper = Dumper(folder)
    dumper.dumps(LogisticRegression())
    monkeypatch.delitem(sys.modules, "conftest")
    fresh = types.ModuleType("fresh")
    fresh.__file__ = str(folder / "fresh.py")
    exec("def double(X):\n    return X * 2\n", vars(fresh))
    monkeypatch.setitem(sys.modules, "fresh", fresh)

    content = dumper.dumps(fresh.double)

    monkeypatch.delitem(sys.modules, "fresh")
    assert loads(content)(2) == 4


def test_the_harness_own_classes_stay_themselves_though_another_process_made_the_pickle(tmp_path):
    """Their copies would show frames of the harness in the traceback of a gate."""
    code = """
import sys, pathlib
from harness.models.columns import Column
from harness.models.model import Model
from harness.models.pickling import dumps
model = Model({"x": Column("float64")}, (), None, "regression", None)
sys.stdout.buffer.write(dumps(model, pathlib.Path.cwd()))
"""
    made = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)

    found = loads(made.stdout)

    assert type(found) is Model
    assert type(found.columns["x"]) is Column
