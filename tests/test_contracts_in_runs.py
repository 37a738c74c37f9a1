"""Rule 2 in whole runs: the contract comes first, and what the store keeps of the data."""

from __future__ import annotations

import json
import shutil
import struct
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from recorded import records

CONFTEST = """
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.preprocessing import OneHotEncoder
from harness import dataset, features

@dataset(target="sold", contract="shops", seed=1)
def shops():
    return pd.read_csv("shops.csv", dtype={"name": "category"})

@dataset(target="sold", seed=1)
def others():
    return pd.read_csv("others.csv")

@features
def encoded(shops):
    text = (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number"))
    return make_column_transformer(text, remainder="passthrough")
"""

EXPERIMENTS = """
from sklearn.tree import DecisionTreeClassifier
from harness import grid

@grid(max_depth=[1, 2])
def experiment_shops(encoded, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth), encoded)

def experiment_others(others, trial):
    trial.fit(DecisionTreeClassifier(max_depth=1), others)

def gate_shops(experiment_shops):
    assert experiment_shops.best.test.accuracy > 0.5

def gate_both(experiment_shops, experiment_others):
    assert experiment_shops.best.test.accuracy > 0

def gate_others(experiment_others):
    assert experiment_others.best.test.accuracy > 0.5
"""


def expectation(kind, severity=None, **kwargs):
    return {"type": kind, "kwargs": kwargs, **({"severity": severity} if severity else {})}


SIZE = expectation("expect_column_values_to_be_between", column="size", min_value=-10, max_value=10)
STREET = expectation("expect_column_values_to_not_be_null", column="street")
SOLD = expectation("expect_column_values_to_be_in_set", column="sold", value_set=["yes", "no"])


def rows():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=300).round(3), "street": rng.normal(size=300).round(3)})
    frame["sold"] = np.where(frame["size"] + frame["street"] > 0, "yes", "no")
    return frame


@pytest.fixture
def shops(empty_project):
    """Two data sets, one of them with a contract that it meets."""
    rows().assign(name="plain").to_csv(empty_project.path / "shops.csv", index=False)
    rows().to_csv(empty_project.path / "others.csv", index=False)
    empty_project.write(
        {
            "conftest.py": CONFTEST,
            "experiments/experiment_shops.py": EXPERIMENTS,
            "expectations/shops.json": "",
        }
    )
    suite(empty_project, SIZE, STREET, SOLD)
    return empty_project


def suite(project, *expectations, name="shops"):
    text = json.dumps({"name": name, "expectations": list(expectations)})
    (project.path / f"expectations/{name}.json").write_text(text)


def spoil(project, **cells):
    """Set cells of shops.csv, given as COLUMN=(ROW, VALUE)."""
    frame = pd.read_csv(project.path / "shops.csv").astype(object)
    for column, (row, value) in cells.items():
        frame.loc[row, column] = value
    frame.to_csv(project.path / "shops.csv", index=False)


# broken


def test_a_broken_contract_is_one_failure_that_lists_every_broken_expectation(shops):
    spoil(shops, size=(7, 99.5), street=(3, None))

    result = shops.run("experiments", "-v", "-rs")

    result.assert_outcomes(passed=3, failed=1, skipped=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "conftest.py::contract[[]shops] FAILED*",
            "conftest.py::contract[[]others] PASSED*",
            "*::experiment_shops[[]max_depth:1] SKIPPED*",
            "*::experiment_shops[[]max_depth:2] SKIPPED*",
            "*::experiment_others PASSED*",
            "*::gate_shops SKIPPED (contract shops ...)*",
            "*::gate_both SKIPPED (contract shops i...)*",
            "*::gate_others PASSED*",
        ]
    )
    result.stdout.fnmatch_lines(["SKIPPED [[]4[]] experiments/experiment_shops.py: contract shops is broken"])
    output = result.stdout.str()
    start = output.index("contract shops is broken: data set")
    text = output[start : output.index("= experiments =")].rpartition("\n")[0]
    assert text.strip() == BROKEN.strip()
    assert "harness/" not in output


BROKEN = """
contract shops is broken: data set shops does not meet 2 of 3 expectations

critical
  size: expect_column_values_to_be_between(min_value=-10, max_value=10): 1 of
      300 (0.333 %)
      row 7: 99.5
  street: expect_column_values_to_not_be_null(): 1 of 300 (0.333 %)
      row 3: null

Rows are counted from 0 as loaded: frame.iloc[ROW].
"""


