import pytest

from harness.pieces import pieces
from harness.visibility import visible


def seen(*sources, names=("experiment_a",)):
    """Names bound by the pieces that count, of all files together."""
    files = [pieces(source.encode()) for source in sources]
    return {name for file in visible(files, names) for piece in file for name in piece.binds}


A = "def experiment_a(trial, scaled):\n    return helper()\n"


def test_other_experiments_and_gates_do_not_count():
    others = ["def experiment_b(trial): ...", "def gate_a(experiment_a): ...", "class ExperimentC: ..."]
    file = A + "\n".join([*others, "class Gates: ..."])
    assert seen(file) == {"experiment_a"}


def test_an_experiment_that_is_called_counts():
    assert seen("def experiment_a(trial):\n    experiment_b(trial)\ndef experiment_b(trial): ...") == {
        "experiment_a",
        "experiment_b",
    }


def test_helpers_count_also_through_helpers():
    file = A + "def helper():\n    return inner\ndef inner():\n    return LIMIT\nLIMIT = 3"
    assert seen(file) == {"experiment_a", "helper", "inner", "LIMIT"}


@pytest.mark.parametrize(
    "other", ["def helper_b(): ...", "helper_b = [1]", "import helper_b", "from m import helper_b"]
)
def test_what_only_another_experiment_names_does_not_count(other):
    file = A + f"{other}\ndef experiment_b(trial):\n    helper_b"
    assert seen(file) == {"experiment_a"}


def test_what_only_helpers_of_another_experiment_name_does_not_count():
    file = A + "def one(): two()\ndef two(): one()\ndef experiment_b(trial): one()"
    assert seen(file) == {"experiment_a"}


@pytest.mark.parametrize(
    "hook",
    [
        "import enable_x",
        "def pytest_configure(): ...",
        "def setup_module(): ...",
        "LIMIT = 3",
        "class Model: ...",
    ],
)
def test_what_nobody_names_counts(hook):
    assert len(seen(A + hook)) == 2


def test_a_recursive_function_that_nobody_else_names_counts():
    assert "loop" in seen(A + "def loop(): loop()")


def test_what_runs_at_import_counts_with_all_that_it_names():
    file = A + "register(helper_b)\ndef helper_b(): ...\ndef experiment_b(trial): helper_b()"
    assert seen(file) == {"experiment_a", "helper_b"}


CONFTEST = """
import pytest
from harness import dataset, features
@features
def scaled(shops):
    return scaler()
@features
def plain(shops):
    return rescue()
@dataset(target="y")
def shops():
    return read()
def scaler(): ...
def rescue(): ...
def read(): ...
@pytest.fixture
def colour(): ...
@pytest.fixture(autouse=True)
def quiet(paint): ...
@pytest.fixture
def paint(): ...
"""


def test_features_and_fixtures_count_for_who_asks_for_them():
    found = seen(A, CONFTEST)
    assert found >= {"scaled", "scaler", "quiet", "paint"}
    assert found.isdisjoint({"plain", "rescue", "colour"})


def test_a_loader_does_not_count_for_its_rows_do():
    assert seen(A, CONFTEST).isdisjoint({"shops", "read"})


def test_a_loader_that_is_called_counts():
    assert {"shops", "read"} <= seen("def experiment_a(trial):\n    shops()", CONFTEST)


@pytest.mark.parametrize("mark", ["@pytest.mark.usefixtures('colour')\n", "@grid(name=['colour'])\n"])
def test_a_fixture_that_is_asked_for_by_a_text_counts(mark):
    assert "colour" in seen(f"from harness import grid\n{mark}{A}", CONFTEST)


def test_fixtures_may_be_named_from_outside():
    assert "colour" in seen(A, CONFTEST, names=("experiment_a", "colour"))


def test_everything_counts_where_names_are_made_at_run_time():
    dynamic = "def experiment_a(trial, request):\n    request.getfixturevalue(f'{1}')\ndef gate_a(): ..."
    assert seen(dynamic, CONFTEST) >= {"gate_a", "plain", "colour", "shops"}


def test_what_makes_names_elsewhere_does_not_matter():
    assert "experiment_b" not in seen(
        A + "def experiment_b(trial, request):\n    request.getfixturevalue(f'{1}')"
    )


def test_values_of_a_grid_are_parameters_but_its_functions_are_code():
    head = "from harness import grid\nSPACE = [1, 2]\ndef make(): ...\nLIST = [make]\n"
    own = "def experiment_a(trial, C): ...\n"
    assert "SPACE" not in seen(f"{head}@grid(C=SPACE)\n{own}")
    assert "make" in seen(f"{head}@grid(C=[make])\n{own}def gate(): make()")
    assert {"LIST", "make"} <= seen(f"{head}@grid(C=LIST)\n{own}")
    assert "SPACE" in seen(f"{head}@grid(C=SPACE)\n{own}def helper():\n    return SPACE")


CLASSES = """
class ExperimentTrees:
    depth = 3
    def fit(self): ...
    def experiment_a(self, trial): ...
    def experiment_b(self, trial): ...
    def gate_a(self, experiment_a): ...
class ExperimentMore(ExperimentTrees):
    depth = 4
"""


def test_of_a_class_its_other_experiments_do_not_count():
    assert seen(CLASSES, names=("ExperimentTrees", "experiment_a")) == {"ExperimentTrees", "experiment_a"}


def test_an_inherited_experiment_counts_with_both_classes():
    found = seen(CLASSES, names=("ExperimentMore", "experiment_a"))
    assert found == {"ExperimentTrees", "ExperimentMore", "experiment_a"}


def test_pieces_keep_their_order():
    files = [pieces(b"A = 1\ndef experiment_a(trial): return A, B\nB = 2")]
    assert visible(files, ["experiment_a"]) == [list(files[0])]
