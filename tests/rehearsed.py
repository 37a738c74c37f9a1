"""A rehearsal in this process, clients that speak with it, and small requests."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from harness.rehearsal.address import Address, astray
from harness.rehearsal.service import Rehearsal

IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/rehearsal:python3.11"
ENDED = ("Completed", "Failed", "Stopped")


class Apart:
    """A rehearsal in another process."""

    def __init__(self, address: Address) -> None:
        self.address, self.endpoint, self.bucket = address, address.endpoint, address.bucket
        self.role, self.region, self.environment = address.role, address.region, address.environment

    def fault(self, **faults: Any) -> None:
        """Let things go wrong."""
        connection = HTTPConnection(self.endpoint.removeprefix("http://"))
        connection.request("POST", "/_rehearsal/faults", json.dumps(faults))
        assert connection.getresponse().status == 200


class Cloud:
    """What a user of AWS has: clients, a bucket, a role."""

    def __init__(self, rehearsal: Rehearsal | Apart) -> None:
        self.rehearsal = rehearsal
        self.bucket, self.role = rehearsal.bucket, rehearsal.role
        self._session = boto3.Session(
            aws_access_key_id=rehearsal.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=rehearsal.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=rehearsal.region,
        )
        self.s3, self.sagemaker, self.logs = map(self.client, ("s3", "sagemaker", "logs"))

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a client that asks once and does not try again."""
        config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
        return self._session.client(
            service, endpoint_url=self.rehearsal.endpoint, config=config, region_name=region
        )

    def put(self, key: str, content: bytes = b"x") -> str:
        """Put an object and return its address."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def source(self, name: str, script: str) -> str:
        """Put an archive with a script and return its address."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            member = tarfile.TarInfo("train.py")
            member.size = len(script.encode())
            archive.addfile(member, io.BytesIO(script.encode()))
        return self.put(f"source/{name}/sourcedir.tar.gz", buffer.getvalue())

    def definition(self, source: str = "s3://nowhere/sourcedir.tar.gz", **more: Any) -> dict[str, Any]:
        """Return what training jobs and tuning jobs have in common."""
        return {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([^ ]+)"}],
            },
            "RoleArn": self.role,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **more,
        }

    def training(
        self, name: str, source: str = "s3://nowhere/sourcedir.tar.gz", **more: Any
    ) -> dict[str, Any]:
        """Return a request for a training job."""
        return {"TrainingJobName": name, "HyperParameters": run(source), **self.definition(), **more}

    def tuning(
        self, name: str, source: str = "s3://nowhere/sourcedir.tar.gz", *, strategy: str = "Grid", **more: Any
    ) -> dict[str, Any]:
        """Return a request for a tuning job; more: of its HyperParameterTuningJobConfig."""
        return {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": strategy,
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ResourceLimits": {"MaxParallelTrainingJobs": 2},
                "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "a", "Values": ["1", "2", "3"]}]},
                **more,
            },
            "TrainingJobDefinition": self.definition(StaticHyperParameters=run(source)),
        }

    def train(self, name: str, source: str, **more: Any) -> dict[str, Any]:
        """Train, and return the description of the job when it has ended."""
        self.sagemaker.create_training_job(**self.training(name, source, **more))
        return self.ended(name)

    def ended(self, name: str) -> dict[str, Any]:
        """Return the description of a training job when it has ended."""
        return self.until(name, lambda job: job["TrainingJobStatus"] in ENDED)

    def until(self, name: str, found: Any) -> dict[str, Any]:
        """Return the description of a training job as soon as it is what is looked for."""
        return eventually(lambda: self.sagemaker.describe_training_job(TrainingJobName=name), found)

    def tuned(self, name: str) -> dict[str, Any]:
        """Return the description of a tuning job when it has ended."""
        call = self.sagemaker.describe_hyper_parameter_tuning_job
        return eventually(
            lambda: call(HyperParameterTuningJobName=name),
            lambda job: job["HyperParameterTuningJobStatus"] in ENDED,
        )

    def log(self, name: str) -> str:
        """Return the log of a training job."""
        group = "/aws/sagemaker/TrainingJobs"
        streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")[
            "logStreams"
        ]
        events = self.logs.get_log_events(logGroupName=group, logStreamName=streams[0]["logStreamName"])
        return "\n".join(event["message"] for event in events["events"])

    def logged(self, name: str) -> None:
        """Wait until a training job has printed something."""
        group = "/aws/sagemaker/TrainingJobs"
        call = self.logs.describe_log_streams
        eventually(lambda: call(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"], bool)

    def members(self, key: str) -> dict[str, bytes]:
        """Return the files in an archive in the bucket."""
        content = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}

    def listed(self, prefix: str = "") -> list[str]:
        """Return the keys in the bucket."""
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", ())]


def quick(folder: Path) -> Path:
    """Return an image whose `train` runs the Python in the hyperparameter `code`, in a moment."""
    folder.mkdir(parents=True)
    base = "os.environ.get('SAGEMAKER_BASE_DIR', '/opt/ml')"
    program = f"""#!{sys.executable} -IS
import json, os, sys, time
base = {base}
values = json.load(open(base + "/input/config/hyperparameters.json"))
exec(values["code"])
"""
    (folder / "train").write_text(program)
    (folder / "train").chmod(0o755)
    return folder


def run(source: str) -> dict[str, str]:
    """Return the hyperparameters that let the toolkit run an archive."""
    return {"sagemaker_program": "train.py", "sagemaker_submit_directory": source}


def alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(look: Any, found: Any) -> Any:
    """Return what one sees as soon as it is what is looked for."""
    for _ in range(3000):
        seen = look()
        if found(seen):
            return seen
        time.sleep(0.01)
    raise AssertionError(f"it never came: {seen}")


@contextmanager
def cloud(folder: Path, **options: Any) -> Iterator[Cloud]:
    """Give a cloud that is played on this machine; options: of `Rehearsal`."""
    for name in ("AWS_PROFILE", *astray(os.environ)):
        assert name not in os.environ
    with Rehearsal(folder, **options) as rehearsal:
        yield Cloud(rehearsal)
