"""A rehearsal answers as AWS does, refuses by name what it does not play, and goes wrong on demand."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from rehearsed import alive, cloud, eventually, quick

from harness.rehearsal.address import Address, astray
from harness.rehearsal.service import Rehearsal

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal")
    with cloud(folder / "own", instances=2, isolation="folder") as made:
        made.image = str(quick(folder / "image"))
        made.bare = str(folder)
        yield made


@pytest.fixture(autouse=True)
def well(here):
    here.rehearsal.faults.clear()
    here.rehearsal.faults.add(images={"quick": here.image, "bare": here.bare})


def refused(call, **request):
    """Return code and text of the refusal of a request."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def short(here, name, code="print('score=1')", **more):
    """Return a request for a job that takes a moment."""
    request = here.training(name, HyperParameters={"code": code}, **more)
    request["AlgorithmSpecification"]["TrainingImage"] = "quick"
    return request


def ask(here, method, path, body=None):
    connection = HTTPConnection(here.rehearsal.endpoint.removeprefix("http://"))
    connection.request(method, f"/_rehearsal/{path}", body=body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


# -- requests ----------------------------------------------------------------------------------------------


def test_what_botocore_lets_pass_and_aws_does_not_is_refused(here):
    code, text = refused(here.sagemaker.create_training_job, **here.training("under_score"))

    assert code == "ValidationException"
    assert text == (
        "1 validation error detected: TrainingJobName 'under_score' does not match "
        "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )


def test_rules_between_members_hold(here):
    request = here.tuning("cross")
    request["TrainingJobDefinition"]["StaticHyperParameters"]["a"] = "1"

    _, text = refused(here.sagemaker.create_hyper_parameter_tuning_job, **request)
    assert text == "1 validation error detected: the hyperparameter 'a' is both static and tuned"


def test_a_name_is_given_once_in_whatever_case(here):
    here.sagemaker.create_training_job(**short(here, "once"))
    code, text = refused(here.sagemaker.create_training_job, **short(here, "Once"))

    assert code == "ResourceInUse"
    assert text.startswith("Training job names must be unique within an AWS account and region")


def test_what_is_unknown_is_not_found(here):
    for call, name in (
        (here.sagemaker.describe_training_job, {"TrainingJobName": "no"}),
        (here.sagemaker.stop_training_job, {"TrainingJobName": "no"}),
        (here.sagemaker.describe_hyper_parameter_tuning_job, {"HyperParameterTuningJobName": "no"}),
    ):
        assert refused(call, **name) == ("ValidationException", "Requested resource not found.")


def test_a_role_that_sagemaker_may_not_take_on_is_refused(here):
    iam = here.client("iam")
    document = json.loads(json.dumps(TRUST))
    document["Statement"][0]["Principal"] = {"Service": "ec2.amazonaws.com"}
    arn = iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]

    for role in (arn, "arn:aws:iam::111122223333:role/nobody"):
        code, text = refused(here.sagemaker.create_training_job, **short(here, "role", RoleArn=role))
        assert code == "ValidationException"
        assert text == (
            f"Could not assume role {role}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )


def test_a_role_that_sagemaker_may_take_on_besides_others_is_fine(here):
    document = json.loads(json.dumps(TRUST))
    document["Statement"][0]["Principal"] = {"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}
    arn = here.client("iam").create_role(RoleName="two", AssumeRolePolicyDocument=json.dumps(document))
    here.sagemaker.create_training_job(**short(here, "two", RoleArn=arn["Role"]["Arn"]))

    assert here.ended("two")["TrainingJobStatus"] == "Completed"


def inputs(uri):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    return [{"ChannelName": "train", "DataSource": source}]


def test_inputs_and_outputs_have_to_be_there(here):
    nothing = f"s3://{here.bucket}/nothing"
    code, text = refused(
        here.sagemaker.create_training_job, **short(here, "in", InputDataConfig=inputs(nothing))
    )
    assert code == "ValidationException"
    assert text.startswith(f'No S3 objects found under S3 URL "{nothing}" given in input data source.')

    _, text = refused(
        here.sagemaker.create_training_job, **short(here, "in", InputDataConfig=inputs("s3://nowhere/data"))
    )
    assert text.endswith("Error message from S3: The specified bucket does not exist")

    _, text = refused(
        here.sagemaker.create_training_job,
        **short(here, "out", OutputDataConfig={"S3OutputPath": "s3://nowhere/out"}),
    )
    assert text == (
        "The S3 output path s3://nowhere/out cannot be used. "
        "Error message from S3: The specified bucket does not exist"
    )


def test_a_tuning_job_is_admitted_by_the_same_rules(here):
    request = here.tuning("admitted")
    request["TrainingJobDefinition"]["OutputDataConfig"] = {"S3OutputPath": "s3://nowhere/out"}

    _, text = refused(here.sagemaker.create_hyper_parameter_tuning_job, **request)
    assert text.startswith("The S3 output path s3://nowhere/out cannot be used.")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 30}},
            "the rehearsal does not play ResourceConfig.InstanceCount 2; it plays 1",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://b/c"}},
            "the rehearsal does not play CheckpointConfig; leave it out",
        ),
        (
            {"RetryStrategy": {"MaximumRetryAttempts": 2}},
            "the rehearsal does not play RetryStrategy; leave it out",
        ),
        (
            {"EnableNetworkIsolation": True},
            "the rehearsal does not play EnableNetworkIsolation True; it plays False; "
            "bubblewrap would let it",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "quick",
                    "TrainingInputMode": "File",
                    "ContainerEntrypoint": ["python"],
                }
            },
            "the rehearsal does not play AlgorithmSpecification.ContainerEntrypoint; leave it out",
        ),
        (
            {"AlgorithmSpecification": {"TrainingImage": "quick", "TrainingInputMode": "FastFile"}},
            "the rehearsal does not play AlgorithmSpecification.TrainingInputMode FastFile; it plays File",
        ),
        (
            {"InputDataConfig": [{**inputs("s3://b/c")[0], "InputMode": "Pipe"}]},
            "the rehearsal does not play InputDataConfig[].InputMode Pipe; it plays File",
        ),
    ],
)
def test_what_is_not_played_is_refused_by_name(here, change, text):
    refusal = refused(here.sagemaker.create_training_job, **short(here, "unplayed") | change)

    assert refusal == ("UnsupportedOperation", text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"Strategy": "Hyperband"},
            "HyperParameterTuningJobConfig.Strategy Hyperband; it plays Grid or Random or",
        ),
        ({"TrainingJobEarlyStoppingType": "Auto"}, "TrainingJobEarlyStoppingType Auto; it plays Off"),
        ({"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 1.0}}, "Criteria; leave it out"),
    ],
)
def test_tuning_that_is_not_played_is_refused_by_name(here, change, text):
    request = here.tuning("unplayed")
    request["HyperParameterTuningJobConfig"] |= change
    if "Strategy" in change:
        request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 2

    code, told = refused(here.sagemaker.create_hyper_parameter_tuning_job, **request)
    assert code == "UnsupportedOperation"
    assert text in told


