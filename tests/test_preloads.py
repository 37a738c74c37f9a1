"""What the server imports ahead: installed modules that experiments lead to, none of the project's."""

from __future__ import annotations

import os
import sys

import pytest

from harness.forerunner import experiment_files
from harness.pool.preloads import conftests, preloads


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of files by name; what it holds can be imported."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    monkeypatch.syspath_prepend(tmp_path / "src")
    return write


def test_installed_modules_are_named_and_nothing_else(project):
    folder = project(
        {
            "experiment_a.py": """
import os, sys, json
import numpy as np
import sklearn.linear_model
from sklearn.ensemble import RandomForestClassifier
from harness import grid
import helper_of_mine
from . import sibling
import no_such_module

def experiment_late():
    import xgboost
    from lightgbm import LGBMClassifier

if True:
    try:
        import pandas
    except ImportError:
        pass
""",
            "helper_of_mine.py": "import no_such_library\n",
        }
    )

    found = preloads([folder / "experiment_a.py"]).modules

    known = [name for name in found if not name.startswith("no_such")]
    assert known == ["numpy", "sklearn.linear_model", "sklearn.ensemble", "xgboost", "lightgbm", "pandas"]
    assert not [name for name in found if "mine" in name or "harness" in name]
    assert not {"helper_of_mine", "no_such_module"} & set(sys.modules)


def test_files_of_the_project_lead_on_and_are_not_named(project):
    """Also those that import each other, and packages in src."""
    folder = project(
        {
            "conftest.py": "from toy_package.data import load\n",
            "experiment_a.py": "import toy_beside\n",
            "toy_beside.py": "import experiment_a, threadpoolctl\n",
            "src/toy_package/__init__.py": "import yaml_of_nobody\n",
            "src/toy_package/data.py": "from .deep import part\nimport pyarrow.parquet\n",
            "src/toy_package/deep/__init__.py": "import cloudpickle\n",
            "src/toy_package/deep/part.py": "import scipy.sparse\n",
        }
    )

    found = preloads([folder / "conftest.py", folder / "experiment_a.py"]).modules

    assert set(found) - {"yaml_of_nobody"} == {
        "threadpoolctl",
        "pyarrow.parquet",
        "cloudpickle",
        "scipy.sparse",
    }
    assert not [name for name in sys.modules if name.startswith("toy_")]


def test_files_that_cannot_be_read_are_left_out(project):
    folder = project({"experiment_a.py": "def (", "experiment_b.py": "import numpy\n"})
    (folder / "experiment_c.py").write_bytes(b"\xff\xfe\x00import numpy")

    names = ("experiment_a.py", "experiment_c.py", "missing.py", "experiment_b.py")
    assert preloads([folder / name for name in names]).modules == ("numpy",)


def test_experiment_files_are_found_as_pytest_meets_them(project):
    folder = project(
        {
            "b/experiment_b.py": "",
            "b/other.py": "",
            "a/experiment_a.py": "",
            "a/.hidden/experiment_x.py": "",
            "node_modules/experiment_x.py": "",
            "venv/pyvenv.cfg": "",
            "venv/lib/experiment_x.py": "",
            "experiment_c.txt": "",
            "z_trials.py": "",
        }
    )
    pruned = ["node_modules", ".*"]

    found = experiment_files([folder], ["experiment_*.py", "*_trials.py"], pruned)

    names = [path.relative_to(folder).as_posix() for path in found]
    assert names == ["z_trials.py", "a/experiment_a.py", "b/experiment_b.py"]
    one = folder / "b/experiment_b.py"
    assert experiment_files([one], ["experiment_*.py"]) == [one]
    assert experiment_files([folder / "b/other.py", folder / "missing"], ["experiment_*.py"]) == []


def test_conftests_are_those_above_the_files_within_the_project(project):
    folder = project(
        {
            "conftest.py": "",
            "in/conftest.py": "",
            "in/a/conftest.py": "",
            "in/a/experiment_a.py": "",
            "in/b/conftest.py": "",
            "in/c/experiment_c.py": "",
        }
    )
    files = [folder / "in/a/experiment_a.py", folder / "in/c/experiment_c.py"]

    found = conftests(files, folder / "in")

    assert found == [folder / "in/conftest.py", folder / "in/a/conftest.py"]


def test_who_works_with_data_will_need_scikit_learns_metrics(project):
    folder = project(
        {
            "conftest.py": "from harness import dataset, features\n",
            "whole.py": "import harness\n",
            "none.py": "from harness import experiment, grid\nimport numpy\n",
        }
    )

    assert preloads([folder / "conftest.py"]).modules == ("sklearn.metrics", "scipy.sparse")
    assert preloads([folder / "whole.py"]).modules == ("sklearn.metrics", "scipy.sparse")
    assert preloads([folder / "none.py"]).modules == ("numpy",)


@pytest.mark.parametrize(
    ("source", "environment"),
    [
        ("os.environ['A'] = 'b'\nos.environ['C'] = ''", {"A": "b", "C": ""}),
        ("from os import environ\nenviron['A'] = 'b'", {"A": "b"}),
        ("x = os.environ['A']\ny = os.environ.get('B')\nz = {**os.environ}\nif 'A' in os.environ: pass", {}),
        ("def f():\n    os.environ['A'] = g()\n    os.putenv('A', 'b')", {}),
        ("class K:\n    def f(self): load_dotenv()", {}),
        ("def pytest_configure():\n    os.environ['A'] = 'b'", None),
        ("h = lambda: os.environ.update(A='b')", {}),
        ("os.environ['A'] = str(1)", None),
        ("os.environ[name()] = 'b'", None),
        ("if x:\n    os.environ['A'] = 'b'", None),
        ("try:\n    pass\nfinally:\n    os.environ.setdefault('A', 'b')", None),
        ("class K:\n    os.environ['A'] = 'b'", None),
        ("os.environ.update(A='b')", None),
        ("os.environ |= {'A': 'b'}", None),
        ("del os.environ['A']", None),
        ("os.environ.pop('A')", None),
        ("os.putenv('A', 'b')", None),
        ("import dotenv\ndotenv.load_dotenv()", None),
        ("[os.environ.pop(n) for n in 'ab']", None),
    ],
)
def test_variables_that_the_project_sets_are_there_before_or_nothing_is_imported(
    project, source, environment
):
    folder = project(
        {"experiment_a.py": "import helper_toy\nimport numpy\n", "helper_toy.py": f"import os\n{source}\n"}
    )

    found = preloads([folder / "experiment_a.py"])

    assert found.environment == (environment or {})
    assert ("numpy" in found.modules) is (environment is not None)


@pytest.mark.parametrize("value", ["'on'", "''.join('on')"], ids=["plain", "computed"])
def test_a_library_finds_in_workers_the_variables_that_it_finds_here(empty_project, monkeypatch, value):
    """It looks at them once, when it is imported: in the server, long before the project is."""
    library = empty_project.path / "venv/site-packages"
    empty_project.write(
        {
            "venv/site-packages/toy_library.py": "import os\nMODE = os.environ.get('TOY_MODE', 'off')\n",
            "conftest.py": f"import os\nos.environ['TOY_MODE'] = {value}\nimport toy_library\n",
            "experiment_a.py": """
                from harness import grid
                from toy_library import MODE
                @grid(n=[1, 2])
                def experiment_a(trial, n): assert MODE == "on"
                def gate_a(experiment_a): assert MODE == "on"
                """,
        }
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")]))

    empty_project.run_apart("--ignore=venv", workers=2).assert_outcomes(passed=3)
