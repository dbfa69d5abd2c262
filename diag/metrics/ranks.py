"""Average ranks of several models, and how far apart they must be."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.comparison import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray


def block_ranks(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return each model's rank in each block: 1 is the highest score, ties share the mean of their places.

    Parameters
    ----------
    scores : ndarray, shape (blocks, m)

    Examples
    --------
    >>> block_ranks(np.array([[0.9, 0.7, 0.9]])).tolist()
    [[1.5, 3.0, 1.5]]
    """
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(-np.asarray(scores, dtype=float), axis=1)
    return ranks


def friedman(ranks: NDArray[Any]) -> tuple[float, float]:
    """Return Friedman's statistic of ranks (blocks, m), corrected for ties, and its p-value.

    References
    ----------
    Friedman (1937), JASA 32, 675-701; Conover (1999), Practical Nonparametric Statistics, section 5.8 (ties).

    Examples
    --------
    >>> statistic, p_value = friedman(np.array([[1.0, 2.0], [1.0, 2.0]]))
    >>> statistic, round(p_value, 4)
    (2.0, 0.1573)
    """
    from scipy.special import chdtrc

    blocks, m = ranks.shape
    middle = (m + 1) / 2
    spread = float(np.sum(np.square(ranks - middle)))
    if blocks < 1 or m < 2 or spread <= 0:
        return 0.0, 1.0
    between = blocks**2 * float(np.sum(np.square(ranks.mean(axis=0) - middle)))
    statistic = (m - 1) * between / spread
    return statistic, float(chdtrc(m - 1, statistic))


def critical_difference(n_models: int, n_blocks: int, level: float = LEVEL) -> float:
    """Return by how much two average ranks must differ, by Nemenyi's test.

    References
    ----------
    Demsar (2006), Statistical comparisons of classifiers over multiple data sets. JMLR 7, 1-30, section 3.2.

    Examples
    --------
    >>> round(critical_difference(4, 14, 0.10), 2)  # the example of Demsar's table 6
    1.12
    """
    if n_blocks < 1:
        return float("nan")
    return nemenyi_quantile(n_models, level) * float(np.sqrt(n_models * (n_models + 1) / (6 * n_blocks)))


@lru_cache(maxsize=256)
def nemenyi_quantile(n_models: int, level: float = LEVEL) -> float:
    """Return the upper quantile of the range of m standard normal values, over the square root of 2.

    This is the studentized range with infinitely many degrees of freedom, P(range < q) = m * integral of
    phi(z) (Phi(z) - Phi(z - q))^(m - 1) dz, solved for q.

    Examples
    --------
    >>> [round(nemenyi_quantile(m), 3) for m in (2, 3, 10)]  # Demsar (2006), table 5a
    [1.96, 2.344, 3.164]
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    z = np.linspace(-9, 9, 3601)
    weights = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    if n_models < 2:
        return 0.0

    def over(q: float) -> float:
        return float(n_models * np.sum(weights * (ndtr(z) - ndtr(z - q)) ** (n_models - 1)) - (1 - level))

    return float(brentq(over, 1e-6, 20.0) / np.sqrt(2))


def cliques(average: NDArray[Any], difference: float) -> list[tuple[int, ...]]:
    """Return the largest groups of models whose average ranks lie within the critical difference, best first.

    Parameters
    ----------
    average : ndarray, shape (m,)
        Average ranks.
    difference : float
        The critical difference.

    Returns
    -------
    list of tuple of int
        Model numbers in the order of their ranks. Groups of one, and groups inside another, are left out.

    Examples
    --------
    >>> cliques(np.array([1.0, 1.5, 2.2, 4.0]), 1.0)
    [(0, 1), (1, 2)]
    """
    order = np.argsort(average, kind="stable")
    ordered = np.asarray(average)[order]
    ends = np.searchsorted(ordered, ordered + difference, side="left")
    ends = np.maximum(ends, np.arange(len(ordered)) + 1)
    found, last = [], 0
    for start, end in enumerate(ends):
        if end - start > 1 and end > last:
            found.append(tuple(int(number) for number in order[start:end]))
            last = end
    return found
