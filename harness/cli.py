"""The command `harness`: arguments in, a line or two of text, or a file's, and an exit code out."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.folders import walk
from harness.store import Store
from harness.wording import counted

_STORE = ".harness"
_EXPERIMENTS = "experiment_*.py"
"""As pytest finds them if nothing else is set."""
_ROOTS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", ".git")
"""What lies in a project's own folder."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; wrong usage exits with 2 as argparse does."""
    parser = argparse.ArgumentParser(prog="harness", description="Machine-learning experiments as tests.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    sync = commands.add_parser(
        "sync",
        help="write to MLflow what it lacks",
        description="Write every recorded run that MLflow lacks, after a crash or an outage. MLflow is "
        "mlflow.db beside the project, or MLFLOW_TRACKING_URI. Exits with 1 if something was not written.",
    )
    sync.add_argument(
        "--root",
        type=_folder,
        default=None,
        metavar="DIR",
        help=f"the project's folder (default: the nearest one upwards that has {_STORE})",
    )
    sync.add_argument(
        "--store",
        type=Path,
        default=Path(_STORE),
        metavar="DIR",
        help=f"folder of results, relative to the project's (default: {_STORE}, as experiment_store)",
    )
    sync.set_defaults(run=lambda options: _sync(options.root, options.store))
    dockerfile = commands.add_parser(
        "dockerfile",
        help="print a Dockerfile for --backend=sagemaker",
        description="Print a Dockerfile of an image in which experiments run on Amazon SageMaker as they do "
        "here: this Python and the exact versions of what they import, with SageMaker's training toolkit.",
    )
    dockerfile.add_argument(
        "places",
        nargs="*",
        type=_place,
        metavar="FILE_OR_FOLDER",
        help=f"experiment files, or folders of files {_EXPERIMENTS} (default: the current folder)",
    )
    dockerfile.set_defaults(run=lambda options: _dockerfile(options.places or [Path.cwd()]))
    options = parser.parse_args(arguments)
    return int(options.run(options))


def _place(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text!r} is no file or folder")
    return path.resolve()


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is {'not a' if path.exists() else 'no'} folder")
    return path.resolve()


def _sync(root: Path | None, store: Path) -> int:
    from harness.tracking.delivery import deliver

    place = root or _nearest(Path.cwd(), store)
    if not (place / store / "runs").is_dir():
        print(
            f"harness sync: no run is recorded in {place / store}; "
            "run pytest there first, or name the project with --root DIR",
            file=sys.stderr,
        )
        return 1
    delivery = deliver(Store(place / store), root=place)
    if delivery.runs or delivery.trials or delivery.models:
        print(
            f"delivered to {delivery.uri}: {counted(delivery.runs, 'experiment')}, "
            f"{counted(delivery.trials, 'trial')}, {counted(delivery.models, 'model')}"
        )
    elif delivery.busy and delivery.problem is None:
        print(f"{counted(delivery.busy, 'run')} left to the processes that are at them")
    elif delivery.problem is None:
        print(f"nothing to deliver: {delivery.uri} has every recorded run")
    if delivery.problem is None:
        return 0
    print(f"harness sync: {delivery.pending} not delivered: {delivery.problem}", file=sys.stderr)
    return 1


def _nearest(start: Path, store: Path) -> Path:
    return next((folder for folder in (start, *start.parents) if (folder / store).is_dir()), start)


def _dockerfile(places: Sequence[Path]) -> int:
    from harness.backends.sagemaker.dockerfile import dockerfile
    from harness.backends.sagemaker.libraries import libraries
    from harness.backends.sagemaker.requirements import requirements
    from harness.pool.preloads import conftests

    files = list(dict.fromkeys(_experiments(places)))
    if not files:
        print(
            f"harness dockerfile: no file {_EXPERIMENTS} is in {', '.join(map(str, places))}; "
            "name the experiment files, or a folder of them",
            file=sys.stderr,
        )
        return 1
    root = _project(files[0].parent)
    print(dockerfile(requirements(libraries([*conftests(files, root), *files], root))), end="")
    return 0


def _experiments(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
            continue
        for folder, names, files in walk(place):
            names[:] = [name for name in names if not name.startswith(".")]
            yield from (Path(folder, name) for name in fnmatch.filter(files, _EXPERIMENTS))


def _project(start: Path) -> Path:
    folders = (start, *start.parents)
    return next((place for place in folders if any((place / name).exists() for name in _ROOTS)), start)
