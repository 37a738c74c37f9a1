import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.fingerprint import UNSTABLE, Fingerprints, of_parameters

FILES = {
    "conftest.py": """
        '''What all share.'''
        import toy_registry
        from harness import dataset, features
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        pytest_plugins = ["toy_plugin"]

        @dataset(target="sold")
        def shops():
            return read("shops.csv")

        def read(name):
            return name * 2

        @features
        def scaled(shops):
            return StandardScaler(with_mean=mean())

        def mean():
            return True

        @features
        def squeezed(shops):
            return MinMaxScaler(clip=clip())

        def clip():
            return False
    """,
    "experiments/conftest.py": """
        import pytest

        @pytest.fixture(autouse=True)
        def quiet():
            return 10
    """,
    "experiments/__init__.py": "STARTED = 20\n",
    "experiments/experiment_shops.py": """
        import toy_beside
        import toy_of_boosted
        import xgboost
        from harness import experiment, grid
        from sklearn.tree import DecisionTreeClassifier

        LEAVES = 30  # at most
        DEPTHS = [1, 2]
        ROUNDS = [5, 6]

        def limit():
            return LEAVES

        class Tree(DecisionTreeClassifier):
            '''A tree.'''
            colour = 40

        @experiment(maximize="accuracy")
        @grid(max_depth=DEPTHS, rate=[0.5, 0.25])
        def experiment_tree(scaled, trial, max_depth, rate):
            '''One tree.'''
            from toy_inside import late
            trial.fit(Tree(max_depth=max_depth, max_leaf_nodes=limit()), scaled)
            trial.log(late=late(50))

        @grid(rounds=ROUNDS)
        def experiment_boosted(squeezed, trial, rounds):
            trial.fit(xgboost.XGBClassifier(n_estimators=boost(60)), squeezed)
            toy_of_boosted.use()

        def boost(n):
            return n

        def gate_accuracy(experiment_tree):
            import toy_of_gates
            assert experiment_tree.best.test.accuracy > 0.7
    """,
    "toy_beside.py": "import toy_farther\nX = 70\n",
    "toy_farther.py": "from toy_package import thing\nX = 80\n",
    "toy_package/__init__.py": "X = 90\n",
    "toy_package/thing.py": "from . import neighbour\nX = 100\n",
    "toy_package/neighbour.py": "X = 110\n",
    "toy_inside.py": "import lightgbm\n\ndef late(n):\n    return n + 120\n",
    "toy_registry.py": "X = 130\n",
    "toy_plugin.py": "X = 140\n",
    "toy_of_gates.py": "X = 150\n",
    "toy_of_boosted.py": "X = 160\n",
}
SOURCE = "source"
SPOTS = [
    # file, old, new, the parts that change
    ("experiments/experiment_shops.py", "# at most", "# at least", []),
    ("experiments/experiment_shops.py", "limit():\n", "limit( ) :\n\n\n", []),
    ("experiments/experiment_shops.py", '"accuracy"', "'accuracy'", []),
    ("experiments/experiment_shops.py", "One tree.", "A single tree.", []),
    ("experiments/experiment_shops.py", "DEPTHS = [1, 2]", "DEPTHS = [1, 2, 3]", []),
    ("experiments/experiment_shops.py", "rate=[0.5, 0.25]", "rate=[0.5, 0.25, 0.125]", []),
    ("experiments/experiment_shops.py", "> 0.7", "> 0.8", []),
    ("experiments/experiment_shops.py", "boost(60)", "boost(61)", []),
    ("experiments/experiment_shops.py", "return n", "return n + 1", []),
    ("experiments/experiment_shops.py", "ROUNDS = [5, 6]", "ROUNDS = [5]", []),
    ("experiments/experiment_shops.py", "import xgboost\n", "import xgboost\nimport os\n", [SOURCE]),
    ("experiments/experiment_shops.py", 'accuracy"', 'f1"', [SOURCE]),
    ("experiments/experiment_shops.py", "LEAVES = 30", "LEAVES = 31", [SOURCE]),
    ("experiments/experiment_shops.py", "return LEAVES", "return LEAVES - 1", [SOURCE]),
    ("experiments/experiment_shops.py", "colour = 40", "colour = 41", [SOURCE]),
    ("experiments/experiment_shops.py", "late(50)", "late(51)", [SOURCE]),
    ("experiments/__init__.py", "20", "21", ["module experiments/__init__.py"]),
    ("experiments/conftest.py", "10", "11", ["experiments/conftest.py"]),
    ("conftest.py", "What all share.", "What everyone shares.", []),
    ("conftest.py", "shops.csv", "other.csv", []),  # the rows say
    ("conftest.py", "name * 2", "name * 3", []),
    ("conftest.py", "MinMaxScaler(clip=", "MinMaxScaler(copy=", []),
    ("conftest.py", "return False", "return None", []),
    ("conftest.py", "with_mean", "with_std", ["conftest.py"]),
    ("conftest.py", "return True", "return False", ["conftest.py"]),
    ("toy_beside.py", "70", "71", ["module toy_beside.py"]),
    ("toy_farther.py", "80", "81", ["module toy_farther.py"]),
    ("toy_package/__init__.py", "90", "91", ["module toy_package/__init__.py"]),
    ("toy_package/thing.py", "100", "101", ["module toy_package/thing.py"]),
    ("toy_package/neighbour.py", "110", "111", ["module toy_package/neighbour.py"]),
    ("toy_inside.py", "120", "121", ["module toy_inside.py"]),
    ("toy_registry.py", "130", "131", ["module toy_registry.py"]),
    ("toy_plugin.py", "140", "141", ["module toy_plugin.py"]),
    ("toy_of_gates.py", "150", "151", []),
    ("toy_of_boosted.py", "160", "161", ["module toy_of_boosted.py"]),  # it runs for all of the file
    ("toy_plugin.py", "140", "140  # a comment", []),
]


