"""The records of a run in; which experiments may be promoted, and why the others may not, out; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.results import BestRecord, GateRecord, TrialRecord
from harness.wording import counted

__tracebackhide__ = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that decides about one experiment."""

    name: str
    registered: str
    """Name of the model in MLflow."""
    judges: Sequence[str]
    """Node ids of all gates of the project that judge it, selected or not."""
    gates: Mapping[str, GateRecord]
    """Of this run, by node id."""
    planned: Sequence[str]
    """Node ids of all its trials, selected or not."""
    trials: Mapping[str, TrialRecord]
    """Of this run, by node id."""
    best: BestRecord | None

    @property
    def winner(self) -> TrialRecord | None:
        """The best trial."""
        return self.trials.get(self.best.node_id) if self.best else None


def refusal(standing: Standing) -> str | None:
    """Return why an experiment may not be promoted; None if it may."""
    if not standing.judges:
        return "no gate judges it"
    return _of_gates(standing) or _of_trials(standing) or _of_the_best(standing)


def _of_gates(standing: Standing) -> str | None:
    for node_id in standing.judges:
        record = standing.gates.get(node_id)
        if record is None:
            return f"{node_id.rpartition('::')[2]}, which judges it, did not run"
        if record.outcome != "passed":
            return f"{record.name} {'was skipped' if record.outcome == 'skipped' else record.outcome}"
    return None


def _of_trials(standing: Standing) -> str | None:
    total = counted(len(standing.planned), "trial")
    missing = sum(node_id not in standing.trials for node_id in standing.planned)
    if missing:
        return f"{missing} of its {total} did not run"
    outcomes = Counter(standing.trials[node_id].outcome for node_id in standing.planned)
    for outcome in ("failed", "raised", "error", "skipped"):
        if outcomes[outcome]:
            return f"{outcomes[outcome]} of its {total}: {outcome}"
    return None


def _of_the_best(standing: Standing) -> str | None:
    if standing.winner is None:
        return "it has no best trial"
    if "model" not in standing.winner.files or standing.best is None or not standing.best.model_digest:
        return "its best trial has no model"
    return None


def choose(standings: Sequence[Standing]) -> dict[str, str | None]:
    """Return for each experiment why it is not promoted, None for those that are.

    Of several with one registered name only the best by its validation objective is, if they can be told
    apart: by one objective on the same rows, split in the same way. Ties go to the first. None is while one
    of them was not measured.
    """
    decided = {standing.name: refusal(standing) for standing in standings}
    rivals: dict[str, list[Standing]] = {}
    for standing in standings:
        if decided[standing.name] is None:
            rivals.setdefault(standing.registered, []).append(standing)
    unmeasured = {standing.registered: standing.name for standing in standings if standing.winner is None}
    for name, some in rivals.items():
        if name in unmeasured:  # which might have been better
            reason = f"{unmeasured[name]}, which competes for {name} as well, has no best trial in this run"
            decided |= dict.fromkeys((standing.name for standing in some), reason)
        elif len(some) > 1:
            decided |= _between(name, some)
    return decided


def _between(name: str, some: Sequence[Standing]) -> dict[str, str | None]:
    winners = [standing.winner for standing in some]
    kinds = {(w.objective, w.greater_is_better, w.data_digest) for w in winners if w}
    if len(kinds) > 1:
        what = "objectives" if len({kind[:2] for kind in kinds}) > 1 else "data"
        others = {s.name: ", ".join(o.name for o in some if o is not s) for s in some}
        return {
            s.name: f"it and {others[s.name]} compete for {name} by different {what}, so neither is better"
            for s in some
        }

    def rank(standing: Standing) -> float:
        winner = standing.winner
        value = winner.value if winner and winner.value is not None else float("-inf")
        return value if winner is None or winner.greater_is_better else -value

    chosen = max(some, key=rank)  # the first of equals
    reason = f"{chosen.name}, which competes for {name} as well, is better on validation"
    return {standing.name: None if standing is chosen else reason for standing in some}
