"""Settings and trials in; where the trials run, and by how many threads, out."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import pytest

from harness.backends.base import Backend, Planner
from harness.backends.local import InProcess
from harness.cores import cores
from harness.pool.arguments import opening
from harness.pool.forked import ForkServer
from harness.pool.pool import Pool
from harness.pool.processes import Launcher, limited
from harness.pool.spawned import Spawn
from harness.settings import SERVER, Settings


@dataclass(frozen=True, slots=True)
class Workforce:
    """Where the trials of a run go."""

    run_id: str
    threads: int
    """Of one fit."""
    elsewhere: bool
    """Whether in other processes."""
    backend: Callable[[Planner], Backend]


def workforce(config: pytest.Config, settings: Settings, trials: Sequence[pytest.Item]) -> Workforce:
    """Return a pool for trials that need not run in this process, else this process."""
    run_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
    if settings.backend == "sagemaker" and trials:
        return _sagemaker(config, settings, trials, run_id)
    count = min(settings.workers or cores(), len(trials))
    alone = count == 1 and settings.workers is None and settings.trial_timeout is None
    if settings.workers == 1 or not count or alone:
        if SERVER in config.stash:  # its imports would be in the way
            config.stash[SERVER].close()
        return Workforce(run_id, settings.threads or cores(), False, lambda _: InProcess())
    threads = settings.threads or max(1, cores() // count)
    first = partial(
        opening,
        config,
        list(dict.fromkeys(item.path for item in trials)),
        run=settings.store / "runs" / run_id,
        threads=threads,
        timeout=settings.trial_timeout,
    )
    return Workforce(
        run_id,
        threads,
        True,
        lambda host: Pool(
            partial(_launcher, config, threads),
            first,
            host,
            workers=count,
            timeout=settings.trial_timeout,
            one_by_one=bool(config.getoption("maxfail")),
        ),
    )


def _sagemaker(
    config: pytest.Config, settings: Settings, trials: Sequence[pytest.Item], run_id: str
) -> Workforce:
    from harness.backends.sagemaker.options import SageMakerSettings

    if find_spec("sagemaker") is None:
        raise pytest.UsageError(
            "--backend=sagemaker needs the SageMaker SDK: pip install 'harness[sagemaker]'"
        )
    from harness.backends.sagemaker.backend import SageMaker

    cloud = SageMakerSettings.of(config)
    files = {item.nodeid: item.path for item in trials}
    return Workforce(
        run_id,
        settings.threads or cores(),
        True,
        lambda planner: SageMaker(config, settings, cloud, planner, run=run_id, files=files),
    )


def _launcher(config: pytest.Config, threads: int) -> Launcher:
    if not hasattr(os, "fork"):
        return Spawn(limited(threads))
    server: ForkServer | None = config.stash.get(SERVER, None)
    if server is not None and server.alive:
        return server
    config.stash[SERVER] = ForkServer([], limited(threads))
    return config.stash[SERVER]  # type: ignore[no-any-return]
