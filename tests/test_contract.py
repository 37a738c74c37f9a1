"""Contracts: what breaks one, what is said of it, what is kept, and what a suite file may not be."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import great_expectations as gx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import EXAMPLES, Verdict, Violation, check, evaluation, render
from harness.contract.cache import Cache
from harness.contract.suite import read
from harness.contract.texts import value
from harness.errors import ContractError
from harness.store import Store

ROOT = Path(__file__).parent.parent


def rule(
    kind: str, *, severity: str | None = None, notes: object = None, **kwargs: object
) -> dict[str, object]:
    entry: dict[str, object] = {"type": f"expect_{kind}", "kwargs": kwargs}
    if severity is not None:
        entry["severity"] = severity
    if notes is not None:
        entry["notes"] = notes
    return entry


AGE = rule("column_values_to_be_between", column="age", min_value=17, max_value=90)
WARNING = {**AGE, "severity": "warning"}


class Desk:
    """A folder of suites and a store, with short ways to use them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "expectations"
        self.folder.mkdir()
        self.store = Store(folder / "store")
        self.store.open()

    def write(self, *entries: object, name: str = "people", **more: object) -> Path:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({"name": name, "expectations": list(entries), **more}), encoding="utf-8")
        return path

    def check(self, frame: pd.DataFrame, contract: str = "people", digest: str = "d") -> Verdict:
        return check(frame, contract=contract, folder=self.folder, digest=digest, store=self.store)

    def judge(self, frame: pd.DataFrame, *entries: object) -> Verdict:
        self.write(*entries)
        return self.check(frame)

    def kept(self) -> list[Path]:
        return sorted(self.store.path("contracts").glob("*.json"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [20, 30, 40, 50],
            "name": ["Ann", "Bob", "Cid", None],
            "pay": [1.0, 2.0, np.nan, 4.0],
        }
    )


# --- verdicts


def test_data_that_meet_every_expectation_pass(desk: Desk, people: pd.DataFrame) -> None:
    verdict = desk.judge(people, AGE, rule("column_values_to_be_of_type", column="name", type_="str"))

    assert (verdict.word, verdict.broken, verdict.violations) == ("passed", False, ())
    assert (verdict.expectations, verdict.cached) == (2, False)


def test_one_wrong_cell_breaks_the_contract_and_is_found_by_its_position(
    desk: Desk, people: pd.DataFrame
) -> None:
    people.loc[2, "age"] = 430
    verdict = desk.judge(people, rule("table_row_count_to_equal", value=4), AGE)

    (violation,) = verdict.violations
    assert verdict.word == "broken"
    assert (violation.entry, violation.column, violation.severity) == (1, "age", "critical")
    assert violation.expectation == "expect_column_values_to_be_between"
    assert (violation.unexpected, violation.total) == (1, 4)
    assert violation.examples == ("row 2: 430",)
    assert violation.text == (
        "age: expect_column_values_to_be_between(min_value=17, max_value=90): 1 of 4 (25 %)"
    )


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([9, 9, 9, 9]),
        pd.Index(list("abcd"), name="age"),
        pd.MultiIndex.from_product([[1, 2], ["x", "y"]], names=["row", "name"]),
    ],
    ids=["duplicates", "named", "levels"],
)
def test_the_index_of_the_frame_does_not_matter(desk: Desk, people: pd.DataFrame, index: pd.Index) -> None:
    people.loc[2, "age"] = 430
    people.index = index
    before = people.copy()

    (violation,) = desk.judge(people, AGE).violations

    assert violation.examples == ("row 2: 430",)
    pd.testing.assert_frame_equal(people, before)


def test_rules_on_the_set_of_columns_see_the_loaded_columns_only(desk: Desk, people: pd.DataFrame) -> None:
    exact = rule("table_columns_to_match_set", column_set=["age", "name", "pay"], exact_match=True)
    assert desk.judge(people, exact, rule("table_column_count_to_equal", value=3)).word == "passed"

    (violation,) = desk.judge(people.rename(columns={"pay": "wage"}), exact).violations
    assert violation.text.endswith("missing pay; unexpected wage")