def test_operations_services_and_regions_that_are_not_played_are_refused_by_name(here):
    code, text = refused(here.sagemaker.list_endpoints)
    assert code == "UnsupportedOperation"
    assert text.startswith(
        "the rehearsal does not play ListEndpoints; it plays AddTags, CreateHyperParameter"
    )

    code, text = refused(here.client("ec2").describe_instances)
    assert text.startswith(
        "the rehearsal does not play the service ec2; it plays sagemaker, s3, iam, sts, logs"
    )

    elsewhere = here.client("sagemaker", region="eu-west-1")
    _, text = refused(elsewhere.list_training_jobs)
    assert text == "the rehearsal does not play the region eu-west-1; it plays us-east-1"


def test_policies_are_simulated_for_the_sdk(here):
    answer = here.client("iam").simulate_principal_policy(
        PolicySourceArn=here.role, ActionNames=["s3:GetObject", "s3:PutObject"]
    )

    assert [(one["EvalActionName"], one["EvalDecision"]) for one in answer["EvaluationResults"]] == [
        ("s3:GetObject", "allowed"),
        ("s3:PutObject", "allowed"),
    ]


# -- lists and tags ----------------------------------------------------------------------------------------


def test_lists_are_paged_sorted_and_filtered(here):
    names = [f"page-{number:02d}" for number in range(12)]
    for name in names:
        request = here.training(name)
        request["AlgorithmSpecification"]["TrainingImage"] = "bare"  # which fails at once
        here.sagemaker.create_training_job(**request)
    for name in names:
        here.ended(name)

    def listed(**more):
        pages = here.sagemaker.get_paginator("list_training_jobs").paginate(NameContains="PAGE-", **more)
        return [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]

    assert listed() == [names[:10], names[10:]]
    assert listed(MaxResults=5) == [names[:5], names[5:10], names[10:]]
    assert listed(SortBy="Name", SortOrder="Descending", MaxResults=100) == [names[::-1]]
    assert listed(StatusEquals="Failed", SortBy="Status", MaxResults=7) == [names[:7], names[7:]]
    assert listed(StatusEquals="Completed") == [[]]

    first = here.sagemaker.list_training_jobs(MaxResults=1)
    for token in ("junk", first["NextToken"]):
        code, text = refused(here.sagemaker.list_training_jobs, NextToken=token, SortBy="Name")
        assert (code, text) == ("ValidationException", "NextToken does not belong to this request")


