"""Images that are others in other clothes: moved, brighter, compressed, noisy, mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.metrics.neighbours import NEIGHBOURS, Neighbours, correlations, dimension, nearest, surprise
from diag.metrics.phash import close_hashes, perceptual_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHA = 0.01
"""Chance of one false pair among all images, if none were altered copies."""
CORRELATION = 0.97
"""An altered copy has at least this correlation at the best shift; JPEG at quality 50 leaves 0.99."""
MIRRORS = {"as it is": (1, 1), "mirrored": (1, -1), "upside down": (-1, 1)}
RADIUS = 10
"""Bits in which the hashes of an altered copy and its original may differ. Of MNIST images JPEG at quality 50 changes 4
at most, more light 6, noise of 15 grey levels 12 (4 in 95 of 100); a shift none, after centring."""
CLOSEST = 4
"""Images with the closest hashes that are compared pixel by pixel, for each way of looking at an image."""


@dataclass(frozen=True, slots=True)
class Copy:
    """An image that is closer to another than images come by chance.

    Parameters
    ----------
    query, number : int
        Rows of the two.
    correlation : float
        At the best shift of at most one pixel, -1..1.
    how : str
        A key of `MIRRORS`.
    expected : float
        So many pairs as close as this one are expected by chance, among all that were tried.
    """

    query: int
    number: int
    correlation: float
    how: str
    expected: float


def altered_copies(
    queries: NDArray[np.float32],
    among: NDArray[np.float32],
    others: NDArray[np.float32],
    *,
    own: NDArray[np.int64] | None = None,
    tried: int | None = None,
    alpha: float = ALPHA,
) -> list[Copy]:
    """Return those queries that are closer to an image than images of this data come by chance.

    Parameters
    ----------
    queries, among : ndarray of float32, shapes (m, h, w) and (n, h, w)
        Grey images, none twice, none of `queries` in `among` pixel for pixel but itself.
    others : ndarray of float32, shape (l, h, w)
        Unrelated images, whose distances to each other show how the data lies.
    own : ndarray of int64, shape (m,), optional
        The row of `among` that each query is itself.
    tried : int, optional
        Images that were tried in all, of which the queries were chosen as the closest; m when left out.
    alpha : float
        Pairs are returned while fewer than this are expected by chance.

    Returns
    -------
    list of Copy
        The least likely first, each query once.
    """
    if not len(queries) or len(among) <= (own is not None):  # nothing but itself
        return []
    natural = dimension(nearest(others, others, np.arange(len(others)))) if len(others) > 5 * NEIGHBOURS else 0.0
    best: dict[int, Copy] = {}
    together = nearest(
        np.concatenate([queries[:, ::up, ::left] for up, left in MIRRORS.values()]),
        among,
        None if own is None else np.tile(own, len(MIRRORS)),
    )
    # Mirrored images lie apart from all others: how far neighbours usually are is known from the images as they are.
    straight = Neighbours(together.numbers[: len(queries)], together.distances[: len(queries)])
    dimensions, usual = max(natural, dimension(straight)), straight.distances[:, -1]
    tries = (len(queries) if tried is None else tried) * len(MIRRORS)
    for part, how in enumerate(MIRRORS):
        rows = slice(part * len(queries), (part + 1) * len(queries))
        distances = together.distances[rows].copy()
        distances[:, -1] = np.minimum(distances[:, -1], usual)
        found = Neighbours(together.numbers[rows], distances)
        for query, expected in _unlikely(found, dimensions, tries, alpha):
            correlation = float(1 - found.distances[query, 0] ** 2 / 2)
            copy = Copy(query, int(found.numbers[query, 0]), correlation, how, expected)
            if query not in best or copy.expected < best[query].expected:
                best[query] = copy
    return sorted(best.values(), key=lambda copy: (copy.expected, copy.query))


def hashed_candidates(
    queries: NDArray[np.float32], among: NDArray[np.float32], own: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the queries that may be altered copies, ascending: those with a close hash and a high correlation.

    An image is hashed as it is, moved to its centre of mass, mirrored, and upside down.

    Parameters
    ----------
    queries, among : ndarray of float32, shapes (m, h, w) and (n, h, w)
    own : ndarray of int64, shape (m,), optional
        The row of `among` that each query is itself: only rows behind it are looked at.
    """
    plain = perceptual_hashes(among)
    ways = [(queries[:, ::up, ::left], plain) for up, left in MIRRORS.values()]
    candidates = np.zeros(len(queries), dtype=bool)
    for place, (view, hashes) in enumerate([*ways, (queries, perceptual_hashes(centred(among)))]):
        mine = perceptual_hashes(centred(view) if place == len(ways) else view)
        query, number = close_hashes(mine, hashes, RADIUS, CLOSEST, own)
        alike = correlations(view, among, query, number) >= CORRELATION
        candidates[query[alike]] = True
    return np.flatnonzero(candidates)


def centred(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images (n, h, w) rolled by whole pixels so that their centre of mass is in the middle.

    The mass is what differs from the border's median, so that white images with dark things on them are centred too.

    Examples
    --------
    >>> image = np.zeros((1, 5, 5), dtype=np.float32)
    >>> image[0, 0, 1] = 1
    >>> np.argwhere(centred(image)[0]).tolist()
    [[2, 2]]
    """
    n, height, width = images.shape
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    mass = np.abs(images - np.median(border, axis=1)[:, None, None])
    total = np.maximum(mass.sum(axis=(1, 2)), 1e-9)
    row = np.floor(mass.sum(axis=2) @ np.arange(height) / total - (height - 2) / 2).astype(np.int64)
    column = np.floor(mass.sum(axis=1) @ np.arange(width) / total - (width - 2) / 2).astype(np.int64)
    rows = (np.arange(height) + row[:, None]) % height
    columns = (np.arange(width) + column[:, None]) % width
    moved: NDArray[np.float32] = images[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def _unlikely(found: Neighbours, dimensions: float, tries: int, alpha: float) -> list[tuple[int, float]]:
    if dimensions == 0:
        return []
    expected = surprise(found, dimensions) * tries
    close = 1 - found.distances[:, 0] ** 2 / 2 >= CORRELATION
    return [(int(row), float(expected[row])) for row in np.flatnonzero((expected < alpha) & close)]
