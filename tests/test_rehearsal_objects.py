"""What clients put into a rehearsed bucket is on disk, and there again for the next rehearsal."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rehearsal.objects import Objects, address

ACCOUNTS = itertools.count(900000000000)
PARTS = st.one_of(
    st.sampled_from(["", ".", "..", "%", "%2E", "a b", "größe", "a%20"]), st.text("ab./%:*", max_size=4)
)
KEYS = st.lists(PARTS, min_size=1, max_size=3).map("/".join).filter(bool)


@contextmanager
def objects(folder):
    made = Objects(str(next(ACCOUNTS)), Path(folder))
    try:
        made.restore()
        made.create("bucket")
        yield made
    finally:
        made.close()


@settings(max_examples=50)
@given(st.dictionaries(KEYS, st.binary(max_size=8), max_size=4))
def test_whatever_the_keys_what_is_kept_comes_back_under_the_same_key(contents):
    with tempfile.TemporaryDirectory() as folder:
        with objects(f"{folder}/own") as made:
            for key, content in contents.items():
                made.write("bucket", key, content)
                made.keep("bucket", key)
        with objects(f"{folder}/own") as made:
            found = {key: made.read("bucket", key) for key in made.under("bucket", "")}
        assert [path.name for path in Path(folder).iterdir()] in ([], ["own"])  # no key leads elsewhere

    lost = {
        key
        for key in contents
        if any(other.startswith(f"{key}/") or key.startswith(f"{other}/") for other in contents)
    }
    assert found.items() <= contents.items()
    assert contents.keys() - found.keys() <= lost  # a file cannot be a folder, too


def test_what_is_written_but_not_kept_is_gone_with_the_rehearsal(tmp_path):
    with objects(tmp_path) as made:
        made.write("bucket", "output", b"x")
    with objects(tmp_path) as made:
        assert made.under("bucket", "") == []


def test_what_is_deleted_does_not_come_back(tmp_path):
    with objects(tmp_path) as made:
        for key in ("a", "b"):
            made.write("bucket", key, b"x")
            made.keep("bucket", key)
        made._moto.delete_object("bucket", "a")
        made.keep("bucket", "a")
        made._moto.delete_object("bucket", "b")
        made.reconcile("bucket")
    with objects(tmp_path) as made:
        assert made.under("bucket", "") == []


def test_a_key_that_no_file_can_have_is_not_kept(tmp_path):
    with objects(tmp_path) as made:
        made.write("bucket", "k" * 1000, b"x")
        made.keep("bucket", "k" * 1000)

        assert made.read("bucket", "k" * 1000) == b"x"
    assert list((tmp_path / "partial").iterdir()) == []


def test_prefixes_are_strings_and_not_folders(tmp_path):
    with objects(tmp_path) as made:
        for key in ("train/a", "train2/a", "other"):
            made.write("bucket", key, b"")

        assert made.under("bucket", "train") == ["train/a", "train2/a"]
        assert made.under("elsewhere", "") == []


def test_two_rehearsals_in_one_process_have_buckets_of_their_own(tmp_path):
    with objects(tmp_path / "1") as made:
        made.write("bucket", "a", b"")
        other = Objects(str(next(ACCOUNTS)), tmp_path / "2")

        assert not other.has("bucket")


def test_an_address_is_a_bucket_and_a_key():
    assert address("s3://bucket/some/key") == ("bucket", "some/key")
    assert address("s3://bucket") == ("bucket", "")
