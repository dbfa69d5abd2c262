"""Several classifiers answer as one: averages of probabilities, votes, greedy selection, and the oracle above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.io.joining import average, normalized_weights
from diag.metrics.samples import EPSILON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROUNDS = 25
"""How many picks greedy selection makes; the best prefix counts."""
CHUNK = 2**16
"""Probabilities of one member that are worked on at a time: they stay in the processor's cache."""


def combined(
    probas: Sequence[NDArray[Any]], y_true: NDArray[Any], combinations: NDArray[Any], rows: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return what many weighted averages of the same members answer; few rows are in memory at a time.

    Parameters
    ----------
    probas : sequence of m ndarrays, each of shape (n, k)
        May be memory-mapped.
    y_true : ndarray of int, shape (n,)
    combinations : ndarray of float, shape (c, m)
        Weights; a member of weight 0 is left out.
    rows : ndarray of int, shape (r,), optional
        Only these samples.

    Returns
    -------
    (ndarray of int64, ndarray of float64), each of shape (c, r)
        The most probable class, and the probability of the true one.
    """
    chosen = np.arange(len(y_true)) if rows is None else rows
    y_pred = np.empty((len(combinations), len(chosen)), dtype=np.int64)
    p_true = np.empty((len(combinations), len(chosen)), dtype=np.float64)
    step = max(1, CHUNK // max(probas[0].shape[1], 1))
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        blocks = [np.asarray(proba[part]) for proba in probas]
        at = np.arange(len(part))
        for number, weights in enumerate(combinations):
            used = np.flatnonzero(weights)
            mean = average([blocks[place] for place in used], weights[used])
            y_pred[number, start : start + step] = mean.argmax(axis=1)
            p_true[number, start : start + step] = mean[at, y_true[part]]
    return y_pred, p_true


def majority_vote(predictions: NDArray[Any], support: NDArray[Any]) -> NDArray[np.int64]:
    """Return the class that most members give.

    Parameters
    ----------
    predictions : ndarray of int, shape (m, n)
        Each member's classes.
    support : ndarray of float, shape (m, n)
        What breaks ties: the mean probability, over all members, of the class that each one gives. Where that is not
        known, `confidence_support`. Then the lower class number.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> majority_vote(np.array([[2, 0], [1, 0], [1, 3]]), np.zeros((3, 2))).tolist()
    [1, 0]
    """
    best: NDArray[np.int64] = predictions[0].astype(np.int64)
    most, strength = _votes(predictions, 0), support[0].astype(np.float64)
    for number in range(1, len(predictions)):
        votes, here = _votes(predictions, number), support[number]
        tied = votes == most
        lower = (here == strength) & (predictions[number] < best)
        wins = (votes > most) | (tied & ((here > strength) | lower))
        best = np.where(wins, predictions[number], best).astype(np.int64)
        most, strength = np.where(wins, votes, most), np.where(wins, here, strength)
    return best


def mean_support(
    probas: Sequence[NDArray[Any]], predictions: NDArray[Any], rows: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return the mean probability, over all members, of the class that each member gives, shape (m, n).

    Parameters
    ----------
    probas : sequence of m ndarrays, each of shape (samples, k)
        May be memory-mapped.
    predictions : ndarray of int, shape (m, n)
    rows : ndarray of int, shape (n,), optional
        Which samples the predictions are of; all when left out.
    """
    chosen = np.arange(predictions.shape[1]) if rows is None else rows
    total = np.zeros(predictions.shape, dtype=np.float64)
    step = max(1, CHUNK // max(probas[0].shape[1], 1))
    for start in range(0, len(chosen), step):
        part = slice(start, start + step)
        at = np.arange(len(chosen[part]))
        for proba in probas:
            total[:, part] += np.asarray(proba[chosen[part]])[at, predictions[:, part]]
    return total / len(probas)


def confidence_support(predictions: NDArray[Any], confidence: NDArray[Any]) -> NDArray[np.float64]:
    """Return the confidences of all members that give the same class as each one, added up, over m; shape (m, n)."""
    m = len(predictions)
    return np.stack([((predictions == given) * confidence).sum(axis=0) / m for given in predictions])


def _votes(predictions: NDArray[Any], number: int) -> NDArray[np.int64]:
    votes: NDArray[np.int64] = (predictions == predictions[number]).sum(axis=0)
    return votes


def oracle(correct: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether any member is right, shape (n,): no way to choose among their answers does better.

    References
    ----------
    Kuncheva (2002), A theoretical study on six classifier fusion strategies. IEEE TPAMI 24, 281-286.
    """
    return np.asarray(correct.any(axis=0), dtype=np.bool_)


def greedy_picks(p_true: NDArray[Any], rounds: int = ROUNDS) -> tuple[int, ...]:
    """Return the members that greedy forward selection with replacement picks, in order.

    Each round adds the member whose addition gives the lowest log loss of the average; one may be picked again, which
    raises its weight. The prefix with the lowest log loss is returned.

    Parameters
    ----------
    p_true : ndarray of float, shape (m, n)
        The probability that each member gives to the true class.
    rounds : int
        At most so many picks.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew & Ksikes (2004), Ensemble selection from libraries of models. ICML 2004, section 2.

    Examples
    --------
    >>> greedy_picks(np.array([[0.9, 0.2], [0.1, 0.9], [0.3, 0.3]]), rounds=4)
    (0, 1)
    """
    values = np.asarray(p_true, dtype=np.float64)
    if not values.size:
        return (0,)
    total = np.zeros(values.shape[1])
    picks: list[int] = []
    losses: list[float] = []
    for count in range(1, rounds + 1):
        each = [_log_loss((total + row) / count) for row in values]
        chosen = int(np.argmin(each))
        total += values[chosen]
        picks.append(chosen)
        losses.append(each[chosen])
    return tuple(picks[: int(np.argmin(losses)) + 1])


def _log_loss(p_true: NDArray[np.float64]) -> float:
    return float(-np.log(np.maximum(p_true, EPSILON)).mean())


def pick_weights(picks: Sequence[int], m: int) -> NDArray[np.float64]:
    """Return each member's share of the picks, shape (m,)."""
    return normalized_weights(np.bincount(np.asarray(picks), minlength=m).tolist(), m)


def stratified_folds(y_true: NDArray[Any], n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of each sample's fold: classes are spread evenly, at random within a class; shape (n,).

    Examples
    --------
    >>> folds = stratified_folds(np.array([0, 0, 1, 1]), 2, np.random.default_rng(0))
    >>> sorted(folds[:2].tolist()), sorted(folds[2:].tolist())
    ([0, 1], [0, 1])
    """
    drawn = rng.permutation(len(y_true))
    order = drawn[np.argsort(np.asarray(y_true)[drawn], kind="stable")]
    folds = np.empty(len(y_true), dtype=np.int64)
    folds[order] = np.arange(len(y_true)) % n_folds
    return folds


def fold_winners(scores: NDArray[Any], folds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each fold, which candidate has the best mean score on all the others; the first of equals.

    Parameters
    ----------
    scores : ndarray, shape (candidates, n)
        Higher is better: whether each is right on each sample.
    folds : ndarray of int64, shape (n,)

    Examples
    --------
    >>> fold_winners(np.array([[1, 1, 0, 0], [0, 0, 1, 1]]), np.array([0, 0, 1, 1])).tolist()
    [1, 0]
    """
    n_folds = int(folds.max(initial=-1)) + 1
    member = np.zeros((len(folds), n_folds))
    member[np.arange(len(folds)), folds] = 1.0
    inside = np.asarray(scores, dtype=np.float64) @ member
    winners: NDArray[np.int64] = np.argmax(inside.sum(axis=1, keepdims=True) - inside, axis=0)
    return winners
