"""Which images are closest to which, up to a shift of one pixel, brightness and contrast, and how unlikely that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.metrics.pixels import shrink

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE = 14
"""Candidates are sought among blurred images of this size, and among the magnitudes of their Fourier transforms."""
CANDIDATES = 20
"""Candidates that each of the two searches hands on to the close comparison."""
NEIGHBOURS = 6
"""The nearest neighbour is measured against the one of this rank."""
CHUNK = 128


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The closest images for each of m images, nearest first.

    Parameters
    ----------
    numbers : ndarray of int64, shape (m, NEIGHBOURS)
        Rows of the images searched.
    distances : ndarray of float64, shape (m, NEIGHBOURS)
        ``sqrt(2 - 2r)`` with r the correlation at the best shift: 0 for equal up to shift, brightness and contrast.
        Infinite where the image is blank.
    """

    numbers: NDArray[np.int64]
    distances: NDArray[np.float64]


def nearest(
    queries: NDArray[np.float32], among: NDArray[np.float32], own: NDArray[np.int64] | None = None
) -> Neighbours:
    """Return the closest of `among` for each of `queries`.

    Parameters
    ----------
    queries, among : ndarray of float32, shapes (m, h, w) and (n, h, w)
        Grey images of one size, at least 3 x 3 pixels.
    own : ndarray of int64, shape (m,), optional
        The row of `among` that each query is itself, -1 for none: an image is not its own neighbour.
    """
    searches = [(view(queries), view(among)) for view in (_blurred, _spectrum)]
    inner = _unit(among[:, 1:-1, 1:-1])
    most = min(CANDIDATES, len(among) - (own is not None))
    kept = min(NEIGHBOURS, most)
    numbers, distances = [], []
    for start in range(0, len(queries), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(queries)))
        itself = own[rows] if own is not None else None
        found = [_candidates(view[rows], all_, most, itself) for view, all_ in searches]
        candidates = np.sort(np.concatenate(found, axis=1), axis=1)
        r = np.matmul(_shifted(queries[rows]), inner[candidates].transpose(0, 2, 1)).max(axis=1)
        r[:, 1:][candidates[:, 1:] == candidates[:, :-1]] = -np.inf  # found by both searches
        order = np.argsort(-r, axis=1, kind="stable")[:, :kept]
        numbers.append(np.take_along_axis(candidates, order, 1))
        distances.append(np.sqrt(np.maximum(0, 2 - 2 * np.take_along_axis(r, order, 1).astype(np.float64))))
    closest = np.concatenate(distances)
    closest[np.ptp(queries.reshape(len(queries), -1), axis=1) == 0] = np.inf
    return Neighbours(np.concatenate(numbers), closest)


def correlations(
    queries: NDArray[np.float32],
    among: NDArray[np.float32],
    query: NDArray[np.int64],
    number: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the correlation of each pair (row of `queries`, row of `among`) at the best shift, -1..1.

    Parameters
    ----------
    queries, among : ndarray of float32, shapes (m, h, w) and (n, h, w)
        At least 3 x 3 pixels.
    query, number : ndarray of int64, shape (p,)
        The pairs.
    """
    found = np.empty(len(query), dtype=np.float32)
    order = np.argsort(query, kind="stable")
    unique, starts = np.unique(query[order], return_index=True)
    starts = np.append(starts, len(order))
    for first in range(0, len(unique), CHUNK):
        shifted = _shifted(queries[unique[first : first + CHUNK]])
        pairs = order[starts[first] : starts[min(first + CHUNK, len(unique))]]
        inner = _unit(among[number[pairs], 1:-1, 1:-1])
        mine = np.searchsorted(unique, query[pairs]) - first
        found[pairs] = np.matmul(shifted[mine], inner[:, :, None])[..., 0].max(axis=1)
    return found


def surprise(found: Neighbours, dimension: float) -> NDArray[np.float64]:
    """Return for each image how probable so close a nearest neighbour is, given the distance of the farthest kept.

    Locally uniform points of dimension D have nearest neighbours whose volumes ``d**D`` arrive as a Poisson process:
    given the k-th, the nearer ones are uniform below it, so ``P((d1 / dk)**D < x) = 1 - (1 - x)**(k - 1)``.

    References
    ----------
    Facco et al. (2017), Estimating the intrinsic dimension of datasets by a minimal neighborhood information.
    Scientific Reports 7, 12140.
    """
    shares = _ratio(found) ** dimension
    chance: NDArray[np.float64] = 1 - (1 - np.minimum(shares, 1)) ** (found.distances.shape[1] - 1)
    return chance


def dimension(found: Neighbours) -> float:
    """Return the intrinsic dimension that makes the median of `surprise` one half; 0 when there is nothing to go by."""
    ratios = _ratio(found)
    ratios = ratios[(ratios > 0) & (ratios < 1)]
    k = found.distances.shape[1]
    if len(ratios) < 20 or k < 3:
        return 0.0
    return float(np.log(1 - 0.5 ** (1 / (k - 1))) / np.log(np.median(ratios)))


def _ratio(found: Neighbours) -> NDArray[np.float64]:
    """Return the distance of the nearest over that of the farthest kept; 1 where either is unknown."""
    first, last = found.distances[:, 0], found.distances[:, -1]
    usable = np.isfinite(first) & np.isfinite(last) & (last > 0)
    ratios: NDArray[np.float64] = np.divide(first, last, out=np.ones(len(first)), where=usable)
    return ratios


def _candidates(
    queries: NDArray[np.float32], among: NDArray[np.float32], most: int, own: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    similar = queries @ among.T
    if own is not None:
        known = np.flatnonzero(own >= 0)
        similar[known, own[known]] = -np.inf
    found: NDArray[np.int64] = np.argpartition(-similar, most - 1, axis=1)[:, :most]
    return found


def _blurred(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what changes little when an image is moved by less than a pixel, compressed, or noisy."""
    from scipy.ndimage import gaussian_filter

    return _unit(shrink(gaussian_filter(images, (0, 1.0, 1.0), mode="nearest")[..., None], COARSE))


def _spectrum(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what does not change when an image is moved: the low half of its Fourier transform's magnitude."""
    half, parts = COARSE // 2, []
    for start in range(0, len(images), 4096):
        some = images[start : start + 4096]
        magnitude = np.abs(np.fft.rfft2(some - some.mean(axis=(1, 2), keepdims=True)))
        parts.append(np.concatenate([magnitude[:, :half, :half], magnitude[:, -half:, :half]], axis=1))
    return _unit(np.concatenate(parts).astype(np.float32))


def _shifted(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inner part of each image at each of nine shifts, standardised, shape (n, 9, pixels)."""
    _, height, width = images.shape
    parts = [
        _unit(images[:, 1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
    ]
    return np.stack(parts, axis=1)


def _unit(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each image as a row with mean 0 and length 1; blank ones are 0."""
    rows = images.reshape(len(images), -1)
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    units: NDArray[np.float32] = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-6)
    return units
