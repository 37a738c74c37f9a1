"""The suites of the examples: true of their data, and broken by one wrong cell at any place."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.contract import Verdict, check, render
from harness.store import Store

ROOT = Path(__file__).parent.parent
SUITES = ("income", "penguins", "bikeshare")
ROW_COUNT = "expect_table_row_count_to_be_between"
Entry = dict[str, Any]


def suite(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "expectations" / f"{name}.json").read_text(encoding="utf-8"))
    return content


def data(name: str) -> pd.DataFrame:
    return pd.read_parquet(ROOT / "experiments" / "data" / f"{name}.parquet")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Verdict]:
    """Judge a frame by a suite of the examples, evaluated anew each time."""
    root = tmp_path_factory.mktemp("contracts")
    store = Store(root / "store")
    store.open()
    digests = iter(range(1_000_000))

    def judge(name: str, frame: pd.DataFrame, entries: list[Entry] | None = None) -> Verdict:
        content = suite(name)
        content["expectations"] = entries or content["expectations"]
        (root / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        return check(frame, contract=name, folder=root, digest=str(next(digests)), store=store)

    return judge


@pytest.mark.parametrize("name", SUITES)
def test_the_suite_is_true_of_the_data(name: str, judge: Callable[..., Verdict]) -> None:
    verdict = judge(name, data(name))

    assert verdict.word == "passed", render(verdict, dataset=name, examples=3)
    assert verdict.expectations == len(suite(name)["expectations"])


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_guards_its_columns_its_length_and_its_types(name: str) -> None:
    entries, columns = suite(name)["expectations"], list(data(name).columns)

    def guarded(kind: str) -> list[str]:
        return [entry["kwargs"]["column"] for entry in entries if entry["type"] == kind]

    assert sorted(guarded("expect_column_values_to_be_of_type")) == sorted(columns)
    assert set(guarded("expect_column_values_to_not_be_null")) == set(columns)
    assert entries[0]["kwargs"] == {"column_set": columns, "exact_match": True}
    assert entries[1]["type"] == ROW_COUNT


def put(frame: pd.DataFrame, row: int, column: str, cell: object) -> pd.DataFrame:
    """Return the frame with one other cell, as a reader of such a file would give it."""
    cells = frame[column].tolist()
    cells[row] = cell
    return frame.assign(**{column: pd.Series(cells, index=frame.index)})


def _columns(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    column = dice.choice(list(frame.columns))
    return dice.choice(
        [frame.drop(columns=column), frame.assign(more=1), frame.rename(columns={column: "x"})]
    )


def _row_count(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    low, high = entry["kwargs"]["min_value"], entry["kwargs"]["max_value"]
    return dice.choice([frame[: low - 1], frame.iloc[[*range(len(frame)), *range(high + 1 - len(frame))]]])


def _type(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    wrong = 0.5 if entry["kwargs"]["type_"] == "int64" else dice.choice([7, 0.5])
    return put(frame, dice.randrange(len(frame)), entry["kwargs"]["column"], wrong)


def _between(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    wrong = dice.choice([entry["kwargs"]["min_value"] - 1, entry["kwargs"]["max_value"] + 1])
    return put(frame, dice.randrange(len(frame)), entry["kwargs"]["column"], wrong)


def _in_set(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    column, levels = entry["kwargs"]["column"], entry["kwargs"]["value_set"]
    if "mostly" in entry["kwargs"]:
        other = next(level for level in frame[column].unique() if level not in levels)
        share = 1 - entry["kwargs"]["mostly"] + 0.05
        return many(frame, column, other, share, dice)
    wrong = dice.choice(["?", f" {levels[0]}", levels[0].lower() + "."])
    return put(frame, dice.randrange(len(frame)), column, wrong)


def _not_in_set(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    return many(frame, entry["kwargs"]["column"], entry["kwargs"]["value_set"][0], 0.02, dice)


def _not_null(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    column = entry["kwargs"]["column"]
    if "mostly" in entry["kwargs"]:
        return many(frame, column, None, 1 - entry["kwargs"]["mostly"] + 0.03, dice)
    rows = range(len(frame))
    if "row_condition" in entry["kwargs"]:
        condition = entry["kwargs"]["row_condition"]
        rows = frame.index[frame[condition["column"]["name"]].isin(condition["parameter"])]
    return put(frame, dice.choice(list(rows)), column, None)


def _null(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    if entry["kwargs"]["column"] == "occupation":
        rows = frame.index[frame["workclass"].isna()]
        return put(frame, dice.choice(list(rows)), "occupation", "Sales")
    row = dice.randrange(len(frame))
    column = dice.choice(["education", "education-num"])
    others = sorted(set(frame[column]) - {frame[column][row]})
    return put(frame, row, column, dice.choice(others))


def _unique(frame: pd.DataFrame, entry: Entry, dice: random.Random) -> pd.DataFrame:
    return pd.concat([frame, frame.sample(frac=0.02, random_state=dice.randrange(99))], ignore_index=True)


def many(frame: pd.DataFrame, column: str, cell: object, share: float, dice: random.Random) -> pd.DataFrame:
    cells = frame[column].tolist()
    for row in dice.sample(range(len(frame)), round(share * len(frame))):
        cells[row] = cell
    return frame.assign(**{column: cells})


SPOILERS: dict[str, Callable[[pd.DataFrame, Entry, random.Random], pd.DataFrame]] = {
    "expect_table_columns_to_match_set": _columns,
    "expect_table_row_count_to_be_between": _row_count,
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_compound_columns_to_be_unique": _unique,
}
INCOME = list(enumerate(suite("income")["expectations"]))


ONE_CELL = [
    entry
    for entry in suite("income")["expectations"]
    if entry["type"].startswith("expect_column_values")
    and not {"mostly", "row_condition"} & set(entry["kwargs"])
]


@pytest.mark.parametrize(
    ("position", "entry"),
    INCOME,
    ids=[f"{position}-{e['type'][7:]}-{e['kwargs'].get('column', 'table')}" for position, e in INCOME],
)
def test_income_spoiled_at_a_random_place_breaks_the_expectation(
    position: int, entry: Entry, judge: Callable[..., Verdict]
) -> None:
    frame = data("income")
    if entry["type"] != ROW_COUNT:
        frame = frame.sample(3000, random_state=2).reset_index(drop=True)
    assert judge("income", frame, [entry]).word == "passed"
    for seed in range(3):
        spoiled = SPOILERS[entry["type"]](frame, entry, random.Random(f"{position} {seed}"))
        verdict = judge("income", spoiled, [entry])
        text = render(verdict, dataset="income", examples=1)

        assert verdict.broken is (entry.get("severity", "critical") == "critical"), text
        assert [violation.expectation for violation in verdict.violations] == [entry["type"]]
        assert entry["type"] in text


@pytest.mark.parametrize("seed", range(3))
def test_one_cell_of_income_breaks_the_whole_contract(seed: int, judge: Callable[..., Verdict]) -> None:
    dice = random.Random(seed)
    entry = dice.choice(ONE_CELL)
    verdict = judge("income", SPOILERS[entry["type"]](data("income"), entry, dice))

    assert verdict.broken
    assert any(v.expectation == entry["type"] and v.notes == entry["notes"] for v in verdict.violations)
    assert {v.column for v in verdict.violations if v.column} >= {entry["kwargs"]["column"]}


@pytest.mark.parametrize("column", ["workclass", "occupation"])
def test_one_missing_workclass_or_occupation_breaks(column: str, judge: Callable[..., Verdict]) -> None:
    """Rates of missing cells alone would let a single one through."""
    frame = data("income")
    row = int(frame.index[frame["workclass"] == "Private"][99])
    assert judge("income", put(frame, row, column, None)).broken


@pytest.mark.parametrize(
    ("name", "row", "column", "cell", "said"),
    [
        ("bikeshare", 8000, "bikers", 7, "casual + registered != bikers"),
        ("bikeshare", 8000, "casual", 399, "casual + registered != bikers"),
        ("bikeshare", 8000, "hr", 23, "day, hr: expect_compound_columns_to_be_unique"),
        ("bikeshare", 3, "workingday", 1, "workingday != (weekday >= 1"),
        ("bikeshare", 3, "hum", 1.01, "hum: expect_column_values_to_be_between"),
        ("bikeshare", 3, "weekday", 7, "weekday: expect_column_values_to_be_in_set"),
        ("penguins", 200, "island", "Dream", "row_condition=species == Gentoo"),
        ("penguins", 0, "body_mass_g", 3.75, "body_mass_g: expect_column_values_to_be_between"),
        ("penguins", 3, "sex", "male", "sex: expect_column_values_to_be_null"),
    ],
)
def test_one_wrong_cell_breaks_the_other_suites(
    judge: Callable[..., Verdict], name: str, row: int, column: str, cell: object, said: str
) -> None:
    frame = data(name)
    if column == "hr":
        row = int(frame.index[(frame["day"] == 300) & (frame["hr"] == 22)][0])
    verdict = judge(name, put(frame, row, column, cell))

    assert verdict.broken
    assert any(said in violation.text for violation in verdict.violations)


def test_income_that_lost_a_column_says_so_for_each_rule(judge: Callable[..., Verdict]) -> None:
    verdict = judge("income", data("income").drop(columns="age"))
    lost = [v.entry for v in verdict.violations if v.reason == "the data has no column 'age'"]
    rules = [
        position
        for position, e in INCOME
        if "age" in (e["kwargs"].get("column"), *e["kwargs"].get("column_list", ()))
    ]

    assert len(rules) == 5
    assert lost == rules
    assert [v.entry for v in verdict.violations] == [0, *rules]
