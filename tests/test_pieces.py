import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.imports import Import
from harness.pieces import digest, pieces

ROOT = Path(__file__).parents[1]
FILES = sorted([ROOT / "conftest.py", *(ROOT / "experiments").glob("*.py"), *(ROOT / "harness").glob("*.py")])


def kinds(source):
    return [piece.kind for piece in pieces(source.encode())]


def code(source):
    return digest(pieces(source.encode()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_layout_quotes_and_comments_do_not_count(path):
    source = path.read_text("utf-8")
    assert code(ast.unparse(ast.parse(source))) == code(source)


@given(st.data())
def test_comments_and_blank_lines_between_statements_do_not_count(data):
    source = (ROOT / "conftest.py").read_text("utf-8")
    lines = source.split("\n")
    starts = [node.lineno - 1 for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Return)]
    line = data.draw(st.sampled_from(starts))
    text = data.draw(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])))
    assert code("\n".join([*lines[:line], "", f"# {text}", *lines[line:]])) == code(source)


@given(st.data())
def test_another_number_anywhere_counts(data):
    source = (ROOT / "experiments/experiment_income.py").read_text("utf-8").replace("@grid", "@other")
    tree = ast.parse(source)
    numbers = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, int | float)]
    data.draw(st.sampled_from(numbers)).value = data.draw(st.integers(100_000, 200_000))
    assert code(ast.unparse(tree)) != code(source)


def test_docstrings_count_only_where_the_file_reads_them():
    assert code('"""A."""\ndef f():\n    "B"\n    return 1') == code("def f():\n    return 1")
    assert code('def f():\n    "B"\n    return f.__doc__') != code("def f():\n    return f.__doc__")
    assert code("def f(): return 'B'") != code("def f(): return 'C'")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def helper(): ...", "helper"),
        ("def experiment_a(trial): ...", "asked"),
        ("@register\ndef experiment_a(trial): ...", "asked"),
        ("def gate_a(experiment_a): ...", "asked"),
        ("class Experiments: ...", "asked"),
        ("class Gates: ...", "asked"),
        ("class Scaler: ...", "fixed"),
        ("@register\ndef helper(): ...", "fixed"),
        ("X = [1, 2 * 3]", "value"),
        ("X, Y = 1, 2", "value"),
        ("X: int = 1", "value"),
        ("X: int", "fixed"),
        ("X = make()", "fixed"),
        ("X[0] = 1", "fixed"),
        ("x.y = 1", "fixed"),
        ("(x.y, z) = 1, 2", "fixed"),
        ("X += 1", "fixed"),
        ("pytestmark = [slow]", "fixed"),
        ("__all__ = []", "fixed"),
        ("collect_ignore = ['a.py']", "fixed"),
        ("import numpy as np", "import"),
        ("from numpy import *", "fixed"),
        ("from __future__ import annotations", "fixed"),
        ("np.random.seed(0)", "fixed"),
        ("if True:\n    def experiment_a(trial): ...", "fixed"),
    ],
)
def test_a_statement_has_a_kind(source, kind):
    assert kinds(source) == [kind]


@pytest.mark.parametrize(
    ("imports", "decorator", "kind"),
    [
        ("from harness import features", "features", "asked"),
        ("from harness import features as f", "f()", "asked"),
        ("import harness", "harness.features", "asked"),
        ("import harness as h", "h.dataset(target='y')", "loader"),
        ("from harness import dataset", "dataset('y')", "loader"),
        ("import pytest", "pytest.fixture", "asked"),
        ("from pytest import fixture", "fixture(scope='session')", "asked"),
        ("import pytest", "pytest.fixture(autouse=True)", "fixed"),
        ("import pytest", "pytest.fixture(**options)", "fixed"),
        ("import pytest", "pytest.fixture(name=NAME)", "fixed"),
        ("from harness import metric", "metric", "fixed"),
        ("from elsewhere import features", "features", "fixed"),
        ("from .harness import features", "features", "fixed"),
        ("from harness import features", "features\n@register", "fixed"),
        ("", "features", "fixed"),
    ],
)
def test_a_fixture_is_known_by_what_its_decorator_was_imported_as(imports, decorator, kind):
    found = pieces(f"{imports}\n@{decorator}\ndef scaled(shops): ...".encode())[-1]
    assert found.kind == kind
    assert found.binds == {"scaled"}


def test_a_fixture_has_the_name_that_it_is_given():
    (_, found) = pieces(b"import pytest\n@pytest.fixture(name='rows')\ndef _rows(): ...")
    assert found.binds == {"rows", "_rows"}


@pytest.mark.parametrize(
    "grid",
    ["@grid(C=[1, 2])", "@h.grid(C=[1])", "@pytest.mark.parametrize('C', [1, 2], ids=['a', 'b'])"],
)
def test_a_grid_does_not_count_for_parameters_do(grid):
    head = "import harness as h, pytest\nfrom harness import grid\n"
    body = "def experiment_a(trial, C): ..."
    with_, without = pieces(f"{head}{grid}\n{body}".encode()), pieces(f"{head}{body}".encode())
    assert digest(with_) == digest(without)


