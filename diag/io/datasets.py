"""Labelled images from anywhere, read lazily.

Every reader in `diag.io.readers` turns a source into `Parts`; what all sources share - checking, label numbers,
digest, freezing - happens once, here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from diag.errors import DataError, InvalidInputError
from diag.io.sources import ArrayImages, ImageSource, Parts, Request, Selected, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

_MAX_CLASSES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images with or without labels.

    Parameters
    ----------
    name, source, split : str
        What it is called, how `load_dataset` finds it again, and which part it is.
    images : ImageSource, shape (n, h, w, c)
        In the data's own units: uint8 0..255, or float as it was stored.
    labels : ndarray of int64, shape (n,), or None
        Class numbers, read-only.
    class_names : tuple of str
        One a class number; empty without labels.
    digest : str
        SHA-256 of the content, wherever it lies.
    notes : tuple of str
        What the reader found or assumed.
    sample_names : tuple of str, optional
        File names, or the Ids of a CSV.
    """

    name: str
    source: str
    split: str
    images: ImageSource
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()
    sample_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def batches(self, batch_size: int = 256) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (number of the first image, images) in order."""
        for start in range(0, len(self), batch_size):
            yield start, np.asarray(self.images[start : start + batch_size])

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> Dataset:
        """Return the data set of some images, still read lazily.

        Parameters
        ----------
        indices : sequence of int, or ndarray of bool, shape (n,)
            Numbers of images in the order wished, or a mask that says which are kept.

        Raises
        ------
        InvalidInputError
            If a number is not that of an image, or a mask has another length.
        """
        chosen = _rows(indices, len(self))
        names = self.sample_names
        return replace(
            self,
            images=Selected(self.images, chosen),
            labels=None if self.labels is None else _frozen(self.labels[chosen]),
            digest=hashlib.sha256(self.digest.encode() + chosen.tobytes()).hexdigest(),
            sample_names=None if names is None else tuple(names[row] for row in chosen),
        )

    def frame(self) -> pd.DataFrame:
        """Return one row an image: ``index``, ``label``, ``class_name`` and, where there are, ``sample_name``."""
        import pandas as pd

        frame = pd.DataFrame({"index": np.arange(len(self))})
        if self.labels is not None:
            frame["label"] = self.labels
            frame["class_name"] = np.asarray(self.class_names, dtype=object)[self.labels]
        if self.sample_names is not None:
            frame["sample_name"] = list(self.sample_names)
        return frame


def load_dataset(
    source: Any,
    split: str = "test",
    *,
    size: tuple[int, int] | None = None,
    label_column: str | int | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Read images and labels from a built-in set, a file, a folder or arrays.

    Parameters
    ----------
    source : str, Path, array, (array, array) or Dataset
        ``digits``, ``mnist``, ``fashion_mnist``, ``cifar10``, ``cifar100``; a ``.npz``, ``.csv`` or ``.csv.gz``; a
        folder of class folders; images, or images and labels. A Dataset is returned as it is.
    split : str
        ``"test"``, ``"train"`` or ``"all"`` where the source has parts; a source without parts is read whole as "test"
        or "all" and has no "train".
    size : (int, int), optional
        Height and width: what a flat row of pixels is, or what images of a folder are brought to.
    label_column : str or int, optional
        The CSV column with the labels; found automatically when left out.
    class_names : sequence of str, optional
        Names of the class numbers, in order.

    Raises
    ------
    DataError
        If the source cannot be read, or contradicts itself. One line says what to do.

    Examples
    --------
    >>> data = load_dataset("digits")
    >>> data.images.shape, len(data.class_names)
    ((797, 28, 28, 1), 10)
    """
    if isinstance(source, Dataset):
        return source
    from diag.io.readers import READERS

    request = Request(split=split, size=size, label_column=label_column)
    if isinstance(source, Path):
        source = str(source)
    try:
        reader = next((reader for reader in READERS if reader.matches(source)), None)
        problem = _unknown(source) if reader is None else ""
    except OSError as error:  # such as a name too long for the system
        raise DataError(f"{printable(str(source))[:80]}: cannot be looked up: {error.strerror}.") from error
    if reader is None:
        raise DataError(problem)
    return assemble(reader.read(source, request), _said(source), request, class_names)


