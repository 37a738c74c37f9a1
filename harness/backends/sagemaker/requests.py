"""An experiment, and where its sources and rows lie, in; what SageMaker is asked for out; pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.backends.sagemaker.options import SageMakerSettings
from harness.backends.sagemaker.plan import EXPERIMENT, OBJECTIVE, TRIAL, VALUES, channel, option
from harness.ranges import Choice, Integers, Loguniform
from harness.results import Objective
from harness.space import Search

_VOLUME = 30
"""GB of disk of a machine."""
_CODE = "code"
"""Input channel of the archive, where a container has no network."""

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all jobs of a run have in common."""

    settings: SageMakerSettings
    role: str
    bucket: str
    image: str
    run: str
    """Id of the run."""
    source: str
    """Key of the archive."""
    data: Mapping[str, str]
    """Key prefix by name of the data set."""

    def uri(self, key: str) -> str:
        """Return the address of an object, or of a prefix."""
        return f"s3://{self.bucket}/{key}"


def name(experiment: str, run: str, most: int, number: int | None = None) -> str:
    """Return a job's name of at most `most` characters, another one in every run.

    run: its id, of which the last eight digits, which are random, make the name unique.
    """
    end = f"-{run[-8:]}" + ("" if number is None else f"-{number:04d}")
    words = re.sub(r"[^A-Za-z0-9]+", "-", experiment.removeprefix("experiment_")).strip("-")
    return (words[: most - len(end)].strip("-") or "trial") + end


def grid(
    around: Surroundings,
    experiment: str,
    values: Mapping[str, Sequence[str]],
    objective: Objective,
    datasets: Sequence[str],
    *,
    number: int | None = None,
) -> Request:
    """Return the request of a tuning job that tries every combination of texts."""
    count = math.prod(len(texts) for texts in values.values())
    ranges = {"CategoricalParameterRanges": [{"Name": n, "Values": list(v)} for n, v in values.items()]}
    return _tuning(
        around, experiment, objective, datasets, strategy="Grid", ranges=ranges, trials=count, number=number
    )


def guided(
    around: Surroundings,
    experiment: str,
    objective: Objective,
    datasets: Sequence[str],
    *,
    search: Search,
    trials: int,
    seed: int,
    number: int | None = None,
) -> Request:
    """Return the request of a tuning job that chooses values for so many trials."""
    ranges: dict[str, list[Any]] = {}
    for parameter, r in search.ranges.items():
        if isinstance(r, Choice):
            values = [option(position) for position in range(r.size)]
            ranges.setdefault("CategoricalParameterRanges", []).append({"Name": parameter, "Values": values})
            continue
        kind = "IntegerParameterRanges" if isinstance(r, Integers) else "ContinuousParameterRanges"
        ranges.setdefault(kind, []).append(
            {
                "Name": parameter,
                "MinValue": repr(r.lo),
                "MaxValue": repr(r.hi),
                "ScalingType": "Logarithmic" if isinstance(r, Loguniform) else "Linear",
            }
        )
    strategy = "Bayesian" if search.strategy == "tpe" else "Random"
    made = _tuning(
        around,
        experiment,
        objective,
        datasets,
        strategy=strategy,
        ranges=ranges,
        trials=trials,
        number=number,
    )
    made["HyperParameterTuningJobConfig"]["RandomSeed"] = seed
    return made


def single(
    around: Surroundings,
    experiment: str,
    trial: int,
    datasets: Sequence[str],
    *,
    values: Mapping[str, Any] | None = None,
) -> Request:
    """Return the request of a training job for one trial.

    trial: its number among the planned ones; values: what a sampler has chosen for it.
    """
    own = {TRIAL: str(trial)} | ({} if values is None else {VALUES: json.dumps(dict(values))})
    settings = around.settings
    return {
        "TrainingJobName": name(experiment, around.run, 63, trial),
        "HyperParameters": _static(around, experiment) | own,
        "AlgorithmSpecification": {"TrainingImage": around.image, "TrainingInputMode": "File"},
        **_common(around, datasets),
        **_tags(settings),
    }


def _tuning(
    around: Surroundings,
    experiment: str,
    objective: Objective,
    datasets: Sequence[str],
    *,
    strategy: str,
    ranges: Mapping[str, Any],
    trials: int,
    number: int | None,
) -> dict[str, Any]:
    settings = around.settings
    limits = {"MaxParallelTrainingJobs": min(settings.parallel_jobs, trials)}
    if strategy != "Grid":  # which knows its number of points
        limits["MaxNumberOfTrainingJobs"] = trials
    return {
        "HyperParameterTuningJobName": name(experiment, around.run, 32, number),
        "HyperParameterTuningJobConfig": {
            "Strategy": strategy,
            "HyperParameterTuningJobObjective": {
                "Type": "Maximize" if objective.greater_is_better else "Minimize",
                "MetricName": objective.name,
            },
            "ResourceLimits": limits,
            "ParameterRanges": ranges,
            "TrainingJobEarlyStoppingType": "Off",
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": _static(around, experiment),
            "AlgorithmSpecification": {
                "TrainingImage": around.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": objective.name, "Regex": f"{OBJECTIVE} ([-+.0-9eE]+)"}],
            },
            **_common(around, datasets),
        },
        **_tags(settings),
    }


def _static(around: Surroundings, experiment: str) -> dict[str, str]:
    there = f"/opt/ml/input/data/{_CODE}/{around.source.rpartition('/')[2]}"
    return {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": (
            there if around.settings.network_isolation else around.uri(around.source)
        ),
        EXPERIMENT: experiment,
    }


def _common(around: Surroundings, datasets: Sequence[str]) -> dict[str, Any]:
    settings = around.settings
    made: dict[str, Any] = {
        "RoleArn": around.role,
        "OutputDataConfig": {
            "S3OutputPath": around.uri(f"{settings.prefix}/runs/{around.run}"),
            **_key(settings, "KmsKeyId"),
        },
        "ResourceConfig": {
            "InstanceType": settings.instance,
            "InstanceCount": 1,
            "VolumeSizeInGB": _VOLUME,
            **_key(settings, "VolumeKmsKeyId"),
        },
        "StoppingCondition": {
            "MaxRuntimeInSeconds": settings.max_runtime,
            **({"MaxWaitTimeInSeconds": 2 * settings.max_runtime} if settings.spot else {}),
        },
    }
    channels = [_channel(channel(dataset), around.uri(around.data[dataset])) for dataset in datasets]
    if settings.spot:
        made["EnableManagedSpotTraining"] = True
    if settings.network_isolation:  # the toolkit cannot fetch the archive, so it comes as data do
        made["EnableNetworkIsolation"] = True
        channels.append(_channel(_CODE, around.uri(around.source.rpartition("/")[0] + "/")))
    if channels:
        made["InputDataConfig"] = channels
    if settings.subnets:
        made["VpcConfig"] = {
            "Subnets": list(settings.subnets),
            "SecurityGroupIds": list(settings.security_groups),
        }
    return made


def _channel(name: str, uri: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
        "CompressionType": "None",
        "InputMode": "File",
    }


def _key(settings: SageMakerSettings, name: str) -> dict[str, str]:
    return {} if settings.kms_key is None else {name: settings.kms_key}


def _tags(settings: SageMakerSettings) -> dict[str, Any]:
    if not settings.tags:
        return {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in settings.tags.items()]}
