"""`--backend=sagemaker`, rehearsed: what travels, what comes back, and what is said when something breaks."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

# Runs in this process throw away what they import anew, and the SDK takes seconds.
import boto3  # noqa: F401
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import sagemaker.core.common_utils
import sagemaker.core.config.config_schema
import sagemaker.core.helper.session_helper
import sagemaker.core.image_uris  # noqa: F401
from rehearsed import cloud

import harness.backends.sagemaker.backend
import harness.rehearsal.plugin  # noqa: F401
from harness.backends.sagemaker.service import Service
from harness.data.table import read

REHEARSED = ("--backend=sagemaker", "--rehearse")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """One rehearsal for all tests; jobs see the folders that a container would have."""
    with cloud(tmp_path_factory.mktemp("cloud"), instances=2, isolation="folder") as made:
        yield made


@pytest.fixture
def aws(played, monkeypatch):
    """The rehearsal, with nothing wrong and this process told of it."""
    played.rehearsal.faults.clear()
    monkeypatch.setenv("HARNESS_REHEARSAL", played.rehearsal.endpoint)
    return played


def rehearse(project, *arguments, **options):
    return project.run(*REHEARSED, *arguments, workers=None, **options)


def calls(aws, operation):
    return [resource for _, called, resource in aws.rehearsal.journal.calls() if called == operation]


def trials(project):
    newest = max((project.path / ".harness" / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    lines = map(json.loads, (newest / "journal.jsonl").read_text().splitlines())
    return {record["id"]: record for record in lines if record["kind"] == "trial"}


SHOPS = """
from pathlib import Path
import pandas as pd
from sklearn.compose import make_column_transformer
from harness import dataset, features

@dataset(target="sold", seed=1)
def shops():
    return pd.read_csv(Path(__file__).parent / "rows.csv")

@features
def sized(shops):
    return make_column_transformer(("passthrough", ["size", "street"]))
"""
TREES = """
from sklearn.tree import DecisionTreeClassifier
from harness import grid

@grid(max_depth=[1, 2])
def experiment_tree(sized, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), sized)

def gate_accuracy(experiment_tree):
    assert experiment_tree.best.test.accuracy >= 0.6
"""


@pytest.fixture
def marked(empty_project):
    """A project whose rows each have a text that no other row has."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=300), "street": rng.normal(size=300)})
    frame["note"] = [f"sentinel-{rng.integers(2**62):020d}" for _ in range(300)]
    frame["sold"] = np.where(frame["size"] + frame["street"] > 0, "yes", "no")
    frame.to_csv(empty_project.path / "rows.csv", index=False)
    return empty_project.write({"conftest.py": SHOPS, "experiment_shops.py": TREES})


def contents(path, data=None):
    """Yield everything in a file, also what is packed in it."""
    data = path.read_bytes() if data is None else data
    yield data
    if data[:2] == b"\x1f\x8b":
        yield from contents(path, gzip.decompress(data))
    elif data[:4] == b"PAR1":
        yield pq.ParquetFile(io.BytesIO(data)).read().to_pandas().to_csv().encode()
    elif zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield archive.read(name)
    else:
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                for member in archive:
                    if member.isfile():
                        yield from contents(path, archive.extractfile(member).read())
        except tarfile.TarError:
            return


