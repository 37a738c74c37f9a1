"""Which files of a project are read: what Python tells of those it opens, and nothing once nobody listens."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from harness.backends.sagemaker import opened as module
from harness.backends.sagemaker.opened import Opened


@pytest.fixture
def root(tmp_path):
    """A project with one table in many forms."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    made = tmp_path / "project"
    made.mkdir()
    frame.to_csv(made / "rows.csv", index=False)
    frame.to_csv(made / "rows.csv.gz", index=False)
    frame.to_json(made / "rows.json")
    frame.to_pickle(made / "rows.pkl")
    frame.to_parquet(made / "rows.parquet")
    frame.to_feather(made / "rows.feather")
    np.save(made / "rows.npy", np.arange(3))
    np.savez(made / "rows.npz", x=np.arange(3))
    np.savetxt(made / "rows.txt", np.arange(3))
    with sqlite3.connect(made / "rows.sqlite") as connection:
        frame.to_sql("rows", connection)
    connection.close()
    return made


def query(where, **options):
    connection = sqlite3.connect(where, **options)
    assert connection.execute("select count(*) from rows").fetchone() == (2,)
    connection.close()


READERS = {
    "rows.csv": [
        pd.read_csv,
        lambda path: pd.read_csv(str(path), engine="python"),
        lambda path: pd.read_csv(path, engine="pyarrow"),
        lambda path: pd.read_csv(path, memory_map=True),
    ],
    "rows.csv.gz": [pd.read_csv],
    "rows.json": [
        pd.read_json,
        lambda path: path.read_text(),
        lambda path: open(os.fsencode(path)).close(),
        lambda path: open(path, "r+").close(),
        lambda path: open(path, "a+").close(),
        lambda path: os.close(os.open(path, os.O_RDONLY)),
        lambda path: open(os.open(path, os.O_RDONLY)).close(),
    ],
    "rows.pkl": [pd.read_pickle],
    "rows.feather": [pd.read_feather],
    "rows.npy": [
        np.load,
        lambda path: np.load(path, mmap_mode="r"),
        np.fromfile,
        np.memmap,
    ],
    "rows.npz": [lambda path: np.load(path)["x"]],
    "rows.txt": [np.loadtxt],
    "rows.sqlite": [
        query,
        lambda path: query(os.fsencode(path)),
        lambda path: query(f"file:{path}?mode=ro", uri=True),
        lambda path: query(f"file://{path}", uri=True),
        lambda path: query(f"file://localhost{path}?cache=shared", uri=True),
    ],
}


@pytest.mark.parametrize(
    ("name", "read"), [(name, read) for name, readers in READERS.items() for read in readers]
)
def test_a_file_is_known_however_python_reads_it(name, read, root):
    with Opened(root) as opened:
        read(root / name)

    assert root / name in opened.paths


def test_what_pyarrow_opens_is_not_seen(root):
    """If this fails one day, the docstring of Opened may be corrected."""
    with Opened(root) as opened:
        pd.read_parquet(root / "rows.parquet")

    assert opened.paths == frozenset()


def test_only_what_is_read_while_it_listens_counts(root):
    opened = Opened(root)
    (root / "rows.csv").read_text()
    opened.begin()
    (root / "rows.txt").read_text()
    opened.end()
    (root / "rows.json").read_text()
    assert opened.paths == {root / "rows.txt"}

    with opened:
        (root / "rows.json").read_text()

    assert opened.paths == {root / "rows.txt", root / "rows.json"}


def test_it_listens_no_more_after_an_error(root):
    opened = Opened(root)
    with pytest.raises(ZeroDivisionError), opened:
        1 / 0  # noqa: B018
    (root / "rows.csv").read_text()

    assert opened.paths == frozenset()


