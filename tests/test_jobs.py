"""Jobs of SageMaker are told apart by trial, started as others end, and given up when they are gone."""

from __future__ import annotations

import threading

import pytest

from harness.backends.sagemaker.jobs import Counts, Ended, SingleJobs, TuningJob, by_number, by_point
from harness.backends.sagemaker.layout import layout
from harness.backends.sagemaker.service import PassingError, ServiceError
from harness.backends.sagemaker.watch import Watch


class Played:
    """Answers as SageMaker would, from what a test has put in."""

    def __init__(self):
        self.jobs: dict[str, str] = {}
        self.tuned: dict[str, dict[str, str]] = {}
        self.status = {"HyperParameterTuningJobStatus": "InProgress"}
        self.stopped: list[str] = []
        self.refusals: list[Exception] = []
        self.looks = 0

    def children(self, name):
        return self.trainings("")

    def trainings(self, part):
        self.looks += 1
        return [
            {
                "TrainingJobName": job,
                "TrainingJobStatus": status,
                "TunedHyperParameters": self.tuned.get(job, {}),
            }
            for job, status in self.jobs.items()
        ]

    def tuning(self, name):
        return self.status

    def create(self, request):
        if self.refusals:
            raise self.refusals.pop()
        if "TrainingJobName" in request:
            self.jobs[request["TrainingJobName"]] = "InProgress"

    def stop_tuning(self, name):
        self.stopped.append(name)

    def stop_training(self, name):
        self.stopped.append(name)


@pytest.fixture
def played():
    return Played()


@pytest.fixture
def tuning(played):
    points = layout([{"depth": 1}, {"depth": 2}, {"depth": 3}])
    trials = ["first", "second", "third"]
    job = TuningJob(played, {"HyperParameterTuningJobName": "shops"}, trials, by_point(points.find, trials))
    job.start()
    return job


def start(played, depth, status="InProgress"):
    job = f"shops-00{depth}-abc"
    played.jobs[job] = status
    played.tuned[job] = {"depth": str(depth), "_tuning_objective_metric": "auc"}
    return job


def test_trials_are_found_by_their_points_in_whichever_order_they_end(played, tuning):
    start(played, 3, "Completed"), start(played, 1)

    assert tuning.look() == [Ended("third", "shops-003-abc")]
    assert tuning.counts == Counts(queued=1, running=1, ended=1)
    start(played, 1, "Failed"), start(played, 2, "Stopped")
    assert tuning.look() == [Ended("first", "shops-001-abc"), Ended("second", "shops-002-abc")]
    assert tuning.done
    assert tuning.names() == []


def test_what_was_refused_need_not_be_stopped_and_what_was_interrupted_must_be(played):
    job = TuningJob(played, {"HyperParameterTuningJobName": "shops"}, ["first"], lambda summary: "first")
    job.stop()
    for error in (ServiceError("no"), KeyboardInterrupt()):
        assert job.names() == []
        played.refusals = [error]
        with pytest.raises(type(error)):
            job.start()
    assert job.names() == ["shops"]
    assert played.stopped == []

    job.stop()

    assert played.stopped == ["shops"]


def test_each_trial_ends_once(played, tuning):
    start(played, 1, "Completed")

    assert len(tuning.look()) == 1
    assert tuning.look() == []


def test_trials_that_a_tuning_job_never_started_are_told_with_its_reason(played, tuning):
    start(played, 1, "Failed")
    played.status = {"HyperParameterTuningJobStatus": "Failed", "FailureReason": "too many failures"}

    ended = tuning.look()

    assert [e.node_id for e in ended] == ["first", "second", "third"]
    assert ended[1].job is None
    assert ended[1].reason == (
        "tuning job shops ended as Failed before it started this trial: too many failures"
    )


def test_a_job_that_vanishes_is_lost_after_a_few_looks_and_not_before(played, tuning):
    job = start(played, 1)
    tuning.look()
    status = played.jobs.pop(job)

    assert tuning.look() == []
    played.jobs[job] = status  # a list that lagged behind
    assert tuning.look() == []
    del played.jobs[job]
    ended = [tuning.look() for _ in range(3)]

    assert ended == [[], [], [Ended("first", None, f"SageMaker knows training job {job} no more")]]


def test_jobs_of_nobody_s_are_left_alone(played, tuning):
    played.jobs["other-001-abc"] = "Completed"
    played.tuned["other-001-abc"] = {"depth": "9"}

    assert tuning.look() == []


def test_trials_of_a_search_are_found_by_the_number_in_the_job_s_name():
    find = by_number(["a", "b"])

    assert find({"TrainingJobName": "tuned-x-002-0a1b2c3d"}) == "b"
    for strange in ("tuned-x-003-0a1b2c3d", "tuned-x-000-0a1b2c3d", "tuned"):
        with pytest.raises(LookupError):
            find({"TrainingJobName": strange})


