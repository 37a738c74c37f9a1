"""The simulation of verdicts: its truths, its targets and its tables. Not the simulation itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parent.parent / "benchmarks" / "verdicts.py"
SPEC = importlib.util.spec_from_file_location("simulated_verdicts", PATH)
verdicts = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = verdicts  # its dataclass looks for its module there
SPEC.loader.exec_module(verdicts)

from harness.scoring.standard import METRICS  # noqa: E402


def cell(**changes):
    values = {"table": "covering", "row": "BCa: r2", "p": 0.5, "n": 500, "value": 0.95, "error": 0.01}
    return verdicts.Cell(**{**values, **changes})


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("accuracy", "one_right"),
        ("f1", "one_right"),
        ("roc_auc", "one_ranked"),
        ("average_precision", "one_ranked"),
        ("log_loss", "one_ranked"),
        ("r2", "regression"),
        ("median_absolute_error", "regression"),
        ("accuracy", "clustered"),
    ],
)
def test_what_is_called_true_is_what_many_rows_show(name, sample):
    e = getattr(verdicts, sample)(np.random.default_rng(0), 60_001, 0.8)

    assert METRICS[name].function(e) == pytest.approx(verdicts.truth(name, 0.8, 60_001), abs=0.012)


@pytest.mark.parametrize("sample", ["two_right", "two_ranked"])
def test_two_models_are_equally_good_and_alike(sample):
    a, b = getattr(verdicts, sample)(np.random.default_rng(0), 20_000, 0.8)
    metric = METRICS["accuracy" if sample == "two_right" else "roc_auc"]

    assert metric.function(a) == pytest.approx(metric.function(b), abs=0.01)
    assert np.mean(a.predictions.labels == b.predictions.labels) > 0.75


def test_a_gate_at_the_true_accuracy_passes_as_computed_by_hand():
    found = verdicts.passing("accuracy", 0.86, 57, 1)

    assert found.error == 0
    assert found.naive == pytest.approx(0.445, abs=0.001)
    assert 0.005 < found.value < 0.025


@pytest.mark.parametrize("row", ["roc_auc difference", "f1", "roc_auc"])
def test_sampled_cells_have_an_error(row):
    found = verdicts.solve(("passing", row, 0.86, 57, 20))

    assert 0 < found.error < 0.2
    assert found.value <= found.naive


def test_a_target_is_missed_beyond_what_chance_explains():
    assert not verdicts.missed(cell(value=0.91))
    assert verdicts.missed(cell(value=0.89))
    assert verdicts.missed(cell(value=0.98, error=0.0))
    assert not verdicts.missed(cell(table="passing", value=0.03))
    assert verdicts.missed(cell(table="passing", value=0.06))
    assert not verdicts.missed(cell(table="correcting", value=0.02, naive=0.009, error=0.001))
    assert verdicts.missed(cell(table="correcting", value=-0.02, naive=0.02, error=0.001))


def test_exceptions_are_named_and_the_rest_is_not_excused(capsys):
    cells = [cell(row="Wilson: accuracy", p=0.95, n=57, value=0.977, error=0.0), cell(value=0.5)]

    left = verdicts.print_exceptions(cells)

    assert left == cells[1:]
    assert "* 1 named exceptions:\n    Wilson: a count of so few likely errors" in capsys.readouterr().out


def test_tables_fit_a_terminal_and_hold_every_cell(capsys):
    planned = verdicts.tasks(1.0)
    cells = [cell(table=t, row=r, p=p, n=n, value=0.999, error=0.099, naive=0.5) for t, r, p, n, _ in planned]
    tables = {t: [c for c in cells if c.table == t] for t in ("passing", "covering", "correcting")}

    for name, table in tables.items():
        getattr(verdicts, f"print_{name}")(table)
    lines = capsys.readouterr().out.splitlines()

    assert max(map(len, lines)) <= 80
    assert sum(line.count("±") for line in lines) == len(cells)
