"""Zip archives from strangers: their directory is checked as a whole before a member is read, and members are cut.

References
----------
PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 6.3.10, sections 4.3.7 (local header), 4.3.12 (central
directory), 4.3.14 to 4.3.16 (its end). D. Fifield, "A better zip bomb", WOOT 2019: members that overlap.
"""

from __future__ import annotations

import contextlib
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from diag.errors import DiagError
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from collections.abc import Iterator

# What `zipfile` raises for damaged archives.
DAMAGE = (
    zipfile.BadZipFile, OSError, EOFError, KeyError, ValueError, RuntimeError, NotImplementedError, struct.error,
    zlib.error, OverflowError,
)  # fmt: skip
SMALL = 2**20
"""Bytes up to which a member may be as tightly packed as it likes."""
_LONGEST_NAME = 1024
_END, _END_64, _PLACE_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_SIZE, _END_64_SIZE, _PLACE_64_SIZE = 22, 56, 20
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # bits of the flags: encrypted, strongly, and with the directory hidden
_CHUNK = 2**20


@contextlib.contextmanager
def opened_zip(file: BinaryIO, name: str, error: type[DiagError], limit: str = "members") -> Iterator[zipfile.ZipFile]:
    """Open an archive whose directory has as many entries as is allowed; damage is raised as `error`.

    Parameters
    ----------
    file : BinaryIO
        As `open_regular` returns it.
    name : str
        How messages call it.
    error : type of DiagError
    limit : str
        Which of `Limits` bounds the number of members.

    Raises
    ------
    DiagError
        Of the class `error`: if it is no archive, is one of several parts, or has too many members.
    """
    try:
        _refuse_crowds(file, name, error, limit)
        archive = zipfile.ZipFile(file)
    except DAMAGE as found:
        if isinstance(found, DiagError):
            raise
        raise damaged(name, found, error) from found
    with archive:
        yield archive


def damaged(name: str, found: BaseException, error: type[DiagError]) -> DiagError:
    """Return the error for an archive that cannot be read."""
    return error(
        f"{name}: expected a zip archive. Received: one that cannot be read ({printable(str(found), 100)}). "
        "Copy or download it again."
    )


def checked_members(
    archive: zipfile.ZipFile, name: str, error: type[DiagError], limit: str = "members"
) -> list[zipfile.ZipInfo]:
    """Return the members of an archive, folders left out, after its whole directory was checked.

    Parameters
    ----------
    archive : zipfile.ZipFile
    name : str
        How messages call it.
    error : type of DiagError
    limit : str
        Which of `Limits` bounds their number.

    Raises
    ------
    DiagError
        Of the class `error`: if a member is twice there, lies outside the archive's folder, is a link, encrypted or
        packed in another way than by deflate; if members overlap; if sizes lie, or one or all claim more than 1,000
        times what is stored; if there are too many.
    """
    limits = Limits.current()
    infos = archive.infolist()
    if len(infos) > getattr(limits, limit):
        raise _crowd(name, len(infos), limit, error)
    seen: set[str] = set()
    for info in infos:
        path = _path_inside(info, name, error)
        if path in seen:
            raise error(f"{name}: expected each member once. Received: {shown(path)} twice: refused. Pack it anew.")
        seen.add(path)
        _refuse_kind(info, name, error)
        _refuse_ratio(shown(path), info.file_size, info.compress_size, name, error, limits)
    total = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    _refuse_ratio("all together", *total, name, error, limits)
    _refuse_overlap(infos, archive.start_dir, name, error)
    return [info for info in infos if not info.is_dir()]


def read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, *, error: type[DiagError], name: str, hint: str = ""
) -> bytes:
    """Return the bytes of a member: never more than `limit`, whatever the directory says.

    Parameters
    ----------
    archive : zipfile.ZipFile
    info : zipfile.ZipInfo
        Of `checked_members`.
    limit : int
        In bytes, unpacked.
    error : type of DiagError
    name : str
        How messages call the archive.
    hint : str, optional
        What to do when it is larger, such as `raise_hint("config_bytes", info.file_size)`.

    Raises
    ------
    DiagError
        Of the class `error`: if it is larger, or not as large as the directory says, or damaged.
    """
    member = shown(info.filename)
    if info.file_size > limit:
        advice = hint or "Unpack it, and pass what it holds."
        raise error(f"{name}: expected {member} of at most {limit:,} bytes. Received: {info.file_size:,}. {advice}")
    pieces, size = [], 0
    try:
        with archive.open(info) as file:
            while piece := file.read(min(_CHUNK, limit + 1 - size)):
                pieces.append(piece)
                size += len(piece)
    except DAMAGE as found:
        raise error(
            f"{name}: {member} cannot be unpacked ({printable(str(found), 100)}). Copy or download the archive again."
        ) from found
    if size != info.file_size:
        raise error(f"{name}: expected {member} of {info.file_size:,} bytes, as the archive says. Received: {size:,}.")
    return b"".join(pieces)


