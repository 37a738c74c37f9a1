"""Leaks that are planted are found, chance is not told as one, and what is known is not looked for again."""

from __future__ import annotations

import dataclasses
import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from declared import declare
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import records, trials
from sklearn.metrics import r2_score, roc_auc_score

from harness.data import leaks as package
from harness.data.leaks import Leak, find, leaks
from harness.data.leaks.leak import listed
from harness.data.leaks.measure import auc, r2
from harness.data.partition import Partition, divide
from harness.data.target import read_target
from harness.errors import DeclarationError
from harness.materials import BrokenContractError, Materials
from harness.results import RunRecord
from harness.tracking.tags import of_trial

DATA = Path(__file__).parent.parent / "experiments" / "data"
SEEDS = st.integers(0, 2**32 - 1)


def found(frame: pd.DataFrame, partition: Partition | None = None, **options) -> list[Leak]:
    """Return what is found in rows, split as declared or as given."""
    declaration = declare(**options)
    target = read_target(frame, declaration)
    partition = partition or divide(frame, target.ranks, target.task, declaration)
    return list(find(frame, declaration, target, partition))


def noise(rows: int, seed: int = 0, columns: int = 3) -> pd.DataFrame:
    """Return columns of chance, and a target of two classes that nothing predicts."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, columns)), columns=[f"x{i}" for i in range(columns)])
    return frame.assign(y=np.where(rng.permutation(rows) % 3 == 0, "yes", "no"))


def thirds(rows: int) -> Partition:
    """Return a partition that tests choose their rows by."""
    return Partition(*np.array_split(np.arange(rows, dtype=np.int64), 3))


# Rows in two splits


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_copies_are_counted_exactly(seed, tested, validated, other):
    frame = noise(300, seed)
    frame["y"] = ["yes", "no"] * 150
    values = frame.to_numpy()
    values[200 : 200 + tested] = values[:tested]  # test rows from training rows
    values[100 : 100 + validated] = values[50 : 50 + validated]
    values[280 : 280 + other, :3] = values[160 : 160 + other, :3]  # test from validation, some targets differ
    values[280 : 280 + other : 2, 3] = "no"
    values[281 : 281 + other : 2, 3] = "yes"
    copied = pd.DataFrame(values, columns=frame.columns).infer_objects()
    same = int((values[280 : 280 + other, 3] == values[160 : 160 + other, 3]).sum())

    told = {leak.problem for leak in found(copied, thirds(300))}

    expected = {(tested, "test", "training", tested), (validated, "validation", "training", validated)}
    if same:
        expected.add((other, "test", "validation", same))
    assert told == {
        f"{n} of 100 {split} rows ({n}.0 %) stand among the {others} rows as well, in every column that "
        f"models see, {alike} of them with the same target"
        for n, split, others, alike in expected
        if n
    }


def test_what_identifies_a_row_does_not_make_it_another_one():
    frame = noise(300)
    frame.iloc[200:210] = frame.iloc[:10]
    frame["id"] = [f"row {i}" for i in range(300)]
    frame["number"] = range(300)
    frame["secret"] = np.random.default_rng(1).normal(size=300)
    frame["weight"] = np.random.default_rng(2).uniform(1, 2, size=300)

    (leak,) = found(frame, thirds(300), drop="secret", weight="weight", key="number")

    assert leak.problem == (
        "10 of 100 test rows (10.0 %) stand among the training rows as well, in every column that models see "
        "but 'id', which differs in every row, 10 of them with the same target"
    )
    assert leak.text == (
        f"{leak.problem}; drop the copies in the loader, or keep rows that belong together in one split "
        "with group="
    )
    assert not found(frame, thirds(300), weight="weight", key="number")  # as models see the secret


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype("Float64").mask(x > 1),
        lambda x: x.mask(x > 1),
        lambda x: x.map("{:.6f}".format),
        lambda x: x.map("{:.6f}".format).astype("category"),
        lambda x: x.map(lambda number: [number]),
        lambda x: pd.to_datetime(1e9 + 1e6 * x, unit="s"),
        lambda x: x.map(decimal.Decimal),
        lambda x: x.astype(pd.ArrowDtype(pa.float64())),
    ],
)
def test_copies_are_found_whatever_the_type_of_a_column(convert):
    frame = noise(300)
    frame.iloc[200:210] = frame.iloc[:10]
    frame["x0"] = convert(frame["x0"])
    frame["x1"] = frame["x1"].where(frame["x1"].abs() > 0.5, 0.0)
    frame.loc[205, "x1"] *= -1  # -0.0 in some rows is 0.0
    frame.loc[5, "x1"] *= -1

    assert found(frame, thirds(300), group="x2")[-1].problem.startswith("10 of 100 test rows")


@pytest.mark.parametrize("columns", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("levels", [3, 10])
def test_rows_that_are_alike_by_chance_are_no_leak(columns, levels):
    rng = np.random.default_rng(columns)
    shared = rng.normal(size=(1500, 1))
    values = np.round(np.clip(shared + rng.normal(size=(1500, columns)) / 3, -2, 2) * levels / 4)
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(columns)])

    assert not found(frame.assign(y=rng.choice(["no", "yes"], 1500)))


def test_copies_among_rows_that_are_alike_by_chance_are_told_apart():
    income = pd.read_parquet(DATA / "income.parquet")
    doubled = pd.concat([income, income.sample(2500, random_state=1)], ignore_index=True)

    told = [leak.problem for leak in found(doubled, target="income", drop="fnlwgt", seed=42)]

    assert told[0] == (
        "1,314 of 5,135 test rows (25.6 %) stand among the training rows as well, in every column that "
        "models see, 1,184 of them with the same target; chance can explain all but 157"
    )
    assert [text.partition(" (")[0] for text in told] == [
        "1,314 of 5,135 test rows",
        "2,604 of 10,269 validation rows",
        "635 of 5,135 test rows",
    ]


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("income", {"target": "income", "drop": "fnlwgt"}),
        ("penguins", {"target": "species"}),
        ("bikeshare", {"target": "bikers", "time": ("day", "hr"), "drop": ("casual", "registered")}),
    ],
)
def test_the_examples_have_no_leak(file, options):
    assert not found(pd.read_parquet(DATA / f"{file}.parquet"), seed=42, **options)


# Columns that tell the target


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 12), st.permutations(range(12)))
def test_a_relabelled_target_is_found_alone(seed, classes, order):
    frame = noise(400, seed)
    codes = np.random.default_rng(seed).permutation(400) % classes
    frame["y"] = [f"class {code}" for code in codes]
    frame["told"] = [order[code] for code in codes]

    assert [leak.problem for leak in found(frame)] == [
        "column 'told' predicts the target almost alone, with ROC AUC 1.000 on validation rows"
    ]


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([30, 100, 1000]), st.sampled_from(["normal", "uniform", "lognormal"]), SEEDS)
def test_columns_of_chance_are_no_leak(seed, rows, shape, other):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(getattr(rng, shape)(size=(rows, 20))).add_prefix("x")
    frame["text"] = rng.choice([f"level {i}" for i in range(rows)], rows)
    y = getattr(np.random.default_rng(other), shape)(size=rows)

    assert not found(frame.assign(y=y))
    assert not found(frame.assign(y=np.arange(rows) % 5 == 0))


@pytest.mark.parametrize("rows", [100, 400, 20_000])
@pytest.mark.parametrize(
    "tell",
    [
        lambda y, rng: 2 * y + rng.normal(size=len(y)) * y.std() / 50,
        lambda y, rng: -np.log(y),
        lambda y, rng: y.where(rng.random(len(y)) > 0.001),
        lambda y, rng: y.map(str),
        lambda y, rng: y.map(decimal.Decimal),
        lambda y, rng: y.astype("Float64"),
        lambda y, rng: y.astype(pd.ArrowDtype(pa.float64())),
        lambda y, rng: pd.to_datetime(1e9 + 1e6 * y, unit="s", utc=True),
        lambda y, rng: pd.to_timedelta(y, unit="D"),
        lambda y, rng: y * 1e300,
        lambda y, rng: y.round(),
    ],
)
def test_a_quantity_that_tells_the_target_is_found(rows, tell):
    rng = np.random.default_rng(rows)
    frame = noise(rows, columns=2).assign(y=rng.gamma(9, 40, size=rows))
    frame["told"] = tell(frame["y"], rng)

    told = [leak for leak in found(frame, stratify=False) if leak.kind == "column"]

    assert [leak.columns for leak in told] == [("told",)]
    assert told[0].problem.startswith("column 'told' predicts the target almost alone, with R² ")
    assert told[0].remedy == "write drop='told' if it is not known before the target"


@pytest.mark.parametrize(
    "tell",
    [
        lambda sold: sold.map({True: 1.0}),
        lambda sold: sold.map({True: "x"}),
        lambda sold: pd.Series([f"note {i}" for i in range(len(sold))]).where(sold),
        lambda sold: pd.Series(np.linspace(0, 1, len(sold)) ** 2).where(sold),
        lambda sold: pd.Series(pd.date_range("2020", periods=len(sold))).where(sold),
        lambda sold: pd.Series(pd.date_range("2020", periods=len(sold), tz="Asia/Tokyo")).where(sold),
        lambda sold: pd.Series(pd.timedelta_range("1h", periods=len(sold))).where(sold),
        lambda sold: sold.map({True: "x"}).astype("category"),
        lambda sold: sold.astype("boolean").mask(~sold),
        lambda sold: sold.astype("Int64").mask(~sold),
        lambda sold: pd.Series([["a"] if there else None for there in sold]),
        lambda sold: pd.Series(np.where(sold, np.inf, 1.0)),
        lambda sold: sold,
    ],
)
def test_a_column_that_is_missing_where_the_target_is_no_is_found(tell):
    frame = noise(500).sample(frac=1, random_state=3, ignore_index=True)
    frame["told"] = tell(frame["y"] == "yes")

    told = [leak for leak in found(frame) if leak.kind == "column"]

    assert [leak.columns for leak in told] == [("told",)]


def test_a_class_without_validation_rows_does_not_hide_a_leak():
    frame = pd.DataFrame(
        {"y": ["no", "yes"] * 20 + ["no"] * 20, "x": range(60), "told": [0, 1] * 20 + [0] * 20}
    )

    told = [leak.columns for leak in found(frame, Partition(*np.split(np.arange(60), [40, 50])))]

    assert told == [("told",)]


def test_two_columns_that_sum_to_the_target_are_found_in_the_bike_rentals():
    told = [
        leak.text for leak in found(pd.read_parquet(DATA / "bikeshare.parquet"), target="bikers", seed=42)
    ]

    assert told == [
        "columns 'casual' and 'registered' together are the target, as a weighted sum; "
        "write drop=['casual', 'registered'] if they are not known before it"
    ]


@pytest.mark.parametrize(("reach", "number"), [(0.001, 1), (0.1, 0)])
def test_two_columns_that_nearly_sum_to_the_target_are_a_model(reach, number):
    rng = np.random.default_rng(0)
    frame = noise(500, columns=40).assign(empty=np.nan, constant=1, copy=lambda f: f["x1"])
    frame["y"] = 3 * frame["x1"] - frame["x7"] + rng.normal(size=500) * reach

    assert [leak.kind for leak in found(frame)] == ["columns"] * number


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 5), st.booleans())
def test_the_measures_are_those_of_scikit_learn(seed, classes, ties):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(classes), rng.integers(classes, size=60)])
    score = rng.normal(size=(len(codes), classes)).round(0 if ties else 6)
    truth = np.eye(classes)[codes]

    assert auc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    assert r2(score[:, 0], score[:, 1]) == pytest.approx(r2_score(score[:, 0], score[:, 1]))
    assert auc(np.ones((5, 1)), np.ones((5, 1))) is None
    assert r2(np.ones(5), np.ones(5)) is None


# Groups and times


def test_a_group_in_two_splits_is_told():
    frame = noise(30).assign(patient=[f"p{i // 3}" for i in range(30)])

    (leak,) = found(frame, thirds(30), group="patient")

    assert leak.text == (
        "2 groups of 'patient' stand in two splits; the harness has divided the rows wrongly: "
        "please report it"
    )
    assert not found(frame, group="patient")


def test_rows_that_are_not_later_are_told():
    frame = noise(30).assign(day=np.arange(30) // 2, part=pd.Categorical(["am", "pm"] * 15, ordered=True))
    right = thirds(30)
    wrong = Partition(train=right.train, validation=right.test, test=right.validation)

    assert not found(frame, right, time=("day", "part"))
    assert not found(frame, time="day")
    assert [leak.problem for leak in found(frame, wrong, time=("day", "part"))] == [
        "10 of 10 test rows are not later than all others, by 'day' and 'part'"
    ]
    at_once = frame.assign(day=7)
    assert [leak.problem for leak in found(at_once, right, time="day")] == [
        "10 of 10 validation rows are not later than all training rows, by 'day'",
        "10 of 10 test rows are not later than all others, by 'day'",
    ]


def test_dates_in_a_random_split_are_told():
    frame = noise(300).assign(day=pd.date_range("2020", periods=300))

    (leak,) = found(frame, seed=1)

    assert leak.text == (
        "30 of 30 test rows (100.0 %) are older than the newest training row by 'day', since the split is "
        "random; write time='day' if models shall predict what comes later, or drop='day'"
    )
    assert not found(frame, time="day")
    assert not found(frame, drop="day")
    assert not found(frame, key="day")
    assert not found(frame.assign(day=frame["day"].mask(frame["day"] > "2019")))


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (["a"], "'a'"),
        (["a", "b"], "'a' and 'b'"),
        (["a", "b", "c"], "'a', 'b' and 'c'"),
        (["a", "b", "c", "d"], "'a', 'b' and 2 more"),
        (["a" * 100], f"'{'a' * 56}..."),
    ],
)
def test_names_in_a_sentence(columns, text):
    assert listed(columns) == text


# What is kept, and what follows

LEAKY = noise(100).assign(told=lambda frame: frame["y"] == "yes")
TOLD = (
    "column 'told' predicts the target almost alone, with ROC AUC 1.000 on validation rows; write "
    "drop='told' if it is not known before the target"
)


@pytest.fixture
def searches(monkeypatch):
    """Count how often leaks are looked for."""
    made, whole = [], package.find
    monkeypatch.setattr(package, "find", lambda *what: made.append(what) or whole(*what))
    return made


def test_leaks_are_looked_for_once(store, searches):
    first = leaks(LEAKY, declare(), digest="d", store=store)
    again = leaks(LEAKY, declare(leaks="error"), digest="d", store=store)

    assert [leak.text for leak in first] == [TOLD]
    assert again == first
    assert len(searches) == 1
    leaks(LEAKY, declare(), digest="e", store=store)
    assert len(searches) == 2


def test_that_there_are_none_is_kept_too(store, searches):
    rows = noise(100)

    assert (
        leaks(rows, declare(), digest="d", store=store)
        == leaks(rows, declare(), digest="d", store=store)
        == ()
    )
    assert len(searches) == 1


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"3", b'{"leaks": 3}', b'{"leaks": [3]}', b'{"leaks": [{"columns": []}]}',
     b'{"leaks": [{"kind": "rows", "columns": [1], "problem": "p", "remedy": "r"}]}'],
)  # fmt: skip
def test_a_damaged_entry_is_made_anew(store, damage):
    first = leaks(LEAKY, declare(), digest="d", store=store)
    (path,) = store.path("leaks").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage)

    assert leaks(LEAKY, declare(), digest="d", store=store) == first
    assert path.read_bytes() == whole


def materials(store, tmp_path):
    return Materials(store=store, project=tmp_path, expectations=tmp_path, examples=3, base_seed=0)


def test_a_leak_is_told_or_breaks_or_is_nobodys_business(store, tmp_path, searches):
    made = materials(store, tmp_path)

    assert made.prepare(declare(loader=lambda: LEAKY, leaks="off"), {}).leaks == ()
    assert not searches
    assert made.prepare(declare(loader=lambda: LEAKY), {}).leaks == (TOLD,)
    with pytest.raises(BrokenContractError) as broken:
        materials(store, tmp_path).prepare(declare(loader=lambda: LEAKY, leaks="error"), {})
    assert broken.value.violations == (f"leak: {TOLD}",)
    assert str(broken.value).splitlines() == [
        "data set people leaks in one way, and has leaks='error'",
        "",
        "  column 'told' predicts the target almost alone, with ROC AUC 1.000 on",
        "      validation rows",
        "      write drop='told' if it is not known before the target",
        "",
        "Write leaks='warn' to be told in the summary only, leaks='off' if nobody shall",
        "look.",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            "warning",
            "data set 'people' has leaks='warning'; did you mean 'warn'? write leaks='warn', 'error' or",
        ),
        (False, "data set 'people' has leaks=False; write leaks='warn', 'error' or 'off'"),
    ],
)
def test_another_word_is_refused(store, tmp_path, value, text):
    with pytest.raises(DeclarationError) as refused:
        materials(store, tmp_path).prepare(declare(loader=lambda: pytest.fail("loaded"), leaks=value), {})

    assert text in str(refused.value)


# Whole runs


def test_a_run_tells_leaks_in_its_summary_and_again(project):
    make_leaky(project, "warn")

    told = ["shops  no contract: 210 train, 60 validation, 30 test", *SUMMARY]
    project.run("experiments").stdout.fnmatch_lines([*told, "", "experiment *"], consecutive=True)
    (path,) = (project.path / ".harness/leaks").iterdir()
    path.write_bytes(path.read_bytes()[:-30])
    project.run("experiments").stdout.fnmatch_lines(told, consecutive=True)

    (record,) = records(project.path).contracts
    assert record.leaks == [TOLD.replace("told", "bought")]
    tags = of_trial(RUN, trials(project.path, "experiment_tree")[0], record, {}, best=None)
    assert tags["harness.leaks"] == "1"
    assert "harness.leaks" not in of_trial(
        RUN, trials(project.path, "experiment_tree")[0], dataclasses.replace(record, leaks=()), {}, best=None
    )


def test_a_leak_breaks_the_contract_if_asked_to(project):
    make_leaky(project, "error")

    result = project.run("experiments")

    result.assert_outcomes(failed=1, skipped=4)
    result.stdout.fnmatch_lines(
        [
            "*data set shops leaks in one way, and has leaks='error'",
            "*  column 'bought' predicts the target almost alone, with ROC AUC 1.000 on",
            "shops  cannot be used: leaks in one way, see the failure of contract?shops?",
        ]
    )
    assert result.stdout.str().count("predicts the target almost alone") == 1
    (record,) = records(project.path).contracts
    assert (record.outcome, record.verdict) == ("broken", "leaks")
    assert record.violations == [f"leak: {TOLD.replace('told', 'bought')}"]


def test_nobody_looks_if_asked_not_to(project):
    make_leaky(project, "off")

    result = project.run("experiments")

    result.assert_outcomes(passed=5)
    assert "leak" not in result.stdout.str().partition("= experiments =")[2]
    assert not (project.path / ".harness/leaks").exists()


def make_leaky(project, leaks: str) -> None:
    """Give the shops a column that says what is sold."""
    conftest = (project.path / "conftest.py").read_text()
    conftest = conftest.replace("seed=1", f"seed=1, leaks={leaks!r}")
    told = conftest.replace("return frame", "return frame.assign(bought=frame['sold'] == 'yes')")
    project.write({"conftest.py": told})


SUMMARY = [
    "  leak: column 'bought' predicts the target almost alone, with ROC AUC 1.000 on",
    "      validation rows; write drop='bought' if it is not known before the target",
]
RUN = RunRecord(id="r", project="p", started=0, backend="local", harness_version="0", commit=None, dirty=None)
