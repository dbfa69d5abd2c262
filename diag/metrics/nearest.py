"""Nearest neighbours among embeddings, block by block.

References
----------
Sun, Ming, Zhu & Li (2022), Out-of-distribution detection with deep nearest neighbors. ICML, section 3: features are
divided by their length, and the distance to the k-th nearest training image tells what is unlike the training data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 128


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest rows for each of m queries, nearest first.

    Parameters
    ----------
    numbers : ndarray of int64, shape (m, k)
        Rows of those searched.
    distances : ndarray of float64, shape (m, k)
        Euclidean, between rows of length 1: 0 to 2.
    """

    numbers: NDArray[np.int64]
    distances: NDArray[np.float64]

    def shares(self, labels: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of each query's neighbours that have the class wanted for it, 0..1; NaN without any.

        Parameters
        ----------
        labels : ndarray of int64
            Of the rows searched.
        wanted : ndarray of int64, shape (m,)
        """
        if not self.numbers.shape[1]:
            return np.full(len(self.numbers), np.nan)
        shares: NDArray[np.float64] = (labels[self.numbers] == wanted[:, None]).mean(axis=1)
        return shares

    @property
    def farthest(self) -> NDArray[np.float64]:
        """The distance to the k-th neighbour, shape (m,); NaN without any."""
        if not self.distances.shape[1]:
            return np.full(len(self.distances), np.nan)
        return self.distances[:, -1]


def nearest(
    queries: NDArray[np.float32], among: NDArray[np.float32], k: int, own: NDArray[np.int64] | None = None
) -> Nearest:
    """Return the k nearest rows for each query, exactly.

    Parameters
    ----------
    queries, among : ndarray of float32, shapes (m, d) and (n, d)
        Rows of length 1 (`Embedding.unit`).
    k : int
        Fewer are returned where there are not so many.
    own : ndarray of int64, shape (m,), optional
        The row of `among` that each query is itself, -1 for none: it is no neighbour.

    Examples
    --------
    >>> rows = np.eye(3, dtype=np.float32)
    >>> nearest(rows[:1], rows, 1, own=np.array([0])).distances.round(4).tolist()
    [[1.4142]]
    """
    itself = np.full(len(queries), -1) if own is None else own
    k = max(0, min(k, len(among) - bool((itself >= 0).any())))
    numbers = np.zeros((len(queries), k), dtype=np.int64)
    distances = np.zeros((len(queries), k))
    for start in range(0, len(queries) if k else 0, CHUNK):
        rows = slice(start, start + CHUNK)
        similar = queries[rows] @ among.T
        known = np.flatnonzero(itself[rows] >= 0)
        similar[known, itself[rows][known]] = -np.inf
        found = np.sort(np.argpartition(-similar, k - 1, axis=1)[:, :k], axis=1)
        apart = np.linalg.norm(among[found] - queries[rows][:, None], axis=2)
        order = np.argsort(apart, axis=1, kind="stable")
        numbers[rows] = np.take_along_axis(found, order, 1)
        distances[rows] = np.take_along_axis(apart, order, 1).astype(np.float64)
    return Nearest(numbers, distances)


def percentiles(values: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what share of the usual values lies below each value, 0 to 100; NaN where there are none.

    Examples
    --------
    >>> percentiles(np.array([0.5, 9.0]), np.array([0.0, 1.0, 2.0, 3.0])).tolist()
    [25.0, 100.0]
    """
    if not len(usual):
        return np.full(len(values), np.nan)
    below = np.searchsorted(np.sort(usual), values, side="left")
    return np.where(np.isnan(values), np.nan, below * (100 / len(usual))).astype(np.float64)
