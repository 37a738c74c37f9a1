"""Records in, the descriptions that MLflow shows above a run (Markdown) out; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from harness.results import BestRecord, GateRecord, TrialRecord
from harness.tracking.grouped import Group
from harness.tracking.names import shorten
from harness.verdicts import gate_text

__tracebackhide__ = True

_NOTE = 5000
_MESSAGE, _GIST, _HEAD, _CELL, _VALUE = 4000, 1000, 1500, 500, 100
_MARKUP = re.compile(r"[\\`*|~\[\]]")


def of_trial(trial: TrialRecord) -> str:
    """Return why a trial did not pass, in a fenced block; empty if it passed."""
    if trial.outcome == "passed" or not trial.message:
        return ""
    return shorten(fenced(cut(trial.message, _MESSAGE)), _NOTE)


def of_experiment(group: Group) -> str:
    """Return the best trial in a line, the gates in a table, and why a gate did not pass.

    What does not fit into MLflow's limit is left out from the end, with an ellipsis in its place.
    """
    return _fitting(_blocks(group), _NOTE)


def gist(message: str) -> str:
    """Return the error lines of a pytest failure without its source, or the start of any other text."""
    errors = [line[1:].strip() for line in message.splitlines() if line.startswith("E  ")]
    return shorten("\n".join(errors) or message, _GIST)


def cut(text: str, length: int) -> str:
    """Return at most `length` characters of `text`: a quarter from its start, the rest from its end.

    The end of a failure says what failed.
    """
    if len(text) <= length:
        return text
    gap = "\n…\n"
    head = length // 4
    return f"{text[:head]}{gap}{text[head + len(gap) - length :]}"


def fenced(text: str) -> str:
    """Return `text` as a Markdown block that no backticks in it can end."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _blocks(group: Group) -> Iterator[str]:
    yield shorten(_headline(group), _HEAD)
    if group.gates:
        yield "\n| gate | outcome | what it compared or read |\n|---|---|---|"
    for gate in group.gates:
        yield f"| {_plain(gate.name, _CELL)} | {gate.outcome} | {_read(gate)} |"
    for gate in group.gates:
        if gate.message and gate.outcome != "passed":
            yield f"\n{_plain(gate.name, _CELL)}:\n\n{fenced(gist(gate.message))}"


def _headline(group: Group) -> str:
    count = f"{len(group.trials)} trial{'s' if len(group.trials) > 1 else ''}"
    outcomes = Counter(trial.outcome for trial in group.trials)
    if set(outcomes) != {"passed"}:
        count += f" ({', '.join(f'{number} {outcome}' for outcome, number in outcomes.items())})"
    winner, best = group.winner, group.best
    if winner is None or best is None:
        return f"{count}, none of them the best"
    params = ", ".join(f"{_plain(k, _VALUE)}={_plain(v, _VALUE)}" for k, v in winner.params.items())
    return f"best of {count}: " + "; ".join(part for part in (params, _reached(winner, best)) if part)


def _reached(winner: TrialRecord, best: BestRecord) -> str:
    name = winner.objective
    if name is None or winner.value is None:
        return ""
    parts = [f"{_plain(name, _VALUE)} {_number(winner.value)}"]
    if winner.spread is not None:
        of = "folds" if winner.folds else "repeats"
        parts[0] += f" ± {_number(winner.spread)} over {len(winner.repeats)} {of}"
    if name in winner.scores.get("validation", {}):
        parts[0] += " on validation"
        parts += [] if best.corrected is None else [f"{_number(best.corrected)} corrected for the choice"]
        parts += [f"{_number(best.test[name])} on test"] if name in best.test else []
        parts += [f"baseline {_number(best.baseline[name])}"] if name in best.baseline else []
    return ", ".join(parts)


def _read(gate: GateRecord) -> str:
    return _plain(gate_text(gate), _CELL)


def _number(value: float) -> str:
    return format(value, ".4g" if abs(value) < 1000 else ".6g")


def _plain(value: object, length: int) -> str:
    """Return a value as one line of text in which Markdown and HTML find nothing of theirs."""
    text = shorten(" ".join(str(value).split()), length).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKUP.sub(r"\\\g<0>", text)


def _fitting(blocks: Iterable[str], length: int) -> str:
    text = ""
    for block in blocks:
        longer = f"{text}\n{block}" if text else block
        if len(longer) + 3 > length:
            return f"{text}\n\n…"
        text = longer
    return text
