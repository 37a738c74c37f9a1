"""From the first --promote to a champion that later models are held against, as a user meets it."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from recorded import records

import harness.promotion  # runs in this process must not import anew what MLflow pickles
from harness.ledger import read
from harness.tracking.quiet import quiet

with quiet():
    from mlflow import MlflowClient

    import harness.tracking.logged
    import harness.tracking.runs  # noqa: F401

pytestmark = pytest.mark.usefixtures("apart_from_mlflow")

CONFTEST = """
from pathlib import Path
import pandas as pd
from sklearn.preprocessing import StandardScaler
from harness import dataset, features

@dataset(target="sold", seed=1, split=(0.6, 0.2, 0.2))
def shops():
    return pd.read_csv(Path(__file__).parent / "shops.csv")

@features
def scaled(shops):
    return StandardScaler()
"""

TREE = """
import pytest
from sklearn.tree import DecisionTreeClassifier
from harness import experiment, grid

@experiment(registered_name="shops")
@grid(max_depth=[1, 2])
def experiment_tree(scaled, trial, max_depth):
    trial.fit(DecisionTreeClassifier(max_depth=max_depth, random_state=0), scaled)
"""

GATES = """
def gate_champion(experiment_tree):
    assert experiment_tree.best.test.accuracy > 0.5
    champion = experiment_tree.champion
    assert champion.test.accuracy > 0.5
    assert experiment_tree.best.test.accuracy >= champion.test.accuracy - 0.2

def gate_that_catches(experiment_tree):
    with pytest.raises(LookupError):
        experiment_tree.champion
        raise LookupError("there is one")
