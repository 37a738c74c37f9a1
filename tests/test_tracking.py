import gc
import itertools
import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from tracked import (
    BEST,
    CONTRACT,
    DIGEST,
    GATE,
    NODE,
    STARTED,
    begin,
    content,
    fit,
    give_model,
    record,
    trial,
    whole_run,
)

from harness.errors import TrackingError
from harness.models.columns import describe
from harness.models.model import Model
from harness.models.pickling import dumps
from harness.results import BestRecord, ContractRecord, GateRecord
from harness.store import Store
from harness.tracking import Delivery, check_writable, deliver, view_command
from harness.tracking.address import address
from harness.tracking.collector import seldom
from harness.tracking.inputs import column_type
from harness.tracking.lock import claim, exclusive
from harness.tracking.names import allowed, rename, shorten, thin
from harness.tracking.notes import cut
from harness.tracking.pace import Pace
from harness.tracking.plan import plan
from harness.tracking.quiet import quiet

with quiet():
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    from harness.tracking import batches, children, courier, models, rows
    from harness.tracking import runs as tracking_runs


pytestmark = pytest.mark.usefixtures("apart_from_mlflow")


@pytest.fixture(scope="module")
def fitted():
    return fit()


PROJECTS = (f"project {i}" for i in itertools.count())


@pytest.fixture
def project():
    return next(PROJECTS)


# What MLflow gets.


def test_a_run_of_pytest_becomes_a_parent_run_and_a_child_run_per_trial(store, project, database, fitted):
    whole_run(store, project, fitted)

    delivery = deliver(store, root=store.root.parent, uri=database)
    assert delivery == Delivery(database, runs=2, trials=3, models=1, pending=0, problem=None)

    found = content(database, project)
    assert set(found) == {
        f"experiment:{NODE}",
        f"experiment:{NODE}_b",
        f"trial:{NODE}[C:0]",
        f"trial:{NODE}[C:1]",
        f"trial:{NODE}_b",
        f"model:{NODE}[C:1]",
    }
    above = found[f"experiment:{NODE}"]
    assert (above["name"], above["status"]) == ("experiment_a", "FINISHED")
    assert above["times"] == (STARTED * 1000, (STARTED + 1.5) * 1000), "from the first trial to the last"
    assert list(above["metrics"].items()) == [
        ("validation_roc_auc", 0.81),
        ("baseline_roc_auc", 0.5),
        ("test_accuracy", 0.8),
    ]
    assert above["params"] == {"C": "1", "solver": "lbfgs"}, "of the best, to stand beside its scores"
    tags = above["tags"]
    assert tags["outcome"] == "failed"
    assert (tags["objective"], tags["objective.direction"]) == ("validation_roc_auc", "maximize")
    assert tags["gate_accuracy"] == "failed"
    assert tags["mlflow.note.content"].startswith("best of 2 trials: C=1, solver=lbfgs; roc_auc 0.81 on")
    assert tags["best.trial"] == "C:1"
    assert tags["best.run_id"] == f"trial:{NODE}[C:1]"
    assert tags["best.model_uri"] == f"model:{NODE}[C:1]"
    assert json.loads(tags["best.params"]) == {"C": 1, "solver": "lbfgs"}
    assert above["inputs"] == [("income", DIGEST[:10], "train+validation+test")]

    best = found[f"trial:{NODE}[C:1]"]
    assert (best["name"], best["status"]) == ("a C:1", "FINISHED")
    assert best["times"] == ((STARTED + 1) * 1000, (STARTED + 1.5) * 1000)
    assert best["params"] == {"C": "1", "solver": "lbfgs"}
    assert list(best["metrics"].items()) == [
        ("validation_roc_auc", 0.81),
        ("test_accuracy", 0.8),
        ("train_roc_auc", 0.9),
        ("fit_seconds", 0.25),
        ("seconds", 0.5),
        ("peak_memory_mb", 3.0),
    ]
    assert (
        best["tags"].items()
        >= {
            "mlflow.parentRunId": f"experiment:{NODE}",
            "mlflow.source.git.commit": "c0ffee",
            "mlflow.source.name": "experiments/experiment_income.py",
            "harness.git.dirty": "true",
            "harness.run": "run-1",
            "harness.node_id": f"{NODE}[C:1]",
            "harness.dataset": "income",
            "harness.data_digest": DIGEST,
            "harness.contract": "passed with warnings",
            "harness.kind": "trial",
            "objective": "validation_roc_auc",
            "objective.direction": "maximize",
            "harness.backend": "local",
            "harness.version": "0.1.0",
            "outcome": "passed",
            "best": "true",
        }.items()
    )
    assert best["files"] == ["plots"]
    assert best["outputs"] == [f"model:{NODE}[C:1]"]
    assert best["inputs"] == above["inputs"]

    other = found[f"trial:{NODE}[C:0]"]
    assert [point[:2] for point in other["histories"]["curve_loss"]] == [(0, 0.5), (1, 0.25), (2, 0.375)]
    assert other["metrics"]["rounds"] == 7
    assert "test_accuracy" not in other["metrics"]

    alone = found[f"trial:{NODE}_b"]
    assert (alone["name"], alone["status"]) == ("a_b", "FAILED")
    assert alone["tags"]["mlflow.note.content"] == "```\nValueError: no\n```"
    assert found[f"experiment:{NODE}_b"]["params"] == {}

    model = found[f"model:{NODE}[C:1]"]
    assert (model["run"], model["status"]) == (f"trial:{NODE}[C:1]", "READY")
    assert model["params"] == best["params"]
    assert model["metrics"]["test_accuracy"] == 0.8


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("passed", "FINISHED"),
        ("failed", "FINISHED"),
        ("raised", "FAILED"),
        ("skipped", "KILLED"),
        ("pruned", "KILLED"),
        ("error", "FAILED"),
    ],
)
def test_what_happened_in_a_trial_is_its_status_and_outcome(store, project, outcome, status):
    folder = record(begin(store, project), trial(0, outcome=outcome, message="why"))
    _, below = plan(folder.run, folder.records()).entries
    assert (below.status, below.tags["outcome"], below.tags["message"]) == (status, outcome, "why")


@pytest.mark.parametrize(
    ("exit", "outcome", "status"),
    [
        (0, "passed", "FINISHED"),
        (1, "passed", "FINISHED"),  # something else in the run was red
        (2, "interrupted", "KILLED"),
        (3, "passed", "FAILED"),
        (None, "interrupted", "KILLED"),
    ],
)
def test_how_the_run_ended_is_the_status_of_the_parent(store, project, exit, outcome, status):
    folder = record(begin(store, project), trial(0), exit=exit)
    above, _ = plan(folder.run, folder.records()).entries
    assert (above.status, above.tags["outcome"]) == (status, outcome)


def test_a_trial_whose_result_was_taken_over_names_the_run_that_it_ran_in(store, project):
    folder = record(begin(store, project), trial(0, reused_from="run-0"), trial(1))
    _, reused, ran = plan(folder.run, folder.records()).entries
    assert reused.tags["harness.reused_from"] == "run-0"
    assert "harness.reused_from" not in ran.tags


