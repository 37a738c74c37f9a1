"""The harness beside its peers on the same work: fresh processes, alternating, medians; a table and JSON.

    python benchmarks/compare.py                        # all rows, about an hour on two cores
    python benchmarks/compare.py xgboost-20k noop       # some; `noop` means every noop-… row
    python benchmarks/compare.py --list

Needs Linux and `pip install -e '.[bench]'`. Exit code 1: a run failed, or not all found the same best.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from comparison import data, machine, table, verdicts
from comparison.bench import Bench
from comparison.records import Results, disagreements
from comparison.runners import WORKERS, Runner, runners
from comparison.workloads import ROWS, Row, choose


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", metavar="ROW", help="default: all")
    parser.add_argument("--list", action="store_true", help="show the rows and their runners, run nothing")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="runs of each (default: 3)")
    parser.add_argument("--runners", metavar="A,B", help="only these (and the one they are compared with)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, after each row")
    parser.add_argument(
        "--timeout", type=float, default=900, metavar="SECONDS", help="of a run (default: 900)"
    )
    parser.add_argument(
        "--harness-options",
        default="",
        metavar="OPTIONS",
        help='more of pytest\'s for the harness, such as --harness-options="--workers=1"',
    )
    chosen = parser.parse_args()
    try:
        chosen.row = choose(chosen.row)
    except KeyError as error:
        parser.error(f"there is no row {error}; there are {', '.join(ROWS)}")
    if chosen.repeats < 1:
        parser.error(f"--repeats={chosen.repeats}: one or more")
    if chosen.runners:
        known, names = runners(), chosen.runners.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            parser.error(f"there is no runner {', '.join(unknown)}; there are {', '.join(known)}")
        chosen.row = [narrowed(row, names, known) for row in chosen.row]
    return chosen


def narrowed(row: Row, names: list[str], known: Mapping[str, Runner]) -> Row:
    """Return a row with the named runners, also such as it has not, and those that they need.

    These are the one that they are compared with, and the one whose folder they go on in.
    """
    wanted = [row.reference, *names]
    first = [before for name in wanted if (before := known[name].after)]
    return replace(row, runners=tuple(dict.fromkeys([*first, *wanted])))


def show(rows: list[Row], titles: Mapping[str, str]) -> None:
    """Print the rows and who runs them."""
    for row in rows:
        print(f"{row.name}: {row.title}\n    {', '.join(row.runners)}")
    print(f"\nrunners: {', '.join(f'{name} ({title})' for name, title in titles.items())}")


def main() -> int:
    """Measure, print and write what was asked for; return the exit code."""
    chosen = arguments()
    known = runners(shlex.split(chosen.harness_options))
    titles = {name: runner.title for name, runner in known.items()}
    if chosen.list:
        show(chosen.row, titles)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or what lies in the folder would stay
    about = machine.about()
    print(f"{machine.line(about)}\n\n{table.NOTES}")
    measured: dict[str, Results] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), known, chosen.timeout)
        for row in chosen.row:
            try:
                measured[row.name] = results = bench.measure(row, chosen.repeats)
            except data.DifferentRows as error:
                print(f"! {row.name}: the harness and its peers have different rows: {error}")
                return 1
            print("\n".join(table.render(row, results, titles)), flush=True)
            if chosen.json:
                rows = {name: results.to_json() for name, results in measured.items()}
                content = {**about, "options": chosen.harness_options, "rows": rows}
                chosen.json.write_text(json.dumps(content, indent=1) + "\n")
    found = [each for row in chosen.row for each in verdicts.verdicts(row, measured[row.name])]
    flat = [each for name in ("harness-off", "pytest") if (each := verdicts.flatness(measured, name))]
    print("\n".join(table.summary(found, flat, titles)))
    runs = [run for results in measured.values() for runs in results.runs.values() for run in runs]
    print("\n".join(table.busy(runs, WORKERS)))
    wrong = any(run.problem for run in runs)
    return int(wrong or any(disagreements(measured[row.name], row.size) for row in chosen.row))


if __name__ == "__main__":
    sys.exit(main())
