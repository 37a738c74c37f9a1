"""The pytest plugin: options, experiment files and two fixtures; everything else waits until it is needed."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import settings

if TYPE_CHECKING:
    from harness.conductor import Conductor

__tracebackhide__ = True

_SETTINGS = pytest.StashKey[settings.Settings]()
_CONDUCTOR = pytest.StashKey["Conductor"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    settings.declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SETTINGS] = settings.Settings.of(config)
    for pattern in config.stash[_SETTINGS].experiment_files:
        config.addinivalue_line("python_files", pattern)  # collected, and asserts rewritten


def _conductor(config: pytest.Config) -> Conductor:
    if _CONDUCTOR not in config.stash:
        from harness.conductor import Conductor

        config.stash[_CONDUCTOR] = Conductor(config, config.stash[_SETTINGS])
        config.pluginmanager.register(config.stash[_CONDUCTOR], "harness-conductor")
    return config.stash[_CONDUCTOR]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    patterns = parent.config.stash[_SETTINGS].experiment_files
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
    if not isinstance(collector, pytest.Module | pytest.Class) or _CONDUCTOR not in collector.config.stash:
        return None
    from harness.collection import make_item

    return make_item(collector, name, obj)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if _CONDUCTOR in metafunc.config.stash:
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