def test_what_was_fitted_on_which_features_is_a_tag(store, project):
    found = trial(0, estimator="sklearn.svm.SVC", features=["scaled", "picked"])
    folder = record(begin(store, project), found)
    _, below = plan(folder.run, folder.records()).entries
    assert (below.tags["estimator"], below.tags["features"]) == ("sklearn.svm.SVC", "scaled, picked")


def test_pruned_trials_do_not_make_an_experiment_red(store, project):
    folder = record(begin(store, project), trial(0), trial(1, outcome="pruned", message="hopeless"))
    above, *_ = plan(folder.run, folder.records()).entries
    assert above.tags["outcome"] == "passed"
    assert above.tags["mlflow.note.content"].startswith("2 trials (1 passed, 1 pruned)")


def test_a_logged_value_and_a_curve_never_hide_a_score(store, project):
    names = {
        "validation_roc_auc": 1.0,
        "seconds": 2.0,
        "fit_seconds": 3.0,
        "logged_seconds": 4.0,
        "mine": 5.0,
    }
    names |= {"curve_mine": 8.0, "test_roc_auc": 9.0}
    clash = trial(0, fit_seconds=None, logged=names, curves={"mine": [6.0], "fit_seconds": [7.0]})
    folder = record(begin(store, project), clash)
    _, below = plan(folder.run, folder.records()).entries
    assert below.metrics == {
        "seconds": 0.5,
        "peak_memory_mb": 3.0,
        "train_roc_auc": 0.9,
        "validation_roc_auc": 0.8,
        "logged_validation_roc_auc": 1.0,
        "logged_seconds": 2.0,
        "logged_fit_seconds": 3.0,
        "logged_logged_seconds": 4.0,
        "mine": 5.0,
        "curve_mine": 8.0,
        "logged_test_roc_auc": 9.0,
    }
    assert dict(below.curves) == {"curve_mine.2": [(0, 6.0)], "curve_fit_seconds": [(0, 7.0)]}


def entries(store, project, *records, **fields):
    """What MLflow is to hold about a run of these records."""
    folder = record(begin(store, project), *records, **fields)
    return plan(folder.run, folder.records()).entries


def test_what_one_looks_for_stands_first(store, project):
    scores = {split: {"accuracy": 0.7, "roc_auc": 0.8} for split in ("train", "validation")}
    best = BestRecord.from_json({**BEST.to_json(), "test": scores["train"], "baseline": scores["train"]})
    above, below = entries(store, project, CONTRACT, trial(1, scores=scores, logged={"cost": 1}), GATE, best)
    assert list(above.metrics) == [
        "validation_roc_auc", "test_roc_auc", "baseline_roc_auc",
        "validation_accuracy", "test_accuracy", "baseline_accuracy",
    ]  # fmt: skip
    assert list(below.metrics) == [
        "validation_roc_auc", "validation_accuracy", "test_accuracy", "test_roc_auc", "cost",
        "train_accuracy", "train_roc_auc", "fit_seconds", "seconds", "peak_memory_mb",
    ]  # fmt: skip
    assert list(above.tags)[:8] == [
        "outcome", "objective", "objective.direction", "best.trial", "best.params", "gate_accuracy",
        "harness.dataset", "harness.contract",
    ]  # fmt: skip
    assert list(below.tags)[:6] == [
        "outcome", "best", "objective", "objective.direction", "harness.dataset", "harness.contract",
    ]  # fmt: skip


def test_a_run_is_named_after_its_experiment_and_its_trial_within_what_databases_hold(store, project):
    plain = {"node_id": "e.py::Experiments::tune", "experiment": "tune"}
    tuned, below, *_, long = entries(
        store, project, trial(0, **plain, id=""), trial(1), trial(2, id="n" * 300, node_id=f"{NODE}[n]")
    )
    assert (tuned.name, below.name) == ("tune", "tune")
    assert long.name == f"a {'n' * 247}…"


def test_the_trials_alone_in_order_of_creation_are_in_declared_order(store, project, database):
    record(begin(store, project), *(trial(number) for number in range(3)), BEST)
    deliver(store, root=store.root.parent, uri=database)
    client = MlflowClient(database)
    found = client.search_runs(
        [client.get_experiment_by_name(project).experiment_id],
        "tags.harness.kind = 'trial'",  # as the README has it
        order_by=["attributes.start_time ASC"],
    )
    assert [run.info.run_name for run in found] == ["a C:0", "a C:1", "a C:2"]


def test_a_logged_objective_is_the_metric_that_it_is_in_mlflow_for_every_trial(store, project):
    fields = {"objective": "seconds", "greater_is_better": False, "scores": {}, "dataset": None}
    slow = trial(0, **fields, logged={"seconds": 9.0, "rounds": 1.0})
    fast = trial(1, **fields, logged={"seconds": 2.0, "rounds": 3.0})
    broke = trial(2, **fields, outcome="raised")
    never = trial(3, scores={}, objective=None, outcome="skipped")
    best = BestRecord(experiment="experiment_a", node_id=fast.node_id)
    above, *below = entries(store, project, slow, fast, broke, never, best)
    for entry in (above, *below):
        assert (entry.tags["objective"], entry.tags["objective.direction"]) == ("logged_seconds", "minimize")
    assert above.metrics == {"logged_seconds": 2.0}
    assert list(below[1].metrics) == ["logged_seconds", "rounds", "fit_seconds", "seconds", "peak_memory_mb"]
    assert above.tags["mlflow.note.content"] == (
        "best of 4 trials (2 passed, 1 raised, 1 skipped): C=1, solver=lbfgs; seconds 2"
    )


def test_repeats_are_grouped_under_their_trial_and_their_mean_decides(store, project, database):
    scores = {"validation": {"accuracy": 0.5, "roc_auc": 0.75}}
    rows = [{"accuracy": 0.5, "roc_auc": 0.75}, {"accuracy": 1.0, "roc_auc": 0.25}, {"roc_auc": 0.5}]
    test = BestRecord(experiment="experiment_a", node_id=f"{NODE}[C:1]", test={"roc_auc": 0.7})
    folder = record(begin(store, project), trial(1, scores=scores, repeats=rows), trial(2, folds=True), test)
    above, below, other = plan(folder.run, folder.records()).entries
    assert list(above.metrics.items()) == [
        ("validation_roc_auc_mean", 0.5),
        ("validation_roc_auc_std", 0.25),
        ("validation_roc_auc", 0.75),
        ("test_roc_auc", 0.7),
        ("validation_accuracy", 0.5),
    ]
    assert list(below.metrics)[:2] == ["validation_roc_auc_mean", "validation_roc_auc_std"]
    assert not {name for name in below.metrics if name.startswith("validation_accuracy_")}  # one has none
    assert below.curves == {"repeat_validation_roc_auc": [(0, 0.75), (1, 0.25), (2, 0.5)]}
    for entry in (above, below):
        assert (entry.tags["objective"], entry.tags["harness.repeats"]) == ("validation_roc_auc_mean", "3")
    assert not {"harness.repeats", "harness.folds"} & other.tags.keys()
    assert above.tags["mlflow.note.content"].endswith(
        "roc_auc 0.5 ± 0.25 over 3 repeats on validation, 0.7 on test"
    )

    deliver(store, root=store.root.parent, uri=database)
    client = MlflowClient(database)
    experiment = client.get_experiment_by_name(project).experiment_id
    (run,) = client.search_runs([experiment], "metrics.validation_roc_auc_mean = 0.5 AND tags.best = 'true'")
    history = client.get_metric_history(run.info.run_id, "repeat_validation_roc_auc")
    assert [(point.step, point.value) for point in history] == [(0, 0.75), (1, 0.25), (2, 0.5)]


