"""Zip archives are checked as a whole before a member is read. Hostile ones are honest ones with bytes changed."""

import io
import stat
import struct
import warnings
import zipfile
import zlib

import pytest

from diag.errors import DataError
from diag.io.zips import checked_members, opened_zip, read_member


def packed(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of duplicates
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def checked(content, limit=2**24):
    with opened_zip(io.BytesIO(content), "a.zip", DataError) as archive:
        infos = checked_members(archive, "a.zip", DataError)
        return {info.filename: read_member(archive, info, limit, error=DataError, name="a.zip") for info in infos}


def directory_entry(content):
    return content.rindex(b"PK\x01\x02")


def with_field(content, offset, form, value):
    """Change a field of the only member's directory entry."""
    out = bytearray(content)
    struct.pack_into(form, out, directory_entry(content) + offset, value)
    return bytes(out)


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


ONE = packed([("a.txt", b"hello" * 100)])
SPLIT = bytearray(ONE)
struct.pack_into("<H", SPLIT, len(ONE) - 18, 3)
OVERLAP = packed([("a", b"x" * 50), ("b", b"x" * 50)], zipfile.ZIP_STORED)
HOSTILE = {
    "duplicate": (packed([("a", b"1"), ("a", b"2")]), "'a' twice"),
    "duplicate in another spelling": (packed([("a/b", b"1"), ("a/./b", b"2")]), "'a/b' twice"),
    "above": (packed([("../a", b"1")]), "names inside"),
    "above by backslash": (packed([("a\\..\\..\\b", b"1")]), "names inside"),
    "absolute": (packed([("/etc/passwd", b"1")]), "names inside"),
    "drive": (packed([("c:/a", b"1")]), "names inside"),
    "nul in the name": (packed([("a_b", b"1")]).replace(b"a_b", b"a\0b"), "names inside"),
    "long name": (packed([("a" * 3000, b"1")]), "names inside"),
    "link": (packed([(link("a"), b"/etc/passwd")]), "a link or device"),
    "encrypted": (with_field(ONE, 8, "<H", 1), "encrypted"),
    "strongly encrypted": (with_field(ONE, 8, "<H", 0x40), "encrypted"),
    "bzip2": (packed([("a", b"1")], zipfile.ZIP_BZIP2), "method 12"),
    "lzma": (packed([("a", b"1")], zipfile.ZIP_LZMA), "method 14"),
    "another part": (with_field(ONE, 34, "<H", 2), "in one file"),
    "split": (bytes(SPLIT), "in one file"),
    "bomb": (with_field(ONE, 24, "<L", 2**31), "1,000 times"),
    "many small bombs": (packed([(str(i), bytes(2**20)) for i in range(9)] + [("big", bytes(2**23))]), "1,000 times"),
    "claims more": (with_field(ONE, 24, "<L", 600), "expected 'a.txt' of 600 bytes"),
    "claims less": (with_field(ONE, 24, "<L", 400), "cannot be unpacked"),
    "stored, claims more": (with_field(packed([("a", b"12")], 0), 24, "<L", 3), "claims 3 bytes and stores 2"),
    "overlap": (with_field(OVERLAP, 42, "<L", 0), "overlaps"),
    "into the directory": (with_field(with_field(packed([("a", b"12")], 0), 20, "<L", 90), 24, "<L", 90), "overlaps"),
    "crc": (with_field(ONE, 16, "<L", 7), "cannot be unpacked"),
    "another name in the local header": (ONE.replace(b"a.txt", b"b.txt", 1), "cannot be unpacked"),
    "cut off": (ONE[:-5], "cannot be read"),
    "empty": (b"", "cannot be read"),
    "random": (bytes(range(256)) * 9, "cannot be read"),
    "directory before the file": (ONE[:-10] + struct.pack("<LLH", 2**31, 0, 0), "cannot be read"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_line(case):
    content, said = HOSTILE[case]
    with pytest.raises(DataError) as caught:
        checked(content)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("a.zip: ")


def test_an_honest_archive_is_read():
    members = [("a.txt", b"hello" * 100), ("b/c.bin", bytes(2**19)), ("b/", b""), ("\u00e9\u4e2d.txt", b"")]
    found = checked(packed(members))
    assert found == {name: content for name, content in members if not name.endswith("/")}
    assert checked(b"something before it" + packed(members)) == found


def test_a_large_archive_of_the_64_bit_kind_is_read():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("a", "w", force_zip64=True) as file:
        file.write(b"hello")
    assert checked(buffer.getvalue()) == {"a": b"hello"}


def test_a_member_is_cut_at_the_limit():
    with pytest.raises(DataError, match=r"of at most 100 bytes. Received: 500. Unpack it"):
        checked(ONE, limit=100)


def test_members_are_counted_before_an_object_is_made_of_each(monkeypatch):
    crowd = packed([(str(number), b"") for number in range(30)])
    monkeypatch.setenv("DIAG_LIMITS", "members=20")
    made = []
    monkeypatch.setattr(zipfile.ZipFile, "__init__", lambda *_, **__: made.append(1))
    with pytest.raises(DataError, match=r"at most 20 members. Received: 30 or more. .*DIAG_LIMITS=members=300"):
        checked(crowd)
    assert not made


def test_a_raised_ratio_lets_a_tight_archive_pass(monkeypatch):
    tight = packed([("zeros", bytes(2**23))])
    with pytest.raises(DataError, match="DIAG_LIMITS=ratio="):
        checked(tight)
    monkeypatch.setenv("DIAG_LIMITS", "ratio=2000")
    assert zlib.crc32(checked(tight)["zeros"]) == zlib.crc32(bytes(2**23))
