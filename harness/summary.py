"""A page of Markdown in; the files in which CI looks for it out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

GITHUB = "GITHUB_STEP_SUMMARY"
"""Variable by which GitHub Actions names the file of a step's summary, to which one appends."""


def write(page: str, file: Path | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Write the page to `file`, if there is one, and append it to that of GitHub Actions, if it names one.

    Return why one of them was not written; None if all is well.
    """
    try:
        if file is not None:
            draft = file.with_name(f".{file.name}.part")
            draft.write_text(page, encoding="utf-8")
            draft.replace(file)
        step = environment.get(GITHUB)
        if step:
            with Path(step).open("a", encoding="utf-8") as appended:
                appended.write(page)
    except OSError as error:
        return f"the summary was not written: {error}"
    return None
