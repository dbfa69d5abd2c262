"""Perceptual hashes: 64 bits that hardly change when an image is compressed, resized or made brighter.

References
----------
Zauner (2010), Implementation and benchmarking of perceptual image hash functions. Upper Austria University of Applied
Sciences, section 3.2.1: the lowest frequencies of the discrete cosine transform against their median. Krawetz (2011),
Looks like it. The Hacker Factor Blog, made it known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BITS = 64
SIDE = 8
"""Frequencies 1 to 8 of each axis make the bits; frequency 0 would be the brightness of rows and columns."""
CELLS = 2**19
"""Pairs of hashes that are compared together."""


def perceptual_hashes(greys: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return one hash an image.

    Each bit says whether a low frequency of the image's cosine transform lies above the median of all 64. The transform
    is taken at the image's own size, so that images of different sizes can be compared.

    Parameters
    ----------
    greys : ndarray of float32, shape (n, h, w)
        Grey images; small ones, as of `diag.metrics.pixels.prints`.

    Returns
    -------
    ndarray of uint64, shape (n,)

    Examples
    --------
    >>> image = np.random.default_rng(0).random((1, 20, 20), dtype=np.float32)
    >>> int(hamming(perceptual_hashes(image), perceptual_hashes(image * 2 + 1))[0])
    0
    """
    if not len(greys):
        return np.zeros(0, np.uint64)
    _, height, width = greys.shape
    hashes = np.empty(len(greys), np.uint64)
    weights = np.uint64(1) << np.arange(BITS, dtype=np.uint64)
    for start in range(0, len(greys), 4096):
        some = greys[start : start + 4096].astype(np.float32)
        waves = (_cosines(height) @ some @ _cosines(width).T).reshape(len(some), BITS)
        above = waves > np.median(waves, axis=1, keepdims=True)
        hashes[start : start + 4096] = (above * weights).sum(axis=1, dtype=np.uint64)
    return hashes


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return in how many of 64 bits hashes differ.

    Examples
    --------
    >>> hamming(np.array([5], np.uint64), np.array([6], np.uint64)).tolist()
    [2]
    """
    bits: NDArray[np.uint8] = np.bitwise_count(a ^ b)
    return bits


def close_hashes(
    queries: NDArray[np.uint64],
    among: NDArray[np.uint64],
    radius: int,
    most: int,
    own: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs (query, row of `among`) whose hashes differ in at most `radius` bits, at most `most` a query.

    Parameters
    ----------
    queries, among : ndarray of uint64, shapes (m,) and (n,)
    radius : int
        0 to 64.
    most : int
        The closest of a query are kept, the first of equals.
    own : ndarray of int64, shape (m,), optional
        The row of `among` that each query is itself: only rows behind it are looked at, so that each pair comes once.

    Returns
    -------
    (ndarray of int64, ndarray of int64)
        Sorted by query, then by distance.

    Examples
    --------
    >>> hashes = np.array([0, 1, 255], np.uint64)
    >>> [found.tolist() for found in close_hashes(hashes, hashes, 2, 5, own=np.arange(3))]
    [[0], [1]]
    """
    rows: list[NDArray[np.int64]] = []
    numbers: list[NDArray[np.int64]] = []
    step = max(1, CELLS // max(1, len(among)))
    for start in range(0, len(queries), step):
        first = 0 if own is None else int(own[start : start + step].min(initial=len(among)))
        apart = hamming(queries[start : start + step, None], among[None, first:])
        found = np.flatnonzero(apart.ravel() <= radius)
        row, number = np.divmod(found, max(1, apart.shape[1]))
        number += first
        if own is not None:
            behind = number > own[start + row]
            found, row, number = found[behind], row[behind], number[behind]
        order = np.lexsort((number, apart.ravel()[found], row))
        row, number = row[order], number[order]
        place = np.arange(len(row)) - np.searchsorted(row, row, side="left")
        rows.append(row[place < most] + start)
        numbers.append(number[place < most])
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(rows), np.concatenate(numbers)


def _cosines(size: int) -> NDArray[np.float32]:
    """Return the waves of frequencies 1 to 8 at the middles of `size` pixels, shape (8, size); DCT-II without scale."""
    angle = np.pi / size * (np.arange(size) + 0.5)
    return np.cos(np.arange(1, SIDE + 1)[:, None] * angle).astype(np.float32)
