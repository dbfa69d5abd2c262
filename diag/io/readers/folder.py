"""A folder of class folders with images, decoded batch by batch."""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError
from diag.io.sources import Parts, Request, file_digest, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_SPLITS = {"test": ("test", "val", "validation", "valid"), "train": ("train", "training")}


@dataclass(frozen=True, slots=True, eq=False)
class FolderImages:
    """Image files that are decoded when they are asked for; nothing is kept."""

    paths: tuple[Path, ...]
    image_shape: tuple[int, int, int]
    resized: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return (len(self.paths), *self.image_shape)

    @property
    def dtype(self) -> Any:
        """uint8."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def __getitem__(self, key: Any) -> Any:
        """Decode the images behind `key`."""
        if isinstance(key, int | np.integer):
            return self._decode(self.paths[key])
        rows = np.arange(len(self.paths))[key]
        batch = np.empty((len(rows), *self.image_shape), dtype=np.uint8)
        for place, row in enumerate(rows):
            batch[place] = self._decode(self.paths[row])
        return batch

    def _decode(self, path: Path) -> NDArray[np.uint8]:
        height, width, channels = self.image_shape
        size = (height, width) if self.resized else None
        pixels = decode(path, channels, size)
        if pixels.shape[:2] != (height, width):
            raise DataError(
                f"{printable(path.name)} is {pixels.shape[0]}x{pixels.shape[1]}, "
                f"{printable(self.paths[0].name)} is {height}x{width}. "
                f"Pass --resize {height}x{width} (size=) to bring all to one size."
            )
        return pixels


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an image with Pillow; everything that may be wrong with the file is one `DataError`."""
    from PIL import Image

    name = printable(path.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as damaged EXIF data beside a sound image
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name}: expected a picture of sane size. Received: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, TypeError, KeyError, IndexError) as error:
        raise DataError(f"{name}: expected an image. It cannot be decoded: {printable(str(error))[:160]}") from error


def decode(path: Path, channels: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Return one image file as (h, w, channels) uint8, upright, resized bilinearly when `size` is given.

    Grey images of 16 bits are brought to 0..255 by dividing by 257.
    """
    from PIL import Image, ImageOps

    with _opened(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I"):
            image = Image.fromarray(np.rint(np.clip(np.asarray(image), 0, 65535) / 257).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[..., None] if channels == 1 else pixels


def matches(source: Any) -> bool:
    """Return whether `source` is a folder."""
    return isinstance(source, str) and Path(source).is_dir()


def read(source: Any, request: Request) -> Parts:
    """Find the image files and their classes; decode only the first to learn size and channels."""
    try:
        return _read(Path(source), request)
    except OSError as error:  # a folder or file that may not be read
        raise DataError(f"{printable(str(source))}: cannot be read. {printable(str(error))}") from error


def _read(source: Path, request: Request) -> Parts:
    parts = _parts(source)
    roots, notes = _chosen(source, parts, request.split)
    classes = sorted({folder.name for root in parts.values() or roots for folder in _folders(root)})
    pairs = [
        (path, number)
        for root in roots
        for number, name in enumerate(classes)
        if (root / name).is_dir()
        for path in _images(root / name)
    ]
    paths = tuple(path for path, _ in pairs)
    labels: list[int] | None = [number for _, number in pairs]
    if paths:
        notes = (*notes, f"{len(paths)} images in {len(classes)} class folders.", *_left_out(roots))
    else:
        paths, labels = tuple(path for root in roots for path in _images(root)), None
        notes = (*notes, "There are no class folders with images: the images are unlabelled.")
    if not paths:
        raise DataError(f"{source}: expected images ({', '.join(ENDINGS)}) in class folders. Received: none.")
    with _opened(paths[0]) as image:
        channels = 1 if image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I") else 3
    first = decode(paths[0], channels, request.size)
    base = roots[0] if len(roots) == 1 else source
    return Parts(
        name=source.resolve().name,
        images=FolderImages(paths, (first.shape[0], first.shape[1], channels), request.size is not None),
        labels=labels,
        content=_digest(base, paths),
        class_names=tuple(classes) if labels is not None else None,
        notes=notes,
        sample_names=tuple(printable(str(path.relative_to(base))) for path in paths),
    )


def _parts(root: Path) -> dict[str, Path]:
    """Return the folders of the parts by name, if there is nothing but parts such as train/ and test/."""
    every = {path.name.lower(): path for path in _folders(root)}
    known = {name for names in _SPLITS.values() for name in names}
    return every if set(every) <= known else {}


def _chosen(root: Path, parts: dict[str, Path], split: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the folders to read for a split, and a note that says which part it was."""
    if not parts:
        if split not in ("test", "all"):
            names = ", ".join(printable(path.name) for path in _folders(root)[:8])
            raise DataError(f"{root}: expected a sub-folder {split}/. Received: {names or 'none'}.")
        return (root,), ()
    if split == "all":
        folders = tuple(sorted(parts.values()))
        return folders, (f"The parts {', '.join(folder.name for folder in folders)} were read.",)
    for name in _SPLITS.get(split, (split,)):
        if name in parts:
            return (parts[name],), (f"The part {parts[name].name}/ was read.",)
    raise DataError(f"{root}: expected a sub-folder {split}/. Received: {', '.join(parts)}.")


def _left_out(roots: tuple[Path, ...]) -> tuple[str, ...]:
    """Return a note on images beside the class folders and on folders inside them: neither is read."""
    loose = sum(len(_images(root)) for root in roots)
    inner = sum(len(_folders(folder)) for root in roots for folder in _folders(root))
    found = [f"{loose} images beside the class folders"] * bool(loose) + [f"{inner} folders inside them"] * bool(inner)
    return (f"Not read: {' and '.join(found)}.",) if found else ()


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__")))


def _images(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.suffix.lower() in ENDINGS and path.is_file()]


def _digest(root: Path, paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path.relative_to(root).as_posix()) + f"\0{file_digest(path)}\n".encode())
    return digest.hexdigest()