@pytest.fixture
def singles(played):
    requests = {f"trial{n}": lambda n=n: {"TrainingJobName": f"job-{n}"} for n in range(5)}
    return SingleJobs(played, requests, part="-x-", parallel=2)


def test_single_jobs_start_as_others_end(played, singles):
    singles.look()
    assert list(played.jobs) == ["job-0", "job-1"]
    assert singles.counts == Counts(queued=3, running=2, ended=0)

    played.jobs["job-1"] = "Completed"
    assert singles.look() == [Ended("trial1", "job-1")]
    assert list(played.jobs) == ["job-0", "job-1", "job-2"]
    for _ in range(3):
        played.jobs = dict.fromkeys(played.jobs, "Completed")
        singles.look()
    assert singles.done


def test_a_quota_is_waited_for_while_something_runs(played, singles):
    refusal = ServiceError("SageMaker refuses to start job: ResourceLimitExceeded: 1 instance")
    played.refusals = [refusal]
    with pytest.raises(ServiceError):
        singles.look()  # nothing runs that would end

    singles.look()
    played.jobs["job-0"] = "Completed"
    played.refusals = [refusal]
    assert singles.look() == [Ended("trial0", "job-0")]
    assert singles.counts == Counts(queued=3, running=1, ended=1)
    singles.look()
    assert singles.counts == Counts(queued=2, running=2, ended=1)


def test_stopped_single_jobs_start_no_more(played, singles):
    singles.look()
    singles.stop()

    assert played.stopped == ["job-0", "job-1"]
    played.jobs = dict.fromkeys(played.jobs, "Stopped")
    assert len(singles.look()) == 2
    assert singles.done


def test_a_single_job_that_starts_while_all_are_stopped_is_stopped_too(played, singles):
    create = played.create

    def meanwhile(request):
        singles.stop()
        create(request)

    played.create = meanwhile
    singles.look()

    assert played.stopped == ["job-0", "job-0"]  # the first one came before SageMaker knew of it
    assert list(played.jobs) == ["job-0"]


@pytest.mark.parametrize(
    ("answer", "named"),
    [(PassingError("cannot start job: the line is dead"), ["job-0"]), (ServiceError("no such role"), [])],
)
def test_a_single_job_may_run_from_when_it_was_asked_for_until_it_is_refused(played, singles, answer, named):
    def create(request):
        assert singles.names() == ["job-0"]  # Ctrl-C would stop and name it
        raise answer

    played.create = create
    with pytest.raises(type(answer)):
        singles.look()
    assert singles.names() == named

    singles.stop()
    assert played.stopped == named


class Told:
    """What a watch has told."""

    def __init__(self, jobs, **options):
        self.ended, self.faults = [], []
        self.over = threading.Event()
        self.watch = Watch(jobs, ended=self.take, fault=self.fail, news=lambda: None, **options)

    def take(self, ended):
        self.ended.append(ended.node_id)

    def fail(self, error):
        self.faults.append(error)

    def run(self):
        self.watch.begin()
        assert self.watch.join(20)
        return self


class Scripted:
    """Jobs whose looks give what a test has said, and then are done."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.stops = 0

    @property
    def done(self):
        return not self.looks

    counts = Counts(0, 0, 0)

    def look(self):
        found = self.looks.pop(0)
        if isinstance(found, Exception):
            self.looks.append([])
            raise found
        return [Ended(name, name) for name in found]

    def stop(self):
        self.stops += 1
        self.looks = self.looks[:1]

    def names(self):
        return []


def test_a_watch_goes_on_after_an_answer_that_did_not_come():
    told = Told([Scripted(["a"], PassingError("Rate exceeded"), ["b"])]).run()

    assert told.ended == ["a", "b"]
    assert told.faults == []
    assert told.watch.trouble is None


def test_a_watch_gives_up_when_nothing_answers_for_long():
    told = Told([Scripted(*[PassingError("cannot connect")] * 9)], patience=0.0).run()

    (fault,) = told.faults
    assert str(fault) == (
        "SageMaker has not answered for 0 seconds: cannot connect; the jobs may still run: "
        "look at the console, and stop them there"
    )


def test_results_that_cannot_be_fetched_now_are_fetched_later():
    told = Told([Scripted(["a"], [])])
    refusals = [PassingError("slow down")]

    def take(ended):
        if refusals:
            raise refusals.pop()
        told.ended.append(ended.node_id)

    told.watch._ended = take
    told.run()

    assert told.ended == ["a"]


def test_jobs_are_stopped_once_when_the_watch_is_halted():
    jobs = Scripted(*[[] for _ in range(1000)])
    told = Told([jobs])
    told.watch.halt()
    told.run()

    assert jobs.stops == 1
