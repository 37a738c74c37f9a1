"""What is prepared for a run: each data set is checked and read through once."""

import pandas as pd
import pytest
from declared import declare

from harness import materials
from harness.contract import Verdict
from harness.data import table
from harness.errors import DeclarationError
from harness.materials import Materials
from harness.store import Store

ROWS = pd.DataFrame({"x": range(40), "y": ["no", "yes"] * 20})


@pytest.fixture
def made(tmp_path):
    store = Store(tmp_path / ".harness")
    store.open()
    return Materials(store=store, project=tmp_path, expectations=tmp_path, examples=3, base_seed=0)


@pytest.mark.parametrize("contract", [None, "people"])
def test_the_loaded_rows_are_digested_once_for_contract_and_splits(made, monkeypatch, contract):
    digests, judged = [], []
    whole = table.digest

    def digest(frame):
        digests.append(whole(frame))
        return digests[-1]

    def check(frame, *, contract, folder, digest, store):
        judged.append(digest)
        return Verdict(contract=contract, violations=(), expectations=1)

    monkeypatch.setattr(table, "digest", digest)
    monkeypatch.setattr(materials, "check", check)

    declaration = declare(loader=lambda: ROWS, contract=contract)
    made.prepare(declaration, {})

    assert len(digests) == 1
    assert judged == (digests if contract else [])
    assert len(made.dataset(declaration).train) == 28


def test_options_that_cannot_work_are_refused_before_anything_is_loaded(made):
    with pytest.raises(DeclarationError, match="has seed=-1"):
        made.prepare(declare(loader=lambda: pytest.fail("loaded"), seed=-1), {})
