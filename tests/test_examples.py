"""The examples on their real data, against independent references; the logged model in a fresh process."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

ROOT = Path(__file__).parent.parent

REFERENCE = """
    import json
    from lightgbm import LGBMClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import FunctionTransformer
    from xgboost import XGBClassifier
    from harness import dataset, features
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from conftest import DATA
    import pandas as pd

    @dataset(target="income", positive=">50K", seed=42)
    def census():
        return pd.read_parquet(DATA / "income.parquet")

    def categories(X):
        text = X.columns.difference(X.select_dtypes("number").columns)
        return X.astype(dict.fromkeys(text, "category"))

    @features
    def native(census):
        return FunctionTransformer(categories)

    @features
    def linear(census):
        numeric = census.train.X.select_dtypes("number").columns
        text = census.train.X.columns.difference(numeric)
        return make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
            (OneHotEncoder(handle_unknown="ignore"), text),
        )

    def experiment_census_logistic(linear, trial):
        trial.fit(LogisticRegression(max_iter=1000), linear)

    def experiment_census_xgboost(native, trial):
        model = XGBClassifier(enable_categorical=True, tree_method="hist", random_state=42, n_jobs=1)
        trial.fit(model, native)

    def experiment_census_lightgbm(native, trial):
        trial.fit(LGBMClassifier(random_state=42, n_jobs=1, verbose=-1), native)

    def gate_report(
        census, experiment_census_logistic, experiment_census_xgboost, experiment_census_lightgbm
    ):
        found = {}
        for e in (experiment_census_logistic, experiment_census_xgboost, experiment_census_lightgbm):
            found[e.name] = [e.best.validation.roc_auc, e.best.test.roc_auc, e.best.test.accuracy]
        rows = [split.X.index.tolist() for split in (census.train, census.validation, census.test)]
        best = experiment_census_xgboost.best
        census.test.X.to_parquet("rows.parquet")
        with open("report.json", "w") as file:
            json.dump({"scores": found, "rows": rows, "labels": best.predict(census.test.X).tolist()}, file)
"""


@pytest.fixture
def examples(empty_project) -> Path:
    """A copy of the examples without what runs have left."""
    for part in ("experiments", "expectations"):
        shutil.copytree(ROOT / part, empty_project.path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conftest.py", empty_project.path)
    return empty_project


def test_income_agrees_with_the_reference_results_and_the_logged_model_with_both(examples):
    """References: the split recipe and the seed-42 results of the data sheet, made without the harness."""
    examples.write({"experiments/experiment_reference.py": REFERENCE})

    result = examples.run_apart("experiments/experiment_reference.py", tracking=True)

    result.assert_outcomes(passed=5)
    report = json.loads((examples.path / "report.json").read_text())
    references = {  # validation AUC, test AUC, test accuracy
        "experiment_census_logistic": (0.9052, 0.9068, 0.8547),
        "experiment_census_xgboost": (0.9268, 0.9327, 0.8770),
        "experiment_census_lightgbm": (0.9291, 0.9330, 0.8784),
    }
    for name, expected in references.items():
        assert report["scores"][name] == pytest.approx(expected, abs=0.0005), name
    y = pd.read_parquet(examples.path / "experiments/data/income.parquet")["income"]
    rest, test = train_test_split(np.arange(len(y)), test_size=0.10, random_state=42, stratify=y)
    train, validation = train_test_split(rest, test_size=2 / 9, random_state=42, stratify=y[rest])
    assert report["rows"] == [train.tolist(), validation.tolist(), test.tolist()]
    assert _served(examples.path, "experiment_census_xgboost") == report["labels"]


def _served(project: Path, experiment: str) -> list[str]:
    """Return what the logged model says of rows.parquet in a process that has no harness and no project."""
    with sqlite3.connect(project / "mlflow.db") as database:
        (uri,) = database.execute(
            "SELECT tags.value FROM tags JOIN runs USING (run_uuid) "
            "WHERE tags.key = 'best.model_uri' AND runs.name = ?",
            (experiment,),
        ).fetchone()
    script = f"""
import sys
class Blocked:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("harness", "conftest"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked)
import json, mlflow, pandas
mlflow.set_tracking_uri("sqlite:///{project}/mlflow.db")
model = mlflow.pyfunc.load_model({uri!r})
rows = pandas.read_parquet({str(project / "rows.parquet")!r}).reset_index(drop=True)
print(json.dumps(list(map(str, model.predict(rows)))))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, cwd="/"
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_one_wrong_cell_turns_one_contract_red_and_the_other_data_sets_go_on(examples):
    path = examples.path / "experiments/data/income.parquet"
    frame = pd.read_parquet(path)
    row = int(np.random.default_rng().integers(len(frame)))
    frame.loc[row, "age"] = 16
    frame.to_parquet(path)

    result = examples.run_apart("experiments", "-rsf")

    counts = result.parseoutcomes()
    assert (counts["failed"], counts["skipped"]) == (1, 18), result.stdout.str()
    assert counts["passed"] == 2 + 9 + 7
    result.stdout.fnmatch_lines([f"*row {row}: 16*", "FAILED conftest.py::contract[[]income]*"])
    assert "contract income is broken" in result.stdout.str()


def test_the_examples_pass_and_a_gate_raised_to_99_percent_fails_alone(examples):
    path = examples.path / "experiments/experiment_income.py"
    content = path.read_text()
    assert "test.accuracy >= 0.86" in content
    path.write_text(content.replace("test.accuracy >= 0.86", "test.accuracy >= 0.99"))

    result = examples.run_apart("experiments")

    counts = result.parseoutcomes()
    assert (counts["failed"], counts["passed"]) == (1, 36), result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            ">*assert experiment_xgboost.best.test.accuracy >= 0.99",
            "E*assert 0.8* >= 0.99",
            "*max_depth=*learning_rate=*",
            "FAILED experiments/experiment_income.py::gate_accuracy*",
        ]
    )
