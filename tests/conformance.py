"""What every place where trials run must do alike: a project, and what pytest and the store must say of it.

A new backend subclasses `Conformance` in tests/test_conformance.py, with the arguments that choose it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pytest

from conftest import CONFTEST

EXPERIMENTS = """
import random, sys, warnings
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from harness import experiment, grid

@grid(max_depth=[2, None])
def experiment_tree(scaled, trial, max_depth):
    print("depth", max_depth)
    print("careful", file=sys.stderr)
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), scaled)
    limit = 2
    assert max_depth != limit, "no twos"

@pytest.mark.parametrize("model", [RandomForestClassifier(n_estimators=5)], ids=["forest"])
def experiment_model(shops, trial, model, record_property, tmp_path):
    trial.fit(model, shops)
    trial.log(drawn=np.random.rand(), random=random.random())
    record_property("colour", "red")
    (tmp_path / "note.txt").write_text("kept")
    trial.log_artifact(tmp_path / "note.txt")
    warnings.warn("mind the gap")

@experiment(maximize="speed")
@grid(gear=[2, 3])
def experiment_ride(trial, gear):
    if gear == 3:
        {}["nothing"]
    if gear == 2:
        pytest.skip("no second gear")
    trial.log(speed=gear)

@pytest.mark.xfail(reason="known", strict=True)
def experiment_expected(trial):
    assert False

@pytest.fixture
def broken():
    yield
    raise OSError("cannot clean up")

def experiment_untidy(trial, broken):
    trial.log(done=1)

@pytest.mark.parametrize("text", ["it's" + '\\na "quoted" $(word)', "x" * 3000])
@experiment(maximize="size")
def experiment_words(trial, text):
    trial.log(size=len(text))

def gate_tree(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 0.6

def gate_too_high(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 1.01
"""

OUTCOMES = {
    "experiment_tree[max_depth:2]": "failed",
    "experiment_tree[max_depth:None]": "passed",
    "experiment_model[forest]": "passed",
    "experiment_ride[gear:2]": "skipped",
    "experiment_ride[gear:3]": "raised",
    "experiment_expected": "skipped",
    "experiment_untidy": "raised",
}


@dataclass(frozen=True)
class Ran:
    """One run of the project."""

    folder: Path
    code: int
    output: str

    @cached_property
    def run(self) -> Path:
        (found,) = (self.folder / ".harness" / "runs").iterdir()
        return found

    @cached_property
    def trials(self) -> dict[str, dict[str, Any]]:
        """Records by the name of the item."""
        lines = map(json.loads, (self.run / "journal.jsonl").read_text().splitlines())
        return {r["node_id"].partition("::")[2]: r for r in lines if r["kind"] == "trial"}

    @cached_property
    def cases(self) -> dict[str, ET.Element]:
        """What JUnit shows, by the name of the item."""
        found: dict[str, ET.Element] = {}
        for case in ET.parse(self.folder / "junit.xml").iter("testcase"):
            found.setdefault(case.get("name", ""), case)
        return found


def ran(folder: Path, arguments: Sequence[str], environment: dict[str, str] | None = None) -> Ran:
    """Run the project in a process of its own."""
    files = {
        "pytest.ini": "[pytest]\n",
        "conftest.py": CONFTEST,
        "experiments/experiment_all.py": EXPERIMENTS,
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(content))
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "--no-tracking", "--threads=1", "-p", "no:cacheprovider",
            "--junitxml=junit.xml", "-o", "junit_logging=all",
            "-o", "junit_family=xunit1", *arguments,
        ],
        cwd=folder,
        env={**os.environ, **(environment or {}), "COLUMNS": "80", "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return Ran(folder, done.returncode, done.stdout + done.stderr)


class Conformance:
    """What a backend must do; it runs the project once."""

    arguments: ClassVar[Sequence[str]]

    @pytest.fixture(scope="class")
    @classmethod
    def there(cls, tmp_path_factory: pytest.TempPathFactory) -> Ran:
        """The run of this backend; `here`, a fixture of the module, is the one to compare with."""
        return ran(tmp_path_factory.mktemp("there"), cls.arguments)

    def test_outcomes_are_told_to_pytest_and_kept(self, there):
        kept = {name: there.trials[name]["outcome"] for name in OUTCOMES}

        assert kept == OUTCOMES, there.output
        assert there.code == 1
        assert "3 failed, 7 passed, 1 skipped, 1 xfailed, 1 warning, 1 error" in there.output

    def test_numbers_are_the_same_to_the_last_digit(self, here, there):
        parts = ("params", "scores", "logged", "curves", "objective", "features", "data_digest", "index")

        def numbers(run: Ran) -> dict[str, dict[str, Any]]:
            return {name: {part: r[part] for part in parts} for name, r in run.trials.items()}

        assert numbers(there) == numbers(here)

    def test_values_with_quotes_newlines_and_3000_characters_arrive_as_they_are(self, there):
        words = [r for name, r in there.trials.items() if name.startswith("experiment_words")]
        sizes = {r["index"]: r["logged"]["size"] for r in words}

        assert sizes == {0: 23, 1: 3000}

    def test_a_failed_assert_shows_its_own_introspection(self, there):
        failed = there.cases["experiment_tree[max_depth:2]"].find("failure")

        assert failed.get("message") == "AssertionError: no twos\nassert 2 != 2"
        assert ">       assert max_depth != limit, " in failed.text
        assert "E       assert 2 != 2" in failed.text
        assert "KeyError: 'nothing'" in there.cases["experiment_ride[gear:3]"].find("failure").text

    def test_reasons_of_skips_are_kept(self, there):
        assert there.trials["experiment_ride[gear:2]"]["message"] == "no second gear"
        assert there.cases["experiment_ride[gear:2]"].find("skipped").get("message") == "no second gear"

    def test_a_fault_in_tearing_down_is_an_error_of_that_trial_alone(self, there):
        assert "OSError: cannot clean up" in there.cases["experiment_untidy"].find("error").text

    def test_what_trials_print_is_captured(self, there):
        case = there.cases["experiment_tree[max_depth:None]"]

        assert "depth None" in case.find("system-out").text
        assert "careful" in case.find("system-err").text
        assert there.trials["experiment_tree[max_depth:None]"]["output"] == "depth None\n\ncareful\n"

    def test_properties_and_warnings_reach_plugins(self, there):
        properties = there.cases["experiment_model[forest]"].iter("property")
        found = {one.get("name"): one.get("value") for one in properties}
        score = there.trials["experiment_model[forest]"]["scores"]["validation"]["roc_auc"]

        assert found["colour"] == "red"
        assert (found["objective"], found["validation_roc_auc"]) == ("roc_auc", repr(score))
        assert f"{there.folder}/experiments/experiment_all.py:24: UserWarning: mind the gap" in there.output
        assert "/opt/ml" not in there.output

    def test_files_of_trials_are_in_the_run_s_folder(self, there):
        files = there.trials["experiment_model[forest]"]["files"]

        assert (there.run / files["artifact/note.txt"]).read_text() == "kept"
        assert (there.run / files["predictions"]).stat().st_size > 0
        best = there.trials["experiment_tree[max_depth:None]"]["files"]["model"]
        assert (there.run / best).stat().st_size > 0

    def test_gates_judge_here_and_say_the_same(self, here, there):
        texts = [run.cases["gate_too_high"].find("failure").text for run in (here, there)]

        assert "Scores(test of shops, 30 rows).accuracy" in texts[0]
        assert texts[0] == texts[1]
        assert list(there.cases["gate_tree"].iter("failure")) == []
