"""The project's folder in; the names of its files, as git knows them or as they lie there, out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from harness.errors import HarnessError
from harness.folders import walk

RESULTS = frozenset({"__pycache__", "mlruns", "mlartifacts", "node_modules", "site-packages"})
"""Folders of files that nobody of the project wrote; MLflow keeps example rows in its own."""

_NO_REPOSITORY = "fatal: not a git repository (or any"
"""How git begins where it looked upwards in vain; a damaged repository is told in other words."""


class SourcesError(HarnessError, ValueError):
    """What must travel does not, or what must not is told to."""


def tracked(root: Path) -> frozenset[str] | None:
    """Return the names of the files below a folder that git tracks; None where there is no repository.

    Names are relative to the folder, posix; what is staged counts, what was deleted may be among them.
    Raises SourcesError where there is a repository that git cannot list: to take all files instead would
    send those that were kept out of it.
    """
    words = ["git", "ls-files", "-z", "--cached", "--recurse-submodules"]
    try:
        done = subprocess.run(
            words, cwd=root, capture_output=True, timeout=60, check=False, env=os.environ | {"LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        if not any((folder / ".git").exists() for folder in (root, *root.parents)):
            return None
        raise _refused(root, str(error)) from error
    if done.returncode == 0:
        return frozenset(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    said = done.stderr.decode(errors="replace").strip()
    if said.startswith(_NO_REPOSITORY):
        return None
    raise _refused(root, said)


def _refused(root: Path, said: str) -> SourcesError:
    return SourcesError(
        f"git cannot tell which files of {root} it tracks: {' '.join(said.split())}",
        "only tracked files travel to SageMaker: make `git ls-files` work there",
    )


def present(root: Path, *, apart: Collection[Path] = (), patterns: Collection[str] = ()) -> Iterator[str]:
    """Yield the names of the files below a folder: relative, posix, in order of folders.

    apart: resolved folders that are left out, such as the store. Left out, too, are virtual environments,
    what pytest, npm and MLflow leave behind, and hidden folders unless a part of a pattern that begins
    with a dot means them. Links to folders are not followed.
    """
    parts = {part for pattern in patterns for part in PurePosixPath(pattern).parts if part.startswith(".")}
    for place, names, files in walk(root):
        folder = Path(place)
        names[:] = [name for name in names if not _is_apart(folder / name, apart, parts)]
        for name in files:
            yield (folder / name).relative_to(root).as_posix()


def _is_apart(folder: Path, apart: Collection[Path], parts: Collection[str]) -> bool:
    name = folder.name
    if name in RESULTS or name == ".git" or folder in apart:
        return True
    return name.startswith(".") and not any(fnmatchcase(name, part) for part in parts)
