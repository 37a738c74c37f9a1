"""`python -m harness.rehearsal` says where it listens, serves until its input ends, and leaves no process."""

from __future__ import annotations

import json
import signal

import pytest
from processes import processes
from rehearsed import Apart, Cloud, alive, eventually, quick

from harness.rehearsal.address import Address
from harness.rehearsal.process import ask


@pytest.fixture
def start(tmp_path):
    with processes() as started:

        def begin(*arguments):
            process = started.start("-m", "harness.rehearsal", "--folder", tmp_path / "own", *arguments)
            address = Address.of(process.stdout.readline())
            return process, Cloud(Apart(address))

        yield begin


def sleeper(cloud, tmp_path):
    """Let a job sleep, and return its process."""
    cloud.rehearsal.fault(images={"quick": str(quick(tmp_path / "image"))})
    code = "open(base + '/pid', 'w').write(str(os.getpid())); time.sleep(60)"
    request = cloud.training("sleeps", HyperParameters={"code": code})
    request["AlgorithmSpecification"]["TrainingImage"] = "quick"
    cloud.sagemaker.create_training_job(**request)
    found = eventually(
        lambda: [path for path in tmp_path.glob("own/jobs/*/sleeps/ml/pid") if path.read_text()], bool
    )
    return int(found[0].read_text())


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_no_job_outlives_it(start, tmp_path, end):
    process, cloud = start("--isolation", "folder", "--instances", "1")
    pid = sleeper(cloud, tmp_path)
    assert alive(pid)

    if end == "closed":
        process.stdin.close()
        assert process.wait(30) == 0
    else:
        process.send_signal(signal.SIGKILL)
    eventually(lambda: alive(pid), lambda lives: not lives)


def test_it_says_what_it_offers(start):
    _, cloud = start("--instances", "3", "--isolation", "folder")
    address = cloud.rehearsal.address

    assert (address.instances, address.isolation, address.region) == (3, "folder", "us-east-1")
    assert Address.of(json.dumps(ask(address.endpoint, "about"))) == address
    assert cloud.listed() == []