def test_folds_of_a_logged_objective_never_hide_what_was_logged(store, project):
    logged = {"cost": 4.0, "cost_mean": 9.0}
    only = trial(
        1, objective="cost", greater_is_better=False, logged=logged, scores={}, folds=True,
        repeats=[{"cost": 1.0}, {"cost": 3.0}],
    )  # fmt: skip
    above, below = entries(store, project, only, BEST)
    assert below.tags["objective"] == "cost_mean.2"
    assert below.tags["harness.folds"] == "2"
    assert (below.metrics["cost_mean.2"], below.metrics["cost_mean"], below.metrics["cost"]) == (2, 9, 4)
    assert below.curves == {"fold_cost": [(0, 1.0), (1, 3.0)]}
    assert list(above.metrics.items())[:2] == [("cost_mean.2", 2.0), ("cost_std", 2**0.5)]


def test_an_objective_that_bears_the_name_of_a_baseline_stays_what_was_logged(store, project):
    only = trial(1, objective="baseline_roc_auc", logged={"baseline_roc_auc": 0.25})
    above, below = entries(store, project, only, BEST)
    assert below.metrics["baseline_roc_auc"] == 0.25
    assert (above.metrics["baseline_roc_auc"], above.metrics["baseline_roc_auc.2"]) == (0.25, 0.5)


def test_a_trial_has_the_objective_of_its_own_where_data_sets_differ(store, project):
    number = trial(1, objective="rmse", greater_is_better=False, scores={"validation": {"rmse": 1.0}})
    broke = trial(2, objective="r2", scores={}, outcome="raised")
    above, *below = entries(store, project, trial(0), number, broke)
    assert [entry.tags.get("objective") for entry in below] == ["validation_roc_auc", "validation_rmse", None]
    assert below[1].tags["objective.direction"] == "minimize"
    assert above.tags["objective"] == "validation_roc_auc"


def test_an_experiment_that_measured_nothing_has_no_objective(store, project):
    above, below = entries(store, project, trial(0, scores={}, outcome="raised", message="no"))
    assert not {"objective", "objective.direction"} & {*above.tags, *below.tags}
    assert above.tags["mlflow.note.content"] == "1 trial (1 raised), none of them the best"


def test_the_parent_gets_parameters_only_when_the_best_can_change_no_more(store, project, database):
    folder = record(begin(store, project), trial(0, params={"a[b]": 0}), trial(1), exit=None)
    record(folder, BestRecord(experiment="experiment_a", node_id=f"{NODE}[C:0]"), exit=None)
    deliver(store, root=store.root.parent, uri=database)
    assert content(database, project)[f"experiment:{NODE}"]["params"] == {}

    record(folder, BEST, exit=0)
    assert deliver(store, root=store.root.parent, uri=database).problem is None
    above = content(database, project)[f"experiment:{NODE}"]
    assert above["params"] == {"C": "1", "solver": "lbfgs"}
    assert above["tags"]["best.trial"] == "C:1"


# Descriptions.


def test_the_description_tells_the_best_what_the_gates_read_and_why_one_failed(store, project):
    best = BestRecord.from_json({**BEST.to_json(), "test": {"roc_auc": 0.933149}})
    odd = {'a.best.test.where(sex="x|y").recall': 1 / 3, "a.best.validation.rmse": 12345.678}
    passed = GateRecord(
        node_id="e.py::gate_b[<1>]", name="gate_b[<1>]", outcome="passed", experiments=["experiment_a"],
        readings=odd, message="not shown",
    )  # fmt: skip
    winner = trial(1, params={"depth": 4, "kind": "a*b*\n`c`"})
    above, *_ = entries(store, project, trial(0, outcome="failed"), winner, GATE, passed, best)
    assert above.tags["mlflow.note.content"].split("\n") == [
        "best of 2 trials (1 failed, 1 passed): depth=4, kind=a\\*b\\* \\`c\\`; "
        "roc_auc 0.81 on validation, 0.9331 on test, baseline 0.5",
        "",
        "| gate | outcome | what it compared or read |",
        "|---|---|---|",
        "| gate_accuracy | failed | experiment_a.best.test.accuracy 0.8000 |",
        "| gate_b\\[&lt;1>\\] | passed | "
        'a.best.test.where(sex="x\\|y").recall 0.3333; a.best.validation.rmse 12,345.68 |',
        "",
        "gate_accuracy:",
        "",
        "```",
        "assert 0.8 >= 0.9",
        "```",
    ]
    assert above.tags["gate_b__1__"] == "passed"


def test_two_gates_of_one_name_are_two_tags(store, project):
    other = GateRecord.from_json({**GATE.to_json(), "node_id": "b.py::gate_accuracy", "outcome": "passed"})
    above, *_ = entries(store, project, trial(1), GATE, other, BEST)
    assert (above.tags["gate_accuracy"], above.tags["gate_accuracy.2"]) == ("failed", "passed")


def test_a_passed_trial_has_no_description_and_another_its_message_that_nothing_in_it_can_end(store, project):
    message = "def experiment_a():\n```\n" + "x\n" * 4000 + "E   the end"
    _, passed, failed, silent = entries(
        store,
        project,
        trial(0, message="a note"),
        trial(1, outcome="failed", message=message),
        trial(2, outcome="skipped"),
    )
    assert "mlflow.note.content" not in {**passed.tags, **silent.tags}
    fence, *inside, last = failed.tags["mlflow.note.content"].split("\n")
    assert fence == last == "````"
    assert inside[:2] == ["def experiment_a():", "```"]
    assert inside[-1] == "E   the end"
    assert len("\n".join(inside)) == 4000
    assert failed.tags["message"] == "the end"


@pytest.mark.parametrize("message", ["`" * 20_000, "word " * 4000, "<b>|*" * 4000])
def test_a_description_never_outgrows_mlflow(store, project, message):
    gates = [
        GateRecord.from_json(
            {**GATE.to_json(), "node_id": f"e.py::gate_{i}", "readings": {message: 1.0}, "message": message}
        )
        for i in range(9)
    ]
    params = {f"{message}{i}": message for i in range(9)}
    winner = trial(1, params=params)
    above, _, below = entries(
        store, project, winner, trial(2, outcome="raised", message=message), *gates, BEST
    )
    for entry in (above, below):
        assert 1000 < len(entry.tags["mlflow.note.content"]) <= 5000
    assert above.tags["mlflow.note.content"].endswith("\n\n…")