def test_columns_in_another_order_are_told_with_the_first_that_differs(
    desk: Desk, people: pd.DataFrame
) -> None:
    (violation,) = desk.judge(
        people, rule("table_columns_to_match_ordered_list", column_list=["age", "pay", "name"])
    ).violations
    assert violation.text.endswith("column 1 is 'name', expected 'pay'")
    assert violation.column is None


def test_every_broken_expectation_is_listed_in_the_order_of_the_suite(
    desk: Desk, people: pd.DataFrame
) -> None:
    verdict = desk.judge(
        people,
        rule("column_values_to_not_be_null", column="name"),
        rule("column_values_to_be_between", column="name", min_value=1),
        rule("column_values_to_not_be_null", column="age"),
        rule("column_values_to_be_unique", column="nothing"),
        rule("column_max_to_be_between", column="age", max_value=45),
    )
    assert [violation.entry for violation in verdict.violations] == [0, 1, 3, 4]


def test_equal_expectations_are_both_judged(desk: Desk, people: pd.DataFrame) -> None:
    low = rule("column_values_to_be_between", column="age", max_value=45)
    absent = rule("column_values_to_be_unique", column="nothing")
    verdict = desk.judge(people, low, absent, low, absent)
    assert [violation.entry for violation in verdict.violations] == [0, 1, 2, 3]


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_severity_below_critical_is_reported_and_breaks_nothing(
    desk: Desk, people: pd.DataFrame, severity: str
) -> None:
    people.loc[2, "age"] = 430
    verdict = desk.judge(people, {**AGE, "severity": severity})

    assert (verdict.broken, verdict.word) == (False, "passed with warnings")
    assert verdict.violations[0].examples == ("row 2: 430",)


def test_a_critical_violation_beside_a_warning_breaks(desk: Desk, people: pd.DataFrame) -> None:
    people.loc[2, "age"] = 430
    assert desk.judge(people, WARNING, {**AGE, "severity": "critical"}).word == "broken"


@pytest.mark.parametrize(
    "entry",
    [
        rule("column_values_to_not_be_null", column="age"),
        rule("compound_columns_to_be_unique", column_list=["name", "age"]),
        rule("column_pair_values_a_to_be_greater_than_b", column_A="age", column_B="pay", or_equal=True),
        rule("column_to_exist", column="age"),
    ],
    ids=lambda entry: entry["type"],
)
def test_a_column_of_another_case_is_another_column(
    desk: Desk, people: pd.DataFrame, entry: dict[str, object]
) -> None:
    """Great Expectations would take it, but no user code could."""
    people["pay"] = 0.5
    assert desk.judge(people, entry).word == "passed"
    assert desk.check(people.rename(columns={"age": "Age"}), digest="other").word == "broken"


@pytest.mark.parametrize("column", ["age", "AGE"])
def test_columns_that_differ_in_case_only_are_refused(desk: Desk, column: str) -> None:
    """Great Expectations judges the first of the two, whichever was meant."""
    frame = pd.DataFrame({"AGE": [20, 20], "age": [20, 20]})
    (violation,) = desk.judge(frame, rule("column_values_to_not_be_null", column=column)).violations
    assert f"cannot tell {column!r} from" in violation.reason
    assert violation.reason.endswith("rename one of the two")


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_a_rule_on_a_missing_column_could_not_be_evaluated_and_breaks(
    desk: Desk, people: pd.DataFrame, severity: str
) -> None:
    verdict = desk.judge(people.rename(columns={"age": "Age"}), {**AGE, "severity": severity})

    (violation,) = verdict.violations
    assert verdict.broken
    assert violation.reason == "the data has no column 'age', did you mean 'Age'?"
    assert (violation.unexpected, violation.examples) == (None, ())


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            rule("column_values_to_be_between", column="name", min_value=1),
            "must either be None or of the same type",
        ),
        (rule("column_values_to_match_regex", column="name", regex="["), "regular expression"),
        (
            {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT 1"}},
            "provider",
        ),
    ],
    ids=["types", "regex", "flat exception"],
)
def test_a_rule_that_raises_could_not_be_evaluated(
    desk: Desk, people: pd.DataFrame, entry: dict[str, object], said: str
) -> None:
    verdict = desk.judge(people, entry, rule("column_to_exist", column="age"))

    (violation,) = verdict.violations
    assert verdict.broken
    assert violation.reason == "Great Expectations raised an exception"
    assert said in " ".join(violation.examples)