def test_tuning_jobs_are_listed_too(here):
    request = here.tuning("listed")
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "bare"
    here.sagemaker.create_hyper_parameter_tuning_job(**request)
    assert here.tuned("listed")["HyperParameterTuningJobStatus"] == "Failed"

    (told,) = here.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="listed", StatusEquals="Failed")[
        "HyperParameterTuningJobSummaries"
    ]
    assert (told["Strategy"], told["HyperParameterTuningJobName"]) == ("Grid", "listed")
    assert told["TrainingJobStatusCounters"]["NonRetryableError"] == 3


def test_tags_are_kept_with_their_job(here):
    arn = here.sagemaker.create_training_job(**short(here, "tags", Tags=[{"Key": "a", "Value": "1"}]))
    here.sagemaker.add_tags(
        ResourceArn=arn["TrainingJobArn"], Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}]
    )
    told = here.sagemaker.list_tags(ResourceArn=arn["TrainingJobArn"])["Tags"]

    assert told == [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}]
    assert "Tags" not in here.sagemaker.describe_training_job(TrainingJobName="tags")
    other = arn["TrainingJobArn"].replace("tags", "others")
    assert refused(here.sagemaker.list_tags, ResourceArn=other)[1] == f"the rehearsal has no resource {other}"


# -- faults ------------------------------------------------------------------------------------------------


def test_so_many_calls_are_throttled_and_the_next_one_is_not(here):
    here.rehearsal.faults.add(throttle={"ListTrainingJobs": 2, "ListObjectsV2": 1})

    for _ in range(2):
        assert refused(here.sagemaker.list_training_jobs) == ("ThrottlingException", "Rate exceeded")
    here.sagemaker.list_training_jobs()
    assert refused(here.s3.list_objects_v2, Bucket=here.bucket)[0] == "SlowDown"
    here.s3.list_objects_v2(Bucket=here.bucket)


def test_so_many_calls_get_no_answer(here):
    here.rehearsal.faults.add(drop={"ListTrainingJobs": 1})

    with pytest.raises(ConnectionClosedError):
        here.sagemaker.list_training_jobs()
    here.sagemaker.list_training_jobs()


def test_a_job_is_lost_on_demand(here):
    here.rehearsal.faults.add(lose=1)
    lost = here.sagemaker.create_training_job(**short(here, "lost", code="time.sleep(60)"))
    assert lost

    job = here.ended("lost")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == (
        "Failed",
        "InternalServerError: We encountered an internal error. Please try again.",
    )
    here.sagemaker.create_training_job(**short(here, "found"))
    assert here.ended("found")["TrainingJobStatus"] == "Completed"


def test_a_job_is_forgotten_on_demand(here):
    here.sagemaker.create_training_job(**short(here, "forgotten"))
    here.rehearsal.faults.add(forget=["forgotten"])

    call = here.sagemaker.describe_training_job
    assert refused(call, TrainingJobName="forgotten")[1] == "Requested resource not found."


