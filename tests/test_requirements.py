"""What a container must have: exact versions of what experiments lead to, and what differs there, said."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from harness.backends.sagemaker import versions
from harness.backends.sagemaker.libraries import libraries
from harness.backends.sagemaker.requirements import requirements
from harness.backends.sagemaker.versions import mismatches

PYTHON = ".".join(map(str, sys.version_info[:3]))


def install(
    site: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    files: Sequence[str] = (),
    installer: str | None = "pip",
    url: Mapping[str, object] | None = None,
) -> None:
    """Make a distribution; its module has its name unless there are files."""
    found = files or [f"{name.lower().replace('-', '_')}.py"]
    for file in found:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).touch()
    info = site / f"{name.replace('-', '_')}-{version.partition('+')[0]}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires), ""]))
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in found))
    if installer is not None:
        (info / "INSTALLER").write_text(installer + "\n")
    if url is not None:
        (info / "direct_url.json").write_text(json.dumps(url))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions that Python looks into first."""
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(folder)
    return folder


OURS = requirements(()).versions
"""What every container needs."""


def made(*modules: str) -> dict[str, str]:
    """What modules need besides."""
    return {name: version for name, version in requirements(modules).versions.items() if name not in OURS}


# What the harness needs itself


def test_every_container_has_what_a_worker_imports_and_nothing_of_what_only_pytests_process_does() -> None:
    found = requirements(())

    for name in ("pytest", "pluggy", "iniconfig", "pandas", "numpy", "pyarrow", "scikit-learn", "joblib"):
        assert found.versions[name] == importlib.metadata.version(name)
    for name in ("threadpoolctl", "cloudpickle", "scipy", "python-dateutil"):
        assert found.versions[name] == importlib.metadata.version(name)
    strange = {"great-expectations", "mlflow", "mlflow-skinny", "optuna", "sagemaker", "harness", "xgboost"}
    assert strange.isdisjoint(found.versions)
    assert list(found.versions) == sorted(found.versions)
    assert found.local == []


def test_whatever_harness_imports_where_trials_run_is_known_here() -> None:
    """A library that a module of the harness begins to use must travel, or be asked for by experiments."""
    root = Path(harness.__file__).parent
    elsewhere = ("tracking", "rehearsal", "backends", "sampling.py", "contract/evaluation.py")
    named = set()
    for path in root.rglob("*.py"):
        if path.relative_to(root).as_posix().startswith(elsewhere):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                named.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                named.add(node.module.partition(".")[0])
    third = named - sys.stdlib_module_names - {"harness"}

    providers = importlib.metadata.packages_distributions()
    asked_for = {"xgboost", "lightgbm"}  # by experiments: the harness only looks whether they are there
    travels = {
        module for module in third - asked_for if {_normal(name) for name in providers[module]} <= OURS.keys()
    }
    assert travels == third - asked_for
    assert "pandas" in travels


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


# Closure


def test_requirements_are_followed_with_the_extras_that_are_asked_for(site: Path) -> None:
    install(site, "Top_Level", requires=["middle[fast] >=1 ; python_version >= '3'", "absent>=2"])
    install(site, "middle", "2.0", requires=["quick; extra == 'fast'", "slow; extra == 'slow'", "loop"])
    install(
        site, "quick", requires=["windows-only; sys_platform == 'win32'", "linux-only; os_name == 'posix'"]
    )
    install(site, "slow")
    install(site, "loop", requires=["middle[slow]; platform_system == 'Darwin'", "top.level", "not a (name"])
    install(site, "windows-only")
    install(site, "linux-only", "3.0rc1")

    assert made("top_level.part") == {
        "linux-only": "3.0rc1",
        "loop": "1.0",
        "middle": "2.0",
        "quick": "1.0",
        "top-level": "1.0",
    }


def test_an_extra_that_is_asked_for_later_counts_too(site: Path) -> None:
    install(site, "first", requires=["shared", "second"])
    install(site, "second", requires=["shared[More_Of_It]"])
    install(site, "shared", requires=["plain", "more; extra == 'more-of-it'", "shared[rest]; extra == 'all'"])
    install(site, "plain")
    install(site, "more")

    assert set(made("first")) == {"first", "second", "shared", "plain", "more"}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sets(st.integers(0, 5)), min_size=6, max_size=6), st.sets(st.integers(0, 5)))
def test_what_is_reached_is_required_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, edges: list[set[int]], start: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("law")
    for i, further in enumerate(edges):
        install(folder, f"node{i}", f"{i}.0", requires=[f"Node{j}" for j in sorted(further)])
    reached: set[int] = set()
    waiting = list(start)
    while waiting:
        i = waiting.pop()
        if i not in reached:
            reached.add(i)
            waiting += edges[i]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)

        assert made(*(f"node{i}" for i in start)) == {f"node{i}": f"{i}.0" for i in sorted(reached)}


# Modules to distributions


