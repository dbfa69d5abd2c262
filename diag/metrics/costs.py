"""What decisions cost, when some mistakes are worse than others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.reliability import resamples
from diag.metrics.temperature import stratified_folds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

N_THRESHOLDS = 201
N_FOLDS = 5


def cost_matrix(costs: ArrayLike | None, n_classes: int) -> NDArray[np.float64]:
    """Return costs as an array of shape (k, k): row i, column j is the cost of saying j where i is true.

    Parameters
    ----------
    costs : array_like of shape (k, k), or None
        None: every mistake costs 1, right answers nothing; the expected cost is then the error rate.
    n_classes : int

    Raises
    ------
    InvalidInputError
        If the shape is another one or a cost is not a finite number.

    Examples
    --------
    >>> cost_matrix(None, 2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    if costs is None:
        return 1.0 - np.eye(n_classes)
    try:
        matrix = np.array(costs, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.full((n_classes, n_classes), np.nan)
    if matrix.shape != (n_classes, n_classes) or not np.isfinite(matrix).all():
        got = f"shape {matrix.shape}" if np.isfinite(matrix).all() else "values that are no finite numbers"
        raise InvalidInputError(
            f"costs: expected finite numbers of shape ({n_classes}, {n_classes}), one row a true class and one column "
            f"a predicted class. Received: {got}."
        )
    return matrix


def minimal_decisions(proba: NDArray[Any], costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the class with the least expected cost under the stated probabilities, shape (n,); ties: the lower one.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning, eq. 1. IJCAI 17, 973-978.

    Examples
    --------
    >>> minimal_decisions(np.array([[0.8, 0.2]]), np.array([[0.0, 1.0], [9.0, 0.0]])).tolist()  # .2 * 9 against .8 * 1
    [1]
    """
    chosen: NDArray[np.int64] = (proba @ costs.astype(proba.dtype)).argmin(axis=1)
    return chosen


def mean_interval(values: NDArray[Any], seed: int = 0) -> tuple[float, float, float]:
    """Return a mean with its 95 % bootstrap interval (percentiles). Of paired differences, it is a paired bootstrap.

    Where all values are equal, resampling shows no spread and the interval is NaN. Equal values are drawn together, so
    that many samples with few different values are quick.
    """
    n = len(values)
    if not n:
        return (float("nan"),) * 3
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) == 1:
        return float(levels[0]), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    if len(levels) <= 1000:
        drawn = rng.multinomial(n, counts / n, resamples(n)) @ levels / n
    else:
        drawn = np.array([values[rng.integers(0, n, n)].mean() for _ in range(resamples(n))])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def indifferent_threshold(costs: NDArray[np.float64]) -> float:
    """Return the probability of class 1 from which saying 1 costs less, for two classes and true probabilities.

    NaN where one answer is never worse than the other.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning, eq. 2. IJCAI 17, 973-978.

    Examples
    --------
    >>> indifferent_threshold(np.array([[0.0, 1.0], [9.0, 0.0]]))
    0.1
    """
    false_alarm, miss = costs[0, 1] - costs[0, 0], costs[1, 0] - costs[1, 1]
    if false_alarm <= 0 or miss <= 0:
        return float("nan")
    return float(false_alarm / (false_alarm + miss))


def cost_by_threshold(
    y_true: NDArray[Any], score: NDArray[Any], costs: NDArray[np.float64], thresholds: NDArray[Any] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the mean cost of saying class 1 wherever its probability is at least a threshold, for two classes.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
        0 or 1.
    score : ndarray of float, shape (n,)
        Probability of class 1.
    costs : ndarray of float64, shape (2, 2)
    thresholds : ndarray of float, optional
        By default 0, .005, ..., 1, and one that no score reaches.

    Returns
    -------
    dict of str to ndarray
        ``threshold``, ``cost``, ``false_positives``, ``false_negatives`` (counts).
    """
    cuts = np.append(np.linspace(0, 1, N_THRESHOLDS), np.inf) if thresholds is None else thresholds
    high, low = np.sort(score[y_true == 1]).astype(float), np.sort(score[y_true == 0]).astype(float)
    missed, passed = np.searchsorted(high, cuts), np.searchsorted(low, cuts)
    raised = len(low) - passed
    caught = len(high) - missed
    total = passed * costs[0, 0] + raised * costs[0, 1] + missed * costs[1, 0] + caught * costs[1, 1]
    cost = total / (len(score) or np.nan)
    return {"threshold": cuts, "cost": cost, "false_positives": raised, "false_negatives": missed}


def best_threshold(
    y_true: NDArray[Any], score: NDArray[Any], costs: NDArray[np.float64], seed: int = 0
) -> dict[str, float]:
    """Return the threshold that costs least on these samples, and what choosing one costs on other samples.

    Parameters
    ----------
    y_true, score, costs
        As in `cost_by_threshold`.
    seed : int
        Of the folds.

    Returns
    -------
    dict of str to float
        ``threshold`` (infinite where saying class 1 never is cheapest), ``cost`` (on the samples that chose it: too
        low) and ``cross_validated_cost``: of each fifth of the samples with the threshold that the other four chose.
    """
    folds = stratified_folds(y_true, N_FOLDS, seed)
    chosen = _least(y_true, score, costs)
    total = 0.0
    for fold in range(N_FOLDS):
        held = folds == fold
        if held.any():
            cut = _least(y_true[~held], score[~held], costs)[0]
            part = cost_by_threshold(y_true[held], score[held], costs, np.array([cut]))["cost"][0]
            total += float(part) * int(held.sum())
    across = total / len(score) if len(score) >= 2 * N_FOLDS else float("nan")
    return {"threshold": chosen[0], "cost": chosen[1], "cross_validated_cost": across}


def _least(y_true: NDArray[Any], score: NDArray[Any], costs: NDArray[np.float64]) -> tuple[float, float]:
    """Return the cheapest threshold and its cost: half-way between two scores; of equally cheap ones the middle one.

    Infinity is one of them: no score reaches it, not even a score of 1.
    """
    if not len(score):
        return float("nan"), float("nan")
    levels = np.unique(score.astype(float))
    cuts = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    cost = cost_by_threshold(y_true, score, costs, cuts)["cost"]
    places = np.flatnonzero(cost <= cost.min() + 1e-12)
    place = places[(len(places) - 1) // 2]
    return float(cuts[place]), float(cost[place])
