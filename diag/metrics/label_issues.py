"""Confident learning: which labels a model contradicts as surely as it knows that class's own images.

Of the ways to choose among doubted labels this is cleanlab's ``filter_by="confident_learning"``: the samples that the
confident joint counts off its diagonal, less those whose label is the most probable class. cleanlab is not used: its
licence is the AGPL.

References
----------
Northcutt, Jiang & Chuang (2021), Confident learning: estimating uncertainty in dataset labels. Journal of Artificial
Intelligence Research 70, 1373-1411, equations 1 to 3 and section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TOLERANCE = 1e-6
"""A probability this much below its threshold still reaches it: means of equal numbers are not exactly equal."""
BLOCK = 4096
"""Rows of probabilities that are looked at together."""
LOST_CLASS = 0.5
"""When more than this share of a class is called one other class, the class is mixed up, not its labels wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """What confident learning says of n labels.

    Parameters
    ----------
    thresholds : ndarray of float64, shape (k,)
        Mean probability of each class over its own images; infinite for a class without images.
    named : ndarray of int64, shape (n,)
        The most probable class, the lower number when two are equal.
    confidence : ndarray of float64, shape (n,)
        Its probability.
    p_label : ndarray of float64, shape (n,)
        The label's probability: cleanlab's "self-confidence".
    guess : ndarray of int64, shape (n,)
        The class whose threshold is reached (the most probable of several), -1 where there is none.
    joint : ndarray of int64, shape (k, k)
        How many images have which label (row) and which guess (column): the confident joint, not calibrated.
    """

    thresholds: NDArray[np.float64]
    named: NDArray[np.int64]
    confidence: NDArray[np.float64]
    p_label: NDArray[np.float64]
    guess: NDArray[np.int64]
    joint: NDArray[np.int64]

    def issues(self, y_true: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which labels are doubted: another class is guessed, and another is the most probable."""
        found: NDArray[np.bool_] = (self.guess >= 0) & (self.guess != y_true) & (self.p_label < self.confidence)
        return found

    def share(self, y_true: NDArray[np.int64]) -> float:
        """Return the estimated share of wrong labels, 0..1: the calibrated joint off its diagonal.

        Each label's row is brought to as many images as have the label (section 3.2 of the paper, equation 3): images
        without a guess are taken to be like those with one. The diagonal counts at least 1, as in cleanlab, so that a
        label of which no image was guessed at all adds nothing. NaN without images.
        """
        if not len(y_true):
            return float("nan")
        right = np.diag(self.joint)
        off = self.joint.sum(axis=1) - right
        counts = np.bincount(y_true, minlength=len(self.joint))
        return float((counts * off / (off + np.maximum(1, right))).sum() / len(y_true))


def class_thresholds(y_true: NDArray[Any], p_label: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    """Return the mean probability of each class over the images that have its label (equation 2).

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
    p_label : ndarray of float, shape (n,)
        The probability of each image's label.
    n_classes : int

    Returns
    -------
    ndarray of float64, shape (k,)
        Infinite for a class without images: nothing reaches it.

    Examples
    --------
    >>> class_thresholds(np.array([0, 0, 1]), np.array([0.75, 0.25, 1.0]), 3).tolist()
    [0.5, 1.0, inf]
    """
    counts = np.bincount(y_true, minlength=n_classes)
    sums = np.bincount(y_true, weights=p_label, minlength=n_classes)
    thresholds: NDArray[np.float64] = np.divide(sums, counts, out=np.full(n_classes, np.inf), where=counts > 0)
    return thresholds


def confident_learning(y_true: NDArray[Any], probas: Sequence[NDArray[Any]]) -> Doubts:
    """Return the labels that the mean of one or more models' probabilities doubts.

    Parameters
    ----------
    y_true : ndarray of int64, shape (n,)
    probas : sequence of ndarray of float, each of shape (n, k)
        One a model, out of sample: of images that it was not trained on. Read in blocks.

    Raises
    ------
    InvalidInputError
        If there is no model, or shapes disagree.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]])
    >>> found = confident_learning(np.array([0, 0, 1, 1]), [proba])
    >>> found.thresholds.round(2).tolist(), found.issues(np.array([0, 0, 1, 1])).tolist()
    ([0.85, 0.45], [False, False, False, True])
    """
    shapes = {np.shape(proba) for proba in probas}
    n = len(y_true)
    if len(shapes) != 1 or len(next(iter(shapes))) != 2 or next(iter(shapes))[0] != n:
        raise InvalidInputError(f"expected probabilities of shape ({n}, k) from each model. Received: {shapes}.")
    k = next(iter(shapes))[1]
    p_label, named, confidence = np.empty(n), np.empty(n, dtype=np.int64), np.empty(n)
    for rows, block in _blocks(probas, n):
        p_label[rows] = block[np.arange(len(block)), y_true[rows]]
        named[rows] = block.argmax(axis=1)
        confidence[rows] = block.max(axis=1)
    thresholds = class_thresholds(y_true, p_label, k)
    guess = np.empty(n, dtype=np.int64)
    for rows, block in _blocks(probas, n):
        reached = block >= thresholds - TOLERANCE
        count = reached.sum(axis=1)
        only = reached.argmax(axis=1)
        guess[rows] = np.where(count > 1, named[rows], np.where(count == 1, only, -1))
    return Doubts(thresholds, named, confidence, p_label, guess, _joint(y_true, guess, k))


def confident_errors(
    y_true: NDArray[Any], y_pred: NDArray[Any], confidence: NDArray[Any], p_label: NDArray[Any], n_classes: int
) -> Doubts:
    """Return the same from per-sample columns alone, where the probabilities of all classes were not kept.

    Only the predicted class can then be guessed: a class that reaches a lower threshold without being the most probable
    is not seen.

    Parameters
    ----------
    y_true, y_pred : ndarray of int64, shape (n,)
    confidence, p_label : ndarray of float, shape (n,)
        Probabilities of `y_pred` and of `y_true`.
    n_classes : int
    """
    thresholds = class_thresholds(y_true, p_label, n_classes)
    guess = np.where(confidence >= thresholds[y_pred] - TOLERANCE, y_pred, -1)
    return Doubts(
        thresholds=thresholds,
        named=np.asarray(y_pred, dtype=np.int64),
        confidence=np.asarray(confidence, dtype=np.float64),
        p_label=np.asarray(p_label, dtype=np.float64),
        guess=guess,
        joint=_joint(y_true, guess, n_classes),
    )


def normalized_margin(p_label: NDArray[Any], p_other: NDArray[Any]) -> NDArray[np.float64]:
    """Return how good labels are, 0 (bad) to 1: the label's probability less the best other's, brought to 0..1.

    Examples
    --------
    >>> normalized_margin(np.array([0.0, 0.5]), np.array([1.0, 0.5])).tolist()
    [0.0, 0.5]
    """
    margin: NDArray[np.float64] = (np.asarray(p_label, dtype=np.float64) - p_other + 1) / 2
    return margin


def mixed_up(y_true: NDArray[np.int64], named: NDArray[np.int64], n_classes: int) -> NDArray[np.bool_]:
    """Return which images have a label and a named class of which most images of that label are called the other.

    Then the class itself is mixed up with another, by the model or by who numbered the classes, and no single label of
    it is to blame.
    """
    counts = np.bincount(y_true, minlength=n_classes)
    pairs = y_true.astype(np.int64) * n_classes + named
    found, where, called = np.unique(pairs, return_inverse=True, return_counts=True)
    share = called / np.maximum(1, counts[found // n_classes])
    mixed: NDArray[np.bool_] = (share > LOST_CLASS)[where] & (named != y_true)
    return mixed


def _blocks(probas: Sequence[NDArray[Any]], n: int) -> Any:
    """Yield (rows, mean of the models' probabilities there, as float64)."""
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        total = np.array(probas[0][rows], dtype=np.float64)
        for proba in probas[1:]:
            total += proba[rows]
        yield rows, total / len(probas)


def _joint(y_true: NDArray[Any], guess: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    sure = guess >= 0
    return np.bincount(y_true[sure] * k + guess[sure], minlength=k * k).reshape(k, k)