def test_two_can_listen_at_once(root, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.json").touch()
    with Opened(root) as one, Opened(tmp_path / "other") as two:
        (root / "rows.txt").read_text()
        (tmp_path / "other/x.json").read_text()

    assert (one.paths, two.paths) == ({root / "rows.txt"}, {tmp_path / "other/x.json"})


def test_what_another_thread_reads_counts(root):
    with Opened(root) as opened:
        thread = threading.Thread(target=(root / "rows.txt").read_text)
        thread.start()
        thread.join()

    assert opened.paths == {root / "rows.txt"}


def test_what_is_written_does_not_count(root):
    with Opened(root) as opened:
        (root / "new.json").write_text("{}")
        with open(root / "rows.txt", "a") as file:
            file.write("more")
        open(root / "fresh.json", "w+").close()
        open(root / "more.json", "x").close()

    assert opened.paths == frozenset()


def test_python_the_store_and_others_do_not_count(root, tmp_path):
    for name in (
        "module.py",
        "__pycache__/module.cpython-311.pyc",
        "__pycache__/x.json",
        "store/runs/run.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "beside.json").touch()
    with Opened(root, apart=[root / "store"]) as opened:
        for path in (*root.rglob("*.py*"), *root.rglob("*.json"), tmp_path / "beside.json"):
            path.read_bytes()
        os.close(os.open(root, os.O_RDONLY))
        (root / "gone.json").touch()
        (root / "gone.json").read_text()
        (root / "gone.json").unlink()

    assert opened.paths == {root / "rows.json"}


def test_a_relative_name_is_below_the_folder_it_was_opened_in(root, monkeypatch):
    with Opened(root) as opened:
        monkeypatch.chdir(root)
        open("rows.txt").close()
        open(b"rows.csv").close()
        query("file:rows.sqlite?mode=ro", uri=True)
        monkeypatch.chdir("/")

    assert opened.paths == {root / "rows.txt", root / "rows.csv", root / "rows.sqlite"}


def test_a_link_counts_as_what_it_leads_to(root, tmp_path):
    (tmp_path / "elsewhere.json").touch()
    (root / "near.json").symlink_to("rows.json")
    (root / "far.json").symlink_to(tmp_path / "elsewhere.json")
    (tmp_path / "way in").symlink_to(root)
    with Opened(tmp_path / "way in") as opened:
        (root / "near.json").read_text()
        (root / "far.json").read_text()
        (tmp_path / "way in/rows.txt").read_text()

    assert opened.paths == {root / "rows.json", root / "rows.txt"}


def test_odd_names_are_opened_as_ever(root, monkeypatch):
    class Sly(os.PathLike):
        def __fspath__(self):
            return str(root / "rows.txt")

    with Opened(root) as opened:
        for name in ("", "\0", "no/such/file", b"\xff"):
            with pytest.raises((OSError, ValueError)):
                open(name).close()
        open(Sly()).close()
        sqlite3.connect(":memory:").close()
        sqlite3.connect("").close()

    assert opened.paths == {root / "rows.txt"}


def test_a_fault_of_the_listener_is_none_of_whoever_opens_a_file(root, monkeypatch):
    def broken(self, path):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Opened, "hear", broken)
    with Opened(root) as opened:
        assert (root / "rows.txt").read_text()

    assert opened.paths == frozenset()


def test_a_folder_that_is_gone_is_none_of_whoever_opens_a_file(root, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with Opened(root) as opened:
        with pytest.raises(FileNotFoundError):
            open("rows.txt").close()
        (root / "rows.txt").read_text()
    monkeypatch.chdir("/")

    assert opened.paths == {root / "rows.txt"}


def test_python_is_told_once_a_process_and_keeps_nobody():
    script = """
import gc, sys, weakref
from pathlib import Path
hooks = []
sys.addaudithook(lambda event, arguments: event == "sys.addaudithook" and hooks.append(event))
from harness.backends.sagemaker.opened import Opened
assert hooks == []
made = [Opened(Path(".")) for _ in range(5)]
assert hooks == []
for one in made:
    one.begin()
    one.end()
kept = [weakref.ref(one) for one in made]
del made, one
gc.collect()
print(len(hooks), [ref() for ref in kept])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("1 [None, None, None, None, None]\n", "")


def test_nothing_is_asked_of_the_system_while_nobody_listens(root, monkeypatch):
    with Opened(root):
        pass
    asked = []
    monkeypatch.setattr(module, "_path", lambda *arguments: asked.append(arguments))
    (root / "rows.txt").read_text()
    assert asked == []

    with Opened(root):
        (root / "rows.txt").read_text()

    assert [event for event, _ in asked] == ["open"]


def test_it_needs_no_library():
    script = (
        "import sys, harness.backends.sagemaker.opened\n"
        "print({'numpy', 'pandas', 'pyarrow', 'boto3', 'sagemaker'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("event", "arguments", "heard"),
    [
        ("open", ("/a/rows.csv", "r", os.O_RDONLY), "/a/rows.csv"),
        ("open", (b"/a/rows.csv", None, os.O_RDWR | os.O_CREAT), "/a/rows.csv"),
        ("open", ("rows.csv", "r", os.O_RDONLY), "/rows.csv"),
        ("open", (3, "r", os.O_RDONLY), None),
        ("open", ("/a/rows.csv", "w", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), None),
        ("open", ("/a/rows.csv", "w+", os.O_RDWR | os.O_TRUNC), None),
        ("sqlite3.connect", ("file:///a/b%20c.db?mode=ro",), "/a/b c.db"),
        ("sqlite3.connect", (":memory:",), None),
        ("sqlite3.connect", (b"/a/b.db",), "/a/b.db"),
        ("open", (object(), "r", 0), None),
        ("open", (), None),
        ("import", ("/a/rows.csv", "r", 0), None),
    ],
)
def test_an_event_is_heard_if_it_tells_of_a_file_that_is_read(event, arguments, heard, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    with Opened(tmp_path) as opened:
        module._ear()(event, arguments)

    assert [str(path) for path in opened._heard] == ([] if heard is None else [heard])