@given(st.text(max_size=200), st.integers(8, 100))
def test_a_cut_text_keeps_its_start_and_its_end(text, length):
    short = cut(text, length)
    assert short == text or len(short) == length < len(text)
    head, _, tail = short.partition("\n…\n")
    assert short == text or (text.startswith(head) and text.endswith(tail) and len(tail) >= length // 3)


def test_what_mlflow_refuses_is_cut_or_renamed_where_it_shows(store, project, database):
    folder = begin(store, project)
    params = {"a[b]": "x" * 7000, "a_b_": 1, "../up": 2} | {f"p{i}": i for i in range(250)}
    logged = {f"m/{i}": float(i) for i in range(950)} | {"nan": float("nan"), "größe": 1.0}
    message = "m" * 20_000
    record(folder, trial(0, params=params, logged=logged, message=message, curves={"c": [0.5] * 5000}))

    assert deliver(store, root=store.root.parent, uri=database).problem is None
    found = content(database, project)[f"trial:{NODE}[C:0]"]
    assert len(found["params"]) == 253
    assert found["params"]["a_b_"] == "x" * 5999 + "…"
    assert found["params"]["a_b_.2"] == "1"
    assert found["tags"]["renamed.a_b_"] == "a[b]"
    assert found["tags"]["renamed.a_b_.2"] == "a_b_"
    assert found["params"]["_up"] == "2"
    assert found["metrics"]["m/949"] == 949.0
    assert np.isnan(found["metrics"]["nan"])
    assert "gr__e" in found["metrics"]
    assert len(found["histories"]["curve_c"]) == 100
    assert found["tags"]["message"] == "m" * 999 + "…"


@given(st.integers(0, 2000), st.integers(0, 250), st.integers(0, 250), st.sampled_from([1, 2000, 6000]))
def test_requests_hold_everything_once_and_stay_within_mlflow_s_limits(metrics, params, tags, length):
    made = [Metric(str(i), 1.0, 1, 0) for i in range(metrics)]
    some = {str(i): "x" * length for i in range(params)}
    others = {f"t{i}": "x" * length for i in range(tags)}
    found = list(batches.requests(made, some, others))
    for kind, expected in zip(zip(*found, strict=True), (metrics, params, tags), strict=False):
        keys = [item.key for part in kind for item in part]
        assert len(keys) == len(set(keys)) == expected
    for some_metrics, some_params, some_tags in found:
        assert 0 < len(some_metrics) + len(some_params) + len(some_tags) <= 1000
        assert len(some_params) <= 100
        assert len(some_tags) <= 100
        assert sum(len(item.value) for item in [*some_params, *some_tags]) < 900_000
    if not found:
        assert metrics == params == tags == 0
    if metrics <= 100 and max(params, tags) <= 10 and length <= 2000:
        assert len(found) <= 1, "one request for what is short"


@given(st.text(max_size=300) | st.text(alphabet="./a_ ", max_size=8))
def test_every_name_becomes_one_that_mlflow_takes(name):
    made = allowed(name)

    assert _validate_metric_name(made) is None  # raises where MLflow would refuse it
    assert _validate_param_name(made) is None


@given(
    st.text(alphabet="abC_.-/ 09", min_size=1, max_size=20).filter(
        lambda n: n.strip("./ ") == n and "//" not in n
    )
)
def test_a_name_that_mlflow_takes_stays_as_it_is(name):
    try:
        _validate_metric_name(name)
    except MlflowException:
        return
    assert allowed(name) == name


@given(
    st.lists(
        st.text(alphabet="ab[]_.", max_size=4) | st.text(alphabet="a", min_size=248, max_size=252),
        unique=True,
    ),
    st.lists(st.text(alphabet="ab_", max_size=3)),
)
def test_renamed_keys_are_distinct_and_free(names, taken):
    keys = rename(dict.fromkeys(names), taken=taken, prefix="logged_")
    assert list(keys) == names
    assert len({*keys.values()}) == len(names)
    assert not {*keys.values()} & {*taken}
    assert all(len(key) <= 250 for key in keys.values())


@given(st.lists(st.floats(), max_size=400), st.integers(4, 100))
def test_a_thinned_curve_keeps_its_ends_and_its_extremes(curve, most):
    points = thin(curve, most)
    assert len(points) == min(len(points), most)
    assert [step for step, _ in points] == sorted({step for step, _ in points})
    assert all(value is curve[step] for step, value in points)
    if len(curve) <= most:
        assert len(points) == len(curve)
    else:
        assert {points[0][0], points[-1][0]} == {0, len(curve) - 1}
        finite = [value for value in curve if value == value]
        if finite:
            assert {min(finite), max(finite)} <= {value for _, value in points}


def test_a_long_curve_is_thinned_evenly():
    steps = [step for step, _ in thin([1.0 / (i + 1) for i in range(10_000)])]
    gaps = np.diff(steps)
    assert len(steps) == 100
    assert gaps.max() - gaps.min() <= 1


@given(st.text(max_size=30), st.integers(1, 20))
def test_a_shortened_text_says_that_it_is(text, length):
    short = shorten(text, length)
    assert len(short) <= length
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("int64", "long"), ("uint8", "long"), ("Int64", "long"), ("float32", "double"), ("Float64", "double"),
        ("bool", "boolean"), ("boolean", "boolean"), ("str", "string"), ("object", "string"),
        ("category", "string"), ("datetime64[us]", "datetime"), ("datetime64[ns, UTC]", None),
        ("timedelta64[ns]", None),
    ],
)  # fmt: skip
def test_a_dtype_has_mlflow_s_name(dtype, name):
    assert column_type(dtype) == name


def test_a_contract_that_broke_before_there_were_rows_is_a_tag_without_an_input(store, project):
    broken = ContractRecord(
        node_id="c.py::contract[income]",
        dataset="income",
        outcome="broken",
        contract="income",
        verdict="broken",
    )
    blocked = trial(0, outcome="skipped", data_digest=None, message="contract income is broken")
    folder = record(begin(store, project, commit=None, dirty=None), broken, blocked, exit=1)
    above, below = plan(folder.run, folder.records()).entries
    assert (above.input, below.input) == (None, None)
    assert (above.tags["harness.contract"], below.tags["harness.contract"]) == ("broken", "broken")
    assert not {"mlflow.source.git.commit", "harness.git.dirty", "harness.data_digest"} & {*below.tags}


# The model.

LOAD = """
    import sys
    import pandas as pd
    import mlflow

    mlflow.set_tracking_uri(sys.argv[1])
    rows = pd.read_pickle(sys.argv[3])
    model = mlflow.pyfunc.load_model(sys.argv[2])
    answers = {
        "labels": model.predict(rows).tolist(),
        "probabilities": model.predict(rows, params={"method": "predict_proba"}),
    }
    assert not {"harness", "project_features"} & set(sys.modules), "not on its own"
    pd.to_pickle(answers, sys.argv[4])
"""


