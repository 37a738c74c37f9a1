"""Numbers of trials and types of machines in; what they may cost at most out, or a refusal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import DeclarationError, HarnessError
from harness.wording import counted

__tracebackhide__ = True

REGION = "us-east-1"
"""Whose prices are known."""

# On-demand SageMaker *training* in us-east-1, USD per hour, by the date of AWS's price list. AWS was not
# asked: these are what public repositories quote, with that date, of AWS's own price list for the usage
# types USE1-Train:TYPE. A type whose training price in this region no dated source gives is left out,
# also where prices of notebooks, endpoints or other regions are widely copied.
_LISTED: Mapping[str, Mapping[str, float]] = {
    "2026-09-24": {  # bulk price file of the offer AmazonSageMaker
        "ml.m5.xlarge": 0.23,
        "ml.m5.4xlarge": 0.922,
        "ml.m6i.4xlarge": 0.922,
        "ml.c6i.8xlarge": 1.632,
        "ml.r5.4xlarge": 1.21,
        "ml.r7i.2xlarge": 0.635,
        "ml.r7i.4xlarge": 1.2701,
        "ml.g4dn.xlarge": 0.736,
        "ml.g5.xlarge": 1.408,
        "ml.g6.xlarge": 1.127,
    },
    "2026-08-20": {"ml.g5.2xlarge": 1.515},  # Price List Query API
    "2026-08-11": {"ml.m5.large": 0.115},  # Price List Query API, SKU JMCWJEAPVJNFJ5P4
}
_EXAMPLE = "write a line for each type of machine, such as sagemaker_prices = ml.m5.xlarge = 0.25"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What some trials may cost: every one as long as it may take."""

    trials: int
    instance: str
    seconds: float
    """Of one trial at most."""
    hourly: float | None
    """USD; None: not known."""

    @property
    def total(self) -> float | None:
        """USD for all trials; None if the price is not known."""
        return None if self.hourly is None else self.trials * self.seconds / 3600 * self.hourly

    def __str__(self) -> str:
        """Return one line of text."""
        size = f"{counted(self.trials, 'trial')} x {self.instance} x at most {self.seconds:g} s"
        if self.total is None:
            return f"{size}: price unknown: set sagemaker_prices = {self.instance}=1.23"
        return f"{size} = at most {_usd(self.total)} ({self._origin()})"

    def _origin(self) -> str:
        for date, prices in _LISTED.items():
            if prices.get(self.instance) == self.hourly:
                return f"on-demand, {REGION}, {date}"
        return "by sagemaker_prices"


def hourly(instance: str, overrides: Mapping[str, float]) -> float | None:
    """Return USD per hour: what the user says, else on demand in us-east-1; None if that is not known."""
    if instance in overrides:
        return overrides[instance]
    return next((prices[instance] for prices in _LISTED.values() if instance in prices), None)


def parse_overrides(lines: Sequence[str]) -> dict[str, float]:
    """Return prices by type of machine of lines "ml.m5.xlarge = 0.25"; DeclarationError for another line."""
    found: dict[str, float] = {}
    for line in filter(None, map(str.strip, lines)):
        instance, equals, text = (part.strip() for part in line.partition("="))
        try:
            price = float(text)
        except ValueError:
            price = math.nan
        if not equals or not instance.startswith("ml.") or not 0 <= price < math.inf:
            why = _fault(instance, equals, text)
            raise DeclarationError(f"sagemaker_prices has the line {line!r}, {why}", _EXAMPLE)
        if found.setdefault(instance, price) != price:
            raise DeclarationError(f"sagemaker_prices has two prices for {instance}", "keep one of the lines")
    return found


def _fault(instance: str, equals: str, text: str) -> str:
    if not equals:
        return "which has no ="
    if not instance.startswith("ml."):
        return f"whose {instance!r} is no type of machine of SageMaker"
    return f"whose {text!r} is no price in USD"


def refuse(estimates: Sequence[Estimate], limit: float) -> None:
    """Raise HarnessError if trials may cost more than `limit` USD together, or if nobody knows."""
    unknown = sorted({estimate.instance for estimate in estimates if estimate.total is None})
    if unknown:
        lines = ", ".join(f"{instance}=1.23" for instance in unknown)
        raise HarnessError(
            f"--max-cost={limit:.15g} cannot be kept: the price of {' and '.join(unknown)} is unknown",
            f"set sagemaker_prices = {lines} (USD per hour), or leave out --max-cost",
        )
    total = round(math.fsum(estimate.total or 0.0 for estimate in estimates), 6)
    if total > limit:
        trials = counted(sum(estimate.trials for estimate in estimates), "trial")
        raise HarnessError(
            f"{trials} may cost {_usd(total)}, more than --max-cost={limit:.15g}",
            "select fewer trials, lower sagemaker_max_runtime, choose a cheaper sagemaker_instance, "
            "or raise --max-cost",
        )


def _usd(amount: float) -> str:
    """Return an amount, never less than it is."""
    return f"{math.ceil(round(amount * 100, 6)) / 100:.2f} USD"
