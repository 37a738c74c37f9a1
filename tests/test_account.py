"""Who acts on AWS is found as the SDK finds it, or one message says what to set."""

from __future__ import annotations

import json
import os

import pytest

from harness.backends.sagemaker.account import AccountError, connect
from harness.backends.sagemaker.options import SageMakerSettings
from harness.rehearsal.address import astray

ROLE = "arn:aws:iam::123456789012:role/jobs"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ours:1"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """Nobody's AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")] + list(astray(os.environ)):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def somebody(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def settings(**given):
    return SageMakerSettings(**{"tags": {}, "role": ROLE, "bucket": "ours", "image": IMAGE, **given})


def refused(**given):
    with pytest.raises(AccountError) as caught:
        connect(settings(**given))
    return str(caught.value)


def test_what_is_set_is_taken(somebody):
    account = connect(settings(region="eu-west-1"))

    assert (account.region, account.role, account.bucket) == ("eu-west-1", ROLE, "ours")
    assert (account.image, account.installs) == (IMAGE, False)


def test_no_region_says_what_to_set(somebody):
    assert refused() == (
        "no AWS region was found; set sagemaker_region, --sagemaker-region=NAME or AWS_DEFAULT_REGION"
    )


def test_no_credentials_say_what_to_set():
    assert refused(region="us-east-1") == (
        "no AWS credentials were found; run `aws configure` or `aws sso login`, or set AWS_PROFILE, or "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )


def test_a_region_that_is_none_is_told_with_the_next_best(somebody):
    assert refused(region="eu-west1") == "SageMaker has no region 'eu-west1'; did you mean 'eu-west-1'?"
    assert refused(region="moon") == (
        "SageMaker has no region 'moon'; set sagemaker_region to one such as us-east-1"
    )


def test_an_unknown_profile_is_told(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    assert refused(region="us-east-1").startswith(
        "AWS cannot be used: The config profile (nobody) could not be found; run `aws configure`"
    )


@pytest.mark.parametrize(("version", "tag"), [((3, 11), "2.5.1"), ((3, 12), "2.9.0"), ((3, 13), "2.10.0")])
def test_without_an_image_aws_s_own_of_this_python_is_taken(somebody, monkeypatch, version, tag):
    monkeypatch.setattr("sys.version_info", (*version, 0, "final", 0))

    account = connect(settings(region="us-east-1", image=None))

    assert f"pytorch-training:{tag}" in account.image
    assert f"py{version[0]}{version[1]}" in account.image
    assert account.installs


def test_without_an_image_for_this_python_one_has_to_be_built(somebody, monkeypatch):
    monkeypatch.setattr("sys.version_info", (3, 20, 0, "final", 0))

    assert refused(region="us-east-1", image=None) == (
        "AWS has no training image with Python 3.20 that the SDK knows; "
        "build one from what `harness dockerfile` prints, and name it in sagemaker_image"
    )


def test_aws_s_own_image_needs_a_network(somebody, monkeypatch):
    monkeypatch.setattr("sys.version_info", (3, 12, 0, "final", 0))

    assert refused(region="us-east-1", image=None, network_isolation=True).startswith(
        "with network isolation AWS's own image cannot install what the experiments need; build an image"
    )


def test_a_role_is_found_in_the_sdk_s_configuration(somebody, monkeypatch, tmp_path):
    file = tmp_path / "sagemaker.yaml"
    file.write_text(
        f"SchemaVersion: '1.0'\nSageMaker:\n  TrainingJob:\n    RoleArn: {ROLE}\n"
        "  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"
    )
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(file))

    assert connect(settings(region="us-east-1", role=None)).role == ROLE


def test_a_caller_that_is_no_role_must_name_one(somebody, monkeypatch):
    monkeypatch.setattr(
        "sagemaker.core.helper.session_helper.Session.get_caller_identity_arn",
        lambda session: "arn:aws:iam::123456789012:user/me",
    )

    text = refused(region="us-east-1", role=None)

    assert text.startswith("no execution role was found: ")
    assert text.endswith("set sagemaker_role or --sagemaker-role=ARN to a role that SageMaker may assume")


def test_in_studio_the_role_of_the_user_is_taken(somebody, monkeypatch, tmp_path):
    file = tmp_path / "resource-metadata.json"
    told = {"ResourceName": "default", "DomainId": "d-1", "ExecutionRoleArn": ROLE}
    file.write_text(json.dumps(told))
    monkeypatch.setattr("sagemaker.core.helper.session_helper.NOTEBOOK_METADATA_FILE", str(file))

    assert connect(settings(region="us-east-1", role=None)).role == ROLE
