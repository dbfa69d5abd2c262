"""A folder of class folders with images, decoded batch by batch."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.pictures import ENDINGS, Files, Pictures, pictures
from diag.io.readers import csv
from diag.io.readers.keys import key
from diag.io.readers.siblings import data_files
from diag.io.readers.sidecar import metadata_beside
from diag.io.readers.tree import arranged
from diag.io.sources import Parts, Request, files_digest
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """What a folder holds, and what of it is passed over."""

    folders: list[str]
    images: list[str]
    passed: Counter[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Disk:
    """A folder as a `Tree`. Hidden files, and those whose names begin with two underscores, are left out.

    So are links to what lies outside of the folder, pipes, sockets and devices.
    """

    root: Path
    known: dict[str, _Entries] = field(default_factory=dict)
    kept: list[int] = field(default_factory=lambda: [0])
    """How many files and folders are known."""

    def folders(self, at: str) -> list[str]:
        return [_joined(at, name) for name in self._entries(at).folders]

    def images(self, at: str) -> list[str]:
        return [_joined(at, name) for name in self._entries(at).images]

    def passed_over(self) -> tuple[str, ...]:
        """Return a note on what looked like an image, or like a folder, and was not followed."""
        total = sum((entries.passed for entries in self.known.values()), Counter[str]())
        said = [f"{count:,} {kind}" for kind, count in sorted(total.items())]
        return (f"Passed over: {', '.join(said)}.",) if said else ()

    def _entries(self, at: str) -> _Entries:
        if at not in self.known:
            self.known[at] = self._looked_at(at)
        return self.known[at]

    def _looked_at(self, at: str) -> _Entries:
        most = Limits.current().files
        left = most - self.kept[0]
        found = _Entries([], [], Counter())
        with os.scandir(self.root / at) as entries:
            for count, entry in enumerate(entries):
                if count >= left:
                    raise DataError(
                        f"{printable(str(self.root), 120)}: expected at most {most:,} files and folders. Received: "
                        f"more. {raise_hint('files', 10 * most)}"
                    )
                self._sort_in(entry, found)
        found.folders.sort()
        found.images.sort()
        self.kept[0] += len(found.images) + len(found.folders)
        return found

    def _sort_in(self, entry: os.DirEntry[str], found: _Entries) -> None:
        like_image = Path(entry.name).suffix.lower() in ENDINGS
        if entry.name.startswith((".", "__")):
            found.passed["hidden files"] += like_image
        elif entry.is_symlink() and not self._stays(entry.path):
            found.passed["links out of the folder, or to nothing"] += 1
        elif entry.is_dir():
            found.folders.append(entry.name)
        elif entry.is_file():
            if like_image:
                found.images.append(entry.name)
        else:
            found.passed["pipes, sockets or devices"] += 1

    def _stays(self, path: str) -> bool:
        """Return whether a link leads to something in this folder."""
        try:
            place = Path(path).resolve(strict=True)
        except (OSError, RuntimeError):  # to nothing, or in a circle
            return False
        return place.is_relative_to(self.root.resolve())


def matches(source: Any) -> bool:
    """Return whether `source` is a folder."""
    return isinstance(source, str) and Path(source).is_dir()


def read(source: Any, request: Request) -> Parts:
    """Find the image files and their classes; read the headers of the first 5,000 to learn sizes and channels."""
    try:
        return _read(Path(source), request)
    except OSError as error:  # a folder or file that may not be read
        raise DataError(
            f"{printable(str(source))}: cannot be read. {printable(str(error))}. Check its permissions."
        ) from error


def _read(root: Path, request: Request) -> Parts:
    disk = _Disk(root)
    try:
        found = arranged(disk, request.split, str(root))
    except DataError as error:
        listed, _ = _listed(root, request)
        if listed is None:
            raise DataError(" ".join([str(error), *disk.passed_over()])) from error
        return listed
    listed, problem = _listed(root, request) if found.labels is None else (None, ())
    if listed is not None:
        return listed
    base, paths = root / found.base, tuple(root / name for name in found.files)
    images, sizes, notes, done = pictures(Files(paths), request)
    metadata, told, text = metadata_beside(root, base, paths)
    return Parts(
        name=root.resolve().name,
        images=images,
        labels=found.labels,
        content=files_digest(base, paths) + done + text,
        class_names=found.class_names,
        notes=(*found.notes, *disk.passed_over(), *notes, *problem, *told),
        metadata=metadata,
        sample_names=tuple(printable(str(path.relative_to(base))) for path in paths),
        sizes=sizes,
    )


def _listed(root: Path, request: Request) -> tuple[Parts | None, tuple[str, ...]]:
    """Return what the only table of a split in a folder says of its images, or why that was not used."""
    tables = [(path, key(path.name).split) for path in data_files(root, csv.ENDINGS)]
    own = [path for path, split in tables if split == request.split] or [path for path, split in tables if not split]
    if len(own) != 1:
        return None, ()
    try:
        parts = csv.read(str(own[0]), replace(request, confined=True))
    except DataError as error:
        return None, (f"{printable(own[0].name)} was not used: {error}",)
    if not isinstance(parts.images, Pictures) or parts.labels is None:
        return None, ()
    return replace(parts, name=root.resolve().name), ()


def _joined(at: str, name: str) -> str:
    return f"{at}/{name}" if at else name
