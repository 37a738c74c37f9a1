"""Which files of a project travel: what git tracks and Python or pytest reads; never data."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.sagemaker.datafiles import ENDINGS, content, ending
from harness.backends.sagemaker.included import matches
from harness.backends.sagemaker.sources import library, sources
from harness.backends.sagemaker.tracked import SourcesError
from harness.errors import HarnessError

FILES = {
    "conftest.py": "",
    "pyproject.toml": "[project]\nname = 'shop'\n",
    "experiments/experiment_shops.py": "import helpers\n",
    "experiments/settings.yaml": "depth: 3\n",
    "expectations/shops.json": '{"expectations": []}\n',
    "src/helpers.py": "",
    "src/helpers.pyi": "",
    "README.md": "hello\n",
    "data/shops.csv": "a,b\n1,2\n",
}


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def git(root, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always", *words]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project without git."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    root = tmp_path / "project"
    write(root, FILES)
    return root


@pytest.fixture
def root(folder):
    """A project of which all is staged."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    return folder


def chosen(root, *, include=(), needed=(), data=(), apart=()):
    return sources(root, include=include, needed=needed, data=data, apart=apart)


def names(*arguments, **options):
    return [name for name, _ in chosen(*arguments, **options).files]


def refusal(*arguments, **options):
    with pytest.raises(SourcesError) as raised:
        chosen(*arguments, **options)
    assert isinstance(raised.value, HarnessError)
    return str(raised.value)


TRAVEL = sorted(set(FILES) - {"README.md", "data/shops.csv"})


# What git tracks


def test_sources_and_configuration_travel_and_data_stays(root):
    found = chosen(root)

    assert found.files == tuple((name, root / name) for name in TRAVEL)
    assert found.left_out == (("data/shops.csv", "a data file by its ending .csv"),)


def test_what_is_committed_travels_as_it_lies_there(root):
    git(root, "commit", "-q", "-m", "first")
    (root / "conftest.py").write_text("x = 1")

    assert dict(chosen(root).files)["conftest.py"].read_text() == "x = 1"


def test_what_git_does_not_track_stays(root):
    write(root, {"notes.py": "", "ignored.py": "", ".gitignore": "ignored.py\n", ".env": "SECRET=1"})

    assert names(root) == TRAVEL


def test_a_deleted_file_is_no_longer_there(root):
    (root / "src/helpers.py").unlink()

    assert "src/helpers.py" not in names(root)


def test_a_project_in_a_subfolder_of_a_repository_is_that_folder(root):
    write(root / "shop", {"conftest.py": "", "deep/a.py": ""})
    git(root, "add", ".")

    assert names(root / "shop") == ["conftest.py", "deep/a.py"]


def test_names_are_kept_as_they_are(root):
    odd = ["é/ü.py", "a b.py", "quote'd.py", 'double".py', "line\nfeed.py", "-dash.py", "glob[1].py"]
    write(root, dict.fromkeys(odd, ""))
    git(root, "add", ".")

    assert set(odd) <= set(names(root))


def test_a_name_that_cannot_travel_is_left_out(root):
    write(root, {"back\\slash.py": ""})
    Path(os.fsdecode(os.fsencode(root) + b"/latin\xe9.py")).touch()
    git(root, "add", ".")

    assert dict(chosen(root).left_out) == {
        "back\\slash.py": "its name has a backslash",
        "data/shops.csv": "a data file by its ending .csv",
        "latin\\udce9.py": "its name is not UTF-8",
    }


def test_a_submodule_travels_too(root, tmp_path):
    other = tmp_path / "other"
    write(other, {"lib.py": "", "rows.csv": ""})
    git(other, "init", "-q")
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "first")
    git(root, "submodule", "-q", "add", str(other), "lib")

    found = chosen(root)

    assert "lib/lib.py" in dict(found.files)
    assert "lib/rows.csv" in dict(found.left_out)


def test_a_conflict_is_one_file(root):
    git(root, "commit", "-q", "-m", "first")
    git(root, "checkout", "-q", "-b", "other")
    write(root, {"conftest.py": "a = 1"})
    git(root, "commit", "-q", "-a", "-m", "other")
    git(root, "checkout", "-q", "-")
    write(root, {"conftest.py": "a = 2"})
    git(root, "commit", "-q", "-a", "-m", "mine")
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "merge", "other")

    assert names(root) == TRAVEL


def test_a_repository_that_cannot_be_read_is_an_error(root):
    """To take all files instead would send what was kept out of it."""
    (root / ".git/index").write_bytes(b"broken")

    text = refusal(root)

    assert text.startswith(f"git cannot tell which files of {root} it tracks: ")
    assert "index file smaller than expected" in text
    assert text.endswith("; only tracked files travel to SageMaker: make `git ls-files` work there")


