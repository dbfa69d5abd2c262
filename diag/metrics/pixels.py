"""Images made small and comparable: what duplicates, neighbours and linear baselines are computed from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.datasets import Dataset

SIDE = 32
"""Height and width that larger images are averaged down to before they are compared."""
PIXEL_BUDGET = 2**28
"""Numbers read from one data set, at most: all of MNIST or CIFAR, 1,700 photographs of 224 x 224."""
PIECE = 2**26
"""Numbers that are read together, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """The images of a data set, small.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Their numbers in the data set, ascending.
    total : int
        Images in the data set.
    digests : ndarray of bytes, shape (m,)
        Equal where the pixels are equal at 8 bits.
    greys : ndarray of float32, shape (m, h, w)
        Grey, at most `SIDE` high and wide.
    """

    rows: NDArray[np.int64]
    total: int
    digests: NDArray[np.bytes_]
    greys: NDArray[np.float32]


def prints(data: Dataset, rng: np.random.Generator) -> Prints:
    """Read a data set once and return its small images: all, or as many as `PIXEL_BUDGET` allows, drawn at random."""
    most = max(2, PIXEL_BUDGET // max(1, int(np.prod(data.images.shape[1:]))))
    rows = np.arange(len(data))
    if len(data) > most:
        rows = np.sort(rng.choice(len(data), most, replace=False))
    digests: list[bytes] = []
    greys: list[NDArray[np.float32]] = []
    factor: float | None = None
    size = max(1, min(256, PIECE // max(1, int(np.prod(data.images.shape[1:])))))
    for start in range(0, len(rows), size):
        images = np.asarray(data.images[rows[start : start + size]])
        factor = _factor(images) if start == 0 else factor
        digests += [_digest(_eight_bits(image, factor)) for image in images]
        greys.append(grey(shrink(images, SIDE)))
    return Prints(rows=rows, total=len(data), digests=np.array(digests), greys=np.concatenate(greys))


def _factor(images: NDArray[Any]) -> float | None:
    """Return what brings float pixels to 0..255; None for those that are not meant as 8 bits."""
    if images.dtype.kind != "f" or not images.size:
        return 1.0
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 255.5:
        return None
    return 255.0 if high <= 1.0 else 1.0


def _eight_bits(images: NDArray[Any], factor: float | None) -> NDArray[Any]:
    if factor is None:
        return images.astype(np.float32)
    whole = images if images.dtype.kind != "f" else np.rint(images * factor)
    return whole.astype(np.uint8) if whole.min() >= 0 and whole.max() <= 255 else whole.astype(np.int64)


def _digest(image: NDArray[Any]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16, person=str(image.shape).encode()[:16]).hexdigest().encode()


def shrink(images: NDArray[Any], side: int) -> NDArray[np.float32]:
    """Return images (n, h, w, c) as float32, averaged over blocks so that no side is longer than `side`.

    Examples
    --------
    >>> shrink(np.arange(8.0).reshape(1, 2, 4, 1), 2)[0, ..., 0].tolist()  # means of two pixels side by side
    [[0.5, 2.5], [4.5, 6.5]]
    """
    small = images.astype(np.float32)
    for axis in (1, 2):
        length = small.shape[axis]
        if length > side:
            starts = np.linspace(0, length, side, endpoint=False).astype(np.int64)
            shape = [1] * small.ndim
            shape[axis] = side
            small = np.add.reduceat(small, starts, axis=axis)
            small /= np.diff([*starts, length]).astype(np.float32).reshape(shape)
    return small


def grey(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images (n, h, w, c) as the mean of their colours, shape (n, h, w); a second or fourth channel is alpha."""
    channels = images.shape[-1]
    colours = channels - 1 if channels in (2, 4) else channels
    flat: NDArray[np.float32] = images[..., :colours].mean(axis=-1)
    return flat


def same_labels(one: Dataset, other: Dataset) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the labels of two data sets as names that can be compared; None when one has none."""
    if one.labels is None or other.labels is None:
        return None
    return tuple(np.asarray(each.class_names, dtype=object)[each.labels].astype(str) for each in (one, other))  # type: ignore[return-value]
