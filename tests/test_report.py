"""The lines under pytest's own: data sets, experiments and gates, readable at 80 columns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.report import WIDTH, Line, lines, tracked
from harness.results import BestRecord, ContractRecord, GateRecord, TrialRecord
from harness.run import Run
from harness.tracking import Delivery
from harness.wording import number


def contract(name="income", **values):
    rows = {"train": 34188, "validation": 9769, "test": 4885}
    known = {"node_id": "", "outcome": "passed", "contract": name, "verdict": "passed", "rows": rows}
    return ContractRecord(**{"dataset": name, **known, **values})


def broken(name="income", **values):
    return contract(name, **{"outcome": "broken", "verdict": "broken", "rows": {}, **values})


def trial(index=0, experiment="experiment_a", value=0.9, **values):
    scores = {} if value is None else {"validation": {"roc_auc": value, "accuracy": 0.8, "f1": 0.7}}
    known = {
        "node_id": f"x.py::{experiment}[{index}]",
        "id": str(index),
        "params": {"depth": index},
        "outcome": "passed",
        "objective": "roc_auc",
        "scores": scores,
    }
    return TrialRecord(**{"experiment": experiment, "index": index, **known, **values})


def gate(name="gate_a", outcome="passed", file="experiments/experiment_a.py", **values):
    known = {"experiments": ("experiment_a",), "node_id": f"{file}::{name}"}
    return GateRecord(**{"name": name, "outcome": outcome, **known, **values})


def text(contracts=(), trials=(), gates=(), bests=()):
    experiments = {}
    for record in trials:
        experiments.setdefault(record.experiment, []).append(record)
    made = lines(contracts, experiments, {best.experiment: best for best in bests}, gates)
    assert all(isinstance(line, Line) for line in made)
    return "\n".join(line.text for line in made)


FULL = """\
income    contract passed: 34,188 train, 9,769 validation, 4,885 test
penguins  no contract: 240 train

experiment              trials  objective            best  baseline
experiment_logistic          2  roc_auc            0.9000    0.5000
  best: depth=0
  validation: accuracy 0.8000, f1 0.7000
experiment_trees_tuned     1/4  log_loss (lowest)  0.2744    0.6931
  best: max_depth=4, learning_rate=0.3
  logged: rounds 100, memory 1.234e+09
  2 failed: assert 0.71 > 0.9
  1 skipped: no GPU

passed  gate_accuracy   experiment_trees_tuned.best.test.accuracy 0.8811
failed  gate_beats_all  experiment_trees_tuned.best.test.roc_auc 0.9331
                        experiment_logistic.best.test.roc_auc 0.9500
                        assert 0.9331 > 0.95
