"""Every request that may be sent is within SageMaker's limits, and says what was asked for."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.base import Brief
from harness.backends.sagemaker import requests
from harness.backends.sagemaker.limits import violations
from harness.backends.sagemaker.options import SageMakerSettings
from harness.backends.sagemaker.planning import groups
from harness.backends.sagemaker.requests import Surroundings, grid, guided, name, single
from harness.ranges import choice, integers, loguniform, uniform
from harness.results import Objective
from harness.space import Search

TUNING, TRAINING = "CreateHyperParameterTuningJob", "CreateTrainingJob"
OBJECTIVE = Objective(name="roc_auc", greater_is_better=True)
AROUND = Surroundings(
    settings=SageMakerSettings(tags={}),
    role="arn:aws:iam::123456789012:role/jobs",
    bucket="ours",
    image="123456789012.dkr.ecr.us-east-1.amazonaws.com/ours:1",
    run="20261123T120000-0a1b2c3d",
    source="harness/source/0123/sourcedir.tar.gz",
    data={"shops": "harness/data/4567/"},
)
SEARCH = Search(
    trials=5,
    strategy="random",
    prune=False,
    ranges={
        "n": integers(1, 9),
        "part": uniform(0, 1),
        "rate": loguniform(0.01, 1),
        "how": choice("a", None),
    },
)


def around(**settings):
    return dataclasses.replace(AROUND, settings=SageMakerSettings(tags={}, **settings))


@given(st.text(max_size=80), st.sampled_from([32, 63]), st.none() | st.integers(0, 750))
def test_names_of_jobs_are_names_that_sagemaker_takes(experiment, most, number):
    made = name(f"experiment_{experiment}", AROUND.run, most, number)

    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", made)
    assert len(made) <= most
    assert "0a1b2c3d" in made


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"spot": True},
        {"network_isolation": True},
        {"kms_key": "alias/ours"},
        {"subnets": ["subnet-1"], "security_groups": ["sg-1"]},
        {"parallel_jobs": 100, "max_runtime": 2_419_200},
    ],
    ids=str,
)
def test_requests_are_within_the_limits(settings):
    place = around(**settings)

    assert violations(TUNING, grid(place, "experiment_a", {"n": ["1", "2"]}, OBJECTIVE, ["shops"])) == []
    made = guided(place, "experiment_b", OBJECTIVE, [], search=SEARCH, trials=5, seed=7)
    assert violations(TUNING, made) == []
    assert violations(TRAINING, single(place, "experiment_c", 3, ["shops"], values={"n": 0.1})) == []


def test_tags_stand_in_the_request():
    place = dataclasses.replace(AROUND, settings=SageMakerSettings(tags={"team": "risk"}))

    made = single(place, "experiment_c", 3, [])

    assert made["Tags"] == [{"Key": "team", "Value": "risk"}]
    assert violations(TRAINING, made) == []


def test_what_is_false_is_not_said():
    made = single(AROUND, "experiment_c", 3, [])

    assert not {"EnableManagedSpotTraining", "EnableNetworkIsolation", "VpcConfig", "Tags"} & made.keys()


def test_spot_waits_for_as_long_again():
    made = single(around(spot=True, max_runtime=100), "experiment_c", 3, [])

    assert made["EnableManagedSpotTraining"] is True
    assert made["StoppingCondition"] == {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200}


def test_without_a_network_the_archive_comes_as_data_do():
    made = single(around(network_isolation=True), "experiment_c", 3, ["shops"])

    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in made["InputDataConfig"]}
    assert channels["code"] == "s3://ours/harness/source/0123/"
    there = made["HyperParameters"]["sagemaker_submit_directory"]
    assert there == "/opt/ml/input/data/code/sourcedir.tar.gz"


def test_a_search_says_its_ranges_strategy_and_seed():
    made = guided(AROUND, "experiment_b", OBJECTIVE, [], search=SEARCH, trials=5, seed=7)
    config = made["HyperParameterTuningJobConfig"]

    assert config["Strategy"] == "Random"
    assert config["RandomSeed"] == 7
    assert config["ResourceLimits"] == {"MaxParallelTrainingJobs": 4, "MaxNumberOfTrainingJobs": 5}
    assert config["ParameterRanges"] == {
        "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "9", "ScalingType": "Linear"}],
        "ContinuousParameterRanges": [
            {"Name": "part", "MinValue": "0.0", "MaxValue": "1.0", "ScalingType": "Linear"},
            {"Name": "rate", "MinValue": "0.01", "MaxValue": "1.0", "ScalingType": "Logarithmic"},
        ],
        "CategoricalParameterRanges": [{"Name": "how", "Values": ["option:0", "option:1"]}],
    }


@pytest.mark.parametrize("value", [0.9, 1e-7, -3.5e22, 12.0, 0])
def test_the_objective_s_line_is_read_by_the_tuning_job_s_expression(value):
    made = grid(AROUND, "experiment_a", {"n": ["1"]}, OBJECTIVE, [])
    (metric,) = made["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]

    assert float(re.search(metric["Regex"], f"{requests.OBJECTIVE} {value!r}")[1]) == value


def brief(number, experiment="experiment_a", **other):
    return Brief(
        **{
            "node_id": f"a.py::{experiment}[{number}]",
            "experiment": experiment,
            "folder": f"trials/{experiment}-{number:04}",
            "params": {"n": number},
            "search": None,
            "objective": OBJECTIVE,
            "datasets": ("shops",),
            **other,
        }
    )


@pytest.mark.parametrize(
    ("briefs", "kind"),
    [
        ([brief(0), brief(1)], "a Grid tuning job"),
        ([brief(0)], "a training job"),
        ([brief(n, objective=None) for n in range(2)], "training jobs"),
        ([brief(n) for n in range(31)], "training jobs"),
        ([brief(n) for n in range(60)], "a Grid tuning job"),
        ([brief(n, search=SEARCH, params=None) for n in range(5)], "a Random tuning job"),
        (
            [brief(n, search=dataclasses.replace(SEARCH, strategy="tpe"), params=None) for n in range(5)],
            "a Bayesian tuning job",
        ),
        ([brief(n, search=SEARCH, params=None, objective=None) for n in range(5)], "training jobs"),
        (
            [
                brief(n, params=None, search=dataclasses.replace(SEARCH, ranges={"how": choice(range(31))}))
                for n in range(5)
            ],
            "training jobs",
        ),
        ([brief(n, search=SEARCH, params=None) for n in range(751)], "training jobs"),
    ],
)
def test_trials_become_the_jobs_that_can_run_them(briefs, kind):
    (group,) = groups(briefs)

    assert group.kind == kind
    assert group.trials == [b.node_id for b in briefs]
