"""What a container is given is checked before anything runs, and what is wrong stands in the failure file."""

from __future__ import annotations

import importlib.metadata
import json
import sys

import pytest

import harness
from harness.backends.sagemaker.plan import Plan, PlannedExperiment, chosen, option, ranges
from harness.container import main
from harness.ranges import choice, integers, loguniform
from harness.space import Search

HERE = ".".join(map(str, sys.version_info[:2]))
GRID = PlannedExperiment(
    trials=["a.py::experiment_a[1]", "a.py::experiment_a[2]"],
    params=[{"n": 1}, {"n": 2}],
    names=["n"],
    labels=[["1"], ["2"]],
)
SEARCH = PlannedExperiment(
    trials=["a.py::experiment_b[trial:00]"], params=[None], ranges={"n": ["integer", 1, 9]}
)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job's folders as the toolkit gives them; returns what runs it and gives its failure."""
    places = {
        "SM_INPUT_CONFIG_DIR": "input/config",
        "SM_INPUT_DIR": "input",
        "SM_OUTPUT_DIR": "output",
        "SM_OUTPUT_DATA_DIR": "output/data",
        "SM_MODEL_DIR": "model",
    }
    for name, place in places.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(tmp_path / place))
    (tmp_path / "code").mkdir()

    def run(hyperparameters, name="shops-001-0a1b2c3d", **wrong):
        monkeypatch.setenv("TRAINING_JOB_NAME", name)
        plan = Plan(
            **{
                "harness": harness.__version__,
                "python": HERE,
                "requirements": {},
                "opening": {},
                "threads": 1,
                "data": {},
                "experiments": {"experiment_a": GRID, "experiment_b": SEARCH},
                **wrong,
            }
        )
        (tmp_path / "code" / "plan.json").write_bytes(plan.content())
        (tmp_path / "input/config/hyperparameters.json").write_text(json.dumps(hyperparameters))
        assert main(tmp_path / "code") == 1
        assert list((tmp_path / "output/data").iterdir()) == []
        return (tmp_path / "output/failure").read_text()

    return run


def test_another_python_and_other_packages_are_told_with_both_versions(job):
    wanted = {"pandas": "0.1.2", "no-such-package": "3.4"}
    installed = importlib.metadata.version("pandas")

    failure = job({"harness_experiment": "experiment_a", "n": "1"}, python="3.2", requirements=wanted)

    assert failure == (
        "harness: this image does not match where pytest was started: "
        f"Python {HERE} runs here, 3.2 where pytest was started; "
        "no-such-package is not installed here, 3.4 where pytest was started; "
        f"pandas {installed} is installed here, 0.1.2 where pytest was started; "
        "build an image from what `harness dockerfile` prints, and name it in sagemaker_image"
    )


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"harness_experiment": "experiment_z", "n": "1"},
        {"harness_experiment": "experiment_a", "n": "3"},
        {"harness_experiment": "experiment_a"},
        {"harness_experiment": "experiment_a", "harness_trial": "first"},
        {"harness_experiment": "experiment_b", "n": "many"},
        {},
    ],
    ids=["experiment", "value", "missing", "number", "text", "nothing"],
)
def test_hyperparameters_of_no_trial_are_told(job, hyperparameters):
    failure = job(hyperparameters)

    assert failure == f"harness: no trial of the plan has the hyperparameters {hyperparameters}"


@pytest.mark.parametrize("name", ["tuned", "tuned-002-0a1b2c3d", "tuned-000-0a1b2c3d"])
def test_a_job_whose_name_does_not_say_which_trial_of_a_search_it_is_fails(job, name):
    failure = job({"harness_experiment": "experiment_b", "n": "3"}, name)

    assert failure == f"harness: the name of job {name!r} does not say the number of its trial"


def test_without_the_toolkit_s_variables_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SM_INPUT_CONFIG_DIR", raising=False)

    assert main(tmp_path) == 1

    said = capsys.readouterr().err
    assert said == (
        "harness: the variable SM_INPUT_CONFIG_DIR is not set; start it by `train` of sagemaker-training\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_plan_fails_with_what_python_says(job, tmp_path, monkeypatch):
    monkeypatch.setattr(Plan, "content", lambda plan: b'{"cut')

    assert "JSONDecodeError" in job({})


def test_what_a_tuning_job_chose_is_read_as_the_search_would_have_it():
    search = Search(
        trials=2,
        strategy="tpe",
        prune=False,
        ranges={"n": integers(1, 9), "rate": loguniform(0.01, 1), "how": choice("a", "b")},
    )
    travelled = json.loads(json.dumps(ranges(search)))

    plain = chosen(travelled, {"n": "7", "rate": "0.1", "how": option(1)})

    assert search.values(plain) == {"n": 7, "rate": 0.1, "how": "b"}
    assert chosen(travelled, {"n": "7", "rate": "1.0000000000000002", "how": option(0)})["rate"] == 1.0
