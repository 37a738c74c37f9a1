"""A pytest run's configuration in; the opening of a worker, with the arguments of its pytest, out."""

from __future__ import annotations

import base64
import json
import os
import pickle
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.pool.messages import Opening
from harness.pool.processes import limited
from harness.pool.temporary import base

_FLAGS = {"runxfail": "--runxfail", "fulltrace": "--full-trace", "noconftest": "--noconftest"}
_VALUES = {
    "importmode": "--import-mode",
    "assertmode": "--assert",
    "tbstyle": "--tb",
    "confcutdir": "--confcutdir",
    "log_level": "--log-level",
    "log_format": "--log-format",
    "log_date_format": "--log-date-format",
}
"""By dest: what shapes collection, the text of failures and what is captured."""
_SETTINGS = (
    # Plugins that are not named are not loaded in a worker; their settings and marks mean nothing there.
    "addopts=",
    "required_plugins=",
    "strict_config=false",
    "strict_markers=false",
    # Nobody looks while it works, and the pytest process has the file open.
    "log_cli=false",
    "log_file=",
)
_UNKNOWN_THERE = ("PytestConfigWarning", "PytestUnknownMarkWarning")


def opening(
    config: pytest.Config, files: Iterable[Path], *, run: Path, threads: int, timeout: float | None
) -> Opening:
    """Return what a worker is told first, so that it collects the trials of `files` as here.

    run: folder of the run; threads: of one fit; timeout: seconds that a trial may take.
    """
    environment = limited(threads)
    for name in ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    plain, pickled = options(config)
    temporary = base(config, instead=run / "tmp") / f"worker-{secrets.token_hex(4)}"
    return Opening(
        arguments=arguments(config, files, temporary=temporary, timeout=timeout),
        folder=str(config.invocation_params.dir),
        environment=environment,
        path=[str(path) for path in sys.path],
        command=sys.argv,
        options=plain,
        pickled=pickled,
        run=str(run),
        threads=threads,
    )


def arguments(
    config: pytest.Config,
    files: Iterable[Path],
    *,
    temporary: Path,
    timeout: float | None = None,
    folder: Path | None = None,
) -> list[str]:
    """Return what a worker gives to pytest so that it collects the trials of `files` as here.

    Output, cache and selection options stay here; so do options of plugins.
    temporary: base folder of `tmp_path`, the worker's own; timeout: seconds after which a trial hangs;
    folder: the worker's working directory, by default this one.
    """
    start = folder or config.invocation_params.dir
    settings = [*(config.getoption("override_ini") or ()), *_SETTINGS]
    if timeout is not None and not 0 < _patience(config) < timeout:
        settings.append(f"faulthandler_timeout={timeout}")
    return [
        *(_relative(path, start) for path in files),
        f"--rootdir={config.rootpath}",
        # A worker is given fewer paths than pytest was: it might find a file that does not count here.
        f"--config-file={config.inipath or os.devnull}",
        "--disable-plugin-autoload",
        "--workers=1",
        *_named(config.getoption("plugins")),
        f"--basetemp={temporary}",
        *_shaping(config),
        # What is written here changes nothing, but pytest warns of properties that cannot be.
        *([f"--junit-xml={os.devnull}"] if getattr(config.option, "xmlpath", None) else []),
        *(f"-W{kind}" for kind in config.getoption("pythonwarnings") or ()),
        *(f"-Wignore::pytest.{kind}" for kind in _UNKNOWN_THERE),
        *(f"--override-ini={setting}" for setting in settings),
    ]


def options(config: pytest.Config) -> tuple[dict[str, Any], dict[str, str]]:
    """Return every option by dest: those that JSON can carry, and pickles of the others."""
    plain: dict[str, Any] = {}
    pickled: dict[str, str] = {}
    for name, value in vars(config.option).items():
        try:
            if json.loads(json.dumps(value)) == value:
                plain[name] = value
                continue
        except (TypeError, ValueError):
            pass
        try:
            pickled[name] = base64.b64encode(pickle.dumps(value)).decode()
        except Exception:  # noqa: BLE001  # pickling runs code of the value's class
            pickled[name] = ""
    return plain, pickled


def _relative(path: Path, folder: Path) -> str:
    """Return a path that pytest takes for nothing else: brackets and colons above `folder` are left out."""
    try:
        return os.path.join(os.curdir, os.path.relpath(path, folder))  # noqa: PTH118  # Path would drop the dot
    except ValueError:  # on another drive
        return str(path)


def _patience(config: pytest.Config) -> float:
    """Return the seconds after which the project lets pytest say where a test hangs; 0: never."""
    try:
        return float(config.getini("faulthandler_timeout") or 0)
    except ValueError:
        return 0


def _named(plugins: Iterable[str] | None) -> Iterator[str]:
    ours = ("harness.plugin", "no:cacheprovider")
    wanted = [name for name in plugins or () if name not in (*ours, "harness")]  # pytest refuses twins
    for name in (*wanted, *ours):
        yield from ("-p", name)


def _shaping(config: pytest.Config) -> Iterator[str]:
    option = config.option
    yield from (word for dest, word in _FLAGS.items() if getattr(option, dest, False))
    for dest, word in _VALUES.items():
        value = getattr(option, dest, None)
        if value is not None:
            yield f"{word}={value}"
    if getattr(option, "showlocals", False):
        yield "--showlocals"
    yield f"--color={'yes' if _coloured(config) else 'no'}"
    verbosity = getattr(option, "verbose", 0)
    yield from ["-v"] * verbosity if verbosity > 0 else ["-q"] * -verbosity


def _coloured(config: pytest.Config) -> bool:
    if not config.pluginmanager.has_plugin("terminalreporter"):
        return False
    return bool(config.get_terminal_writer().hasmarkup)
