"""Whether one model is really better than another on the same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.equivalence import equivalence_p_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.05
"""The chance of a wrong verdict that is accepted."""
MARGIN = 0.005
"""Two models whose accuracies differ by less are called equivalent: 0.5 points."""


def paired_counts(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the 2x2 table of two models: both right, only the first, only the second, both wrong.

    Parameters
    ----------
    a, b : ndarray of bool, shape (n,)
        Whether each model has the sample right.

    Examples
    --------
    >>> paired_counts(np.array([True, True, False]), np.array([True, False, False]))
    (1, 1, 0, 1)
    """
    both = int((a & b).sum())
    only_a, only_b = int(a.sum()) - both, int(b.sum()) - both
    return both, only_a, only_b, len(a) - both - only_a - only_b


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Parameters
    ----------
    only_a, only_b : int
        Samples that only the first, only the second model has right.

    References
    ----------
    McNemar (1947), Psychometrika 12, 153-157; exact form: a sign test on the discordant pairs.

    Examples
    --------
    >>> mcnemar_exact(0, 5)  # 2 * 0.5**5
    0.0625
    """
    return float(mcnemar_p_values(only_a, only_b))


def mcnemar_p_values(only_a: ArrayLike, only_b: ArrayLike) -> NDArray[Any]:
    """Return `mcnemar_exact` of many pairs at once.

    Parameters
    ----------
    only_a, only_b : ndarray of int
        Broadcast against each other.

    Examples
    --------
    >>> mcnemar_p_values([0, 3, 0], [5, 3, 0]).tolist()
    [0.0625, 1.0, 1.0]
    """
    from scipy.special import bdtr

    a, b = np.broadcast_arrays(np.asarray(only_a, dtype=np.int64), np.asarray(only_b, dtype=np.int64))
    return np.asarray(np.minimum(2 * bdtr(np.minimum(a, b).astype(float), a + b, 0.5), 1.0))


def paired_difference_interval(
    n: int, only_a: int, only_b: int, confidence: float = 1 - LEVEL
) -> tuple[float, float, float]:
    """Return accuracy(a) - accuracy(b) on the same n samples, with its interval (95 % unless told).

    References
    ----------
    Agresti & Min (2005), Statistics in Medicine 24, 729-740: Wald's interval after adding 0.5 to each cell of the
    2x2 table, which holds its level in small samples.

    Examples
    --------
    >>> [round(value, 4) for value in paired_difference_interval(100, 12, 4)]
    [0.08, 0.0007, 0.1562]
    """
    difference, low, high = paired_difference_intervals(n, only_a, only_b, confidence)
    return float(difference), float(low), float(high)


def paired_difference_intervals(
    n: ArrayLike, only_a: ArrayLike, only_b: ArrayLike, confidence: float = 1 - LEVEL
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return `paired_difference_interval` of many pairs at once; NaN where n is 0.

    Raises
    ------
    InvalidInputError
        If `confidence` is not between 0 and 1.
    """
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise InvalidInputError(f"confidence: expected a share between 0 and 1, like 0.95. Received: {confidence}.")
    centre, error = _agresti_min(n, only_a, only_b)
    half = float(ndtri(0.5 + confidence / 2)) * error
    total = np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = (np.asarray(only_a, dtype=float) - np.asarray(only_b, dtype=float)) / total
    return difference, np.maximum(centre - half, -1.0), np.minimum(centre + half, 1.0)


