"""Orders of classes and of samples: top-k accuracy, and accuracy when the least sure answers are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.intervals import wilson_interval
from diag.metrics.reliability import resamples

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_RANKS = 10
MOST_POINTS = 200
COVERAGE = 0.90
ACCURACY = 0.99
_BLOCKS = 1000


def top_k_accuracy(rank: NDArray[Any], n_classes: int) -> dict[str, NDArray[Any]]:
    """Return the share of samples whose true class is among the first k, for k = 1 to 10 (at most all classes).

    Parameters
    ----------
    rank : ndarray of int, shape (n,)
        Place of the true class when classes are ordered by probability, 1 is first.
    n_classes : int

    Returns
    -------
    dict of str to ndarray
        ``k``, ``accuracy``, ``accuracy_low``, ``accuracy_high`` (Wilson, 95 %).

    Examples
    --------
    >>> top_k_accuracy(np.array([1, 1, 2, 3]), 3)["accuracy"].tolist()
    [0.5, 0.75, 1.0]
    """
    ks = np.arange(1, min(n_classes, MOST_RANKS) + 1)
    hits = (rank[:, None] <= ks).sum(axis=0)
    low, high = wilson_interval(hits, len(rank))
    accuracy = hits / (len(rank) or np.nan)
    return {"k": ks, "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high}


def coverage_curve(confidence: NDArray[Any], correct: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Return the accuracy of the surest answers, for every share of answers that is kept.

    Samples of equal confidence are kept or left out together.

    Returns
    -------
    dict of str to ndarray
        ``coverage`` (rising to 1), ``accuracy``, ``accuracy_low``, ``accuracy_high`` (Wilson, 95 %), ``threshold``
        (the least confidence that is kept), ``count``; about 200 points at most.

    References
    ----------
    El-Yaniv & Wiener (2010), On the foundations of noise-free selective classification. JMLR 11, 1605-1641.
    """
    ordered, right, ends = _ordered(confidence, correct)
    if len(ends) > MOST_POINTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_POINTS).round().astype(int))]
    kept = ends + 1
    hits = np.cumsum(right)[ends] if len(ends) else np.zeros(0)
    low, high = wilson_interval(hits, kept)
    return {
        "coverage": kept / max(len(ordered), 1),
        "accuracy": hits / kept,
        "accuracy_low": low,
        "accuracy_high": high,
        "threshold": ordered[ends],
        "count": kept,
    }


def selective_figures(confidence: NDArray[Any], correct: NDArray[np.bool_], seed: int = 0) -> dict[str, float]:
    """Return figures of answering only when sure, with 95 % intervals (``_low``, ``_high``).

    Returns
    -------
    dict of str to float
        ``aurc``: the mean, over all numbers of answers kept, of the error rate of the surest ones; 0 is best.
        ``excess_aurc``: what of it a perfect order of the same answers would avoid. ``accuracy_at_coverage``: of the
        surest 90 %, with Wilson's interval; the others have the bootstrap's percentiles. ``coverage_at_accuracy``: the
        largest share of answers that is at least 99 % right, 0 if none.
        Where all answers are right, or all are wrong, resampling shows no spread: the bootstrap's intervals are NaN.
        Samples of equal confidence are in random order: an error among them counts evenly. For the intervals, more
        than 1,000 samples are taken in 1,000 blocks of neighbouring confidence.

    References
    ----------
    Geifman, Uziel & El-Yaniv (2019), Bias-reduced uncertainty estimation, section 3: AURC and E-AURC. arXiv:1805.08206
    """
    names = ("aurc", "excess_aurc", "accuracy_at_coverage", "coverage_at_accuracy")
    n = len(confidence)
    if not n:
        return {f"{name}{end}": float("nan") for name in names for end in ("", "_low", "_high")}
    _, right, ends = _ordered(confidence, correct)
    wrong = np.cumsum(~right)[ends]
    values = _selective((ends + 1)[None], wrong[None], np.arange(1, n + 1))[0]
    if len(ends) > _BLOCKS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, _BLOCKS).round().astype(int))]
        wrong = np.cumsum(~right)[ends]
    falses = np.diff(wrong, prepend=0)
    rights = np.diff(ends + 1, prepend=0) - falses
    cells = np.concatenate([rights, falses])
    drawn = np.random.default_rng(seed).multinomial(n, cells / n, resamples(n))
    drawn = drawn.reshape(len(drawn), 2, len(ends)).cumsum(axis=2)
    places = np.unique(np.linspace(1, n, min(n, _BLOCKS)).round().astype(int))
    low, high = np.quantile(_selective(drawn.sum(axis=1), drawn[:, 1], places), [0.025, 0.975], axis=0)
    if falses.sum() in (0, n):
        low, high = np.full((2, len(names)), np.nan)
    figures: dict[str, float] = {}
    for name, value, *interval in zip(names, values, low, high, strict=True):
        figures |= {name: float(value), f"{name}_low": float(interval[0]), f"{name}_high": float(interval[1])}
    asked = _asked(n)
    ends_of = wilson_interval(figures["accuracy_at_coverage"] * asked, asked)
    return {**figures, "accuracy_at_coverage_low": float(ends_of[0]), "accuracy_at_coverage_high": float(ends_of[1])}


def _ordered(
    confidence: NDArray[Any], correct: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.int64]]:
    """Return confidences and right answers, surest first, and the last place of each confidence."""
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.zeros(0, np.int64)
    return ordered, correct[order], ends


def _asked(n: int) -> int:
    """Return how many of n answers the coverage asks for."""
    return int(np.ceil(COVERAGE * n - 1e-9))


def _selective(kept: NDArray[Any], wrong: NDArray[Any], places: NDArray[Any]) -> NDArray[np.float64]:
    """Return the four figures for rows of running counts of answers and errors, shape (rows, 4), seen at `places`."""
    n = int(kept[0, -1])
    figures = np.empty((len(kept), 4))
    for row, (counts, errors) in enumerate(zip(kept, wrong, strict=True)):
        axis, along = np.concatenate([[0], counts]), np.concatenate([[0], errors])
        best = np.maximum(places - (n - errors[-1]), 0)
        asked = _asked(n)
        good = np.flatnonzero((errors <= (1 - ACCURACY) * counts + 1e-9) & (counts > 0))
        figures[row] = (
            (np.interp(places, axis, along) / places).mean(),
            ((np.interp(places, axis, along) - best) / places).mean(),
            1 - float(np.interp(asked, axis, along)) / asked,
            counts[good[-1]] / n if len(good) else 0.0,
        )
    return figures
