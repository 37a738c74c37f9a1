"""Registered models: what is found behind an alias, what a promotion leaves in MLflow."""

import itertools
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from tracked import BEST, GATE, NODE, begin, fit, give_model, record, trial

from harness.errors import TrackingError
from harness.models import seen
from harness.results import ContractRecord
from harness.tracking import deliver, registry
from harness.tracking.evidence import promotion
from harness.tracking.grouped import groups
from harness.tracking.quiet import quiet
from harness.tracking.registry import Promoted, find, promote

with quiet():
    import mlflow
    from mlflow import MlflowClient

pytestmark = pytest.mark.usefixtures("apart_from_mlflow")

PROJECTS = (f"registry {i}" for i in itertools.count())


@pytest.fixture(scope="module")
def fitted():
    return fit()


@pytest.fixture
def project():
    return next(PROJECTS)


@pytest.fixture
def uri(database, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    return database


@pytest.fixture
def look(store, uri, project):
    return lambda name=project, alias="champion": find(name, alias, root=store.root.parent, store=store)


ROWS = np.array([3, 5, 8], dtype=np.uint64)


def delivered(store, project, fitted, uri, **fields):
    """Deliver a run whose best model tells which rows it has seen."""
    folder = begin(store, project, **{"dirty": False, **fields})
    give_model(folder, fitted, store.root.parent)
    seen.save(folder.path / "rows.npy", ROWS)
    digest = f"digest of {folder.run.id}"
    best = replace(
        BEST, example="example.json", rows="rows.npy", model_digest=digest, test_rows="r", openings=4
    )
    contract = ContractRecord(
        node_id="conftest.py::contract[income]",
        dataset="income",
        outcome="passed",
        contract="income",
        verdict="passed",
        digest="0123456789abcdef" * 2,
    )
    passed = replace(GATE, outcome="passed", message="", note="no champion yet")
    record(folder, contract, trial(0), trial(1, files={"model": "model.pkl"}), passed, best)
    assert deliver(store, root=store.root.parent, uri=uri).problem is None
    return folder


def raise_up(folder, project, uri, alias="champion"):
    (group,) = groups(folder.records())
    wanted = promotion(folder.run, group, name=project, alias=alias)
    return wanted, promote(wanted, folder.delivered(), root=folder.path)


def test_nothing_is_found_where_nothing_was_promoted(look, tmp_path, monkeypatch, uri, project):
    assert look("no such model") is None
    MlflowClient(uri).create_registered_model(project)
    assert look() is None, "it has no such alias"

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert look("no store") is None
    assert not list(tmp_path.rglob("mlflow.db")), "to look makes no store"


def test_a_promoted_model_is_found_again_with_its_evidence(store, project, fitted, uri, look):
    folder = delivered(store, project, fitted, uri)

    wanted, made = raise_up(folder, project, uri)
    assert made == Promoted("1", True)

    found = look()
    raw, model = fitted
    assert (found.name, found.version) == (project, "1")
    assert (found.model.predict(raw) == model.predict(raw)).all()
    assert type(found.model) is type(model), "a class of this process"
    assert found.rows.tolist() == ROWS.tolist()
    assert found.facts["params"] == {"C": 1, "solver": "lbfgs"}
    assert found.facts["model_digest"] == "digest of run-1"
    assert (found.facts["objective"], found.facts["fit_seconds"]) == ("roc_auc", 0.25)

    client = MlflowClient(uri)
    version = client.get_model_version_by_alias(project, "champion")
    assert dict(version.tags) == {
        "harness.experiment": "experiment_a",
        "harness.node_id": f"{NODE}[C:1]",
        "harness.params": '{"C": 1, "solver": "lbfgs"}',
        "harness.dataset": "income",
        "harness.data_digest": "0123456789abcdef" * 2,
        "harness.contract": "passed",
        "harness.test_rows": "r",
        "harness.openings": "4",
        "harness.run": "run-1",
        "harness.commit": "c0ffee",
        "harness.git.dirty": "false",
        "harness.model_digest": "digest of run-1",
        "gate.gate_accuracy": "passed: experiment_a.best.test.accuracy 0.8000; no champion yet",
    }
    head, _, rest = version.description.partition("\n\n")
    assert head == "experiment_a, commit c0ffee; income 0123456789ab, contract passed"
    assert rest.startswith("best of 2 trials: C=1, solver=lbfgs; roc_auc 0.81 on validation")
    assert "| gate_accuracy | passed | experiment_a.best.test.accuracy 0.8000; no champion yet |" in rest
    with quiet():
        text = mlflow.artifacts.load_text(f"{client.get_run(version.run_id).info.artifact_uri}/evidence.json")
    told = json.loads(text)
    assert told == json.loads(json.dumps(wanted.evidence))
    assert told["gates"][0]["readings"] == {"experiment_a.best.test.accuracy": 0.8}
    assert told["data"]["verdict"] == "passed"
    assert told["trial"]["scores"]["test"] == {"accuracy": 0.8}
    tags = client.get_run(version.run_id).data.tags
    assert {name: tags[f"harness.{name}"] for name in ("model_digest", "test_rows", "openings")} == {
        "model_digest": "digest of run-1",
        "test_rows": "r",
        "openings": "4",
    }
    logged = client.get_logged_model(version.source.rpartition("/")[2])
    listed = json.loads(logged.tags["mlflow.modelVersions"])
    assert listed == [{"name": project, "version": "1"}], "so that MLflow's UI shows it beside the model"


def test_the_same_model_is_registered_once_and_another_moves_the_alias(store, project, fitted, uri, look):
    first = delivered(store, project, fitted, uri, id="run-1")
    second = delivered(store, project, fitted, uri, id="run-2")

    assert raise_up(first, project, uri)[1] == Promoted("1", True)
    assert raise_up(first, project, uri)[1] == Promoted("1", False)
    assert raise_up(second, project, uri, "challenger")[1] == Promoted("2", True)
    assert (look().version, look(alias="challenger").version) == ("1", "2")
    assert raise_up(second, project, uri)[1] == Promoted("3", True)
    assert look().facts["model_digest"] == "digest of run-2"


def test_a_model_that_got_the_alias_by_hand_is_known(store, project, fitted, uri, look):
    folder = delivered(store, project, fitted, uri)
    client = MlflowClient(uri)
    key = f"experiment:{NODE}"
    parent = client.get_run(folder.delivered()[uri][key].mlflow_run)
    client.create_registered_model(project)
    made = client.create_model_version(project, parent.data.tags["best.model_uri"])
    client.set_registered_model_alias(project, "champion", made.version)

    assert look().rows.tolist() == ROWS.tolist()
    assert raise_up(folder, project, uri)[1] == Promoted("1", False)


def test_a_model_of_another_maker_is_refused(store, project, uri, look, tmp_path):
    client = MlflowClient(uri)
    client.create_registered_model(project)
    with quiet(), warnings.catch_warnings(action="ignore"):
        mlflow.pyfunc.save_model(
            tmp_path / "theirs", python_model=lambda model_input: model_input, pip_requirements=[]
        )
    made = client.create_model_version(project, (tmp_path / "theirs").as_uri())
    client.set_registered_model_alias(project, "champion", made.version)

    for _ in range(2):
        with pytest.raises(TrackingError) as caught:
            look()
        assert str(caught.value) == (
            f"version 1 of {project} was not logged by the harness; give the alias to a best trial's model, "
            "or name another model: @experiment(registered_name=…)"
        )
        (tmp_path / "theirs" / "python_model.pkl").unlink(missing_ok=True)  # as of another flavour


def test_a_server_that_does_not_answer_is_told(store, monkeypatch, look, fitted, project, uri):
    folder = delivered(store, project, fitted, uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")

    with pytest.raises(TrackingError) as caught:
        look("income")
    assert str(caught.value).startswith(
        "MLflow at http://127.0.0.1:9 cannot be asked for the champion of income: "
    )
    assert str(caught.value).endswith("; see that it can be reached, or name another MLFLOW_TRACKING_URI")
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9 lacks the run of .*\[C:1\]; mend"):
        raise_up(folder, project, uri)


def test_a_model_that_cannot_be_loaded_here_is_told(store, project, fitted, uri, look, monkeypatch):
    raise_up(delivered(store, project, fitted, uri), project, uri)

    def loads(payload):
        raise ModuleNotFoundError("No module named 'xgboost'")

    monkeypatch.setattr(registry, "loads", loads)
    with pytest.raises(TrackingError) as caught:
        look()
    assert str(caught.value) == (
        f"version 1 of {project} cannot be loaded here: ModuleNotFoundError: No module named 'xgboost'; run "
        "in the environment that trained it, or give the alias to another version"
    )
