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
    rights, counts = _patterns(correct)
    accuracies: NDArray[np.float64] = rng.multinomial(n, counts / n, size=n_resamples) @ rights / n
    return accuracies


def chosen_accuracy(correct: NDArray[np.bool_], rng: np.random.Generator, n_splits: int = N_RESAMPLES) -> float:
    """Return the accuracy to expect on new samples of the model that is best on these.

    Parameters
    ----------
    correct : ndarray of bool, shape (m, n)
        Whether each model has each sample right.
    rng : numpy.random.Generator
    n_splits : int

    Returns
    -------
    float
        Not above the best model's accuracy; that itself with fewer than two samples or models.

    Notes
    -----
    The best model is chosen on a random half of the samples and judged on the other half, averaged over splits. That
    is unbiased for a model chosen on half as many samples: exactly right when all models are equally good, where the
    flattery is largest, and a little low otherwise. To first order it is the out-of-bag estimate of Tsamardinos et al.
    Efron's optimism (how much better the best of a bootstrap resample is there than on the whole) takes away only
    71 % of the flattery (1 over the square root of 2), as it takes the test set's own chance differences for real.
    Models that tie for best on a half share it.

    References
    ----------
    Tsamardinos, Greasidou & Borboudakis (2018), Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation. Machine Learning 107, 1895-1922.
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 17.6 (optimism).

    Examples
    --------
    >>> correct = np.array([[True, True, False, False], [False, False, True, True]])
    >>> chosen_accuracy(correct, np.random.default_rng(0)) < 0.5
    True
    """
    m, n = correct.shape
    best = float(correct.mean(axis=1).max()) if n else float("nan")
    if m < 2 or n < 2:
        return best
    rights, counts = _patterns(correct)
    half = n // 2
    drawn = rng.multivariate_hypergeometric(counts, half, size=n_splits, method="marginals")
    chosen_by = drawn @ rights
    judged_by = (counts @ rights - chosen_by) / (n - half)
    expected = float(np.mean(np.sum(shares_of_best(chosen_by / half) * judged_by, axis=1)))
    return min(expected, best)


def _patterns(correct: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return which models are right in each pattern that occurs, shape (patterns, m), and how often it does."""
    keys = np.zeros(correct.shape[1], dtype=np.int64)
    for right in correct:  # renumbered after each model, so that the numbers stay below 2 n
        keys = np.unique(2 * keys + right, return_inverse=True)[1]
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return correct[:, first].T.astype(np.float64), counts


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
