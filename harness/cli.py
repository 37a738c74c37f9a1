"""The command `harness`: arguments in, a line or two of text and an exit code out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.store import Store
from harness.wording import counted

_STORE = ".harness"


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
    options = parser.parse_args(arguments)
    return _sync(options.root, options.store)


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