@pytest.mark.parametrize(
    "decorator",
    [
        "grid(C=[1])",  # not imported: another's
        "pytest.mark.parametrize('C', [pytest.param(1, marks=pytest.mark.skip)])",
        "pytest.mark.parametrize('C', [1], indirect=True)",
        "pytest.mark.parametrize",
        "pytest.mark.skip",
        "experiment(maximize='f1')",
    ],
)
def test_other_decorators_count(decorator):
    head = "import pytest\nfrom harness import experiment\n"
    body = "def experiment_a(trial, C): ..."
    assert code(f"{head}@{decorator}\n{body}") != code(f"{head}{body}")


def test_more_trials_of_a_search_change_nothing_but_its_ranges_do():
    def searched(arguments):
        return code(f"from harness import search\n@search({arguments})\ndef experiment_a(trial, C): ...")

    assert searched("C=uniform(0, 1), trials=3") == searched("C=uniform(0, 1), trials=30")
    assert searched("C=uniform(0, 1), trials=3") != searched("C=uniform(0, 2), trials=3")
    assert searched("C=uniform(0, 1), strategy='tpe'") != searched("C=uniform(0, 1), strategy='random'")


def test_names_in_a_grid_are_told_apart_from_names_in_the_code():
    found = pieces(
        b"from harness import grid\n@grid(C=VALUES)\ndef experiment_a(trial, C):\n    make(C, 'text')"
    )[-1]
    assert found.tries >= {"VALUES"}
    assert found.uses == {"make", "C"}
    assert found.asks == {"trial", "C", "text"}


def test_a_class_of_experiments_falls_into_what_it_shares_and_its_experiments():
    source = b"""
class Experiments(Base):
    depth = 3
    def helper(self): ...
    def experiment_a(self, trial): ...
    def gate_a(self, experiment_a): ...
    class ExperimentInner:
        def experiment_b(self, trial): ...
"""
    found = {next(iter(piece.binds)): piece for piece in pieces(source)}
    assert set(found) == {"Experiments", "experiment_a", "gate_a", "ExperimentInner", "experiment_b"}
    assert "Experiments" in found["experiment_a"].uses
    assert found["experiment_b"].uses >= {"Experiments", "ExperimentInner"}
    changed = source.replace(b"depth = 3", b"depth = 4")
    other = {next(iter(piece.binds)): piece.digest for piece in pieces(changed)}
    assert [name for name in found if found[name].digest != other[name]] == ["Experiments"]
    changed = source.replace(b"def experiment_b(self, trial): ...", b"def experiment_b(self, trial): 1")
    other = {next(iter(piece.binds)): piece.digest for piece in pieces(changed)}
    assert [name for name in found if found[name].digest != other[name]] == ["experiment_b"]


@pytest.mark.parametrize(
    ("source", "imports"),
    [
        ("import a.b, c", {Import("a.b"), Import("c")}),
        ("from a import b, c", {Import("a", "b"), Import("a", "c")}),
        ("from a import *", {Import("a")}),
        ("from . import b", {Import("", "b", 1)}),
        ("from ..a import b", {Import("a", "b", 2)}),
        ("def f():\n    import a", {Import("a")}),
        ("importlib.import_module('a.b')", {Import("a.b")}),
        ("import_module('.a', __package__)", {Import("a", level=1)}),
        ("pytest.importorskip('a')", {Import("a")}),
        ("importlib.import_module(name)", set()),
        ("importlib.import_module('../a')", set()),
        (
            "import harness\n@harness.grid(C=[import_module('a')])\ndef experiment_a(trial, C): ...",
            {Import("harness"), Import("a")},
        ),
        ("importlib.import_module('')", set()),
        ("pytest_plugins = ['a.b', 'c']", {Import("a.b"), Import("c")}),
        ("pytest_plugins = 'a'", {Import("a")}),
    ],
)
def test_imports_are_found_wherever_they_stand(source, imports):
    assert {found for piece in pieces(source.encode()) for found in piece.imports} == imports


@pytest.mark.parametrize(
    ("source", "dynamic"),
    [
        ("def f(request): request.getfixturevalue(g())", True),
        ("globals()['a']", True),
        ("exec(text)", True),
        ("module.__dict__", True),
        ("import harness\n@harness.grid(C=eval(text))\ndef experiment_a(trial, C): ...", True),
        ("frame.eval('a + b')", False),
        ("getattr(a, 'b')", False),
    ],
)
def test_code_that_makes_names_is_dynamic(source, dynamic):
    assert pieces(source.encode())[-1].dynamic is dynamic


@pytest.mark.parametrize("source", [b"def f(:", b"\0", "x = 'ä'".encode("latin-1")])
def test_what_is_no_python_raises(source):
    with pytest.raises((SyntaxError, ValueError)):
        pieces(source)


@pytest.mark.filterwarnings("error")
def test_what_python_warned_of_at_the_import_is_not_told_again():
    assert kinds(r"X = '\d'") == ["value"]
