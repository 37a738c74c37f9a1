"""Archives: the same bytes everywhere, and nothing of a made-up one gets past its folder."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.backends.sagemaker import archive as module
from harness.backends.sagemaker.archive import digest, pack, unpack
from harness.backends.sagemaker.members import ArchiveError, _Source
from harness.errors import HarnessError

MANY = 10_000_000

names = st.lists(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=60
    ).filter(lambda part: part not in (".", "..") and len(part.encode()) < 250),
    min_size=1,
    max_size=4,
).map("/".join)


def member(name, content=b"", kind=tarfile.REGTYPE, **others):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.type = kind
    for key, value in others.items():
        setattr(info, key, value)
    return info, content


def tar(*members, form=tarfile.PAX_FORMAT):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def gz(content):
    return io.BytesIO(gzip.compress(content, mtime=0))


def header(name, size, kind=b"0"):
    """A header that tarfile would not write; size: 12 bytes as they are."""
    info = tarfile.TarInfo(name)
    made = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    made[124:136] = size
    made[156:157] = kind
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "model"


def refused(archive, folder, limit=MANY):
    """Return the text of the refusal; nothing may be left of it anywhere."""
    with pytest.raises(ArchiveError) as raised:
        unpack(archive, folder, limit=limit)
    assert isinstance(raised.value, HarnessError)
    assert not folder.exists()
    assert sorted(os.listdir(folder.parent)) == []
    return str(raised.value)


# Packing


def test_what_was_packed_is_unpacked(tmp_path, folder):
    (tmp_path / "train.py").write_text("print('é')\n", encoding="utf-8")
    long = "/".join(["very" * 20] * 4) + ".py"

    made = pack({"train.py": tmp_path / "train.py", "project/é b.py": b"x = 1\n", long: b"", "a\nb'c": b"q"})

    assert unpack(io.BytesIO(made), folder, limit=MANY) == sorted(
        ["train.py", "project/é b.py", long, "a\nb'c"]
    )
    assert (folder / "train.py").read_text(encoding="utf-8") == "print('é')\n"
    assert (folder / "project/é b.py").read_bytes() == b"x = 1\n"
    assert (folder / long).read_bytes() == b""


@given(st.dictionaries(names, st.binary(max_size=200), max_size=5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_members_come_back_whole(tmp_path_factory, members):
    parents = {name[:place] for name in members for place, sign in enumerate(name) if sign == "/"}
    members = {name: content for name, content in members.items() if name not in parents}
    folder = tmp_path_factory.mktemp("any") / "folder"

    made = pack(members)

    assert unpack(io.BytesIO(made), folder, limit=MANY) == sorted(members)
    assert {name: (folder / name).read_bytes() for name in members} == members


def test_equal_members_give_equal_bytes(tmp_path):
    path = tmp_path / "a.py"
    path.write_bytes(b"a")
    path.chmod(0o755)
    one = pack({"a.py": path, "b.py": b"b"})
    path.chmod(0o600)
    os.utime(path, (1, 1))
    two = pack({"b.py": b"b", "a.py": b"a"})

    assert one == two
    assert pack({"a.py": b"a", "b.py": b"c"}) != one
    assert pack({"a.py": b"a", "c.py": b"b"}) != one


def test_the_bytes_are_the_same_on_any_machine_and_python():
    """The digest was taken with Python 3.11; whoever sees another would upload everything again."""
    made = pack({"project/é.py": b"x = 1\n" * 20_000, "train.py": b"", "long/" * 40 + "name.py": b"1"})

    assert digest(made) == "e4cf17c2bfa6fd1417689f98645f603c"


def test_the_archive_says_nothing_of_who_made_it(tmp_path):
    made = pack({"a.py": b"a"})

    assert made[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        (info,) = archive.getmembers()
    assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")
    assert info.mode == 0o644


def test_the_tools_of_others_unpack_it(tmp_path):
    made = pack({"a/b.py": b"x" * 200_000, "c.py": b""})
    (tmp_path / "made.tar.gz").write_bytes(made)

    subprocess.run(["tar", "xzf", "made.tar.gz"], cwd=tmp_path, check=True)

    assert (tmp_path / "a/b.py").read_bytes() == b"x" * 200_000
    assert gzip.decompress(made)[257:262] == b"ustar"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a.py", "a/../b", "", ".", "./a", "a//b", "a/", "a\\b", "a\0"]
)
def test_a_name_that_would_not_come_back_is_not_packed(name):
    with pytest.raises(ArchiveError) as raised:
        pack({name: b""})

    assert str(raised.value) == f"{name!r} is no name in an archive; name it as in folder/file"


def test_a_digest_has_32_digits():
    assert digest(b"") == "cae66941d9efbd404e4d88758ea67670"


# Unpacking


def test_the_archives_of_other_writers_are_read(tmp_path, folder):
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/empty").mkdir()
    (tmp_path / "in/sub/model.pickle").write_bytes(b"m" * 70_000)
    (tmp_path / "in" / ("n" * 150)).write_text("long")
    subprocess.run(["tar", "czf", "gnu.tar.gz", "--format=gnu", "-C", "in", "."], cwd=tmp_path, check=True)

    assert unpack(tmp_path / "gnu.tar.gz", folder, limit=MANY) == ["n" * 150, "sub/model.pickle"]
    assert (folder / "sub/model.pickle").read_bytes() == b"m" * 70_000
    assert (folder / "empty").is_dir()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_all_formats_of_tar_are_read(form, folder):
    content = tar(
        member("./", kind=tarfile.DIRTYPE), member("./a", b"1"), member("b/", kind=tarfile.DIRTYPE),
        member("x/" * 60 + "é", b"22"), form=form,
    )  # fmt: skip

    assert unpack(gz(content), folder, limit=3) == ["a", "x/" * 60 + "é"]


def test_an_archive_without_members_is_an_empty_folder(folder):
    assert unpack(gz(tar()), folder, limit=0) == []
    assert list(folder.iterdir()) == []


def test_nothing_but_the_content_is_taken(folder):
    content = tar(member("run", b"x", mode=0o6777, mtime=5, uid=12345, gid=12345))

    unpack(gz(content), folder, limit=MANY)

    stat = (folder / "run").stat()
    assert stat.st_mode & 0o7111 == 0
    assert (stat.st_uid, stat.st_mtime > 5) == (os.getuid(), True)


@pytest.mark.parametrize(
    "name", ["/tmp/evil", "//evil", "../evil", "a/../../evil", "a/..", "..", "a\\..\\evil", "C:\\evil"]
)
def test_a_name_that_leads_out_is_refused(name, folder):
    text = refused(gz(tar(member("fine", b"x"), member(name, b"evil"))), folder)

    assert text == (
        f"{name!r} in the archive has a name that leads out of its folder; nothing of it was unpacked"
    )


def test_a_name_with_nul_is_refused(folder):
    text = refused(gz(tar(member("x", b"evil", pax_headers={"path": "fine\0/../evil"}))), folder)

    assert text.startswith(r"'fine\x00/../evil' in the archive has a name that leads out of its folder;")


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        (tarfile.SYMTYPE, {"linkname": "/etc"}),
        (tarfile.SYMTYPE, {"linkname": "fine"}),
        (tarfile.LNKTYPE, {"linkname": "fine"}),
        (tarfile.LNKTYPE, {"linkname": "/etc/passwd"}),
        (tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3}),
        (tarfile.BLKTYPE, {"devmajor": 8}),
        (tarfile.FIFOTYPE, {}),
        (b"Q", {}),
    ],
)
def test_links_devices_and_what_nobody_knows_are_refused(kind, others, folder):
    text = refused(gz(tar(member("fine", b"x"), member("odd", kind=kind, **others))), folder)

    assert text == "'odd' in the archive is neither a file nor a folder; nothing of it was unpacked"


def test_writing_through_a_link_is_refused_before_it_is_written(tmp_path, folder):
    outside = tmp_path / "outside"
    outside.mkdir()
    content = tar(member("door", kind=tarfile.SYMTYPE, linkname=str(outside)), member("door/evil", b"evil"))

    assert refused(gz(content), folder).startswith("'door' in the archive is neither")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("second", ["a", "./a", "x/..//a"[6:]])
def test_a_member_that_comes_twice_is_refused(second, folder):
    text = refused(gz(tar(member("a", b"1"), member(second, b"2"))), folder)

    assert text == f"{second!r} in the archive is there twice; nothing of it was unpacked"


@pytest.mark.parametrize(
    "members",
    [
        (member("a", b"1"), member("a/b", b"2")),
        (member("a/b", b"1"), member("a", b"2")),
        (member("a", b"1"), member("a/b", kind=tarfile.DIRTYPE)),
        (member("c", b"1"), member(".", b"2")),
    ],
)
def test_a_file_where_a_folder_is_is_refused(members, folder):
    text = refused(gz(tar(*members)), folder)

    assert text == (
        f"{members[1][0].name!r} in the archive lies where another member lies; nothing of it was unpacked"
    )


def test_more_than_the_limit_is_refused(folder):
    content = tar(member("a", b"x" * 60), member("b", b"x" * 41))

    text = refused(gz(content), folder, limit=100)

    assert text == (
        "'b' in the archive makes it more than the 100 bytes that are allowed; nothing of it was unpacked"
    )
    assert unpack(gz(content), folder, limit=101) == ["a", "b"]


def test_a_bomb_is_refused_before_it_is_unpacked(folder):
    bomb = gz(tar(member("zeros", b"\0" * 200_000_000)))
    tracemalloc.start()

    text = refused(bomb, folder, limit=1_000_000)

    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert text.startswith("'zeros' in the archive makes it more than the 1,000,000 bytes that are allowed")
    assert bomb.tell() < 1_000_000


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_bomb_in_what_describes_a_member_is_refused(kind, folder):
    bomb = gz(tar(member("a", b"1")).rstrip(b"\0").ljust(1024, b"\0") + header("x", b"%011o\0" % 100_000_000, kind) + bytes(100_000_000))  # fmt: skip  # noqa: E501
    tracemalloc.start()

    text = refused(bomb, folder)

    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert text == (
        "the archive is cut short, damaged or no tar.gz at or after 'a': "
        "what describes a member is too long; nothing of it was unpacked"
    )


def test_a_bomb_after_the_end_is_refused(folder):
    text = refused(gz(tar(member("a", b"1")) + bytes(100_000_000)), folder)

    assert "at or after 'a': what describes a member is too long" in text


def test_a_bomb_of_many_members_is_refused(folder, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)

    text = refused(gz(tar(*[member(f"m{number}") for number in range(5)])), folder)

    assert text == "'m3' in the archive comes after 3 others; nothing of it was unpacked"


def test_holes_are_refused(folder):
    sparse = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": "9",
    }

    text = refused(gz(tar(member("holes", b"x", pax_headers=sparse))), folder)

    assert text == "'holes' in the archive is neither a file nor a folder; nothing of it was unpacked"


@pytest.mark.parametrize(
    "size", [b"\xff" * 12, b"\xff" * 11 + b"\0", b"-0000000001\0", b"\x80" + b"\xff" * 11]
)
@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"5", b"Z"])
def test_impossible_sizes_are_refused(size, kind, folder):
    """Such sizes have made tarfile go back, and round and round (CVE-2025-8194)."""
    refused(gz(header("odd", size, kind) + bytes(2048)), folder)


def test_tarfile_cannot_go_back():
    """What would make it do so is refused before, as far as is known."""
    source = _Source(io.BytesIO(gzip.compress(bytes(2000))))
    source.allow(2000)
    source.seek(1000)

    with pytest.raises(tarfile.ReadError, match="a member begins before the one before it"):
        source.seek(999)


@pytest.mark.parametrize("count", [1, 2])
def test_an_archive_of_which_bytes_are_missing_is_refused(count, folder):
    whole = gz(tar(member("a", os.urandom(3000)), member("b", os.urandom(3000)))).getvalue()

    for end in (0, 1, 9, 12, 500, 2000, len(whole) // 2, len(whole) - 9, len(whole) - count):
        text = refused(io.BytesIO(whole[:end]), folder)

        assert text.startswith("the archive is cut short, damaged or no tar.gz"), end


def test_a_member_that_is_cut_short_is_named(folder):
    content = tar(member("a", b"1"), member("b", b"2" * 5000))

    text = refused(gz(content[:4000]), folder)

    assert text == (
        "the archive is cut short, damaged or no tar.gz at or after 'b': unexpected end of data; "
        "nothing of it was unpacked"
    )


@pytest.mark.parametrize("blocks", [2, 3])
def test_members_that_are_missing_at_the_end_are_noticed(blocks, folder):
    content = tar(member("a", b"1"), member("b", b"2"))

    text = refused(gz(content[: blocks * 512]), folder)

    assert "at or after 'a': the mark of the end is missing" in text or "unexpected end of data" in text


def test_a_damaged_header_is_no_end(folder):
    content = bytearray(tar(member("a", b"1"), member("b", b"2")))
    content[1030] ^= 1

    assert "at or after 'a': the mark of the end is missing" in refused(gz(bytes(content)), folder)


def test_what_follows_the_end_is_noticed(folder):
    text = refused(gz(tar(member("a", b"1")) + tar(member("b", b"2"))), folder)

    assert "at or after 'a': something follows the end" in text


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_flipped_bit_is_noticed_or_without_effect(tmp_path_factory, data):
    whole = bytearray(gz(tar(member("a", b"one" * 50), member("b/c", b"two"))).getvalue())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    parent = tmp_path_factory.mktemp("flipped")

    try:
        found = unpack(io.BytesIO(bytes(whole)), parent / "folder", limit=MANY)
    except ArchiveError:
        assert os.listdir(parent) == []
    else:
        assert found == ["a", "b/c"]
        assert (parent / "folder/a").read_bytes() == b"one" * 50


@given(st.binary(max_size=3000))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_an_archive_or_refused(tmp_path_factory, content):
    parent = tmp_path_factory.mktemp("any")

    with pytest.raises(ArchiveError):
        unpack(gz(content), parent / "folder", limit=MANY)

    assert os.listdir(parent) == []


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(100), tar(member("a", b"1"))])
def test_what_is_no_gzip_is_refused(content, tmp_path, folder):
    (tmp_path / "model.tar.gz").write_bytes(content)

    text = refused(tmp_path / "model.tar.gz", folder)

    assert text.startswith("model.tar.gz is cut short, damaged or no tar.gz: ")


def test_an_archive_that_is_not_there_is_told(tmp_path, folder):
    with pytest.raises(ArchiveError) as raised:
        unpack(tmp_path / "model.tar.gz", folder, limit=1)

    assert str(raised.value) == (
        f"{tmp_path / 'model.tar.gz'} cannot be read: No such file or directory; make it readable"
    )


@pytest.mark.parametrize("kind", ["a folder", "a file", "a dead link"])
def test_what_is_there_already_stays_as_it_is(kind, folder):
    folder.parent.mkdir()
    {
        "a folder": folder.mkdir,
        "a file": folder.touch,
        "a dead link": lambda: folder.symlink_to("nowhere"),
    }[kind]()

    with pytest.raises(ArchiveError) as raised:
        unpack(gz(tar(member("a", b"1"))), folder, limit=MANY)

    assert str(raised.value) == f"{folder} is there already; unpack into a folder of its own"
    assert os.listdir(folder.parent) == ["model"]


def test_a_name_that_no_disk_takes_is_refused(folder):
    text = refused(gz(tar(member("n" * 300, b"1"))), folder)

    assert text == (
        f"'{'n' * 300}' in the archive cannot be written: File name too long; nothing of it was unpacked"
    )


def test_a_parent_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ArchiveError) as raised:
        unpack(gz(tar()), tmp_path / "file" / "folder", limit=1)

    assert str(raised.value) == (
        f"{tmp_path}/file/folder cannot be unpacked: File exists ({tmp_path}/file); "
        "make room there and make it writable"
    )


def test_a_disk_that_is_full_is_told_and_nothing_is_left(tmp_path, folder):
    """The limit on the size of files stands for the disk."""
    (tmp_path / "model.tar.gz").write_bytes(gz(tar(member("big", b"x" * 100_000))).getvalue())
    script = f"""
