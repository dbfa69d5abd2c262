"""Probabilities of several models become one: weighted averages and votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VOTE_SHARE = 0.5
"""Of one vote, what is shared out by the mean probability: it breaks ties and never overturns a vote."""


def normalized_weights(weights: Sequence[float] | None, m: int) -> NDArray[np.float64]:
    """Return weights that sum to 1; equal ones when there are none.

    Raises
    ------
    InvalidInputError
        If there are not `m` of them, or one is negative or not finite, or all are 0.

    Examples
    --------
    >>> normalized_weights([3, 1], 2).tolist()
    [0.75, 0.25]
    """
    try:
        values = np.full(m, 1.0) if weights is None else np.asarray(weights, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):  # texts, or an integer that no float holds
        values = np.zeros(0)
    if len(values) != m or not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise InvalidInputError(
            f"weights: expected {m} numbers, none below 0, one above. Received: {str(weights)[:200]}. "
            "Write one number a member."
        )
    normed: NDArray[np.float64] = values / values.sum()
    return normed


def average(probas: Sequence[NDArray[Any]], weights: Sequence[float] | None = None) -> NDArray[np.float32]:
    """Return the weighted mean of probabilities.

    Parameters
    ----------
    probas : sequence of ndarray, each of shape (n, k)
    weights : sequence of float, optional
        One a member, none negative; equal when left out.

    Returns
    -------
    ndarray of float32, shape (n, k)

    Examples
    --------
    >>> average([np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])]).tolist()
    [[0.75, 0.25]]
    """
    shares = normalized_weights(weights, len(probas))
    total = np.zeros(np.shape(probas[0]), dtype=np.float64)
    for share, proba in zip(shares, probas, strict=True):
        total += share * np.asarray(proba, dtype=np.float64)
    return total.astype(np.float32)


def vote_probabilities(probas: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Return each class's share of the votes, with half a vote more that is shared out by the mean probability.

    The largest is the class with most votes; among equals the one with the larger mean probability. A class that
    nobody votes for keeps a little, so that the log loss is finite.

    Parameters
    ----------
    probas : sequence of ndarray, each of shape (n, k)
        Each member votes for its most probable class.

    Returns
    -------
    ndarray of float32, shape (n, k)

    Examples
    --------
    >>> a, b = np.array([[0.9, 0.1]]), np.array([[0.4, 0.6]])  # one vote each; the mean is 0.65 and 0.35
    >>> round(float(vote_probabilities([a, b])[0, 0]), 3)  # (1 vote + 0.5 * 0.65) / 2.5
    0.53
    """
    total = average(probas).astype(np.float64) * VOTE_SHARE
    rows = np.arange(len(total))
    for proba in probas:
        total[rows, np.argmax(proba, axis=1)] += 1.0
    shares: NDArray[np.float32] = (total / (len(probas) + VOTE_SHARE)).astype(np.float32)
    return shares
