"""How much the accuracy of the best of several models is flattered by having been chosen on the same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_RESAMPLES = 2000


def resampled_accuracies(
    correct: NDArray[np.bool_], rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> NDArray[np.float64]:
    """Return the accuracy of each model on bootstrap resamples of the samples.

    Parameters
    ----------
    correct : ndarray of bool, shape (m, n)
        Whether each model has each sample right.
    rng : numpy.random.Generator
    n_resamples : int

    Returns
    -------
    ndarray of float64, shape (n_resamples, m)

    Notes
    -----
    Samples that the same models have right are alike here, so each resample is one multinomial draw of how often
    each such pattern occurs: the cost does not depend on n.

    Examples
    --------
    >>> resampled_accuracies(np.array([[True, True]]), np.random.default_rng(0), 3).tolist()
    [[1.0], [1.0], [1.0]]
    """
    n = correct.shape[1]
    if not n:
        return np.full((n_resamples, len(correct)), np.nan)
    keys = np.zeros(n, dtype=np.int64)
    for right in correct:  # renumbered after each model, so that the numbers stay below 2 n
        keys = np.unique(2 * keys + right, return_inverse=True)[1]
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    drawn = rng.multinomial(n, counts / n, size=n_resamples)
    accuracies: NDArray[np.float64] = drawn @ correct[:, first].T.astype(np.float64) / n
    return accuracies


def chosen_accuracy(observed: NDArray[Any], resampled: NDArray[Any]) -> float:
    """Return the accuracy to expect on new samples of the model that is best on these.

    Parameters
    ----------
    observed : ndarray, shape (m,)
        Accuracy of each model on the test set.
    resampled : ndarray, shape (r, m)
        The same on bootstrap resamples (`resampled_accuracies`).

    Returns
    -------
    float
        Not above ``observed.max()``.

    Notes
    -----
    In each resample the best model w is chosen by its accuracy there, x + e, and judged by x - e: its accuracy on
    the test set, less what the resample flattered it by. To first order this is the out-of-bag estimate of Tsamardinos
    et al., which judges w by the samples that were not drawn, as e of those and of the drawn ones have the covariance
    minus the variance; and it is choosing on one half and judging on the other. It is unbiased when all models are
    equally good, where Efron's optimism, the mean of e, takes away only 71 % (1 over the square root of 2) of the
    flattery, as it takes the test set's own chance differences for real ones. When models differ it is a little low,
    as a resample chooses less well than the whole. Models that tie for best in a resample share it.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 17.6 (optimism).
    Tsamardinos, Greasidou & Borboudakis (2018), Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation. Machine Learning 107, 1895-1922.

    Examples
    --------
    >>> chosen_accuracy(np.array([0.8, 0.8]), np.array([[0.9, 0.7], [0.7, 0.9]])).__round__(3)
    0.7
    """
    expected = float(np.mean(np.sum(shares_of_best(resampled) * (2 * observed - resampled), axis=1)))
    return min(expected, float(np.max(observed)))


def shares_of_best(accuracies: NDArray[Any]) -> NDArray[np.float64]:
    """Return 1 for the best model of each row (r, m), else 0; those that tie share the 1.

    Examples
    --------
    >>> shares_of_best(np.array([[0.9, 0.9, 0.1]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    best = accuracies >= accuracies.max(axis=1, keepdims=True) - 1e-12
    shares: NDArray[np.float64] = best / np.maximum(best.sum(axis=1, keepdims=True), 1)
    return shares
