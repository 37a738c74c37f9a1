"""A request of the right shape in; where its members contradict each other or a quota out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

OBJECTIVE = "_tuning_objective_metric"
"""The hyperparameter that a tuning job adds to each of its training jobs."""

_KINDS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
_TUNABLE = 30
_HYPERPARAMETERS = 100
_TRAINING_JOBS = {"Random": 10_000}
_MOST_TRAINING_JOBS = 750
_PARALLEL = 100
_TUNING_METRICS = 20


def conflicts(operation: str, request: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with members of a request in relation to each other, one sentence each.

    Only requests that create training and tuning jobs have such rules; the others yield nothing.
    """
    check = _CHECKS.get(operation)
    if check is not None:
        yield from check(request)


def _training(request: Mapping[str, Any]) -> Iterator[str]:
    # Optional in the model, for the sake of jobs without a server of their own.
    needed = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition")
    missing = [name for name in needed if name not in request]
    if missing:
        yield from (f"{name} is missing" for name in missing)
    else:
        yield from _definition(request, "")


def _tuning(request: Mapping[str, Any]) -> Iterator[str]:
    given = [name for name in ("TrainingJobDefinition", "TrainingJobDefinitions") if name in request]
    if len(given) != 1:
        yield "exactly one of TrainingJobDefinition and TrainingJobDefinitions is to be given"
    if given != ["TrainingJobDefinition"]:
        return  # several definitions have ranges and objectives of their own: see the rehearsal's refusals
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    yield from _definition(definition, "TrainingJobDefinition.")
    yield from _objective(config, definition)
    ranges = config.get("ParameterRanges", {})
    yield from _ranges(ranges, config["Strategy"])
    yield from _names(ranges, definition.get("StaticHyperParameters", {}))
    yield from _counts(config, ranges)
    if config["Strategy"] == "Hyperband" and config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        yield "TrainingJobEarlyStoppingType is Auto, but strategy Hyperband stops jobs itself: Off"


def _definition(job: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield what is wrong with a training job, or with the definition of a tuning job's training jobs."""
    algorithm = job.get("AlgorithmSpecification", {})
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        yield f"{where}AlgorithmSpecification has to have one of TrainingImage and AlgorithmName"
    yield from _twice(
        (channel["ChannelName"] for channel in job.get("InputDataConfig", ())),
        f"{where}InputDataConfig has several channels named",
    )
    yield from _twice(
        (metric["Name"] for metric in algorithm.get("MetricDefinitions", ())),
        f"{where}AlgorithmSpecification.MetricDefinitions has several metrics named",
    )
    stopping = job.get("StoppingCondition", {})
    wait, runtime = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds")
    if job.get("EnableManagedSpotTraining"):
        if wait is None:
            yield f"{where}StoppingCondition.MaxWaitTimeInSeconds is missing, spot training needs it"
        elif runtime is not None and wait < runtime:
            yield (
                f"{where}StoppingCondition.MaxWaitTimeInSeconds is {wait}, "
                f"at least MaxRuntimeInSeconds, {runtime}"
            )
    elif wait is not None:
        yield (
            f"{where}StoppingCondition.MaxWaitTimeInSeconds is for spot training only: "
            "leave it out, or set EnableManagedSpotTraining"
        )


def _objective(config: Mapping[str, Any], definition: Mapping[str, Any]) -> Iterator[str]:
    objective = config.get("HyperParameterTuningJobObjective")
    if objective is None:
        yield "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective is missing"
        return
    metrics = [m["Name"] for m in definition["AlgorithmSpecification"].get("MetricDefinitions", ())]
    if objective["MetricName"] not in metrics:
        yield (
            f"the objective {objective['MetricName']!r} is none of the metrics in "
            f"TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions: {', '.join(metrics) or 'none'}"
        )
    if len(metrics) > _TUNING_METRICS:
        yield f"a tuning job has {len(metrics)} MetricDefinitions, at most {_TUNING_METRICS}"


def _ranges(ranges: Mapping[str, Sequence[Mapping[str, Any]]], strategy: str) -> Iterator[str]:
    """Yield what is wrong with single ranges."""
    categorical = ranges.get(_KINDS[2], ())
    for entry in categorical:
        yield from _twice(entry["Values"], f"{entry['Name']!r} has several Values")
    numeric = [entry for kind in _KINDS[:2] for entry in ranges.get(kind, ())]
    for entry in numeric:
        yield from _bounds(entry)
    if strategy == "Grid" and numeric:
        names = ", ".join(entry["Name"] for entry in numeric)
        yield f"strategy Grid takes categorical ranges only, and {names} is none"


def _bounds(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the ends of a range of numbers."""
    name, scaling = entry["Name"], entry.get("ScalingType", "Auto")
    try:
        low, high = float(entry["MinValue"]), float(entry["MaxValue"])
    except ValueError:
        yield f"{name!r} goes from {entry['MinValue']!r} to {entry['MaxValue']!r}, which are to be numbers"
        return
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        yield f"{name!r} goes from {entry['MinValue']} to {entry['MaxValue']}: from less to more"
    elif scaling == "Logarithmic" and low <= 0:
        yield f"{name!r} has scaling Logarithmic and begins at {entry['MinValue']}: above 0"
    elif scaling == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        yield f"{name!r} has scaling ReverseLogarithmic: from 0 to less than 1"


def _names(ranges: Mapping[str, Sequence[Mapping[str, Any]]], static: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the hyperparameters as a whole."""
    tuned = [entry["Name"] for kind in _KINDS for entry in ranges.get(kind, ())]
    if not tuned:
        yield "ParameterRanges has no range"
    if len(tuned) > _TUNABLE:
        yield f"ParameterRanges has {len(tuned)} ranges, at most {_TUNABLE}"
    yield from _twice(tuned, "ParameterRanges has several ranges named")
    for name in sorted(set(tuned) & set(static)):
        yield f"the hyperparameter {name!r} is both static and tuned"
    total = len(tuned) + len(static) + 1
    if total > _HYPERPARAMETERS:
        yield (
            f"static and tuned hyperparameters and {OBJECTIVE} are {total} together, "
            f"at most {_HYPERPARAMETERS}"
        )


def _counts(config: Mapping[str, Any], ranges: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield what is wrong with the number of training jobs."""
    strategy, limits = config["Strategy"], config["ResourceLimits"]
    most = _TRAINING_JOBS.get(strategy, _MOST_TRAINING_JOBS)
    wanted = limits.get("MaxNumberOfTrainingJobs")
    if strategy == "Grid":
        points = math.prod(len(entry["Values"]) for entry in ranges.get(_KINDS[2], ()))
        if points > most:
            yield f"the grid has {points} points, at most {most}"
        if wanted is not None and wanted != points:
            yield (
                f"ResourceLimits.MaxNumberOfTrainingJobs is {wanted}, but the grid has {points} points: "
                "leave it out"
            )
    elif wanted is None:
        yield f"ResourceLimits.MaxNumberOfTrainingJobs is missing, strategy {strategy} needs it"
    elif wanted > most:
        yield f"ResourceLimits.MaxNumberOfTrainingJobs is {wanted}, at most {most} with strategy {strategy}"
    if limits["MaxParallelTrainingJobs"] > _PARALLEL:
        yield (
            f"ResourceLimits.MaxParallelTrainingJobs is {limits['MaxParallelTrainingJobs']}, "
            f"at most {_PARALLEL}"
        )


def _twice(names: Iterable[str], words: str) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{words} {name!r}"


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "CreateTrainingJob": _training,
    "CreateHyperParameterTuningJob": _tuning,
}