def test_a_fresh_process_without_harness_and_project_predicts_the_same_from_raw_rows(
    store, project, database, fitted, tmp_path, monkeypatch
):
    rows, model = fitted
    home = tmp_path / "home"
    home.mkdir()
    source = "import numpy as np\ndef scale(X):\n    return np.asarray(X) * SCALE\nSCALE = 1\n"
    (home / "project_features.py").write_text(source)
    monkeypatch.syspath_prepend(home)
    import project_features
    from sklearn.preprocessing import FunctionTransformer

    steps = model.estimator.named_steps
    scaled = make_pipeline(
        steps["columntransformer"],
        FunctionTransformer(project_features.scale, accept_sparse=True),
        steps["logisticregression"],
    )
    scaled = Model(model.columns, (), scaled, "binary", model.classes)
    folder = begin(store, project)
    give_model(folder, (rows, scaled), home)
    best = BestRecord.from_json({**BEST.to_json(), "example": "example.json"})
    record(folder, CONTRACT, trial(1, files={"model": "model.pkl"}), best)
    assert deliver(store, root=tmp_path, uri=database).problem is None

    raw = rows.head(40).copy()
    raw["age"] = raw["age"].astype(float)
    raw["member"] = raw["member"].astype(object)
    raw["level"] = raw["level"].astype(str)
    raw.loc[0, "age"] = None
    raw.loc[1, "member"] = None
    raw.loc[4, "job"] = None
    raw.loc[5, "job"] = "astronaut"
    raw["never seen"] = 1
    raw.to_pickle(tmp_path / "rows.pkl")
    uri = (
        MlflowClient(database)
        .search_logged_models([MlflowClient(database).get_experiment_by_name(project).experiment_id])[0]
        .model_uri
    )
    subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(LOAD),
            database,
            uri,
            tmp_path / "rows.pkl",
            tmp_path / "answers.pkl",
        ],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        check=True,
    )
    answers = pd.read_pickle(tmp_path / "answers.pkl")
    assert answers["labels"] == scaled.predict(raw).tolist()
    assert set(answers["labels"]) == {"<=50K", ">50K"}
    assert answers["probabilities"].columns.tolist() == ["<=50K", ">50K"]
    np.testing.assert_array_equal(answers["probabilities"].to_numpy(), scaled.predict_proba(raw))


def test_a_saved_model_states_its_columns_its_example_and_exactly_what_it_needs(fitted, tmp_path):
    rows, model = fitted
    example = tmp_path / "example.json"
    example.write_text(rows.to_json(orient="split", date_format="iso"))
    with quiet():
        models.save(tmp_path / "saved", dumps(model, tmp_path), example, models.MlflowModel())
        loaded = mlflow.pyfunc.load_model(str(tmp_path / "saved"))
        shown = loaded.input_example
    signature = loaded.metadata.signature
    assert [(spec.name, str(spec.type)) for spec in signature.inputs] == [
        ("age", "Any"),
        ("gain", "DataType.double"),
        ("job", "DataType.string"),
        ("level", "Any"),
        ("member", "Any"),
        ("since", "DataType.datetime"),
    ]
    assert [str(spec.type) for spec in signature.outputs] == ["DataType.string"]
    assert len(shown) == 5
    shares = loaded.predict(shown, params={"method": "predict_proba"})
    np.testing.assert_array_equal(loaded.predict(shown), model.predict(rows.head(5)))
    np.testing.assert_array_equal(shares[">50K"], model.predict_proba(shown)[:, 1])
    stated = (tmp_path / "saved" / "requirements.txt").read_text().split()
    from importlib.metadata import version

    names = {line.partition("==")[0] for line in stated}
    assert names >= {"cloudpickle", "mlflow", "numpy", "pandas", "scikit-learn"}
    assert not names & {"harness", "xgboost", "lightgbm", "pytest", "great-expectations"}
    assert all(version(name) == number for name, _, number in (line.partition("==") for line in stated))


@pytest.mark.parametrize(
    ("strange", "described"),
    [
        (pd.Series(pd.to_timedelta(range(120), unit="h"), name="lasted"), True),  # is no JSON for MLflow
        (pd.Series(1j * np.arange(120), name="wave"), True),  # comes back from our JSON as something else
        (pd.Series(np.arange(120.0), name=""), False),  # MLflow takes a column "" for none
    ],
    ids=["example", "rows", "signature"],
)
def test_what_mlflow_cannot_describe_is_delivered_without_description(
    store, project, database, fitted, strange, described
):
    rows, model = fitted[0].join(strange), fitted[1]
    model = Model(describe(rows), (), model.estimator, "binary", model.classes)
    folder = begin(store, project)
    give_model(folder, (rows, model), store.root.parent)
    best = BestRecord.from_json({**BEST.to_json(), "example": "example.json"})
    record(folder, CONTRACT, trial(1, files={"model": "model.pkl"}), best)

    delivery = deliver(store, root=store.root.parent, uri=database)

    assert (delivery.models, delivery.pending, delivery.problem) == (1, 0, None)
    with quiet():
        mlflow.set_tracking_uri(database)
        client = MlflowClient(database)
        found = client.search_logged_models([client.get_experiment_by_name(project).experiment_id])
        loaded = mlflow.pyfunc.load_model(found[0].artifact_location)
        answers = loaded.predict(rows.head(9))
    assert loaded.input_example is None
    assert (loaded.metadata.signature is not None) is described
    np.testing.assert_array_equal(answers, model.predict(rows.head(9)))


def test_a_regression_s_model_states_numbers(tmp_path):
    from sklearn.linear_model import LinearRegression

    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = Model(describe(rows), (), LinearRegression().fit(rows, [1.0, 3.0, 5.0]), "regression", None)
    with quiet():
        models.save(tmp_path / "saved", dumps(model, tmp_path), None, models.MlflowModel())
        loaded = mlflow.pyfunc.load_model(str(tmp_path / "saved"))
        assert str(loaded.metadata.signature.outputs.inputs[0].type) == "DataType.double"
        np.testing.assert_allclose(loaded.predict(pd.DataFrame({"x": [3.0]})), [7.0])
        with pytest.raises(ValueError, match="method is 'proba'; it is one of predict, predict_proba"):
            loaded.predict(rows, params={"method": "proba"})


def test_packages_come_from_references_in_the_pickle_also_to_whole_modules(tmp_path):
    import lightgbm
    import yaml

    payload = dumps([lambda: yaml.safe_load("1"), lightgbm.LGBMRegressor], tmp_path)
    _, modules = models.unpickle(payload)
    names = {line.partition("==")[0] for line in models.requirements(modules)}
    assert names == {"mlflow", "cloudpickle", "numpy", "pandas", "PyYAML", "lightgbm"}


@pytest.mark.parametrize(
    ("payload", "text"),
    [(b"not a pickle", "cannot be unpickled here"), (dumps("no model", Path("/")), "cannot be written")],
)
def test_a_model_that_cannot_be_logged_holds_up_nothing_else(store, project, database, payload, text):
    folder = begin(store, project)
    (folder.path / "model.pkl").write_bytes(payload)
    record(folder, CONTRACT, trial(1, files={"model": "model.pkl"}), BEST)
    delivery = deliver(store, root=store.root.parent, uri=database)
    assert (delivery.runs, delivery.trials, delivery.models, delivery.pending) == (1, 1, 0, 1)
    assert text in delivery.problem
    assert content(database, project)[f"experiment:{NODE}"]["tags"]["outcome"] == "passed"


def test_a_missing_file_is_named_and_the_other_trials_are_delivered(store, project, database):
    folder = record(begin(store, project), trial(0, files={"artifact/a.txt": "a.txt"}), trial(1))
    delivery = deliver(store, root=store.root.parent, uri=database)
    assert delivery.problem == (
        f"{folder.path / 'a.txt'} is missing, so that it cannot be delivered to MLflow; "
        f"restore it, or delete {folder.path} to give the run up"
    )
    assert (delivery.trials, delivery.pending) == (1, 1)
    (folder.path / "a.txt").write_text("here again")
    assert deliver(store, root=store.root.parent, uri=database) == Delivery(database, trials=1)
    assert content(database, project)[f"trial:{NODE}[C:0]"]["files"] == ["a.txt"]


