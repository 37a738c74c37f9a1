"""What a job left is taken only if it is whole, of this version, of this trial, and within its own folder."""

from __future__ import annotations

import io
import tarfile

import pytest

from harness.backends.sagemaker.record import NAME, RAISED, JobRecord, dump, lines
from harness.backends.sagemaker.refusals import ObjectError, UnreachedError
from harness.backends.sagemaker.retrieval import Collector
from harness.backends.sagemaker.service import PassingError, Service

NODE = "a.py::experiment_a[1]"
PLACE = "trials/experiment_a-0001"


def record(**other):
    files = {"model": f"{PLACE}/model.pkl", "predictions": f"{PLACE}/predictions.npz"}
    report = {"when": "teardown", "outcome": "passed", "harness": {"files": other.pop("files", files)}}
    return JobRecord(**{"harness": "1.0", "job": "a-001", "node_id": NODE, "reports": [report], **other})


def packed(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Bucket:
    """Objects by the end of their key."""

    def __init__(self):
        self.objects: dict[str, bytes] = {}

    def get(self, key, path):
        assert key.startswith("runs/r1/a-001/output/")
        try:
            path.write_bytes(self.objects[key.rpartition("/")[2]])
        except KeyError:
            raise ObjectError(f"there is no object {key}") from None


class Played:
    """A service that knows one job."""

    console, log_page = Service.console, Service.log_page

    def __init__(self):
        self.account = type("Account", (), {"region": "us-east-1"})
        self.told = {
            "TrainingJobName": "a-001",
            "TrainingJobStatus": "Completed",
            "OutputDataConfig": {"S3OutputPath": "s3://ours/runs/r1"},
            "TrainingTimeInSeconds": 3,
        }
        self.log_lines: list[list[str]] = [[]]

    def training(self, name):
        return self.told

    def log(self, name):
        return self.log_lines.pop(0) if len(self.log_lines) > 1 else self.log_lines[0]


@pytest.fixture
def job(tmp_path):
    class Job:
        def __init__(self):
            self.service, self.bucket, self.folder = Played(), Bucket(), tmp_path / "run"
            self.waits: list[float] = []

        def collect(self):
            collector = Collector(self.service, self.bucket, self.folder, "1.0", self.waits.append)
            found = collector.collect("a-001", NODE, PLACE)
            assert not list(self.folder.glob("sagemaker/*"))  # nothing half done stays
            return found

        def leaves(self, made, **members):
            content = made if isinstance(made, bytes) else dump(made)
            self.bucket.objects["output.tar.gz"] = packed(
                {NAME: content, f"{PLACE}/predictions.npz": b"numbers", **members}
            )
            self.bucket.objects["model.tar.gz"] = packed({"model.pkl": b"model"})

        def refused(self):
            found = self.collect()
            assert found.record is None
            assert not (self.folder / "trials").exists()
            return found.reason.splitlines()[0]

    return Job()


def test_a_whole_result_is_taken_with_its_files(job):
    job.leaves(record())

    found = job.collect()

    assert found.record == record()
    assert (job.folder / PLACE / "model.pkl").read_bytes() == b"model"
    assert (job.folder / PLACE / "predictions.npz").read_bytes() == b"numbers"
    assert found.seconds == 3
    assert found.origin["sagemaker.console"].endswith("#/jobs/a-001")


def test_a_job_that_produced_nothing_is_told(job):
    assert job.refused().startswith(
        "training job a-001 ended as Completed, and there is no object runs/r1/a-001/"
    )


def test_output_without_a_record_is_told(job):
    job.bucket.objects["output.tar.gz"] = packed({"other.txt": b"x"})

    assert job.refused() == (
        "training job a-001 ended as Completed, and it left no result: output.tar.gz has no record in it"
    )


def test_a_record_that_was_cut_short_is_told(job):
    job.leaves(dump(record())[:-40])

    assert "and the record of the trial is damaged: " in job.refused()


def test_results_that_cannot_be_fetched_now_are_no_lost_trial(job):
    job.leaves(record())
    job.bucket.get = lambda key, path: told_unreached()

    with pytest.raises(PassingError, match="S3 was not reached"):
        job.collect()


def told_unreached():
    raise UnreachedError("S3 was not reached for bucket 'ours': timed out")


def test_an_archive_that_was_cut_short_is_told(job):
    job.leaves(record())
    job.bucket.objects["output.tar.gz"] = job.bucket.objects["output.tar.gz"][:-60]

    assert "output.tar.gz" in job.refused()


def test_a_record_of_another_version_is_told(job):
    job.leaves(record(harness="0.9"))

    assert job.refused().endswith("is of harness 0.9, 1.0 runs here; use one version in a run")


def test_a_record_of_another_trial_is_told(job):
    job.leaves(record(node_id="a.py::experiment_a[2]"))

    assert job.refused().endswith("its record is of a.py::experiment_a[2], not of a.py::experiment_a[1]")


@pytest.mark.parametrize(
    "name",
    ["../../evil.pkl", "/etc/evil", f"{PLACE}/../evil", "trials/experiment_a-0002/evil", "a\\b", "a\0b"],
)
def test_a_record_that_names_files_of_others_is_told(job, name):
    job.leaves(record(files={"artifact/evil": name}))

    assert f"its record names the file {name!r}, which is not below {PLACE}" in job.refused()


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "trials/../../evil.txt"])
def test_members_that_try_to_leave_the_folder_are_told(job, name, tmp_path):
    job.leaves(record(), **{name: b"evil"})

    assert repr(name) in job.refused()
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_file_that_the_record_names_and_the_job_did_not_leave_is_told(job):
    job.leaves(record(files={"artifact/roc.png": f"{PLACE}/artifacts/roc.png"}))

    assert job.refused().endswith(f"its record names '{PLACE}/artifacts/roc.png', which it did not leave")