NOBODY = {"type": "comparison", "column": {"name": "age"}, "operator": ">", "parameter": 99}


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
@pytest.mark.parametrize(
    "entry",
    [
        rule("column_values_to_be_between", column="none", min_value=1),
        rule("column_values_to_be_in_set", column="none", value_set=[1]),
        rule("column_values_to_be_unique", column="none"),
        rule("column_pair_values_a_to_be_greater_than_b", column_A="none", column_B="none"),
        rule("compound_columns_to_be_unique", column_list=["none", "none2"]),
        rule("column_values_to_be_between", column="age", min_value=1, row_condition=NOBODY),
        rule("multicolumn_sum_to_equal", column_list=["age", "pay"], sum_total=1, row_condition=NOBODY),
    ],
    ids=lambda entry: entry["type"],
)
def test_a_rule_that_had_no_value_to_judge_could_not_be_evaluated_and_breaks(
    desk: Desk, people: pd.DataFrame, entry: dict[str, object], severity: str
) -> None:
    people[["none", "none2"]] = np.nan
    verdict = desk.judge(people, {**entry, "severity": severity})

    (violation,) = verdict.violations
    assert verdict.broken
    assert violation.reason == "no value was evaluated"
    assert violation.text.endswith("): no value was evaluated")
    assert (violation.unexpected, violation.total, violation.examples) == (0, 0, ())
    assert desk.kept() == []


@pytest.mark.parametrize(
    "entry",
    [
        rule("column_values_to_be_null", column="none"),
        rule("column_values_to_be_null", column="age", row_condition=NOBODY),
        rule("column_values_to_not_be_null", column="age", row_condition=NOBODY),
        rule("column_values_to_be_between", column="one", min_value=1),
    ],
    ids=["null", "null-of-no-rows", "not-null-of-no-rows", "one-value"],
)
def test_rules_on_nulls_and_on_a_single_value_hold(
    desk: Desk, people: pd.DataFrame, entry: dict[str, object]
) -> None:
    people["none"], people["one"] = np.nan, [np.nan, 1, np.nan, np.nan]
    assert desk.judge(people, entry).word == "passed"


def test_notes_are_the_owners_words(desk: Desk, people: pd.DataFrame) -> None:
    verdict = desk.judge(
        people, {**AGE, "kwargs": {"column": "age", "max_value": 45}, "notes": ["Ask", "Eve."]}
    )
    assert verdict.violations[0].notes == "Ask Eve."


@pytest.mark.parametrize(
    ("entry", "examples"),
    [
        (rule("column_values_to_not_be_null", column="pay"), ("row 2: null",)),
        (rule("column_values_to_be_in_set", column="name", value_set=["Ann", "Bob"]), ("row 2: 'Cid'",)),
        (
            rule("column_pair_values_a_to_be_greater_than_b", column_A="pay", column_B="age"),
            ("row 0: 1.0, 20", "row 1: 2.0, 30", "row 2: null, 40", "row 3: 4.0, 50"),
        ),
        (
            rule("multicolumn_sum_to_equal", column_list=["age", "pay"], sum_total=21),
            ("row 1: age=30, pay=2.0", "row 2: age=40, pay=null", "row 3: age=50, pay=4.0"),
        ),
        (rule("column_max_to_be_between", column="age", max_value=45), ("observed 50",)),
        (rule("column_distinct_values_to_be_in_set", column="age", value_set=[20, 30, 40]), ("50",)),
        (
            rule(
                "column_values_to_be_null",
                column="age",
                row_condition={"type": "pass_through", "pass_through_filter": "age > 35 and pay > 1"},
            ),
            ("row 3: 50",),
        ),
    ],
    ids=lambda entry: entry["type"] if isinstance(entry, dict) else "",
)
def test_examples_show_rows_and_values(
    desk: Desk, people: pd.DataFrame, entry: dict[str, object], examples: tuple[str, ...]
) -> None:
    (violation,) = desk.judge(people, entry).violations
    assert violation.examples == examples