# Again, and after faults.


def test_a_second_delivery_writes_nothing_and_does_not_even_ask(
    store, project, database, fitted, monkeypatch
):
    whole_run(store, project, fitted)
    deliver(store, root=store.root.parent, uri=database)
    before = content(database, project)
    monkeypatch.setattr(tracking_runs, "MlflowClient", None)
    assert deliver(store, root=store.root.parent, uri=database) == Delivery(database)
    assert content(database, project) == before


class Faulty:
    """A client whose n-th call fails before it does anything."""

    def __init__(self, uri, after, error):
        self._client = MlflowClient(uri)
        self._left = after
        self._error = error

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            self._left -= 1
            if self._left < 0:
                raise self._error
            return method(*args, **kwargs)

        return call


@pytest.mark.slow
@pytest.mark.parametrize(("revision", "least"), [(rows.REVISION, 15), ("another", 21)], ids=["rows", "calls"])
def test_a_delivery_interrupted_at_any_call_is_completed_to_the_same(
    tmp_path, database, fitted, monkeypatch, revision, least
):
    monkeypatch.setattr(rows, "REVISION", revision)

    def fresh(name):
        store = Store(tmp_path / name)
        store.open()
        folder = begin(store, name)
        give_model(folder, fitted, tmp_path)
        files = {"model": "model.pkl", "artifact/shown.json": "example.json"}
        best = BestRecord.from_json({**BEST.to_json(), "example": "example.json"})
        record(folder, CONTRACT, trial(0, curves={"loss": [0.5, 0.25]}), trial(1, files=files), GATE, best)
        return store

    prefix = next(PROJECTS)
    deliver(fresh(f"{prefix} undisturbed"), root=tmp_path, uri=database)
    expected = content(database, f"{prefix} undisturbed")

    for calls in itertools.count():
        name = f"{prefix} {calls}"
        store = fresh(name)
        error = ConnectionError("gone") if calls % 2 else KeyboardInterrupt()
        with monkeypatch.context() as patch:
            patch.setattr(tracking_runs, "MlflowClient", lambda uri, n=calls, e=error: Faulty(uri, n, e))
            try:
                disturbed = deliver(store, root=tmp_path, uri=database)
            except KeyboardInterrupt:
                disturbed = None
        if disturbed is not None and disturbed.problem is None:
            break
        if disturbed is not None:
            assert "ConnectionError: gone" in disturbed.problem
            assert disturbed.pending > 0
        completed = deliver(store, root=tmp_path, uri=database)
        assert (completed.problem, completed.pending) == (None, 0)
        assert content(database, name) == expected, f"after {calls} calls"
    assert calls >= least


def test_marks_lost_in_a_crash_do_not_double_anything(store, project, database, fitted):
    folder = whole_run(store, project, fitted)
    deliver(store, root=store.root.parent, uri=database)
    before = content(database, project)
    (folder.path / "delivered.jsonl").unlink()
    assert deliver(store, root=store.root.parent, uri=database).trials == 3
    assert content(database, project) == before


def test_a_run_that_went_on_after_a_delivery_is_completed(store, project, database):
    folder = record(begin(store, project), trial(0), exit=None)
    deliver(store, root=store.root.parent, uri=database)
    assert content(database, project)[f"experiment:{NODE}"]["tags"]["outcome"] == "interrupted"

    record(folder, trial(1), exit=0)
    assert deliver(store, root=store.root.parent, uri=database) == Delivery(database, runs=1, trials=1)
    found = content(database, project)
    assert len(found) == 3
    above = found[f"experiment:{NODE}"]
    assert (above["status"], above["tags"]["outcome"], above["tags"]["trials"]) == ("FINISHED", "passed", "2")


def test_what_someone_deleted_in_mlflow_meanwhile_is_written_again_when_the_run_goes_on(
    store, project, database
):
    folder = record(begin(store, project), trial(0), exit=None)
    deliver(store, root=store.root.parent, uri=database)
    client = MlflowClient(database)
    experiment = client.get_experiment_by_name(project).experiment_id
    for run in client.search_runs([experiment], "tags.harness.kind = 'experiment'"):
        client.delete_run(run.info.run_id)

    record(folder, exit=0)
    assert deliver(store, root=store.root.parent, uri=database).problem is None
    found = content(database, project)
    assert found[f"trial:{NODE}[C:0]"]["tags"]["mlflow.parentRunId"] == f"experiment:{NODE}"


def test_a_user_without_a_name_is_unknown(store, project, database, monkeypatch):
    def nameless():
        raise OSError("No username set in the environment")

    monkeypatch.setattr(tracking_runs.getpass, "getuser", nameless)
    record(begin(store, project), trial(0))
    deliver(store, root=store.root.parent, uri=database)
    assert content(database, project)[f"trial:{NODE}[C:0]"]["tags"]["mlflow.user"] == "unknown"


def test_a_deleted_experiment_is_restored(store, project, database):
    record(begin(store, project), trial(0))
    client = MlflowClient(database)
    client.delete_experiment(client.create_experiment(project))
    assert deliver(store, root=store.root.parent, uri=database).problem is None
    assert client.get_experiment_by_name(project).lifecycle_stage == "active"


def test_a_run_that_mlflow_refuses_does_not_hold_up_the_next(store, project, database, monkeypatch):
    bad = trial(0, node_id=f"{NODE}[C:bad]", id="C:bad", params={"no key": 1})
    record(begin(store, project, id="a"), bad)
    record(begin(store, project, id="b", started=STARTED + 9), trial(0))
    monkeypatch.setattr(children, "rename", lambda names: {n: n.replace("no key", "") for n in names})
    delivery = deliver(store, root=store.root.parent, uri=database)
    assert (delivery.runs, delivery.trials, delivery.pending) == (2, 1, 1), "the refused trial is left"
    assert "did not take all of run a: MlflowException" in delivery.problem


def test_a_whole_run_is_not_sent_to_another_store_and_a_half_one_is_sent_whole(
    store, project, database, pristine, tmp_path
):
    record(begin(store, project), trial(0))
    half = record(begin(store, project, id="half", started=STARTED + 9), trial(0), exit=None)
    deliver(store, root=tmp_path, uri=database)
    record(half, trial(1), exit=0)

    other = f"sqlite:///{shutil.copy(pristine, tmp_path / 'other.db')}"
    assert deliver(store, root=tmp_path, uri=other) == Delivery(other, runs=1, trials=2)
    assert set(content(other, project)) == {f"experiment:{NODE}", f"trial:{NODE}[C:0]", f"trial:{NODE}[C:1]"}
    assert deliver(store, root=tmp_path, uri=database) == Delivery(database)


def test_a_withheld_run_is_never_delivered(store, project, database):
    record(begin(store, project), trial(0)).withhold()
    assert deliver(store, root=store.root.parent, uri=database) == Delivery(database)


