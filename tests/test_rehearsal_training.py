"""A rehearsed training job runs the genuine toolkit by the container's contract, and tells how it went."""

from __future__ import annotations

import json
import sys

import pytest
from rehearsed import cloud, quick

from harness.cores import cores
from harness.rehearsal import isolation
from harness.rehearsal.address import JOB
from harness.rehearsal.container import Container

SCRIPT = """
import json, os, pathlib, shutil, sys, boto3
sys.path.insert(0, os.environ["HARNESS"])
from harness.cores import cores
base = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent
told = {
    "cores": cores(),
    "train": sorted(p.name for p in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir()),
    "row": (pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]) / "rows.csv").read_text(),
    "hyperparameters": json.loads((base / "input/config/hyperparameters.json").read_text()),
    "environment": dict(os.environ),
}
(pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"]) / "told.json").write_text(json.dumps(told))
(pathlib.Path(os.environ["SM_MODEL_DIR"]) / "model.bin").write_bytes(b"model")
print("score=0.25 first")
print("score=nan", file=sys.stderr)
print("score=0.75 größer", flush=True)
boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="from-the-job", Body=b"x")
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal")
    with cloud(folder / "own", instances=1, isolation="folder", grace=5) as made:
        made.rehearsal.faults.add(images={"quick": str(quick(folder / "image"))})
        made.folder = folder / "own"
        yield made


def code(script, **more):
    """Return changes of a request that lets the quick image run a line of Python."""
    specification = {
        "TrainingImage": "quick",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "score", "Regex": "score=([^ ]+)"}],
    }
    return {"HyperParameters": {"code": script}, "AlgorithmSpecification": specification, **more}


def test_a_job_of_the_toolkit_finds_what_a_container_has_and_leaves_what_it_wrote(here):
    here.put("data/train/rows.csv", b"1,2")
    here.put("data/train/more.csv", b"")
    source = here.source("whole", SCRIPT)
    request = here.training("whole", source)
    request["HyperParameters"] |= {"number": "0.10", "words": "a 'quoted' \"word\"; $(exit 1)"}
    job = here.train(
        "whole",
        source,
        HyperParameters=request["HyperParameters"],
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{here.bucket}/data/train/"}
                },
            }
        ],
        Environment={"BUCKET": here.bucket, "HARNESS": json.dumps(sys.path[0])[1:-1] or "."},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
        Tags=[{"Key": "a", "Value": "b"}],
    )

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"] + here.log("whole")
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Pending", "Downloading", "Training", "Uploading", "Completed"]
    assert all("EndTime" in step for step in job["SecondaryStatusTransitions"])
    assert job["SecondaryStatus"] == "Completed"
    assert job["TrainingEndTime"] >= job["TrainingStartTime"] >= job["CreationTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("score", 0.75)]
    assert job["EnableManagedSpotTraining"] is True
    assert job["HyperParameters"] == request["HyperParameters"]

    output = f"s3://{here.bucket}/out/whole/output"
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": f"{output}/model.tar.gz"}
    assert here.members("out/whole/output/model.tar.gz") == {"model.bin": b"model"}
    told = json.loads(here.members("out/whole/output/output.tar.gz")["told.json"])
    assert told["cores"] == cores()
    assert (told["train"], told["row"]) == (["more.csv", "rows.csv"], "1,2")
    assert told["hyperparameters"] == request["HyperParameters"]  # to the letter
    environment = told["environment"]
    assert environment["TRAINING_JOB_NAME"] == "whole"
    assert environment["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert environment["AWS_ACCESS_KEY_ID"] == JOB
    assert environment["AWS_REGION"] == here.rehearsal.region
    assert not {"PYTEST_CURRENT_TEST", "VIRTUAL_ENV", "USER"} & environment.keys()
    assert environment["HOME"].startswith(str(here.folder))

    log = here.log("whole")
    assert "score=0.75 größer" in log
    assert "Reporting training SUCCESS" in log
    assert "from-the-job" in here.listed()
    assert not list(here.folder.glob("s3/*/from-the-job"))
    assert list(here.folder.glob("s3/*/data/train/rows.csv"))


def test_a_job_of_the_toolkit_that_fails_tells_its_own_text(here):
    script = (
        "import os, pathlib, sys\n"
        "pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('the data are odd')\n"
        "pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'left').write_text('x')\n"
        "sys.exit(7)\n"
    )
    job = here.train("fails", here.source("fails", script))

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: the data are odd, exit code: 1"  # the toolkit's, not 7
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == ""
    assert here.listed("out/fails") == []


def test_a_long_reason_is_cut_and_keeps_the_exit_code(here):
    script = "open(base + '/output/failure', 'w').write('é' * 5000); sys.exit(3)"
    reason = here.train("long", "", **code(script))["FailureReason"]

    assert len(reason) == 1024
    assert reason.startswith("AlgorithmError: ééé")
    assert reason.endswith("é, exit code: 3")


def test_a_job_without_a_failure_file_has_its_exit_code(here):
    assert here.train("mute", "", **code("os.abort()"))["FailureReason"] == "AlgorithmError: , exit code: 134"


def test_a_stopped_job_keeps_what_it_wrote_and_one_that_waits_never_starts(here):
    script = "open(base + '/model/half', 'w').write('x'); print('score=1', flush=True); time.sleep(60)"
    here.sagemaker.create_training_job(**here.training("stopped", "", **code(script)))
    here.until("stopped", lambda job: job["SecondaryStatus"] == "Training")
    here.sagemaker.create_training_job(**here.training("waits", "", **code("print()")))
    assert (
        here.until("waits", lambda job: job["SecondaryStatus"] == "Pending")["TrainingJobStatus"]
        == "InProgress"
    )

    here.sagemaker.stop_training_job(TrainingJobName="waits")
    waited = here.ended("waits")
    assert (waited["TrainingJobStatus"], waited["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "TrainingStartTime" not in waited
    assert here.listed("out/waits") == []

    here.logged("stopped")  # so that the half was written
    here.sagemaker.stop_training_job(TrainingJobName="stopped")
    stopped = here.ended("stopped")
    steps = [step["Status"] for step in stopped["SecondaryStatusTransitions"]]
    assert steps[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert stopped["TrainingJobStatus"] == "Stopped"
    assert here.members("out/stopped/output/model.tar.gz") == {"half": b"x"}

    with pytest.raises(here.sagemaker.exceptions.ClientError, match="training job is in status Stopped"):
        here.sagemaker.stop_training_job(TrainingJobName="stopped")


def test_a_job_that_takes_too_long_is_stopped_and_says_so(here):
    changes = code(
        "print('score=1', flush=True); time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    job = here.train("slow", "", **changes)

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "FailureReason" not in job
    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [1]
    assert here.listed("out/slow") == ["out/slow/output/model.tar.gz"]  # there was no other output


def test_an_image_without_the_toolkit_cannot_be_started(here, tmp_path):
    here.rehearsal.faults.add(images={"bare": str(tmp_path)})
    changes = code("print()")
    changes["AlgorithmSpecification"] = {"TrainingImage": "bare", "TrainingInputMode": "File"}
    job = here.train("bare", "", **changes)

    assert job["TrainingJobStatus"] == "Failed"
    assert 'exec: "train": executable file not found in $PATH' in job["FailureReason"]


def test_what_is_no_number_is_no_metric(here):
    job = here.train("numbers", "", **code("print('score=1 x'); print('score=none'); print('score=inf')"))

    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [1]


class Keys:
    """A bucket with one key; boto3 would not send such a one."""

    def __init__(self, key):
        self.key = key

    def under(self, bucket, prefix):
        return [self.key]

    def read(self, bucket, key):
        return b"x"


def test_a_key_cannot_lead_out_of_its_channel(here, tmp_path):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/leads/"}}
    request = here.training("leads", InputDataConfig=[{"ChannelName": "train", "DataSource": source}])

    with pytest.raises(KeyError, match=r"s3://b/leads/\.\./\.\./out leads out of the channel's folder"):
        Container(tmp_path / "job").fill(request, Keys("leads/../../out"), "localhost")
    assert not list(tmp_path.rglob("out"))


def test_a_prefix_may_be_a_folder_a_file_or_the_beginning_of_names(here):
    for key in ("begin/one/a", "begin/one/b/c", "begin/only"):
        here.put(key)
    cases = (
        ("begin/one", ["a", "b/c"]),
        ("begin/one/", ["a", "b/c"]),
        ("begin/only", ["only"]),
        ("begin/on", ["one/a", "one/b/c", "only"]),
    )
    for number, (prefix, found) in enumerate(cases):
        name = f"prefix-{number}"
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{here.bucket}/{prefix}"}}
        script = (
            "import pathlib; c = pathlib.Path(base, 'input/data/train'); "
            "print(sorted(str(p.relative_to(c)) for p in c.rglob('*') if p.is_file()))"
        )
        channels = [{"ChannelName": "train", "DataSource": source}]
        job = here.train(name, "", **code(script, InputDataConfig=channels))

        assert job["TrainingJobStatus"] == "Completed"
        assert here.log(name) == str(found)


def test_a_rehearsal_that_breaks_says_so_itself(here, tmp_path, capsys):
    (tmp_path / "train").write_text("#!/nowhere/python\n")
    (tmp_path / "train").chmod(0o755)
    here.rehearsal.faults.add(images={"odd": str(tmp_path)})
    changes = code("print()")
    changes["AlgorithmSpecification"] = {"TrainingImage": "odd", "TrainingInputMode": "File"}
    job = here.train("odd", "", **changes)

    assert job["FailureReason"].startswith("InternalServerError: the rehearsal broke: RuntimeError(")
    assert "No such file or directory" in capsys.readouterr().err


def test_inputs_that_are_gone_when_the_job_starts_fail_it(here):
    here.put("gone/a")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{here.bucket}/gone"}}
    changes = code("print()", InputDataConfig=[{"ChannelName": "train", "DataSource": source}])
    here.sagemaker.create_training_job(**here.training("blocks", "", **code("time.sleep(60)")))
    here.until("blocks", lambda job: job["SecondaryStatus"] == "Training")
    here.sagemaker.create_training_job(**here.training("gone", "", **changes))
    here.s3.delete_object(Bucket=here.bucket, Key="gone/a")
    here.sagemaker.stop_training_job(TrainingJobName="blocks")

    reason = f"ClientError: Data download failed: s3://{here.bucket}/gone"
    assert here.ended("gone")["FailureReason"] == reason


WALLS = """
import os, pathlib, socket
def tried(action):
    try:
        return action()
    except OSError as error:
        return type(error).__name__
