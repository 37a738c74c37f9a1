"""Pytest's command line, before anything is collected, in; a fork server that imports meanwhile out."""

from __future__ import annotations

import fnmatch
import gc
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from harness.cores import cores
from harness.folders import walk
from harness.settings import SERVER


def forerun(config: pytest.Config) -> None:
    """Start the fork server if there are experiment files to be collected; `config.stash` holds it."""
    option = config.known_args_namespace
    count = option.workers or cores()
    alone = count == 1 and option.trial_timeout is None
    distributed = getattr(option, "numprocesses", None) or "PYTEST_XDIST_WORKER" in os.environ
    if not hasattr(os, "fork") or alone or distributed:
        return
    pruned = [*config.getini("norecursedirs"), ".*"]
    files = experiment_files(_places(config), config.getini("experiment_files"), pruned)
    if not files:
        return
    from harness.pool.forked import ForkServer
    from harness.pool.preloads import conftests, preloads
    from harness.pool.processes import limited

    if gc.get_freeze_count():  # by an earlier run in this process, or else what that left would stay
        gc.unfreeze()
        gc.collect()
    found = preloads([*conftests(files, config.rootpath), *files])
    environment = {**limited(option.threads or max(1, cores() // count)), **found.environment}
    try:
        config.stash[SERVER] = ForkServer(found.modules, environment)
    except OSError:  # no process can be started: told when a worker is needed
        return


def _places(config: pytest.Config) -> list[Path]:
    here = config.invocation_params.dir
    named = [here / str(argument).partition("::")[0] for argument in config.known_args_namespace.file_or_dir]
    return named or [config.rootpath / path for path in config.getini("testpaths")] or [here]


def experiment_files(
    places: Iterable[Path], patterns: Sequence[str], pruned: Sequence[str] = ()
) -> list[Path]:
    """Return the experiment files among files and below folders, as pytest would meet them.

    patterns: of their names; pruned: of folders not to enter.
    """
    found: list[Path] = []
    for place in places:
        if place.is_file():
            found.append(place)
            continue
        for folder, names, files in walk(place):
            names[:] = [name for name in names if not any(fnmatch.fnmatch(name, p) for p in pruned)]
            found.extend(Path(folder, name) for name in files)
    return [path for path in found if any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)]
