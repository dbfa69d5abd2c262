"""How alike several classifiers answer the same samples, and which of them are wrong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_MODELS = 60
"""A set of models is one 64-bit number, a bit a model."""
MAX_SETS = 30


def cohen_kappas(predictions: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    """Return Cohen's kappa of each pair of classifiers: agreement beyond what their class shares give by chance.

    Parameters
    ----------
    predictions : ndarray of int, shape (m, n)
        Each row is one classifier's classes, in ``0..n_classes-1``.
    n_classes : int

    Returns
    -------
    ndarray, shape (m, m)
        1 where two always agree, 0 where no more often than by chance; can be negative. NaN where chance alone gives
        full agreement (both always say the same one class), or there is no sample.

    References
    ----------
    Cohen (1960), A coefficient of agreement for nominal scales. Educ. Psychol. Meas. 20, 37-46.

    Examples
    --------
    >>> cohen_kappas(np.array([[0, 0, 1, 1], [0, 1, 1, 1]]), 2)[0].tolist()  # (3/4 - 1/2) / (1 - 1/2)
    [1.0, 0.5]
    """
    m, n = predictions.shape
    if n == 0:
        return np.full((m, m), np.nan)
    counts = np.stack([np.bincount(row, minlength=n_classes) for row in predictions]).astype(float)
    chance = (counts @ counts.T) / n**2
    observed = agreement_shares(predictions)
    return _ratio(observed - chance, 1 - chance)


def agreement_shares(predictions: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of samples to which each pair gives the same class, shape (m, m); NaN without samples."""
    m, n = predictions.shape
    shares = np.full((m, m), np.nan)
    if n:
        for row in range(m):
            shares[row, row:] = shares[row:, row] = (predictions[row:] == predictions[row]).mean(axis=1)
    return shares


def fleiss_kappa(predictions: NDArray[Any], n_classes: int) -> float:
    """Return Fleiss' kappa: how far all classifiers agree beyond chance.

    Parameters
    ----------
    predictions : ndarray of int, shape (m, n)
        Each row is one classifier's classes.
    n_classes : int

    Returns
    -------
    float
        1 where all always agree, 0 for chance. NaN with fewer than two classifiers, without samples, or where only
        one class is ever said.

    References
    ----------
    Fleiss (1971), Measuring nominal scale agreement among many raters. Psychol. Bull. 76, 378-382, eq. 7.

    Examples
    --------
    >>> fleiss_kappa(np.array([[0, 0, 1, 1], [0, 1, 1, 1]]), 2)  # (3/4 - 17/32) / (1 - 17/32)
    0.4666666666666667
    """
    m, n = predictions.shape
    if m < 2 or n == 0:
        return float("nan")
    # The share of agreeing pairs of raters, averaged over samples, is that of samples averaged over pairs.
    upper = np.triu_indices(m, 1)
    observed = float(agreement_shares(predictions)[upper].mean())
    shares = np.bincount(predictions.reshape(-1), minlength=n_classes) / (m * n)
    chance = float(np.square(shares).sum())
    return float(_ratio(np.array(observed - chance), np.array(1 - chance)))