def test_a_broken_contract_is_recorded_and_told_in_the_report_without_values(shops):
    spoil(shops, size=(7, 99.5))

    result = shops.run("experiments")

    found = {contract.dataset: contract for contract in records(shops.path).contracts}
    assert found["shops"].outcome == found["shops"].verdict == "broken"
    assert len(found["shops"].violations) == 1
    assert "size: expect_column_values_to_be_between" in found["shops"].violations[0]
    assert "99.5" not in found["shops"].violations[0]
    assert found["others"].outcome == "passed"
    summary = result.stdout.str().partition("= experiments =")[2]
    assert "\nshops   contract is broken\n" in summary
    assert "size: expect_column_values_to_be_between" in summary
    assert "99.5" not in summary


def test_a_gate_that_needs_a_broken_contract_stays_unjudged_under_every_selection(shops):
    spoil(shops, size=(7, 99.5))

    for selection in (["-k", "gate_shops"], ["experiments/experiment_shops.py::gate_shops"]):
        result = shops.run(*(selection if "::" in selection[0] else ["experiments", *selection]))
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(failed=1, skipped=3, deselected=result.parseoutcomes().get("deselected", 0))


def test_warnings_pass_and_are_told_in_the_report(shops):
    suite(shops, {**SIZE, "kwargs": {**SIZE["kwargs"], "max_value": 0}, "severity": "warning"}, STREET)

    for _ in range(2):  # the second verdict comes from the store
        result = shops.run("experiments")

        result.assert_outcomes(passed=8)
        summary = " ".join(result.stdout.str().partition("= experiments =")[2].split())
        assert "passed with warnings" in summary
        assert "size: expect_column_values_to_be_between(" in summary
        assert "of 300" in summary
    [contract] = [c for c in records(shops.path).contracts if c.dataset == "shops"]
    assert contract.outcome == "passed"
    assert contract.verdict == "passed with warnings"


def test_values_are_hidden_everywhere_when_asked(shops):
    spoil(shops, size=(7, 98765.4321), sold=(9, "perhapsish"))
    spoil(shops, sold=(10, "perhapsish"))
    spoil(shops, sold=(11, "perhapsish"))

    shown = shops.run("experiments", "--junitxml=shown.xml")
    hidden = shops.run("experiments", "--junitxml=hidden.xml", "-o", "contract_examples=0", "-vv", "-rA")

    assert shown.ret == hidden.ret == pytest.ExitCode.TESTS_FAILED
    assert "row 7: 98765.4321" in shown.stdout.str()
    assert "98765.4321" in (shops.path / "shown.xml").read_text()
    told = " ".join(hidden.stdout.str().split())
    assert "1 of 300 (0.333 %)" in told
    assert "3 of 300 (1 %)" in told
    for secret in ("98765.4321", "98765", "perhapsish"):
        assert secret not in hidden.stdout.str()
        assert secret not in (shops.path / "hidden.xml").read_text()
        files = [path for path in (shops.path / ".harness").rglob("*") if path.is_file()]
        assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_a_junit_file_has_the_contract_as_one_failure(shops):
    spoil(shops, size=(7, 99.5), street=(3, None))
    shops.run("experiments", "--junitxml=out.xml")

    cases = ElementTree.parse(shops.path / "out.xml").getroot().iter("testcase")
    by_state = {"failure": [], "skipped": []}
    for case in cases:
        for child in case:
            if child.tag in by_state:
                by_state[child.tag].append((case.get("name"), child.text or child.get("message")))
    [(name, text)] = by_state["failure"]
    assert name == "contract[shops]"
    assert "does not meet 2 of 3 expectations" in text
    assert len(by_state["skipped"]) == 4


# loaders and suites that cannot be


def test_a_loader_that_raises_shows_its_own_line_and_blocks_what_needs_it(shops):
    conftest = CONFTEST.replace(
        'contract="shops", seed=1)\ndef shops():',
        'contract="shops", seed=1)\ndef shops():\n    open("gone.csv")',
    )

    result = shops.write({"conftest.py": conftest}).run("experiments")

    result.assert_outcomes(passed=3, failed=1, skipped=4)
    result.stdout.fnmatch_lines(
        [
            '>*open("gone.csv")',
            "E*FileNotFoundError: [[]Errno 2] No such file or directory: 'gone.csv'",
            "conftest.py:9: FileNotFoundError",
        ]
    )
    assert "harness/" not in result.stdout.str()
    assert "_harness" not in result.stdout.str()
    summary = result.stdout.str().partition("= experiments =")[2]
    assert "FileNotFoundError: [Errno 2] No such file or directory: 'gone.csv'" in summary
    [contract] = [c for c in records(shops.path).contracts if c.dataset == "shops"]
    assert contract.outcome == "broken"


