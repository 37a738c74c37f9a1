"""Settings about SageMaker are read from ini files and options, and refused in one sentence."""

from __future__ import annotations

import pytest

from harness.backends.sagemaker.options import SageMakerSettings


@pytest.fixture
def settings(pytester: pytest.Pytester):
    def read(ini: str = "", *arguments: str) -> SageMakerSettings:
        pytester.makeini(f"[pytest]\n{ini}")
        return SageMakerSettings.of(pytester.parseconfigure(*arguments))

    return read


def test_nothing_needs_to_be_set(settings):
    assert settings() == SageMakerSettings(tags={})


def test_everything_can_be_set_in_the_ini_file(settings):
    made = settings(
        "sagemaker_role = arn:aws:iam::123456789012:role/jobs\n"
        "sagemaker_bucket = ours\n"
        "sagemaker_prefix = team/harness/\n"
        "sagemaker_region = eu-west-1\n"
        "sagemaker_image = 123456789012.dkr.ecr.eu-west-1.amazonaws.com/ours:1\n"
        "sagemaker_instance = ml.c5.xlarge\n"
        "sagemaker_parallel_jobs = 7\n"
        "sagemaker_max_runtime = 60\n"
        "sagemaker_spot = true\n"
        "sagemaker_kms_key = key\n"
        "sagemaker_network_isolation = true\n"
        "sagemaker_tags =\n    team=risk\n    cost center = 7\n"
        "sagemaker_subnets = subnet-1 subnet-2\n"
        "sagemaker_security_groups = sg-1\n"
        "sagemaker_include = schemas/*.xsd\n"
        "sagemaker_prices = ml.c5.xlarge=0.3\n"
    )

    assert made == SageMakerSettings(
        role="arn:aws:iam::123456789012:role/jobs",
        bucket="ours",
        prefix="team/harness",
        region="eu-west-1",
        image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/ours:1",
        instance="ml.c5.xlarge",
        parallel_jobs=7,
        max_runtime=60,
        spot=True,
        kms_key="key",
        network_isolation=True,
        tags={"team": "risk", "cost center": "7"},
        subnets=["subnet-1", "subnet-2"],
        security_groups=["sg-1"],
        include=["schemas/*.xsd"],
        prices=["ml.c5.xlarge=0.3"],
    )


def test_options_go_before_the_ini_file(settings):
    made = settings(
        "sagemaker_instance = ml.c5.xlarge\nsagemaker_parallel_jobs = 7",
        "--backend=sagemaker",
        "--sagemaker-instance=ml.m5.large",
        "--sagemaker-spot",
        "--max-cost=12.5",
    )

    assert (made.instance, made.parallel_jobs, made.spot, made.max_cost) == ("ml.m5.large", 7, True, 12.5)


@pytest.mark.parametrize(
    ("ini", "text"),
    [
        (
            "sagemaker_parallel_jobs = many",
            "sagemaker_parallel_jobs = 'many' is not a whole number from 1 to 100",
        ),
        ("sagemaker_parallel_jobs = 0", "sagemaker_parallel_jobs = '0' is not a whole number from 1 to 100"),
        (
            "sagemaker_max_runtime = 1e3",
            "sagemaker_max_runtime = '1e3' is not a whole number from 1 to 2419200",
        ),
        ("sagemaker_tags = team", "sagemaker_tags has the line 'team': write KEY=VALUE"),
        ("sagemaker_prefix = a//b", "sagemaker_prefix = 'a//b' is no key prefix: write letters"),
        ("sagemaker_prefix = ../other", "sagemaker_prefix = '../other' is no key prefix"),
        (
            "sagemaker_subnets = subnet-1",
            "sagemaker_security_groups is empty: a VPC needs sagemaker_subnets and",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused(settings, ini, text):
    with pytest.raises(pytest.UsageError) as caught:
        settings(ini)

    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--rehearse"], "--rehearse plays SageMaker: add --backend=sagemaker, or leave it out"),
        (
            ["--max-cost=3"],
            "--max-cost limits what SageMaker may cost: add --backend=sagemaker, or leave it out",
        ),
        (
            ["--backend=sagemaker", "--pdb"],
            "--pdb cannot look into a container of SageMaker: leave out --backend=sagemaker, and the trial "
            "runs in this process",
        ),
        (["--backend=sagemaker", "--trace"], "--trace cannot look into a container of SageMaker"),
        (
            ["--backend=sagemaker", "--workers=3"],
            "--workers=3 counts processes of this machine: with --backend=sagemaker write "
            "--sagemaker-parallel-jobs=N",
        ),
        (
            ["--backend=sagemaker", "--trial-timeout=9"],
            "--trial-timeout=9 is of --backend=local: with --backend=sagemaker write "
            "--sagemaker-max-runtime=SECONDS",
        ),
        (["--backend=sagemaker", "--max-cost=much"], "'much' is not a number of US dollars, 0 or more"),
        (["--backend=sagemaker", "--max-cost=-1"], "'-1' is not a number of US dollars, 0 or more"),
    ],
)
def test_options_that_contradict_each_other_are_usage_errors(project, arguments, text):
    result = project.pytester.runpytest_inprocess(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert text in " ".join(result.stderr.str().split())
    assert not (project.path / ".harness").exists()
