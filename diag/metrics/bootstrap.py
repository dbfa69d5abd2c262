"""Paired bootstrap: the figures of several models on the same resamples of the samples, and intervals from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.classification import class_f1, class_recall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
"""The figures that are resampled, in the order of the last axis."""
N_RESAMPLES = 2000
BOUND = 12 * 10**7
"""Samples x models x resamples: with more, fewer resamples are drawn, but at least `FEWEST`."""
FEWEST = 500
_BLOCK = 2**21
_EQUAL = 1e-12  # rounding makes equal values differ by less


def resamples_within_bound(n: int, n_models: int, wanted: int = N_RESAMPLES) -> int:
    """Return how many resamples to draw so that the work stays bounded.

    Examples
    --------
    >>> resamples_within_bound(800, 7), resamples_within_bound(100_000, 3)
    (2000, 500)
    """
    return min(wanted, max(FEWEST, BOUND // max(n * n_models, 1)))


def figures(y_true: NDArray[Any], y_pred: NDArray[Any], loss: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    """Return a model's `METRICS`, shape (4,).

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n,)
    loss : ndarray of float, shape (n,)
        ``-ln p_true`` of each sample.
    n_classes : int

    Notes
    -----
    Balanced accuracy is the mean recall of the classes that have samples; macro F1 the mean F1 of the classes that
    are true or predicted anywhere, as in scikit-learn.

    Examples
    --------
    >>> figures(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0.0, 3.0, 0.0]), 2).round(3).tolist()
    [0.667, 0.75, 0.667, 1.0]
    """
    hit, support, predicted = (
        np.bincount(classes, minlength=n_classes).astype(np.float64)[:, None]
        for classes in (y_true[y_true == y_pred], y_true, y_pred)
    )
    row: NDArray[np.float64] = _figures(hit, support, predicted, np.array([loss.sum()]))[0]
    return row


def resampled_figures(
    y_true: NDArray[Any],
    y_pred: Sequence[NDArray[Any]],
    loss: Sequence[NDArray[Any]],
    n_classes: int,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> NDArray[np.float64]:
    """Return the `METRICS` of several models on the same resamples, drawn with replacement.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
    y_pred, loss : sequence of ndarray, shape (n,)
        One a model.
    n_classes : int
    rng : numpy.random.Generator
    n_resamples : int

    Returns
    -------
    ndarray of float64, shape (n_resamples, m, 4)
        A difference of two models is taken within each resample, so what both share cancels.

    Notes
    -----
    Samples of the same class with the same answers of all models count alike but for their loss: how often each is
    drawn is summed over such groups, of which there are few. From class to class only errors are counted: right
    answers are the samples of a class less its errors.
    """
    n = len(y_true)
    values = np.full((n_resamples, len(y_pred), len(METRICS)), np.nan)
    if not n:
        return values
    order, starts = _groups(y_true, y_pred, n_classes)
    costs = np.stack([np.asarray(each, dtype=np.float64)[order] for each in loss], axis=1)
    first = order[starts]
    true = y_true[first]
    support_of = _chooser(true, true >= 0, n_classes)
    missed_of = [_chooser(true, each[first] != true, n_classes) for each in y_pred]
    taken_of = [_chooser(each[first], each[first] != true, n_classes) for each in y_pred]
    block = max(1, min(n_resamples, _BLOCK // (n + n_classes)))
    for begin in range(0, n_resamples, block):
        size = min(block, n_resamples - begin)
        times = np.empty((size, n))
        for row in times:
            row[:] = np.bincount(rng.integers(0, n, n), minlength=n)
        total_loss = times @ costs
        drawn = np.ascontiguousarray(np.add.reduceat(times, starts, axis=1).T)
        support = support_of @ drawn
        for model in range(len(y_pred)):
            hit = support - missed_of[model] @ drawn
            predicted = hit + taken_of[model] @ drawn
            values[begin : begin + size, model] = _figures(hit, support, predicted, total_loss[:, model])
    return values


def _groups(
    y_true: NDArray[Any], y_pred: Sequence[NDArray[Any]], n_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return an order in which samples of the same class and answers stand together, and where each group starts."""
    code = y_true.astype(np.int64)
    for predicted in y_pred:
        code = np.unique(code * n_classes + predicted, return_inverse=True)[1].astype(np.int64)
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    return order, starts


def _chooser(classes: NDArray[Any], chosen: NDArray[np.bool_], n_classes: int) -> Any:
    """Return the sparse matrix (k, groups) that sums the chosen groups by class."""
    from scipy.sparse import csr_matrix

    groups = np.flatnonzero(chosen)
    return csr_matrix((np.ones(len(groups)), (classes[groups], groups)), shape=(n_classes, len(classes)))


