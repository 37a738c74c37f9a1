"""By what a model knows the rows again that it was trained on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models import seen
from harness.models.columns import describe

CLASSES = ["no", "yes"]


def rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "whole": rng.integers(-5, 5, n),
            "real": rng.normal(size=n).round(1) + 0.0,  # no negative zero, whose text is another
            "narrow": rng.normal(size=n).astype("float32"),
            "text": pd.Series(rng.choice(["Rome", "Oslo", None], n), dtype="str"),
            "level": pd.Categorical(rng.choice(["S", "M", None], n), ["S", "M"]),
            "grade": pd.Categorical(rng.choice([1, 2, 3], n)),
            "flag": rng.random(n) > 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 9, n), unit="D"),
        }
    )


FRAME = rows()
Y = np.arange(len(FRAME)) % 2
COLUMNS = describe(FRAME)
KNOWN = seen.hashes(FRAME, Y, CLASSES, COLUMNS)


def number(frame, y=Y):
    return seen.hashes(frame, y, CLASSES, COLUMNS)


@settings(deadline=None)
@given(order=st.permutations(range(20)))
def test_a_row_has_its_number_wherever_it_stands(order):
    at = np.asarray(order)

    assert (number(FRAME.iloc[at], Y[at]) == KNOWN[at]).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(new=1),
        lambda f: f[f.columns[::-1]],
        lambda f: f.set_index(f.index + 3),
        lambda f: f.astype({"whole": "float64", "narrow": "float64", "text": "category", "level": "object"}),
        lambda f: f.astype({"whole": "Int64", "flag": "boolean", "since": "datetime64[s]", "grade": "int64"}),
        lambda f: f.assign(level=f["level"].cat.reorder_categories(["M", "S"])),
        lambda f: f.assign(real=f["real"].where(f["real"] != 0, -0.0)),
    ],
    ids=["column", "order", "index", "wider", "nullable", "levels", "zero"],
)
def test_what_does_not_change_the_values_does_not_make_rows_new(change):
    assert (number(change(FRAME)) == KNOWN).all()


def test_one_missing_value_makes_one_row_new_and_not_the_whole_column():
    changed = FRAME.astype({"whole": "float64", "flag": "object"})
    changed.loc[3, "whole"] = np.nan
    changed.loc[4, "flag"] = None

    assert np.flatnonzero(number(changed) != KNOWN).tolist() == [3, 4]


@pytest.mark.parametrize("name", FRAME.columns)
def test_every_column_counts(name):
    shifted = FRAME.assign(**{name: np.roll(FRAME[name].array, 1)})
    changed = [i for i in range(len(FRAME)) if repr(shifted[name].iloc[i]) != repr(FRAME[name].iloc[i])]

    assert np.flatnonzero(number(shifted) != KNOWN).tolist() == changed
    assert changed


def test_the_target_counts_by_its_label():
    assert (number(FRAME, 1 - Y) != KNOWN).all()
    assert (seen.hashes(FRAME, 1 - Y, CLASSES[::-1], COLUMNS) == KNOWN).all()
    values = np.linspace(0, 1, len(FRAME))
    assert (seen.hashes(FRAME, values, None, COLUMNS) != seen.hashes(FRAME, -values - 1, None, COLUMNS)).all()


def test_equal_values_of_two_columns_do_not_cancel():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]})

    assert len(set(seen.hashes(frame, np.zeros(3), None, describe(frame)))) == 3
    swapped = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]})
    assert len(set(seen.hashes(swapped, np.zeros(2), None, describe(swapped)))) == 2


def test_values_that_cannot_be_hashed_are_known_by_their_text():
    frame = pd.DataFrame({"a": [[1], [2], None]})
    again = pd.DataFrame({"a": [[2], [1], None]})

    first, second = (seen.hashes(f, np.zeros(3), None, describe(frame)) for f in (frame, again))
    assert first[[1, 0, 2]].tolist() == second.tolist()


def test_numbers_are_kept_in_a_file_and_refused_if_they_are_none(tmp_path, monkeypatch):
    path = tmp_path / "rows.npy"
    seen.save(path, seen.unique(KNOWN, KNOWN[:5]))
    assert seen.load(path).tolist() == sorted(set(KNOWN.tolist()))

    np.save(tmp_path / "other.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"other.npy holds float64 of shape \(3,\), not the numbers of rows"):
        seen.load(tmp_path / "other.npy")
    with pytest.raises(OSError, match=r"none\.npy"):
        seen.load(tmp_path / "none.npy")
    real = pd.util.hash_pandas_object
    monkeypatch.setattr(pd.util, "hash_pandas_object", lambda *a, **k: real(*a, **k) + 1)
    with pytest.raises(ValueError, match=r"rows.npy was written by a pandas that numbers rows otherwise"):
        seen.load(path)
