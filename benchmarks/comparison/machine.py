"""What the figures depend on: machine, versions and commit, as plain JSON values."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "harness",
    "pytest",
    "numpy",
    "pandas",
    "scikit-learn",
    "xgboost",
    "lightgbm",
    "mlflow",
    "joblib",
    "optuna",
    "ray",
)


def about() -> dict[str, Any]:
    """Return when and where this is, with which versions of what."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": {
            "processor": _field("/proc/cpuinfo", "model name"),
            "cores": len(os.sched_getaffinity(0)),
            "memory": _field("/proc/meminfo", "MemTotal"),
            "system": platform.platform(),
        },
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
    }


def line(known: dict[str, Any]) -> str:
    """Return the most telling of it in lines of at most 80 columns."""
    machine = known["machine"]
    commit = f"{known['commit'][:10]}{'+' if known['dirty'] else ''}" if known["commit"] else "no commit"
    first = f"{machine['cores']} cores, {machine['processor']}, Python {known['python']}, {commit}"
    found = [f"{name} {number}" for name, number in known["versions"].items() if number]
    lines = [""]
    for part in found:
        if len(lines[-1]) + len(part) > 76:
            lines.append("")
        lines[-1] += f"{', ' if lines[-1] else ''}{part}"
    return "\n".join([first, *lines])


def _field(path: str, name: str) -> str | None:
    for row in Path(path).read_text().splitlines():
        if row.startswith(name):
            return row.partition(":")[2].strip()
    return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    told = subprocess.run(
        ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() if told.returncode == 0 else None
