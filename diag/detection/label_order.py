"""Whether a model's outputs stand in another order than the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.metrics.comparison import mcnemar_exact
from diag.results.detection import LabelOrder

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.01
LEAST_LIFT = 0.02
"""Accuracy that another order must add."""
LEAST_SKILL = 0.4
"""How far from chance (0) to perfect (1) answers must come in that order, in the mean over classes. A network that was
trained for something else answers some classes by some of its outputs more often than by chance, too: that is no order
of labels."""


def assignment(labels: NDArray[np.int64], predicted: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return for each label 0..k-1 the output that makes most answers right, each output used once.

    Where the samples leave it open, a label keeps its own output.

    References
    ----------
    Kuhn (1955), The Hungarian method for the assignment problem; by `scipy.optimize.linear_sum_assignment`.

    Examples
    --------
    >>> assignment(np.array([0, 0, 1, 2]), np.array([1, 1, 0, 2]), 3).tolist()
    [1, 0, 2]
    """
    from scipy.optimize import linear_sum_assignment

    told = (predicted >= 0) & (labels >= 0)
    rows, columns = labels[told], predicted[told]
    order = np.arange(k, dtype=np.int64)
    used = np.union1d(rows, columns)  # classes that do not occur keep their own output
    counts = 0.5 * np.eye(len(used))
    np.add.at(counts, (np.searchsorted(used, rows), np.searchsorted(used, columns)), 1)
    order[used] = used[linear_sum_assignment(-counts)[1]]
    return order


def matched(labels: NDArray[np.int64], predicted: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Return whether each answer is right when the other half of the samples says which output means which label.

    Halves are every other sample, so that the sample should be in random or stratified order.
    """
    correct = np.zeros(len(labels), dtype=bool)
    for half in (0, 1):
        order = assignment(labels[1 - half :: 2], predicted[1 - half :: 2], k)
        correct[half::2] = predicted[half::2] == order[labels[half::2]]
    return correct


def label_order(labels: NDArray[np.int64], predicted: NDArray[np.int64], k: int, n_tries: int = 1) -> LabelOrder | None:
    """Return the order of outputs that fits labels significantly better than their own, None if there is none.

    Parameters
    ----------
    labels, predicted : ndarray of int64, shape (n,)
        Class numbers 0..k-1, the predicted ones -1 where there is none. In random or stratified order.
    k : int
    n_tries : int
        How many such comparisons are made: the level, 1 %, is divided by it.
    """
    if k < 2 or len(np.unique(labels)) < 2:
        return None
    before, after = predicted == labels, matched(labels, predicted, k)
    p_value = mcnemar_exact(int((after & ~before).sum()), int((before & ~after).sum()))
    lift = float(after.mean() - before.mean())
    order = assignment(labels, predicted, k)
    support, hits = np.bincount(labels, minlength=k), np.bincount(labels[after], minlength=k)
    recall = float((hits[support > 0] / support[support > 0]).mean())  # one answer for all is no order
    skill = (recall - 1 / k) / (1 - 1 / k)
    if lift < LEAST_LIFT or skill < LEAST_SKILL or p_value >= LEVEL / n_tries or (order == np.arange(k)).all():
        return None
    return LabelOrder(
        outputs=tuple(order.tolist()),
        accuracy=float(before.mean()),
        accuracy_matched=float(after.mean()),
        p_value=p_value,
        n=len(labels),
    )
