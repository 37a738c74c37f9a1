"""Options and ini values in, one frozen record out."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

BACKENDS = ("local",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run was asked to do; field names are those of the options."""

    root: Path
    experiment_files: tuple[str, ...]
    store: Path
    expectations: Path
    examples: int
    """Example rows shown of a broken expectation; 0 hides values."""
    seed: int
    backend: str
    threads: int | None
    """Threads of one fit; None: the cores divided by the trials in flight."""
    tracking: bool

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """Read the settings of a pytest run; raise UsageError for a value that cannot be."""
        root = config.rootpath
        return cls(
            root=root,
            experiment_files=tuple(config.getini("experiment_files")),
            store=_store(config),
            expectations=root / str(config.getini("expectations")),
            examples=_whole(config, "contract_examples", at_least=0),
            seed=_whole(config, "experiment_seed", at_least=0),
            backend=config.getoption("backend"),
            threads=config.getoption("threads"),
            tracking=config.getoption("tracking"),
        )


def declare(parser: pytest.Parser) -> None:
    """Tell pytest every option and ini value of the harness."""
    group = parser.getgroup("harness", "machine-learning experiments")
    group.addoption(
        "--backend",
        choices=BACKENDS,
        default="local",
        help="where trials run (default: local)",
    )
    group.addoption(
        "--threads",
        type=_threads,
        default=None,
        metavar="N",
        help="threads of one fit (default: cores divided by the trials in flight)",
    )
    group.addoption(
        "--no-tracking",
        dest="tracking",
        action="store_false",
        default=True,
        help="write nothing to MLflow",
    )
    parser.addini(
        "experiment_files",
        "glob patterns of files that hold experiments and gates",
        type="args",
        default=["experiment_*.py"],
    )
    parser.addini("experiment_store", "folder that keeps splits, verdicts and results", default=".harness")
    parser.addini("expectations", "folder of the Great Expectations suites", default="expectations")
    parser.addini(
        "contract_examples", "example rows shown of a broken expectation; 0 hides values", default="5"
    )
    parser.addini("experiment_seed", "whole number that seeds every trial", default="0")


def _store(config: pytest.Config) -> Path:
    text = str(config.getini("experiment_store")).strip()
    store = config.rootpath / text
    if store.resolve() in (config.rootpath.resolve(), *config.rootpath.resolve().parents):
        raise pytest.UsageError(
            f"experiment_store = {text!r} is a folder that holds the project: "
            "name one of its own, such as .harness"
        )
    return store


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of threads, 1 or more")
    return int(text)


def _whole(config: pytest.Config, name: str, *, at_least: int) -> int:
    text = str(config.getini(name)).strip()
    if not text.isdecimal() or int(text) < at_least:
        raise pytest.UsageError(f"{name} = {text!r} is not a whole number, {at_least} or more")
    return int(text)
