"""Confusion matrices as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Normalize = Literal["true", "pred", "all"] | None


def confusion_counts(y_true: NDArray[Any], y_pred: NDArray[Any], n_classes: int) -> NDArray[np.int64]:
    """Return the (k, k) matrix of counts; rows are true classes, columns predicted classes.

    Examples
    --------
    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = y_true.astype(np.int64) * n_classes + y_pred.astype(np.int64)
    return np.bincount(cells, minlength=n_classes * n_classes).reshape(n_classes, n_classes).astype(np.int64)


def normalize_confusion(counts: NDArray[Any], normalize: Normalize) -> NDArray[Any]:
    """Return counts as shares of the row (``"true"``), the column (``"pred"``) or the total (``"all"``).

    A row, column or matrix without samples has no share: it is NaN, where scikit-learn writes 0.

    Raises
    ------
    InvalidInputError
        For another value of `normalize`.

    Examples
    --------
    >>> normalize_confusion(np.array([[1, 3], [0, 0]]), "true").tolist()
    [[0.25, 0.75], [nan, nan]]
    """
    if normalize is None:
        return counts
    if normalize not in ("true", "pred", "all"):
        raise InvalidInputError(f"normalize: expected None, 'true', 'pred' or 'all'. Received: {normalize!r}.")
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    total = counts.sum(axis=axis, keepdims=True).astype(np.float64)
    shares: NDArray[Any] = np.divide(
        counts, total, out=np.full(counts.shape, np.nan), where=np.broadcast_to(total > 0, counts.shape)
    )
    return shares
