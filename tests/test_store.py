"""The store: every file appears whole or not at all, and a journal loses at most a torn tail."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.store import Store


class Boom(Exception):
    pass


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    made.open()
    return made


def left_over(store):
    return sorted(
        str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.name != ".gitignore"
    )


def die_in(code, store):
    """Run code that kills its own process."""
    script = "import os, signal, pathlib\nfrom harness.store import Store\n" + textwrap.dedent(code)
    script = f"ROOT = {str(store.root)!r}\n" + script
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr


def test_open_makes_the_folder_and_keeps_it_out_of_git(store):
    assert (store.root / ".gitignore").read_text() == "*\n"
    assert left_over(store) == []


def test_open_keeps_a_gitignore_that_was_changed(store):
    (store.root / ".gitignore").write_text("/data\n")

    store.open()

    assert (store.root / ".gitignore").read_text() == "/data\n"


@pytest.mark.parametrize("kind", ["a file", "below a file", "no folder can be made there"])
def test_a_store_that_cannot_be_written_is_told_with_a_remedy(kind, tmp_path):
    (tmp_path / "file").write_text("mine")
    root = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "store",
        "no folder can be made there": type(tmp_path)("/proc/store"),  # also for root
    }[kind]

    with pytest.raises(StoreError) as refused:
        Store(root).open()

    text = str(refused.value)
    assert text.startswith(f"the store {root} cannot be written: ")
    assert text.endswith("name another one with -o experiment_store=FOLDER")
    assert isinstance(refused.value, OSError)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_appears_when_it_is_whole(store):
    with store.folder("data", "abc") as draft:
        (draft / "a").write_text("1")
        assert not store.path("data", "abc").exists()
        (draft / "b").write_text("2")

    assert left_over(store) == ["data", "data/abc", "data/abc/a", "data/abc/b"]


def test_a_folder_that_failed_leaves_nothing(store):
    with pytest.raises(Boom), store.folder("data", "abc") as draft:  # noqa: PT012
        (draft / "a").write_text("1")
        raise Boom

    assert left_over(store) == ["data"]


def test_a_folder_that_failed_leaves_the_older_one(store):
    with store.folder("data", "abc") as draft:
        (draft / "a").write_text("old")

    with pytest.raises(Boom), store.folder("data", "abc") as draft:  # noqa: PT012
        (draft / "a").write_text("new")
        raise Boom

    assert store.path("data", "abc", "a").read_text() == "old"
    assert left_over(store) == ["data", "data/abc", "data/abc/a"]


def test_a_folder_is_replaced_whole(store):
    with store.folder("data", "abc") as draft:
        (draft / "a").write_text("old")

    with store.folder("data", "abc") as draft:
        (draft / "b").write_text("new")

    assert left_over(store) == ["data", "data/abc", "data/abc/b"]


def test_a_file_where_a_folder_should_be_is_replaced(store):
    store.write_bytes(b"", "data", "abc")

    with store.folder("data", "abc") as draft:
        (draft / "a").write_text("new")

    assert left_over(store) == ["data", "data/abc", "data/abc/a"]


def test_two_writers_of_one_folder_both_end_well(store):
    with store.folder("data", "abc") as first, store.folder("data", "abc") as second:
        (first / "a").write_text("1")
        (second / "a").write_text("2")

    assert store.path("data", "abc", "a").read_text() in ("1", "2")
    assert left_over(store) == ["data", "data/abc", "data/abc/a"]


def test_a_killed_writer_of_a_folder_leaves_no_entry(store):
    die_in(
        """
        with Store(pathlib.Path(ROOT)).folder("data", "abc") as draft:
            (draft / "a").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        store,
    )

    assert not store.path("data", "abc").exists()
    with store.folder("data", "abc") as draft:
        (draft / "a").write_text("whole")
    assert store.path("data", "abc", "a").read_text() == "whole"


