"""A command and a folder in; what it cost, measured from a process that does nothing else, out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from comparison import tree

OUTPUT = "output.txt"
"""What the command printed, in its folder."""

_FOREIGN = ("PYTEST_", "MLFLOW_", "COVERAGE_", "OMP_", "OPENBLAS_", "MKL_", "RAY_", "TUNE_", "PYTHON")
"""Prefixes of variables that would make one runner slower, or another one faster, behind the table's back."""


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without what changes a runner's speed, and with `more`.

    PYTHONDONTWRITEBYTECODE is among what goes: it doubles every import.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, **more}


def cost(command: Sequence[str], folder: Path, variables: Mapping[str, str], seconds: float) -> tree.Cost:
    """Run a command in a folder, for at most so many seconds; what it prints goes to OUTPUT there."""
    result = folder / "cost.json"
    launcher = [sys.executable, "-I", tree.__file__, str(result), str(seconds), *command]
    with (folder / OUTPUT).open("wb") as output:
        subprocess.run(
            launcher, cwd=folder, env=environment(variables), stdout=output, stderr=output, check=True
        )
    return tree.Cost(**json.loads(result.read_text()))
