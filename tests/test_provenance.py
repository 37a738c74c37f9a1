"""Which commit a run belongs to, and what its project is called."""

import subprocess

import pytest

from harness.provenance import commit, project_name


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "file.txt").write_text("one")
    git("add", "file.txt")
    git("commit", "-q", "-m", "first")
    return tmp_path, git


def test_a_clean_work_tree_is_its_commit(repository):
    path, git = repository

    assert commit(path) == (git("rev-parse", "HEAD"), False)


def test_a_changed_tracked_file_is_dirty_and_a_new_one_is_not(repository):
    path, git = repository
    head = git("rev-parse", "HEAD")

    (path / "new.txt").write_text("untracked")
    assert commit(path) == (head, False)
    (path / "file.txt").write_text("two")
    assert commit(path) == (head, True)


def test_the_ledger_makes_no_work_tree_dirty_and_nothing_else_is_forgiven(repository):
    path, git = repository
    (path / "project").mkdir()
    ledger = path / "project" / "led[ge]r.jsonl"
    (path / "project" / "ledr.jsonl").write_text("one")
    ledger.write_text("one")
    git("add", ".")
    git("commit", "-q", "-m", "second")
    head = git("rev-parse", "HEAD")

    ledger.write_text("two")
    for root in (path, path / "project"):
        assert commit(root, besides=ledger) == (head, False)
        assert commit(root) == (head, True)
        assert commit(root, besides=path.parent / "elsewhere.jsonl") == (head, True)
    (path / "file.txt").write_text("two")  # above the project
    assert commit(path / "project", besides=ledger) == (head, True)
    git("checkout", "-q", "file.txt")
    (path / "project" / "ledr.jsonl").write_text("two")
    assert commit(path / "project", besides=ledger) == (head, True)


def test_a_folder_below_the_top_has_the_same_commit(repository):
    path, git = repository
    (path / "project").mkdir()

    assert commit(path / "project") == (git("rev-parse", "HEAD"), False)


def test_without_a_commit_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) == (None, None)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert commit(tmp_path) == (None, None)


def test_without_git_there_is_none(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert commit(repository[0]) == (None, None)


def test_a_project_has_the_name_of_its_pyproject(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "salés"\n', encoding="utf-8")

    assert project_name(tmp_path) == "salés"


@pytest.mark.parametrize(
    "content",
    [None, "", "[tool.x]\n", "[project\n", "[project]\nname = 3\n", 'project = "x"\n', b"\xff\xfe"],
    ids=["missing", "empty", "nameless", "not-toml", "number", "no-table", "not-utf-8"],
)
def test_otherwise_a_project_has_the_name_of_its_folder(tmp_path, content):
    if content is not None:
        (tmp_path / "pyproject.toml").write_bytes(content if isinstance(content, bytes) else content.encode())

    assert project_name(tmp_path) == tmp_path.name