def shown(text: str) -> str:
    """Return a name out of an archive in quotes, fit for one line of a message.

    Examples
    --------
    >>> shown("a" + chr(10) + "b")
    "'a b'"
    """
    return repr(printable(text, 80))


def _refuse_crowds(file: BinaryIO, name: str, error: type[DiagError], limit: str) -> None:
    """Count the entries of the directory before an object is made of each."""
    most = getattr(Limits.current(), limit)
    start, size = _directory(file, name, error)
    file.seek(start)
    count, rest, tail = 0, size, b""
    while rest > 0 and (piece := file.read(min(rest, _CHUNK))):
        count += (tail + piece).count(b"PK\x01\x02")
        rest, tail = rest - len(piece), piece[-3:]
        if count > most:
            raise _crowd(name, count, limit, error)
    file.seek(0)


def _crowd(name: str, count: int, limit: str, error: type[DiagError]) -> DiagError:
    return error(
        f"{name}: expected at most {getattr(Limits.current(), limit):,} members. Received: {count:,} or more. "
        f"{raise_hint(limit, 10 * count)}"
    )


def _directory(file: BinaryIO, name: str, error: type[DiagError]) -> tuple[int, int]:
    """Return where the archive's directory starts, and its length in bytes."""
    length = file.seek(0, 2)
    at = max(0, length - _END_SIZE - 2**16)
    file.seek(at)
    tail = file.read(_END_SIZE + 2**16)
    found = tail.rfind(_END, 0, len(tail) - _END_SIZE + len(_END))
    if found < 0:
        raise zipfile.BadZipFile("its directory is missing: the file was cut off, or is no archive")
    disk, first, _, _, size, start, _ = struct.unpack_from("<4H2LH", tail, found + 4)
    end = at + found
    file.seek(max(0, end - _PLACE_64_SIZE - _END_64_SIZE))
    record = file.read(_END_64_SIZE + _PLACE_64_SIZE)
    if record[_END_64_SIZE:].startswith(_PLACE_64) and record.startswith(_END_64):
        end -= _PLACE_64_SIZE + _END_64_SIZE
        disk, first, _, _, size, start = struct.unpack_from("<2L4Q", record, 16)
    elif 0xFFFFFFFF in (size, start):
        raise zipfile.BadZipFile("the end of its directory is damaged")
    if disk or first:
        raise error(f"{name}: expected an archive in one file. Received: a part of several. Join them first.")
    if size > end:
        raise zipfile.BadZipFile("its directory is damaged")
    return end - size, size  # as `zipfile` finds it, also behind something else


def _path_inside(info: zipfile.ZipInfo, name: str, error: type[DiagError]) -> str:
    """Return a member's path without empty parts."""
    text = info.orig_filename
    parts = text.replace("\\", "/").split("/")
    drive = len(parts[0]) == 2 and parts[0].endswith(":")
    if not text or "\0" in text or len(text) > _LONGEST_NAME or text.startswith(("/", "\\")) or drive or ".." in parts:
        raise error(
            f"{name}: expected members with names inside the archive. Received: {shown(text)}: refused. Pack it anew."
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _refuse_kind(info: zipfile.ZipInfo, name: str, error: type[DiagError]) -> None:
    member = shown(info.filename)
    if info.flag_bits & _ENCRYPTED:
        raise error(f"{name}: {member} is encrypted: refused. Unpack the archive, and pack it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise error(
            f"{name}: expected members stored or deflated. Received: {member}, packed by method "
            f"{info.compress_type}: refused. Pack it anew."
        )
    if info.volume:
        raise error(f"{name}: expected an archive in one file. Received: {member} in another part. Join them first.")
    if info.create_system == 3 and (mode := info.external_attr >> 16) and stat.S_IFMT(mode) not in (
        0, stat.S_IFREG, stat.S_IFDIR,
    ):  # fmt: skip
        raise error(f"{name}: expected files. Received: {member}, a link or device: refused. Pack it anew.")
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise error(
            f"{name}: {member} claims {info.file_size:,} bytes and stores {info.compress_size:,}: refused. "
            "Copy or download the archive again."
        )


def _refuse_ratio(
    member: str, size: int, stored: int, name: str, error: type[DiagError], limits: Limits
) -> None:  # fmt: skip
    if size > SMALL and size > limits.ratio * max(stored, 1):
        raise error(
            f"{name}: expected at most {limits.ratio:,} times what is stored. Received: {member}, {size:,} bytes out "
            f"of {stored:,}: refused. {raise_hint('ratio', -(-size // max(stored, 1)))}"
        )


def _refuse_overlap(infos: list[zipfile.ZipInfo], directory: int, name: str, error: type[DiagError]) -> None:
    if not infos:
        return
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in ordered[1:]] + [directory]
    for info, end in zip(ordered, ends, strict=True):
        name_size = len(info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"))
        if info.header_offset < 0 or info.header_offset + _LOCAL_HEADER + name_size + info.compress_size > end:
            raise error(
                f"{name}: {shown(info.filename)} overlaps what follows it: refused. "
                "Copy or download the archive again, or pack it anew."
            )
