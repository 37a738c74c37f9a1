"""The project's folder in; its files that travel to SageMaker, and what stays here and why, out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import harness
from harness.backends.sagemaker.datafiles import CONFIGURATION, SOURCES, content, ending
from harness.backends.sagemaker.included import included
from harness.backends.sagemaker.tracked import RESULTS, SourcesError, present, tracked

_OWN = frozenset({".py", ".typed", ".sql"})
"""Endings of the harness' own files, as its pyproject.toml declares them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What travels, and what stays though one might expect it to travel."""

    files: tuple[tuple[str, Path], ...]
    """Name relative to the project, posix, and path; sorted by name."""
    left_out: tuple[tuple[str, str], ...]
    """Name and reason; sorted by name."""


def sources(
    root: Path,
    *,
    include: Sequence[str],
    needed: Iterable[Path],
    data: Collection[Path],
    apart: Collection[Path] = (),
) -> Sources:
    """Return the files of a project that travel: Python sources and configuration, never data.

    root: the project's folder; of a git repository only tracked files travel, otherwise all but those in
    hidden folders and virtual environments. include: globs relative to it, of files that travel as well.
    needed: the files that pytest has imported of it. data: files that data sets were read from.
    apart: folders whose files are none of the project's, such as the store.

    A link travels, as the file it leads to, only if that one travels by its own name.

    Raises SourcesError if a glob matches nothing, leads out of the project or names data, if a file that
    is needed stays, and if git cannot list what it tracks.
    """
    top = root.resolve()
    beside = frozenset(folder.resolve() for folder in apart)
    known = tracked(top)
    listed = set(present(top, apart=beside)) if known is None else known
    named = included(top, include, apart=beside)
    reasons: dict[str, str] = {}
    chosen: dict[str, Path] = {}
    read = {path.resolve() for path in data}
    for name in sorted(listed | named.keys()):
        path = top / name
        if _is_expected(name, path, named) and beside.isdisjoint(path.parents):
            reason = _reason(name, path, read, asked=name in named)
            if reason is None:
                chosen[name] = path
            else:
                reasons[name] = reason
    for name in _links(top, chosen, reasons):
        del chosen[name]
    _check_named(named, reasons)
    _check_needed(_imported(needed, top, root), chosen, reasons, known)
    if known is not None:
        reasons |= _untracked(top, beside, known | named.keys(), read)
    return Sources(
        files=tuple(sorted(chosen.items())),
        left_out=tuple(sorted((_shown(name), reason) for name, reason in reasons.items())),
    )


def library() -> list[tuple[str, Path]]:
    """Return the files of the installed harness by name ("harness/errors.py"), sorted by name.

    The rehearsal is left out: no container plays SageMaker.
    """
    home = Path(harness.__file__).resolve().parent
    found = []
    for path in home.rglob("*"):
        parts = path.relative_to(home).parts
        if path.suffix in _OWN and parts[0] != "rehearsal" and "__pycache__" not in parts and path.is_file():
            found.append((PurePosixPath("harness", *parts).as_posix(), path))
    return sorted(found)


def _is_expected(name: str, path: Path, named: Collection[str]) -> bool:
    """Return whether a file would travel, or seems to belong to those that do."""
    if path.is_symlink() and path.is_dir():
        return True  # of modules, maybe
    wanted = name in named or PurePosixPath(name.lower()).suffix in SOURCES | CONFIGURATION or ending(name)
    return bool(wanted) and (path.is_symlink() or path.is_file())


def _reason(name: str, path: Path, read: Collection[Path], *, asked: bool) -> str | None:
    """Return why a file stays, whatever it may lead to; None if it may travel."""
    if not _is_text(name):
        return "its name is not UTF-8"
    if "\\" in name:
        return "its name has a backslash"
    if not asked and RESULTS.intersection(PurePosixPath(name).parts):
        return "MLflow or a package manager has written it"
    try:
        target = path.resolve(strict=True)
        kind = ending(name) or ending(target.name)
        if kind is not None:
            return f"a data file by its ending {kind}"
        if target in read:
            return "data sets were read from it"
        rows = None if asked or not path.is_file() else content(target)
    except (OSError, RuntimeError) as error:
        return f"it cannot be read ({getattr(error, 'strerror', None) or error})"
    return rows and f"{rows}; name it in sagemaker_include if it is configuration"


def _links(top: Path, chosen: dict[str, Path], reasons: dict[str, str]) -> list[str]:
    """Return the names of links that stay, giving the reason of each."""
    stay = []
    own = {path for path in chosen.values() if path.resolve() == path}
    for name, path in chosen.items():
        target = path.resolve()
        if path in own or target in own:
            continue
        stay.append(name)
        if not target.is_relative_to(top):
            reasons[name] = "a link that leads out of the project"
        else:
            reasons[name] = f"a link to {_shown(target.relative_to(top).as_posix())}, which does not travel"
    return stay


def _untracked(
    top: Path, apart: Collection[Path], listed: Collection[str], read: Collection[Path]
) -> dict[str, str]:
    """Return why sources that git does not know stay, and what data sets were read from, by name."""
    found: dict[str, str] = {}
    for name in present(top, apart=apart):
        if name not in listed and PurePosixPath(name).suffix in SOURCES:
            found[name] = "git does not track it"
        elif name not in listed and (top / name).resolve() in read:
            found[name] = "data sets were read from it"
    return found


def _check_named(named: dict[str, str], reasons: dict[str, str]) -> None:
    wrong = sorted(name for name in named if name in reasons)
    if not wrong:
        return
    told = ", ".join(f"{_shown(name)} by {named[name]!r} ({reasons[name]})" for name in wrong)
    raise SourcesError(
        f"sagemaker_include names what must stay here: {told}",
        "narrow the glob: trials get rows from @dataset only, and settings that a loader reads as well reach "
        "them through a module that reads them when it is imported",
    )


def _imported(needed: Iterable[Path], top: Path, root: Path) -> list[str]:
    names = {path: _name(path, top, root) for path in needed}
    outside = sorted(str(path) for path, name in names.items() if name is None)
    if outside:
        raise SourcesError(
            f"{', '.join(outside)}: imported by the experiments but outside of {top}",
            "move it into the project, or install it as a package that the image has, too",
        )
    return sorted({name for name in names.values() if name is not None})


def _check_needed(
    names: Iterable[str], chosen: Collection[str], reasons: dict[str, str], known: Collection[str] | None
) -> None:
    lacking: list[str] = []
    remedies: list[str] = []
    for name in names:
        if name in chosen:
            continue
        whole = (name, *map(str, PurePosixPath(name).parents))
        held = next((reasons[part] for part in whole if part in reasons), None)
        if held is not None:
            why, remedy = f"stays here: {held}", "import it from a source file of the project"
        elif known is not None and name not in known:
            why, remedy = "git does not track it", "git add it, or name it in sagemaker_include"
        else:
            why = "is in no folder of sources, or neither source nor configuration by its ending"
            remedy = "name it in sagemaker_include"
        lacking.append(f"{_shown(name)} is imported by the experiments but {why}")
        remedies.append(remedy)
    if lacking:
        raise SourcesError(", ".join(lacking), ", ".join(dict.fromkeys(remedies)))


def _name(path: Path, top: Path, root: Path) -> str | None:
    """Return the name by which a file was imported, rather than that of what a link leads to."""
    for form, folder in ((path.absolute(), root.absolute()), (path.absolute(), top), (path.resolve(), top)):
        if form.is_relative_to(folder) and ".." not in form.parts:
            return form.relative_to(folder).as_posix()
    return None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
