"""A rehearsed tuning job starts its training jobs so many at once, counts them, and knows when to end."""

from __future__ import annotations

import re
import threading

import pytest
from rehearsed import IMAGE, cloud, eventually, quick

from harness.rehearsal.tuning import TuningJob

METRIC = [{"Name": "score", "Regex": "score=([^ ]+)"}]


class Status:
    def __init__(self):
        self.primary = "InProgress"

    @property
    def over(self):
        return self.primary in ("Completed", "Failed", "Stopped")

    def describe(self):
        return {"TrainingJobStatus": self.primary, "CreationTime": 0}


class Job:
    """A training job that ends when the test says so."""

    def __init__(self, request, tuned, then):
        self.request, self.tuned, self._then = request, tuned, then
        self.name = self.arn = request["TrainingJobName"]
        self.status, self.metrics, self.score = Status(), self, None

    def value(self, name):
        return self.score

    def end(self, primary="Completed", score=None):
        self.score = score
        self.status.primary = primary
        self._then()

    def stop(self):
        threading.Thread(target=self.end, args=("Stopped",)).start()


@pytest.fixture
def tune():
    made = []

    def begin(values=("1", "2", "3"), *, kind="Maximize", **limits):
        started = []

        def train(request, tuned, then):
            started.append(Job(request, tuned, then))
            return started[-1]

        request = {
            "HyperParameterTuningJobName": "tune",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Grid",
                "HyperParameterTuningJobObjective": {"Type": kind, "MetricName": "score"},
                "ResourceLimits": {"MaxParallelTrainingJobs": 2, **limits},
                "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "a", "Values": list(values)}]},
            },
            "TrainingJobDefinition": {"StaticHyperParameters": {"b": "x"}, "RoleArn": "role"},
        }
        job = TuningJob(request, "arn", train)
        made.append(job)
        job.start()
        return job, started

    yield begin
    for job in made:
        job.stop()
        job.wait()


def counts(job):
    told = job.describe()
    trainings = {k: v for k, v in told["TrainingJobStatusCounters"].items() if v}
    return trainings, {k: v for k, v in told["ObjectiveStatusCounters"].items() if v}


def test_never_more_than_so_many_run_at_once_and_each_one_makes_room(tune):
    job, started = tune(values="abcde")
    eventually(lambda: len(started), lambda count: count == 2)
    for number in range(5):
        eventually(lambda: len(started), lambda count, n=number: count == min(n + 2, 5))
        assert sum(not one.status.over for one in started) <= 2
        started[number].end(score=number)
    job.wait()

    assert job.describe()["HyperParameterTuningJobStatus"] == "Completed"
    assert [one.tuned for one in started] == [{"a": value} for value in "abcde"]
    assert counts(job) == ({"Completed": 5}, {"Succeeded": 5})


def test_training_jobs_are_named_and_told_as_aws_does_it(tune):
    started = tune()[1]
    eventually(lambda: len(started), lambda count: count == 2)

    assert [re.fullmatch(r"tune-00[12]-[0-9a-f]{8}", one.name) is not None for one in started] == [True, True]
    assert started[0].request["HyperParameters"] == {
        "a": "1",
        "b": "x",
        "_tuning_objective_metric": "score",
    }
    assert started[0].request["RoleArn"] == "role"


@pytest.mark.parametrize(("kind", "best"), [("Maximize", 1), ("Minimize", 0)])
def test_the_best_is_the_first_of_the_best_that_completed(tune, kind, best):
    job, started = tune(values="abcd", kind=kind, MaxParallelTrainingJobs=4)
    eventually(lambda: len(started), lambda count: count == 4)
    assert "BestTrainingJob" not in job.describe()
    for one, score in zip(started, (1, 2, 2, 1), strict=True):
        one.end(score=score)
    job.wait()

    told = job.describe()["BestTrainingJob"]
    assert told["TrainingJobName"] == started[best].name
    assert told["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": kind,
        "MetricName": "score",
        "Value": [1, 2][best],
    }


def test_jobs_that_failed_or_gave_no_objective_are_counted_and_harm_nobody(tune):
    job, started = tune(MaxParallelTrainingJobs=3)
    eventually(lambda: len(started), lambda count: count == 3)
    started[0].end("Failed", score=9)
    started[1].end("Completed")
    assert counts(job) == (
        {"Completed": 1, "InProgress": 1, "NonRetryableError": 1},
        {"Failed": 2, "Pending": 1},
    )
    started[2].end("Completed", score=1)
    job.wait()

    told = job.describe()
    assert told["HyperParameterTuningJobStatus"] == "Completed"
    assert told["BestTrainingJob"]["TrainingJobName"] == started[2].name


@pytest.mark.parametrize(
    ("primary", "reason"),
    [
        (
            "Failed",
            "No training job succeeded after 3 attempts. "
            "Please take a look at the training job failures to get more details.",
        ),
        (
            "Completed",
            "No objective metrics found after running 3 training jobs. Please ensure that the custom "
            "algorithm is emitting the objective metric as defined by the regular expression provided.",
        ),
    ],
)
def test_a_tuning_job_of_which_nothing_came_has_failed(tune, primary, reason):
    job, started = tune(MaxParallelTrainingJobs=3)
    eventually(lambda: len(started), lambda count: count == 3)
    for one in started:
        one.end(primary)
    job.wait()

    told = job.describe()
    assert (told["HyperParameterTuningJobStatus"], told["FailureReason"]) == ("Failed", reason)