"""


def frame(n, seed=0):
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"size": rng.normal(size=n), "street": rng.normal(size=n)})
    made["rooms"] = rng.integers(1, 9, n)
    noise = rng.normal(size=n) / 3
    made["sold"] = np.where(made["size"] + made["street"] + noise > 0, "yes", "no")
    return made


@pytest.fixture
def shops(empty_project, pristine):
    """A project with a CSV and a tracking store of its own."""
    project = empty_project.write({"conftest.py": CONFTEST})
    shutil.copy(pristine, project.path / "mlflow.db")
    frame(300).to_csv(project.path / "shops.csv", index=False)
    return project


def summary(result):
    """Return what stands under `experiments`, with one space where there is room."""
    text = result.stdout.str().partition("= experiments =")[2]
    return " ".join(text.split())


def client(project):
    return MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")


def version(project, alias="champion", name="shops"):
    with quiet():
        return client(project).get_model_version_by_alias(name, alias)


def promote(project, *words):
    return project.run(*words, "--promote", tracking=True)


def test_a_champion_is_made_defended_and_held_against_new_rows(shops):
    shops.write({"experiment_shops.py": TREE + GATES})

    first = promote(shops)
    assert first.ret == 0
    said = summary(first)
    assert said.count("shops has no champion yet; the first --promote makes one") == 2, "caught or not"
    assert (
        "promoted experiment_tree: shops version 1 is champion (of no commit: there is no git repository)"
    ) in said
    assert {gate.name: gate.outcome for gate in records(shops.path).gates} == {
        "gate_champion": "passed",
        "gate_that_catches": "passed",
    }
    made = version(shops)
    assert made.tags["gate.gate_champion"].endswith(
        "shops has no champion yet; the first --promote makes one"
    )

    again = promote(shops)
    assert again.ret == 0
    said = summary(again)
    assert "the best trial is the champion itself, shops version 1" in said
    assert "champion shops version 1: judged on all 60 test rows" in said
    assert "not promoted: experiment_tree: shops version 1, which is champion, is the same model" in said
    assert len(client(shops).search_model_versions("name = 'shops'")) == 1

    pd.concat([frame(300), frame(120, seed=5)]).to_csv(shops.path / "shops.csv", index=False)
    shops.write({"experiment_shops.py": TREE.replace("[1, 2]", "[3]") + GATES})
    grown = shops.run(".", "--promote=challenger", tracking=True)
    assert grown.ret == 0
    assert "promoted experiment_tree: shops version 2 is challenger" in summary(grown)
    assert (version(shops).version, version(shops, "challenger").version) == (1, 2)
    gate = records(shops.path).gates[0]
    assert [name for name in gate.readings if "champion" in name] == [
        "experiment_tree.champion.test.accuracy where unseen by the champion"
    ]
    assert gate.note.startswith("champion shops version 1: judged on ")
    assert gate.note.endswith(" of 84 test rows, the others it has seen")
    opened = [
        (o.model == made.tags["harness.model_digest"]) for o in read(shops.path / "ledger.jsonl").openings
    ]
    assert sorted(opened) == [False, True, True], "the champion, on new rows, and who challenges it"

    (shops.path / "shops.csv").write_text(frame(300).drop(columns="rooms").to_csv(index=False))
    lacking = promote(shops)
    assert lacking.ret == 1
    lacking.stdout.fnmatch_lines(
        [
            "E   *ResultError: experiment_tree.champion(shops version 1) cannot judge the test rows of "
            "shops: they lack the column 'rooms'; restore what it needs, *"
        ]
    )
    assert "not promoted: experiment_tree: gate_champion failed" in summary(lacking)
    assert version(shops).version == 1


def test_what_is_not_whole_or_not_committed_is_not_promoted(shops, pristine):
    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *words], cwd=shops.path, check=True, capture_output=True)

    gate = """
    def gate_tree(experiment_tree):
        assert experiment_tree.best.test.accuracy > 0.5

    def gate_other(experiment_tree):
        assert experiment_tree.best.validation.accuracy > 0.5
    """
    tree = {"experiment_shops.py": TREE, "gates/experiment_gates.py": gate, ".gitignore": "*.db\nmlruns/\n"}
    shops.write(tree)
    git("init", "-q")
    (shops.path / "ledger.jsonl").write_text("")
    git("add", "*.py", "*.csv", "ledger.jsonl")
    git("commit", "-qm", "first")

    alone = promote(shops, "experiment_shops.py")
    assert alone.ret == 0
    said = summary(alone)
    assert "not promoted: experiment_tree: gate_tree, which judges it, did not run" in said, "of another file"
    said = summary(promote(shops, "-k", "gate_tree"))
    assert "not promoted: experiment_tree: gate_other, which judges it, did not run" in said
    assert (shops.path / "ledger.jsonl").read_text(), "and yet the tree is not dirty"

    shops.write({"gates/experiment_gates.py": gate + "\n    # changed\n"})
    dirty = promote(shops)
    assert dirty.ret == 4
    dirty.stderr.fnmatch_lines(
        [
            "ERROR: --promote: tracked files differ from commit *, so that nobody could train the model "
            "again; commit them, or allow it with --allow-dirty"
        ]
    )
    allowed = promote(shops, "--allow-dirty")
    assert allowed.ret == 0
    assert "promoted experiment_tree: shops version 1 is champion (of a dirty work tree)" in summary(allowed)
    assert version(shops).tags["harness.git.dirty"] == "true"

    shops.write(
        {"gates/experiment_gates.py": "def gate_tree(experiment_tree:", "gates/experiment_x.py": "1 1"}
    )
    broken = promote(shops, "experiment_shops.py", "--allow-dirty")
    assert broken.ret == 4
    broken.stderr.fnmatch_lines(
        ["ERROR: experiment_gates.py names experiment_tree, and its gates cannot be collected: *; mend it"]
    )


def test_of_experiments_with_one_name_the_best_is_promoted_and_red_ones_never(shops):
    shops.write(
        {
            "experiment_shops.py": TREE
            + """
            from sklearn.linear_model import LogisticRegression

            @experiment(registered_name="shops")
            def experiment_linear(scaled, trial):
                trial.fit(LogisticRegression(), scaled)

            def experiment_unjudged(scaled, trial):
                trial.fit(LogisticRegression(C=0.1), scaled)

            def experiment_red(scaled, trial):
                trial.fit(LogisticRegression(C=0.2), scaled)

            @pytest.mark.parametrize("least", [0.1, 0.5])
            def gate_both(experiment_tree, experiment_linear, least):
                assert experiment_tree.best.test.accuracy > least
                assert experiment_linear.best.test.accuracy > least

            @pytest.mark.xfail(reason="known")
            def gate_red(experiment_red):
                assert experiment_red.best.test.accuracy > 1
            """.replace("\n            ", "\n")
        }
    )

    result = promote(shops)
    assert result.ret == 0
    said = summary(result)
    assert (
        "not promoted: experiment_tree: experiment_linear, which competes for shops as well, is better on "
        "validation promoted experiment_linear: shops version 1 is champion"
    ) in said
    assert "not promoted: experiment_unjudged: no gate judges it" in said
    assert "not promoted: experiment_red: gate_red was skipped" in said
    assert version(shops).tags["harness.experiment"] == "experiment_linear"
    assert {"gate.gate_both[0.1]", "gate.gate_both_0.1_"} & version(shops).tags.keys()


def test_a_champion_is_read_without_tracking_and_told_when_mlflow_is_gone(shops, monkeypatch):
    default = "town_ centre.experiment_tree"
    shops.write(
        {
            "experiment_shops.py": (TREE + GATES).replace('@experiment(registered_name="shops")\n', ""),
            "pyproject.toml": '[project]\nname = "town: centre"\n',
        }
    )
    assert f"{default} version 1 is champion" in summary(promote(shops))

    unseen = shops.run(".", "--no-tracking")
    assert unseen.ret == 0
    assert f"champion {default} version 1: judged on all 60 test rows" in summary(unseen)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    shops.write({"experiment_shops.py": TREE + GATES.partition("    champion =")[0]})
    gone = promote(shops)
    assert gone.ret == 1, "though every gate passed"
    gone.assert_outcomes(passed=4)
    assert "not promoted: experiment_tree: MLflow at http://127.0.0.1:9 lacks the run of " in summary(gone)
    shops.write({"experiment_shops.py": TREE + GATES.partition("def gate_that")[0]})
    red = shops.run(".", "--no-tracking")
    red.stdout.fnmatch_lines(
        ["E   *TrackingError: MLflow at http://127.0.0.1:9 cannot be asked for the champion of shops: *"]
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--promote", "--no-tracking"], "--promote registers models in MLflow: leave out --no-tracking"),
        (
            ["--promote", "tests"],
            "argument --promote: 'tests' is neither champion nor challenger: write --promote=champion, or "
            "--promote last",
        ),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_runs(empty_project, words, error):
    result = empty_project.run(*words, tracking=True)

    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{error}*"])


def test_a_registered_name_that_mlflow_would_refuse_is_refused_at_collection(shops):
    shops.write({"experiment_shops.py": TREE.replace('"shops"', '"a/b"')})

    result = shops.run(".")
    assert result.ret != 0
    result.stdout.fnmatch_lines(
        ["experiment_shops.py:6: @experiment(registered_name='a/b') is no name for a model in MLflow; *"]
    )
