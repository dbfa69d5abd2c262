"""Arrays in an HDF5 file, read slice by slice: ``file.h5``, or ``file.h5::images`` or ``file.h5::images,labels``."""

from __future__ import annotations

import itertools
import math
import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.audit_hdf5 import damaged_heap, refuse_strange_types
from diag.io.opening import open_regular
from diag.io.readers.keys import key, partner
from diag.io.readers.pairs import Pair, joined, joined_labels, labels_of, pairs_of
from diag.io.sources import Parts, Request, StoredArray, file_digest, tick
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
_DAMAGE = (
    OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, EOFError, MemoryError,
)  # fmt: skip
_FILTERS = (1, 2, 3, 32000)  # deflate, shuffle, checksum, LZF: all that h5py writes by itself
_DEFLATE, _DEFLATES = 1, 1_032  # the filter's number, and how many times smaller it makes things at most
_GROWTH = 2**28  # bytes that a chunk may unpack to unseen
_PIECE = 2**20
_MAX_CHUNK = 2**30
_MAX_LABELS = 2**28  # bytes
_MAX_ARRAYS = 10_000
_MAX_DEPTH = 40
_TEXTS = 1_024  # rows of texts that are read at once
_GAP = 8  # rows that are rather read too much than sought anew


@dataclass(frozen=True, slots=True, eq=False)
class _H5Rows:
    """Reads rows of one data set; the file is opened for each call, so that nothing is shared between processes."""

    path: Path
    name: str
    sound: set[tuple[int, ...]] = field(default_factory=set)  # chunks that were looked at

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        with _opened(self.path) as file:
            node = file[self.name]
            if len(rows):
                _refuse_growth(node, (int(rows.min()), int(rows.max()) + 1), self.path, self.sound)
            if len(rows) and (np.diff(rows) == 1).all():
                return np.asarray(node[int(rows[0]) : int(rows[-1]) + 1])
            unique, back = np.unique(rows, return_inverse=True)
            if not len(unique):
                return np.asarray(node[:0])
            cuts = np.flatnonzero(np.diff(unique) > _GAP) + 1
            runs = [node[run[0] : run[-1] + 1][run - run[0]] for run in np.split(unique, cuts)]
            values: NDArray[Any] = np.concatenate(runs)[back]
            return values


def matches(source: Any) -> bool:
    """Return whether `source` is an existing HDF5 file, with or without the names of arrays after ``::``."""
    if not isinstance(source, str):
        return False
    path = source.partition("::")[0]
    return path.lower().endswith(_ENDINGS) and Path(path).is_file()


