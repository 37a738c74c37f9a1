"""Where the time of `make experiments` goes, by phase: medians of cold and warm runs.

Cold: without a store, without an MLflow database. Warm: with both, nothing changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PHASES = (
    "start: interpreter, pytest, plugins, conftest",
    "collect: import the experiment files",
    "prepare: load, check, split, store",
    "features: fit and transform",
    "trials",
    "of which fits",
    "gates: test rows, scores",
    "finish: baselines, MLflow",
    "rest: imports of the harness, pytest itself",
    "whole",
)


def run(project: Path, folder: Path) -> dict[str, float]:
    """Run the experiments of a project once; return seconds by phase."""
    report = folder / "phases.json"
    environment = {
        **os.environ,
        "PHASES_FILE": str(report),
        "PHASES_STARTED": str(time.time()),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "clock", "--workers=1", "experiments/"]
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each kind (default: 3)")
    repeat = parser.parse_args().repeat
    kinds: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(repeat):
            project = folder / f"project{i}"
            names = ("experiments", "expectations", "conftest.py", "pyproject.toml")
            project.mkdir()
            for part in names:
                source = ROOT / part
                (shutil.copytree if source.is_dir() else shutil.copy)(source, project / part)
            for results in kinds.values():  # the cold run leaves what the warm one finds
                results.append(run(project, folder))
    print(f"{'seconds, median (lowest – highest)':<46}" + "".join(f"{kind:>26}" for kind in kinds))
    for phase in PHASES:
        cells = []
        for results in kinds.values():
            values = [result.get(phase, 0.0) for result in results]
            cells.append(f"{statistics.median(values):.2f} ({min(values):.2f} – {max(values):.2f})")
        print(f"{phase:<46}" + "".join(f"{cell:>26}" for cell in cells))


if __name__ == "__main__":
    main()
