"""Encoded images (PNG, JPEG, ...), wherever their bytes lie: sizes from the headers, pixels when they are asked for."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from diag.errors import DataError
from diag.io.opening import open_regular
from diag.io.sources import tick
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from diag.io.sources import Request

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # none that starts another program, as EPS does
_SEEN = 5_000
_SIDEWAYS = (5, 6, 7, 8)  # values of the EXIF tag 274, Orientation, that turn an image by a quarter
_CHUNK = 256
_POINTER = b"version https://git-lfs"
# What Pillow raises for damaged pictures: each of its plug-ins in its own way.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, TypeError, LookupError, ArithmeticError, AttributeError,
    RuntimeError, AssertionError, MemoryError, zlib.error,
)  # fmt: skip


class Blobs(Protocol):
    """Encoded images by number: files, or bytes inside another file."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def name(self, row: int) -> str:
        """Return what an image is called in a message."""
        ...

    def read(self, rows: NDArray[np.int64]) -> Iterator[Path | bytes]:
        """Yield the file, or the bytes, of each row in the order given."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """Images that are files of their own."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.paths)

    def name(self, row: int) -> str:
        """Return the file's name."""
        return printable(self.paths[row].name)

    def read(self, rows: NDArray[np.int64]) -> Iterator[Path | bytes]:
        """Yield the files."""
        for row in rows:
            yield self.paths[row]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Encoded images as an `ImageSource`: decoded when they are asked for, nothing is kept."""

    blobs: Blobs
    image_shape: tuple[int, int, int]
    resized: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return (len(self.blobs), *self.image_shape)

    @property
    def dtype(self) -> Any:
        """uint8."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.blobs)

    def __getitem__(self, key: Any) -> Any:
        """Decode the images behind `key`."""
        rows = np.arange(len(self.blobs))[key]
        if rows.ndim == 0:
            return self[np.array([rows])][0]
        batch = np.empty((len(rows), *self.image_shape), dtype=np.uint8)
        for place, (row, blob) in enumerate(zip(rows, self.blobs.read(rows), strict=True)):
            batch[place] = self._decoded(blob, int(row))
            tick()
        return batch

    def _decoded(self, blob: Path | bytes, row: int) -> NDArray[np.uint8]:
        height, width, channels = self.image_shape
        pixels = decode(blob, channels, (height, width) if self.resized else None, self.blobs.name(row))
        if pixels.shape[:2] != (height, width):
            raise DataError(
                f"{self.blobs.name(row)}: expected images of one size, {height}x{width} as {self.blobs.name(0)} is. "
                f"Received: {pixels.shape[0]}x{pixels.shape[1]}. Pass --resize {height}x{width} (size=) to bring all "
                "to one size."
            )
        return pixels


_SCAN = b"\xff\xda"  # begins one; in packed data no FF is followed by it
_MOST_SCANNED = 2**30
"""Pixels times scans of a JPEG: some ten seconds' work."""


@contextmanager
def _opened(content: Path | bytes, name: str) -> Iterator[Any]:
    """Open an image with Pillow; everything that may be wrong with it is one `DataError`."""
    from PIL import Image

    with _stream(content) as stream:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, Limits.current().pixels)  # its own is no higher
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as damaged EXIF data beside a sound image
                with Image.open(stream, formats=_FORMATS) as image:
                    _refuse_size(image.size, name)
                    yield image
        except DataError:
            raise
        except Image.DecompressionBombError as error:
            raise DataError(f"{name}: expected a picture of sane size. {printable(str(error))}") from error
        except _DAMAGE as error:
            if _starts_as_pointer(stream):
                raise DataError(
                    f"{name}: expected an image. Received: a Git LFS pointer. Run 'git lfs pull'."
                ) from error
            reason = "" if "BytesIO" in str(error) or "BufferedReader" in str(error) else f" {printable(str(error))}"
            raise DataError(
                f"{name}: expected an image. Received: what cannot be decoded.{reason[:160]} Replace the file, or take "
                "it out."
            ) from error


def _stream(content: Path | bytes) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else open_regular(content, "picture", DataError)


def _starts_as_pointer(stream: BinaryIO) -> bool:
    try:
        stream.seek(0)
        return stream.read(len(_POINTER)) == _POINTER
    except (OSError, ValueError):  # Pillow may have closed it
        return False


def _refuse_size(size: tuple[int, int], name: str) -> None:
    """Raise if a picture has too many pixels; Pillow itself only warns up to twice its limit."""
    pixels, most = size[0] * size[1], Limits.current().pixels
    if pixels > most:
        raise DataError(
            f"{name}: expected a picture of sane size, at most {most:,} pixels. Received: {size[1]}x{size[0]}, "
            f"{pixels:,} pixels. Make it smaller. {raise_hint('pixels', pixels)}"
        )


