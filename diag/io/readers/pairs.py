"""Which of several arrays hold the images and labels of a split, by what they are called and by their shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.readers.keys import Key, key, of_split, partner
from diag.io.sources import StoredArray
from diag.printable import printable

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The name of an array with images and, where there is one, of that with their labels."""

    images: str
    labels: str | None


def pairs_of(shapes: Mapping[str, Shape], split: str, where: str, label: str | None = None) -> list[Pair]:
    """Return the arrays of a split; for ``"all"`` those of every part.

    Names decide first; if they say nothing, the only array that looks like images does.

    Raises
    ------
    DataError
        If there is none, or more than one that would do.
    """
    keys = [key(name) for name in shapes]
    images = [item for item in of_split(keys, "images", split) if like_images(shapes[item.name])]
    if not images and split == "all":
        parts = [part for part in ("train", "val", "test") if of_split(keys, "images", part)]
        return [pair for part in parts for pair in pairs_of(shapes, part, where, label)] or _by_shape(
            shapes, split, where, label
        )
    if not images:
        return _by_shape(shapes, split, where, label)
    if len(images) > 1:
        raise DataError(
            f"{where}: expected one array of images. Received: several arrays could be the images: "
            f"{_listed(images, shapes)}. Name one after '::'."
        )
    return [Pair(images[0].name, labels_of(images[0].name, shapes, label, where))]


def labels_of(images: str, shapes: Mapping[str, Shape], label: str | None = None, where: str = "data") -> str | None:
    """Return the array with the labels of an array of images: the one named, else that of the same name or length.

    Raises
    ------
    DataError
        If the array that is named like their labels has another length.
    """
    if label is not None:
        return label
    fitting = [name for name in shapes if name != images and like_labels(shapes[name], shapes[images][0])]
    keys = [key(name) for name in fitting]
    of = key(images)
    found = partner(of, keys, "labels", of.split)
    if found is not None:
        return found.name
    named = [item.name for item in keys if item.kind == "labels" and item.split in (of.split, None)]
    if len(named) == 1:
        return named[0]
    if len(fitting) == 1 and keys[0].kind is None and not keys[0].split:
        return fitting[0]
    _refuse_other_length(images, shapes, where)
    return None


def _refuse_other_length(images: str, shapes: Mapping[str, Shape], where: str) -> None:
    of = key(images)
    found = partner(of, [key(name) for name in shapes if name != images], "labels", of.split)
    if found is not None and len(shapes[found.name]) in (1, 2):
        raise DataError(
            f"{where}: expected one label for each of {shapes[images][0]:,} images of {printable(images, 80)}. "
            f"Received: {shapes[found.name][0]:,} labels in {printable(found.name, 80)}. Save both with equally many "
            "rows, or name the labels after '::'."
        )


def _by_shape(shapes: Mapping[str, Shape], split: str, where: str, label: str | None) -> list[Pair]:
    keys = [key(name) for name in shapes]
    likely = [item for item in keys if like_images(shapes[item.name]) and item.kind != "labels"]
    own = [item for item in likely if item.split == split] or [item for item in likely if item.split is None]
    if len(own) == 1 and (split in ("test", "all") or own[0].split == split):
        return [Pair(own[0].name, labels_of(own[0].name, shapes, label, where))]
    if len(own) > 1:
        raise DataError(
            f"{where}: expected one array of images. Received: several arrays could be the images: "
            f"{_listed(own, shapes)}. Name one after '::'."
        )
    raise DataError(
        f"{where}: expected arrays such as x_{split} and y_{split}, or images and labels. "
        f"Received: {_listed(keys, shapes) or 'none'}. Save images and labels under such names."
    )


def like_images(shape: Shape) -> bool:
    """Return whether (n, ...) can be images: n times h x w, h x w x c, or a square as one row."""
    if len(shape) in (3, 4):
        return min(shape[1:]) >= 1 and math.prod(shape[1:]) >= 4
    if len(shape) != 2 or shape[1] < 16:
        return False
    return any(round((shape[1] / channels) ** 0.5) ** 2 * channels == shape[1] for channels in (1, 3))


def like_labels(shape: Shape, n: int) -> bool:
    """Return whether (n, ...) can be the labels of `n` images: one value each, or one-hot rows."""
    return len(shape) in (1, 2) and shape[0] == n


def _listed(keys: Sequence[Key], shapes: Mapping[str, Shape]) -> str:
    return printable(", ".join(f"{item.name} {shapes[item.name]}" for item in keys[:8]))[:240]


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Reads rows from several arrays as if they were one."""

    arrays: tuple[Any, ...]
    ends: tuple[int, ...]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        parts = np.searchsorted(np.asarray(self.ends), rows, side="right")
        out: NDArray[Any] | None = None
        for part in np.unique(parts):
            here = parts == part
            start = self.ends[part - 1] if part else 0
            values = np.asarray(self.arrays[part][rows[here] - start])
            if out is None:
                out = np.empty((len(rows), *values.shape[1:]), dtype=np.result_type(*(a.dtype for a in self.arrays)))
            out[here] = values
        return np.asarray(self.arrays[0][:0]) if out is None else out


def joined(arrays: Sequence[Any], where: str) -> Any:
    """Return arrays one after the other as one, without reading them; a single one as it is.

    Raises
    ------
    DataError
        If their images differ in shape.
    """
    if len(arrays) == 1:
        return arrays[0]
    if len({tuple(array.shape[1:]) for array in arrays}) > 1:
        shapes = " and ".join(str(tuple(array.shape)) for array in arrays)
        raise DataError(f"{where}: expected parts that fit together. Received: {shapes}. Pass --split.")
    ends = tuple(int(end) for end in np.cumsum([len(array) for array in arrays]))
    dtype = np.result_type(*(array.dtype for array in arrays))
    return StoredArray((ends[-1], *arrays[0].shape[1:]), dtype, _Joined(tuple(arrays), ends))


def joined_labels(parts: Sequence[Any], where: str) -> Any:
    """Return the labels of several parts one after the other; None if none has any.

    Raises
    ------
    DataError
        If only some parts have labels, or theirs do not fit together.
    """
    if all(part is None for part in parts):
        return None
    if any(part is None for part in parts):
        raise DataError(f"{where}: expected labels for all parts or for none. Pass --split.")
    try:
        return np.concatenate([np.asarray(part) for part in parts])
    except ValueError as error:
        raise DataError(f"{where}: expected labels of one form in all parts. Pass --split.") from error