def test_a_trial_that_was_run_again_and_passed_says_nothing_of_its_failure(store, project, database):
    folder = record(begin(store, project), trial(0, outcome="failed", message="E   no"), exit=None)
    deliver(store, root=store.root.parent, uri=database)
    assert content(database, project)[f"trial:{NODE}[C:0]"]["tags"]["message"] == "no"
    record(folder, trial(0))
    assert deliver(store, root=store.root.parent, uri=database).trials == 1
    tags = content(database, project)[f"trial:{NODE}[C:0]"]["tags"]
    assert tags["outcome"] == "passed"
    assert not {"message", "mlflow.note.content"} & tags.keys()


def test_a_description_that_the_user_wrote_stays(store, project, database):
    folder = record(begin(store, project), trial(0), exit=None)
    deliver(store, root=store.root.parent, uri=database)
    client = MlflowClient(database)
    (run,) = client.search_runs(
        [client.get_experiment_by_name(project).experiment_id], "tags.harness.kind = 'trial'"
    )
    client.set_tag(run.info.run_id, "mlflow.note.content", "the one to look at")
    record(folder, trial(0, seconds=0.75))
    assert deliver(store, root=store.root.parent, uri=database).trials == 1
    tags = content(database, project)[f"trial:{NODE}[C:0]"]["tags"]
    assert tags["mlflow.note.content"] == "the one to look at"


def test_what_the_best_gets_at_the_end_is_written_without_the_rest(store, project, database, monkeypatch):
    folder = record(begin(store, project), CONTRACT, trial(0), trial(1, curves={"loss": [1, 2]}), exit=None)
    deliver(store, root=store.root.parent, uri=database)
    written = []
    original = MlflowClient.log_batch

    def log_batch(self, run_id, metrics=(), params=(), tags=(), **options):
        written.append(({m.key for m in metrics}, {p.key for p in params}, {t.key for t in tags}))
        return original(self, run_id, metrics, params, tags, **options)

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    record(folder, BEST)
    assert deliver(store, root=store.root.parent, uri=database).problem is None
    assert written[0] == ({"test_accuracy"}, set(), {"best", "mlflow.parentRunId"})
    assert len(written) == 2, "the trial's and the experiment's"


# How far it got.


def test_one_is_told_about_once_a_second_and_not_before():
    now, seen = iter([0.0, 0.5, 1.0, 1.0, 1.7, 2.0, 2.0, 2.9]), []
    count = Counter(writes=7)
    pace = Pace(count, lambda *counts: seen.append(counts), clock=lambda: next(now))
    pace.expect(3)
    for _ in range(5):
        count["writes"] += 1
        pace.tick()
    assert seen == [(2, 3), (3, 3)], "never more than there were"


def test_what_turns_up_later_is_added_and_what_is_known_is_not_counted_twice():
    count, seen = Counter(), []
    pace = Pace(count, lambda *counts: seen.append(counts), seconds=0.0)
    pace.expect(3)
    pace.tick()
    count["writes"] += 2
    pace.expect(1)
    pace.tick()
    pace.expect(9)
    pace.tick()
    assert seen == [(0, 3), (2, 3), (2, 11)]