passed  gate_plain"""


def test_a_whole_report():
    trees = {"experiment": "experiment_trees_tuned", "objective": "log_loss", "greater_is_better": False}
    failure = "    def experiment():\n>       assert 0.71 > 0.9\nE       assert 0.71 > 0.9\nE        + "
    report = text(
        [contract(), contract("penguins", contract=None, verdict="no contract", rows={"train": 240})],
        [
            trial(0, "experiment_logistic"),
            trial(1, "experiment_logistic", 0.8),
            trial(
                0,
                value=None,
                params={"max_depth": 4, "learning_rate": 0.3},
                scores={"validation": {"log_loss": 0.27441}},
                logged={"rounds": 100.0, "memory": 1.2341e9},
                **trees,
            ),
            trial(1, value=None, outcome="failed", message=failure, **trees),
            trial(2, value=None, outcome="failed", message=failure, **trees),
            trial(3, value=None, outcome="skipped", message="no GPU", **trees),
        ],
        [
            gate("gate_accuracy", readings={"experiment_trees_tuned.best.test.accuracy": 0.8811}),
            gate(
                "gate_beats_all",
                "failed",
                message="E       assert 0.9331 > 0.95",
                readings={
                    "experiment_trees_tuned.best.test.roc_auc": 0.9331,
                    "experiment_logistic.best.test.roc_auc": 0.95,
                },
            ),
            gate("gate_plain"),
        ],
        [
            BestRecord(experiment="experiment_logistic", node_id="", baseline={"roc_auc": 0.5}),
            BestRecord(experiment="experiment_trees_tuned", node_id="", baseline={"log_loss": 0.69314}),
        ],
    )

    assert report == FULL


def test_nothing_ran_and_nothing_is_shown():
    assert text() == ""
    assert lines([], {"experiment_a": []}, {}, []) == []


# data sets


def test_a_broken_contract_lists_what_does_not_hold():
    made = lines([broken(violations=[f"rule {i}" for i in range(7)])], {}, {}, [])

    shown = [line.text for line in made]
    assert shown[0] == "income  contract is broken"
    assert shown[1:] == [f"  rule {i}" for i in range(5)] + ["  … and 2 more"]
    assert all(line.markup == {"red": True} for line in made)


def test_a_contract_of_another_name_is_named():
    assert text([contract(contract="census")]).startswith("income  contract census passed: 34,188 train")
    assert text([broken(contract="census")]) == "income  contract census is broken"


def test_data_that_cannot_be_used_says_why():
    report = text([broken(contract=None, violations=["FileNotFoundError: no income.parquet"])])

    assert report == "income  cannot be used\n  FileNotFoundError: no income.parquet"


def test_leaks_that_forbid_a_data_set_are_told_by_its_failure():
    made = broken(verdict="leaks", violations=["leak: a; drop it", "leak: b; drop it"])

    assert text([made]) == ("income  cannot be used: leaks in 2 ways, see the failure of contract[income]")


def test_warnings_are_listed_below_the_sizes():
    made = lines([contract(verdict="passed with warnings", violations=["age: 3 of 100 (3 %)"])], {}, {}, [])

    assert [line.text for line in made] == [
        "income  contract passed with warnings: 34,188 train, 9,769 validation, 4,885",
        "          test",
        "  age: 3 of 100 (3 %)",
    ]
    assert made[-1].markup == {"yellow": True}


# experiments


def test_an_experiment_without_data_shows_what_it_logged():
    report = text(
        trials=[
            trial(
                0,
                value=None,
                objective="seconds",
                greater_is_better=False,
                logged={"seconds": 3.5, "size": 12.0},
            ),
            trial(
                1,
                value=None,
                objective="seconds",
                greater_is_better=False,
                logged={"seconds": 1.25, "size": 7.0},
            ),
        ]
    )

    assert report.splitlines()[1:] == [
        "experiment_a       2  seconds (lowest)  1.2500",
        "  best: depth=1",
        "  logged: size 7.0",
    ]


@pytest.mark.parametrize(
    ("folds", "line"),
    [
        (False, "  mean of 2 repeats 0.7500 ± 0.0707 (0.9000 on the declared split)"),
        (True, "  mean of 2 folds 0.7500 ± 0.0707 (0.9000 on the declared split)"),
    ],
)
def test_of_repeats_the_mean_is_shown_and_how_far_they_lie_apart(folds, line):
    rows = [{"roc_auc": 0.7, "f1": 0.1}, {"roc_auc": 0.8, "f1": 0.2}]
    assert text(trials=[trial(0, repeats=rows, folds=folds)]).splitlines()[1:4] == [
        "experiment_a       1  roc_auc    0.7500",
        "  best: depth=0",
        line,
    ]


def test_an_experiment_without_objective_says_so():
    report = text(trials=[trial(0, value=None, objective=None, logged={"seconds": 3.5})])

    assert report.splitlines()[1:] == ["experiment_a       1  none"]


def test_an_experiment_none_of_whose_trials_finished_says_why():
    report = text(
        trials=[
            trial(i, value=None, outcome="skipped", message="contract income is broken") for i in range(3)
        ]
    )

    assert report.splitlines()[1:] == [
        "experiment_a     0/3  roc_auc",
        "  3 skipped: contract income is broken",
    ]


def test_reasons_are_counted_and_the_rest_summed_up():
    trials = [trial(i, outcome="raised", message=f"E   ValueError: {i // 2}") for i in range(20)]

    report = text(trials=trials).splitlines()
    assert report[2:7] == [f"  2 raised: ValueError: {i}" for i in range(5)]
    assert report[7:] == ["  … and 10 more"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("no GPU", "no GPU"),
        ("E       assert 1 == 2\nE        +  where 1 = f()", "assert 1 == 2"),
        ("E   harness.errors.SealedError: the test rows are sealed", "SealedError: the test rows are sealed"),
        ("E       KeyError: 'a: b'", "KeyError: 'a: b'"),
        ("E       AssertionError: too low: 3", "AssertionError: too low: 3"),
        ("\n\nthe trial gave no score: none", "the trial gave no score: none"),
        ("", ""),
    ],
)
def test_the_reason_is_the_line_that_says_why(message, reason):
    report = text(trials=[trial(0, outcome="raised", message=message)]).splitlines()

    assert report[2:] == [f"  1 raised: {reason}" if reason else "  1 raised"]


# gates


def test_one_reading_stands_beside_its_gate_and_several_below_each_other():
    readings = {"experiment_a.best.test.rmse": 62.713, "experiment_b.best.test.rmse": 96.9954}
    report = text(gates=[gate(readings=readings), gate("gate_b", readings=dict(list(readings.items())[:1]))])

    assert report.splitlines() == [
        "passed  gate_a  experiment_a.best.test.rmse 62.7130",
        "                experiment_b.best.test.rmse 96.9954",
        "passed  gate_b  experiment_a.best.test.rmse 62.7130",
    ]


def test_a_reading_moves_left_to_stay_beside_its_gate():
    long = gate("gate_with_a_long_name_indeed", readings={"experiment_a.best.test.r2": 0.5})
    reading = "experiment_with_a_long_name.best.test.balanced_accuracy"

    assert text(gates=[long, gate("gate_b", readings={reading: 0.8})]).splitlines() == [
        "passed  gate_with_a_long_name_indeed  experiment_a.best.test.r2 0.5000",
        "passed  gate_b    experiment_with_a_long_name.best.test.balanced_accuracy 0.8000",
    ]


def test_a_reading_too_long_for_the_line_goes_below():
    name = "gate_ranks_women_as_well_as_men"
    readings = {"experiment_xgboost.best.test.roc_auc where sex='Female'": 0.9479}

    assert text(gates=[gate(name, readings=readings)]).splitlines() == [
        f"passed  {name}",
        "          experiment_xgboost.best.test.roc_auc where sex='Female' 0.9479",
    ]


def test_gates_of_one_name_are_told_apart():
    a, b = "experiments/experiment_a.py", "experiments/experiment_b.py"
    report = text(gates=[gate(file=a), gate(file=b), gate("gate_c", file=a)])
    assert report.splitlines() == [
        "passed  gate_a (experiment_a.py)",
        "passed  gate_a (experiment_b.py)",
        "passed  gate_c",
    ]

    methods = [gate(node_id=f"{a}::Experiment{name}::gate_a") for name in "XY"]
    assert [line.split()[1] for line in text(gates=methods).splitlines()] == [
        f"{a}::ExperimentX::gate_a",
        f"{a}::ExperimentY::gate_a",
    ]


def test_a_skipped_gate_gives_its_reason_and_no_colour_of_success():
    [line] = lines([], {}, {}, [gate(outcome="skipped", message="contract income is broken")])

    assert line == Line("skipped gate_a  contract income is broken", {"yellow": True})


def test_a_failed_gate_without_a_reading_says_why():
    message = "E   ResultError: experiment_a has no finished trial (2 raised); mend its trials first"
    made = lines([], {}, {}, [gate(outcome="failed", message=message)])

    assert [line.text for line in made] == [
        "failed  gate_a",
        "          ResultError: experiment_a has no finished trial (2 raised); mend its",
        "            trials first",
    ]
    assert all(line.markup == {"red": True} for line in made)


# numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.88114, "0.8811"),
        (1.0, "1.0"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (-3.0, "-3.0"),
        (12.0, "12"),
        (115.59, "115.59"),
        (12345.678, "12,345.68"),
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (1234567.8, "1.235e+06"),
        (1e300, "1e+300"),
        (0.00012345, "0.0001234"),
        (-1.5e-9, "-1.5e-09"),
        (5e-324, "4.941e-324"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_keep_the_digits_that_count(value, shown):
    assert number(value) == shown


@given(st.floats(-1e300, 1e300))
def test_a_number_is_short_and_near_the_truth(value):
    shown = number(value)

    assert len(shown) <= 11
    assert float(shown.replace(",", "")) == pytest.approx(value, rel=1e-2, abs=1e-323)


# whatever comes

NAMES = st.text("abcdefgh_", min_size=1, max_size=120)
WORDS = st.text(min_size=1, max_size=30) | NAMES
NUMBERS = st.floats()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.builds(contract, NAMES, violations=st.lists(WORDS, max_size=7)), max_size=2),
    st.lists(
        st.builds(
            trial,
            st.integers(0, 9),
            NAMES,
            st.none() | st.floats(allow_nan=False),
            params=st.dictionaries(NAMES, WORDS, max_size=3),
            outcome=st.sampled_from(["passed", "failed", "raised", "skipped"]),
            message=WORDS,
            objective=st.none() | st.just("roc_auc"),
            logged=st.dictionaries(NAMES, NUMBERS, max_size=3),
        ),
        max_size=3,
    ),
    st.lists(
        st.builds(
            gate,
            NAMES,
            st.sampled_from(["passed", "failed", "skipped"]),
            readings=st.dictionaries(WORDS, NUMBERS, max_size=3),
            message=WORDS,
        ),
        max_size=2,
    ),
)
def test_every_line_fits_and_is_printable(contracts, trials, gates):
    for line in text(contracts, trials, gates).split("\n"):
        assert len(line) <= WIDTH
        assert line.isprintable()


def test_long_names_do_not_push_the_numbers_off_the_line():
    name, objective = "experiment_" + "very_" * 6 + "long", "expected_profit_in_dollars_per_visit"
    report = text(trials=[trial(0, name, objective=objective, logged={objective: -1.2346e-300})])

    assert report.splitlines()[:3] == [
        "experiment                    trials  objective                   best  baseline",
        name,
        "                                   1  expected_profit_in…  -1.235e-300",
    ]


# MLflow


def test_where_to_look_is_told():
    delivery = Delivery(uri="sqlite:///mlflow.db", runs=1)

    assert tracked(delivery, "mlflow ui --backend-store-uri sqlite:///mlflow.db") == [
        Line("compare the runs: mlflow ui --backend-store-uri sqlite:///mlflow.db")
    ]
    assert tracked(None, "") == []


@pytest.mark.parametrize(
    ("problem", "pending", "told"),
    [
        (
            "MLflow at http://a cannot be used: [Errno 111] Connection refused",
            12,
            "MLflow at http://a cannot be used: [Errno 111] Connection refused. 12 records wait",
        ),
        (
            "MLflow at http://a did not take all of run r: MlflowException: it is too long.",
            2,
            "MLflow at http://a did not take all of run r: MlflowException: it is too long. 2 records wait",
        ),
        (
            "the folder of MLflow's store /a cannot be written: permission denied",
            2,
            "the folder of MLflow's store /a cannot be written: permission denied. 2 records wait",
        ),
        ("another process delivers run r", 1, "MLflow: another process delivers run r. 1 record waits"),
    ],
)
def test_what_could_not_be_delivered_waits(problem, pending, told):
    delivery = Delivery(uri="http://a", pending=pending, problem=problem)
    made = tracked(delivery, "")

    assert " ".join(line.text.strip() for line in made) == f"{told} in the store: `harness sync`"
    assert all(len(line.text) <= WIDTH and line.markup == {"yellow": True} for line in made)


# in a run


def test_the_report_of_a_run_has_no_escape_sequences_without_a_terminal(project):
    output = project.run("experiments").stdout.str()

    report = output.partition("= experiments =")[2].partition("\n")[2]
    assert "\x1b" not in output
    assert report.splitlines()[:9] == [
        "shops  no contract: 210 train, 60 validation, 30 test",
        "",
        "experiment       trials  objective    best  baseline",
        "experiment_tree       3  roc_auc    0.9544    0.5000",
        "  best: max_depth=3",
        "  validation: accuracy 0.8667, balanced_accuracy 0.8699, precision 0.9600,",
        "    recall 0.7742, f1 0.8571, average_precision 0.9457, log_loss 0.8325",
        "  roc_auc: 0.9544 corrected for being the best of 3",
        "",
    ]
    assert report.splitlines()[9:11] == [
        "passed  gate_accuracy  0.8667 [0.7032, 0.9469] >= 0.6 PROVEN, n 30, Wilson",
        "        experiment_tree.best.test.accuracy",
    ]


def test_the_report_is_coloured_when_asked(project):
    output = project.run("experiments", "--color=yes").stdout.str()

    assert "\x1b[32mpassed  gate_accuracy" in output


def test_a_run_without_experiments_has_no_report(empty_project):
    empty_project.write({"test_plain.py": "def test_plain(): pass\n"})

    assert "experiments" not in empty_project.run().stdout.str().partition("collected")[2]


def test_why_the_end_of_a_run_failed_is_wrapped_as_all_lines_are(project, monkeypatch):
    def full(self, exit):
        raise StoreError(
            "/a/rather/long/place/of/the/store/runs/20260101T000000-00000000/journal.jsonl cannot be written",
            "free space, and run again with --resume",
        )

    monkeypatch.setattr(Run, "finish", full)

    output = project.run("experiments", tracking=False).stdout.str()

    report = output.partition("= experiments =")[2].partition("\n")[2].rpartition("\n=")[0].splitlines()
    assert "cannot be written; free space, and run again with --resume" in " ".join(map(str.strip, report))
    assert max(map(len, report)) <= WIDTH
