import os
import subprocess
import sys

import pytest

from harness import cli
from harness.results import RunRecord, TrialRecord
from harness.rundir import RunFolder
from harness.store import Store
from harness.tracking.quiet import quiet


@pytest.fixture(autouse=True)
def _no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def record(root, *, store=".harness", trials=2):
    place = Store(root / store)
    place.open()
    folder = RunFolder.create(
        place,
        RunRecord(
            id="r", project="p", started=1e9, backend="local", harness_version="1", commit=None, dirty=None
        ),
    )
    for i in range(trials):
        node_id = f"e.py::experiment_a[C:{i}]"
        folder.record(
            TrialRecord(
                node_id=node_id, experiment="experiment_a", index=i, id=f"C:{i}", params={}, outcome="passed",
                started=1e9,
            )
        )  # fmt: skip
    folder.finish(0, 1e9 + 1)
    return folder


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["sync", "--wat"]])
def test_wrong_usage_exits_with_2_and_says_how_to_use_it(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(arguments)
    assert error.value.code == 2
    assert "usage: harness" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "word"), [("none", "no folder"), ("file", "not a folder")])
def test_a_root_that_is_no_folder_is_wrong_usage(tmp_path, capsys, name, word):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as error:
        cli.main(["sync", "--root", str(tmp_path / name)])
    assert error.value.code == 2
    assert f"{name}' is {word}" in capsys.readouterr().err


def test_a_folder_without_runs_is_told(tmp_path, capsys):
    assert cli.main(["sync", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"harness sync: no run is recorded in {tmp_path / '.harness'}; "
        "run pytest there first, or name the project with --root DIR\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_from_below_the_project_deliver_everything_once_and_say_nothing_else(tmp_path):
    record(tmp_path)
    below = tmp_path / "experiments"
    below.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    command = [sys.executable, "-c", "import sys; from harness.cli import main; sys.exit(main(['sync']))"]
    both = [
        subprocess.Popen(
            command, cwd=below, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=120) for process in both)

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (done,) = [text for text, _ in said if text.startswith("delivered")]
    (other,) = [text for text, _ in said if not text.startswith("delivered")]
    assert done == f"delivered to {uri}: 1 experiment, 2 trials, 0 models\n"
    assert other in (
        f"nothing to deliver: {uri} has every recorded run\n",
        "1 run left to the processes that are at them\n",
    )
    assert {problem for _, problem in said} == {""}
    assert [process.returncode for process in both] == [0, 0]
    with quiet():
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        found = client.get_experiment_by_name("p")
        assert found.artifact_location == (tmp_path / "mlruns").as_uri()
        assert len(client.search_runs([found.experiment_id])) == 3


def test_what_cannot_be_delivered_is_told_and_the_store_named_by_the_option_is_read(tmp_path, capsys):
    record(tmp_path, store="kept")
    (tmp_path / "mlflow.db").write_text("not a database")

    assert cli.main(["sync", "--root", str(tmp_path), "--store", "kept"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"harness sync: 3 not delivered: MLflow's store {tmp_path / 'mlflow.db'} is not a SQLite database: "
        "it starts with b'not a database'; move it away, "
        "name another place with MLFLOW_TRACKING_URI=…, or run with --no-tracking\n"
    )
    assert (tmp_path / "mlflow.db").read_text() == "not a database"
