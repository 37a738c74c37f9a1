"""A request of SageMaker's in; a refusal of what the rehearsal does not play, by name, out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.rehearsal.errors import unplayed
from harness.rehearsal.isolation import BUBBLEWRAP

_NOT = ()
"""Not played at all, whatever the value."""

_JOB: Mapping[str, tuple[Any, ...]] = {
    "AlgorithmSpecification.AlgorithmName": _NOT,
    "AlgorithmSpecification.ContainerArguments": _NOT,
    "AlgorithmSpecification.ContainerEntrypoint": _NOT,
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": (False,),
    "AlgorithmSpecification.TrainingImageConfig": _NOT,
    "AlgorithmSpecification.TrainingInputMode": ("File",),
    "CheckpointConfig": _NOT,
    "InputDataConfig[].CompressionType": ("None",),
    "InputDataConfig[].DataSource.DatasetSource": _NOT,
    "InputDataConfig[].DataSource.FileSystemDataSource": _NOT,
    "InputDataConfig[].DataSource.S3DataSource.AttributeNames": _NOT,
    "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": _NOT,
    "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames": _NOT,
    "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": _NOT,
    "InputDataConfig[].DataSource.S3DataSource.S3DataDistributionType": ("FullyReplicated",),
    "InputDataConfig[].DataSource.S3DataSource.S3DataType": ("S3Prefix",),
    "InputDataConfig[].InputMode": ("File",),
    "InputDataConfig[].RecordWrapperType": ("None",),
    "InputDataConfig[].ShuffleConfig": _NOT,
    "OutputDataConfig.CompressionType": ("GZIP",),
    "ResourceConfig.InstanceCount": (1,),
    "ResourceConfig.InstanceGroups": _NOT,
    "ResourceConfig.InstancePlacementConfig": _NOT,
    "ResourceConfig.InstancePreferences": _NOT,
    "ResourceConfig.KeepAlivePeriodInSeconds": (0,),
    "ResourceConfig.TrainingPlanArn": _NOT,
    "RetryStrategy": _NOT,
    "StoppingCondition.MaxPendingTimeInSeconds": _NOT,
}
"""Of a training job and of a tuning job's definition: the values of a member that are played."""

_TRAINING: Mapping[str, tuple[Any, ...]] = {
    **_JOB,
    "DebugHookConfig": _NOT,
    "DebugRuleConfigurations": _NOT,
    "ExperimentConfig": _NOT,
    "InfraCheckConfig": _NOT,
    "MlflowConfig": _NOT,
    "ModelPackageConfig": _NOT,
    "ProfilerConfig.S3OutputPath": _NOT,
    "ProfilerRuleConfigurations": _NOT,
    "RemoteDebugConfig.EnableRemoteDebug": (False,),
    "ServerlessJobConfig": _NOT,
    "SessionChainingConfig.EnableSessionTagChaining": (False,),
    "TensorBoardOutputConfig": _NOT,
}

_CONFIG = "HyperParameterTuningJobConfig"
_DEFINITION = "TrainingJobDefinition"
_TUNING: Mapping[str, tuple[Any, ...]] = {
    "Autotune": _NOT,
    "TrainingJobDefinitions": _NOT,
    "WarmStartConfig": _NOT,
    f"{_CONFIG}.ParameterRanges.AutoParameters": _NOT,
    f"{_CONFIG}.Strategy": ("Grid", "Random", "Bayesian"),
    f"{_CONFIG}.StrategyConfig": _NOT,
    f"{_CONFIG}.TrainingJobEarlyStoppingType": ("Off",),
    f"{_CONFIG}.TuningJobCompletionCriteria": _NOT,
    f"{_DEFINITION}.DefinitionName": _NOT,
    f"{_DEFINITION}.HyperParameterRanges": _NOT,
    f"{_DEFINITION}.HyperParameterTuningResourceConfig": _NOT,
    f"{_DEFINITION}.TuningObjective": _NOT,
    **{f"{_DEFINITION}.{path}": played for path, played in _JOB.items()},
}

_LISTS = dict.fromkeys(
    (
        "CreationTimeAfter",
        "CreationTimeBefore",
        "LastModifiedTimeAfter",
        "LastModifiedTimeBefore",
        "TrainingPlanArnEquals",
        "WarmPoolStatusEquals",
    ),
    _NOT,
)

_TABLES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "CreateTrainingJob": _TRAINING,
    "CreateHyperParameterTuningJob": _TUNING,
    "ListTrainingJobs": _LISTS,
    "ListHyperParameterTuningJobs": _LISTS,
}
_ISOLATED = {
    "CreateTrainingJob": "EnableNetworkIsolation",
    "CreateHyperParameterTuningJob": f"{_DEFINITION}.EnableNetworkIsolation",
}


def refuse(operation: str, request: Mapping[str, Any], isolation: str) -> None:
    """Raise a refusal that names what of a request is not played; isolation: of jobs."""
    table = dict(_TABLES.get(operation, {}))
    if isolation != BUBBLEWRAP and operation in _ISOLATED:
        table[_ISOLATED[operation]] = (False,)
    for path, played in table.items():
        for value in _values(request, path.split(".")):
            if not played:
                raise unplayed(path, "leave it out")
            if value not in played:
                instead = " or ".join(str(word) for word in played)
                network = "; bubblewrap would let it" if path.endswith("EnableNetworkIsolation") else ""
                raise unplayed(f"{path} {value}", f"it plays {instead}{network}")


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    """Yield what is at a path; "[]" at the end of a part goes through the items of a list."""
    if not path:
        yield value
        return
    name, rest = path[0], path[1:]
    inner = value.get(name.removesuffix("[]")) if isinstance(value, Mapping) else None
    if inner is None:
        return
    for item in inner if name.endswith("[]") else [inner]:
        yield from _values(item, rest)