def _figures(
    hit: NDArray[Any], support: NDArray[Any], predicted: NDArray[Any], loss: NDArray[Any]
) -> NDArray[np.float64]:
    """Return `METRICS` of counts by class (k, r) and summed losses (r,), shape (r, 4)."""
    total = support.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            hit.sum(axis=0) / total,
            _mean_of_classes(class_recall(hit, support)),
            _mean_of_classes(class_f1(hit, support, predicted)),
            loss / total,
        ]
        return np.stack(columns, axis=1)


def jackknife(y_true: NDArray[Any], y_pred: NDArray[Any], loss: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    """Return a model's `METRICS` with each sample left out in turn, shape (n, 4).

    Notes
    -----
    In closed form: leaving out a sample changes recall and F1 of its true class and F1 of its predicted class only.
    NaN where nothing is left.
    """
    n = len(y_true)
    right = (y_true == y_pred).astype(float)
    support = np.bincount(y_true, minlength=n_classes).astype(float)
    predicted = np.bincount(y_pred, minlength=n_classes).astype(float)
    hit = np.bincount(y_true, weights=right, minlength=n_classes)
    t, p = y_true, y_pred
    recall, score = class_recall(hit, support), class_f1(hit, support, predicted)
    recall_left = class_recall(hit[t] - right, support[t] - 1)
    true_left = class_f1(hit[t] - right, support[t] - 1, predicted[t] - right)
    # A wrong answer also takes one from what its predicted class was given.
    pred_left = np.where(right > 0, np.nan, class_f1(hit[p], support[p], predicted[p] - 1))
    wrong = right == 0
    f1_sum = np.nansum(score) - _zero(score[t]) + _zero(true_left) - np.where(wrong, _zero(score[p]), 0)
    f1_sum += np.where(wrong, _zero(pred_left), 0)
    f1_classes = np.isfinite(score).sum() - np.isnan(true_left) - (wrong & np.isnan(pred_left))
    recall_sum = np.nansum(recall) - recall[t] + _zero(recall_left)
    recall_classes = np.isfinite(recall).sum() - np.isnan(recall_left)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [
                (right.sum() - right) / (n - 1),
                recall_sum / recall_classes,
                f1_sum / f1_classes,
                (loss.sum() - loss) / (n - 1),
            ],
            axis=1,
        )


def bca_interval(
    observed: float, resampled: NDArray[Any], left_out: NDArray[Any], confidence: float = 0.95
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval.

    Parameters
    ----------
    observed : float
        The statistic on all samples.
    resampled : ndarray, shape (r,)
        On the resamples; NaN where it is not defined there, which is left out.
    left_out : ndarray, shape (n,)
        With each sample left out in turn.
    confidence : float

    Returns
    -------
    tuple of float
        Lower and upper end; NaN when all resamples give the same value, from which nothing can be said.

    References
    ----------
    Efron (1987), Better bootstrap confidence intervals. JASA 82, 171-185.
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, eq. 14.9 to 14.15.

    Examples
    --------
    >>> bca_interval(1.0, np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    (nan, nan)
    """
    from scipy.special import ndtr, ndtri

    if not 0 < confidence < 1:
        raise InvalidInputError(f"confidence: expected a share between 0 and 1, like 0.95. Received: {confidence}.")
    values = resampled[np.isfinite(resampled)]
    if not np.isfinite(observed) or not len(values) or np.ptp(values) <= _EQUAL:
        return float("nan"), float("nan")
    below = (np.sum(values < observed - _EQUAL) + np.sum(values <= observed + _EQUAL)) / (2 * len(values))
    bias = float(ndtri(np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values))))
    pulls = left_out[np.isfinite(left_out)]
    pulls = pulls.mean() - pulls if len(pulls) else pulls
    spread = float(np.sum(pulls**2))
    acceleration = float(np.sum(pulls**3)) / (6 * spread**1.5) if spread > 1e-300 else 0.0
    tail = float(ndtri(0.5 + confidence / 2))
    ends = [bias + (bias + z) / (1 - acceleration * (bias + z)) for z in (-tail, tail)]
    low, high = np.quantile(values, ndtr(np.asarray(ends)))
    return float(low), float(high)


def _mean_of_classes(values: NDArray[Any]) -> NDArray[Any]:
    """Return the mean over the classes (first axis) that are not NaN; NaN where there is none."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0))


def _zero(values: NDArray[Any]) -> NDArray[Any]:
    return np.where(np.isnan(values), 0.0, values)
