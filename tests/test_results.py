"""Records cross every border as JSON and come back as they went."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results import (
    KINDS,
    BestRecord,
    ContractRecord,
    GateRecord,
    RunRecord,
    TrialRecord,
    pack,
    unpack,
)

TEXT = st.text(max_size=5)
NUMBER = st.floats(allow_nan=False)
SCORES = st.dictionaries(TEXT, NUMBER, max_size=2)
TEXTS = st.lists(TEXT, max_size=2)
PLAIN = st.none() | st.booleans() | st.integers() | NUMBER | TEXT | TEXTS

CONTRACTS = st.builds(
    ContractRecord,
    node_id=TEXT,
    dataset=TEXT,
    outcome=st.sampled_from(["passed", "broken"]),
    contract=st.none() | TEXT,
    verdict=TEXT,
    rows=st.dictionaries(TEXT, st.integers(), max_size=2),
    columns=st.dictionaries(TEXT, TEXT, max_size=2),
    violations=TEXTS,
    leaks=TEXTS,
    seconds=NUMBER,
)
TRIALS = st.builds(
    TrialRecord,
    node_id=TEXT,
    experiment=TEXT,
    index=st.integers(0, 9),
    id=TEXT,
    params=st.dictionaries(TEXT, PLAIN, max_size=2),
    outcome=st.sampled_from(["passed", "failed", "raised", "skipped", "error"]),
    message=TEXT,
    objective=st.none() | TEXT,
    scores=st.dictionaries(st.sampled_from(["train", "validation"]), SCORES, max_size=2),
    logged=SCORES,
    curves=st.dictionaries(TEXT, st.lists(NUMBER, max_size=2), max_size=2),
    fit_seconds=st.none() | NUMBER,
    peak_memory=st.none() | st.integers(0),
    files=st.dictionaries(TEXT, TEXT, max_size=2),
)
GATES = st.builds(
    GateRecord,
    node_id=TEXT,
    name=TEXT,
    outcome=st.sampled_from(["passed", "failed", "skipped"]),
    experiments=TEXTS,
    readings=SCORES,
    opened=TEXTS,
)
BESTS = st.builds(
    BestRecord, experiment=TEXT, node_id=TEXT, baseline=SCORES, test=SCORES, example=st.none() | TEXT
)


@given(st.one_of(CONTRACTS, TRIALS, GATES, BESTS))
def test_a_record_comes_back_from_json_as_it_went(record):
    there = json.loads(json.dumps(pack(record)))

    assert unpack(there) == record


@given(st.one_of(CONTRACTS, TRIALS, GATES, BESTS))
def test_a_record_of_a_later_version_is_read_without_its_new_fields(record):
    assert unpack({**pack(record), "invented_later": [1, 2]}) == record


def test_tuples_are_lists_in_json():
    record = GateRecord(node_id="n", name="g", outcome="passed", experiments=("a", "b"), opened=("d",))

    back = unpack(json.loads(json.dumps(pack(record))))

    assert back == dataclasses.replace(record, experiments=["a", "b"], opened=["d"])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "champion"},
        {"kind": None},
        {"kind": ["trial"]},
        {"kind": "trial"},
        {"kind": "gate", "node_id": "n"},
    ],
    ids=repr,
)
def test_a_kind_or_form_of_another_version_is_no_record(values):
    assert unpack(values) is None


def test_every_kind_has_a_word_of_its_own():
    assert len(set(KINDS.values())) == len(KINDS) == 4


@given(TRIALS)
def test_only_a_trial_that_passed_is_finished(record):
    assert record.finished == (record.outcome == "passed")


def trial(**fields):
    return TrialRecord(node_id="n", experiment="e", index=0, id="", params={}, outcome="passed", **fields)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"scores": {"validation": {"f1": 0.5}}}, None),
        ({"objective": "f1"}, None),
        ({"objective": "f1", "scores": {"validation": {"f1": 0.5}}}, 0.5),
        ({"objective": "f1", "scores": {"train": {"f1": 0.5}}}, None),
        ({"objective": "speed", "logged": {"speed": 3.0}}, 3.0),
        ({"objective": "f1", "scores": {"validation": {"f1": 0.0}}, "logged": {}}, 0.0),
    ],
)
def test_the_value_of_a_trial_is_its_objective_on_validation_rows_or_as_logged(fields, value):
    assert trial(**fields).value == value


def test_a_run_record_survives_json():
    record = RunRecord(
        id="r", project="p", started=1.5, backend="local", harness_version="0.1.0", commit=None, dirty=None
    )

    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_records_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        trial().outcome = "failed"