def test_test_rows_stay_here_and_a_second_run_uploads_nothing(marked, aws, database, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    before = len(calls(aws, "PutObject"))

    first = rehearse(marked, tracking=True)

    first.assert_outcomes(passed=4)
    first.stdout.fnmatch_lines(
        [
            "rehearsal: SageMaker is played on this machine, nothing of this is AWS",
            "SageMaker: experiment_tree: 2 as a Grid tuning job tree-????????-0001",
            "SageMaker: 2 trials x ml.m5.xlarge x at most 3600 s = at most 0.46 USD*",
            "SageMaker: stays here: rows.csv",
            "rehearsed on this machine, not on AWS: 2 training jobs, 3 objects uploaded",
        ]
    )
    uploaded = calls(aws, "PutObject")[before:]
    assert sorted(key.rpartition("/")[2] for key in uploaded) == [
        "sourcedir.tar.gz", "train.parquet", "validation.parquet",
    ]  # fmt: skip

    # Nothing of a test row is in the bucket or in a job's folder; rows of the other splits are.
    (sealed,) = (marked.path / ".harness" / "sealed").iterdir()
    secret = {note.encode() for note in read(sealed / "test.arrow").frame["note"]}
    assert len(secret) == 30
    keys = aws.listed("harness/")
    objects = {key: aws.s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read() for key in keys}
    jobs = [path for path in aws.rehearsal._folder.joinpath("jobs").rglob("*") if path.is_file()]
    pieces = [piece for key, data in objects.items() for piece in contents(Path(key), data)]
    pieces += [piece for path in jobs for piece in contents(path)]
    found = {note for piece in pieces for note in re.findall(rb"sentinel-\d{20}", piece)}
    assert len(found) == 270
    assert found & secret == set()

    # MLflow knows where each trial ran.
    with sqlite3.connect(database.removeprefix("sqlite:///")) as db:
        tags = dict(
            db.execute("select run_uuid || key, value from tags where key = 'sagemaker.training_job'")
        )
        pages = [v for (v,) in db.execute("select value from tags where key = 'sagemaker.console'")]
    assert {job.rpartition("-")[0][-3:] for job in tags.values()} == {"001", "002"}
    assert all(page.startswith("https://us-east-1.console.aws.amazon.com/sagemaker/") for page in pages)

    second = rehearse(marked, "--durations=1")  # how it is shown is nothing that travels

    second.assert_outcomes(passed=4)
    second.stdout.fnmatch_lines(["*2 training jobs, 0 objects uploaded"])
    assert len(calls(aws, "PutObject")) == before + 3

    # And what is known needs no job.
    third = rehearse(marked, "--resume")

    assert "2 reused from earlier runs, unchanged" in third.stdout.str()
    third.stdout.fnmatch_lines(["*0 training jobs, 0 objects uploaded"])


SEARCH = """
from sklearn.tree import DecisionTreeClassifier
from harness import choice, experiment, integers, loguniform, search, uniform

@experiment(repeats=2)
@search(trials=2, depth=integers(1, 6), leaf=loguniform(0.001, 0.1),
        part=uniform(0.5, 1.0), how=choice("gini", "entropy"))
def experiment_search(scaled, trial, depth, leaf, part, how):
    trial.fit(
        DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, max_features=part, criterion=how),
        scaled,
    )
"""
AGAIN = """
import pytest
from sklearn.tree import DecisionTreeClassifier
from harness import experiment

@experiment(repeats=2)
@pytest.mark.parametrize(("depth", "leaf", "part", "how"), {points!r})
def experiment_search(scaled, trial, depth, leaf, part, how):
    trial.fit(
        DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, max_features=part, criterion=how),
        scaled,
    )
"""


def test_a_search_chooses_there_and_gives_what_the_same_values_give_here(project, aws):
    place = "experiments/experiment_shops.py"
    project.write({place: SEARCH})

    result = rehearse(project, "--threads=1")

    result.assert_outcomes(passed=3)
    assert "experiment_search: 2 as a Bayesian tuning job" in result.stdout.str()
    there = trials(project)
    points = [tuple(there[f"trial:{n:02}"]["params"].values()) for n in range(2)]
    assert len(set(points)) == 2
    assert all(1 <= depth <= 6 and 0.001 <= leaf <= 0.1 for depth, leaf, _, _ in points)

    project.write({place: AGAIN.format(points=points)})
    project.run("--threads=1")
    here = list(trials(project).values())
    assert [r["scores"] for r in here] == [there[f"trial:{n:02}"]["scores"] for n in range(2)]
    assert [r["repeats"] for r in here] == [there[f"trial:{n:02}"]["repeats"] for n in range(2)]
    assert {len(r["repeats"]) for r in here} == {2}


def test_trouble_on_the_way_is_overcome_and_a_lost_job_is_one_error(project, aws):
    aws.rehearsal.faults.add(
        throttle={"CreateHyperParameterTuningJob": 1, "ListTrainingJobsForHyperParameterTuningJob": 4},
        drop={"DescribeTrainingJob": 4, "GetObject": 1},
        lose=1,
        spot=False,
    )

    result = rehearse(project, "--sagemaker-spot")

    result.assert_outcomes(passed=4, errors=1)
    text = result.stdout.str()
    assert "InternalServerError: We encountered an internal error. Please try again." in text
    assert re.search(
        r"https://us-east-1\.console\.aws\.amazon\.com/sagemaker/home\?region=us-east-1#/jobs/tree-", text
    )
    assert re.search(r"1 error: training job tree-\w+-0001-00\d-\w+ failed", text)
    assert "passed  gate_accuracy" in text
    assert "sagemaker_spot is set, but jobs ran on machines at the full price" in text


def test_an_image_without_the_toolkit_says_so_for_each_trial(project, aws, tmp_path):
    image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/bare:1"
    (tmp_path / "bin").mkdir()
    aws.rehearsal.faults.add(images={image: str(tmp_path / "bin")})

    result = rehearse(project, f"--sagemaker-image={image}")

    result.assert_outcomes(passed=1, errors=3, failed=1)
    assert '"train": executable file not found in $PATH' in result.stdout.str()


def test_a_trial_that_runs_too_long_is_stopped_and_says_so(project, aws):
    project.write(
        {
            "experiments/experiment_shops.py": """
            import time

            def experiment_slow(trial):
                print("asleep", flush=True)
                time.sleep(60)
            """
        }
    )

    result = rehearse(project, "--sagemaker-max-runtime=1")

    result.assert_outcomes(errors=1)
    assert "ran longer than sagemaker_max_runtime = 1 seconds and was stopped" in result.stdout.str()


def test_x_stops_the_jobs_and_what_did_not_run_is_no_error(project, aws):
    project.write(
        {
            "experiments/experiment_shops.py": """
            import time
            from harness import experiment, grid

            @experiment(maximize="speed")
            @grid(gear=[1, 2, 3, 4, 5, 6])
            def experiment_ride(trial, gear):
                trial.log(speed=gear)
                assert gear > 1
                time.sleep(60)
            """
        }
    )

    result = rehearse(project, "-x")

    result.assert_outcomes(failed=1)
    assert len(calls(aws, "StopHyperParameterTuningJob")) == 1
    assert "5 not run" in result.stdout.str()


def test_ctrl_c_stops_the_jobs_at_once(project, aws):
    project.write(
        {
            "experiments/experiment_shops.py": """
            import time

            def experiment_slow(trial):
                time.sleep(600)
            """
        }
    )
    before = len(calls(aws, "StopTrainingJob"))
    arguments = [sys.executable, "-m", "pytest", *REHEARSED, "--no-tracking"]
    with subprocess.Popen(
        arguments, cwd=project.path, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "80"}
    ) as process:
        created = len(calls(aws, "CreateTrainingJob"))
        while len(calls(aws, "CreateTrainingJob")) == created:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert re.search(r"SageMaker: stopping slow-\w{8}-0000", output)
    (job,) = calls(aws, "StopTrainingJob")[before:]
    assert aws.ended(job)["TrainingJobStatus"] == "Stopped"


