"""A pytest run's configuration and the project in; its plan, and the archive's members, out."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends.sagemaker.dockerfile import requirements_text
from harness.backends.sagemaker.libraries import libraries
from harness.backends.sagemaker.options import DESTS
from harness.backends.sagemaker.plan import Plan, PlannedExperiment
from harness.backends.sagemaker.relocation import SCRATCH, departed
from harness.backends.sagemaker.requirements import requirements
from harness.backends.sagemaker.sources import library, sources
from harness.pool.arguments import arguments, options
from harness.pool.messages import Opening
from harness.pool.preloads import conftests

_OURS = (*DESTS, "backend", "workers", "threads", "trial_timeout", "resume", "tracking", "basetemp")
_PYTESTS = """
    file_or_dir keyword markexpr deselect ignore ignore_glob maxfail continue_on_collection_errors
    lf failedfirst newfirst last_failed_no_failures stepwise stepwise_skip stepwise_reset cacheclear cacheshow
    durations durations_min reportchars xmlpath junitprefix pastebin capture disable_warnings show_capture
    no_header no_summary no_fold_skipped xfail_tb console_output_style
    plugins rootdir inifilename override_ini
"""
_HERE = frozenset((*_OURS, *_PYTESTS.split()))
"""Options that say where trials run, which do, and how that is shown: they change nothing in a container,
and equal sources are to be sent once."""
_START = b"""\
\"\"\"What the training toolkit starts: runs one trial of the project beside this file.\"\"\"

import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here / "library"))

from harness.container import main  # noqa: E402

sys.exit(main(here))
"""


def plan(
    config: pytest.Config,
    files: Sequence[Path],
    *,
    threads: int | None,
    prepared: Mapping[str, Any],
    experiments: Mapping[str, PlannedExperiment],
) -> tuple[Plan, Sequence[str]]:
    """Return what a container needs to run the trials of experiment files, and what cannot be had by version.

    threads: of one fit, None: all of a machine; prepared: records of the data sets, by name.
    """
    wanted = {name for planned in experiments.values() for name in planned.datasets}
    root = config.rootpath
    needed = requirements(libraries([*conftests(files, root), *files], root))
    made = Plan(
        harness=harness.__version__,
        python=".".join(map(str, sys.version_info[:2])),
        requirements=needed.versions,
        opening=departed(_opening(config, files), str(root)).to_json(),
        threads=threads,
        data={name: dict(record) for name, record in prepared.items() if name in wanted},
        experiments=experiments,
    )
    return made, needed.local


def _opening(config: pytest.Config, files: Iterable[Path]) -> Opening:
    plain, pickled = options(config)
    folder = config.invocation_params.dir
    if not folder.is_relative_to(config.rootpath):
        folder = config.rootpath
    return Opening(
        arguments=[
            *arguments(config, files, temporary=Path(SCRATCH) / "tmp", folder=folder),
            f"--override-ini=experiment_store={SCRATCH}/store",
        ],
        folder=str(folder),
        environment={},
        path=[str(path) for path in sys.path],
        command=["pytest"],  # what else was typed is nobody's business there
        options={name: value for name, value in plain.items() if name not in _HERE},
        pickled={name: value for name, value in pickled.items() if name not in _HERE},
        run=f"{SCRATCH}/run",
        threads=1,  # the plan says how many
    )


def members(
    config: pytest.Config,
    plan: Plan,
    *,
    installs: bool,
    include: Sequence[str],
    files: Iterable[Path],
    data: Collection[Path],
    apart: Path,
) -> tuple[dict[str, bytes | Path], Sequence[tuple[str, str]]]:
    """Return the members of the archive, and what was left out with the reason.

    installs: whether the image is to install what is needed; include: glob patterns; files: experiment
    files; data: files that data sets were read from.
    Raises HarnessError for what cannot travel, or would have to and is not tracked.
    """
    root = config.rootpath
    needed = [*files, *conftests(files, root), *_imported(root)]
    found = sources(root, include=include, needed=needed, data=data, apart=[apart])
    made: dict[str, bytes | Path] = {"train.py": _START, "plan.json": plan.content()}
    if installs:  # which the toolkit does
        made["requirements.txt"] = requirements_text(plan.requirements).encode()
    made |= {f"project/{name}": path for name, path in found.files}
    made |= {f"library/{name}": path for name, path in library()}
    return made, found.left_out


def _imported(root: Path) -> list[Path]:
    """Return the project's modules that are imported here."""
    own = Path(harness.__file__).parent
    names = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    paths = [Path(name) for name in names if isinstance(name, str) and name.endswith(".py")]
    return [
        path
        for path in paths
        if path.is_relative_to(root) and not path.is_relative_to(own) and not _installed(path, root)
    ]


def _installed(path: Path, root: Path) -> bool:
    """Return whether a file below the project belongs to an environment there."""
    return any(
        folder.name in ("site-packages", "dist-packages") or (folder / "pyvenv.cfg").exists()
        for folder in path.parents
        if folder != root and folder.is_relative_to(root)
    )