def test_a_condition_reads_like_a_sentence(desk: Desk, people: pd.DataFrame) -> None:
    missing = {"type": "nullity", "column": {"name": "pay"}, "is_null": True}
    (violation,) = desk.judge(
        people, rule("column_values_to_be_null", column="age", row_condition=missing)
    ).violations
    assert "(row_condition=pay IS NULL): 1 of 1" in violation.text


def test_missing_values_are_not_counted_as_judged(desk: Desk, people: pd.DataFrame) -> None:
    (violation,) = desk.judge(
        people, rule("column_values_to_be_between", column="pay", max_value=3)
    ).violations
    assert (violation.unexpected, violation.total) == (1, 3)


def test_a_frame_of_bad_rows_keeps_a_bounded_number_of_examples(desk: Desk) -> None:
    (violation,) = desk.judge(pd.DataFrame({"age": [-1] * 500}), AGE).violations
    assert (len(violation.examples), violation.unexpected) == (EXAMPLES, 500)


# --- the suite file


@pytest.mark.parametrize(
    ("content", "problem", "remedy"),
    [
        ("", "is not JSON: line 1 column 1", 'write {"name"'),
        ('{"name": "people",\n "expectations": [}', "is not JSON: line 2 column 19", 'write {"name"'),
        ("[]", "holds a JSON list, not an object", 'write {"name"'),
        ("null", "holds a JSON null", 'write {"name"'),
        ('{"name": "p", "name": "q"}', "says 'name' twice", "remove one of the two"),
        ({"expectations": [AGE]}, "has no name", 'add "name": "people"'),
        ({"name": "p"}, "has no expectations, so that any data would pass", "contract="),
        ({"name": "p", "expectations": []}, "has no expectations", "contract="),
        ({"name": "p", "expectations": {"a": 1}}, "has no expectations", "contract="),
        ({"name": "p", "expectation": [AGE]}, "unknown key 'expectation'", "did you mean 'expectations'?"),
        ({"name": "p", "xyz": 1, "expectations": [AGE]}, "unknown key 'xyz'", "allowed are expectations, id"),
        ({"expectation_suite_name": "p", "expectations": [AGE]}, "before 1.0", "rename it to 'name'"),
        (["x"], "expectations[0] is a JSON string, not an object", 'write {"type"'),
        ([3], "expectations[0] is a JSON number", 'write {"type"'),
        ([{"kwargs": {}}], "expectations[0] has no type", '"type": "expect_…"'),
        ([{"expectation_type": "expect_x", "kwargs": {}}], "before 1.0", "rename it to 'type'"),
        ([{**AGE, "serverity": "info"}], "unknown key 'serverity'", "did you mean 'severity'?"),
        ([{"type": AGE["type"]}], "has no kwargs", '"kwargs": {…}'),
        ([AGE, {**AGE, "severity": "fatal"}], "expectations[1] (expect_", "use critical, warning or info"),
        ([{**AGE, "severity": None}], "has the severity None", "use critical, warning or info"),
        (
            [
                rule("column_values_to_not_be_null", column="age")
                | {"kwargs": {"column": "a", "severity": "info"}}
            ],
            "has 'severity' among its kwargs",
            'move it out, beside "type"',
        ),
        (
            [rule("column_values_to_be_between", column="age", min_value={"$PARAMETER": "lo"})],
            "asks for the suite parameter 'lo'",
            "write the value itself",
        ),
        (
            [rule("column_values_to_be_in_set", column="age", value_set=[1, "$PARAMETER"])],
            "asks for the suite parameter '$PARAMETER'",
            "write the value itself",
        ),
        (
            [rule("column_values_to_be_betwen", column="age", min_value=1)],
            "expectations[0] has the unknown type 'expect_column_values_to_be_betwen'",
            "did you mean 'expect_column_values_to_be_between'",
        ),
        ([rule("zzz")], "unknown type 'expect_zzz'", "see greatexpectations.io/expectations"),
        (
            [AGE, rule("column_values_to_be_between", colum="age", min_value=1)],
            "expectations[1] (expect_column_values_to_be_between): 'column': field required; 'colum': extra",
            "did you mean 'column'",
        ),
        (
            [rule("column_values_to_not_be_null", column="age", mostly=1.5)],
            "'mostly': ensure this value is less than or equal to 1.0",
            "its kwargs are column, condition_parser, mostly, row_condition",
        ),
        (
            [rule("column_values_to_be_between", column="age")],
            "min_value and max_value cannot both be None",
            "its kwargs are column",
        ),
    ],
)
def test_a_suite_that_is_not_whole_is_an_error_that_says_where(
    desk: Desk, people: pd.DataFrame, content: object, problem: str, remedy: str
) -> None:
    path = desk.folder / "people.json"
    if isinstance(content, list):
        content = {"name": "people", "expectations": content}
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    with pytest.raises(ContractError) as caught:
        desk.check(people)

    assert problem in caught.value.problem
    assert "people.json" in caught.value.problem
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)
    assert desk.kept() == []