def assemble(parts: Parts, source: str, request: Request, class_names: Sequence[str] | None = None) -> Dataset:
    """Check what a reader returned and freeze it."""
    images = as_images(parts.images, request.size, parts.name)
    if len(images) == 0:
        raise DataError(f"{parts.name}: expected at least one image. Received: none.")
    labels, found = label_numbers(parts.labels, len(images), parts.name)
    wished = tuple(str(name) for name in class_names) if class_names is not None else None
    names = tuple(printable(name) for name in wished or parts.class_names or found)
    if labels is not None and len(names) <= int(labels.max()):
        raise DataError(
            f"{parts.name}: expected a name for each of {int(labels.max()) + 1} classes. Received: {len(names)} names."
        )
    options = f"{request}|{names}"
    return Dataset(
        name=parts.name,
        source=source,
        split=request.split,
        images=images,
        labels=labels,
        class_names=names if labels is not None else (),
        digest=hashlib.sha256(f"{parts.content}|{options}".encode()).hexdigest(),
        notes=parts.notes,
        sample_names=parts.sample_names,
    )


def as_images(images: Any, size: tuple[int, int] | None, name: str) -> ImageSource:
    """Return images as a source of shape (n, h, w, c)."""
    if not isinstance(images, np.ndarray):
        return cast("ImageSource", images)
    if images.dtype.kind not in "buif":
        raise DataError(f"{name}: expected images as numbers. Received: dtype {images.dtype}.")
    shape = images.shape
    if 0 in shape[1:]:
        raise DataError(f"{name}: expected images with at least one pixel. Received: shape {shape}.")
    view = images.view()
    view.flags.writeable = False
    if len(shape) == 2:
        return ArrayImages(view, flat_shape(shape[1], size, name))
    if len(shape) == 3:
        return ArrayImages(view, (shape[1], shape[2], 1))
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3, 4):
        return ArrayImages(view, (shape[2], shape[3], shape[1]), channels_first=True)
    if len(shape) == 4 and shape[3] in (1, 2, 3, 4):
        return ArrayImages(view, (shape[1], shape[2], shape[3]))
    raise DataError(f"{name}: expected images (n, h, w), (n, h, w, c), (n, c, h, w) or (n, pixels). Received: {shape}.")


