"""Accuracy, losses and per-class figures, all from a `Summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.calibration import expected_calibration_error
from diag.metrics.intervals import wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.metrics.summaries import Summary


def overall_figures(summary: Summary) -> dict[str, float]:
    """Return the figures of a results table; NaN for each that has no samples to come from.

    Returns
    -------
    dict
        ``n``, ``accuracy`` with ``accuracy_low`` and ``accuracy_high`` (Wilson, 95 %), ``balanced_accuracy`` (mean
        recall of the classes that have samples), ``macro_f1`` (mean F1 of the classes that are true or predicted
        anywhere), ``top3_accuracy``, ``log_loss`` (nats), ``brier`` (0 to 2), ``ece`` (15 equal-width bins). All but
        the losses are shares 0..1.
    """
    hit, support, predicted = _class_counts(summary.confusion)
    n = summary.n
    low, high = wilson_interval(summary.correct, n)

    def mean(total: float) -> float:
        return total / n if n else float("nan")

    return {
        "n": n,
        "accuracy": mean(summary.correct),
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "balanced_accuracy": mean_of_defined(class_recall(hit, support)),
        "macro_f1": mean_of_defined(class_f1(hit, support, predicted)),
        "top3_accuracy": mean(summary.top),
        "log_loss": mean(summary.loss),
        "brier": mean(summary.brier),
        "ece": expected_calibration_error(summary),
    }


def class_recall(hit: NDArray[Any], support: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of each class's samples that are right; NaN for a class without samples."""
    return _ratio(hit, support)


def class_f1(hit: NDArray[Any], support: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    """Return F1 of each class from its right, true and predicted samples; NaN where it is never true nor predicted.

    Examples
    --------
    >>> class_f1(np.array([1, 0, 0]), np.array([2, 1, 0]), np.array([2, 0, 0])).tolist()
    [0.5, 0.0, nan]
    """
    return _ratio(2.0 * hit, support + predicted)


def mean_of_defined(values: NDArray[Any]) -> float:
    """Return the mean of the values that are not NaN; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def per_class_figures(confusion: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return precision, recall and F1 of each class with 95 % intervals.

    Parameters
    ----------
    confusion : ndarray of int, shape (k, k)
        Counts; rows are true classes.

    Returns
    -------
    dict of str to ndarray, shape (k,)
        ``support``, ``predicted``, and for each of ``precision``, ``recall``, ``f1`` the value, ``_low`` and ``_high``.
        A class that is never true has no recall, one that is never predicted no precision: NaN.

    Notes
    -----
    Precision and recall have Wilson's interval. F1 = 2J / (1 + J) rises with the Jaccard index
    J = TP / (TP + FP + FN), which is a proportion: its Wilson interval is carried over.
    """
    tp, support, predicted = _class_counts(confusion)
    union = support + predicted - tp
    figures: dict[str, NDArray[Any]] = {"support": support, "predicted": predicted}
    for name, total in (("precision", predicted), ("recall", support), ("f1", union)):
        share = np.divide(tp, total, out=np.full(len(tp), np.nan), where=total > 0)
        low, high = wilson_interval(tp, total)
        if name == "f1":
            share, low, high = (2 * value / (1 + value) for value in (share, low, high))
        figures |= {name: share, f"{name}_low": low, f"{name}_high": high}
    return figures


def _class_counts(confusion: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any]]:
    """Return right, true and predicted samples of each class."""
    return np.diagonal(confusion).astype(np.float64), confusion.sum(axis=1), confusion.sum(axis=0)


def _ratio(part: NDArray[Any], total: NDArray[Any]) -> NDArray[np.float64]:
    whole = np.asarray(total, dtype=np.float64)
    shares: NDArray[np.float64] = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return shares
