"""What can go wrong, each kind with what was wrong with the value and what to type instead."""

from __future__ import annotations


class HarnessError(Exception):
    """Root of the harness' own errors.

    `problem` says what was wrong with which value, `remedy` what is allowed or what to type.
    The text is one sentence, so that it survives a one-line test summary.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


class DeclarationError(HarnessError, ValueError):
    """A decorator was given values that cannot work together or at all."""


class DataError(HarnessError, ValueError):
    """A loader returned rows that cannot be split, trained on or stored."""


class ContractError(HarnessError):
    """A contract could not be evaluated whole: its file is missing, not JSON, or misspelt."""


class LeakageError(HarnessError):
    """A features function asked for rows that features must not see."""


class SealedError(HarnessError):
    """The sealed test split was touched outside a gate."""


class FeaturesError(HarnessError, TypeError):
    """A features function returned something that cannot be fitted, kept or applied."""


class EstimatorError(HarnessError, TypeError):
    """An estimator lacks what the harness must call on it."""


class ScoreError(HarnessError, AttributeError):
    """A score does not exist for this task, these predictions or these rows."""


class ResultError(HarnessError, LookupError):
    """A gate asked an experiment for a result that it does not have."""


class NoChampion(HarnessError, LookupError):
    """No model is registered as champion yet; a gate that this leaves has passed, and says so."""


class StoreError(HarnessError, OSError):
    """The store folder or a file in it cannot be used."""

    def __str__(self) -> str:
        return HarnessError.__str__(self)


class TrackingError(HarnessError):
    """MLflow could not be reached or written."""
