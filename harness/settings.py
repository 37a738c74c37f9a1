"""Options and ini values in, one frozen record out."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BACKENDS = ("local", "sagemaker")
POLICIES = ("point", "proven")
ALIASES = ("champion", "challenger")
"""Of registered models; what `--promote` may give."""

_LEDGER_BOUND = 20
"""Of twenty models no better than a threshold, one in two runs has one that a 95 % interval proves better
(1 - 0.975 ** 20 = 40 %), and the best of them looks 1.9 standard errors better than it is."""


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
    workers: int | None
    """Processes that run trials; 1: this one; None: as many as there are cores."""
    threads: int | None
    """Threads of one fit; None: the cores divided by the trials in flight."""
    trial_timeout: float | None
    """Seconds that a trial may take; None: for ever."""
    resume: bool
    """Whether unchanged finished trials are taken from the store."""
    tracking: bool
    confidence: float
    """Of intervals, two-sided."""
    gate_policy: str
    """What a gate without a mark of its own asks of its comparisons: one of POLICIES."""
    summary: Path | None
    """File that a page about the run is written to."""
    promote: str | None
    """Alias in MLflow that the best models get whose gates all passed; None: nothing is promoted."""
    allow_dirty: bool
    """Whether also sources are promoted that are in no commit."""
    ledger: Path
    """File that counts the openings of test rows."""
    ledger_bound: int
    """Models that the same test rows may be opened for before the summary warns; 0: any number."""

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
            workers=1 if here(config.option) else config.getoption("workers"),
            threads=config.getoption("threads"),
            trial_timeout=_timeout(config),
            resume=config.getoption("resume"),
            tracking=config.getoption("tracking"),
            confidence=_confidence(config),
            gate_policy=_policy(config),
            summary=_summary(config),
            promote=_promote(config),
            allow_dirty=config.getoption("allow_dirty"),
            ledger=_ledger(config),
            ledger_bound=_whole(config, "ledger_bound", at_least=0),
        )


SETTINGS = pytest.StashKey[Settings]()
CONDUCTOR = pytest.StashKey[Any]()
"""Who conducts the session: here the conductor, in a worker what takes orders."""

SERVER = pytest.StashKey[Any]()
"""The fork server, started before anything was collected, so that it imports packages meanwhile."""


def here(option: Any) -> bool:
    """Return whether options ask for trials in this very process: `--workers=1`, or to look on."""
    words = ("usepdb", "trace", "setupshow", "setuponly", "setupplan")
    return option.workers == 1 or any(getattr(option, word, False) for word in words)


def idle(option: Any) -> bool:
    """Return whether options ask for something else than running items."""
    words = (
        "help",
        "version",
        "collectonly",
        "showfixtures",
        "show_fixtures_per_test",
        "markers",
        "cacheshow",
    )
    return any(getattr(option, word, False) for word in words)


def declare(parser: pytest.Parser) -> None:
    """Tell pytest every option and ini value of the harness."""
    group = parser.getgroup("harness", "machine-learning experiments")
    group.addoption(
        "--backend",
        choices=BACKENDS,
        default="local",
        help="where trials run: processes here, or jobs of Amazon SageMaker (default: local)",
    )
    group.addoption(
        "--workers",
        type=_workers,
        default=None,
        metavar="auto|N",
        help="processes that run trials; 1: this one (default: auto, one a core)",
    )
    group.addoption(
        "--threads",
        type=_threads,
        default=None,
        metavar="N",
        help="threads of one fit (default: cores divided by the trials in flight)",
    )
    group.addoption(
        "--trial-timeout",
        type=_seconds,
        default=None,
        metavar="SECONDS",
        help="kill a trial that runs longer",
    )
    group.addoption(
        "--resume",
        action="store_true",
        default=False,
        help="take finished trials from the store where nothing has changed",
    )
    group.addoption(
        "--no-tracking",
        dest="tracking",
        action="store_false",
        default=True,
        help="write nothing to MLflow",
    )
    group.addoption(
        "--gate-policy",
        choices=POLICIES,
        default=None,
        help="what gates ask of scores they compare: that the value holds (point), or that it is proven",
    )
    group.addoption(
        "--summary",
        default=None,
        metavar="FILE",
        help="write a page of Markdown about the run; GitHub Actions gets one in any case",
    )
    parser.addini("gate_policy", "point or proven, as --gate-policy", default="point")
    parser.addini("confidence", "of the intervals of scores, two-sided", default="0.95")
    group.addoption(
        "--promote",
        nargs="?",
        const="champion",
        default=None,
        type=_alias,
        metavar="champion|challenger",
        help="register the best model of each experiment whose gates all pass, and give it the alias "
        "(default: champion)",
    )
    group.addoption(
        "--allow-dirty",
        action="store_true",
        default=False,
        help="promote although tracked files differ from the commit",
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
    parser.addini("ledger", "file that counts the openings of sealed test rows", default="ledger.jsonl")
    parser.addini(
        "ledger_bound",
        "models for which the same test rows may be opened before the summary warns; 0: any number",
        default=str(_LEDGER_BOUND),
    )


def _store(config: pytest.Config) -> Path:
    text = str(config.getini("experiment_store")).strip()
    store = config.rootpath / text
    if store.resolve() in (config.rootpath.resolve(), *config.rootpath.resolve().parents):
        raise pytest.UsageError(
            f"experiment_store = {text!r} is a folder that holds the project: "
            "name one of its own, such as .harness"
        )
    return store


def _alias(text: str) -> str:
    if text not in ALIASES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither champion nor challenger: write --promote=champion, or --promote last"
        )
    return text


def _promote(config: pytest.Config) -> str | None:
    alias: str | None = config.getoption("promote")
    if alias is not None and not config.getoption("tracking"):
        raise pytest.UsageError("--promote registers models in MLflow: leave out --no-tracking")
    return alias


def _ledger(config: pytest.Config) -> Path:
    text = str(config.getini("ledger")).strip()
    path = config.rootpath / text
    if not text or path.is_dir():
        raise pytest.UsageError(f"ledger = {text!r} is not the name of a file: name one such as ledger.jsonl")
    return path


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a whole number of workers, 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _timeout(config: pytest.Config) -> float | None:
    seconds: float | None = config.getoption("trial_timeout")
    if seconds is not None and here(config.option):
        word = "--workers=1" if config.getoption("workers") == 1 else "--pdb, --trace or --setup-show"
        raise pytest.UsageError(
            f"--trial-timeout={seconds:g} cannot kill a trial in this process: leave out {word}"
        )
    return seconds


def _confidence(config: pytest.Config) -> float:
    text = str(config.getini("confidence")).strip()
    try:
        confidence = float(text)
    except ValueError:
        confidence = math.nan
    if not 0.5 <= confidence < 1:
        raise pytest.UsageError(
            f"confidence = {text!r} is not a number from 0.5 up to, but not, 1, such as 0.95"
        )
    return confidence


def _policy(config: pytest.Config) -> str:
    policy = config.getoption("gate_policy") or str(config.getini("gate_policy")).strip()
    if policy not in POLICIES:
        raise pytest.UsageError(f"gate_policy = {policy!r} is neither of {' and '.join(POLICIES)}")
    return policy


def _summary(config: pytest.Config) -> Path | None:
    given = config.getoption("summary")
    if given is None:
        return None
    file: Path = config.invocation_params.dir / given
    if not file.parent.is_dir() or file.is_dir():
        wrong = f"{file} is a folder" if file.is_dir() else f"there is no folder {file.parent}"
        raise pytest.UsageError(f"--summary={given}: {wrong}; name a file in one, such as summary.md")
    return file


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of threads, 1 or more")
    return int(text)


def _whole(config: pytest.Config, name: str, *, at_least: int) -> int:
    text = str(config.getini(name)).strip()
    if not text.isdecimal() or int(text) < at_least:
        raise pytest.UsageError(f"{name} = {text!r} is not a whole number, {at_least} or more")
    return int(text)
