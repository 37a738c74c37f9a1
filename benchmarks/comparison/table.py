"""Measured rows in, lines of at most 80 columns out."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from comparison.records import Results, Run, disagreements
from comparison.spread import counted, ratios, spread, walls
from comparison.verdicts import Flatness, Verdict, limits, verdicts
from comparison.workloads import Row

WIDTH = 80

OTHERS = 0.05
"""Share of the cores that other work may take before the figures are not to be believed."""

NOTES = """\
wall s: whole process, from start to exit, median (lowest–highest). ratio: wall
time of the first runner by that of this one, of each pair of runs. CPU s: of
all processes. MB: highest sum of their PSS, sampled.
The harness starts without a store and without mlflow.db; its time includes
checking the data, splitting and storing it, 8 scores of the validation rows a
trial, kept models, and MLflow unless "no tracking". The others are given the
split and compute one score.
"""


def render(row: Row, results: Results, titles: Mapping[str, str]) -> list[str]:
    """Return the lines of one row.

    titles: of the runners by name.
    """
    lines = [f"{row.name}: {row.title}", _columns("", "wall s", "ratio", "at most", "CPU s", "MB")]
    at_most = limits(row, results)
    judged = {verdict.against: verdict for verdict in verdicts(row, results)}
    order = sorted(row.runners, key=lambda name: name != row.reference)
    for name in order:
        if name not in results.runs:
            continue
        runs = results.runs[name]
        good = counted(runs)
        if not good:
            lines.append(_columns(titles[name], "failed", "", "", "", ""))
            continue
        ratio = spread([] if name == row.reference else ratios(results.runs.get(row.reference, ()), runs))
        lines.append(
            _columns(
                titles[name],
                str(spread(walls(runs))),
                "" if ratio is None else str(ratio),
                _target(judged.get(name), at_most.get(name)),
                f"{statistics.median(run.cost.cpu for run in good):.1f}",
                f"{statistics.median(run.cost.memory for run in good) / 2**20:.0f}",
            )
        )
    return [*lines, *_remarks(row, results, titles), ""]


def _columns(title: str, wall: str, ratio: str, target: str, cpu: str, memory: str) -> str:
    return f"{title:<20} {wall:>20} {ratio:>16} {target:>8} {cpu:>6} {memory:>5}".rstrip()


def _target(verdict: Verdict | None, at_most: float | None) -> str:
    if verdict is None:
        return "" if at_most is None else f"{at_most:.2f}   "
    return f"{verdict.at_most:.2f} {'ok' if verdict.reached else 'NO'}"


def _remarks(row: Row, results: Results, titles: Mapping[str, str]) -> list[str]:
    lines = [f"! {line}" for line in disagreements(results, row.size)]
    for name, runs in results.runs.items():
        for problem, times in _counts([run.problem for run in runs if run.problem]).items():
            lines.append(f"! {titles[name]}: {times} of {len(runs)} runs: {problem}")
        left = [process for run in runs for process in run.cost.left]
        for process, times in _counts(left).items():
            lines.append(f"! {titles[name]} left a process {times} times: {process}")
        reused = {run.answer.reused for run in counted(runs) if run.answer and run.answer.reused}
        lines += [f"  {titles[name]}: {count} of {row.size} trials reused" for count in reused]
    lines += [f"  {titles[name]}: not available: {why}" for name, why in results.unavailable.items()]
    best = next((run.answer for runs in results.runs.values() for run in runs if run.answer), None)
    if best is not None and not disagreements(results, row.size):
        params = ", ".join(f"{name}={value:.6g}" for name, value in best.params.items())
        lines.append(f"  all found {params}: {best.score:.6g}")
    return [_clip(line) for line in lines]


def _counts(texts: Sequence[str]) -> dict[str, int]:
    return {text: texts.count(text) for text in texts}


def _clip(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def summary(found: Sequence[Verdict], flat: Sequence[Flatness], titles: Mapping[str, str]) -> list[str]:
    """Return the lines that say which targets are reached."""
    lines = []
    if found:
        lines.append(f"{'to reach':<16} {'against':<22} {'ratio':>16} {'at most':>8}")
    for verdict in found:
        sign = "ok" if verdict.reached else "NO"
        title = titles[verdict.against]
        lines.append(f"{verdict.work:<16} {title:<22} {verdict.ratio!s:>16} {verdict.at_most:>8.2f} {sign}")
    if flat:
        lines += ["", "what a further no-op trial costs beyond 5,000, divided by one beyond 1,000"]
    for each in flat:
        sign = ("ok" if each.reached else "NO") if each.runner.startswith("harness") else ""
        line = f"{titles[each.runner]:<20} time {each.seconds:.2f}, memory {each.memory:.2f} {sign}"
        lines.append(line.rstrip())
    return lines


def busy(runs: Sequence[Run], cores: int) -> list[str]:
    """Return a warning if other work took more than OTHERS of the cores during half of the runs."""
    shares = [run.cost.others / (run.cost.wall * cores) for run in runs]
    if not shares or statistics.median(shares) <= OTHERS:
        return []
    return [
        f"! other work took {statistics.median(shares):.0%} of the {cores} cores meanwhile, "
        f"up to {max(shares):.0%}:",
        "! do not believe these figures",
    ]