LOADERS = {
    "frame_of_none": ("", "None", "returned None, not a pandas DataFrame; end it with return frame"),
    "frame_of_list": (
        "",
        "[1, 2]",
        "returned list, not a pandas DataFrame; convert it, for example pd.DataFrame(...)",
    ),
    "empty": ("", "rows().head(0)", "returned no rows; look at its source and filters"),
    "targetless": (
        "",
        "rows().drop(columns='sold')",
        "no column 'sold', which target= names; its columns are",
    ),
    "constant": (
        "",
        "rows().assign(sold='yes')",
        "is 'yes' in all 300 rows; load rows with at least two values",
    ),
    "nan": (
        "",
        "rows().assign(sold=rows().sold.where(rows().index > 2))",
        "has 3 nulls in 300 rows; drop these rows",
    ),
    "rare": ("", "rows().assign(sold=['x', 'y', *rows().sold[2:]])", "has 1 row, fewer than the 3 splits"),
    "doubled": (
        "",
        "pd.concat([rows(), rows()[['size']]], axis=1)",
        "has more than one column 'size'; rename or",
    ),
    "numbered": (
        "",
        "rows().set_axis([0, 1, 'sold'], axis=1)",
        "has the column name 0, a int; name columns by text",
    ),
    "bare": ("", "rows()[['sold']]", "has no feature column left: target, weight= and drop= take all 1"),
    "unsummed": (
        "split=(0.7, 0.2, 0.2)",
        "rows()",
        "has split=(0.7, 0.2, 0.2), which sums to 1.1, not 1; write the shares",
    ),
    "negative": ("split=(1.2, -0.1, -0.1)", "rows()", "which has a share that is not above 0; write the"),
    "two_shares": ("split=(0.8, 0.2)", "rows()", "which is not three numbers; write the shares of"),
    "seeded": ("seed=-1", "rows()", "has seed=-1; write an int from 0 to 2**32 - 1"),
    "contradicted": (
        "time='size', group='street'",
        "rows()",
        "has group='street' and time='size'; these are diff",
    ),
    "timed": ("time='size', stratify=True", "rows()", "only a random split can be stratified: leave out"),
    "ungrouped": ("group='shop'", "rows()", "has no column 'shop', which group= names"),
    "unpositive": ("positive='maybe'", "rows()", "has no class 'maybe'"),
    "untasked": (
        "task='regresion'",
        "rows()",
        "has task='regresion'; did you mean 'regression'? write task=",
    ),
    "textual": ("task='regression'", "rows()", "not a number, and task='regression'; leave out task="),
    "overdropped": ("drop=('sold',)", "rows()", "has its target 'sold' in drop=; leave it out there"),
    "weighted": ("weight='size'", "rows()", "has 160 negative values in 300 rows; fill, clip or drop"),
}


@pytest.mark.parametrize("contract", ["", "contract='any', "], ids=["no-contract", "contract"])
def test_every_loader_that_cannot_work_is_told_by_one_sentence(empty_project, contract):
    code = ["import numpy as np, pandas as pd", "from harness import dataset", "def rows():"]
    code += ["    rng = np.random.default_rng(0)"]
    code += ["    frame = pd.DataFrame({'size': rng.normal(size=300), 'street': rng.normal(size=300)})"]
    code += ["    return frame.assign(sold=np.where(frame.street > 0, 'yes', 'no'))"]
    for name, (options, frame, _) in LOADERS.items():
        code += [f"@dataset(target='sold', {contract}{options})", f"def {name}():", f"    return {frame}"]
    empty_project.write({"conftest.py": "\n".join(code) + "\n"})
    (empty_project.path / "expectations").mkdir()
    suite(
        empty_project,
        expectation("expect_table_column_count_to_be_between", "info", max_value=90),
        name="any",
    )

    result = empty_project.run("conftest.py")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    output = result.stdout.str()
    blocks = {
        name: output.partition(f"_ contract[{name}] _")[2].partition("\n____")[0].split("\n")[1:]
        for name in LOADERS
    }
    for name, (_, _, expected) in LOADERS.items():
        text = "\n".join(blocks[name]).partition("\n=====")[0]
        assert expected in text, (name, text)
        assert "Error" not in text, (name, text)
        assert len(text.strip().splitlines()) == 1, (name, text)
        assert name in text, (name, text)
        assert "; " in text, (name, text)
    assert result.parseoutcomes() == {"failed": len(LOADERS)}
    assert "harness/" not in output
    left = {path.name for path in (empty_project.path / ".harness").iterdir()}
    assert left == {".gitignore", "runs"} | ({"contracts"} if contract else set())


