"""Whether answers have to do with the labels at all, whatever share of them is one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORK = 5e7
"""Answers that all draws of the permutation test together may shuffle."""
DRAWS = (199, 1999)
ALPHA, LIFT = 0.01, 0.1
"""Of the test; and how far from chance (0) to perfect (1) balanced accuracy must come to be of use."""


@dataclass(frozen=True, slots=True)
class BalancedAccuracy:
    """Mean recall over the classes that have samples.

    Parameters
    ----------
    value : float
    chance : float
        What it would be if the same answers were dealt to the samples at random.
    p_value : float
        One-sided, that it is no more than that.
    """

    value: float
    chance: float
    p_value: float

    @property
    def clear(self) -> bool:
        """Whether the classes are told apart: significantly, and by more than a trace."""
        return self.p_value < ALPHA and self.value >= self.chance + LIFT * (1 - self.chance)


def balanced_accuracy_test(
    y_true: NDArray[np.int64], y_pred: NDArray[np.int64], rng: np.random.Generator
) -> BalancedAccuracy:
    """Test whether balanced accuracy is above chance: the same answers in another order are no worse.

    Unlike accuracy, an answer that is always the most frequent class gains nothing by it.

    Parameters
    ----------
    y_true, y_pred : ndarray of int64, shape (n,)
        Classes from 0 on; at least one sample.
    rng : numpy.random.Generator
        Shuffles the answers; with two classes the test is exact (Fisher's) and draws nothing.

    References
    ----------
    Fisher (1935), The Design of Experiments, on exact and permutation tests. Phipson and Smyth (2010), Permutation
    p-values should never be zero, for ``(1 + reached) / (1 + draws)``.

    Examples
    --------
    >>> y_true = np.array([0] * 8 + [1, 1])
    >>> found = balanced_accuracy_test(y_true, y_true, np.random.default_rng(0))  # 1 / C(10, 2) = 1 / 45
    >>> found.value, found.chance, round(45 * found.p_value, 9)
    (1.0, 0.5, 1.0)
    """
    k = int(max(y_true.max(), y_pred.max())) + 1
    support, named = np.bincount(y_true, minlength=k), np.bincount(y_pred, minlength=k)
    present = support > 0
    value = _balanced(y_true, y_pred, support, present)
    chance = float((named[present] / len(y_pred)).mean())
    if (named > 0).sum() < 2 or present.sum() < 2:
        return BalancedAccuracy(value, chance, 1.0)
    if present.sum() == 2 and not named[~present].any():
        return BalancedAccuracy(value, chance, _exact(y_true, y_pred, support, named))
    draws = int(np.clip(WORK // len(y_true), *DRAWS))
    reached = sum(_balanced(y_true, rng.permutation(y_pred), support, present) >= value - 1e-12 for _ in range(draws))
    return BalancedAccuracy(value, chance, (1 + reached) / (1 + draws))


def _balanced(
    y_true: NDArray[np.int64], y_pred: NDArray[np.int64], support: NDArray[np.int64], present: NDArray[np.bool_]
) -> float:
    hits = np.bincount(y_true[y_true == y_pred], minlength=len(support))
    return float((hits[present] / support[present]).mean())


def _exact(
    y_true: NDArray[np.int64], y_pred: NDArray[np.int64], support: NDArray[np.int64], named: NDArray[np.int64]
) -> float:
    """Return Fisher's exact one-sided p-value: with both margins fixed, one cell says it all."""
    from scipy.stats import hypergeom

    rare = int(np.argmin(np.where(support > 0, support, np.iinfo(np.int64).max)))
    hits = int(((y_true == rare) & (y_pred == rare)).sum())
    return float(hypergeom.sf(hits - 1, len(y_true), int(support[rare]), int(named[rare])))
