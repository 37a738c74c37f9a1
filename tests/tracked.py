"""Recorded runs, as pytest would have left them, in; what MLflow holds of them, ids replaced by keys, out."""

from harness.results import BestRecord, ContractRecord, GateRecord, RunRecord, TrialRecord
from harness.rundir import RunFolder
from harness.tracking.quiet import quiet

NODE = "experiments/experiment_income.py::experiment_a"
STARTED = 1_700_000_000.0
DIGEST = "0123456789abcdef" * 4


def begin(store, project, id="run-1", **fields):
    record = RunRecord(
        **{
            "id": id,
            "project": project,
            "started": STARTED,
            "backend": "local",
            "harness_version": "0.1.0",
            "commit": "c0ffee",
            "dirty": True,
            **fields,
        }
    )
    return RunFolder.create(store, record)


def trial(number, **fields):
    return TrialRecord(
        **{
            "node_id": f"{NODE}[C:{number}]",
            "experiment": "experiment_a",
            "index": number,
            "id": f"C:{number}",
            "params": {"C": number, "solver": "lbfgs"},
            "outcome": "passed",
            "dataset": "income",
            "data_digest": DIGEST,
            "objective": "roc_auc",
            "scores": {"train": {"roc_auc": 0.9}, "validation": {"roc_auc": 0.8 + number / 100}},
            "started": STARTED + number,
            "seconds": 0.5,
            "fit_seconds": 0.25,
            "peak_memory": 3 * 2**20,
            **fields,
        }
    )


CONTRACT = ContractRecord(
    node_id="experiments/conftest.py::contract[income]",
    dataset="income",
    outcome="passed",
    contract="income",
    verdict="passed with warnings",
    digest=DIGEST,
    task="binary",
    rows={"train": 70, "validation": 20, "test": 10},
    columns={"age": "int64", "job": "str", "income": "str"},
    target="income",
)
GATE = GateRecord(
    node_id="experiments/experiment_income.py::gate_accuracy",
    name="gate_accuracy",
    outcome="failed",
    experiments=["experiment_a"],
    readings={"experiment_a.best.test.accuracy": 0.8},
    message="    def gate_accuracy(experiment_a):\n>       assert a.best\nE       assert 0.8 >= 0.9\n",
)
BEST = BestRecord(
    experiment="experiment_a", node_id=f"{NODE}[C:1]", baseline={"roc_auc": 0.5}, test={"accuracy": 0.8}
)


def fit():
    """Return raw rows and a model of them."""
    import numpy as np
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from harness.models.columns import describe
    from harness.models.model import Model

    random = np.random.default_rng(0)
    n = 120
    rows = pd.DataFrame(
        {
            "age": random.integers(18, 90, n),
            "gain": random.normal(size=n),
            "job": random.choice(["cook", "pilot", "nurse"], n),
            "level": pd.Categorical(random.choice(["low", "high"], n), ["low", "high"], ordered=True),
            "member": random.random(n) > 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, n), unit="D"),
        }
    )
    rows.loc[2, "gain"] = np.nan
    rows.loc[3, "job"] = None
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer((SimpleImputer(), ["age", "gain", "member"]), (text, ["job", "level"]))
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=2000))
    pipeline.fit(rows, ((rows.age + 20 * rows.member) > 60).astype(int))
    return rows, Model(describe(rows), (), pipeline, "binary", ["<=50K", ">50K"])


def give_model(folder, fitted, project_folder):
    from harness.models.pickling import dumps

    rows, model = fitted
    (folder.path / "model.pkl").write_bytes(dumps(model, project_folder))
    (folder.path / "example.json").write_text(rows.head(100).to_json(orient="split", date_format="iso"))


def record(folder, *records, exit=0):
    for item in records:
        folder.record(item)
    if exit is not None:
        folder.finish(exit, STARTED + 60)
    return folder


def whole_run(store, project, fitted, **fields):
    """Two experiments, a gate, a curve, an artifact and a model."""
    folder = begin(store, project, **fields)
    give_model(folder, fitted, store.root.parent)
    (folder.path / "3.txt").write_text("a drawing")
    other = {"node_id": f"{NODE}_b", "experiment": "experiment_a_b", "id": "", "params": {}}
    return record(
        folder,
        CONTRACT,
        trial(0, curves={"loss": [0.5, 0.25, 0.375]}, logged={"rounds": 7}),
        trial(1, files={"model": "model.pkl", "artifact/plots/roc.txt": "3.txt"}),
        trial(0, **other, outcome="raised", message="ValueError: no"),
        GATE,
        BestRecord.from_json({**BEST.to_json(), "example": "example.json"}),
        exit=1,
    )


def content(uri, project):
    """Everything that MLflow holds about a project, with ids of runs and models replaced by keys."""
    with quiet():
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(project).experiment_id
        runs = client.search_runs([experiment])
        logged = client.search_logged_models([experiment])
        keys = {run.info.run_id: run.data.tags["harness.key"] for run in runs}
        keys |= {f"models:/{model.model_id}": model.tags["harness.key"] for model in logged}
        found = {}
        for run in runs:
            files = [item.path for item in client.list_artifacts(run.info.run_id)]
            seen = sorted({"curve_loss", "curve_c", "seconds", "test_accuracy"} & run.data.metrics.keys())
            histories = {key: client.get_metric_history(run.info.run_id, key) for key in seen}
            assert run.data.tags["harness.key"] not in found, "written twice"
            found[run.data.tags["harness.key"]] = {
                "name": run.info.run_name,
                "status": run.info.status,
                "times": (run.info.start_time, run.info.end_time),
                "params": run.data.params,
                "metrics": dict(run.data.metrics),
                "histories": {k: [(m.step, m.value, m.timestamp) for m in h] for k, h in histories.items()},
                "tags": {key: keys.get(value, value) for key, value in run.data.tags.items()},
                "inputs": [
                    (i.dataset.name, i.dataset.digest, *(tag.value for tag in i.tags))
                    for i in run.inputs.dataset_inputs
                ],
                "outputs": [keys[f"models:/{o.model_id}"] for o in run.outputs.model_outputs],
                "files": files,
            }
        for model in logged:
            key = model.tags["harness.key"]
            assert key not in found, "written twice"
            found[key] = {
                "run": keys[model.source_run_id],
                "status": str(model.status),
                "params": model.params,
                "metrics": {metric.key: metric.value for metric in model.metrics or ()},
            }
    return found
