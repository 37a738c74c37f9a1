"""A frame and the name of its contract go in; a verdict comes out, and its text for the report."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.contract.cache import Cache
from harness.contract.suite import read
from harness.contract.texts import render
from harness.contract.verdict import EXAMPLES, Verdict, Violation
from harness.store import Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXAMPLES", "Verdict", "Violation", "check", "render"]

__tracebackhide__ = True


def check(frame: pd.DataFrame, *, contract: str, folder: Path, digest: str, store: Store) -> Verdict:
    """Return what the suite `folder/contract.json` says of the frame.

    frame: all loaded rows; its index is ignored, rows are named by their position from 0.
    digest: of the frame's content. A verdict that is not broken is kept in the store under it, the
        suite and the version of Great Expectations; it then comes back without example rows and
        without an import of Great Expectations. Rules of the user's own classes are always evaluated.
    Raises ContractError if the suite is missing, not JSON, or not whole.
    """
    suite = read(folder, contract)
    cache = Cache(store, suite, digest)
    kept = cache.load(contract)
    if kept is not None:
        return kept
    with _quiet():
        from harness.contract import evaluation  # takes seconds, and only new data needs it

        violations = evaluation.evaluate(frame, suite)
        reusable = evaluation.builtin(suite)
    verdict = Verdict(
        contract=contract, violations=violations, expectations=len(suite.entries), notes=suite.notes
    )
    if reusable and not verdict.broken:
        cache.keep(verdict)
    return verdict


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Great Expectations logs and warns of out of the user's terminal."""
    logger = logging.getLogger("great_expectations")
    # not its level: modules below it set their own
    before, logger.handlers = logger.handlers, [logging.NullHandler()]
    upwards, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.handlers, logger.propagate = before, upwards
