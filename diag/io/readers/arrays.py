"""Arrays from Python and ``.npz`` files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from diag.errors import DataError
from diag.io import zips
from diag.io.npy_header import Header, npy_header, values
from diag.io.opening import open_regular
from diag.io.sources import Parts, Request, file_digest
from diag.io.store import array_digest
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

_IMAGES = ("x", "X", "images", "data", "image")
_LABELS = ("y", "Y", "labels", "target", "label", "targets")


def matches(source: Any) -> bool:
    """Return whether `source` is an array, a pair of arrays, or an existing ``.npz``."""
    if isinstance(source, str):
        return source.lower().endswith(".npz") and Path(source).is_file()
    return isinstance(source, np.ndarray) or (isinstance(source, tuple | list) and len(source) == 2)


def read(source: Any, request: Request) -> Parts:
    """Read it; stored members of an ``.npz`` are memory-mapped."""
    if isinstance(source, str):
        return _read_npz(Path(source), request)
    if request.split not in ("test", "all"):
        raise DataError(f"arrays: there is no {request.split} split, only what was passed. Pass those images instead.")
    images, labels = (source, None) if isinstance(source, np.ndarray) else source
    images, labels = _array(images, "images"), None if labels is None else _array(labels, "labels")
    content = array_digest(images) + ("" if labels is None else array_digest(_plain(labels)))
    return Parts(name="arrays", images=images, labels=labels, content=content, parted=False)


def _array(values: Any, what: str) -> Any:
    try:
        return values if isinstance(values, np.ndarray) else np.asarray(values)
    except ValueError as error:
        raise DataError(f"arrays: expected {what} of one shape. {printable(str(error))[:120]}") from error


def _plain(labels: Any) -> Any:
    return labels.astype(str) if labels.dtype.kind == "O" else labels


def _read_npz(path: Path, request: Request) -> Parts:
    names, inputs = _names(path), {}
    if request.split == "all" and (keys := _all_keys(names, path)):
        (train_x, train_y), (test_x, test_y) = keys
        images = _joined(path, train_x, test_x)
        labels = None if train_y is None or test_y is None else _joined(path, train_y, test_y)
        image_key, label_key = f"{train_x}+{test_x}", None if labels is None else f"{train_y}+{test_y}"
    else:
        image_key, label_key = _several(path, names) or _keys(names, request.split, path)
        label_key = _wished(request.label_column, names, path) or label_key
        images = member(path, image_key)
        if images.ndim == 0:
            raise DataError(
                f"{_where(path, image_key)}: expected images (n, h, w) or (n, h, w, c). Received: a single value. "
                "Save an array of images."
            )
        labels = None if label_key is None else np.asarray(member(path, label_key))
        inputs = _beside(path, names, (image_key, label_key), len(images))
    found = f"{image_key} {images.shape} {images.dtype}" + (f", {label_key}" if label_key else ", no labels")
    if inputs:
        found += f"; beside them {', '.join(f'{name} {values.shape}' for name, values in inputs.items())}"
    notes = (f"{path.name}: {found}.",)
    return Parts(path.stem, images, labels, f"{file_digest(path)}|{image_key}", notes=notes, inputs=inputs or None)


def _wished(label: str | int | None, names: list[str], path: Path) -> str | None:
    if label is not None and label not in names:
        listed = printable(", ".join(names), 160)
        raise DataError(
            f"{printable(path.name, 80)}: expected the name of the array with the labels, of {listed}. "
            f"Received: {printable(str(label), 80)!r}. Pass another --label-column (label_column=), or none."
        )
    return None if label is None else str(label)


def _several(path: Path, names: list[str]) -> tuple[str, str | None] | None:
    """Return images and labels of a file whose arrays are named after a model's inputs: the only one like images."""
    if any(_find(names, split) for split in ("train", "test")) or any(name in names for name in _IMAGES):
        return None
    alike = [name for name in names if len(_header(path, name).shape) in (3, 4)]
    return (alike[0], next((key for key in _LABELS if key in names), None)) if len(alike) == 1 else None


def _beside(path: Path, names: list[str], taken: tuple[str | None, ...], count: int) -> dict[str, Any]:
    """Return the other arrays of numbers that have a row for every image: further inputs of a model."""
    known = {*taken, *_IMAGES, *_LABELS}
    others = [name for name in names if name not in known and not name.endswith(("_train", "_test"))]
    heads = {name: _header(path, name) for name in others if not name.startswith(("train_", "test_"))}
    fitting = (name for name, head in heads.items() if head.shape[:1] == (count,) and head.dtype.kind in "biuf")
    return {name: member(path, name) for name in fitting}


def _names(path: Path) -> list[str]:
    with _archive(path) as (_, _, infos):
        return [name.removesuffix(".npy") for name in infos]


def _find(names: list[str], split: str) -> tuple[str, str | None] | None:
    """Return the names of the images and the labels of a split, such as ``x_test`` and ``y_test``."""
    for image in _IMAGES:
        for image_key in (f"{image}_{split}", f"{split}_{image}"):
            if image_key in names:
                labels = [image_key.replace(image, label) for label in _LABELS]
                return image_key, next((key for key in labels if key in names), None)
    return None