def test_a_bucket_is_forbidden_on_demand(here):
    here.put("there/a")
    here.rehearsal.faults.add(forbid=[here.bucket])

    assert refused(here.s3.get_object, Bucket=here.bucket, Key="there/a") == ("AccessDenied", "Access Denied")
    with pytest.raises(ClientError, match="403"):
        here.s3.head_bucket(Bucket=here.bucket)
    request = short(here, "barred", InputDataConfig=inputs(f"s3://{here.bucket}/there"))
    _, text = refused(here.sagemaker.create_training_job, **request)
    assert text.endswith("Error message from S3: Access Denied")


def test_an_operation_is_denied_on_demand(here):
    here.rehearsal.faults.add(deny=["CreateTrainingJob", "GetRole"])
    code, text = refused(here.sagemaker.create_training_job, **short(here, "denied"))

    assert code == "AccessDeniedException"
    assert text == (
        f"User: {here.role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/rehearsal is not "
        "authorized to perform: sagemaker:CreateTrainingJob because no identity-based policy allows the "
        "sagemaker:CreateTrainingJob action"
    )
    assert refused(here.client("iam").get_role, RoleName="rehearsal")[0] == "AccessDenied"


def test_spot_is_ignored_on_demand(here):
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
    }
    here.sagemaker.create_training_job(**short(here, "spot", **spot))
    call = here.sagemaker.describe_training_job
    assert call(TrainingJobName="spot")["EnableManagedSpotTraining"] is True

    here.rehearsal.faults.add(spot=False)
    assert "EnableManagedSpotTraining" not in call(TrainingJobName="spot")


def test_faults_are_asked_for_over_the_wire_too(here):
    assert (
        ask(here, "POST", "faults", '{"throttle": {"ListTrainingJobs": 1}, "deny": ["ListTags"]}')[0] == 200
    )
    assert refused(here.sagemaker.list_training_jobs)[0] == "ThrottlingException"
    assert ask(here, "DELETE", "faults")[0] == 200
    assert not here.rehearsal.faults.denied("ListTags")

    for body, text in (("[]", "no JSON object"), ('{"burn": 1}', "burn"), ("{", "Expecting")):
        status, told = ask(here, "POST", "faults", body)
        assert status == 400
        assert text in told
    assert ask(here, "GET", "nothing") == (404, "GET about, GET calls, POST faults, DELETE faults")


# -- what it tells, keeps and leaves -------------------------------------------------------------------------


def test_every_call_is_written_down_and_uploads_are_counted(here):
    before = json.loads(ask(here, "GET", "calls")[1])
    here.put("counted/a")
    here.s3.get_object(Bucket=here.bucket, Key="counted/a")
    here.sagemaker.create_training_job(**short(here, "counted"))
    after = json.loads(ask(here, "GET", "calls")[1])

    assert after["calls"][len(before["calls"]) :] == [
        ["s3", "PutObject", f"{here.bucket}/counted/a"],
        ["s3", "GetObject", f"{here.bucket}/counted/a"],
        ["sagemaker", "CreateTrainingJob", "counted"],
    ]
    assert after["objects_uploaded"] - before["objects_uploaded"] == 1
    assert after["training_jobs"] - before["training_jobs"] == 1


def test_it_tells_where_it_is(here):
    told = Address.of(ask(here, "GET", "about")[1])

    assert told == here.rehearsal.address
    assert (told.bucket, told.isolation, told.instances) == (here.bucket, "folder", 2)


