"""The pytest plugin: options, experiment files and two fixtures; everything else waits until it is needed."""

from __future__ import annotations

import fnmatch
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import settings
from harness.backends.sagemaker import options as sagemaker
from harness.settings import CONDUCTOR, SERVER, SETTINGS

if TYPE_CHECKING:
    from harness.conductor import Conductor

__tracebackhide__ = True


def pytest_addoption(parser: pytest.Parser) -> None:
    settings.declare(parser)
    sagemaker.declare(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    option = early_config.known_args_namespace
    local = option.backend == "local" and not settings.here(option)
    if local and not settings.idle(option):
        from harness.forerunner import forerun

        forerun(early_config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVER in config.stash:
        config.stash[SERVER].close()
        if gc.get_freeze_count():
            # What came since: to look for cycles in MLflow takes the interpreter's end a third of a second.
            gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    sagemaker.check(config.option, config.getoption("workers"))
    config.stash[SETTINGS] = settings.Settings.of(config)
    config.addinivalue_line(
        "markers",
        'gate_policy(policy): what this gate asks of the scores it compares, "point" or "proven" (harness)',
    )
    config.addinivalue_line(
        "markers",
        "judges(*experiments): those that this gate judges for --promote; the others it asks for are what "
        "they are compared with (harness)",
    )
    if config.getoption("rehearse"):
        config.pluginmanager.import_plugin("harness.rehearsal.plugin")
    for pattern in config.stash[SETTINGS].experiment_files:
        config.addinivalue_line("python_files", pattern)  # collected, and asserts rewritten


def _conductor(config: pytest.Config) -> Conductor:
    if CONDUCTOR not in config.stash:  # a worker has put something else there
        from harness.conductor import Conductor

        config.stash[CONDUCTOR] = Conductor(config, config.stash[SETTINGS])
        config.pluginmanager.register(config.stash[CONDUCTOR], "harness-conductor")
    conductor: Conductor = config.stash[CONDUCTOR]
    return conductor


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    patterns = parent.config.stash[SETTINGS].experiment_files
    if not any(fnmatch.fnmatch(module_path.name, pattern) for pattern in (*patterns, "conftest.py")):
        return None
    from harness.collection import ExperimentModule

    module: ExperimentModule = ExperimentModule.from_parent(parent, path=module_path)
    loaded = parent.config.pluginmanager.get_plugin(str(module_path))
    if loaded is not None:  # a conftest: a second import could be of another folder's
        module.obj = loaded
    _conductor(parent.config).add(module)
    return module


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> pytest.Collector | None:
    if not isinstance(collector, pytest.Module | pytest.Class) or CONDUCTOR not in collector.config.stash:
        return None
    from harness.collection import make_item

    return make_item(collector, name, obj)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if CONDUCTOR in metafunc.config.stash:
        from harness.collection import parametrize

        parametrize(metafunc)


def pytest_itemcollected(item: pytest.Item) -> None:
    if "_harness" in getattr(item, "fixturenames", ()):
        _conductor(item.config)


@pytest.fixture(scope="session")
def _harness(request: pytest.FixtureRequest) -> Any:
    """Return the run that data sets, features and results come from."""
    run = _conductor(request.config).run
    if run is None:  # in a worker of pytest-xdist
        pytest.fail("pytest-xdist cannot distribute tests that use data sets: run without -n", pytrace=False)
    return run


@pytest.fixture
def trial(request: pytest.FixtureRequest, _harness: Any) -> Any:
    """Fit, score and log one set of hyperparameters: see `harness.Trial`."""
    return _harness.trial(request.node)