def read(source: Any, request: Request) -> Parts:
    """Find the arrays of the split; images stay in the file, labels are read."""
    text, _, wish = source.partition("::")
    path = Path(text)
    wanted = [name.strip().strip("/") for name in wish.split(",") if name.strip()]
    label = wanted[1] if len(wanted) > 1 else request.label_column
    if isinstance(label, int):
        raise DataError(f"{path.name}: expected the name of the array with the labels. Received: {label}.")
    _refuse_damage(path)
    with _opened(path) as file:
        _refuse_model(file, path)
        shapes = {name: tuple(node.shape) for name, node in _arrays(file)}
        unknown = next((name for name in (*wanted[:1], label) if name and name not in shapes), None)
        if unknown is not None:
            listed = printable(", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:8]))
            raise DataError(
                f"{path.name}: expected an array of the file; no array named {printable(unknown, 80)!r}. "
                f"Received: {listed or 'none'}. Correct what stands after '::'."
            )
        if wanted:
            pairs = [_named(wanted[0], shapes, request.split, path, label)]
        else:
            pairs = pairs_of(shapes, request.split, path.name, label)
        _refuse_total([file[pair.images] for pair in pairs], path)
        images = [_stored(file[pair.images], path) for pair in pairs]
        labels = [None if pair.labels is None else _values(file[pair.labels], path) for pair in pairs]
        names = next((name for name in shapes if key(name).kind == "names" and len(shapes[name]) == 1), None)
        class_names = None if names is None else _texts(_values(file[names], path))
    taken = "; ".join(
        f"{pair.images} {shapes[pair.images]}, {f'labels {pair.labels}' if pair.labels else 'no labels'}"
        for pair in pairs
    )
    note = f"{path.name}: {printable(taken)}" + (f", class names {names}." if class_names else ".")
    return Parts(
        name=path.stem,
        images=joined(images, path.name),
        labels=joined_labels(labels, path.name),
        content=f"{file_digest(path)}|{pairs}",
        class_names=class_names,
        notes=(note,),
    )


def _named(name: str, shapes: dict[str, tuple[int, ...]], split: str, path: Path, label: str | None) -> Pair:
    """Return the array that was named, or for another split its counterpart."""
    own = key(name)
    if split not in ("test", "all") and own.split != split:
        other = partner(own, [key(item) for item in shapes], "images", split)
        if other is None:
            raise DataError(f"{path.name}: array {name} has no {split} split. Name that part's array after '::'.")
        name, label = other.name, None
    return Pair(name, labels_of(name, shapes, label, path.name))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(
            f"{path.name}: expected an HDF5 file. Received: one that cannot be read ({printable(str(error), 160)}). "
            "Copy or download it again."
        ) from error


def _refuse_damage(path: Path) -> None:
    with open_regular(path, "data file", DataError) as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                damaged = damaged_heap(data)
        except (OSError, ValueError) as error:  # an empty file cannot be mapped
            raise DataError(
                f"{path.name}: expected an HDF5 file. Received: {printable(str(error), 120)}. "
                "Copy or download it again."
            ) from error
    if damaged is not None:
        raise DataError(
            f"{path.name}: expected an HDF5 file. Received: one that is damaged at byte {damaged:,}. "
            "Copy or download it again."
        )


def _refuse_model(file: Any, path: Path) -> None:
    marks = ("model_config", "layer_names", "keras_version")
    if any(mark in file.attrs for mark in marks) or "model_weights" in file or "_layer_checkpoint_dependencies" in file:
        raise DataError(f"{path.name}: expected images. Received: a Keras model. Pass it as MODEL and data as --data.")


def _arrays(group: Any, at: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the data sets in a group and in the groups inside it; links are not followed."""
    import h5py

    seen = set() if seen is None else seen
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        node = group[name]
        address = h5py.h5o.get_info(node.id).addr
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > _MAX_ARRAYS or at.count("/") > _MAX_DEPTH:
            raise DataError(
                f"{printable(group.file.filename.rpartition('/')[2])}: expected at most {_MAX_ARRAYS:,} arrays, "
                f"{_MAX_DEPTH} groups deep. Received: more. Save the images and labels in a file of their own."
            )
        if isinstance(node, h5py.Dataset) and node.shape:
            yield f"{at}{name}", node
        elif isinstance(node, h5py.Group):
            yield from _arrays(node, f"{at}{name}/", seen)


def _stored(node: Any, path: Path) -> StoredArray:
    """Return an array that is read when it is asked for, after a look at what it claims."""
    _refuse_claims(node, path)
    return StoredArray(tuple(node.shape), np.dtype(node.dtype), _H5Rows(path, node.name))


def _values(node: Any, path: Path) -> NDArray[Any]:
    import h5py

    _refuse_claims(node, path)
    if _nbytes(node) > _MAX_LABELS:
        raise DataError(
            f"{path.name}: expected labels in {node.name}. Received: shape {node.shape}. "
            "Name the array with the labels after '::images,'."
        )
    _refuse_growth(node, (0, node.shape[0]), path, set())
    if not h5py.check_string_dtype(node.dtype):
        return np.asarray(node[()])
    return _strings(node.asstr(errors="replace"), node, path)


def _strings(texts: Any, node: Any, path: Path) -> NDArray[Any]:
    """Return texts, read some at a time: all of them may lie in one place in the file, and be a thousand times that."""
    if len(node.shape) != 1:
        return np.asarray(texts[()])
    found: list[Any] = []
    length = 0
    for start in range(0, node.shape[0], _TEXTS):
        piece = texts[start : start + _TEXTS].tolist()
        length += sum(map(len, piece))
        if length > _MAX_LABELS:
            raise DataError(
                f"{path.name}: expected texts of at most {_MAX_LABELS:,} characters in {printable(node.name, 80)}. "
                "Received: more. Is it another array that holds the labels? Name it after '::images,'."
            )
        found += piece
        tick()
    return np.asarray(found, dtype=object)


def _nbytes(node: Any) -> int:
    return int(math.prod(node.shape) * node.dtype.itemsize)


def _refuse_claims(node: Any, path: Path) -> None:
    """Raise if an array lies outside of the file, or claims far more than the file holds."""
    name = f"{path.name}: array {printable(node.name, 80)}"
    if node.is_virtual or node.external:
        raise DataError(f"{name} lies in other files, which are not opened. Copy the values into this one.")
    refuse_strange_types(node)
    plist = node.id.get_create_plist()
    filters = [int(plist.get_filter(number)[0]) for number in range(plist.get_nfilters())]
    strange = next((number for number in filters if number not in _FILTERS), None)
    if strange is not None:
        raise DataError(f"{name} is packed with HDF5 filter {strange}. Save it without, or with gzip or lzf.")
    chunk = math.prod(node.chunks or ()) * node.dtype.itemsize
    if chunk > _MAX_CHUNK:
        raise DataError(f"{name} claims chunks of {chunk:,} bytes: expected at most {_MAX_CHUNK:,}. Save smaller ones.")
    held = min(int(node.id.get_storage_size()), path.stat().st_size)  # chunks may all lie in one place
    _refuse_ratio(name, _nbytes(node), held, packed=bool(filters), shape=tuple(node.shape))


def _refuse_growth(node: Any, rows: tuple[int, int], path: Path, sound: set[tuple[int, ...]]) -> None:
    """Raise if a deflated chunk of some rows unpacks to more than it is for: the library would follow it to the end."""
    plist = node.id.get_create_plist()
    filters = [int(plist.get_filter(number)[0]) for number in range(plist.get_nfilters())]
    if node.chunks is None or _DEFLATE not in filters:
        return
    size = int(math.prod(node.chunks) * node.dtype.itemsize)
    first = rows[0] // node.chunks[0] * node.chunks[0]
    starts = [range(0, side, step) for side, step in zip(node.shape, node.chunks, strict=True)]
    for offset in itertools.product(range(first, rows[1], node.chunks[0]), *starts[1:]):
        if offset in sound:
            continue
        kept = node.id.get_chunk_info_by_coord(offset).size or 0
        if kept > size + size // 8 + 1024 or (kept * _DEFLATES > _GROWTH and _grows(node, offset, filters, size)):
            raise DataError(
                f"{path.name}: array {printable(node.name, 80)}: expected pieces of {size:,} bytes. Received: one that "
                "unpacks to more. The file is damaged, or was made to do this: get it again from where it came from."
            )
        sound.add(offset)
        tick()


def _grows(node: Any, offset: tuple[int, ...], filters: list[int], size: int) -> bool:
    mask, packed = node.id.read_direct_chunk(offset)
    if mask & (1 << filters.index(_DEFLATE)):  # this one is not packed
        return False
    stream, total, rest = zlib.decompressobj(), 0, packed
    while rest and total <= size + 4:  # a checksum may be inside
        total += len(stream.decompress(rest, _PIECE))
        rest = stream.unconsumed_tail
    return total > size + 4


def _refuse_ratio(name: str, claimed: int, held: int, *, packed: bool, shape: tuple[int, ...] = ()) -> None:
    most = Limits.current().ratio if packed else 1
    if claimed > held * most:
        raise DataError(
            f"{name} claims {claimed:,} bytes{f' of {shape}' if shape else ''}, and the file holds {held:,}. Received: "
            f"more than {most:,} times that. {raise_hint('ratio', -(-claimed // max(1, held)))}"
        )


def _refuse_total(nodes: list[Any], path: Path) -> None:
    """Raise if arrays together claim far more than the file holds, as when all lie in one place."""
    if len(nodes) > 1:
        _refuse_ratio(f"{path.name}: the images", sum(map(_nbytes, nodes)), path.stat().st_size, packed=True)


def _texts(values: NDArray[Any]) -> tuple[str, ...]:
    return tuple(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in values.tolist())