def _agresti_min(n: ArrayLike, only_a: ArrayLike, only_b: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the centre of the interval and its standard error; NaN where n is 0."""
    samples = np.asarray(n, dtype=float)
    total = np.where(samples > 0, samples, np.nan) + 2.0
    b, c = np.asarray(only_a, dtype=float) + 0.5, np.asarray(only_b, dtype=float) + 0.5
    centre = (b - c) / total
    return centre, np.sqrt((b + c) - (b - c) ** 2 / total) / total


def holm_adjust(p_values: Sequence[float] | NDArray[Any]) -> NDArray[Any]:
    """Return p-values adjusted for having made several tests: the chance of any wrong finding stays at the level.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure. Scand. J. Statist. 6, 65-70.

    Examples
    --------
    >>> holm_adjust([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float] | NDArray[Any]) -> NDArray[Any]:
    """Return p-values adjusted so that the expected share of wrong findings stays at the level.

    A NaN stands for a test that was not made: it stays NaN and is not counted.

    References
    ----------
    Benjamini & Hochberg (1995), Controlling the false discovery rate. J. R. Statist. Soc. B 57, 289-300.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03, float("nan")]).round(4).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p), np.nan)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(-p[made], kind="stable")]
    places = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.minimum.accumulate(p[order] * len(order) / places), 1.0)
    return adjusted


def pair_figures(
    n: int, only_a: Sequence[int], only_b: Sequence[int], level: float = LEVEL, margin: float = MARGIN
) -> dict[str, NDArray[Any]]:
    """Return what the data say about each pair of a family of pairs, with the relation that follows.

    Parameters
    ----------
    n : int
        Samples, the same for all pairs.
    only_a, only_b : sequence of int
        For each pair, the samples that only the first, only the second model has right.
    level : float
        The accepted chance of any wrong verdict among all pairs.
    margin : float
        For equivalence, as a share.

    Returns
    -------
    dict of str to ndarray, one value a pair
        ``difference``, ``difference_low``, ``difference_high`` (Agresti & Min, coverage 1 - level each),
        ``p_value`` (McNemar, exact), ``p_adjusted`` (Holm over the pairs), ``p_equivalent`` (two one-sided tests,
        Holm over the pairs) and ``relation`` of the first model to the second.

    Notes
    -----
    ``relation`` is ``"better"`` or ``"worse"`` where ``p_adjusted`` is below the level, else ``"equivalent"`` where
    ``p_equivalent`` is, else ``"undecided"``. Where the exact test finds a difference, Agresti and Min's interval of
    the same level does not hold 0, so a sentence with both does not contradict itself.

    Examples
    --------
    >>> pair_figures(1000, [40, 20], [5, 20])["relation"].tolist()
    ['better', 'undecided']
    """
    check_level(level, margin)
    a, b = np.asarray(only_a, dtype=np.int64), np.asarray(only_b, dtype=np.int64)
    difference, low, high = paired_difference_intervals(n, a, b, 1 - level)
    p_value = mcnemar_p_values(a, b)
    adjusted = holm_adjust(p_value)
    equivalent = holm_adjust(equivalence_p_values(n, a, b, margin))
    found = adjusted < level
    relation = np.select(
        [found & (a > b), found & (a < b), equivalent < level], ["better", "worse", "equivalent"], "undecided"
    )
    return {
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "p_value": p_value,
        "p_adjusted": adjusted,
        "p_equivalent": equivalent,
        "relation": relation,
    }


def class_differences(
    y_true: NDArray[Any], a: NDArray[np.bool_], b: NDArray[np.bool_], n_classes: int, confidence: float = 1 - LEVEL
) -> dict[str, NDArray[Any]]:
    """Return the difference of two models' recall in each class, tested within the class.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
    a, b : ndarray of bool, shape (n,)
        Whether each model has the sample right.
    n_classes : int
    confidence : float
        Of the intervals.

    Returns
    -------
    dict of str to ndarray, shape (n_classes,)
        ``support``, ``recall_a``, ``recall_b``, ``only_a``, ``only_b``, ``difference``, ``difference_low``,
        ``difference_high``, ``p_value`` (McNemar, exact) and ``p_adjusted`` (Benjamini and Hochberg over the classes
        that have samples). NaN for a class without samples.
    """

    def count(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(y_true[mask], minlength=n_classes)

    support = np.bincount(y_true, minlength=n_classes)
    only_a, only_b = count(a & ~b), count(b & ~a)
    seen = np.where(support > 0, 1.0, np.nan)
    difference, low, high = paired_difference_intervals(support, only_a, only_b, confidence)
    p_value = mcnemar_p_values(only_a, only_b) * seen
    return {
        "support": support,
        "recall_a": count(a) / (support * seen),
        "recall_b": count(b) / (support * seen),
        "only_a": only_a,
        "only_b": only_b,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "p_value": p_value,
        "p_adjusted": benjamini_hochberg(p_value),
    }


def check_level(level: float, margin: float) -> None:
    """Refuse a level that is no chance, and a margin that is no share.

    Raises
    ------
    InvalidInputError
    """
    if not 0 < level < 0.5:
        raise InvalidInputError(f"level: expected a chance between 0 and 0.5, like 0.05. Received: {level}.")
    if not 0 < margin < 1:
        raise InvalidInputError(f"margin: expected a share, like 0.005 for 0.5 points. Received: {margin}.")