def test_a_killed_writer_of_a_file_leaves_the_older_one(store):
    store.write_bytes(b"old", "verdict")

    die_in(
        """
        real = os.fdopen
        def fdopen(descriptor, mode):
            file = real(descriptor, mode, buffering=0)
            class Half:
                def __enter__(self): return self
                def __exit__(self, *error): pass
                def write(self, data):
                    file.write(data[:3])
                    os.kill(os.getpid(), signal.SIGKILL)
            return Half()
        os.fdopen = fdopen
        Store(pathlib.Path(ROOT)).write_bytes(b"new content", "verdict")
        """,
        store,
    )

    assert store.path("verdict").read_bytes() == b"old"


def test_a_file_that_cannot_be_written_leaves_the_older_one_and_no_draft(store):
    store.write_bytes(b"old", "verdict")

    with pytest.raises(TypeError):
        store.write_bytes("not bytes", "verdict")

    assert store.path("verdict").read_bytes() == b"old"
    assert left_over(store) == ["verdict"]


def test_json_that_cannot_be_is_refused_before_the_file_is_touched(store):
    store.write_json({"a": 1}, "x.json")

    with pytest.raises(TypeError):
        store.write_json({"a": object()}, "x.json")

    assert store.read_json("x.json") == {"a": 1}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a": 1', b"\xff\xfe\x00", b"\x00" * 10, b'{"a": 1} trailing'], ids=repr
)
def test_corrupt_json_is_no_entry(store, content):
    store.write_bytes(content, "x.json")

    assert store.read_json("x.json") is None


def test_a_folder_where_json_should_be_is_no_entry(store):
    store.path("x.json").mkdir()

    assert store.read_json("x.json") is None
    assert store.read_json("missing.json") is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(VALUES)
def test_json_comes_back_as_it_went(store, value):
    store.write_json(value, "deep", "x.json")

    assert store.read_json("deep", "x.json") == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(RECORDS)