class Project:
    """Files of a project, and the fingerprint of one of its experiments."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, content in FILES.items():
            self.write(name, content)

    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), encoding="utf-8")

    def edit(self, name, old, new):
        content = self.root.joinpath(name).read_text("utf-8")
        assert content.count(old) >= 1
        self.root.joinpath(name).write_text(content.replace(old, new), encoding="utf-8")

    def parts(self, name="experiment_tree", *, seed=0, threads=1, data=(("shops", "d1"),), **options):
        return Fingerprints(self.root, seed=seed, threads=threads).shared(
            self.root / "experiments/experiment_shops.py",
            [name],
            conftests=[self.root / "conftest.py", self.root / "experiments/conftest.py"],
            data=dict(data),
            **options,
        )


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return Project(tmp_path)


def changed(before, after):
    return sorted(name for name in before | after if before.get(name) != after.get(name))


def test_a_fingerprint_names_its_parts(project):
    parts = project.parts()
    versions = {name.removeprefix("version of ") for name in parts if name.startswith("version of ")}
    assert versions == {"python", "harness", "numpy", "pandas", "scipy", "scikit-learn", "lightgbm"}
    assert parts["version of numpy"] == np.__version__
    assert parts["data shops"] == "d1"
    assert (parts["seed"], parts["threads"]) == ("0", "1")
    assert [name for name in parts if name.startswith("module ")] == [
        "module experiments/__init__.py",
        "module toy_beside.py",
        "module toy_farther.py",
        "module toy_inside.py",
        "module toy_of_boosted.py",
        "module toy_package/__init__.py",
        "module toy_package/neighbour.py",
        "module toy_package/thing.py",
        "module toy_plugin.py",
        "module toy_registry.py",
    ]
    assert json.loads(json.dumps(parts)) == parts
    assert "version of xgboost" in project.parts("experiment_boosted")


@pytest.mark.parametrize(
    ("file", "old", "new", "parts"), SPOTS, ids=[f"{f}:{new!r}" for f, _, new, _ in SPOTS]
)
def test_an_edit_changes_the_part_that_it_belongs_to(project, file, old, new, parts):
    before = project.parts()
    project.edit(file, old, new)
    assert changed(before, project.parts()) == parts


def test_nothing_is_imported(project):
    before = set(sys.modules)
    project.parts()
    assert not {name for name in set(sys.modules) - before if name.startswith(("toy_", "experiment"))}


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"seed": 1}, ["seed"]),
        ({"threads": 2}, ["threads"]),
        ({"data": [("shops", "d2")]}, ["data shops"]),
        ({"data": [("shops", "d1"), ("towns", "d3")]}, ["data towns"]),
    ],
)
def test_seed_threads_and_data_are_parts(project, options, parts):
    assert changed(project.parts(), project.parts(**options)) == parts


def test_a_new_experiment_with_its_import_and_helper_changes_no_other(project):
    before = project.parts()
    project.edit("experiments/experiment_shops.py", "import xgboost\n", "import xgboost\nimport catboost\n")
    file = project.root / "experiments/experiment_shops.py"
    more = (
        "\ndef fast(): ...\n\ndef experiment_new(shops, trial):\n    trial.fit(catboost.C(fast()), shops)\n"
    )
    file.write_text(file.read_text() + more)
    assert project.parts() == before


def test_a_fixture_that_pytest_knows_of_counts(project):
    project.edit("conftest.py", "import toy_registry", "import pytest\nimport toy_registry")
    file = project.root / "conftest.py"
    file.write_text(file.read_text() + "\n@pytest.fixture\ndef loud():\n    return 1\n")
    without, with_ = project.parts(), project.parts(requested=["loud"])
    project.edit("conftest.py", "return 1", "return 2")
    assert project.parts() == without
    assert changed(project.parts(requested=["loud"]), with_) == ["conftest.py"]


def test_a_text_that_is_given_to_a_function_counts_if_it_names_a_module_of_the_project(project):
    """`resolve_name("package.module:name")`, whatever the function is called; others are no libraries."""
    file = "experiments/experiment_shops.py"
    project.edit(file, "late=late(50)", "late=late(50), x=load('toy_text.inner:V', 'toy_nowhere', 'a b', '')")
    project.write("toy_text/inner.py", "V = 1\n")

    parts = project.parts()

    assert "module toy_text/inner.py" in parts
    assert not any("toy" in name for name in parts if name.startswith("version of"))


def test_a_module_that_is_nowhere_on_the_path_yet_is_looked_for_in_the_project(project):
    project.edit("toy_inside.py", "import lightgbm\n", "import toy_hidden.inner\nimport toy_nowhere\n")
    for folder in ("lib", "old/lib", ".hidden", "venv/lib"):
        project.write(f"{folder}/toy_hidden/__init__.py", "")
        project.write(f"{folder}/toy_hidden/inner.py", "V = 1\n")
    project.write("venv/pyvenv.cfg", "")

    parts = project.parts()

    assert sorted(name for name in parts if "hidden" in name) == [
        "module lib/toy_hidden/__init__.py",
        "module lib/toy_hidden/inner.py",
        "module old/lib/toy_hidden/__init__.py",
        "module old/lib/toy_hidden/inner.py",
    ]
    assert parts["version of toy_nowhere"] == "not installed"


def test_where_a_helper_picks_fixtures_by_name_everything_counts(project):
    project.edit(
        "toy_beside.py", "X = 70", "def pick(request, name):\n    return request.getfixturevalue(name)"
    )
    before = project.parts()
    project.edit("conftest.py", "return False", "return None")
    assert changed(before, project.parts()) == ["conftest.py"]
    assert "version of xgboost" in before


def test_an_experiment_that_another_file_lends_counts_with_that_file(project):
    project.write("toy_lent.py", "def experiment_lent(trial):\n    return 1\n")
    project.edit(
        "experiments/experiment_shops.py",
        "import xgboost",
        "from toy_lent import experiment_lent\nimport xgboost",
    )
    before = project.parts("experiment_lent")
    project.edit("toy_lent.py", "return 1", "return 2")
    assert changed(before, project.parts("experiment_lent")) == ["module toy_lent.py"]


def run_file(path, name):
    """The function that a file defines, as an import would give it."""
    known = {"__name__": path.stem}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), known)
    return known[name]


def test_the_file_of_a_wrapper_counts_even_if_no_import_leads_there(project):
    wrapper = project.root / "toy_wrappers.py"
    wrapper.write_text("import functools\ndef wrap(f):\n    return functools.wraps(f)(lambda *a: f(*a))\n")
    own = project.root / "toy_own.py"
    own.write_text("def experiment_tree(trial): ...\n")
    wrapped = run_file(wrapper, "wrap")(run_file(own, "experiment_tree"))
    parts = project.parts(function=wrapped)
    assert {"module toy_wrappers.py", "module toy_own.py"} <= parts.keys()
    assert parts["source"] == project.parts()["source"]


def test_code_that_no_file_holds_is_never_equal(project):
    known = {}
    exec("def experiment_tree(trial): ...", known)
    assert project.parts(function=known["experiment_tree"])["source"] == UNSTABLE
    assert project.parts(function=len)["source"] != UNSTABLE


@pytest.mark.parametrize("content", [None, "def experiment_tree(:"])
def test_a_source_that_cannot_be_read_is_never_equal(project, content):
    file = project.root / "experiments/experiment_shops.py"
    file.unlink() if content is None else file.write_text(content)
    assert project.parts()["source"] == UNSTABLE


@pytest.mark.parametrize("name", ["toy_inside.py", "conftest.py"])
def test_a_file_that_vanishes_while_it_is_read_is_never_equal(project, monkeypatch, name):
    read = Path.read_bytes

    def vanish(path):
        if path == project.root.resolve() / name:
            path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanish)
    assert [part for part, value in project.parts().items() if value == UNSTABLE] == [
        name if name == "conftest.py" else f"module {name}"
    ]


def test_a_compiled_module_counts_byte_by_byte(project):
    module = project.root / "toy_inside.py"
    compiled = module.with_suffix(".so")
    module.rename(compiled)
    compiled.write_bytes(b"\x7fELF1")
    before = project.parts()
    compiled.write_bytes(b"\x7fELF2")
    assert changed(before, project.parts()) == ["module toy_inside.so"]


def test_a_module_beside_the_project_that_is_not_installed_counts(project, tmp_path_factory, monkeypatch):
    beside = tmp_path_factory.mktemp("lib") / "toy_editable.py"
    beside.write_text("X = 1\n")
    monkeypatch.syspath_prepend(beside.parent)
    project.edit("toy_beside.py", "X = 70", "import toy_editable")
    before = project.parts()
    beside.write_text("X = 2\n")
    (name,) = changed(before, project.parts())
    assert name == f"module ../{beside.parent.name}/toy_editable.py"


def test_another_version_of_a_library_is_another_part(project, tmp_path_factory, monkeypatch):
    site = tmp_path_factory.mktemp("lib") / "site-packages"
    info = site / "toylib-1.0.dist-info"
    info.mkdir(parents=True)
    site.joinpath("toylib.py").touch()
    info.joinpath("RECORD").write_text("toylib.py,,\n")
    monkeypatch.syspath_prepend(site)
    project.edit("toy_inside.py", "import lightgbm", "import toylib")
    found = []
    for version in ("1.0", "1.1"):
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: toylib\nVersion: {version}\n")
        found.append(project.parts())
    assert changed(*found) == ["version of toylib"]
    assert [parts["version of toylib"] for parts in found] == ["1.0", "1.1"]


def test_another_version_of_the_harness_is_another_part(project, tmp_path, monkeypatch):
    def version(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath("__init__.py").touch()
        monkeypatch.setattr(harness, "__file__", str(folder / "__init__.py"))
        return project.parts()["version of harness"]

    assert version(tmp_path / "lib/site-packages/harness") == harness.__version__
    edited = version(tmp_path / "clone/harness")
    tmp_path.joinpath("clone/harness/more.py").write_text("X = 1")
    assert edited.startswith(f"{harness.__version__}+")
    assert version(tmp_path / "clone/harness") != edited


def test_the_harness_own_plugins_are_no_plugins_of_the_project(project):
    plain = Fingerprints(project.root, seed=0, threads=1).shared(
        project.root / "toy_inside.py", ["late"], data={}
    )
    own = Path(harness.__file__).parent / "plugin.py"
    prints = Fingerprints(project.root, seed=0, threads=1)
    assert prints.shared(project.root / "toy_inside.py", ["late"], conftests=[own], data={}) == plain


def test_files_and_libraries_are_read_once_for_all_experiments(project, monkeypatch):
    reads = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read(path))
    prints = Fingerprints(project.root, seed=0, threads=1)
    for name in ("experiment_tree", "experiment_boosted", "experiment_tree"):
        prints.shared(
            project.root / "experiments/experiment_shops.py",
            [name],
            conftests=[project.root / "conftest.py"],
            data={},
        )
    own = [path for path in reads if project.root in path.parents]
    assert len(own) == len(set(own)) > 5


PARAMS = {"a": {"x", "y"}, "f": lambda x: x + 1, "n": np.float64(1)}


def test_a_fingerprint_is_the_same_in_every_process(project):
    program = (
        "import json, sys; sys.path[:0] = sys.argv[1:]\n"
        "from pathlib import Path; from test_fingerprint import PARAMS, Project, of_parameters\n"
        "print(json.dumps([Project(Path(sys.argv[1])).parts(), of_parameters(PARAMS)]))"
    )
    for salt in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, project.root, os.path.dirname(__file__)],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == [project.parts(), of_parameters(PARAMS)]


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ({"C": 1, "D": 2}, {"D": 2, "C": 1}, True),
        ({"C": 1}, {"C": 1.0}, False),
        ({"C": 1}, {"C": True}, False),
        ({"C": "1"}, {"C": 1}, False),
        ({"C": 1}, {"D": 1}, False),
        ({}, {}, True),
        ({"C": float("nan")}, {"C": float("nan")}, True),
        ({"C": np.float64(1)}, {"C": np.float64(1)}, True),
        ({"C": np.arange(3), "D": 1}, {"D": 1, "C": np.arange(3)}, True),
        ({"C": np.arange(3)}, {"C": np.arange(4)}, False),
        ({"C": [1]}, {"C": "[1]"}, False),
        ({"C": lambda x: x}, {"C": lambda x: x}, True),
        ({"C": lambda x: x}, {"C": lambda x: -x}, False),
        ({"C": "\ud800"}, {"C": "\ud800"}, True),
    ],
)
def test_parameters_are_equal_by_name_type_and_value(a, b, equal):
    assert (of_parameters(a) == of_parameters(b)) is equal


def test_parameters_without_a_digest_are_unstable():
    assert of_parameters({"C": 1, "D": (x for x in ())}) == UNSTABLE