def test_a_missing_suite_is_told_with_those_that_exist(desk: Desk, people: pd.DataFrame) -> None:
    desk.write(AGE, name="people")
    desk.write(AGE, name="flats")
    with pytest.raises(ContractError) as caught:
        desk.check(people, "peple")

    assert caught.value.problem == "contract 'peple' has no suite (did you mean 'people'?)"
    assert f"create {desk.folder / 'peple.json'} in" in caught.value.remedy
    assert caught.value.remedy.endswith("are flats, people")


def test_a_missing_folder_of_suites_is_told(tmp_path: Path, people: pd.DataFrame) -> None:
    with pytest.raises(ContractError, match=r"has no suite; create .*there is no suite yet"):
        check(people, contract="x", folder=tmp_path / "no", digest="d", store=Store(tmp_path))


def test_files_are_named_from_the_working_directory(
    desk: Desk, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder.parent)
    desk.write()
    with pytest.raises(ContractError) as caught:
        desk.check(people)
    assert caught.value.problem.startswith(f"{Path('expectations', 'people.json')} has no expectations")


def test_a_suite_that_is_a_folder_or_not_text_is_told(desk: Desk, people: pd.DataFrame) -> None:
    (desk.folder / "people.json").mkdir()
    with pytest.raises(ContractError, match=r"people\.json cannot be read"):
        desk.check(people)
    (desk.folder / "latin.json").write_bytes(b'{"name": "M\xfcller"}')
    with pytest.raises(ContractError, match=r"is not UTF-8 text \(byte 11\); save it as UTF-8"):
        desk.check(people, "latin")


def test_a_suite_that_great_expectations_wrote_is_read(desk: Desk, people: pd.DataFrame) -> None:
    theirs = gx.ExpectationSuite(
        name="people",
        expectations=[
            gx.expectations.ExpectColumnValuesToNotBeNull(column="pay", severity="warning", notes="why"),
            gx.expectations.ExpectTableRowCountToEqual(value=4),
        ],
    )
    (desk.folder / "people.json").write_text(json.dumps(theirs.to_json_dict()), encoding="utf-8-sig")

    verdict = desk.check(people)

    assert verdict.word == "passed with warnings"
    assert [(v.entry, v.notes) for v in verdict.violations] == [(0, "why")]


class ExpectAlwaysRefused(gx.expectations.ExpectColumnValuesToNotBeNull):
    def __init__(self, **kwargs: object) -> None:
        raise gx.exceptions.InvalidExpectationConfigurationError("no such thing")


class ExpectAFullMoon(gx.expectations.ExpectColumnValuesToNotBeNull):
    def __init__(self, **kwargs: object) -> None:
        raise TypeError("the moon\nis new")


class ExpectNamesOfPeople(gx.expectations.ExpectColumnValuesToNotBeNull):
    pass


def test_an_expectation_that_would_be_dropped_is_an_error(desk: Desk, people: pd.DataFrame) -> None:
    with pytest.raises(ContractError, match=r"expectations\[1\] \(expect_always_refused\) is dropped by"):
        desk.judge(people, AGE, rule("always_refused", column="age"))


def test_an_expectation_that_cannot_be_built_is_an_error(desk: Desk, people: pd.DataFrame) -> None:
    with pytest.raises(
        ContractError, match=r"\(expect_a_full_moon\) is refused by Great Expectations: the moon is new"
    ):
        desk.judge(people, rule("a_full_moon", column="age"))


