"""What SageMaker would reject is said before anything is sent, value by value."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.sagemaker.limits import operations, violations
from harness.rehearsal.address import REGION

ROLE = "arn:aws:iam::111122223333:role/jobs"
COMMON = {
    "AlgorithmSpecification": {
        "TrainingImage": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "score", "Regex": "score=(.*)"}],
    },
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
TRAINING = {"TrainingJobName": "name", "HyperParameters": {"a": "1"}, **COMMON}
TUNING = {
    "HyperParameterTuningJobName": "name",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Grid",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "b", "Values": ["1", "2"]}]},
    },
    "TrainingJobDefinition": {"StaticHyperParameters": {"a": "1"}, **COMMON},
}
CONFIG = "HyperParameterTuningJobConfig."
RANGES = f"{CONFIG}ParameterRanges."
DEFINITION = "TrainingJobDefinition."
GONE = object()


def changed(request, **changes):
    """Return a request with members at paths set to values, or gone."""
    made = copy.deepcopy(request)
    for path, value in changes.items():
        *parents, name = path.split(".")
        inner = made
        for parent in parents:
            inner = inner.setdefault(parent, {})
        if value is GONE:
            del inner[name]
        else:
            inner[name] = value
    return made


def training(**changes):
    return violations("CreateTrainingJob", changed(TRAINING, **changes))


def tuning(**changes):
    return violations("CreateHyperParameterTuningJob", changed(TUNING, **changes))


def channel(name):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/data"}}
    return {"ChannelName": name, "DataSource": source}


def integers(name, low, high, scaling="Linear"):
    return [{"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}]


def test_a_good_request_has_no_violation():
    assert training() == []
    assert tuning() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TrainingJobName": "x_y"}, "TrainingJobName 'x_y' does not match [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
        ({"RoleArn": GONE}, "RoleArn is missing"),
        ({"OutputDataConfig": {}}, "OutputDataConfig.S3OutputPath is missing"),
        ({"RoleArm": ROLE}, "RoleArm is unknown to CreateTrainingJob, which has RoleArn"),
        ({"Colour": 1}, "Colour is unknown to CreateTrainingJob"),
        (
            {"ResourceConfig.InstanceTyp": "x"},
            "ResourceConfig.InstanceTyp is unknown to ResourceConfig, which has InstanceType",
        ),
        ({"HyperParameters": {"a": 1}}, "HyperParameters['a'] 1 is not a string"),
        ({"HyperParameters": {"a": "x\ny"}}, "HyperParameters['a'] 'x\\ny' does not match .*"),
        (
            {"HyperParameters": {str(i): "" for i in range(101)}},
            "HyperParameters has 101 entries, at most 100",
        ),
        ({"InputDataConfig": []}, "InputDataConfig has 0 items, at least 1"),
        ({"EnableManagedSpotTraining": 1}, "EnableManagedSpotTraining 1 is not true or false"),
        ({"ResourceConfig.InstanceCount": True}, "ResourceConfig.InstanceCount True is not a whole number"),
        (
            {"StoppingCondition.MaxRuntimeInSeconds": 0},
            "StoppingCondition.MaxRuntimeInSeconds is 0, at least 1",
        ),
        (
            {"ResourceConfig.KeepAlivePeriodInSeconds": 21601},
            "ResourceConfig.KeepAlivePeriodInSeconds is 21601, at most 21600",
        ),
        (
            {"AlgorithmSpecification.TrainingInputMode": "file"},
            "AlgorithmSpecification.TrainingInputMode 'file' is none of Pipe, File, FastFile",
        ),
        (
            {"AlgorithmSpecification.MetricDefinitions": [{"Name": "m", "Regex": ""}]},
            "AlgorithmSpecification.MetricDefinitions[0].Regex '' has 0 characters, at least 1",
        ),
        ({"OutputDataConfig.S3OutputPath": "/out"}, "OutputDataConfig.S3OutputPath '/out' does not match"),
        ({"Environment": {"1A": "x"}}, "Environment key '1A' does not match [a-zA-Z_][a-zA-Z0-9_]*"),
        ({"Tags": [{"Key": "a", "Value": "b?"}]}, "Tags[0].Value 'b?' does not match"),
        ({"AlgorithmSpecification": GONE}, "AlgorithmSpecification is missing"),
        ({"StoppingCondition": GONE}, "StoppingCondition is missing"),
        (
            {"AlgorithmSpecification.TrainingImage": GONE},
            "AlgorithmSpecification has to have one of TrainingImage and AlgorithmName",
        ),
        (
            {"StoppingCondition.MaxWaitTimeInSeconds": 60},
            "StoppingCondition.MaxWaitTimeInSeconds is for spot training only",
        ),
        (
            {"EnableManagedSpotTraining": True},
            "StoppingCondition.MaxWaitTimeInSeconds is missing, spot training needs it",
        ),
        (
            {"EnableManagedSpotTraining": True, "StoppingCondition.MaxWaitTimeInSeconds": 59},
            "StoppingCondition.MaxWaitTimeInSeconds is 59, at least MaxRuntimeInSeconds, 60",
        ),
        (
            {"InputDataConfig": [channel("train"), channel("train")]},
            "InputDataConfig has several channels named 'train'",
        ),
        (
            {"AlgorithmSpecification.MetricDefinitions": [{"Name": "m", "Regex": "x"}] * 2},
            "AlgorithmSpecification.MetricDefinitions has several metrics named 'm'",
        ),
    ],
)
def test_a_training_job_is_told_what_is_wrong_with_which_value(changes, sentence):
    (found,) = training(**changes)

    assert found.startswith(sentence)


def test_an_instance_type_that_does_not_exist_is_told_like_ones():
    (found,) = training(**{"ResourceConfig.InstanceType": "ml.m5.lange"})

    assert found.startswith("ResourceConfig.InstanceType 'ml.m5.lange' is none of ml.m5.large")


def test_spot_with_enough_time_to_wait_is_fine():
    assert training(EnableManagedSpotTraining=True, **{"StoppingCondition.MaxWaitTimeInSeconds": 60}) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"HyperParameterTuningJobName": "x" * 33}, "HyperParameterTuningJobName 'xxx"),
        (
            {f"{CONFIG}ResourceLimits.MaxRuntimeInSeconds": 119},
            f"{CONFIG}ResourceLimits.MaxRuntimeInSeconds is 119",
        ),
        ({f"{CONFIG}RandomSeed": -1}, f"{CONFIG}RandomSeed is -1, at least 0"),
        (
            {f"{DEFINITION}Environment": {f"A{i}": "" for i in range(49)}},
            "TrainingJobDefinition.Environment has 49 entries, at most 48",
        ),
        (
            {"TrainingJobDefinition": GONE},
            "exactly one of TrainingJobDefinition and TrainingJobDefinitions is to be given",
        ),
        (
            {f"{CONFIG}HyperParameterTuningJobObjective": GONE},
            "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective is missing",
        ),
        (
            {f"{CONFIG}HyperParameterTuningJobObjective.MetricName": "other"},
            "the objective 'other' is none of the metrics in "
            "TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions: score",
        ),
        ({f"{RANGES}CategoricalParameterRanges": []}, "ParameterRanges has no range"),
        (
            {f"{RANGES}CategoricalParameterRanges": [{"Name": "a", "Values": ["1"]}]},
            "the hyperparameter 'a' is both static and tuned",
        ),
        (
            {f"{RANGES}CategoricalParameterRanges": [{"Name": "b", "Values": ["1", "1"]}]},
            "'b' has several Values '1'",
        ),
        (
            {f"{RANGES}CategoricalParameterRanges": [{"Name": "b", "Values": [str(i) for i in range(31)]}]},
            f"{RANGES}CategoricalParameterRanges[0].Values has 31 items, at most 30",
        ),
        (
            {f"{RANGES}IntegerParameterRanges": integers("c", "1", "2")},
            "strategy Grid takes categorical ranges only, and c is none",
        ),
        (
            {f"{CONFIG}ResourceLimits.MaxNumberOfTrainingJobs": 3},
            "ResourceLimits.MaxNumberOfTrainingJobs is 3, but the grid has 2 points: leave it out",
        ),
        (
            {f"{CONFIG}ResourceLimits.MaxParallelTrainingJobs": 101},
            "ResourceLimits.MaxParallelTrainingJobs is 101, at most 100",
        ),
        (
            {f"{CONFIG}Strategy": "Random"},
            "ResourceLimits.MaxNumberOfTrainingJobs is missing, strategy Random needs it",
        ),
        (
            {f"{CONFIG}Strategy": "Bayesian", f"{CONFIG}ResourceLimits.MaxNumberOfTrainingJobs": 751},
            "ResourceLimits.MaxNumberOfTrainingJobs is 751, at most 750 with strategy Bayesian",
        ),
        (
            {f"{DEFINITION}StaticHyperParameters": {str(i): "" for i in range(99)}},
            "static and tuned hyperparameters and _tuning_objective_metric are 101 together, at most 100",
        ),
        (
            {
                f"{DEFINITION}AlgorithmSpecification.MetricDefinitions": [
                    {"Name": name, "Regex": "x"} for name in ("score", *map(str, range(20)))
                ]
            },
            "a tuning job has 21 MetricDefinitions, at most 20",
        ),
        (
            {
                f"{CONFIG}Strategy": "Hyperband",
                f"{CONFIG}TrainingJobEarlyStoppingType": "Auto",
                f"{CONFIG}ResourceLimits.MaxNumberOfTrainingJobs": 2,
            },
            "TrainingJobEarlyStoppingType is Auto, but strategy Hyperband stops jobs itself: Off",
        ),
        (
            {f"{DEFINITION}StoppingCondition.MaxWaitTimeInSeconds": 60},
            "TrainingJobDefinition.StoppingCondition.MaxWaitTimeInSeconds is for spot training only",
        ),
    ],
)
def test_a_tuning_job_is_told_what_is_wrong_with_which_value(changes, sentence):
    (found,) = tuning(**changes)

    assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        (("2", "1", "Linear"), "'c' goes from 2 to 1: from less to more"),
        (("a", "1", "Linear"), "'c' goes from 'a' to '1', which are to be numbers"),
        (("0", "1", "Logarithmic"), "'c' has scaling Logarithmic and begins at 0: above 0"),
        (("0", "1", "ReverseLogarithmic"), "'c' has scaling ReverseLogarithmic: from 0 to less than 1"),
    ],
)
def test_a_range_that_cannot_be_is_told(ends, sentence):
    changes = {
        f"{CONFIG}Strategy": "Random",
        f"{CONFIG}ResourceLimits.MaxNumberOfTrainingJobs": 2,
        f"{RANGES}ContinuousParameterRanges": integers("c", *ends),
    }

    assert tuning(**changes) == [sentence]


def test_a_grid_that_is_too_large_is_told_its_size():
    values = [str(i) for i in range(28)]
    ranges = [{"Name": name, "Values": values} for name in ("b", "c")]

    assert tuning(**{f"{RANGES}CategoricalParameterRanges": ranges}) == [
        "the grid has 784 points, at most 750"
    ]


def test_more_than_thirty_ranges_are_too_many():
    ranges = [{"Name": f"p{i}", "Values": ["1"]} for i in range(30)]
    changes = {f"{RANGES}CategoricalParameterRanges": ranges, f"{CONFIG}Strategy": "Random"}
    changes |= {f"{RANGES}ContinuousParameterRanges": integers("c", "1", "2")}
    changes |= {f"{CONFIG}ResourceLimits.MaxNumberOfTrainingJobs": 10_000}

    assert tuning(**changes) == ["ParameterRanges has 31 ranges, at most 30"]


def test_a_name_that_is_too_long_is_told_its_length_and_no_more():
    (found,) = training(TrainingJobName="x" * 64)

    assert found.endswith("xxx' has 64 characters, at most 63")


def test_all_that_is_wrong_is_told_at_once():
    found = training(TrainingJobName="-", RoleArn=GONE, Colour=1)

    assert len(found) == 3


def test_a_pattern_that_python_cannot_read_is_not_checked():
    source = {
        "Catalog": "a",
        "Database": "b",
        "QueryString": "c",
        "OutputS3Uri": "s3://b",
        "OutputFormat": "ORC",
    }
    inputs = [{"InputName": "i", "DatasetDefinition": {"AthenaDatasetDefinition": source}}]
    found = violations("CreateProcessingJob", {"ProcessingInputs": inputs})

    assert found
    assert all(sentence.endswith(" is missing") for sentence in found)


def test_an_unknown_operation_is_no_request_at_all():
    with pytest.raises(KeyError, match="CreateBread"):
        violations("CreateBread", {})


def test_every_operation_can_be_checked_whatever_its_patterns():
    for operation in operations():
        assert isinstance(violations(operation, {}), list)


@given(st.from_regex(r"[a-zA-Z0-9](-{0,2}[a-zA-Z0-9]){0,10}", fullmatch=True))
def test_any_name_of_the_allowed_alphabet_is_accepted(name):
    assert violations("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": name}) == []


@given(st.text(max_size=40))
def test_a_name_is_accepted_exactly_if_it_fits(name):
    fits = re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name) is not None

    assert (violations("DescribeTrainingJob", {"TrainingJobName": name}) == []) is fits


@given(
    st.dictionaries(st.text(max_size=8), st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text())))
)
def test_no_request_whatever_breaks_the_check(request):
    assert all(isinstance(sentence, str) for sentence in violations("CreateTrainingJob", request))


def test_tags_may_be_of_any_script():
    tags = [{"Key": "größe", "Value": f"数 {REGION} a+b=c"}]

    assert training(Tags=tags) == []
