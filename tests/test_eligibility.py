"""Who may be promoted: rules over records alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracked import BEST, GATE, NODE, trial

from harness.eligibility import Standing, choose, refusal
from harness.results import BestRecord

FILES = {"model": "model.pkl"}
TRIALS = {t.node_id: t for t in (trial(0), trial(1, files=FILES))}
PASSED = replace(GATE, outcome="passed", message="")
OTHER = f"{NODE.partition('::')[0]}::gate_other"


def standing(**fields):
    known = {
        "name": "experiment_a",
        "registered": "income",
        "judges": [PASSED.node_id],
        "gates": {PASSED.node_id: PASSED},
        "planned": list(TRIALS),
        "trials": TRIALS,
        "best": replace(BEST, model_digest="d"),
    }
    return Standing(**{**known, **fields})


def with_trial(**fields):
    first = f"{NODE}[C:0]"
    return standing(trials={**TRIALS, first: replace(TRIALS[first], **fields)})


def gate(outcome):
    return {PASSED.node_id: replace(PASSED, outcome=outcome)}


def test_an_experiment_whose_gates_and_trials_all_passed_may_be_promoted():
    assert refusal(standing()) is None
    assert refusal(with_trial(outcome="pruned")) is None


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (standing(judges=[]), "no gate judges it"),
        (standing(judges=[PASSED.node_id, OTHER]), "gate_other, which judges it, did not run"),
        (standing(gates=gate("failed")), "gate_accuracy failed"),
        (standing(gates=gate("skipped")), "gate_accuracy was skipped"),
        (standing(planned=[*TRIALS, f"{NODE}[C:2]"]), "1 of its 3 trials did not run"),
        (with_trial(outcome="failed"), "1 of its 2 trials: failed"),
        (with_trial(outcome="raised"), "1 of its 2 trials: raised"),
        (with_trial(outcome="skipped"), "1 of its 2 trials: skipped"),
        (with_trial(outcome="error"), "1 of its 2 trials: error"),
        (standing(best=None), "it has no best trial"),
        (standing(best=BEST), "its best trial has no model"),
        (
            standing(best=replace(BEST, node_id=f"{NODE}[C:0]", model_digest="d")),
            "its best trial has no model",
        ),
    ],
)
def test_a_reason_is_named(made, reason):
    assert refusal(made) == reason


def rival(name, value, **fields):
    best = trial(1, files=FILES, scores={"validation": {"roc_auc": value}}, **fields)
    return standing(name=name, trials={**TRIALS, best.node_id: best})


BETTER = "experiment_b, which competes for income as well, is better on validation"


def test_of_several_with_one_name_the_best_on_validation_is_promoted():
    some = [rival("experiment_a", 0.8), rival("experiment_b", 0.9), rival("experiment_c", 0.9)]

    assert choose(some) == {"experiment_a": BETTER, "experiment_b": None, "experiment_c": BETTER}
    lowest = [rival(s.name, v, greater_is_better=False) for s, v in zip(some, (3.0, 1.0, 2.0), strict=True)]
    assert choose(lowest) == {"experiment_a": BETTER, "experiment_b": None, "experiment_c": BETTER}
    apart = [replace(some[0], registered="other"), some[1]]
    assert choose(apart) == {"experiment_a": None, "experiment_b": None}
    out = [replace(some[1], gates=gate("failed")), some[0]]
    assert choose(out) == {"experiment_b": "gate_accuracy failed", "experiment_a": None}


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"data_digest": "0"}, "data"),
        ({"greater_is_better": False}, "objectives"),
        ({"objective": "f1", "data_digest": "0"}, "objectives"),
    ],
)
def test_models_that_cannot_be_told_apart_are_all_refused(fields, what):
    some = [rival("experiment_a", 0.8), rival("experiment_b", 0.9, **fields)]

    assert choose(some) == {
        a: f"it and {b} compete for income by different {what}, so neither is better"
        for a, b in (("experiment_a", "experiment_b"), ("experiment_b", "experiment_a"))
    }


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.sets(st.integers(0, 4)))
def test_of_one_name_at_most_one_is_promoted_and_never_one_that_may_not(values, red):
    some = [rival(f"experiment_{i}", value) for i, value in enumerate(values)]
    some = [replace(s, gates=gate("failed")) if i in red else s for i, s in enumerate(some)]

    decided = choose(some)
    chosen = [s for s in some if decided[s.name] is None]
    allowed = [s for s in some if refusal(s) is None]
    assert len(chosen) == bool(allowed)
    assert all(s.winner.value == max(a.winner.value for a in allowed) for s in chosen)


def test_the_record_of_a_best_trial_survives_json():
    best = replace(BEST, model_digest="d", test_rows="r", openings=3, rows="rows-income.npy")

    assert BestRecord.from_json(best.to_json()) == best


def test_while_a_rival_was_not_measured_nobody_wins():
    unmeasured = standing(name="experiment_b", best=None)

    decided = choose([rival("experiment_a", 0.8), unmeasured])

    assert decided["experiment_a"] == (
        "experiment_b, which competes for income as well, has no best trial in this run"
    )
    assert decided["experiment_b"] is not None