SUITES = {
    "missing": (
        None,
        "contract 'missing' has no suite; create expectations/missing.json in Great Expectations' JSON",
    ),
    "broken": (
        "{",
        "expectations/broken.json is not JSON: line 1 column 2: Expecting property name enclosed",
    ),
    "listed": ("[]", "expectations/listed.json holds a JSON list, not an object; write"),
    "hollow": (
        '{"name": "hollow", "expectations": []}',
        "has no expectations, so that any data would pass; add one",
    ),
    "misspelt": (
        '{"name": "m", "expectations": [{"type": "expect_column_values_to_not_be_nul", "kwargs": {}}]}',
        "expectations[0] has the unknown type 'expect_column_values_to_not_be_nul'; did you mean "
        "'expect_column_values_to_not_be_null'",
    ),
    "columnless": (
        '{"name": "c", "expectations": [{"type": "expect_column_values_to_not_be_null", '
        '"kwargs": {"column": "Size"}}]}',
        "could not be evaluated (breaks the contract)",
    ),
    "binary": ("\udcff", "is not UTF-8 text"),
}


def test_a_suite_that_cannot_be_evaluated_whole_is_a_broken_contract(empty_project):
    code = ["import pandas as pd", "from harness import dataset"]
    experiments = []
    for name in SUITES:
        code += [
            f"@dataset(target='sold', contract='{name}')",
            f"def {name}():",
            "    return pd.read_csv('shops.csv')",
        ]
        experiments += [f"def experiment_{name}({name}, trial):", "    raise SystemError('must not run')"]
    empty_project.write(
        {"conftest.py": "\n".join(code), "experiments/experiment_suites.py": "\n".join(experiments)}
    )
    (empty_project.path / "expectations").mkdir()
    rows().to_csv(empty_project.path / "shops.csv", index=False)
    for name, (content, _) in SUITES.items():
        if content is not None:
            path = empty_project.path / f"expectations/{name}.json"
            path.write_bytes(content.encode("utf-8", "surrogateescape"))

    result = empty_project.run("experiments")

    result.assert_outcomes(failed=len(SUITES), skipped=len(SUITES))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    output = result.stdout.str()
    for name, (_, expected) in SUITES.items():
        assert expected in output, name
    assert "must not run" not in output
    assert "harness/" not in output
    assert "Traceback" not in output


def test_a_loader_that_skips_is_red_or_every_gate_would_be_skipped_green(shops):
    conftest = CONFTEST.replace(
        'contract="shops", seed=1)\ndef shops():',
        'contract="shops", seed=1)\ndef shops():\n    import pytest\n    pytest.skip("no network")',
    )

    result = shops.write({"conftest.py": conftest}).run("experiments")

    counts = result.parseoutcomes()
    assert (counts["failed"], counts["skipped"]) == (1, 4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*no network: data cannot be skipped, skip the experiments that need it instead"]
    )


# verdicts that are kept


PROBE = """
import sys

def gate_imports(experiment_others):
    roots = {name.partition(".")[0] for name in sys.modules}
    heavy = sorted(roots & {"great_expectations", "mlflow", "matplotlib"})
    print("imported:", heavy)
    assert not heavy
"""


def test_a_second_run_on_equal_data_imports_no_great_expectations(shops):
    probe = EXPERIMENTS + PROBE.replace("experiment_others", "experiment_others, experiment_shops")
    shops.write({"experiments/experiment_shops.py": probe})
    shops.run("experiments")

    again = shops.run_apart("experiments")

    again.assert_outcomes(passed=9)
    shutil.rmtree(shops.path / ".harness/contracts")
    anew = shops.run_apart("experiments")
    anew.assert_outcomes(passed=8, failed=1)
    anew.stdout.fnmatch_lines(["imported: ['great_expectations'*"])


