"""A zip of class folders, read without unpacking it."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.opening import open_regular
from diag.io.pictures import ENDINGS, pictures
from diag.io.readers.siblings import part_files
from diag.io.readers.tree import arranged
from diag.io.sources import Parts, Request, file_digest
from diag.io.zips import checked_members, opened_zip
from diag.printable import printable

_MAX_BYTES = 2**28  # of one image
_LOCAL_HEADER = 30  # bytes, before the name and the extra field


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    offset: int
    packed: int
    size: int
    deflated: bool
    crc: int


@dataclass(frozen=True, slots=True, eq=False)
class _ZipBlobs:
    """Members of an archive; the file is opened for each batch, so that nothing is shared between processes."""

    path: Path
    members: tuple[_Member, ...]

    def __len__(self) -> int:
        return len(self.members)

    def name(self, row: int) -> str:
        return f"{printable(self.path.name, 80)}: {printable(self.members[row].name, 80)}"

    def read(self, rows: NDArray[np.int64]) -> Iterator[bytes]:
        with open_regular(self.path, "data file", DataError) as file:
            for row in rows:
                yield _content(file, self.members[row], self.path)


def _content(file: Any, member: _Member, path: Path) -> bytes:
    """Return the bytes of a member: never more than the archive's directory says."""
    try:
        file.seek(member.offset)
        header = file.read(_LOCAL_HEADER)
        name, extra = struct.unpack_from("<HH", header, 26)
        file.seek(member.offset + _LOCAL_HEADER + name + extra)
        packed = file.read(member.packed)
        content = zlib.decompressobj(-15).decompress(packed, member.size + 1) if member.deflated else packed
    except (OSError, struct.error, zlib.error, ValueError) as error:
        raise DataError(
            f"{path.name}: {printable(member.name)} cannot be unpacked. {printable(str(error))}. Copy it again."
        ) from error
    if header[:4] != b"PK\x03\x04" or len(content) != member.size or zlib.crc32(content) != member.crc:
        raise DataError(f"{path.name}: {printable(member.name)} is damaged. Copy or download the archive again.")
    return content


@dataclass(frozen=True, slots=True, eq=False)
class _ZipTree:
    """An archive as a `Tree`."""

    inside: dict[str, list[str]]
    files: dict[str, list[str]]

    def folders(self, at: str) -> list[str]:
        return self.inside.get(at, [])

    def images(self, at: str) -> list[str]:
        return self.files.get(at, [])


def matches(source: Any) -> bool:
    """Return whether `source` is an existing ``.zip``."""
    return isinstance(source, str) and source.lower().endswith(".zip") and Path(source).is_file()


def read(source: Any, request: Request) -> Parts:
    """Find the images and their classes as in a folder; images are unpacked and decoded when they are asked for."""
    path = Path(source)
    members = _members(path)
    try:
        found = arranged(_tree(members), request.split, path.name)
    except DataError:
        if request.split in ("test", "all"):
            raise
        path = part_files(path, request.split, (".zip",))[0]  # a refusal of its own if there is none
        members = _members(path)
        found = arranged(_tree(members), "all", path.name)
    chosen = tuple(members[name] for name in found.files)
    images, sizes, notes, done = pictures(_ZipBlobs(path, chosen), request)
    start = len(found.base) + 1 if found.base else 0
    return Parts(
        name=printable(path.stem),
        images=images,
        labels=found.labels,
        content=f"{file_digest(path)}|{found.base}{done}",
        class_names=found.class_names,
        notes=(*found.notes, *notes),
        sample_names=tuple(printable(name[start:]) for name in found.files),
        sizes=sizes,
    )


def _members(path: Path) -> dict[str, _Member]:
    """Return the image files by name. Only the archive's directory is read, and checked as a whole."""
    name = printable(path.name, 80)
    with open_regular(path, "data file", DataError) as file, opened_zip(file, name, DataError, "files") as archive:
        infos = checked_members(archive, name, DataError, "files")
    kept = {}
    for info in infos:
        parts = [part for part in info.filename.replace("\\", "/").split("/") if part not in ("", ".")]
        hidden = any(part.startswith((".", "__")) for part in parts)  # also __MACOSX and ..
        if hidden or not info.filename.lower().endswith(ENDINGS):
            continue
        if info.file_size > _MAX_BYTES:
            raise DataError(
                f"{name}: expected images. Received: {printable(info.filename, 80)} of {info.file_size:,} bytes. "
                "Take it out."
            )
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        member = _Member(info.filename, info.header_offset, info.compress_size, info.file_size, deflated, info.CRC)
        kept["/".join(parts)] = member
    return kept


def _tree(members: dict[str, _Member]) -> _ZipTree:
    inside: defaultdict[str, set[str]] = defaultdict(set)
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(members):
        folder = name.rpartition("/")[0]
        files[folder].append(name)
        while folder:
            above = folder.rpartition("/")[0]
            if folder in inside[above]:
                break
            inside[above].add(folder)
            folder = above
    return _ZipTree({at: sorted(names) for at, names in inside.items()}, dict(files))