def test_two_runs_of_one_experiment_at_once_do_not_meet(project, aws):
    arguments = [sys.executable, "-m", "pytest", *REHEARSED, "--no-tracking", "-k", "max_depth:1"]
    both = [
        subprocess.Popen(arguments, cwd=project.path, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    assert [output.count("experiment_tree: 1 as a training job") for output in outputs] == [1, 1]
    first, second = calls(aws, "CreateTrainingJob")[-2:]
    assert first != second


def refused(project, *arguments):
    result = rehearse(project, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def test_a_role_that_cannot_be_assumed_is_told_with_the_remedy(project, aws):
    before = calls(aws, "StopHyperParameterTuningJob")

    text = refused(project, "--sagemaker-role=arn:aws:iam::123456789012:role/nobody")

    assert "Could not assume role arn:aws:iam::123456789012:role/nobody" in text
    assert (
        "let sagemaker.amazonaws.com assume it (docs/sagemaker.md), or name another in sagemaker_role" in text
    )
    assert calls(aws, "StopHyperParameterTuningJob") == before


def test_a_bucket_that_is_missing_is_told(project, aws):
    text = refused(project, "--sagemaker-bucket=there-is-no-such-bucket")

    assert "bucket 'there-is-no-such-bucket'" in text
    assert "--sagemaker-bucket=NAME" in text


def test_a_bucket_that_is_forbidden_is_told(project, aws):
    aws.rehearsal.faults.add(forbid=[aws.bucket])

    text = refused(project)

    assert aws.bucket in text
    assert "s3:ListBucket" in text


def test_an_operation_that_is_denied_is_told(project, aws):
    aws.rehearsal.faults.add(deny=["CreateHyperParameterTuningJob"])

    text = refused(project)

    assert "AccessDeniedException" in text
    assert "docs/sagemaker.md lists the permissions that are needed" in text


def test_what_costs_too_much_is_refused_before_anything_is_sent(project, aws):
    before = len(aws.rehearsal.journal.calls())

    text = refused(project, "--max-cost=0.10", "--junitxml=junit.xml")

    assert "3 trials may cost 0.69 USD, more than --max-cost=0.1" in text
    assert 'errors="1"' in (project.path / "junit.xml").read_text()
    sent = {operation for _, operation, _ in aws.rehearsal.journal.calls()[before:]}
    assert not {o for o in sent if o.startswith(("Create", "Put"))}, sent


def test_a_request_over_the_service_s_limits_is_refused_before_anything_is_sent(project, aws):
    before = len(calls(aws, "PutObject"))

    text = refused(project, "--sagemaker-instance=ml.enormous")

    assert "SageMaker would refuse tree-" in text
    assert "'ml.enormous'" in text
    assert len(calls(aws, "PutObject")) == before


def test_a_helper_that_git_does_not_track_is_told(project, aws):
    project.write({"helper.py": "depth = 1\n", ".gitignore": "helper.py\n.harness\n"})
    conftest = project.path / "conftest.py"
    conftest.write_text("import helper\n" + conftest.read_text())
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=project.path, check=True)

    text = refused(project)

    assert "helper.py" in text
    assert "git add it, or name it in sagemaker_include" in text


def test_jobs_that_nobody_can_look_after_are_stopped(project, aws):
    before = len(calls(aws, "StopHyperParameterTuningJob"))
    aws.rehearsal.faults.add(deny=["ListTrainingJobsForHyperParameterTuningJob"])

    result = rehearse(project)

    result.assert_outcomes(passed=1, errors=3, failed=1)
    assert "AccessDeniedException" in result.stdout.str()
    result.stdout.fnmatch_lines(["SageMaker: stopping tree-*-0001"])
    assert len(calls(aws, "StopHyperParameterTuningJob")) == before + 1


def test_ctrl_c_while_jobs_are_submitted_stops_those_that_may_have_been_started(project, aws, monkeypatch):
    before = len(calls(aws, "StopHyperParameterTuningJob"))
    create = Service.create

    def interrupted(service, request):
        create(service, request)
        raise KeyboardInterrupt

    monkeypatch.setattr(Service, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):  # pytester's own
        rehearse(project)

    assert len(calls(aws, "StopHyperParameterTuningJob")) == before + 1


def test_a_trial_that_is_skipped_by_a_mark_costs_nothing(project, aws):
    project.write(
        {
            "experiments/experiment_shops.py": """
            import pytest

            @pytest.mark.skip(reason="not today")
            def experiment_later(trial): ...
            """
        }
    )
    before = len(calls(aws, "CreateTrainingJob"))

    result = rehearse(project, "-rs")

    result.assert_outcomes(skipped=1)
    assert "experiment_shops.py:4: not today" in result.stdout.str()
    assert len(calls(aws, "CreateTrainingJob")) == before


def test_what_was_typed_does_not_travel(project, aws):
    conftest = project.path / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "\ndef pytest_addoption(parser): parser.addoption('--colour', default='red')\n"
    )
    place = "experiments/experiment_shops.py"
    project.write(
        {
            place: """
            import sys
            from harness import experiment

            @experiment(maximize="typed")
            def experiment_told(trial, request):
                assert request.config.getoption("--colour") == "green"
                trial.log(typed=len(sys.argv))
            """
        }
    )

    rehearse(project, "--colour=green", "-k", "experiment_told").assert_outcomes(passed=1)

    (record,) = trials(project).values()
    assert record["logged"] == {"typed": 1}


def test_without_the_sdk_one_line_says_what_to_install(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "sagemaker", None)

    result = project.run("--backend=sagemaker", workers=None)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --backend=sagemaker needs the SageMaker SDK: pip install 'harness?sagemaker?'"]
    )


_RIGHTS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket"}
"""Operations of S3 that are allowed under another name."""


def test_the_documented_policy_allows_every_call_that_was_made_and_no_other(project, aws, request):
    """Last in this file: it looks at what all tests before it did."""
    page = (Path(__file__).parent.parent / "docs" / "sagemaker.md").read_text()
    caller, trust, job = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    actions = [statement["Action"] for statement in caller["Statement"]]
    allowed = {a for action in actions for a in ([action] if isinstance(action, str) else action)}

    rehearse(project, "-k", "max_depth:1").assert_outcomes(passed=2)  # also where this test runs alone
    made = {
        f"{service}:{_RIGHTS.get(operation, operation)}"
        for service, operation, _ in aws.rehearsal.journal.calls()
    }

    assert made <= allowed
    selected = {item.name for item in request.session.items if item.path == Path(__file__)}
    if selected == {name for name in globals() if name.startswith("test_")}:
        assert allowed - made <= {"iam:PassRole"}
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert job["Version"] == "2012-10-17"