def test_a_delivery_tells_how_far_it_got(store, project, database, monkeypatch):
    monkeypatch.setattr(courier, "Pace", partial(Pace, seconds=0.0))
    record(begin(store, project), *(trial(n) for n in range(3)))
    seen = []
    deliver(store, root=store.root.parent, uri=database, progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (4, 4)


def test_the_garbage_collector_is_as_before_after_a_block_in_which_it_seldom_ran():
    before = gc.get_threshold()
    try:
        for mine in [(700, 10, 10), (123, 4, 5)]:
            gc.set_threshold(*mine)
            with seldom():
                assert (gc.get_threshold() == mine) is (mine == (123, 4, 5)), "the user's own is left alone"
            assert gc.get_threshold() == mine
            with seldom():
                gc.set_threshold(99, 9, 9)
            assert gc.get_threshold() == (99, 9, 9), "so is what was set meanwhile"
    finally:
        gc.set_threshold(*before)


def test_a_rehearsal_saves_a_model_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    saved = []
    original = mlflow.pyfunc.save_model

    def save_model(path, **options):
        original(path, **options)
        saved.append((path / "MLmodel").read_text())

    with quiet(), monkeypatch.context() as patch:
        patch.setattr(mlflow.pyfunc, "save_model", save_model)
        models.rehearse()
    assert len(saved) == 1
    assert list(tmp_path.iterdir()) == []


# Where it goes.


def test_a_server_that_is_down_is_one_problem_and_the_next_delivery_succeeds(
    store, project, database, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    record(begin(store, project), trial(0), trial(1))
    down = deliver(store, root=store.root.parent, uri="http://ann:secret@127.0.0.1:9")
    assert (down.uri, down.runs, down.trials, down.pending) == ("http://127.0.0.1:9", 0, 0, 3)
    assert down.problem == (
        "MLflow at http://127.0.0.1:9 cannot be used: "
        "Failed to establish a new connection: [Errno 111] Connection refused"
    )
    assert deliver(store, root=store.root.parent, uri=database).trials == 2


def test_patience_is_short_at_first_contact_and_the_user_s_own_limits_win(monkeypatch):
    def limits():
        names = ("MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER", "TIMEOUT")
        return [os.environ.get(f"MLFLOW_HTTP_REQUEST_{name}") for name in names]

    with quiet(first_contact=True):
        retries, backoff, jitter, timeout = map(float, limits())
        assert (1 + retries) * timeout + backoff * 2**retries + jitter <= 10
    with quiet():
        assert limits() == ["2", "1", None, "30"]
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    with quiet(first_contact=True):
        assert limits()[3] == "77"
    assert limits() == [None, None, None, "77"]


def test_mlflow_is_quiet_for_the_time_of_a_delivery_and_as_before_afterwards(monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    logger = logging.getLogger("mlflow")
    before = (dict(os.environ), logger.level, list(warnings.filters))

    def fail():
        with quiet():
            logger.error("chatter")
            warnings.warn("chatter", UserWarning, stacklevel=1)
            assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"
            assert os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] == "true"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (dict(os.environ), logger.level, list(warnings.filters)) == before
    assert capfd.readouterr() == ("", "")


def test_a_delivery_leaves_the_user_s_active_run_and_tracking_uri_alone(
    store, project, database, fitted, tmp_path
):
    whole_run(store, project, fitted)
    with quiet():
        mlflow.set_tracking_uri(database)
        try:
            with mlflow.start_run(experiment_id="1") as mine:
                assert deliver(store, root=tmp_path, uri=database).problem is None
                assert mlflow.active_run().info.run_id == mine.info.run_id
                assert mlflow.get_tracking_uri() == database
            run = MlflowClient(database).get_run(mine.info.run_id)
            assert (run.data.metrics, run.data.params) == ({}, {})
        finally:
            mlflow.set_tracking_uri(None)


def test_a_run_delivered_whole_before_it_could_be_settled_is_settled_without_asking(
    store, project, database, monkeypatch
):
    folder = record(begin(store, project), trial(0))
    deliver(store, root=store.root.parent, uri=database)
    path = folder.path / "delivered.jsonl"
    path.write_text("".join(line for line in path.open() if "settled" not in line))
    assert not folder.settled
    monkeypatch.setattr(tracking_runs, "MlflowClient", None)
    assert deliver(store, root=store.root.parent, uri=database) == Delivery(database)
    assert folder.settled


def test_nothing_to_deliver_imports_no_mlflow(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from harness.store import Store
        from harness.tracking import check_writable, deliver
        check_writable(Path.cwd())
        assert deliver(Store(Path(".harness")), root=Path.cwd()).problem is None
        sys.exit("mlflow" in sys.modules)
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, check=False)
    assert found.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_address_is_the_environment_s_or_beside_the_project(tmp_path, monkeypatch):
    assert address(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.chdir(tmp_path)
    for given_uri, meant in [
        ("  ", f"sqlite:///{tmp_path}/mlflow.db"),
        ("http://mlflow.example:5000", "http://mlflow.example:5000"),
        ("sqlite:///runs/a.db", f"sqlite:///{tmp_path}/runs/a.db"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
        ("sqlite+pysqlite:///a.db", f"sqlite+pysqlite:///{tmp_path}/a.db"),
        ("sqlite:///a.db?timeout=5", "sqlite:///a.db?timeout=5"),
    ]:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given_uri)
        assert address(tmp_path) == meant


def test_the_command_to_look_at_runs_is_what_one_types_there(tmp_path):
    def seen(uri=None, folder=tmp_path):
        return view_command(tmp_path, uri=uri, folder=folder)

    assert seen() == "mlflow ui --backend-store-uri sqlite:///mlflow.db"
    assert seen(folder=tmp_path / "below") == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
    assert seen(f"sqlite:///{tmp_path}/a b.db") == "mlflow ui --backend-store-uri 'sqlite:///a b.db'"
    assert seen("http://ann:secret@host:5000/x") == "http://host:5000/x"
    assert seen("postgresql://ann:secret@host/db") == "mlflow ui --backend-store-uri postgresql://host/db"


def test_a_store_that_can_be_written_passes(tmp_path, monkeypatch):
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
    check_writable(tmp_path, f"sqlite:///{tmp_path}/new/folder/a.db")
    sqlite3.connect(tmp_path / "mlflow.db").execute("CREATE TABLE t (x)")
    check_writable(tmp_path)
    (tmp_path / "empty.db").touch()
    check_writable(tmp_path, f"sqlite:///{tmp_path}/empty.db")
    check_writable(tmp_path, "http://nobody.invalid")
    check_writable(tmp_path, "databricks")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_writable(tmp_path, "./mlruns")


def test_a_server_that_sagemaker_manages_needs_its_package_and_is_looked_at_in_studio(tmp_path, monkeypatch):
    arn = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/ours"
    monkeypatch.setitem(sys.modules, "sagemaker_mlflow", SimpleNamespace(__spec__=object()))
    check_writable(tmp_path, arn)
    assert view_command(tmp_path, uri=arn) == "in SageMaker Studio, on the MLflow server ours"

    monkeypatch.setitem(sys.modules, "sagemaker_mlflow", None)
    with pytest.raises(TrackingError) as caught:
        check_writable(tmp_path, arn)
    assert str(caught.value) == (
        f"MLflow's store {arn} is managed by SageMaker, which needs a package of its own; "
        "pip install 'harness[sagemaker-mlflow]'"
    )


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("sqlite:///{root}", "{root} is a folder, not a database file"),
        ("sqlite:///{root}/text.db", "{root}/text.db is not a SQLite database: it starts with b'hello'"),
        ("sqlite:///{root}/text.db/mlflow.db", "cannot be used: {root}/text.db is a file"),
        ("sqlite:///{root}/loop.db", "{root}/loop.db cannot be written: Too many levels"),
        ("sqlite://", "is in memory, so that nothing would be kept; give it a file"),
        ("sqlite:///:memory:", "is in memory"),
        ("file://{root}/mlruns", "which MLflow has retired; use MLFLOW_TRACKING_URI=sqlite:///mlflow.db"),
        ("{root}/mlruns", "which MLflow has retired"),
    ],
)
def test_a_store_that_cannot_be_written_is_told_before_anything_runs(tmp_path, uri, text):
    (tmp_path / "text.db").write_text("hello")
    (tmp_path / "loop.db").symlink_to("loop.db")
    with pytest.raises(TrackingError) as error:
        check_writable(tmp_path, uri.format(root=tmp_path))
    assert text.format(root=tmp_path) in str(error.value)
    assert "MLFLOW_TRACKING_URI=" in str(error.value)


def test_the_default_store_needs_its_folder_of_models(tmp_path):
    (tmp_path / "mlruns").write_text("in the way")
    with pytest.raises(TrackingError, match=r"MLflow's folder of models .*/mlruns cannot be used"):
        check_writable(tmp_path)


def test_a_folder_without_permission_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write anywhere
    with pytest.raises(TrackingError, match=r"permission denied in .*make it writable.*--no-tracking"):
        check_writable(tmp_path)


def test_a_tracking_store_that_is_no_database_is_a_problem_of_the_delivery(store, project, tmp_path):
    record(begin(store, project), trial(0))
    (tmp_path / "mlflow.db").write_text("hello")
    delivery = deliver(store, root=tmp_path)
    assert (delivery.trials, delivery.pending) == (0, 2)
    assert "is not a SQLite database" in delivery.problem


# One at a time.

HOLD = """
    import sys, time
    from pathlib import Path
    from harness.store import Store
    from harness.tracking.lock import exclusive
    with exclusive(Store(Path(sys.argv[1]))):
        print("held", flush=True)
        time.sleep(600)
"""


def test_a_second_delivery_waits_and_a_killed_holder_lets_go(store, project, database):
    record(begin(store, project), trial(0))
    command = [sys.executable, "-c", textwrap.dedent(HOLD), store.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(TrackingError, match=r"another process has been opening MLflow .* harness sync"),
            exclusive(store, seconds=0.1),
        ):
            pytest.fail("two hold the lock")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert deliver(store, root=store.root.parent, uri=database).trials == 1


def test_a_run_that_cannot_be_claimed_is_a_problem_and_the_next_is_delivered(store, project, database):
    stuck = record(begin(store, project, id="a"), trial(0), trial(1))
    (stuck.path / "delivery.lock").mkdir()
    record(begin(store, project, id="b"), trial(0))
    delivery = deliver(store, root=store.root.parent, uri=database)
    assert (delivery.runs, delivery.trials, delivery.pending) == (1, 1, 3)
    assert "delivery.lock cannot be locked" in delivery.problem


def test_a_run_whose_folder_is_gone_cannot_be_claimed(store, project):
    folder = begin(store, project)
    folder.delete()
    assert claim(folder) is None
    assert not folder.path.exists()


def test_a_lock_that_cannot_be_made_is_told(store):
    store.path("runs", "delivery.lock").mkdir(parents=True)
    with (
        pytest.raises(TrackingError, match=r"delivery\.lock cannot be locked: .*; make the store writable"),
        exclusive(store),
    ):
        pytest.fail("held")


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_lock_file_that_is_no_database_is_made_anew(store, content):
    path = store.path("runs", "delivery.lock")
    path.parent.mkdir()
    path.write_bytes(content)

    with (
        exclusive(store),
        pytest.raises(TrackingError, match="another process has been opening"),
        exclusive(store, seconds=0.1),
    ):
        pytest.fail("two hold the lock")
    with exclusive(store):
        pass