def flat_shape(pixels: int, size: tuple[int, int] | None, name: str) -> tuple[int, int, int]:
    """Return (h, w, c) of an image kept as one row of `pixels` numbers."""
    if size is not None:
        if pixels % (size[0] * size[1]) or pixels // (size[0] * size[1]) not in (1, 3):
            raise DataError(f"{name}: {pixels} pixels a row are no image of {size[0]}x{size[1]} in grey or colour.")
        return (*size, pixels // (size[0] * size[1]))
    for channels in (1, 3):
        side = round((pixels / channels) ** 0.5)
        if pixels and side * side * channels == pixels:
            return side, side, channels
    raise DataError(f"{name}: {pixels} pixels a row are no square image. Pass --resize HxW (size=) with the real size.")


def label_numbers(labels: Any, n: int, name: str) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Return labels as class numbers with the names they suggest.

    Integers (also as whole floats) stay as they are and are named by themselves; one-hot rows give their column;
    texts are numbered in sorted order.

    Examples
    --------
    >>> numbers, names = label_numbers(np.array(["dog", "cat", "dog"]), 3, "toy")
    >>> numbers.tolist(), names
    ([1, 0, 1], ('cat', 'dog'))
    """
    if labels is None:
        return None, ()
    values = _label_array(labels, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or len(values) != n:
        raise DataError(f"{name}: expected one label for each of {n} images. Received: labels of shape {values.shape}.")
    k = None
    if values.ndim == 2:
        values, k = _from_one_hot(values, name), values.shape[1]
    if values.dtype.kind in "SUO":
        texts = _texts(values, name)
        named, numbers = np.unique(np.asarray(texts, dtype=object).astype(str), return_inverse=True)
        return _frozen(numbers.astype(np.int64)), tuple(str(item) for item in named)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.floor(values)).all()):
        bad = values[~(np.isfinite(values) & (values == np.floor(values)))][0]
        raise DataError(f"{name}: expected labels that are whole numbers or names. Received: {bad}.")
    if values.dtype.kind not in "buif":
        raise DataError(f"{name}: expected labels that are numbers or names. Received: dtype {values.dtype}.")
    if len(values) and values.min() < 0:
        raise DataError(f"{name}: expected labels from 0 up. Received: {values.min()}.")
    if len(values) and values.max() >= _MAX_CLASSES:
        raise DataError(f"{name}: expected class numbers. Received: labels up to {values.max()}: a column of Ids?")
    numbers = values.astype(np.int64)
    count = k if k is not None else int(numbers.max(initial=-1)) + 1
    return _frozen(numbers), tuple(str(number) for number in range(count))


def _label_array(labels: Any, name: str) -> NDArray[Any]:
    """Return labels as an array; Python integers that came as objects are integers again."""
    try:
        values = np.asarray(labels)
        whole = values.dtype.kind == "O" and all(isinstance(item, int | np.integer) for item in values.ravel())
        return values.astype(np.int64) if whole else values
    except (ValueError, OverflowError) as error:  # rows of different lengths, numbers beyond 64 bits
        raise DataError(
            f"{name}: expected one label for each image. Received: {printable(str(error))[:120]}"
        ) from error


def _texts(values: NDArray[Any], name: str) -> list[str]:
    """Return labels as texts; what stands for "missing" is no class."""
    texts = []
    for row, item in enumerate(values.tolist()):
        if item is None or str(item) in ("nan", "NaT", "<NA>"):
            raise DataError(f"{name}: expected a label for every image. Received: {item} at {row}. Drop such images.")
        texts.append(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item))
    return texts


def _rows(indices: Any, n: int) -> NDArray[np.int64]:
    """Return image numbers from 0 to n - 1, for numbers (negative ones count from the end) or a mask."""
    given = np.asarray(indices)
    if given.dtype.kind == "b" and given.shape == (n,):
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InvalidInputError(f"expected image numbers or a mask of {n}. Received: {given.dtype} of {given.shape}.")
    rows = given.astype(np.int64)
    outside = rows[(rows < -n) | (rows >= n)]
    if outside.size:
        raise InvalidInputError(f"expected image numbers from 0 to {n - 1}. Received: {outside[0]}.")
    return np.where(rows < 0, rows + n, rows)


def _from_one_hot(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.dtype.kind not in "buif" or not np.isin(values, (0, 1)).all() or not (values.sum(axis=1) == 1).all():
        raise DataError(f"{name}: expected one-hot rows with a single 1. Received: rows of {values.shape[1]} numbers.")
    return cast("NDArray[Any]", values.argmax(axis=1))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(array)
    array = array if array.flags.owndata else array.copy()
    array.flags.writeable = False
    return array


def _said(source: Any) -> str:
    return source if isinstance(source, str) else "arrays"


def _unknown(source: Any) -> str:
    from diag.io.readers import BUILTIN

    if not isinstance(source, str):
        return f"expected a name, a path, images or (images, labels). Received: {type(source).__name__}."
    path = Path(source)
    if path.exists():
        ending = printable(path.suffix) or "no ending"
        return f"{printable(path.name)}: expected .npz, .csv, .csv.gz or a folder of images. Received: {ending}."
    import difflib

    close = difflib.get_close_matches(source, BUILTIN, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{printable(source)}: no such file or folder, and no built-in set ({', '.join(BUILTIN)}).{hint}"