import resource, signal, sys
from pathlib import Path
from harness.backends.sagemaker.archive import unpack
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    unpack(Path("model.tar.gz"), Path({str(folder)!r}), limit=1_000_000)
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.stdout == (
        "ArchiveError 'big' in model.tar.gz cannot be written: File too large; nothing of it was unpacked\n"
    )
    assert os.listdir(folder.parent) == []


def test_a_killed_process_leaves_no_folder_by_that_name(tmp_path, folder):
    reader, writer = os.pipe()
    script = f"""
import os
from pathlib import Path
from harness.backends.sagemaker.archive import unpack
unpack(os.fdopen({reader}, "rb"), Path({str(folder)!r}), limit=1_000_000)
"""
    process = subprocess.Popen([sys.executable, "-c", script], pass_fds=[reader])
    os.close(reader)
    content = gzip.compress(tar(member("a", os.urandom(50_000)), member("b", os.urandom(400_000))))
    os.write(writer, content[:60_000])
    while not list(folder.parent.glob(".draft-*/content/a")):
        assert process.poll() is None
    process.kill()
    process.wait()
    os.close(writer)

    assert not folder.exists()
    assert unpack(io.BytesIO(content), folder, limit=1_000_000) == ["a", "b"]


def test_a_stored_archive_holds_more_than_one_block():
    made = pack({"a": b"x" * 200_000})

    assert struct.unpack("<BHH", made[10:15]) == (0, 65535, 0)
    assert gzip.decompress(made)[512:200_512] == b"x" * 200_000
