"""What is prepared for a run: each data set is checked and read through once, and opened anywhere."""

import json
import shutil

import pandas as pd
import pytest
from declared import declare
from sklearn.preprocessing import StandardScaler

from harness import materials
from harness.contract import Verdict
from harness.data import table
from harness.data.preparation import Prepared
from harness.declarations import FeaturesDeclaration
from harness.errors import DataError, DeclarationError, SealedError
from harness.materials import Materials
from harness.store import Store

ROWS = pd.DataFrame({"x": range(40), "y": ["no", "yes"] * 20})


@pytest.fixture
def process(tmp_path):
    """Make what one process has, all with one store."""
    store = Store(tmp_path / ".harness")
    store.open()

    def process() -> Materials:
        return Materials(
            store=store,
            project=tmp_path,
            expectations=tmp_path,
            examples=3,
            base_seed=0,
            shelf=Store(tmp_path / ".harness"),
            threads=1,
        )

    return process


@pytest.fixture
def made(process):
    return process()


@pytest.mark.parametrize("contract", [None, "people"])
def test_the_loaded_rows_are_digested_once_for_contract_and_splits(made, monkeypatch, contract):
    digests, judged = [], []
    whole = table.digest

    def digest(frame):
        if len(frame) == len(ROWS):  # the test rows have a digest of their own
            digests.append(whole(frame))
        return whole(frame)

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


def crossed(prepared: Prepared) -> Prepared:
    """A record on the other side of a border."""
    return Prepared.from_json(json.loads(json.dumps(prepared.to_json())))


def test_a_worker_opens_what_was_prepared_elsewhere_and_never_the_test_rows(process, tmp_path):
    declaration = declare(loader=lambda: ROWS)
    here, worker = process(), process()
    here.prepare(declaration, {})
    shutil.rmtree(tmp_path / ".harness" / "sealed")

    for prepared in here.prepared.values():
        worker.adopt(crossed(prepared))

    assert worker.prepared == here.prepared
    there = worker.dataset(declare(loader=lambda: pytest.fail("loaded")))
    mine = here.dataset(declaration)
    assert there.digest == mine.digest
    assert there.classes == ["no", "yes"]
    for split in ("train", "validation"):
        pd.testing.assert_frame_equal(getattr(there, split).X, getattr(mine, split).X)
        pd.testing.assert_series_equal(getattr(there, split).y, getattr(mine, split).y)
    with pytest.raises(SealedError, match="the test rows of 'people' are sealed"):
        _ = there.test


def test_nothing_is_adopted_that_was_not_prepared(made):
    assert dict(made.prepared) == {}
    with pytest.raises(DataError, match="data set 'people' has not been prepared in this run"):
        made.dataset(declare())


def test_what_is_adopted_later_counts(process):
    here, worker = process(), process()
    here.prepare(declare(loader=lambda: ROWS), {})
    worker.adopt(here.prepared["people"])
    before = worker.dataset(declare())
    here.prepare(declare(loader=lambda: ROWS * 2), {})

    worker.adopt(crossed(here.prepared["people"]))

    after = worker.dataset(declare())
    assert after.digest != before.digest
    assert after.train.X["x"].max() > before.train.X["x"].max()


def test_the_prepared_data_sets_cannot_be_changed_from_outside(made):
    made.prepare(declare(loader=lambda: ROWS), {})

    with pytest.raises(TypeError):
        made.prepared["people"] = None


def test_features_are_fitted_by_one_process_and_hold_no_test_row(process, tmp_path):
    calls = []

    def scaled(people):
        calls.append(len(people.train))
        return StandardScaler()

    rows = ROWS.assign(x=[1000.5 + i for i in range(40)])
    features = FeaturesDeclaration(name="scaled", function=scaled)
    declaration = declare(loader=lambda: rows)
    here, worker = process(), process()
    here.prepare(declaration, {})
    worker.adopt(crossed(here.prepared["people"]))

    there = worker.features(features, {"people": worker.dataset(declaration)})
    mine = here.features(features, {"people": here.dataset(declaration)})

    assert calls == [28]
    assert there.digest == mine.digest
    pd.testing.assert_frame_equal(there.train.X, mine.train.X)
    with pytest.raises(SealedError):
        _ = there.test
    here.seal.opened_by = "gate"
    test = pd.concat([mine.test.X, here.dataset(declaration).test.X]).to_numpy()
    kept = b"".join(
        path.read_bytes() for path in (tmp_path / ".harness" / "features").rglob("*") if path.is_file()
    )
    assert mine.train.X.to_numpy().tobytes() in kept
    assert len(test) == 8
    assert not any(value.tobytes() in kept for value in test)
    assert len(list((tmp_path / ".harness" / "features").glob("*/meta.json"))) == 1
