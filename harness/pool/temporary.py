"""A pytest run in; the folder for `tmp_path` that its workers put theirs into out."""

from __future__ import annotations

from pathlib import Path

import pytest


def base(config: pytest.Config, *, instead: Path) -> Path:
    """Return the run's own base folder, which `--basetemp` names and pytest tidies up; else `instead`.

    pytest 9.2 has no public way to it but a fixture; pytest-xdist has used this one for years.
    """
    factory = getattr(config, "_tmp_path_factory", None)
    try:
        found = factory.getbasetemp()  # type: ignore[union-attr]
    except (AttributeError, OSError):
        return instead
    return found if isinstance(found, Path) else instead
