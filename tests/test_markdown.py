"""The page that CI shows: whole, escaped, and written where it belongs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from harness.markdown import page
from harness.properties import properties
from harness.results import BestRecord, ComparisonRecord, ContractRecord, GateRecord, TrialRecord
from harness.summary import write

PROVEN = ComparisonRecord(
    score="experiment_a.best.test.accuracy",
    value=0.8743,
    sign=">=",
    threshold=0.86,
    held=True,
    verdict="PROVEN",
    confidence=0.95,
    lower=0.8647,
    upper=0.8833,
    n=4885,
    method="Wilson",
)
OPEN = ComparisonRecord(
    score="experiment_a.best.test.roc_auc - experiment_b.best.test.roc_auc",
    value=0.001,
    sign=">",
    threshold=0.0,
    held=True,
    verdict="NOT PROVEN",
    confidence=0.95,
    lower=-0.001,
    upper=0.003,
    n=4885,
    method="DeLong",
    rows=18_437,
)
GATES = [
    GateRecord(
        node_id="e.py::gate_accuracy",
        name="gate_accuracy",
        outcome="passed",
        experiments=["experiment_a"],
        comparisons=[PROVEN.to_json(), OPEN.to_json()],
    ),
    GateRecord(
        node_id="e.py::gate_red",
        name="gate_red",
        outcome="failed",
        experiments=["experiment_a"],
        readings={"experiment_a.best.test.f1": 0.5},
        message="    def gate_red():\nE       assert 0.5 > 0.7 | <b>`x`",
    ),
]
TRIAL = TrialRecord(
    node_id="e.py::experiment_a[0]",
    experiment="experiment_a",
    index=0,
    id="0",
    params={"kind": "a|b"},
    outcome="passed",
    objective="roc_auc",
    scores={"validation": {"roc_auc": 0.9283, "f1": 0.7}},
    logged={"rounds": 100.0},
)
CONTRACT = ContractRecord(
    node_id="conftest.py::contract[income]",
    dataset="income",
    outcome="passed",
    contract="income",
    verdict="passed with warnings",
    digest="ab12",
    rows={"train": 34188, "test": 4885},
    violations=["age: 3 of 100"],
)
BEST = BestRecord(experiment="experiment_a", node_id="", baseline={"roc_auc": 0.5}, corrected=0.9271)


def made(**options):
    return page(
        [CONTRACT],
        {"experiment_a": [TRIAL]},
        {"experiment_a": BEST},
        GATES,
        **{"planned": {"experiment_a": 2}, "links": {}, **options},
    )


WHOLE = r"""## 🔴 Experiments: 1 gate passed, 1 gate failed

| gate |  | score | value, interval, claim | verdict | rows, method |
| --- | --- | --- | --- | --- | --- |
| `gate_accuracy` | passed | `experiment_a.best.test.accuracy` | 0.8743 [0.8647, 0.8833] &gt;= 0.86 | **PROVEN** | 4,885, Wilson |
|  |  | `experiment_a.best.test.roc_auc - experiment_b.best.test.roc_auc` | 0.001 [-0.001, 0.003] &gt; 0 | **NOT PROVEN**<br>about 19,000 rows would settle it, if the score stays as it is | 4,885, DeLong |
| `gate_red` | failed | assert 0.5 &gt; 0.7 \| &lt;b&gt;\`x\` |  |  |  |

| experiment | trials | best | objective | validation | corrected | baseline |
| --- | --- | --- | --- | --- | --- | --- |
| `experiment_a` | 1/2 | kind=a\|b | roc_auc | 0.9283 | 0.9271 | 0.5000 |

| data set | contract | rows |  |
| --- | --- | --- | --- |
| `income` | passed with warnings | 34,188 train, 4,885 test | age: 3 of 100 |

- promoted experiment\_a
"""  # noqa: E501


def test_a_whole_page():
    assert made(notes=["promoted experiment_a", ""], exit=1) == WHOLE


def test_experiments_link_to_a_server_s_runs():
    assert "| [`experiment_a`](https://mlflow.example/#/x) |" in made(
        links={"experiment_a": "https://mlflow.example/#/x"}
    )
    assert made().startswith("## 🟢 Experiments")


def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    for block in made().split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_properties_of_each_kind_of_item():
    assert properties(TRIAL) == [
        ("objective", "roc_auc"),
        ("validation_roc_auc", "0.9283"),
        ("validation_f1", "0.7"),
        ("rounds", "100.0"),
    ]
    assert properties(GATES[0]) == [
        ("gate_policy", "point"),
        ("verdict", "NOT PROVEN"),
        (PROVEN.score, "0.8743 [0.8647, 0.8833] >= 0.86 PROVEN, n 4,885, Wilson"),
        (OPEN.score, "0.001 [-0.001, 0.003] > 0 NOT PROVEN, n 4,885, DeLong"),
    ]
    assert properties(GATES[1]) == [("gate_policy", "point"), ("experiment_a.best.test.f1", "0.5")]
    assert properties(CONTRACT) == [
        ("contract", "passed with warnings"),
        ("data_digest", "ab12"),
        ("train_rows", "34188"),
        ("test_rows", "4885"),
    ]
    assert properties(BEST) == []


def test_the_page_replaces_a_file_and_is_appended_to_githubs(tmp_path):
    file, step = tmp_path / "summary.md", tmp_path / "step.md"
    file.write_text("old")
    step.write_text("before\n")

    assert write("page\n", file, {"GITHUB_STEP_SUMMARY": str(step)}) is None

    assert file.read_text() == "page\n"
    assert step.read_text() == "before\npage\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step.md", "summary.md"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    problem = write("page\n", tmp_path / "nowhere" / "summary.md", {})

    assert problem is not None
    assert problem.startswith("the summary was not written: ")
    assert write("page\n", None, {}) is None


def test_a_run_writes_the_page_and_the_properties(project, monkeypatch):
    step = project.path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))

    result = project.run("experiments", "--summary=out.md", "--junitxml=out.xml")

    result.assert_outcomes(passed=5)
    written = Path(project.path, "out.md").read_text()
    assert written == step.read_text()
    assert written.startswith("## 🟢 Experiments: 1 gate passed\n")
    assert (
        "| `gate_accuracy` | passed | `experiment_tree.best.test.accuracy` | 0.8667 [0.7032, 0.9469]"
        in written
    )
    cases = {case.get("name"): case for case in ET.parse(project.path / "out.xml").iter("testcase")}
    found = {p.get("name"): p.get("value") for p in cases["gate_accuracy"].iter("property")}
    assert found == {
        "gate_policy": "point",
        "verdict": "PROVEN",
        "experiment_tree.best.test.accuracy": "0.8667 [0.7032, 0.9469] >= 0.6 PROVEN, n 30, Wilson",
    }
    trial = {p.get("name"): p.get("value") for p in cases["experiment_tree[max_depth:1]"].iter("property")}
    assert trial["objective"] == "roc_auc"
    assert 0.5 < float(trial["validation_roc_auc"]) < 1


def test_a_summary_in_no_folder_is_refused_before_anything_runs(project):
    result = project.run("experiments", "--summary=nowhere/out.md")

    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--summary=nowhere/out.md: there is no folder *nowhere*"])