def test_an_answer_that_is_missing_is_an_error(
    desk: Desk, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.datasource.fluent.interfaces import Batch

    whole = Batch.validate

    def forgetful(self: object, *args: object, **kwargs: object) -> object:
        answer = whole(self, *args, **kwargs)  # type: ignore[arg-type]
        answer.results.pop()
        return answer

    monkeypatch.setattr(Batch, "validate", forgetful)
    with pytest.raises(ContractError, match="evaluated 1 of 2 expectations"):
        desk.judge(people, AGE, AGE)


# --- what is kept


def never(*_: object) -> None:
    raise AssertionError("evaluated again")


def test_a_passed_verdict_is_not_evaluated_twice(
    desk: Desk, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = desk.judge(people, AGE)
    monkeypatch.setattr(evaluation, "evaluate", never)
    second = desk.check(people)

    assert (first.cached, second.cached, second.word) == (False, True, "passed")
    assert second.expectations == 1


def test_a_kept_warning_has_its_text_and_no_example(
    desk: Desk, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.loc[2, "age"] = 430
    (fresh,) = desk.judge(people, WARNING).violations
    monkeypatch.setattr(evaluation, "evaluate", never)
    verdict = desk.check(people)
    (kept,) = verdict.violations

    assert verdict.word == "passed with warnings"
    assert (kept.text, kept.unexpected) == (fresh.text, 1)
    assert (fresh.examples, kept.examples) == (("row 2: 430",), ())
    assert "430" not in desk.kept()[0].read_text()


def test_a_broken_verdict_is_not_kept(desk: Desk, people: pd.DataFrame) -> None:
    people.loc[2, "age"] = 430
    assert desk.judge(people, AGE).broken
    assert desk.kept() == []
    assert desk.check(people).cached is False


def test_other_data_another_suite_or_version_is_evaluated(
    desk: Desk, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.write(AGE)
    desk.check(people)

    assert desk.check(people, digest="other").cached is False
    path.write_text(path.read_text().replace('"max_value": 90', '"max_value": 91'))
    assert desk.check(people).cached is False
    monkeypatch.setattr("harness.contract.cache.metadata.version", lambda name: f"{name} 9")
    assert desk.check(people).cached is False
    assert desk.check(people).cached is True


def test_a_suite_laid_out_anew_is_the_same_suite(desk: Desk, people: pd.DataFrame) -> None:
    path = desk.write(AGE)
    desk.check(people)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7, sort_keys=True))
    assert desk.check(people).cached is True


def test_the_key_is_made_of_the_installed_version(desk: Desk, people: pd.DataFrame) -> None:
    """The version is read without the import, and must be the one that evaluates."""
    from harness.contract import cache

    assert cache.metadata.version("great-expectations") == gx.__version__


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"violations": []}',
        b'{"violations": [3]}',
        b'{"violations": [{"examples": []}], "contract": "people", "expectations": 1}',
        b'{"violations": [], "contract": "people", "expectations": 7}',
        b'{"violations": [], "contract": "people", "expectations": 1, "colour": 1}',
    ],
)
def test_a_corrupt_file_is_evaluated_again_and_mended(
    desk: Desk, people: pd.DataFrame, content: bytes
) -> None:
    desk.judge(people, AGE)
    (path,) = desk.kept()
    path.write_bytes(content)

    assert desk.check(people).cached is False
    assert desk.check(people).cached is True


def test_a_broken_verdict_in_the_store_is_never_believed(desk: Desk, people: pd.DataFrame) -> None:
    path = desk.write(AGE)
    assert path.exists()
    violation = Violation(
        entry=0, expectation="x", column=None, severity="critical", text="x", unexpected=1, total=1
    )
    suite = read(desk.folder, "people")
    Cache(desk.store, suite, "d").keep(Verdict(contract="people", violations=(violation,), expectations=1))
    assert desk.check(people).word == "passed"


def test_rules_of_the_users_own_are_always_evaluated(desk: Desk, people: pd.DataFrame) -> None:
    """Their code is in no key, so a kept verdict might be one of other code."""
    assert desk.judge(people, rule("names_of_people", column="age")).word == "passed"
    assert desk.check(people).cached is False
    assert desk.kept() == []