def _refuse_scans(image: Any, name: str) -> None:
    """Raise for a JPEG that goes over its pixels again and again: a progressive one does so about ten times."""
    if image.format not in ("JPEG", "MPO"):
        return
    file, scans, before = image.fp, 0, b""
    place = file.tell()
    file.seek(0)
    while piece := file.read(2**20):
        scans += (before + piece).count(_SCAN)
        before = piece[-1:]
    file.seek(place)
    work = scans * image.size[0] * image.size[1]
    if work > _MOST_SCANNED:
        raise DataError(
            f"{name}: expected a JPEG with a dozen scans of its pixels at most. Received: {scans:,} scans of "
            f"{image.size[1]}x{image.size[0]}: it would take too long. Save it again."
        )


def decode(
    content: Path | bytes, channels: int, size: tuple[int, int] | None, name: str | None = None
) -> NDArray[np.uint8]:
    """Return one image as (h, w, channels) uint8, upright, resized bilinearly when `size` is given.

    Grey images of 16 bits are brought to 0..255 by dividing by 257.

    Raises
    ------
    DataError
        If it is no image, is damaged, or claims more pixels than Pillow's limit.
    """
    from PIL import Image, ImageOps

    with _opened(content, name or _named(content)) as file:
        _refuse_scans(file, name or _named(content))
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I"):
            image = Image.fromarray(np.rint(np.clip(np.asarray(image), 0, 65535) / 257).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[..., None] if channels == 1 else pixels


def header(content: Path | bytes, name: str | None = None) -> tuple[int, int, int]:
    """Return height, width and channels (1 or 3) of an image from its header, as `decode` gives them.

    Raises
    ------
    DataError
        If it is no image.
    """
    with _opened(content, name or _named(content)) as image:
        width, height = image.size
        if image.getexif().get(274) in _SIDEWAYS:
            width, height = height, width
        grey = image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")
    return height, width, 1 if grey else 3


def _named(content: Path | bytes) -> str:
    return printable(content.name) if isinstance(content, Path) else "image"


def pictures(blobs: Blobs, request: Request) -> tuple[Pictures, dict[str, int], tuple[str, ...], str]:
    """Return encoded images as a source, how many have each size, notes, and what was done to their sizes.

    The headers of the first 5,000 are read, no pixels. All are colour if one of those is. They are brought to
    ``request.size``; without one, and if they differ, to ``request.stretch``; else they must be of one size.

    Raises
    ------
    DataError
        If one of the first 5,000 is no image.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    kinds: Counter[int] = Counter()
    for row, blob in _each(blobs, min(len(blobs), _SEEN)):
        height, width, channels = header(blob, blobs.name(row))
        sizes[height, width] += 1
        kinds[channels] += 1
        tick()
    stretched = request.size is None and request.stretch is not None and len(sizes) > 1
    size = request.stretch if stretched else request.size
    height, width = size or next(iter(sizes))
    source = Pictures(blobs, (height, width, max(kinds)), size is not None)
    notes = (*_mixed_sizes(sizes, size), *_mixed_channels(kinds))
    return source, named_sizes(sizes), notes, f"stretched to {size}" if stretched else ""


def _each(blobs: Blobs, count: int) -> Iterator[tuple[int, Path | bytes]]:
    for start in range(0, count, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, count))
        yield from zip(rows.tolist(), blobs.read(rows), strict=True)


def named_sizes(sizes: Mapping[tuple[int, int], int]) -> dict[str, int]:
    """Return ``{"28x28": 900}`` from ``{(28, 28): 900}``, the most frequent first."""
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return {f"{height}x{width}": count for (height, width), count in ordered}


def _mixed_sizes(sizes: Mapping[tuple[int, int], int], size: tuple[int, int] | None) -> tuple[str, ...]:
    if len(sizes) < 2:
        return ()
    common = ", ".join(f"{name} ({count})" for name, count in list(named_sizes(sizes).items())[:3])
    done = "pass --resize HxW (size=)" if size is None else f"all were stretched to {size[0]}x{size[1]}"
    return (f"The images have {len(sizes)} different sizes, most often {common}: {done}.",)


def _mixed_channels(kinds: Mapping[int, int]) -> tuple[str, ...]:
    if len(kinds) < 2:
        return ()
    return (f"{kinds[1]} of the images are grey and {kinds[3]} in colour: all are read as colour.",)