def pair_measures(correct: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Return how each pair of classifiers shares its errors.

    Parameters
    ----------
    correct : ndarray of bool, shape (m, n)
        Whether each classifier is right on each sample.

    Returns
    -------
    dict of str to ndarray, shape (m, m)
        ``q_statistic`` (Yule's Q, -1 to 1: 0 for independent errors, below 0 when errors fall on different samples;
        NaN where it is 0/0), ``double_fault`` (share of samples that both have wrong) and ``disagreement`` (share
        that exactly one has right). On the diagonal a classifier is compared with itself.

    References
    ----------
    Kuncheva & Whitaker (2003), Measures of diversity in classifier ensembles. Machine Learning 51, 181-207, eqs. 3,
    5 and 6.

    Examples
    --------
    >>> right = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0]], dtype=bool)  # 2 both, 1 and 1 alone, 1 neither
    >>> {name: round(float(values[0, 1]), 3) for name, values in pair_measures(right).items()}
    {'q_statistic': 0.333, 'double_fault': 0.2, 'disagreement': 0.4}
    """
    n = correct.shape[1]
    right = correct.astype(np.float64)
    both = right @ right.T
    alone = right.sum(axis=1)[:, None] - both
    neither = n - both - alone - alone.T
    product, cross = both * neither, alone * alone.T
    share = np.full(both.shape, np.nan) if n == 0 else np.full(both.shape, 1.0 / n)
    return {
        "q_statistic": _ratio(product - cross, product + cross),
        "double_fault": neither * share,
        "disagreement": (alone + alone.T) * share,
    }


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSets:
    """Which sets of classifiers are wrong together, most frequent first.

    Parameters
    ----------
    members : tuple of tuple of int
        The classifiers that are wrong; all others are right on these samples.
    rows : tuple of ndarray of int64
        The samples of each set, ascending.
    same_class : tuple of int
        On how many of them all members of the set give the same wrong class.
    n_sets : int
        How many sets there are; `members` may list fewer.
    """

    members: tuple[tuple[int, ...], ...]
    rows: tuple[NDArray[np.int64], ...]
    same_class: tuple[int, ...]
    n_sets: int


def error_sets(predictions: NDArray[Any], y_true: NDArray[Any], limit: int = MAX_SETS) -> ErrorSets:
    """Group the samples by exactly which classifiers are wrong on them (the exclusive sets of an UpSet plot).

    Parameters
    ----------
    predictions : ndarray of int, shape (m, n)
    y_true : ndarray of int, shape (n,)
    limit : int
        So many sets at most. Ties in frequency: fewer members first, then the order of classifiers.

    Raises
    ------
    InvalidInputError
        If there are more than 60 classifiers.

    References
    ----------
    Lex et al. (2014), UpSet: visualization of intersecting sets. IEEE TVCG 20, 1983-1992.

    Examples
    --------
    >>> found = error_sets(np.array([[0, 1, 1, 0], [0, 1, 0, 0]]), np.array([0, 0, 0, 0]))
    >>> found.members, [rows.tolist() for rows in found.rows]
    (((0,), (0, 1)), [[2], [1]])
    """
    m = len(predictions)
    if m > MAX_MODELS:
        raise InvalidInputError(f"error_sets: expected at most {MAX_MODELS} models. Received: {m}.")
    wrong = predictions != y_true
    bits = np.zeros(wrong.shape[1], dtype=np.uint64)
    for number in range(m):
        bits |= wrong[number].astype(np.uint64) << np.uint64(number)
    rows = np.flatnonzero(bits)
    codes, place, counts = np.unique(bits[rows], return_inverse=True, return_counts=True)
    members = [tuple(number for number in range(m) if int(code) >> number & 1) for code in codes]
    order = sorted(range(len(codes)), key=lambda at: (-int(counts[at]), len(members[at]), members[at]))[:limit]
    by_set = np.split(rows[np.argsort(place, kind="stable")], np.cumsum(counts)[:-1]) if len(codes) else []
    same = _same_class(predictions, wrong)
    return ErrorSets(
        members=tuple(members[at] for at in order),
        rows=tuple(by_set[at].astype(np.int64) for at in order),
        same_class=tuple(int(same[by_set[at]].sum()) for at in order),
        n_sets=len(codes),
    )


def _same_class(predictions: NDArray[Any], wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether all wrong answers to a sample are the same, shape (n,)."""
    high = np.where(wrong, predictions, -1).max(axis=0)
    low = np.where(wrong, predictions, np.iinfo(np.int64).max).min(axis=0)
    same: NDArray[np.bool_] = high == low
    return same


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return top / bottom, NaN where bottom is 0 but for rounding."""
    zero = np.abs(bottom) < 1e-12
    found: NDArray[np.float64] = np.divide(top, np.where(zero, 1.0, bottom))
    return np.where(zero, np.nan, found)
