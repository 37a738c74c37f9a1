"""How often gates pass by luck, intervals miss, and the best score flatters: simulated, with the real code.

Usage: `make bench-verdicts`, or `python benchmarks/verdicts.py [--quick] [--json FILE]`.
Exit code 1 if a target is missed: false passes of the policy `proven` 2.5 %, coverage 93 to 97 %, bias of
the corrected best 0.3 points where the naive one exceeds 1; each with twice its Monte-Carlo error, and
but for the exceptions that are named beside their reason.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from harness.errors import ScoreError
from harness.models.predictions import Predictions
from harness.models.stages import grid
from harness.scoring.correction import Candidate, corrected
from harness.scoring.evidence import Evidence
from harness.scoring.intervals import difference, difference_proof, interval, proof
from harness.scoring.standard import METRICS

CONFIDENCE = 0.95
SHARES = (0.1, 0.2, 0.5, 0.86, 0.9, 0.95)
ROWS = (57, 500, 5000)
WRONG = (1 - CONFIDENCE) / 2
BAND = (0.93, 0.97)
BIAS = 0.3

DISCRETE = "k of n jumps: no interval of a proportion has 95 % at every p and n (Brown, Cai & DasGupta 2001)"
UNEQUAL = "too low: a resample has 63 % of the rows to tell trials of unequal truth from each other"
FEW = "few rows of the rarer kind: resampling them cannot tell what it has not seen"


@dataclass(frozen=True, slots=True)
class Figure:
    """One simulated cell."""

    table: str
    name: str
    p: float
    n: int
    naive: float
    ours: float
    error: float
    """Of `ours`, one standard error of the simulation; 0: computed exactly."""
    well: bool
    exception: str = ""


# Data sets of known truth


def classified(
    right: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None, *, stratified: bool = False
) -> Evidence:
    """Return the evidence of a classifier that is right where `right` is True."""
    labels = np.where(right, y, 1 - y)
    return Evidence(y, Predictions(labels), None, 2, _no_rows, groups, stratified=stratified)


def _no_rows():
    raise AssertionError("no metric here looks at columns")


def ranked(rng: np.random.Generator, n: int, auc: float, share: float | None = None) -> Evidence:
    """Return the evidence of a binormal ranking of true area `auc`.

    share: chance of a row to be positive; None: half of the rows are, exactly, as a stratified split has it.
    """
    as_split = np.repeat([0, 1], [n - n // 2, n // 2])
    y = as_split if share is None else (rng.random(n) < share).astype(np.int64)
    ranking = rng.normal(size=n) + y * math.sqrt(2) * stats.norm.ppf(auc)
    p = stats.norm.cdf(ranking)
    return Evidence(
        y,
        Predictions((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]), p),
        None,
        2,
        _no_rows,
        stratified=share is None,
    )


def rightness(
    rng: np.random.Generator, n: int, p: np.ndarray | float, trials: int, rho: float, steps: int
) -> np.ndarray:
    """Return (trials, steps, n) whether each trial is right, after each step of its training, with chance p.

    p: of all trials, or of each. rho: how much of a row's difficulty the trials share; two steps of a trial
    share 0.98 of the rest.
    """
    shared = rng.normal(size=n)
    own = rng.normal(size=(trials, steps, n))
    for step in range(1, steps):
        own[:, step] = 0.98 * own[:, step - 1] + math.sqrt(1 - 0.98**2) * own[:, step]
    limits = np.broadcast_to(stats.norm.ppf(p), trials)[:, None, None]
    return math.sqrt(rho) * shared + math.sqrt(1 - rho) * own < limits


# (a) false passes at the threshold


def false_accuracy(p: float, n: int) -> Figure:
    """Sum over all counts that may come: nothing is drawn."""
    accuracy = METRICS["accuracy"]
    chances = stats.binom(n, p)
    counts = np.arange(int(chances.ppf(1e-12)), int(chances.ppf(1 - 1e-12)) + 1)
    naive = ours = 0.0
    y = np.ones(n, dtype=np.int64)
    for k in counts:
        chance = float(chances.pmf(k))
        naive += chance * (k / n >= p)
        if k / n >= p:
            ours += chance * (proof(accuracy, classified(np.arange(n) < k, y), p, CONFIDENCE) == "above")
    return Figure("false passes", "accuracy", p, n, naive, ours, 0.0, ours <= WRONG + 1e-9)


def false_auc(p: float, n: int, draws: int) -> Figure:
    """Gates on an area under the curve that is exactly the threshold."""
    rng = np.random.default_rng([n, int(p * 100), 1])
    auc = METRICS["roc_auc"]
    seen = [ranked(rng, n, p) for _ in range(draws)]
    naive = np.mean([auc.function(one) >= p for one in seen])
    ours = np.mean([proof(auc, one, p, CONFIDENCE) == "above" for one in seen])
    return _rate("false passes", "roc_auc", p, n, float(naive), float(ours), draws)


def false_gain(p: float, n: int, draws: int) -> Figure:
    """Gates on the gain in accuracy of one model over another that is as good."""
    rng = np.random.default_rng([n, int(p * 100), 2])
    y = np.ones(n, dtype=np.int64)
    naive = ours = 0
    for _ in range(draws):
        a, b = (classified(right[0], y) for right in rightness(rng, n, p, 2, 0.5, 1))
        naive += (a.predictions.labels == y).sum() >= (b.predictions.labels == y).sum()
        ours += difference_proof(METRICS["accuracy"], a, b, 0.0, CONFIDENCE) == "above"
    return _rate("false passes", "accuracy gain", p, n, naive / draws, ours / draws, draws)


def _rate(table: str, name: str, p: float, n: int, naive: float, ours: float, draws: int) -> Figure:
    error = math.sqrt(max(ours, WRONG) * (1 - max(ours, WRONG)) / draws)
    return Figure(table, name, p, n, naive, ours, error, ours <= WRONG + 2 * error)


# (b) coverage


def wilson_coverage(p: float, n: int) -> Figure:
    """Sum over all counts that may come."""
    accuracy = METRICS["accuracy"]
    chances = stats.binom(n, p)
    y = np.ones(n, dtype=np.int64)
    ours = naive = 0.0
    for k in range(int(chances.ppf(1e-12)), int(chances.ppf(1 - 1e-12)) + 1):
        found = interval(accuracy, classified(np.arange(n) < k, y), CONFIDENCE)
        half = 1.96 * math.sqrt(k / n * (1 - k / n) / n)
        ours += float(chances.pmf(k)) * (found.lower <= p <= found.upper)
        naive += float(chances.pmf(k)) * (abs(k / n - p) <= half)
    return _covered("accuracy, Wilson", p, n, naive, ours, 0, DISCRETE)


def _covered(
    name: str, p: float, n: int, naive: float, ours: float, draws: int, exception: str = ""
) -> Figure:
    # Of few draws all may hold the truth: the error is that of 95 % at least.
    error = math.sqrt(max(ours * (1 - ours), 0.95 * 0.05) / draws) if draws else 0.0
    well = BAND[0] - 2 * error <= ours <= BAND[1] + 2 * error
    return Figure(
        "coverage", name, p, n, naive, ours, error, well or bool(exception), "" if well else exception
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A way to draw data sets, and what is estimated from each."""

    name: str
    metric: str
    draw: Callable[[np.random.Generator, int, float], tuple[Evidence, ...]]
    exception: str = ""


