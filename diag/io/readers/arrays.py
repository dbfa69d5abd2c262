"""Arrays from Python and ``.npz`` files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from diag.errors import DataError
from diag.io.sources import Parts, Request, file_digest
from diag.io.store import array_digest

_IMAGES = ("x", "X", "images", "data", "image")
_LABELS = ("y", "Y", "labels", "target", "label", "targets")


def matches(source: Any) -> bool:
    """Return whether `source` is an array, a pair of arrays, or an existing ``.npz``."""
    if isinstance(source, str):
        return source.endswith(".npz") and Path(source).is_file()
    return isinstance(source, np.ndarray) or (isinstance(source, tuple | list) and len(source) == 2)


def read(source: Any, request: Request) -> Parts:
    """Read it; stored members of an ``.npz`` are memory-mapped."""
    if isinstance(source, str):
        return _read_npz(Path(source), request)
    if request.split == "train":
        raise DataError("arrays: there is no training split. Pass the background images yourself.")
    images, labels = (source, None) if isinstance(source, np.ndarray) else source
    images = images if isinstance(images, np.ndarray) else np.asarray(images)
    content = array_digest(images) + ("" if labels is None else array_digest(_plain(labels)))
    return Parts(name="arrays", images=images, labels=labels, content=content)


def _plain(labels: Any) -> Any:
    values = np.asarray(labels)
    return values.astype(str) if values.dtype.kind == "O" else values


def _read_npz(path: Path, request: Request) -> Parts:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [Path(name).stem for name in archive.namelist() if name.endswith(".npy")]
        image_key, label_key = _keys(names, request.split, path)
        images = _member(path, image_key)
        labels = None if label_key is None else np.asarray(_member(path, label_key))
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path.name}: expected a .npz file as np.savez writes it. {error}") from error
    found = f"{image_key} {images.shape} {images.dtype}" + (f", {label_key}" if label_key else ", no labels")
    return Parts(path.stem, images, labels, f"{file_digest(path)}|{image_key}", notes=(f"{path.name}: {found}.",))


def _keys(names: list[str], split: str, path: Path) -> tuple[str, str | None]:
    """Return the names of the arrays for a split."""
    for image in _IMAGES:
        for image_key in (f"{image}_{split}", f"{split}_{image}"):
            if image_key in names:
                labels = [image_key.replace(image, label) for label in _LABELS]
                return image_key, next((key for key in labels if key in names), None)
    if split != "train":
        for image in _IMAGES:
            if image in names:
                return image, next((key for key in _LABELS if key in names), None)
    raise DataError(
        f"{path.name}: expected arrays x_{split} and y_{split}, or x and y (also images/labels, data/target). "
        f"Received: {', '.join(names) or 'none'}."
    )


def _member(path: Path, key: str) -> Any:
    """Return one array of the archive: mapped where it is stored as it is, else read. Pickled objects are refused."""
    member = f"{key}.npy"
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        if info.compress_type == zipfile.ZIP_STORED:
            with archive.open(info) as file:
                version = np.lib.format.read_magic(file)
                reader = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, fortran, dtype = reader(file)
                header = file.tell()
            if not dtype.hasobject and 0 not in shape:
                offset = _data_start(path, info) + header
                order = "F" if fortran else "C"
                return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)  # type: ignore[call-overload]
    try:
        with np.load(path, allow_pickle=False) as file:
            return file[key]
    except ValueError as error:
        raise DataError(
            f"{path.name}: array {key!r} holds pickled Python objects, never loaded here. Save plain numbers or texts."
        ) from error


def _data_start(path: Path, info: zipfile.ZipInfo) -> int:
    """Return where a stored member's bytes begin: behind its local header of 30 bytes, name and extra field."""
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return info.header_offset + 30 + name + extra
