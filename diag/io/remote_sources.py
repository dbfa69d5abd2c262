"""Data sources in another process: files are opened and parsed there, and their images are fetched when asked for.

A source is named by a *spec*: its text, the request, and the folder that relative paths begin at. The reader keeps the
images of the last few specs open; when it has died, or keeps others, it opens the spec again.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError
from diag.io.labels import label_array
from diag.io.sources import Parts, Request, StoredArray
from diag.printable import printable
from diag.worker.limits import Limits
from diag.worker.process import reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

WHOLE = 64 * 2**20
"""Bytes up to which mapped arrays are sent at once; arrays in memory always are."""
PIECE = 64 * 2**20
"""Bytes of images in one answer."""
_ALONE = (".npz", ".h5", ".hdf5", ".hdf", ".he5")
_TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".pq")


def read(source: str, request: Request) -> Parts:
    """Return what a source holds, read by the reader; images that are not small stay there.

    Parameters
    ----------
    source : str
        A path, as `diag.load_dataset` takes it.
    request : Request

    Raises
    ------
    DataError
        If it cannot be read, or makes the reader die, take too long or take too much memory.
    """
    source = _upright(source)
    spec = {"source": source, "request": dataclasses.asdict(request), "folder": str(Path.cwd())}
    granted = tuple(_granted(source, request))
    reply = _call("data", {"spec": spec}, {}, source, granted)
    return _unpacked(reply[0], reply[1], Remote(json.dumps(spec, sort_keys=True), granted, str(reply[0]["content"])))


def _upright(source: str) -> str:
    """Return a source whose relative path goes up as one that begins at the root: the reader opens no other.

    Examples
    --------
    >>> _upright("data.npz"), _upright("../data.npz::x") == f"{Path.cwd()}/../data.npz::x"
    ('data.npz', True)
    """
    parts = [str(Path(part).absolute()) if ".." in Path(part).parts else part for part in source.split("::")]
    return "::".join(parts)


def _granted(source: str, request: Request) -> list[str]:
    """Return what the reader may open: a folder, a file that says all by itself, else the folder that it lies in.

    With a table whatever its paths name, unless the request is confined.
    """
    if source.lower().endswith(_TABLES) and not request.confined:
        return [Path.cwd().anchor]
    first, _, second = source.partition("::")
    places: list[str] = []
    for part in dict.fromkeys((source, first, second)):
        there, path = _is_there(part), Path(part).absolute()
        if there or part == first:
            alone = path.suffix.lower() in _ALONE or (there and path.is_dir())
            places += [str(path)] if alone else [str(path.parent), str(path)]
    return places


def _is_there(part: str) -> bool:
    try:
        return bool(part) and Path(part).exists()
    except (OSError, ValueError):  # too long a name, a zero byte
        return False


def _call(
    name: str, body: dict[str, Any], arrays: Mapping[str, NDArray[Any]], source: str, granted: tuple[str, ...]
) -> tuple[Any, Mapping[str, NDArray[Any]]]:
    limits = Limits.current()
    reply = reader().call(
        name,
        body,
        arrays,
        what=printable(Path(source.partition("::")[0]).name or source, 120),
        seconds=limits.seconds,
        memory_bytes=limits.memory_bytes,
        granted=granted,
        error=DataError,
    )
    return reply.body, reply.arrays


@dataclass(frozen=True, slots=True, eq=False)
class Remote:
    """How the images of a source are fetched: its spec as JSON, what may be opened for it, and its content then."""

    spec: str
    granted: tuple[str, ...]
    content: str

    def rows(self, rows: NDArray[np.int64], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the images of some numbers, each of `shape`; more than `PIECE` bytes come in several answers."""
        each = max(1, PIECE // max(1, math.prod(shape) * dtype.itemsize))
        if len(rows) <= each:
            return self._piece(rows, shape, dtype)
        out = np.empty((len(rows), *shape), dtype=dtype)
        for start in range(0, len(rows), each):
            out[start : start + each] = self._piece(rows[start : start + each], shape, dtype)
        return out

    def _piece(self, rows: NDArray[np.int64], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        spec = json.loads(self.spec)
        body = {"spec": spec, "content": self.content}
        _, arrays = _call("data rows", body, {"rows": rows}, spec["source"], self.granted)
        found = arrays["rows"]
        if found.shape != (len(rows), *shape) or found.dtype != dtype:
            raise DataError(
                f"{printable(spec['source'], 120)}: expected images of {shape} {dtype}. Received: {found.shape[1:]} "
                f"{found.dtype}. The file was written meanwhile: load it again."
            )
        return found


@dataclass(frozen=True, slots=True, eq=False)
class RemoteRows:
    """The ``read`` of a `StoredArray` that another process holds."""

    remote: Remote
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Fetch the rows of some numbers."""
        return self.remote.rows(np.asarray(rows, dtype=np.int64), self.shape[1:], self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class RemoteImages:
    """Images (n, h, w, c) that another process decodes when they are asked for."""

    stored: StoredArray

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return self.stored.shape

    @property
    def dtype(self) -> Any:
        """The pixels' dtype."""
        return self.stored.dtype

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.stored)

    def __getitem__(self, key: Any) -> Any:
        """Fetch the images behind `key`."""
        if isinstance(key, int | np.integer):
            return self.stored[[key]][0]
        return self.stored[key]


def packed(parts: Parts) -> tuple[dict[str, Any], dict[str, NDArray[Any]], Any]:
    """Return parts as JSON and arrays, and the images that stay behind; None where all are among the arrays."""
    arrays: dict[str, NDArray[Any]] = {}
    images = parts.images
    way = "stored" if isinstance(images, np.ndarray | StoredArray) else "pictures"
    if isinstance(images, np.ndarray) and (not _is_mapped(images) or images.nbytes <= WHOLE):
        arrays["images"], way = np.asarray(images), "whole"
    if parts.labels is not None:
        arrays["labels"] = label_array(parts.labels, parts.name)
    for name, values in (parts.inputs or {}).items():
        arrays[f"input {name}"] = np.asarray(values)
    body = {
        "name": parts.name,
        "images": [way, list(images.shape), np.dtype(images.dtype).str],
        "content": parts.content,
        "class_names": parts.class_names,
        "notes": parts.notes,
        "sample_names": parts.sample_names,
        "metadata": None if parts.metadata is None else _columns(parts.metadata, arrays),
        "sizes": parts.sizes,
        "inputs": None if parts.inputs is None else list(parts.inputs),
        "parted": parts.parted,
    }
    return body, arrays, None if way == "whole" else images


def _is_mapped(images: NDArray[Any]) -> bool:
    base: Any = images
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def _columns(metadata: Mapping[str, Any], arrays: dict[str, NDArray[Any]]) -> list[tuple[str, list[Any] | None]]:
    """Return columns as (name, values); None for values where they are numbers and travel as an array."""
    listed: list[tuple[str, list[Any] | None]] = []
    for name, values in metadata.items():
        column = np.asarray(values)
        if column.dtype.kind == "O":
            listed.append((name, [_plain(item) for item in column.tolist()]))
        else:
            arrays[f"column {len(listed)}"] = column
            listed.append((name, None))
    return listed


def _plain(item: Any) -> Any:
    return item if item is None or isinstance(item, str | bool | int | float) else str(item)


def _unpacked(body: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], remote: Remote) -> Parts:
    way, sides, dtype = body["images"]
    images: Any = arrays.get("images")
    if way != "whole":
        shape = tuple(int(side) for side in sides)
        images = StoredArray(shape, np.dtype(dtype), RemoteRows(remote, shape, np.dtype(dtype)))
        if way == "pictures":
            images = RemoteImages(images)
    columns = None
    if body["metadata"] is not None:
        columns = {
            name: arrays[f"column {place}"] if values is None else _objects(values)
            for place, (name, values) in enumerate(body["metadata"])
        }
    inputs = None if body["inputs"] is None else {name: arrays[f"input {name}"] for name in body["inputs"]}
    return Parts(
        name=body["name"],
        images=images,
        labels=arrays.get("labels"),
        content=body["content"],
        class_names=_tuple(body["class_names"]),
        notes=tuple(body["notes"]),
        sample_names=_tuple(body["sample_names"]),
        metadata=columns,
        sizes=body["sizes"],
        inputs=inputs,
        parted=bool(body["parted"]),
    )


def _objects(values: list[Any]) -> NDArray[Any]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