def _all_keys(names: list[str], path: Path) -> list[tuple[str, str | None]] | None:
    found = [keys for split in ("train", "test") if (keys := _find(names, split))]
    if len({key is None for _, key in found}) > 1:
        raise DataError(f"{path.name}: expected labels for both parts or for none. Received: {', '.join(names)}.")
    return found if len(found) == 2 else None


def _keys(names: list[str], split: str, path: Path) -> tuple[str, str | None]:
    """Return the names of the arrays for a split; ``x`` and ``y`` without a split are the test part, and all."""
    if found := _find(names, split):
        return found
    if split in ("test", "all"):
        for image in _IMAGES:
            if image in names:
                return image, next((key for key in _LABELS if key in names), None)
    raise DataError(
        f"{path.name}: expected arrays x_{split} and y_{split}, or x and y for test (also images/labels, data/target). "
        f"Received: {printable(', '.join(names))[:200] or 'none'}. Save them under such names, or correct --split."
    )


def _joined(path: Path, *keys: str) -> Any:
    parts = [np.asarray(member(path, key)) for key in keys]
    try:
        return np.concatenate(parts)
    except ValueError as error:
        shapes = " and ".join(str(part.shape) for part in parts)
        raise DataError(f"{path.name}: expected parts that fit together. Received: {shapes}. Pass --split.") from error


def member(path: Path, key: str) -> Any:
    """Return one array of an ``.npz``: memory-mapped where it is stored as it is, else read.

    Raises
    ------
    DataError
        If it is damaged, claims more values than it holds or than is allowed, or holds pickled Python objects.
    """
    try:
        with _member(path, key) as (file, inside, info, header):
            if info.compress_type != zipfile.ZIP_STORED or header.nbytes == 0:
                return _unpacked(path, key, inside, header)
            offset = _data_start(file, info) + header.length
            order = "F" if header.fortran else "C"
            return np.memmap(file, header.dtype, "r", offset, header.shape, order)  # type: ignore[call-overload]
    except (*zips.DAMAGE, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise _broken(path, error) from error


def _unpacked(path: Path, key: str, inside: IO[bytes], header: Header) -> Any:
    most = Limits.current().memory_bytes
    if header.nbytes > most:
        raise DataError(
            f"{_where(path, key)}: expected an array of at most {most:,} bytes, as it is packed. Received: "
            f"{header.nbytes:,}. Save it with np.savez. {raise_hint('memory_bytes', 3 * header.nbytes)}"
        )
    array = values(inside, header)
    if inside.read(1):  # reads on to the end, where the checksum is looked at
        raise ValueError("more values than claimed")
    return array


def _header(path: Path, key: str) -> Header:
    """Return what an array is by its header; its values are not unpacked."""
    try:
        with _member(path, key) as (_, _, _, header):
            return header
    except (*zips.DAMAGE, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise _broken(path, error) from error


@contextmanager
def _member(path: Path, key: str) -> Iterator[tuple[BinaryIO, IO[bytes], zipfile.ZipInfo, Header]]:
    with _archive(path) as (file, archive, infos):
        info = infos[f"{key}.npy"]
        with archive.open(info) as inside:
            yield file, inside, info, npy_header(inside, info.file_size, _where(path, key))


@contextmanager
def _archive(path: Path) -> Iterator[tuple[BinaryIO, zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Open an archive whose directory was checked; yield its arrays by name."""
    name = printable(path.name, 80)
    with open_regular(path, "data file", DataError) as file:
        try:
            with zips.opened_zip(file, name, DataError) as archive:
                infos = zips.checked_members(archive, name, DataError)
                _refuse_others({info.filename for info in infos}, name)
                yield file, archive, {info.filename: info for info in infos if info.filename.endswith(".npy")}
        except zipfile.BadZipFile as error:
            raise _broken(path, error) from error


def _refuse_others(names: set[str], name: str) -> None:
    """Raise if an archive is a saved model, or holds no array."""
    if names & {"schema.json", "config.json"}:
        raise DataError(f"{name}: expected arrays. Received: a saved model. Pass it as MODEL, and data as --data.")
    if not any(member.endswith(".npy") for member in names):
        listed = printable(", ".join(sorted(names)[:4]), 120) or "nothing"
        raise DataError(
            f"{name}: expected arrays as np.savez writes them. Received: an archive with {listed}. "
            "Save the images as x and the labels as y."
        )


def _where(path: Path, key: str) -> str:
    return f"{printable(path.name, 80)}: array {printable(key, 60)!r}"


def _data_start(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where a stored member's bytes begin: behind its local header of 30 bytes, name and extra field."""
    file.seek(info.header_offset + 26)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return info.header_offset + 30 + name + extra


def _broken(path: Path, error: Exception) -> DataError:
    reason = printable(str(error))[:160] or type(error).__name__
    return DataError(
        f"{printable(path.name, 80)}: expected a .npz file as np.savez writes it. Received: {reason}. Copy it again."
    )
