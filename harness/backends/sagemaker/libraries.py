"""Experiment files in; the installed modules that they lead to out, with nothing imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from harness.imports import Imports
from harness.references import References


def libraries(files: Iterable[Path], root: Path) -> list[str]:
    """Return the installed modules that files import, also through other files of the project.

    root: the project's folder. Names are dotted, and may end with what is no module: "sklearn.tree.export".
    Files with faults in their syntax are left out; collection tells of them.
    """
    imports = Imports(root)
    waiting = [path.resolve() for path in files]
    seen = set(waiting)
    named: dict[str, None] = {}
    for path in waiting:  # which grows
        references = References()
        try:
            references.take(ast.parse(path.read_bytes(), filename=str(path)))
        except (OSError, SyntaxError, ValueError):
            continue
        for imported in references.imports:
            if not imported.likely or not (imported.module or imported.level):
                continue
            found = imports.find(imported, path)
            if found.library is not None:
                named[found.library] = None
            further = [file for file in found.files if file.suffix == ".py" and file not in seen]
            waiting += further
            seen.update(further)
    return list(named)
