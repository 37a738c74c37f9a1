"""What the server imports ahead: installed modules that experiments lead to, none of the project's."""

from __future__ import annotations

import sys

import pytest

from harness.forerunner import experiment_files
from harness.pool.preloads import conftests, installed


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

    found = installed([folder / "experiment_a.py"])

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

    found = installed([folder / "conftest.py", folder / "experiment_a.py"])

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
    assert installed([folder / name for name in names]) == ["numpy"]


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
