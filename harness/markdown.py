"""The records of a run in; the page that CI shows of it, in Markdown, out."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.bests import best
from harness.results import BestRecord, ContractRecord, GateRecord, TrialRecord
from harness.verdicts import missing_text
from harness.wording import counted, number, reason

__tracebackhide__ = True


def page(
    contracts: Sequence[ContractRecord],
    experiments: Mapping[str, Sequence[TrialRecord]],
    bests: Mapping[str, BestRecord],
    gates: Sequence[GateRecord],
    *,
    planned: Mapping[str, int],
    links: Mapping[str, str],
    notes: Iterable[str] = (),
    exit: int = 0,
) -> str:
    """Return the page: a headline, gates with verdicts, experiments, data sets, notes.

    planned: number of selected trials by experiment; links: address in MLflow by experiment, if there is
    a server; notes: one line each; exit: pytest's exit code. No value of a cell of the data is in it.
    """
    parts = [
        f"## {_headline(gates, exit)}",
        _gates(gates),
        _experiments(experiments, bests, planned, links),
        _contracts(contracts),
        "\n".join(f"- {_text(note)}" for note in notes if note),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(gates: Sequence[GateRecord], exit: int) -> str:
    counts = Counter(gate.outcome for gate in gates)
    told = [f"{counted(n, 'gate')} {outcome}" for outcome, n in counts.items()]
    return f"{'🟢' if exit == 0 else '🔴'} Experiments: {', '.join(told) or 'no gates'}"


def _gates(gates: Sequence[GateRecord]) -> str:
    rows = []
    for gate in gates:
        start = [f"`{_code(gate.name)}`", gate.outcome]
        why = "" if gate.outcome == "passed" else reason(gate.message)
        if not gate.comparisons:
            said = why or ", ".join(f"{name} {number(v)}" for name, v in gate.readings.items())
            rows.append([*start, _text(said), "", "", ""])
        for one in gate.compared:
            ends = "" if one.lower is None else f" [{number(one.lower)}, {number(one.upper or 0.0)}]"
            missing = missing_text(one) or one.note
            rows.append(
                [
                    *start,
                    f"`{_code(one.score)}`",
                    f"{number(one.value)}{ends}{f' {one.end}' if one.end else ''} "
                    f"{html.escape(one.sign)} {one.threshold:.6g}",
                    f"**{one.verdict}**" + (f"<br>{_text(missing)}" if missing else ""),
                    f"{one.n:,}, {_text(one.method)}" if one.method else "",
                ]
            )
            start = ["", ""]
        if gate.comparisons and why:
            rows.append(["", "", _text(why), "", "", ""])
    return _table(["gate", "", "score", "value, interval, claim", "verdict", "rows, method"], rows)


def _experiments(
    experiments: Mapping[str, Sequence[TrialRecord]],
    bests: Mapping[str, BestRecord],
    planned: Mapping[str, int],
    links: Mapping[str, str],
) -> str:
    rows = []
    for name, records in experiments.items():
        found, kept = best(records), bests.get(name)
        finished = sum(record.finished for record in records)
        title = f"`{_code(name)}`"
        if name in links:
            title = f"[{title}]({links[name]})"
        cells = [title, f"{finished}/{planned[name]}"]
        if found is None or found.value is None:
            rows.append([*cells, "", "", "", "", ""])
            continue
        baseline = kept.baseline.get(found.objective or "") if kept else None
        corrected = kept.corrected if kept else None
        params = ", ".join(f"{key}={value}" for key, value in found.params.items())
        rows.append(
            [
                *cells,
                _text(params[:200]),
                f"{found.objective}{'' if found.greater_is_better else ' (lowest)'}",
                number(found.value),
                "" if corrected is None else number(corrected),
                "" if baseline is None else number(baseline),
            ]
        )
    heads = ["experiment", "trials", "best", "objective", "validation", "corrected", "baseline"]
    return _table(heads, rows)


def _contracts(contracts: Sequence[ContractRecord]) -> str:
    rows = []
    for record in contracts:
        sizes = ", ".join(f"{n:,} {split}" for split, n in record.rows.items())
        said = "<br>".join(_text(violation) for violation in record.violations[:5])
        rows.append([f"`{_code(record.dataset)}`", _text(record.verdict), sizes, said])
    return _table(["data set", "contract", "rows", ""], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """Return text that Markdown takes as it is, on one line."""
    line = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{letter}" if letter in "|*_`[]\\" else letter for letter in line)


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'").replace("|", "\\|")