def test_its_variables_point_boto3_at_it_and_nothing_leads_elsewhere(here, monkeypatch):
    for name, value in here.rehearsal.environment.items():
        monkeypatch.setenv(name, value)
    assert boto3.Session().client("sts").get_caller_identity()["Account"] == here.rehearsal.address.account
    assert json.loads(Path(here.rehearsal.environment["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text()) == {
        "SchemaVersion": "1.0",
        "SageMaker": {
            "PythonSDK": {"Modules": {"TelemetryOptOut": True, "Session": {"DefaultS3Bucket": here.bucket}}},
            "TrainingJob": {"RoleArn": here.role},
        },
    }
    assert astray(["AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "HOME"]) == [
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL_S3",
    ]


@pytest.mark.parametrize("line", ["", "{}", '{"endpoint": "x"}', "[]", "garbage"])
def test_a_line_that_tells_no_address_is_refused(line):
    with pytest.raises(ValueError):
        Address.of(line)


def test_what_clients_put_is_there_again_and_what_jobs_wrote_is_not(tmp_path):
    quick(tmp_path / "image")
    with cloud(tmp_path / "own", isolation="folder") as first:
        first.rehearsal.faults.add(images={"quick": str(tmp_path / "image")})
        first.put("kept/größe", b"kept")
        first.put("large", b"x" * 9_000_000)
        first.put("deleted")
        first.s3.delete_object(Bucket=first.bucket, Key="deleted")
        first.s3.copy_object(Bucket=first.bucket, Key="copied", CopySource=f"{first.bucket}/kept/größe")
        first.s3.create_bucket(Bucket="another-one")
        first.s3.put_object(Bucket="another-one", Key="a", Body=b"")
        first.sagemaker.create_training_job(**short(first, "writes"))
        assert first.ended("writes")["TrainingJobStatus"] == "Completed"
        jobs = [path for path in tmp_path.glob("own/jobs/*/*") if path.is_dir()]
        assert [path.name for path in jobs] == ["writes"]
    assert jobs[0].is_dir()  # to be looked into, until the next one starts

    with cloud(tmp_path / "own", isolation="folder") as second:
        assert second.bucket == first.bucket
        assert second.listed() == ["copied", "kept/größe", "large"]
        assert second.s3.get_object(Bucket=second.bucket, Key="copied")["Body"].read() == b"kept"
        assert second.s3.head_object(Bucket=second.bucket, Key="large")["ContentLength"] == 9_000_000
        assert second.s3.head_object(Bucket="another-one", Key="a")["ContentLength"] == 0
        assert not jobs[0].exists()


def test_two_rehearsals_on_one_folder_leave_each_others_jobs_alone(tmp_path):
    with Rehearsal(tmp_path, isolation="folder") as first:
        own = Path(first.address.configuration).parent
        with Rehearsal(tmp_path, isolation="folder"):
            assert own.is_dir()


def test_uploads_in_parts_are_kept_too(here):
    upload = here.s3.create_multipart_upload(Bucket=here.bucket, Key="parts")["UploadId"]
    common = {"Bucket": here.bucket, "Key": "parts", "UploadId": upload}
    part = here.s3.upload_part(**common, PartNumber=1, Body=b"x" * 10)
    here.s3.complete_multipart_upload(
        **common, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    folder = Path(here.rehearsal.address.configuration).parents[2]

    assert (folder / "s3" / here.bucket / "parts").read_bytes() == b"x" * 10


def test_leaving_it_ends_what_runs(tmp_path):
    quick(tmp_path / "image")
    code = "open(base + '/pid', 'w').write(str(os.getpid())); time.sleep(60)"
    with cloud(tmp_path / "own", isolation="folder", instances=1) as made:
        made.rehearsal.faults.add(images={"quick": str(tmp_path / "image")})
        for name in ("runs", "waits"):
            made.sagemaker.create_training_job(**short(made, name, code=code))
        found = eventually(
            lambda: [path for path in tmp_path.glob("own/jobs/*/runs/ml/pid") if path.read_text()], bool
        )
        pid = int(found[0].read_text())
        assert alive(pid)
    assert not alive(pid)


@pytest.mark.parametrize("kind", ["docker", ""])
def test_an_isolation_that_does_not_exist_is_refused(tmp_path, kind):
    with pytest.raises(ValueError, match=f"isolation '{kind}' is neither bubblewrap nor folder"):
        Rehearsal(tmp_path, isolation=kind)


def test_bubblewrap_that_does_not_work_is_refused_or_done_without(tmp_path, monkeypatch):
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho no namespaces >&2; exit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(OSError, match="bubblewrap does not work here: no namespaces"):
        Rehearsal(tmp_path / "own", isolation="bubblewrap")
    with Rehearsal(tmp_path / "own") as made:
        assert made.address.isolation == "folder"
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OSError, match="bubblewrap is not installed"):
        Rehearsal(tmp_path / "own", isolation="bubblewrap")