def test_the_record_of_a_trial_that_raised_comes_by_the_log_even_late(job):
    log = ["before", *lines(dump(record(files={})))]
    job.service.told |= {
        "TrainingJobStatus": "Failed",
        "FailureReason": f"AlgorithmError: {RAISED}: KeyError",
    }
    job.service.log_lines = [[], log[:1], log]

    assert job.collect().record == record(files={})
    assert job.waits == [0.25, 0.5]


def test_a_log_that_stays_incomplete_is_told(job):
    log = list(lines(dump(record(warnings=[{"text": "".join(map(chr, range(300, 9000)))}]))))
    job.service.told |= {
        "TrainingJobStatus": "Failed",
        "FailureReason": f"AlgorithmError: {RAISED}: KeyError",
    }
    job.service.log_lines = [["SM_X=1", "said", *log[1:]]]

    found = job.collect()

    assert found.reason.startswith(
        "training job a-001 ended as Failed, and its log does not hold the whole record"
    )
    assert found.printed == "SM_X=1\nsaid"


def test_a_job_that_failed_otherwise_is_told_with_its_reason_and_the_end_of_its_log(job):
    job.service.told |= {
        "TrainingJobStatus": "Failed",
        "FailureReason": "AlgorithmError: killed, exit code: 137",
    }
    job.service.log_lines = [[f"line {n}" for n in range(100)]]

    found = job.collect()

    first, console, log = found.reason.splitlines()
    assert first == "training job a-001 failed: AlgorithmError: killed, exit code: 137"
    assert console.startswith("https://us-east-1.console.aws.amazon.com/sagemaker/home")
    assert log.endswith("$3FlogStreamNameFilter$3Da-001")
    assert found.printed.splitlines() == [f"line {n}" for n in range(60, 100)]
    assert job.waits == []


def test_a_process_that_died_says_how(job):
    why = 'AlgorithmError: ExecuteUserScriptError:\nExitCode -9\nErrorMessage ""\nCommand "x", exit code: 1'
    job.service.told |= {"TrainingJobStatus": "Failed", "FailureReason": why}

    found = job.collect()

    assert found.reason.splitlines()[0] == (
        "training job a-001 failed: the trial's process ended with exit code -9 and left no result"
    )


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("Stopped", "was stopped from outside"),
        ("MaxRuntimeExceeded", "ran longer than sagemaker_max_runtime = 60 seconds and was stopped"),
        ("MaxWaitTimeExceeded", "waited too long for a spare machine: leave out sagemaker_spot"),
    ],
)
def test_a_job_that_was_stopped_says_by_what(job, status, text):
    job.service.told |= {
        "TrainingJobStatus": "Stopped",
        "SecondaryStatus": status,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }

    found = job.collect()

    assert found.reason.startswith(f"training job a-001 {text}\n")
    assert found.stopped is (status == "Stopped")
