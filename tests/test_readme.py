"""The README's project is written to disk and run; its options, settings and names exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

import harness

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)


@pytest.fixture
def patients(empty_project):
    """The project of the section "Ten minutes with your own CSV", with a CSV."""
    for language, content in BLOCKS:
        name = re.match(r"# (\S+\.(?:py|json))\n", content)
        if name is not None:
            body = content if language == "python" else content.partition("\n")[2]
            empty_project.write({name[1]: body})
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.drop(columns="target")
    frame["diagnosis"] = data.target.map({0: "malignant", 1: "benign"})
    frame.to_csv(empty_project.path / "patients.csv", index=False)
    return empty_project


def test_the_project_of_the_readme_has_three_files(patients):
    written = sorted(str(path.relative_to(patients.path)) for path in patients.path.rglob("*.*"))

    assert written == [
        "conftest.py",
        "expectations/patients.json",
        "experiments/experiment_patients.py",
        "patients.csv",
        "tox.ini",
    ]


COMMANDS = re.findall(r"^\$ (pytest .*?)(?:\s+#.*)?$", README, re.M)
ON_AWS = "pytest experiments/ --backend=sagemaker --max-cost=10"


def test_the_readme_shows_commands():
    assert len(COMMANDS) == 7
    assert ON_AWS in COMMANDS


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != ON_AWS])
def test_a_command_of_the_readme_succeeds(patients, command):
    result = patients.run(*shlex.split(command)[1:], workers=None if "sagemaker" in command else 1)

    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()["passed"] >= 1


def test_every_setting_of_sagemaker_is_documented(pytestconfig):
    group = next(g for g in _groups(pytestconfig) if g.name == "harness-sagemaker")
    names = {name for option in group.options for name in option.names()}
    settings = {name for name in pytestconfig._parser._inidict if name.startswith("sagemaker_")}

    assert {f"--{name.replace('_', '-')}" for name in settings} >= names - {"--rehearse", "--max-cost"}
    assert {name for name in settings if f"`{name}`" not in README} == set()
    assert {name for name in ("--rehearse", "--max-cost") if f"`{name}" not in README} == set()
    starred = set(re.findall(r"`(sagemaker_\w+)` \*", README))
    assert {f"--{name.replace('_', '-')}" for name in starred} == names - {"--rehearse", "--max-cost"}


def test_every_option_is_documented(pytestconfig):
    group = next(g for g in _groups(pytestconfig) if g.name == "harness")
    names = {name for option in group.options for name in option.names()}

    assert names
    assert {name for name in names if f"`{name}" not in README} == set()


def _groups(config):
    return config._parser._groups  # pytest has no public list of options


@pytest.mark.parametrize(
    "setting",
    ["experiment_files", "expectations", "contract_examples", "experiment_store", "experiment_seed"],
)
def test_every_setting_is_documented_with_its_default(pytestconfig, setting):
    default = pytestconfig.getini(setting)
    shown = " ".join(default) if isinstance(default, list) else default

    assert f"| `{setting}` | `{shown}` |" in README


def test_every_public_name_can_be_imported():
    for name in harness.__all__:
        assert getattr(harness, name).__name__ == name


def test_every_relative_link_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)

    root = Path(__file__).parent.parent
    assert links
    assert [link for link in links if not (root / link).exists()] == []
