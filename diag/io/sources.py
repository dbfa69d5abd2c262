"""What readers are made of: images that are read lazily, and what a reader is asked for and returns."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from diag.errors import DataError
from diag.io.opening import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

_PIECE = 4 * 2**20


class ImageSource(Protocol):
    """Images that are read when they are asked for. A NumPy array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        ...

    @property
    def dtype(self) -> Any:
        """The pixels' dtype."""
        ...

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def __getitem__(self, key: Any) -> Any:
        """Return one image for a number, a batch for a slice or an array of numbers."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """Some images of a source, in an order of their own."""

    images: ImageSource
    chosen: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return (len(self.chosen), *self.images.shape[1:])

    @property
    def dtype(self) -> Any:
        """The pixels' dtype."""
        return self.images.dtype

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.chosen)

    @property
    def inputs(self) -> Mapping[str, NDArray[Any]] | None:
        """What lies beside these images: a model's further inputs, by name."""
        found = getattr(self.images, "inputs", None)
        return None if found is None else {name: values[self.chosen] for name, values in found.items()}

    def __getitem__(self, key: Any) -> Any:
        """Read the images behind `key`."""
        return self.images[self.chosen[key]]


@dataclass(frozen=True, slots=True, eq=False)
class StoredArray:
    """An array that stays in its file; ``read`` returns the rows of some numbers, shape (m, ...)."""

    shape: tuple[int, ...]
    dtype: Any
    read: Callable[[NDArray[np.int64]], NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Read the rows behind `key`: a slice, numbers or a mask."""
        return self.read(np.arange(self.shape[0])[key])


@dataclass(frozen=True, slots=True, eq=False)
class ArrayImages:
    """An array - in memory, memory-mapped or stored - with its axes brought to (n, h, w, c) when it is read."""

    array: NDArray[Any] | StoredArray
    image_shape: tuple[int, int, int]
    channels_first: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return (len(self.array), *self.image_shape)

    @property
    def dtype(self) -> Any:
        """The pixels' dtype."""
        return self.array.dtype

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.array)

    def __getitem__(self, key: Any) -> Any:
        """Read the images behind `key`; refuse NaN and infinity."""
        single = isinstance(key, int | np.integer)
        rows = np.asarray(self.array[[key] if single else key])
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            bad = int(np.argmin(np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)))
            number = np.arange(len(self))[key].reshape(-1)[bad]
            raise DataError(f"image {number}: expected numbers. Received: NaN or infinity. Repair or drop that image.")
        if self.channels_first:
            rows = np.moveaxis(rows, 1, -1)
        rows = rows.reshape(len(rows), *self.image_shape)
        return rows[0] if single else rows


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a reader returns; labels may still be texts, one-hot rows or floats.

    ``content`` names the source's content: a digest, or anything whose text differs when the content does.
    ``metadata`` holds further columns, one value an image; ``sizes`` counts the images of each original size.
    ``inputs`` are a model's further inputs, one row an image. ``parted`` says whether the source has parts, of which
    these images are one, or was read whole.
    """

    name: str
    images: ImageSource | NDArray[Any] | StoredArray
    labels: Any
    content: str
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    sample_names: tuple[str, ...] | None = None
    metadata: Mapping[str, Any] | None = None
    sizes: Mapping[str, int] | None = None
    inputs: Mapping[str, NDArray[Any]] | None = None
    parted: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller wants of a source.

    ``stretch`` is the size that images are brought to only if they differ in size among themselves; ``steps`` bounds
    what is drawn from a Python iterator. ``confined`` refuses a table that names files outside of its own folder.
    """

    split: str
    size: tuple[int, int] | None = None
    label_column: str | int | None = None
    steps: int | None = None
    stretch: tuple[int, int] | None = field(default=None, repr=False)
    confined: bool = field(default=True, repr=False)


_SELDOM = 0.1  # seconds
_last = [0.0]
_reports: ContextVar[Callable[[int, int], None] | None] = ContextVar("reports", default=None)


@contextmanager
def reporting(report: Callable[[int, int], None]) -> Iterator[None]:
    """Have `tick` call a function (done, total) while the block runs, so that somebody knows that work goes on."""
    token = _reports.set(report)
    try:
        yield
    finally:
        _reports.reset(token)


def tick() -> None:
    """Say that work goes on, ten times a second at most. Readers call it for each file, batch or some megabytes."""
    report = _reports.get()
    now = time.monotonic()
    if report is not None and now - _last[0] > _SELDOM:
        _last[0] = now
        report(0, 1)


def stays_inside(path: Path, folder: Path) -> bool:
    """Return whether a path, its links followed, lies in a folder. One that leads to nothing does not."""
    try:
        return path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # to nothing, in a circle, a zero byte
        return False


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a regular file's bytes.

    Raises
    ------
    DataError
        If it cannot be opened.
    """
    digest = hashlib.sha256()
    with open_regular(path, "data file", DataError) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            tick()
    return digest.hexdigest()


def files_digest(root: Path, paths: tuple[Path, ...]) -> str:
    """Return the SHA-256 of files' bytes and of their names from `root` on, in this order."""
    digest = hashlib.sha256()
    for path in paths:
        name = Path(os.path.relpath(path, root)).as_posix()
        digest.update(os.fsencode(name) + f"\0{file_digest(path)}\n".encode())
    return digest.hexdigest()