SCRIPT = """
import sys
calls = []
sys.addaudithook(lambda event, args: calls.append(event) if event in OUTWARDS else None)
OUTWARDS = ("socket.connect", "socket.getaddrinfo", "socket.sendto")
from pathlib import Path
import pandas as pd
from harness.contract import check
from harness.store import Store
root = Path(sys.argv[1])
for age in sys.argv[2:]:
    frame = pd.DataFrame({"age": [20, int(age)]})
    verdict = check(
        frame, contract="people", folder=root / "expectations", digest=age, store=Store(root / "store")
    )
    print(verdict.word, verdict.cached, "great_expectations" in sys.modules, calls)
"""


def test_a_known_verdict_imports_nothing_and_a_new_one_is_silent_and_offline(desk: Desk) -> None:
    desk.write(AGE, rule("column_values_to_be_between", column="age", max_value=99, severity="info"))

    def run(*ages: str) -> tuple[list[str], str]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(desk.folder.parent), *ages],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        return done.stdout.splitlines(), done.stderr

    assert run("30", "300") == (["passed False True []", "broken False True []"], "")
    assert run("30") == (["passed True False []"], "")


def test_nothing_is_logged_or_warned_and_settings_are_put_back(
    desk: Desk, people: pd.DataFrame, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("great_expectations")
    caplog.set_level(logging.DEBUG, "great_expectations")
    handlers = list(logger.handlers)
    filters = list(warnings.filters)
    old = rule("column_values_to_be_null", column="age", row_condition="age > 90", condition_parser="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        desk.judge(people, old, rule("column_values_to_be_unique", column="nothing"))

    assert caplog.records == []
    assert tuple(capfd.readouterr()) == ("", "")
    assert warnings.filters == filters
    assert (logger.handlers, logger.propagate) == (handlers, True)


def test_the_users_own_context_stays_the_current_one(desk: Desk, people: pd.DataFrame) -> None:
    from great_expectations.data_context.data_context.context_factory import project_manager

    mine = gx.get_context(mode="ephemeral")
    try:
        desk.judge(people, AGE)
        assert project_manager.get_current_project() is mine
    finally:
        project_manager.set_project(None)


# --- the text


def test_the_report_lists_groups_counts_rows_and_notes(desk: Desk) -> None:
    frame = pd.DataFrame({"age": [20, 430, 431, 432], "name": ["Ann", "Bob", None, "Cid"]})
    desk.write(
        rule("column_values_to_not_be_null", column="name", severity="info"),
        {**WARNING, "notes": "Ages are whole years. Owner: Eve."},
        rule("table_row_count_to_be_between", min_value=5, max_value=9),
        rule("column_values_to_be_unique", column="nam"),
        {**AGE, "kwargs": {"column": "age", "max_value": 90}},
        notes="Owner of the file: the people team.",
    )
    text = render(desk.check(frame), dataset="staff", examples=2)

    assert text == textwrap.dedent(
        """\
        contract people is broken: data set staff does not meet 5 of 5 expectations

        could not be evaluated (breaks the contract)
          nam: expect_column_values_to_be_unique(): the data has no column 'nam', did
              you mean 'name'?

        critical
          expect_table_row_count_to_be_between(min_value=5, max_value=9): observed 4
          age: expect_column_values_to_be_between(max_value=90): 3 of 4 (75 %)
              row 1: 430
              row 2: 431
              … and 1 more

        warning (does not break the contract)
          age: expect_column_values_to_be_between(min_value=17, max_value=90): 3 of 4
              (75 %)
              row 1: 430
              row 2: 431
              … and 1 more
              Ages are whole years. Owner: Eve.

        info (does not break the contract)
          name: expect_column_values_to_not_be_null(): 1 of 4 (25 %)
              row 2: null

        Owner of the file: the people team.

        Rows are counted from 0 as loaded: frame.iloc[ROW]."""
    )


def test_a_passed_verdict_has_a_text_too(desk: Desk, people: pd.DataFrame) -> None:
    text = render(desk.judge(people, AGE), dataset="staff", examples=5)
    assert text == "contract people passed: data set staff meets all 1 expectations"


@pytest.mark.parametrize(
    "entry",
    [
        rule("column_values_to_be_in_set", column="secret", value_set=["a"]),
        rule("column_values_to_be_between", column="number", max_value=5),
        rule("column_values_to_be_between", column="secret", max_value=5),
        rule("column_values_to_be_unique", column="secret"),
        rule("column_values_to_be_dateutil_parseable", column="secret"),
        rule("column_values_to_match_strftime_format", column="number", strftime_format="%Y"),
        rule("column_values_to_be_of_type", column="mixed", type_="int"),
        rule("column_value_lengths_to_equal", column="secret", value=2),
        rule("column_max_to_be_between", column="number", max_value=5),
        rule("column_mean_to_be_between", column="secret", max_value=5),
        rule("column_most_common_value_to_be_in_set", column="number", value_set=[1]),
        rule("column_distinct_values_to_be_in_set", column="secret", value_set=["a"]),
        rule("column_distinct_values_to_equal_set", column="secret", value_set=["a"]),
        rule("column_distinct_values_to_contain_set", column="secret", value_set=["a"]),
        rule("column_quantile_values_to_be_between", column="number",
             quantile_ranges={"quantiles": [0.5], "value_ranges": [[0, 1]]}),
        rule("column_pair_values_to_be_equal", column_A="secret", column_B="number"),
        rule("compound_columns_to_be_unique", column_list=["secret", "number"]),
        rule("select_column_values_to_be_unique_within_record", column_list=["number", "number2"]),
    ],
    ids=lambda entry: entry["type"],
)  # fmt: skip
def test_without_examples_no_value_of_a_cell_is_said(desk: Desk, entry: dict[str, object]) -> None:
    frame = pd.DataFrame(
        {
            "secret": ["Zaphod"] * 3,
            "number": [90417] * 3,
            "number2": [90417] * 3,
            "mixed": pd.Series(["Zaphod", 1, 2], dtype=object),
        }
    )
    verdict = desk.judge(frame, entry)
    hidden = render(verdict, dataset="staff", examples=0)
    shown = render(verdict, dataset="staff", examples=EXAMPLES)

    (violation,) = verdict.violations
    assert "Zaphod" not in hidden
    assert "90417" not in hidden
    assert "row " not in hidden
    assert str(entry["type"]) in hidden
    assert all(line.strip().split("…")[0][:20] in shown for line in violation.examples)
    assert "Zaphod" not in violation.text
    assert "90417" not in violation.text


texts = st.text(min_size=1, max_size=300)


@given(
    cell=st.one_of(texts, st.binary(), st.floats(), st.decimals(), st.datetimes(), st.none(), st.integers())
)
def test_a_value_is_one_short_line(cell: object) -> None:
    shown = value(cell)
    assert 0 < len(shown) <= 40
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("cell", [None, np.nan, pd.NA, pd.NaT, float("nan")])
def test_missing_values_are_all_called_null(cell: object) -> None:
    assert value(cell) == "null"


@given(
    text=texts,
    notes=texts,
    cells=st.lists(texts, max_size=3),
    dataset=st.from_regex(r"[a-z_]{1,60}", fullmatch=True),
    examples=st.integers(0, 4),
)
def test_every_violation_is_told_within_80_columns(
    text: str, notes: str, cells: list[str], dataset: str, examples: int
) -> None:
    violation = Violation(
        entry=0,
        expectation="expect_x",
        column=None,
        severity="critical",
        text=f"{text} expect_marker",
        unexpected=9,
        total=10,
        examples=tuple(f"row 1: {value(cell)}" for cell in cells),
        notes=notes,
    )
    verdict = Verdict(contract="c", violations=(violation,) * 3, expectations=3, notes=notes)
    rendered = render(verdict, dataset=dataset, examples=examples)
    lines = rendered.splitlines()

    assert max(map(len, lines)) <= 80
    assert rendered.count("expect_marker") == 3
    assert sum(line.startswith("      row 1:") for line in lines) >= 3 * min(examples, len(cells))


def test_a_verdict_survives_json() -> None:
    violation = Violation(
        entry=1,
        expectation="e",
        column="c",
        severity="info",
        text="t",
        unexpected=1,
        total=2,
        examples=("x",),
    )
    verdict = Verdict(contract="c", violations=(violation,), expectations=2, notes="n")
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
