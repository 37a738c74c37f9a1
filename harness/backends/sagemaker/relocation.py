"""What a worker is told, for a project in one folder, in; the same for a project elsewhere out; pure."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from harness.pool.messages import Answer, Opening

PROJECT, SCRATCH = "{project}", "{scratch}"
"""Stand for folders that are not known yet: of the project, and for what a trial leaves."""


def departed(opening: Opening, root: str) -> Opening:
    """Return an opening without anything of this machine: below `root` becomes below PROJECT.

    What lies elsewhere on sys.path, and the environment, stay behind.
    """
    return dataclasses.replace(
        opening,
        arguments=[_moved(argument, root, PROJECT) for argument in opening.arguments],
        folder=_moved(opening.folder, root, PROJECT),
        environment={},
        path=[_moved(path, root, PROJECT) for path in opening.path if _below(path, root)],
    )


def arrived(opening: Opening, *, project: str, scratch: str, path: list[str]) -> Opening:
    """Return an opening for a project in the folder `project`; path: what follows it on sys.path."""

    def here(text: str) -> str:
        return text.replace(PROJECT, project).replace(SCRATCH, scratch)

    return dataclasses.replace(
        opening,
        arguments=[here(argument) for argument in opening.arguments],
        folder=here(opening.folder),
        environment=dict(os.environ),
        path=[*map(here, opening.path), *path],
        run=here(opening.run),
    )


def renamed(answer: Answer, old: str, new: str) -> Answer:
    """Return an answer whose warnings, and places of skips, name files below one folder as below another."""
    return dataclasses.replace(
        answer,
        reports=[_replaced(report, old, new) for report in answer.reports],
        warnings=[{**told, "file": str(told["file"]).replace(old, new)} for told in answer.warnings],
    )


def _replaced(report: Mapping[str, Any], old: str, new: str) -> Mapping[str, Any]:
    skipped = report.get("longrepr")
    if not isinstance(skipped, list | tuple) or len(skipped) != 3:
        return report
    return {**report, "longrepr": [str(skipped[0]).replace(old, new), *skipped[1:]]}


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + os.sep)


def _moved(text: str, root: str, new: str) -> str:
    """Return an argument such as `--rootdir=/root/of/project` for another root."""
    head, equals, path = text.rpartition("=")
    return f"{head}{equals}{new}{path[len(root) :]}" if _below(path, root) else text