def test_a_repository_without_git_installed_is_an_error(root, monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert "No such file or directory: 'git'; only tracked files travel" in refusal(root)


# Without git


@pytest.mark.parametrize("installed", [True, False])
def test_without_git_all_sources_travel(installed, folder, monkeypatch):
    if not installed:
        monkeypatch.setenv("PATH", "")

    assert names(folder) == TRAVEL


def test_without_git_what_others_left_there_stays(folder):
    left = (
        ".venv/pyvenv.cfg", ".venv/lib/a.py", "env/pyvenv.cfg", "env/lib/b.py", "src/__pycache__/c.py",
        ".tox/d.py", ".harness/runs/run.json", "mlruns/1/input_example.json", "mlartifacts/1/e.json",
        "node_modules/f.json", "store/runs/run.json", "conda/lib/site-packages/g.py",
    )  # fmt: skip
    write(folder, dict.fromkeys(left, ""))

    assert names(folder, apart=[folder / "store"]) == TRAVEL


def test_the_store_stays_even_if_git_tracks_it(root):
    write(root, {"store/runs/run.json": "{}", "store/x.csv": ""})
    git(root, "add", ".")

    found = chosen(root, apart=[root / "store"])

    assert [name for name, _ in found.files] == TRAVEL
    assert [name for name, _ in found.left_out] == ["data/shops.csv"]


# Data


@pytest.mark.parametrize("suffix", sorted(ENDINGS))
def test_every_ending_of_data_is_known_in_any_case(suffix):
    for name in (f"rows{suffix}", f"data/ROWS{suffix.upper()}", f"rows{suffix}.bak", f"rows{suffix}~",
                 f"a.b{suffix}.1", f"rows{suffix}/part-0"):  # fmt: skip
        assert ending(name) == suffix, name
    for name in (f"rows{suffix}.py", f"rows{suffix}.json", f"rows{suffix}_x", suffix, f"x{suffix}/a.py"):
        assert ending(name) is None, name


@pytest.mark.parametrize(
    ("name", "suffix"), [("rows.csv.gz", ".gz"), ("rows.tar.xz", ".xz"), ("rows.csv.enc", ".csv")]
)
def test_of_two_endings_the_last_is_told(name, suffix):
    assert ending(name) == suffix


def test_a_file_that_data_sets_were_read_from_stays(root):
    write(root, {"data/rows.json": "[]", "data/limits.yaml": "a: 1"})
    (root / "way").symlink_to("data")
    git(root, "add", "data")

    found = chosen(root, data={root / "way/rows.json"})

    assert "data/rows.json" not in dict(found.files)
    assert ("data/rows.json", "data sets were read from it") in found.left_out
    assert "data/limits.yaml" in dict(found.files)


@pytest.mark.parametrize(
    ("orient", "lines"),
    [(orient, False) for orient in ("columns", "index", "records", "split", "table", "values")]
    + [("records", True)],
)
def test_what_pandas_writes_as_json_is_known_without_being_read(orient, lines, root):
    frame = pd.DataFrame({"a": range(10), "b": range(10)})
    if orient == "index":
        frame = frame.T
    frame.to_json(root / "data/rows.json", orient=orient, lines=lines)
    git(root, "add", ".")

    found = chosen(root)

    assert dict(found.left_out)["data/rows.json"] == (
        "it holds rows of a table; name it in sagemaker_include if it is configuration"
    )
    assert "data/rows.json" in names(root, include=["data/rows.json"])


@pytest.mark.parametrize(
    "value",
    [
        {}, [], 3, "text", {"depth": 3, "rate": [0.1] * 50}, [1] * 100, ["a"] * 100, [{"name": "a"}] * 9,
        {"expectations": [{"type": "a", "kwargs": {}}] * 30}, [{"a": 1}, {"b": 1}] * 10,
        {"data": "rows.csv", "columns": ["a"]}, {"shops": {"depth": 1}, "cars": {"depth": 2}},
    ],
)  # fmt: skip
def test_configuration_in_json_is_no_table(value, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(value, indent=1))

    assert content(tmp_path / "a.json") is None


@pytest.mark.parametrize("text", ["", "{", "not json", "[" * 100_000, "{}\n", "\xff"])
def test_what_is_no_json_is_no_table(text, tmp_path):
    (tmp_path / "a.json").write_text(text, encoding="latin1")

    assert content(tmp_path / "a.json") is None


def test_large_configuration_stays_unless_it_is_asked_for(root):
    write(root, {"large.yaml": "x" * 1_200_000, "large.py": "#" * 1_200_000})
    git(root, "add", ".")

    found = chosen(root)

    assert "large.py" in dict(found.files)
    assert dict(found.left_out)["large.yaml"] == (
        "its 1.2 MB are too many for configuration; name it in sagemaker_include if it is configuration"
    )
    assert "large.yaml" in names(root, include=["large.yaml"])


# What is included


def test_files_that_are_included_travel_whether_tracked_or_not(root):
    write(
        root,
        {"queries/a.sql": "", "queries/deep/b.sql": "", "queries/deep/c.txt": "", ".streamlit/x.txt": ""},
    )

    assert names(root, include=["queries/**/*.sql", ".streamlit/*"]) == sorted(
        [*TRAVEL, "queries/a.sql", "queries/deep/b.sql", ".streamlit/x.txt"]
    )
    assert names(root, include=["README.md"]) == sorted([*TRAVEL, "README.md"])


def test_a_wide_glob_takes_nothing_from_hidden_folders_environments_or_the_store(folder):
    left = ("env/pyvenv.cfg", "env/a.txt", ".git/b.txt", ".tox/c.txt", "store/d.txt", "__pycache__/e.txt",
            ".hidden.txt")  # fmt: skip
    write(folder, dict.fromkeys((*left, "f.txt", "deep/g.txt"), ""))

    found = names(folder, include=["**/*.txt"], apart=[folder / "store"])

    assert sorted(set(found) - set(TRAVEL)) == ["deep/g.txt", "f.txt"]


@pytest.mark.parametrize("pattern", ["queries/*.sql", "readme.md", "*.lock"])
def test_a_glob_that_matches_nothing_is_named(pattern, root):
    assert refusal(root, include=["README.md", pattern]) == (
        f"sagemaker_include has {pattern!r}, which matches no file below {root}; correct it, or take it out"
    )


def test_a_folder_is_no_glob(root):
    assert refusal(root, include=["src/"]) == (
        f"sagemaker_include has 'src/', which matches no file below {root}; "
        "write src/** for all files of that folder"
    )
    assert names(root, include=["src/**"]) == TRAVEL


@pytest.mark.parametrize("pattern", ["../other/*.py", "/etc/passwd", "src/../../x", "src\\*.py"])
def test_a_glob_that_leads_out_is_refused(pattern, root):
    assert refusal(root, include=[pattern]) == (
        f"sagemaker_include has {pattern!r}, which leads out of the project; "
        f"name files below {root}, relative to it and with slashes, such as queries/*.sql"
    )


def test_data_never_travels_even_if_it_is_included(root):
    write(root, {"data/rows.json": "[]", "data/fine.txt": ""})

    assert refusal(root, include=["data/**"], data=[root / "data/rows.json"]) == (
        "sagemaker_include names what must stay here: "
        "data/rows.json by 'data/**' (data sets were read from it), "
        "data/shops.csv by 'data/**' (a data file by its ending .csv); "
        "narrow the glob: trials get rows from @dataset only, and settings that a loader reads as well "
        "reach them through a module that reads them when it is imported"
    )


parts = st.text("ab.", min_size=1, max_size=3).filter(lambda part: part not in (".", ".."))


@given(st.lists(parts, min_size=1, max_size=4).map("/".join))
def test_a_name_is_a_glob_of_itself(name):
    assert matches(name, name)
    assert matches(name, "**/" + name)
    assert not matches(name, name + "/*")
    hidden = any(part.startswith(".") for part in name.split("/"))
    assert matches(name, "**/*") is not hidden
    assert matches(name, "**") is not hidden


# Links


def test_a_link_travels_only_with_what_it_leads_to(root, tmp_path):
    write(tmp_path, {"outside.py": "", "outside/module.py": ""})
    write(root, {"untracked.py": ""})
    links = {
        "good.py": "src/helpers.py", "out.py": "../outside.py", "local.py": "untracked.py",
        "csv.json": "data/shops.csv", "dead.py": "nowhere.py", "round.py": "round.py",
        "package": "src", "far": "../outside", "notes": "README.md",
    }  # fmt: skip
    for name, target in links.items():
        (root / name).symlink_to(target)
    git(root, "add", *links)

    found = chosen(root)

    assert [name for name, _ in found.files] == sorted([*TRAVEL, "good.py"])
    reasons = dict(found.left_out)
    assert reasons.pop("round.py").startswith("it cannot be read (")
    assert reasons == {
        "untracked.py": "git does not track it",
        "csv.json": "a data file by its ending .csv",
        "data/shops.csv": "a data file by its ending .csv",
        "dead.py": "it cannot be read (No such file or directory)",
        "far": "a link that leads out of the project",
        "local.py": "a link to untracked.py, which does not travel",
        "out.py": "a link that leads out of the project",
        "package": "a link to src, which does not travel",
    }


def test_a_tracked_folder_that_became_a_link_is_not_followed(root, tmp_path):
    (root / "src").rename(tmp_path / "src")
    (root / "src").symlink_to(tmp_path / "src")

    found = chosen(root)

    assert "src/helpers.py" not in dict(found.files)
    assert ("src/helpers.py", "a link that leads out of the project") in found.left_out


def test_an_included_link_that_stays_is_an_error(root, tmp_path):
    (tmp_path / "secret").touch()
    (root / "secret.txt").symlink_to("../secret")

    assert refusal(root, include=["*.txt"]).startswith(
        "sagemaker_include names what must stay here: "
        "secret.txt by '*.txt' (a link that leads out of the project); "
    )


def test_a_project_that_is_reached_by_a_link_is_the_same(root, tmp_path):
    (tmp_path / "way in").symlink_to(root)

    for one, other in ((root, tmp_path / "way in"), (tmp_path / "way in", root)):
        found = chosen(one, needed=[other / "conftest.py"], data=[other / "pyproject.toml"])
        assert [name for name, _ in found.files] == [name for name in TRAVEL if name != "pyproject.toml"]


# What is needed


def test_needed_files_that_travel_are_fine(root):
    assert names(root, needed=[root / "conftest.py", root / "src/helpers.py"]) == TRAVEL


def test_a_needed_file_that_git_does_not_track_is_an_error(root):
    write(root, {"helpers.py": ""})

    assert refusal(root, needed=[root / "helpers.py"]) == (
        "helpers.py is imported by the experiments but git does not track it; "
        "git add it, or name it in sagemaker_include"
    )
    assert "helpers.py" in names(root, needed=[root / "helpers.py"], include=["helpers.py"])


def test_all_needed_files_that_stay_are_listed(root, tmp_path):
    write(root, {"new/a.py": "", "fast.so": "", "rows.csv/module.bin": "", "gone.py": ""})
    (root / "linked").symlink_to("src")
    git(root, "add", "fast.so", "rows.csv", "linked")
    needed = ["new/a.py", "new/a.py", "fast.so", "rows.csv/module.bin", "linked/helpers.py", "conftest.py"]

    assert refusal(root, needed=[root / name for name in needed]) == (
        "fast.so is imported by the experiments but is in no folder of sources, "
        "or neither source nor configuration by its ending, "
        "linked/helpers.py is imported by the experiments but stays here: "
        "a link to src, which does not travel, "
        "new/a.py is imported by the experiments but git does not track it, "
        "rows.csv/module.bin is imported by the experiments but stays here: a data file by its ending .csv; "
        "name it in sagemaker_include, import it from a source file of the project, "
        "git add it, or name it in sagemaker_include"
    )


def test_without_git_a_needed_file_of_a_hidden_folder_is_an_error(folder):
    write(folder, {".hidden/a.py": ""})

    assert refusal(folder, needed=[folder / ".hidden/a.py"]) == (
        ".hidden/a.py is imported by the experiments but is in no folder of sources, "
        "or neither source nor configuration by its ending; name it in sagemaker_include"
    )
    assert ".hidden/a.py" in names(folder, needed=[folder / ".hidden/a.py"], include=[".hidden/*.py"])


def test_needed_files_outside_of_the_project_are_named(root, tmp_path):
    write(tmp_path, {"b.py": "", "a.py": ""})

    assert refusal(root, needed=[tmp_path / "b.py", root / ".." / "a.py", root / "conftest.py"]) == (
        f"{tmp_path}/b.py, {root}/../a.py: imported by the experiments but outside of {root}; "
        "move it into the project, or install it as a package that the image has, too"
    )


# The harness itself


def test_the_library_is_whole_and_nothing_else():
    found = dict(library())

    assert list(found) == sorted(found)
    assert {"harness/__init__.py", "harness/plugin.py", "harness/backends/sagemaker/sources.py"} <= set(found)
    assert all(path.is_file() for path in found.values())
    assert not [name for name in found if "__pycache__" in name or name.startswith("harness/rehearsal/")]


def test_the_library_has_all_files_that_the_package_declares():
    pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))
    declared = pyproject["tool"]["setuptools"]["package-data"]["harness"]

    assert declared
    assert {f"harness/{name}" for name in declared} <= set(dict(library()))


# What git does not track, and what tools have written


def test_sources_that_git_does_not_track_and_read_data_are_named(root):
    write(root, {"lazy.py": "", "rows.txt": "1", "notes.txt": "", "mlruns/1/input_example.json": "{}"})
    git(root, "add", "mlruns")

    found = sources(root, include=(), needed=(), data=[root / "rows.txt"])

    reasons = dict(found.left_out)
    assert reasons["lazy.py"] == "git does not track it"
    assert reasons["rows.txt"] == "data sets were read from it"
    assert reasons["mlruns/1/input_example.json"] == "MLflow or a package manager has written it"
    assert "notes.txt" not in reasons
    assert not {"lazy.py", "rows.txt", "mlruns/1/input_example.json"} & {name for name, _ in found.files}