def _skilled(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    return (ranked(rng, n, p),)


def _guessed(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    y = np.repeat([0, 1], [n - n // 2, n // 2])
    return (classified(rng.random(n) < p, y, stratified=True),)


def _skilled_as_it_comes(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    return (ranked(rng, n, p, share=0.3),)


def _guessed_as_it_comes(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    return (classified(rng.random(n) < p, (rng.random(n) < 0.3).astype(np.int64)),)


def _clustered(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    groups = np.arange(n) // 5
    easy = rng.normal(size=groups[-1] + 1)[groups]
    right = math.sqrt(0.5) * easy + math.sqrt(0.5) * rng.normal(size=n) < stats.norm.ppf(p)
    return (classified(right, np.ones(n, dtype=np.int64), groups),)


def _pair(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    y = np.ones(n, dtype=np.int64)
    return tuple(classified(right[0], y) for right in rightness(rng, n, p, 2, 0.5, 1))


def _ranked_pair(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    a = ranked(rng, n, p)
    noise = a.predictions.ranking
    assert noise is not None
    z = stats.norm.ppf(np.clip(noise, 1e-12, 1 - 1e-12))
    mixed = (z + rng.normal(size=n)) / math.sqrt(2)
    shift = a.y * math.sqrt(2) * stats.norm.ppf(p) * (1 - 1 / math.sqrt(2))
    q = stats.norm.cdf(mixed + shift)
    said = Predictions(a.predictions.labels, None, q)
    return a, Evidence(a.y, said, None, 2, _no_rows, stratified=True)


def _regressed(rng: np.random.Generator, n: int, p: float) -> tuple[Evidence, ...]:
    y = rng.normal(size=n)
    said = p * y + math.sqrt(p * (1 - p)) * rng.normal(size=n)  # explains the share p of the variance
    return (Evidence(y, Predictions(said), None, 0, _no_rows),)


CASES = (
    Case("roc_auc, DeLong", "roc_auc", _skilled),
    Case("log_loss, BCa", "log_loss", _skilled, FEW),
    Case("average_precision, BCa", "average_precision", _skilled, FEW),
    Case("f1, BCa", "f1", _guessed, FEW),
    Case("balanced_accuracy, BCa", "balanced_accuracy", _guessed, FEW),
    Case("rmse, BCa", "rmse", _regressed, FEW),
    Case("r2, BCa", "r2", _regressed, FEW),
    Case("accuracy, clusters", "accuracy", _clustered, FEW),
    Case("accuracy gain, paired", "accuracy", _pair, FEW),
    Case("roc_auc gain, DeLong", "roc_auc", _ranked_pair),
    Case("log_loss, free", "log_loss", _skilled_as_it_comes, FEW),
    Case("average_precision, free", "average_precision", _skilled_as_it_comes, FEW),
    Case("roc_auc, free", "roc_auc", _skilled_as_it_comes),
    Case("f1, free", "f1", _guessed_as_it_comes, FEW),
    Case("balanced_accuracy, free", "balanced_accuracy", _guessed_as_it_comes, FEW),
)
"""`free`: 30 % of the rows are positive, as many as come; else half of them, exactly."""


def _estimated(case: Case, drawn: tuple[Evidence, ...]) -> float:
    values = [float(METRICS[case.metric].function(one)) for one in drawn]
    return values[0] - values[1] if len(values) == 2 else values[0]


def truth(case: Case, p: float) -> float:
    """Return what is estimated: known for proportions and areas, else of a million rows."""
    if case.metric in ("accuracy", "roc_auc"):
        return 0.0 if case.draw in (_pair, _ranked_pair) else p
    rng = np.random.default_rng([int(p * 100), 3])
    return float(np.mean([_estimated(case, case.draw(rng, 200_000, p)) for _ in range(5)]))


def coverage(number: int, p: float, n: int, draws: int) -> Figure:
    """Draw data sets, and count how many intervals contain the truth, and those of +- 1.96 true errors."""
    case = CASES[number]
    rng = np.random.default_rng([n, int(p * 100), 4, number])
    metric, true = METRICS[case.metric], truth(case, p)
    ours = lost = 0
    values, ends = [], []
    for _ in range(draws):
        drawn = case.draw(rng, n, p)
        try:
            found = (interval if len(drawn) == 1 else difference)(metric, *drawn, CONFIDENCE)
        except ScoreError:  # such rows have no interval, and say so
            lost += 1
            continue
        ours += found.lower <= true <= found.upper
        values.append(_estimated(case, drawn))
        ends.append(found)
    spread = float(np.std(values))
    naive = float(np.mean([abs(value - true) <= 1.96 * spread for value in values]))
    return _covered(case.name, p, n, naive, ours / max(draws - lost, 1), draws - lost, case.exception)


# (c) the best of many trials


def chosen(trials: int, rho: float, steps: int, apart: float, p: float, n: int, draws: int) -> Figure:
    """Pick the best of many trials; see how far its score, raw and corrected, exceeds its own truth.

    apart: standard deviation of the trials' true scores around p, in points.
    """
    rng = np.random.default_rng([n, int(p * 100), 5, trials, int(rho * 10), steps, int(apart)])
    accuracy = METRICS["accuracy"]
    y = np.ones(n, dtype=np.int64)
    spread = stats.norm.ppf((np.arange(trials) + 0.5) / trials) * apart / 100
    true = np.clip(p + spread - spread.mean(), 0.001, 0.999)
    naive, ours = [], []
    stages = [k - 1 for k in grid(steps)]  # of the steps, those that the harness keeps
    for draw in range(draws):
        right = rightness(rng, n, true, trials, rho, steps)
        means = right.mean(axis=2)
        seen: list[Evidence | Candidate] = []
        for trial, best in enumerate(means.argmax(axis=1)):  # the step that is best on these rows
            kept = classified(right[trial, best], y)
            after = [classified(right[trial, step], y) for step in stages]
            stopped = Candidate(kept=kept, stages=len(stages), stage=after.__getitem__, chooser=accuracy)
            seen.append(stopped if steps > 1 else kept)
        found = corrected(accuracy, seen, seed=draw)
        of_best = true[means.max(axis=1).argmax()]
        luck = float(means.mean() - true.mean())  # of rows that are easy for all: known to be 0 in the mean
        naive.append(found.raw - of_best - luck)
        ours.append(found.value - of_best - luck)
    raw, bias = float(np.mean(naive)) * 100, float(np.mean(ours)) * 100
    error = float(np.std(ours, ddof=1)) * 100 / math.sqrt(draws)
    kind = f"{trials} {'alike' if rho else 'apart'}"
    kind += ", stopped" if steps > 1 else f", +-{apart:g}" if apart else ""
    well = abs(raw) <= 1 or abs(bias) <= BIAS + float(stats.t.ppf(0.975, draws - 1)) * error
    exception = UNEQUAL if apart and bias < 0 and not well else ""
    return Figure("best of trials", kind, p, n, raw, bias, error, well or bool(exception), exception)


# All of it


def work(quick: bool) -> Iterator[tuple[Callable[..., Figure], tuple[object, ...]]]:
    """Yield every cell as a function and its arguments, the dear ones first."""
    scale = 6 if quick else 1
    for n in reversed(ROWS):
        for p in SHARES:
            draws = {57: 384, 500: 120, 5000: 24}[n] // scale
            for trials in (10, 50):
                for rho in (0.0, 0.5):
                    for steps in (1, 20):
                        yield chosen, (trials, rho, steps, 0, p, n, draws)
                yield chosen, (trials, 0.5, 1, 2, p, n, draws)
            for number, case in enumerate(CASES):
                if case.metric in ("log_loss", "average_precision") and p < 0.5:
                    continue  # the mirror image of what is above
                yield coverage, (number, p, n, {57: 1200, 500: 1200, 5000: 600}[n] // scale)
            yield false_gain, (p, n, 4800 // scale)
            yield false_auc, (p, n, {57: 4800, 500: 2400, 5000: 480}[n] // scale)
            yield wilson_coverage, (p, n)
            yield false_accuracy, (p, n)


HEADS = {
    "false passes": ("a true score at the threshold passes", "point", "proven", "%"),
    "coverage": ("95 % intervals that hold the truth", "+-1.96 se", "ours", "%"),
    "best of trials": ("above the true score, in points", "raw", "corrected", ""),
}


def show(figures: list[Figure]) -> None:
    """Print a table of each kind, none wider than 80 columns."""
    for table, (title, naive, ours, unit) in HEADS.items():
        print(f"\n{title}\n{'':<24}{'p':>6}{'n':>7}{naive:>12}{ours:>12}{'error':>8}")
        factor = 100 if unit else 1
        for one in sorted((f for f in figures if f.table == table), key=lambda f: (f.name, f.n, f.p)):
            mark = "" if one.well and not one.exception else "  exception" if one.exception else "  MISSED"
            cells = f"{one.naive * factor:>12.2f}{one.ours * factor:>12.2f}{one.error * factor:>8.2f}"
            print(f"{one.name:<24}{one.p:>6}{one.n:>7}{cells}{mark}")
    for reason in dict.fromkeys(one.exception for one in figures if one.exception):
        cells = [f"{f.name} p={f.p} n={f.n}" for f in figures if f.exception == reason]
        print(f"\nexceptions, {reason}:\n  " + "\n  ".join(cells))


def name(function: Callable[..., Figure], arguments: tuple[object, ...]) -> str:
    """Return what a cell is about, for `--only`."""
    if function is coverage:
        return f"coverage of {CASES[int(str(arguments[0]))].name}"
    return function.__name__


def main() -> int:
    """Simulate, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a sixth of the draws")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--only", metavar="TEXT", default="", help="cells whose name has it, such as `free`")
    options = parser.parse_args()
    started = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        cells = [
            pool.submit(function, *arguments)
            for function, arguments in work(options.quick)
            if options.only in name(function, arguments)
        ]
        figures = []
        for cell in as_completed(cells):
            figures.append(cell.result())
            if options.json:
                Path(options.json).write_text(json.dumps([asdict(one) for one in figures], indent=1), "utf-8")
    show(figures)
    missed = [one for one in figures if not one.well]
    print(f"\n{len(figures)} cells in {time.perf_counter() - started:.0f} s, {len(missed)} missed")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
