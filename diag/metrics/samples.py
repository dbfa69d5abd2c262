"""Per-sample columns: one row a sample, all that an evaluation keeps about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = {
    "index": "position in the data set",
    "y_true": "true class, as a number",
    "y_pred": "class with the largest probability; the lower number when two are equal",
    "confidence": "the probability of y_pred",
    "p_true": "the probability of y_true",
    "margin": "largest minus second largest probability",
    "entropy": "-sum p ln p, in nats",
    "loss": "-ln p_true, in nats, with p_true not below float32's epsilon",
    "brier": "sum over classes of (p - [class is true])^2, 0 to 2 (Brier 1950)",
    "rank": "place of the true class when classes are ordered by probability, 1 is first",
}
EPSILON = float(np.finfo(np.float32).eps)
"""Probabilities are kept in [EPSILON, 1] for the log loss, as scikit-learn does for float32."""


def sample_columns(y_true: NDArray[Any], y_proba: NDArray[Any], start: int = 0) -> dict[str, NDArray[Any]]:
    """Return the per-sample columns of one batch.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
        Values in ``0..k-1``.
    y_proba : ndarray of float, shape (n, k)
        Rows that sum to 1.
    start : int
        The index of the first row in the data set.

    Returns
    -------
    dict of str to ndarray, each of shape (n,)
        The columns of `COLUMNS`.

    Raises
    ------
    InvalidInputError
        If shapes disagree or a label lies outside ``0..k-1``.

    Examples
    --------
    >>> columns = sample_columns(np.array([1]), np.array([[0.75, 0.25]]))
    >>> int(columns["y_pred"][0]), int(columns["rank"][0]), float(columns["brier"][0])
    (0, 2, 1.125)
    """
    if y_proba.ndim != 2 or y_true.shape != y_proba.shape[:1]:
        raise InvalidInputError(
            f"expected y_true of shape (n,) and y_proba of shape (n, k). Received: {y_true.shape} and {y_proba.shape}."
        )
    n, k = y_proba.shape
    if n and (y_true.min() < 0 or y_true.max() >= k):
        raise InvalidInputError(f"expected labels in 0..{k - 1}. Received: {y_true.min()}..{y_true.max()}.")
    proba = y_proba.astype(np.float64)
    rows = np.arange(n)
    y_pred = proba.argmax(axis=1)
    p_true = proba[rows, y_true]
    confidence = proba[rows, y_pred]
    if k > 1:
        top = np.partition(proba, k - 2, axis=1)
        margin = top[:, -1] - top[:, -2]
    else:
        margin = confidence.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(proba > 0, proba * np.log(proba), 0.0)
    classes = np.arange(k)
    ahead = (proba > p_true[:, None]) | ((proba == p_true[:, None]) & (classes < y_true[:, None]))
    return {
        "index": np.arange(start, start + n, dtype=np.int64),
        "y_true": y_true.astype(np.int64),
        "y_pred": y_pred.astype(np.int64),
        "confidence": confidence,
        "p_true": p_true,
        "margin": margin,
        "entropy": -terms.sum(axis=1) + 0.0,
        "loss": -np.log(np.clip(p_true, EPSILON, 1.0)) + 0.0,
        "brier": np.square(proba).sum(axis=1) - 2 * p_true + 1.0,
        "rank": (ahead.sum(axis=1) + 1).astype(np.int64),
    }