told = {
    "base": os.environ["SM_MODEL_DIR"],
    "host": socket.gethostname(),
    "resolved": socket.gethostbyname("algo-1"),
    "hidden": sorted(map(str, pathlib.Path("HIDDEN").iterdir())),
    "own": sorted(map(str, pathlib.Path("OWN").iterdir())),
    "write": tried(lambda: pathlib.Path("/etc/written-by-a-job").write_text("x")),
    "temporary": tried(lambda: pathlib.Path("/tmp/mine").write_text("x")),
    "home": tried(lambda: (pathlib.Path.home() / "mine").write_text("x")),
    "network": tried(lambda: socket.create_connection(("127.0.0.1", PORT), timeout=5).close()),
}
print(__import__("json").dumps(told))
"""


@pytest.fixture(scope="module")
def walled(tmp_path_factory):
    reason = isolation.unavailable()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("walled")
    (folder / "hidden").mkdir()
    (folder / "hidden" / "rows").write_text("secret")
    with cloud(folder / "own", instances=1, isolation="bubblewrap", hide=[folder / "hidden"]) as made:
        made.rehearsal.faults.add(images={"quick": str(quick(folder / "image"))})
        made.folder = folder
        yield made


def seen(cloud, name, **more):
    script = WALLS.replace("HIDDEN", str(cloud.folder / "hidden")).replace("OWN", str(cloud.folder / "own"))
    script = script.replace("PORT", cloud.rehearsal.endpoint.rpartition(":")[2])
    job = cloud.train(name, cloud.source(name, script), **more)
    log = cloud.log(name)
    assert job["TrainingJobStatus"] == "Completed", log
    return json.loads(next(line for line in log.splitlines() if line.startswith('{"base"')))


def test_bubblewrap_gives_a_job_a_container_of_its_own(walled):
    told = seen(walled, "walls")

    assert told["base"] == "/opt/ml/model"
    assert (told["host"], told["resolved"]) == ("algo-1", "127.0.0.1")
    assert told["hidden"] == told["own"] == []
    assert told["write"] in ("OSError", "PermissionError")
    assert (told["temporary"], told["home"], told["network"]) == (1, 1, None)


def test_network_isolation_leaves_a_job_no_network(walled):
    name = "alone"
    uri = walled.source(name, "").rpartition("/")[0]
    channel = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    told = seen(
        walled,
        name,
        EnableNetworkIsolation=True,
        InputDataConfig=[{"ChannelName": "code", "DataSource": channel}],
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        },
    )

    assert told["network"] == "ConnectionRefusedError"


def test_a_walled_job_can_be_stopped_with_grace_and_killed(walled):
    quiet = "import signal; signal.signal(15, lambda *_: (print('tidied', flush=True), sys.exit(0)))"
    script = f"{quiet}; print('ready', flush=True); time.sleep(60)"
    walled.sagemaker.create_training_job(**walled.training("graceful", "", **code(script)))
    walled.logged("graceful")
    walled.sagemaker.stop_training_job(TrainingJobName="graceful")
    walled.ended("graceful")
    walled.rehearsal.faults.add(lose=1)
    walled.sagemaker.create_training_job(**walled.training("lost", "", **code(script)))

    assert walled.ended("graceful")["TrainingJobStatus"] == "Stopped"
    assert "tidied" in walled.log("graceful")
    assert walled.ended("lost")["FailureReason"].startswith("InternalServerError: We encountered")