def test_a_journal_gives_back_its_records_in_order(store, records):
    journal = store.journal("runs", "journal.jsonl")
    journal.path.unlink(missing_ok=True)

    for record in records:
        journal.append(record)

    assert journal.read() == records
    assert store.journal("runs", "journal.jsonl").read() == records


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(RECORDS.filter(bool), st.data())
def test_a_journal_torn_anywhere_keeps_every_whole_record_and_goes_on(store, records, data):
    journal = store.journal("journal.jsonl")
    journal.path.unlink(missing_ok=True)
    ends = []
    for record in records:
        journal.append(record)
        ends.append(journal.path.stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    journal.path.write_bytes(journal.path.read_bytes()[:cut])
    # A record is whole with or without its newline.
    whole = [record for record, end in zip(records, ends, strict=True) if end - 1 <= cut]

    assert journal.read() == whole

    journal.append({"after": "the crash"})

    assert journal.read() == [*whole, {"after": "the crash"}]


def test_garbage_in_the_middle_of_a_journal_costs_only_its_line(store):
    journal = store.journal("journal.jsonl")
    journal.append({"a": 1})
    with journal.path.open("ab") as file:
        file.write(b'\xff\xfe\n[1, 2]\n"text"\n\n{"half": \n')
    journal.append({"b": 2})

    assert journal.read() == [{"a": 1}, {"b": 2}]


def test_a_missing_journal_is_empty(store):
    assert store.journal("none.jsonl").read() == []


def test_a_journal_that_is_killed_keeps_what_was_appended(store):
    die_in(
        """
        journal = Store(pathlib.Path(ROOT)).journal("journal.jsonl")
        for i in range(20):
            journal.append({"i": i})
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        store,
    )

    assert store.journal("journal.jsonl").read() == [{"i": i} for i in range(20)]


def test_two_processes_can_append_to_one_journal(store):
    code = textwrap.dedent(
        f"""
        import pathlib, sys
        from harness.store import Store
        journal = Store(pathlib.Path({str(store.root)!r})).journal("journal.jsonl")
        print("ready", flush=True)
        sys.stdin.readline()
        for i in range(200):
            journal.append({{"who": sys.argv[1], "i": i, "padding": "x" * 500}})
        """
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for who in "ab"
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()

    found = store.journal("journal.jsonl").read()
    for who in "ab":
        assert [record["i"] for record in found if record["who"] == who] == list(range(200))
    assert len(found) == 400


def test_not_a_number_survives_a_journal(store):
    journal = store.journal("journal.jsonl")
    journal.append({"score": float("nan"), "worst": float("-inf")})

    (record,) = journal.read()
    assert record["score"] != record["score"]
    assert record["worst"] == float("-inf")
    assert json.dumps(record)


def test_two_processes_can_write_the_same_folder_at_once(store):
    code = textwrap.dedent(
        f"""
        import pathlib, sys
        from harness.store import Store
        store = Store(pathlib.Path({str(store.root)!r}))
        print("ready", flush=True)
        sys.stdin.readline()
        for i in range(300):
            with store.folder("data", "abc") as draft:
                (draft / "a").write_text("same")
        """
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()

    assert [writer.communicate()[1] for writer in writers] == ["", "", ""]
    assert left_over(store) == ["data", "data/abc", "data/abc/a"]
    assert store.path("data", "abc", "a").read_text() == "same"


FULL = {
    "a journal": """
        for i in range(1000):
            store.journal("journal.jsonl").append({"i": i})
        """,
    "a file": 'store.write_bytes(b"x" * 9000, "a", "file")',
    "a JSON file": 'store.write_json(["x"] * 9000, "a", "file")',
    "a folder": """
        with store.folder("a", "folder") as draft:
            (draft / "file").write_bytes(b"x" * 9000)
        """,
    "the rows of a run": """
        from harness.results import RunRecord, GateRecord
        from harness.rundir import RunFolder
        folder = RunFolder.create(store, RunRecord(
            id="r", project="p", started=5.0, backend="local", harness_version="1", commit=None, dirty=None
        ))
        for i in range(1000):
            folder.record(GateRecord(
                node_id="e.py::gate_a", name="gate_a", outcome="passed", experiments=["a"], opened=["d"]
            ))
        """,
    "the end of a run": """
        from harness.results import RunRecord
        from harness.rundir import RunFolder
        folder = RunFolder.create(store, RunRecord(
            id="r", project="p", started=5.0, backend="local", harness_version="1", commit=None, dirty=None
        ))
        for i in range(1000):
            folder.finish(0, 5.0)
        """,
    "the splits of a data set": """
        import numpy as np, pandas as pd
        from declared import declare
        from harness.data.preparation import prepare
        frame = pd.DataFrame({"x": np.random.default_rng(0).random(5000), "y": [0, 1] * 2500})
        prepare(declare(), frame, store)
        """,
}


@pytest.mark.parametrize("what", FULL)
def test_a_disk_that_is_full_is_told_with_a_remedy(what, store):
    """No file may grow beyond 4 KiB: what a full disk answers, but for the words of the system."""
    here = str(Path(__file__).parent)
    code = f"""
import json, pathlib, resource, sys
sys.path.append({here!r})
from harness.errors import StoreError
from harness.store import Store
store = Store(pathlib.Path({str(store.root)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
{textwrap.indent(textwrap.dedent(FULL[what]), "    ")}
except StoreError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    assert said.startswith(f"the store {store.root} cannot be written: ")
    assert "File too large" in said
    assert said.endswith(
        "; free space or make it writable, or name another folder with -o experiment_store=FOLDER"
    )
    assert not [name for name in left_over(store) if "draft" in name or name.startswith(("a/", "data/"))]


def test_a_journal_that_hit_a_full_disk_goes_on_when_there_is_space(store):
    code = f"""
import pathlib, resource
from harness.errors import StoreError
from harness.store import Store
journal = Store(pathlib.Path({str(store.root)!r})).journal("journal.jsonl")
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
written = 0
try:
    while True:
        journal.append({{"i": written, "padding": "x" * 90}})
        written += 1
except StoreError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append({{"i": "after"}})
print(written)
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = [record["i"] for record in store.journal("journal.jsonl").read()]
    assert found == [*range(int(done.stdout)), "after"]
