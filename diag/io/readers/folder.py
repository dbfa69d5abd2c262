"""A folder of class folders with images, decoded batch by batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError
from diag.io.sources import Parts, Request, file_digest

if TYPE_CHECKING:
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
                f"{path.name} is {pixels.shape[0]}x{pixels.shape[1]}, {self.paths[0].name} is {height}x{width}. "
                f"Pass --resize {height}x{width} (size=) to bring all to one size."
            )
        return pixels


def decode(path: Path, channels: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Return one image file as (h, w, channels) uint8, upright, resized bilinearly when `size` is given."""
    import warnings

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path.name}: expected an image. It cannot be decoded: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path.name}: expected a picture of sane size. Received: {error}") from error
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[..., None] if channels == 1 else pixels


def matches(source: Any) -> bool:
    """Return whether `source` is a folder."""
    return isinstance(source, str) and Path(source).is_dir()


def read(source: Any, request: Request) -> Parts:
    """Find the image files and their classes; decode only the first to learn size and channels."""
    root, notes = _part(Path(source), request.split)
    classes = sorted(path for path in _entries(root) if path.is_dir())
    pairs = [(path, number) for number, folder in enumerate(classes) for path in _images(folder)]
    labels: list[int] | None = [number for _, number in pairs]
    paths = tuple(path for path, _ in pairs)
    if not paths:
        paths, labels = tuple(_images(root)), None
        notes = (*notes, "There are no class folders: the images are unlabelled.")
    if not paths:
        raise DataError(f"{source}: expected images ({', '.join(ENDINGS)}) in class folders. Received: none.")
    channels = _channels(paths[0])
    first = decode(paths[0], channels, request.size)
    return Parts(
        name=Path(source).resolve().name,
        images=FolderImages(paths, (first.shape[0], first.shape[1], channels), request.size is not None),
        labels=labels,
        content=_digest(root, paths),
        class_names=tuple(folder.name for folder in classes) if labels is not None else None,
        notes=notes,
        sample_names=tuple(str(path.relative_to(root)) for path in paths),
    )


def _part(root: Path, split: str) -> tuple[Path, tuple[str, ...]]:
    """Return the folder of a split, when a folder has parts, and a note that says so."""
    every = {path.name.lower(): path for path in _entries(root) if path.is_dir()}
    parts = {name for names in _SPLITS.values() for name in names}
    if not every or not set(every) <= parts:
        if split == "train":
            raise DataError(f"{root}: expected a sub-folder train/. Received: {', '.join(every) or 'none'}.")
        return root, ()
    for name in _SPLITS.get(split, (split,)):
        if name in every:
            return every[name], (f"The part {every[name].name}/ was read.",)
    raise DataError(f"{root}: expected a sub-folder {split}/. Received: {', '.join(every)}.")


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in _entries(folder) if path.suffix.lower() in ENDINGS and path.is_file())


def _channels(path: Path) -> int:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return 1 if image.mode in ("1", "L", "LA", "I;16", "I", "F") else 3
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{path.name}: expected an image. It cannot be decoded: {error}") from error


def _digest(root: Path, paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()