def test_it_gives_up_after_five_attempts_and_stops_the_others(tune):
    job, started = tune(values="abcdefgh", MaxParallelTrainingJobs=6)
    eventually(lambda: len(started), lambda count: count == 6)
    with job._changed:  # so that none is started meanwhile
        for one in started[:5]:
            one.end("Failed")
    job.wait()

    assert len(started) == 6
    assert started[5].status.primary == "Stopped"
    assert job.describe()["FailureReason"].startswith("No training job succeeded after 5 attempts.")


def test_a_stopped_tuning_job_starts_no_more_and_stops_what_runs(tune):
    job, started = tune()
    eventually(lambda: len(started), lambda count: count == 2)

    job.stop()
    assert job.describe()["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    job.wait()

    assert job.describe()["HyperParameterTuningJobStatus"] == "Stopped"
    assert counts(job) == ({"Stopped": 2}, {"Failed": 2})
    assert "FailureReason" not in job.describe()


def test_a_tuning_job_that_takes_too_long_ends_with_what_there_is(tune):
    job, started = tune(MaxRuntimeInSeconds=0.2)
    eventually(lambda: len(started), lambda count: count == 2)
    started[0].end(score=1)
    job.wait()

    assert job.describe()["HyperParameterTuningJobStatus"] == "Completed"
    assert started[0].status.primary == "Completed"
    assert {one.status.primary for one in started[1:]} == {"Stopped"}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal")
    with cloud(folder / "own", instances=2, isolation="folder") as made:
        made.rehearsal.faults.add(images={"quick": str(quick(folder / "image"))})
        yield made


def request(here, name, code, **more):
    made = here.tuning(name, **more)
    definition = made["TrainingJobDefinition"]
    definition["StaticHyperParameters"] = {"code": code}
    definition["AlgorithmSpecification"]["TrainingImage"] = "quick"
    return made


def listed(here, name, **more):
    call = here.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job
    return call(HyperParameterTuningJobName=name, **more)["TrainingJobSummaries"]


def test_a_grid_of_genuine_jobs_is_trained_and_listed(here):
    script = (
        "import json, os, sys, pathlib\n"
        "base = pathlib.Path(os.environ['SM_MODEL_DIR']).parent\n"
        "values = json.loads((base / 'input/config/hyperparameters.json').read_text())\n"
        "assert values['_tuning_objective_metric'] == 'score'\n"
        "sys.exit('bad') if values['a'] == '2' else print('score=' + values['a'])\n"
    )
    here.sagemaker.create_hyper_parameter_tuning_job(**here.tuning("grid", here.source("grid", script)))
    told = here.tuned("grid")

    assert told["HyperParameterTuningJobStatus"] == "Completed", told
    assert told["TrainingJobStatusCounters"]["Completed"] == 2
    assert told["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    assert told["BestTrainingJob"]["TunedHyperParameters"] == {"a": "3"}
    assert told["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    jobs = listed(here, "grid", SortBy="CreationTime")
    assert [job["TunedHyperParameters"]["a"] for job in jobs] == ["1", "2", "3"]
    assert [job["ObjectiveStatus"] for job in jobs] == ["Succeeded", "Failed", "Succeeded"]
    assert "ExecuteUserScriptError" in jobs[1]["FailureReason"]
    best = here.sagemaker.describe_training_job(TrainingJobName=told["BestTrainingJob"]["TrainingJobName"])
    assert best["TuningJobArn"] == told["HyperParameterTuningJobArn"]
    assert best["HyperParameters"]["_tuning_objective_metric"] == "score"
    ordered = listed(here, "grid", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert [job["TunedHyperParameters"]["a"] for job in ordered] == ["3", "1"]


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_a_search_of_genuine_jobs_learns_from_what_they_print(here, strategy):
    ranges = {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
        "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "9"}],
    }
    made = request(
        here,
        strategy,
        "print('score=' + str(float(values['x']) * int(values['n'])))",
        strategy=strategy,
        RandomSeed=3,
        ParameterRanges=ranges,
        ResourceLimits={"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 6},
    )
    here.sagemaker.create_hyper_parameter_tuning_job(**made)
    told = here.tuned(strategy)

    assert told["HyperParameterTuningJobStatus"] == "Completed", told.get("FailureReason")
    assert told["ObjectiveStatusCounters"] == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    for job in listed(here, strategy):
        values = job["TunedHyperParameters"]
        product = float(values["x"]) * int(values["n"])
        assert job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == pytest.approx(product, rel=1e-6)


def test_stopping_a_tuning_job_stops_its_training_jobs(here):
    here.sagemaker.create_hyper_parameter_tuning_job(**request(here, "halt", "time.sleep(60)"))
    eventually(lambda: listed(here, "halt", StatusEquals="InProgress"), lambda jobs: len(jobs) == 2)
    here.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="halt")

    assert here.tuned("halt")["TrainingJobStatusCounters"]["Stopped"] == 2
    assert [job["TrainingJobStatus"] for job in listed(here, "halt")] == ["Stopped", "Stopped"]
    with pytest.raises(here.sagemaker.exceptions.ClientError, match="tuning job is in status Stopped"):
        here.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="halt")
