"""Ini values and options about SageMaker in, one frozen record out; standard library and pytest only."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

_LONGEST = 28 * 24 * 3600
"""Seconds that SageMaker lets a training job run at most."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """An ini value `sagemaker_NAME`, and an option `--sagemaker-NAME` that goes before it."""

    help: str
    kind: str = "string"
    """Of the ini value, as pytest names them; "args" and "linelist" have no option, "bool" a flag."""
    metavar: str = "NAME"


_SETTINGS: Mapping[str, _Setting] = {
    "role": _Setting("execution role of the jobs (default: as the SageMaker SDK finds it)", metavar="ARN"),
    "bucket": _Setting("S3 bucket for sources, data and results (default: the SDK's default bucket)"),
    "prefix": _Setting("key prefix in the bucket (default: harness)"),
    "region": _Setting("AWS region (default: as boto3 finds it)"),
    "image": _Setting("image of the jobs, see `harness dockerfile` (default: AWS's own)", metavar="URI"),
    "instance": _Setting("type of machine (default: ml.m5.xlarge)", metavar="TYPE"),
    "parallel_jobs": _Setting("jobs at once (default: 4)", metavar="N"),
    "max_runtime": _Setting("seconds that a trial may take (default: 3600)", metavar="SECONDS"),
    "spot": _Setting("run on spare machines, which cost less and may be taken away", "bool"),
    "kms_key": _Setting("KMS key for the bucket and the volumes", metavar="KEY"),
    "network_isolation": _Setting("let the containers reach no network", "bool"),
    "tags": _Setting("tags of the jobs, KEY=VALUE", "linelist"),
    "subnets": _Setting("VPC subnets of the jobs", "args"),
    "security_groups": _Setting("VPC security groups of the jobs", "args"),
    "include": _Setting("glob patterns of files that travel with the sources", "args"),
    "prices": _Setting("USD per hour, TYPE=PRICE, where the table is wrong or silent", "linelist"),
}
_ABSENT: Mapping[str, Any] = {"string": "", "bool": False, "args": [], "linelist": []}
DESTS = (*(f"sagemaker_{name}" for name in _SETTINGS), "max_cost", "rehearse")
"""Names of the options among pytest's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SageMakerSettings:
    """What was asked for; None: as the SDK finds it."""

    role: str | None = None
    bucket: str | None = None
    prefix: str = "harness"
    region: str | None = None
    image: str | None = None
    instance: str = "ml.m5.xlarge"
    parallel_jobs: int = 4
    max_runtime: int = 3600
    """Seconds of one trial."""
    spot: bool = False
    kms_key: str | None = None
    network_isolation: bool = False
    tags: Mapping[str, str]
    subnets: Sequence[str] = ()
    security_groups: Sequence[str] = ()
    include: Sequence[str] = ()
    prices: Sequence[str] = ()
    """Lines TYPE=PRICE."""
    max_cost: float | None = None
    """USD that a run may cost at most; None: any."""

    @classmethod
    def of(cls, config: pytest.Config) -> SageMakerSettings:
        """Read the settings of a pytest run; raise UsageError for a value that cannot be."""
        found: dict[str, Any] = {}
        for name, setting in _SETTINGS.items():
            value = config.getini(f"sagemaker_{name}")
            given = config.getoption(f"sagemaker_{name}", None)
            if given is not None:
                value = given
            if setting.kind == "string":
                value = str(value).strip()
            if value not in ("", []):
                found[name] = value
        for name, most in (("parallel_jobs", 100), ("max_runtime", _LONGEST)):
            if name in found:
                found[name] = _whole(name, found[name], most)
        found["tags"] = _tags(found.get("tags", ()))
        found["prefix"] = _prefix(found.get("prefix", "harness"))
        if bool(found.get("subnets")) != bool(found.get("security_groups")):
            lacking = "security_groups" if found.get("subnets") else "subnets"
            raise pytest.UsageError(
                f"sagemaker_{lacking} is empty: a VPC needs sagemaker_subnets and sagemaker_security_groups"
            )
        return cls(**found, max_cost=config.getoption("max_cost"))


def declare(parser: pytest.Parser) -> None:
    """Tell pytest every option and ini value about SageMaker."""
    group = parser.getgroup("harness-sagemaker", "machine-learning experiments on Amazon SageMaker")
    group.addoption(
        "--rehearse",
        action="store_true",
        default=False,
        help="with --backend=sagemaker: play SageMaker on this machine, without AWS",
    )
    group.addoption(
        "--max-cost",
        type=_dollars,
        default=None,
        metavar="USD",
        help="refuse to submit what may cost more",
    )
    for name, setting in _SETTINGS.items():
        kind: Any = setting.kind
        parser.addini(f"sagemaker_{name}", setting.help, type=kind, default=_ABSENT[kind])
        word = f"--sagemaker-{name.replace('_', '-')}"
        if setting.kind == "bool":
            group.addoption(word, action="store_true", default=None, help=setting.help)
        elif setting.kind == "string":
            group.addoption(word, default=None, metavar=setting.metavar, help=setting.help)


def check(option: Any, workers: int | None) -> None:
    """Raise UsageError for options that SageMaker cannot follow.

    option: the namespace of pytest's options; workers: what `--workers` was given.
    """
    if option.backend != "sagemaker":
        if option.rehearse:
            raise pytest.UsageError("--rehearse plays SageMaker: add --backend=sagemaker, or leave it out")
        if option.max_cost is not None:
            raise pytest.UsageError(
                "--max-cost limits what SageMaker may cost: add --backend=sagemaker, or leave it out"
            )
        return
    looking = {"usepdb": "--pdb", "trace": "--trace", "setupshow": "--setup-show"}
    for dest, word in looking.items():
        if getattr(option, dest, False):
            raise pytest.UsageError(
                f"{word} cannot look into a container of SageMaker: leave out --backend=sagemaker, and the "
                "trial runs in this process"
            )
    if workers is not None:
        raise pytest.UsageError(
            f"--workers={workers} counts processes of this machine: with --backend=sagemaker write "
            "--sagemaker-parallel-jobs=N"
        )
    if option.trial_timeout is not None:
        raise pytest.UsageError(
            f"--trial-timeout={option.trial_timeout:g} is of --backend=local: with --backend=sagemaker write "
            "--sagemaker-max-runtime=SECONDS"
        )


def _dollars(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of US dollars, 0 or more")
    return value


def _whole(name: str, text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise pytest.UsageError(f"sagemaker_{name} = {text!r} is not a whole number from 1 to {most}")
    return int(text)


def _tags(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise pytest.UsageError(f"sagemaker_tags has the line {line!r}: write KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


def _prefix(text: str) -> str:
    prefix = text.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*", prefix) or ".." in prefix:
        raise pytest.UsageError(
            f"sagemaker_prefix = {text!r} is no key prefix: write letters, digits and - _ . with / between"
        )
    return prefix
