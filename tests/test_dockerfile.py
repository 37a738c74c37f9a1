"""`harness dockerfile`: an image that has what is installed here, and SageMaker's training toolkit."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from harness import cli
from harness.backends.sagemaker.dockerfile import TOOLKIT, dockerfile, requirements_text
from harness.backends.sagemaker.requirements import Requirements

SMALL = Requirements(versions={"pandas": "3.1.1", "torch": "2.9.0+cu126"}, local=())


def instructions(text: str) -> dict[str, str]:
    """Return what follows each instruction of a Dockerfile, with lines joined; of several, the first."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    found: dict[str, str] = {}
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        found.setdefault(word, rest)
    return found


def pins(text: str) -> dict[str, str]:
    """Return the exact versions that a Dockerfile installs."""
    (listed,) = re.findall(r"pip install (.*?) ?&&", instructions(text)["RUN"])
    parsed = [Requirement(word) for word in listed.split()]
    assert all(str(one.specifier).startswith("==") and not one.marker for one in parsed)
    return {one.name: str(one.specifier).removeprefix("==") for one in parsed}


def test_the_whole_text() -> None:
    assert dockerfile(SMALL, "3.11.7+") == (
        """\
# An image for pytest --backend=sagemaker, with Python 3.11.7 and the packages of this environment.
#
#   docker build --platform linux/amd64 --tag IMAGE .
#
# Push it to a repository of Amazon ECR, and name it there:
#
#   sagemaker_image = ACCOUNT.dkr.ecr.REGION.amazonaws.com/IMAGE:TAG

FROM python:3.11.7-slim

ENV PYTHONUNBUFFERED=1 \\
    PIP_DISABLE_PIP_VERSION_CHECK=1 \\
    PIP_NO_CACHE_DIR=1 \\
    PIP_ROOT_USER_ACTION=ignore

# The compiler is for the training toolkit, and goes when that is built.
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends gcc libc6-dev \\
    && pip install \\
        pandas==3.1.1 \\
        sagemaker-training==5.1.4 \\
        torch==2.9.0 \\
    && apt-get purge --yes --auto-remove gcc libc6-dev \\
    && rm -rf /var/lib/apt/lists/*

# SageMaker runs the container with the argument "train": the toolkit's command.
RUN command -v train
"""
    )


def test_what_no_index_has_is_told_there() -> None:
    text = dockerfile(Requirements(versions={}, local=("ours", "theirs")), "3.12.1")

    assert (
        "#\n# Left out, for no index has them; install them below, or keep their sources in the project:\n"
        "#   ours\n#   theirs\n\nFROM python:3.12.1-slim\n"
    ) in text
    assert pins(text) == TOOLKIT


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_boosters_get_the_systems_openmp(name: str) -> None:
    command = instructions(dockerfile(Requirements(versions={name: "1.0"}, local=())))["RUN"]

    assert "apt-get install --yes --no-install-recommends gcc libc6-dev libgomp1 &&" in command
    assert command.count("libgomp1") == 1  # it stays when the compiler goes


def test_the_toolkit_of_the_project_is_the_one_that_is_installed() -> None:
    assert pins(dockerfile(Requirements(versions={"sagemaker-training": "5.2.0"}, local=()))) == {
        "sagemaker-training": "5.2.0"
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_the_command_is_one_that_a_shell_understands() -> None:
    command = instructions(dockerfile(SMALL))["RUN"]

    run = subprocess.run(["sh", "-n", "-c", command], check=False, capture_output=True, text=True)

    assert (run.returncode, run.stderr) == (0, "")
    assert len(command.split("&&")) == 5


names = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True)
numbers = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}(rc[0-9]|\.post[0-9])?", fullmatch=True)


@given(st.dictionaries(names, numbers))
def test_a_requirements_file_says_every_version_exactly(versions: dict[str, str]) -> None:
    lines = requirements_text(versions).splitlines()

    found = {one.name: str(one.specifier) for one in map(Requirement, lines)}
    assert found == {name: f"=={version}" for name, version in versions.items()}
    assert [line.partition("==")[0] for line in lines] == sorted(versions)


# The command


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "pyproject.toml": "",
        "conftest.py": "import os, hypothesis\nos.environ.setdefault('A', 'b')",
        "experiments/experiment_a.py": "from xgboost import XGBClassifier\nimport helper",
        "experiments/helper.py": "import cloudpickle",
        "experiments/deep/experiment_b.py": "import lightgbm",
        "experiments/deep/conftest.py": "import optuna",
        "experiments/.hidden/experiment_c.py": "import mlflow",
        "experiments/other.py": "import mlflow",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["dockerfile", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_the_current_folder_is_taken_with_everything_at_the_versions_that_are_installed(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "experiments")

    text = printed(capsys)

    assert instructions(text)["FROM"] == f"python:{platform.python_version().rstrip('+')}-slim"
    found = pins(text)
    assert found.pop("sagemaker-training") == TOOLKIT["sagemaker-training"]
    assert found == {name: importlib.metadata.version(name) for name in found}
    assert {"xgboost", "lightgbm", "optuna", "hypothesis", "pandas", "pytest"} <= found.keys()
    assert {"mlflow", "sagemaker", "harness", "great-expectations"}.isdisjoint(found)


def test_what_is_named_is_taken_and_nothing_beside_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = pins(printed(capsys, str(project / "experiments" / "experiment_a.py")))
    deep = pins(printed(capsys, str(project / "experiments" / "deep")))
    other = pins(printed(capsys, str(project / "experiments" / "other.py")))

    assert ("lightgbm" in one, "xgboost" in one, "hypothesis" in one, "optuna" in one) == (
        False, True, True, False
    )  # fmt: skip
    assert ("lightgbm" in deep, "xgboost" in deep, "hypothesis" in deep, "optuna" in deep) == (
        True, False, True, True
    )  # fmt: skip
    assert "mlflow" in other


def test_the_same_is_printed_every_time_and_nothing_of_the_project_is_imported(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "experiments" / "helper.py").write_text("import cloudpickle\nraise SystemExit(3)")

    assert printed(capsys, str(project)) == printed(capsys, str(project))
    assert "helper" not in sys.modules


def test_a_folder_without_experiments_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dockerfile", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"harness dockerfile: no file experiment_*.py is in {tmp_path}; "
        "name the experiment files, or a folder of them\n"
    )


def test_a_place_that_is_not_there_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["dockerfile", str(tmp_path / "none")])
    assert error.value.code == 2
    assert "none' is no file or folder" in capsys.readouterr().err
