"""`--rehearse` starts a rehearsal beside the session, points it there, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rehearsed import cloud

from harness.rehearsal import isolation, plugin
from harness.rehearsal.address import Address
from harness.rehearsal.process import UnreachableError, join

TEST = """
import json, os, pathlib, boto3

def test_it(request):
    option = request.config.option
    boto3.client("s3").put_object(Bucket=option.sagemaker_bucket, Key="a", Body=b"x")
    told = {name: getattr(option, f"sagemaker_{name}") for name in
            ("role", "bucket", "region", "image", "parallel_jobs")}
    pathlib.Path("told.json").write_text(json.dumps(told | dict(os.environ)))
"""
CONFTEST = """
import json, os, pathlib, pytest

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    pathlib.Path("after.json").write_text(json.dumps(dict(os.environ)))
"""
ARGUMENTS = ("--backend=sagemaker", "--rehearse", "-p", "no:cacheprovider")


@pytest.fixture
def project(pytester, monkeypatch):
    monkeypatch.delenv(plugin.JOINED, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "111122223333")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.com")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TEST)
    return pytester


def listens(endpoint):
    where = urlsplit(endpoint)
    try:
        socket.create_connection((where.hostname, where.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_session_runs_beside_a_rehearsal_that_ends_with_it(project):
    result = project.runpytest_subprocess(*ARGUMENTS)

    assert result.ret == 0
    kind = "folder" if isolation.unavailable() else "bubblewrap"
    result.stdout.fnmatch_lines(
        [
            "rehearsal: SageMaker is played on this machine, nothing of this is AWS",
            f"isolation of its jobs: {kind}",
            "rehearsed on this machine, not on AWS: 0 training jobs, 1 object uploaded",
        ]
    )
    told = json.loads((project.path / "told.json").read_text())
    account = told["role"].split(":")[4]
    assert told["bucket"] == f"rehearsal-{account}"
    assert told["image"].startswith(f"{account}.dkr.ecr.us-east-1.amazonaws.com/rehearsal:python3.")
    assert told["region"] == told["AWS_DEFAULT_REGION"] == "us-east-1"
    assert int(told["parallel_jobs"]) >= 1
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3"} & told.keys()
    assert not listens(told["AWS_ENDPOINT_URL"])
    after = json.loads((project.path / "after.json").read_text())
    assert after["AWS_PROFILE"] == "work"
    assert after["AWS_ENDPOINT_URL_S3"] == "https://s3.example.com"
    assert after["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "AWS_ACCESS_KEY_ID" not in after
    assert len(list(project.path.glob(".harness/rehearsal/s3/*/a"))) == 1


SECRETS = """
import os, pathlib
from rehearsed import Apart, Cloud, quick
from harness.rehearsal.process import join

def test_it(request):
    cloud = Cloud(Apart(join(os.environ["AWS_ENDPOINT_URL"])))
    root = request.config.rootpath
    cloud.rehearsal.fault(images={"quick": str(quick(root / "venv" / "bin"))})
    training = cloud.training("spy", HyperParameters={"code": f"print(sorted(os.listdir('{root}')))"})
    training["AlgorithmSpecification"]["TrainingImage"] = "quick"
    cloud.sagemaker.create_training_job(**training)
    assert cloud.ended("spy")["TrainingJobStatus"] == "Completed"
    assert cloud.log("spy") == "['.harness', 'venv']"  # an empty store, and its own programs
"""


@pytest.mark.skipif(isolation.unavailable() is not None, reason=str(isolation.unavailable()))
def test_no_job_sees_the_project(project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    project.makepyfile(test_it=SECRETS)
    result = project.runpytest_subprocess(*ARGUMENTS)

    assert result.ret == 0
    result.stdout.fnmatch_lines(["rehearsed on*: 1 training job, 0 objects uploaded"])


def test_what_was_given_is_not_replaced(project):
    project.makepyfile(
        test_it="def test_it(request): assert request.config.option.sagemaker_image == 'mine:1'"
    )

    assert project.runpytest_subprocess(*ARGUMENTS, "--sagemaker-image=mine:1").ret == 0


def test_collecting_alone_starts_nothing(project):
    result = project.runpytest_subprocess(*ARGUMENTS, "--collect-only")

    assert result.ret == 0
    result.stdout.no_fnmatch_line("rehears*")
    assert not (project.path / ".harness").exists()


def test_a_rehearsal_that_runs_already_is_joined_and_left_running(project, tmp_path, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name)
    with cloud(tmp_path / "own", isolation="folder", instances=1) as made:
        made.put("before")
        monkeypatch.setenv(plugin.JOINED, made.rehearsal.endpoint)
        result = project.runpytest_subprocess(*ARGUMENTS)

        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["isolation of its jobs: folder", "rehearsed on*: 0 training jobs, 1 object uploaded"]
        )
        assert made.listed() == ["a", "before"]
    assert not (project.path / ".harness" / "rehearsal").exists()


def test_a_rehearsal_that_is_not_there_is_said_so(project, monkeypatch):
    monkeypatch.setenv(plugin.JOINED, "http://127.0.0.1:9")
    result = project.runpytest_subprocess(*ARGUMENTS)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --rehearse: http://127.0.0.1:9 is no rehearsal: *refused"])


def test_a_rehearsal_that_cannot_start_is_said_so(project):
    (project.path / ".harness").mkdir()
    (project.path / ".harness" / "rehearsal").write_text("")
    result = project.runpytest_subprocess(*ARGUMENTS)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --rehearse: the rehearsal did not start: *Not a directory*"])


def test_something_else_than_a_rehearsal_is_not_joined(tmp_path):
    with cloud(tmp_path / "own", isolation="folder") as made:
        assert join(made.rehearsal.endpoint) == made.rehearsal.address
        with pytest.raises(UnreachableError, match="is no rehearsal"):
            join(f"{made.rehearsal.endpoint.replace('http://', 'http://other.invalid:')}")
    for wrong in ("", "http://", "127.0.0.1"):
        with pytest.raises(UnreachableError, match="is no rehearsal"):
            join(wrong)


@pytest.mark.parametrize("lacking", ["moto", "train"])
def test_what_is_not_installed_is_said_with_what_to_type(monkeypatch, tmp_path, lacking):
    if lacking == "moto":
        monkeypatch.setattr(plugin, "find_spec", lambda name: None if name == "moto" else True)
    else:
        monkeypatch.setattr(isolation, "default_image", lambda: tmp_path)

    with pytest.raises(pytest.UsageError) as caught:
        plugin._demand()
    assert str(caught.value) == (
        "--rehearse needs moto and sagemaker-training: pip install 'harness[rehearsal]'"
    )


def test_the_plugin_itself_needs_nothing_of_aws(pytester):
    pytester.makepyfile(
        script="""
        import sys
        import harness.rehearsal.plugin
        heavy = {"moto", "boto3", "botocore", "werkzeug", "flask", "optuna", "sagemaker"}
        print(sorted(heavy & sys.modules.keys()))
        """
    )

    assert pytester.runpython("script.py").outlines == ["[]"]


def test_an_address_survives_its_line():
    made = Address(
        endpoint="http://127.0.0.1:1",
        bucket="b",
        role="arn:aws:iam::000000000001:role/r",
        region="us-east-1",
        isolation="folder",
        instances=2,
        configuration="/somewhere",
    )

    assert Address.of(made.line()) == made
    assert made.account == "000000000001"
