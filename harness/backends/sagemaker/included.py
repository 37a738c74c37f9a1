"""Globs of `sagemaker_include` in; the files of the project that they name out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from harness.backends.sagemaker.tracked import SourcesError, present


def included(top: Path, include: Sequence[str], *, apart: Collection[Path] = ()) -> dict[str, str]:
    """Return the pattern by the name of each file that one matches, whatever the file holds.

    top: resolved. apart: resolved folders of which nothing matches, such as the store.
    Raises SourcesError for a pattern that matches no file or leads out of the folder.
    """
    for pattern in include:
        path = PurePosixPath(pattern)
        if path.is_absolute() or ".." in path.parts or "\\" in pattern:
            raise SourcesError(
                f"sagemaker_include has {pattern!r}, which leads out of the project",
                f"name files below {top}, relative to it and with slashes, such as queries/*.sql",
            )
    if not include:
        return {}
    names = list(present(top, apart=apart, patterns=include))
    found: dict[str, str] = {}
    for pattern in include:
        matched = [name for name in names if matches(name, pattern)]
        if not matched:
            folder = (top / pattern).is_dir()
            raise SourcesError(
                f"sagemaker_include has {pattern!r}, which matches no file below {top}",
                f"write {PurePosixPath(pattern, '**')} for all files of that folder"
                if folder
                else "correct it, or take it out",
            )
        found |= dict.fromkeys(matched, pattern)
    return found


def matches(name: str, pattern: str) -> bool:
    """Return whether a relative posix name matches a glob, in which "**" stands for any folders.

    As in a shell a wildcard does not stand for a dot that a name begins with.
    """
    return _match(PurePosixPath(name).parts, PurePosixPath(pattern).parts)


def _match(parts: tuple[str, ...], globs: tuple[str, ...]) -> bool:
    if not globs:
        return not parts
    if globs[0] == "**":
        if _match(parts, globs[1:]):
            return True
        return bool(parts) and not parts[0].startswith(".") and _match(parts[1:], globs)
    if not parts or (parts[0].startswith(".") and not globs[0].startswith(".")):
        return False
    return fnmatchcase(parts[0], globs[0]) and _match(parts[1:], globs[1:])