def test_a_changed_cell_or_suite_is_judged_again(shops):
    assert shops.run("conftest.py").ret == 0
    verdicts = {path.name for path in (shops.path / ".harness/contracts").iterdir()}
    assert len(verdicts) == 1

    spoil(shops, size=(299, 10.001))
    shops.run("conftest.py").assert_outcomes(passed=1, failed=1)
    suite(shops, {**SIZE, "kwargs": {**SIZE["kwargs"], "max_value": 11}}, STREET, SOLD)
    shops.run("conftest.py").assert_outcomes(passed=2)
    suite(shops, {**SIZE, "kwargs": {**SIZE["kwargs"], "max_value": 10.0005}}, STREET, SOLD)
    shops.run("conftest.py").assert_outcomes(passed=1, failed=1)
    spoil(shops, size=(299, 1.0))
    shops.run("conftest.py").assert_outcomes(passed=2)


def test_a_broken_verdict_is_never_taken_from_the_store(shops):
    spoil(shops, size=(7, 99.5))

    for _ in range(2):
        result = shops.run("conftest.py")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["*row 7: 99.5*"])
    assert not (shops.path / ".harness/contracts").exists()


# a store that is damaged or gone


def scores(path):
    return {trial.node_id: trial.scores for trial in records(path).trials}


@pytest.mark.parametrize(
    "pattern",
    ["contracts/*", "data/*/*.arrow", "data/*/meta.json", "sealed/*/*", "runs/**/*", "**/*"],
)
def test_corrupt_files_in_the_store_are_rebuilt(shops, pattern):
    shops.run("experiments").assert_outcomes(passed=8)
    before = scores(shops.path)
    files = [path for path in (shops.path / ".harness").glob(pattern) if path.is_file()]
    assert files
    for i, path in enumerate(files):
        content = path.read_bytes()
        path.write_bytes((content[: len(content) // 2], b"\0garbage\xff", b"")[i % 3])

    for _ in range(1 + (pattern == "**/*")):
        shops.run("experiments").assert_outcomes(passed=8)

        assert scores(shops.path) == before


def test_a_store_deleted_between_runs_is_made_anew(shops):
    shops.run("experiments").assert_outcomes(passed=8)
    before = scores(shops.path)
    shutil.rmtree(shops.path / ".harness")
    shops.run("experiments").assert_outcomes(passed=8)

    assert scores(shops.path) == before


def test_folders_of_the_store_that_are_files_are_told_not_fatal(shops):
    (shops.path / ".harness").mkdir()
    (shops.path / ".harness/data").write_text("not a folder")

    result = shops.run("experiments")

    assert result.ret != 0
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "harness/" not in result.stdout.str().replace(".harness/", "")


# the sealed rows


def test_a_value_that_only_test_rows_have_is_in_no_file_outside_the_sealed_folder(shops):
    text, number = "S3NT1NEL", 987654.40625
    shops.write(
        {
            "experiments/experiment_shops.py": EXPERIMENTS.replace(
                "(experiment_shops):\n",
                "(experiment_shops, shops):\n    shops.test.positions.tofile('test.bin')\n",
            )
        }
    )
    frame = pd.read_csv(shops.path / "shops.csv")
    suite(
        shops,
        STREET,
        expectation("expect_column_values_to_be_in_set", "warning", column="name", value_set=["plain"]),
    )
    shops.run("experiments").assert_outcomes(passed=8)
    positions = np.fromfile(shops.path / "test.bin", dtype="int64")
    shutil.rmtree(shops.path / ".harness")
    frame.loc[positions, "name"] = text
    frame.loc[positions, "size"] = number
    frame.to_csv(shops.path / "shops.csv", index=False)

    result = shops.run("experiments")

    result.assert_outcomes(passed=8)
    assert np.array_equal(np.fromfile(shops.path / "test.bin", dtype="int64"), positions)
    planted = (
        text.encode(),
        text.encode("utf-16-le"),
        struct.pack("<d", number),
        struct.pack("<f", number),
        b"987654.4",
    )
    store = shops.path / ".harness"
    found = {
        path.relative_to(store).parts[0]
        for path in store.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in planted)
    }
    assert found == {"sealed"}
