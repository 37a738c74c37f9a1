"""A project folder in; the commit and the state of its work tree out."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path


def commit(root: Path, besides: Path | None = None) -> tuple[str | None, bool | None]:
    """Return the commit of the work tree at `root` and whether tracked files differ from it.

    besides: a file that may differ: the ledger, which runs write. (None, None) where there is no git or
    no commit.
    """
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return None, None
    words = ("status", "--porcelain", "--untracked-files=no")
    changes = None if besides is None else _git(root, *words, "--", ":/", _except(root, besides))
    if changes is None:  # a file outside of the work tree, which git refuses to leave out
        changes = _git(root, *words)
    return head, None if changes is None else bool(changes)


def _except(root: Path, file: Path) -> str:
    return f":(exclude,literal){Path(os.path.relpath(file, root)).as_posix()}"


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def project_name(root: Path) -> str:
    """Return the project's name in pyproject.toml, else the name of its folder."""
    try:
        named = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    except (OSError, KeyError, TypeError, ValueError):
        named = None
    return named if isinstance(named, str) and named else root.name or "experiments"