def test_modules_of_python_of_the_project_and_missing_ones_are_passed_over(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "of_the_project.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "own")
    install(site, "shadow", files=["json.py"])

    assert made("json", "os.path", "of_the_project", "no_such_module.at_all", "harness.trial", "") == {}


def test_a_namespace_package_brings_those_that_hold_what_is_named(site: Path) -> None:
    install(site, "space-cloud", files=["space/cloud/__init__.py", "space/cloud/disk.py"])
    install(site, "space-proto", files=["space/proto.py"])

    assert set(made("space.cloud.disk")) == {"space-cloud"}
    assert set(made("space.proto.Message")) == {"space-proto"}
    assert set(made("space")) == {"space-cloud", "space-proto"}


def test_a_package_of_several_distributions_brings_them_all(site: Path) -> None:
    install(site, "whole", files=["whole/__init__.py", "whole/deep.py"])
    install(site, "whole-skinny", files=["whole/__init__.py"])

    assert set(made("whole.deep")) == {"whole", "whole-skinny"}


def test_it_depends_on_what_is_installed_and_not_on_what_is_imported(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "broken-when-imported")
    (site / "broken_when_imported.py").write_text("raise SystemExit(1)")
    before = requirements(["broken_when_imported"])
    monkeypatch.setitem(sys.modules, "broken_when_imported", json)
    monkeypatch.delitem(sys.modules, "scipy", raising=False)

    assert requirements(["broken_when_imported"]) == before
    assert before.versions["broken-when-imported"] == "1.0"


# What no index has


def test_what_came_from_a_folder_or_an_address_is_named_apart_but_what_it_requires_counts(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        site, "Edited", url={"url": "file:///home/me", "dir_info": {"editable": True}}, requires=["plain"]
    )
    install(site, "from-git", url={"url": "https://example.org/x", "vcs_info": {"vcs": "git"}})
    install(site, "by-conda", installer="conda", url={"url": "file:///croot/by-conda", "dir_info": {}})
    install(site, "plain")
    (site / "plain-1.0.dist-info" / "direct_url.json").write_text("torn")
    install(tmp_path, "in-the-project", installer=None)
    monkeypatch.syspath_prepend(tmp_path)

    found = requirements(["edited", "from_git", "by_conda", "in_the_project"])

    assert found.local == ["edited", "from-git", "in-the-project"]
    assert {"by-conda", "plain"} <= found.versions.keys()
    assert set(found.local).isdisjoint(found.versions)


# Libraries of experiments


def test_libraries_are_found_through_helpers_whatever_the_project_does_to_the_environment(
    tmp_path: Path,
) -> None:
    for name, text in {
        "conftest.py": "import os\nos.environ.setdefault('A', 'b')\nimport pandas as pd",
        "experiment_a.py": """
import json
import sklearn.tree
from harness import grid
from helper import useful
from . import sibling
def experiment_late(trial):
    from scipy.stats import norm
    importlib.import_module("xgboost.sklearn")
    print("lightgbm")
""",
        "helper.py": "import numpy as np\nimport experiment_a",
        "sibling.py": "from cloudpickle import dumps",
        "experiment_torn.py": "import pyarrow\ndef (",
    }.items():
        (tmp_path / name).write_text(text)
    files = [tmp_path / name for name in ("conftest.py", "experiment_a.py", "experiment_torn.py", "none.py")]

    found = libraries(files, tmp_path)

    assert sorted(found) == [
        "cloudpickle.dumps",
        "numpy",
        "pandas",
        "scipy.stats.norm",
        "sklearn.tree",
        "xgboost.sklearn",
    ]


# Differences


def test_what_is_required_here_is_here() -> None:
    assert mismatches(requirements(["xgboost", "lightgbm", "mlflow", "hypothesis"]).versions, PYTHON) == []


def test_every_difference_is_a_sentence() -> None:
    own = importlib.metadata.version("pandas")

    assert mismatches({"pandas": "1.0.0", "no-such-thing": "3.0.0", "NumPy": "0.1"}, "2.7.18") == [
        f"Python {sys.version_info[0]}.{sys.version_info[1]} runs here, 2.7 where pytest was started",
        f"NumPy {importlib.metadata.version('numpy')} is installed here, 0.1 where pytest was started",
        "no-such-thing is not installed here, 3.0.0 where pytest was started",
        f"pandas {own} is installed here, 1.0.0 where pytest was started",
    ]


def test_the_patch_of_python_and_the_build_of_a_version_do_not_count(site: Path) -> None:
    install(site, "torchlike", "2.9.0+cpu")

    assert mismatches({"torchlike": "2.9.0+cu126"}, f"{sys.version_info[0]}.{sys.version_info[1]}.99") == []
    assert mismatches({"torchlike": "2.9.1"}, PYTHON) == [
        "torchlike 2.9.0+cpu is installed here, 2.9.1 where pytest was started"
    ]


@pytest.mark.filterwarnings("ignore:Implicit None")
def test_what_is_left_of_an_installation_is_not_installed(site: Path) -> None:
    (site / "torn-1.0.dist-info").mkdir()
    (site / "torn-1.0.dist-info" / "METADATA").touch()

    assert mismatches({"torn": "1.0"}, PYTHON) == ["torn is not installed here, 1.0 where pytest was started"]
    assert requirements(["torn"]) == requirements(())


def test_differences_are_told_where_nothing_is_installed() -> None:
    path = str(versions.__file__)
    source = (
        "import runpy, sys\n"
        f"found = runpy.run_path({path!r})['mismatches']({{'pandas': '3.0'}}, '3')\n"
        "print(*found, sep='; ')"
    )

    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", source], capture_output=True, text=True, check=True
    )

    assert run.stdout.rstrip().endswith("pandas is not installed here, 3.0 where pytest was started")
    assert set(runpy.run_path(path)) >= {"mismatches", "public"}
