"""Pytest's reports in, records of trials, gates and contracts out."""

from __future__ import annotations

import json
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import records

from harness.collection import INDEX
from harness.recorder import PHASES, Phase, outcome, parameters, trial_record
from harness.results import pack, unpack


def phase(when, result="passed", asserted=False, text="", **more):
    known = {"crash": "", "started": 1.0, "seconds": 0.5, **more}
    return Phase(when=when, outcome=result, asserted=asserted, text=text, **known)


SETUP, CALL, TEARDOWN = phase("setup"), phase("call"), phase("teardown")


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([SETUP, CALL, TEARDOWN], ("passed", "")),
        ([SETUP, phase("call", "failed", True, "assert 0"), TEARDOWN], ("failed", "assert 0")),
        ([SETUP, phase("call", "failed", False, "1 / 0"), TEARDOWN], ("raised", "1 / 0")),
        ([phase("setup", "failed", True, "in a fixture"), TEARDOWN], ("raised", "in a fixture")),
        ([SETUP, CALL, phase("teardown", "failed", True, "late")], ("raised", "late")),
        (
            [SETUP, phase("call", "failed", True, "first"), phase("teardown", "failed", False, "late")],
            ("failed", "first"),
        ),
        ([phase("setup", "skipped", text="no GPU"), TEARDOWN], ("skipped", "no GPU")),
    ],
    ids=["passed", "assert", "raise", "setup", "teardown", "both", "skip"],
)
def test_what_became_of_a_trial(phases, expected):
    assert outcome(phases) == expected


def item(params):
    made = types.SimpleNamespace(
        nodeid="x.py::experiment_x[a]", name="experiment_x[a]", originalname="experiment_x"
    )
    made.callspec = types.SimpleNamespace(params=params, id="a")
    made.stash = pytest.Stash()
    made.stash[INDEX] = 3
    made.stash[PHASES] = [SETUP, CALL, TEARDOWN]
    return made


def report(out="", err=""):
    return types.SimpleNamespace(capstdout=out, capstderr=err)


class Model:
    def __repr__(self):
        return "Model()"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (3, 3),
        (0.1, 0.1),
        (True, True),
        (None, None),
        ("a", "a"),
        ([1, 2], [1, 2]),
        ({"a": 1}, {"a": 1}),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array(4), 4),
        ((1, 2), "(1, 2)"),
        ({1: 2}, "{1: 2}"),
        (Model(), "Model()"),
        (float("nan"), "nan"),
        (float("inf"), float("inf")),
        (np.float64("nan"), "nan"),
        ({"a"}, "{'a'}"),
        (b"x", "b'x'"),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_a_parameter_survives_json_or_is_its_repr(value, kept):
    record = trial_record(item({"p": value}), report(), {})

    assert record.params == {"p": kept}
    assert type(record.params["p"]) is type(kept)
    assert unpack(json.loads(json.dumps(pack(record)))) == record


@given(
    st.dictionaries(
        st.text(min_size=1), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    )
)
def test_every_record_survives_the_store(params):
    record = trial_record(item(params), report("out", "err"), {"logged": {"a": 1.0}})

    assert unpack(json.loads(json.dumps(pack(record)))) == record
    assert set(record.params) == set(params)


def test_a_record_has_place_time_and_output():
    record = trial_record(item({}), report("out", "err"), {"logged": {"a": 1.0}})

    assert (record.node_id, record.experiment, record.index, record.id) == (
        "x.py::experiment_x[a]",
        "experiment_x",
        3,
        "a",
    )
    assert (record.started, record.seconds, record.output) == (1.0, 1.5, "out\nerr")
    assert record.logged == {"a": 1.0}


def test_long_output_keeps_its_end():
    record = trial_record(item({}), report("a" * 50_000 + "end"), {})

    assert len(record.output) == 20_000
    assert record.output.endswith("end")


def test_an_item_without_parameters_has_none():
    assert parameters(types.SimpleNamespace(stash=pytest.Stash())) == {}


def test_records_of_a_run(project):
    project.write(
        {
            "experiments/experiment_more.py": """
                import pytest

                @pytest.mark.xfail(strict=True, reason="should fail")
                def experiment_strict(trial): trial.log(x=1)

                @pytest.mark.xfail(reason="may fail")
                def experiment_lenient(trial): trial.log(x=1)

                @pytest.fixture
                def broken(): raise OSError("no disk")

                def experiment_setup(broken, trial): pass

                def experiment_fail(trial): pytest.fail("on purpose")

                def experiment_prints(trial, capsys):
                    print("swallowed")

                def gate_fails(experiment_tree):
                    assert experiment_tree.best.test.f1 > experiment_tree.best.validation.f1 + 2

                def gate_raises(experiment_tree): 1 / 0

                def gate_skips(experiment_tree): pytest.skip("not needed")

                @pytest.mark.parametrize("limit", [0.5])
                def gate_parametrized(experiment_tree, limit):
                    assert experiment_tree.best.test.accuracy > limit
                """
        }
    )

    project.run("experiments")

    found = records(project.path)
    outcomes = {trial.experiment: (trial.outcome, trial.message.split("\n")[0]) for trial in found.trials}
    assert outcomes["experiment_strict"] == ("failed", "[XPASS(strict)] should fail")
    assert outcomes["experiment_lenient"][0] == "passed"
    assert outcomes["experiment_setup"][0] == "raised"
    assert outcomes["experiment_fail"][0] == "failed"
    gates = {gate.name: gate for gate in found.gates}
    assert {name: gate.outcome for name, gate in gates.items()} == {
        "gate_accuracy": "passed",
        "gate_fails": "failed",
        "gate_raises": "failed",
        "gate_skips": "skipped",
        "gate_parametrized[0.5]": "passed",
    }
    assert list(gates["gate_fails"].readings) == [
        "experiment_tree.best.test.f1",
        "experiment_tree.best.validation.f1",
    ]
    assert list(gates["gate_fails"].opened) == ["shops"]
    assert list(gates["gate_raises"].opened) == []
    assert list(gates["gate_fails"].experiments) == ["experiment_tree"]
    assert "ZeroDivisionError" in gates["gate_raises"].message
    assert gates["gate_skips"].message == "not needed"
    assert found.exit == pytest.ExitCode.TESTS_FAILED
