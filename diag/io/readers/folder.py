"""A folder of class folders with images, decoded batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.pictures import ENDINGS, Files, Pictures, pictures
from diag.io.readers import csv
from diag.io.readers.keys import key
from diag.io.readers.siblings import data_files
from diag.io.readers.sidecar import metadata_beside
from diag.io.readers.tree import arranged
from diag.io.sources import Parts, Request, files_digest, printable


@dataclass(frozen=True, slots=True, eq=False)
class _Disk:
    """A folder as a `Tree`. Hidden files, and those whose names begin with two underscores, are left out."""

    root: Path

    def folders(self, at: str) -> list[str]:
        return [_joined(at, path.name) for path in self._entries(at) if path.is_dir()]

    def images(self, at: str) -> list[str]:
        entries = self._entries(at)
        return [_joined(at, path.name) for path in entries if path.suffix.lower() in ENDINGS and path.is_file()]

    def _entries(self, at: str) -> list[Path]:
        return sorted(path for path in (self.root / at).iterdir() if not path.name.startswith((".", "__")))


def matches(source: Any) -> bool:
    """Return whether `source` is a folder."""
    return isinstance(source, str) and Path(source).is_dir()


def read(source: Any, request: Request) -> Parts:
    """Find the image files and their classes; read the headers of the first 5,000 to learn sizes and channels."""
    try:
        return _read(Path(source), request)
    except OSError as error:  # a folder or file that may not be read
        raise DataError(f"{printable(str(source))}: cannot be read. {printable(str(error))}") from error


def _read(root: Path, request: Request) -> Parts:
    try:
        found = arranged(_Disk(root), request.split, str(root))
    except DataError:
        listed, _ = _listed(root, request)
        if listed is None:
            raise
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
        notes=(*found.notes, *notes, *problem, *told),
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
        parts = csv.read(str(own[0]), request)
    except DataError as error:
        return None, (f"{printable(own[0].name)} was not used: {error}",)
    if not isinstance(parts.images, Pictures) or parts.labels is None:
        return None, ()
    return replace(parts, name=root.resolve().name), ()


def _joined(at: str, name: str) -> str:
    return f"{at}/{name}" if at else name
