"""Verdicts that did not break, kept in the store under the digest of all that made them."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata

from harness.contract.suite import Suite
from harness.contract.verdict import Verdict
from harness.store import Store

_LAYOUT = 2
"""Of the kept verdicts; a new number forgets the old ones."""


class Cache:
    """The kept verdict of one suite on one content of the data, if there is one."""

    def __init__(self, store: Store, suite: Suite, digest: str) -> None:
        self._store = store
        self._suite = suite
        version = metadata.version("great-expectations")  # the import would take seconds
        made_of = json.dumps([_LAYOUT, version, digest, suite.canonical])
        key = hashlib.blake2b(made_of.encode(), digest_size=16).hexdigest()
        self._parts = ("contracts", f"{key}.json")

    def load(self, contract: str) -> Verdict | None:
        """Return the kept verdict; None if there is none or its file is corrupt."""
        try:
            kept = Verdict.from_json(self._store.read_json(*self._parts) or {})
        except (TypeError, ValueError, KeyError):
            return None
        whole = not kept.broken and kept.expectations == len(self._suite.entries)
        return kept.again(contract) if whole else None

    def keep(self, verdict: Verdict) -> None:
        """Keep a verdict that is not broken, without any value of a cell."""
        self._store.write_json(verdict.without_examples().to_json(), *self._parts)
