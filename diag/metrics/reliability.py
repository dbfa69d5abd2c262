"""Bins of confidence: reliability diagrams with their bands, and calibration errors over any bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.intervals import clopper_pearson_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MOST_DRAWS = 20_000_000
"""Resampling draws at most so many numbers: with many samples there are fewer resamples, but never under `LEAST`."""
LEAST, MOST = 200, 1000
_CHUNK = 2_000_000
TAIL = 0.025
"""On either side of a 95 % interval."""
_HALVINGS = 16


def equal_width_bins(values: NDArray[Any], n_bins: int) -> NDArray[np.int64]:
    """Return the bin of each value in 0..1: bin b is (b / n_bins, (b + 1) / n_bins], and 0 is in the first.

    Bins are open on the left, as in Guo et al. 2017: a confidence of exactly 1 is in the last bin.

    Examples
    --------
    >>> equal_width_bins(np.array([0.0, 0.5, 0.51, 1.0]), 2).tolist()
    [0, 0, 1, 1]
    """
    bins: NDArray[np.int64] = np.clip(np.ceil(values * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    return bins


def equal_mass_bins(values: NDArray[Any], n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the bin of each value, and the bins' edges, for bins that hold about the same number of values.

    Equal values are never split: with many ties there are fewer bins.

    Returns
    -------
    bins : ndarray of int64, shape (n,)
    edges : ndarray of float64, shape (bins + 1,)
        Bin b holds the values above edge b, up to edge b + 1; the first holds its lower edge too.

    Examples
    --------
    >>> bins, edges = equal_mass_bins(np.array([0.2, 0.4, 0.6, 0.6, 0.6, 0.9]), 3)
    >>> bins.tolist(), edges.tolist()
    ([0, 0, 1, 1, 1, 2], [0.2, 0.4, 0.6, 0.9])
    """
    if not len(values):
        return np.zeros(0, np.int64), np.array([0.0, 1.0])
    shares = np.arange(1, n_bins + 1) / n_bins
    uppers = np.unique(np.quantile(values, shares, method="inverted_cdf"))
    return np.searchsorted(uppers, values, side="left"), np.concatenate([[values.min()], uppers]).astype(float)


def reliability_bins(
    confidence: NDArray[Any],
    correct: NDArray[np.bool_],
    bins: NDArray[np.int64],
    edges: NDArray[np.float64],
    seed: int = 0,
) -> dict[str, NDArray[Any]]:
    """Return the rows of a reliability diagram, one a bin.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    correct : ndarray of bool, shape (n,)
    bins : ndarray of int, shape (n,)
    edges : ndarray of float, shape (b + 1,)
    seed : int
        Of the consistency band.

    Returns
    -------
    dict of str to ndarray, shape (b,)
        ``low`` and ``high`` (the bin's edges), ``count``, ``wrong``, mean ``confidence``, ``accuracy`` with
        ``accuracy_low`` and ``accuracy_high`` (Clopper & Pearson, 95 %), and ``expected_low``, ``expected_high``: where
        the accuracy of a model would lie, 95 times in 100, if every one of these confidences were true. NaN where a
        bin is empty.

    References
    ----------
    Broecker & Smith (2007), Increasing the reliability of reliability diagrams. Weather and Forecasting 22, 651-661.
    Their consistency bars draw the forecasts anew, too; here the confidences stay as they are and only the answers
    are drawn.
    """
    n_bins = len(edges) - 1
    count = np.bincount(bins, minlength=n_bins)
    right = np.bincount(bins[correct], minlength=n_bins)
    low, high = clopper_pearson_interval(right, count)
    drawn = calibrated_draws(confidence, bins, n_bins, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(bins, weights=confidence, minlength=n_bins) / count
        accuracy = right / count
        band = np.quantile(drawn, [0.025, 0.975], axis=0) / count
    return {
        "low": edges[:-1],
        "high": edges[1:],
        "count": count,
        "wrong": count - right,
        "confidence": mean,
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "expected_low": band[0],
        "expected_high": band[1],
    }


def binned_calibration_error(confidence: NDArray[Any], correct: NDArray[np.bool_], bins: NDArray[np.int64]) -> float:
    """Return the mean gap between confidence and accuracy over bins, weighted by their samples, 0..1; NaN for none.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, eq. 3. arXiv:1706.04599

    Examples
    --------
    >>> binned_calibration_error(np.array([0.5, 0.5, 1.0]), np.array([True, True, True]), np.array([0, 0, 1]))
    0.3333333333333333
    """
    if not len(bins):
        return float("nan")
    return float(np.abs(np.bincount(bins, weights=correct - confidence)).sum() / len(bins))


def debiased_squared_error(confidence: NDArray[Any], correct: NDArray[np.bool_], bins: NDArray[np.int64]) -> float:
    """Return the squared calibration error over bins, without what mere chance adds to it.

    The plug-in estimate, the mean of (confidence - accuracy)^2 over bins, is too large: the accuracy of few samples
    differs from the truth by chance. From each bin's term the variance of its accuracy, a (1 - a) / (m - 1) for m
    samples, is taken off. The result can fall below 0. A bin with one sample cannot tell its chance: the mean is over
    the samples of the other bins, and NaN where there are none.

    References
    ----------
    Kumar, Liang & Ma (2019), Verified uncertainty calibration, section 5: the debiased estimator. arXiv:1909.10155
    """
    count = np.bincount(bins).astype(float)
    usable = count > 1
    if not usable.any():
        return float("nan")
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.bincount(bins, weights=correct) / count
        gap = np.bincount(bins, weights=confidence) / count - accuracy
        terms = gap**2 - accuracy * (1 - accuracy) / (count - 1)
    return float((terms * count)[usable].sum() / count[usable].sum())


def calibrated_draws(
    confidence: NDArray[Any], bins: NDArray[np.int64], n_bins: int, seed: int = 0
) -> NDArray[np.float64]:
    """Return how many right answers each bin would have if the confidences were true, drawn many times.

    Returns
    -------
    ndarray of float64, shape (resamples, n_bins)
    """
    order = np.argsort(bins, kind="stable")
    chance = confidence[order].astype(np.float32)
    present, starts = np.unique(bins[order], return_index=True)
    rng = np.random.default_rng(seed)

    def counts(size: int) -> NDArray[np.float64]:
        drawn = np.zeros((size, n_bins))
        if len(starts):
            right = rng.random((size, len(bins)), dtype=np.float32) < chance
            drawn[:, present] = np.add.reduceat(right, starts, axis=1, dtype=np.int32)
        return drawn

    return _chunked(counts, len(bins), n_bins)


def calibrated_errors(confidence: NDArray[Any], bins: NDArray[np.int64], seed: int = 0) -> NDArray[np.float64]:
    """Return the calibration errors that a model would show by chance alone if its confidences were true.

    Their mean is the bias of the binned calibration error; the share of them at or above the error that was
    measured is the p-value of "the confidences are true".

    References
    ----------
    Vaicenavicius et al. (2019), Evaluating model calibration in classification, section 5. arXiv:1902.06977

    Returns
    -------
    ndarray of float64, shape (resamples,)
    """
    if not len(bins):
        return np.zeros(0)
    n_bins = int(bins.max()) + 1
    drawn = calibrated_draws(confidence, bins, n_bins, seed)
    errors: NDArray[np.float64] = np.abs(drawn - np.bincount(bins, weights=confidence)).sum(axis=1) / len(bins)
    return errors


def calibration_p_value(error: float, by_chance: NDArray[np.float64]) -> float:
    """Return how often a model whose confidences are true shows at least an error; NaN without `calibrated_errors`.

    Examples
    --------
    >>> calibration_p_value(0.2, np.array([0.1, 0.2, 0.3]))  # (1 + 2) / (1 + 3)
    0.75
    """
    if not len(by_chance):
        return float("nan")
    return float((1 + (by_chance >= error - 1e-12).sum()) / (1 + len(by_chance)))


def overconfidence_interval(confidence: NDArray[Any], correct: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return mean confidence minus accuracy, with a 95 % interval, for these confidences; NaN for no samples.

    The interval is the mean confidence minus the exact interval of the accuracy. With few errors, or none, the spread
    of the gaps says next to nothing about chance, and an interval made from it would have hardly any width. Where
    the chances of being right differ between samples the exact interval is too wide rather than too narrow.

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26, 404-413. Unequal chances: Hoeffding (1956), On the distribution of the
    number of successes in independent trials. Annals of Mathematical Statistics 27, 713-721.

    Examples
    --------
    >>> [round(end, 4) for end in overconfidence_interval(np.full(50, 0.99), np.full(50, True))]  # all right
    [-0.01, -0.01, 0.0611]
    """
    if not len(confidence):
        return (float("nan"),) * 3
    low, high = clopper_pearson_interval(np.count_nonzero(correct), len(correct))
    stated = float(np.mean(confidence, dtype=np.float64))
    return stated - float(np.mean(correct)), stated - float(high), stated - float(low)


def calibration_error_interval(
    confidence: NDArray[Any],
    correct: NDArray[np.bool_],
    bins: NDArray[np.int64],
    seed: int = 0,
    by_chance: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Return a 95 % interval of the binned calibration error that the model would show with endless samples.

    Percentiles of a bootstrap will not do: chance makes every gap larger, in the estimate and once more in each
    resample, so that the interval of a calibrated model would never reach 0. Instead the test is turned round: gaps of
    s times those that were measured are held possible while the error that was measured is neither above 97.5 % nor
    below 2.5 % of the errors they give with chance added; the interval is from the least to the largest such s, times
    the measured error. Chance is a binomial draw in each bin of m samples, r of them right, at (r + 1/2) / (m + 1), so
    that bins without an error have some, too. For s = 0 it is that of true confidences: the interval reaches 0 exactly
    where `calibration_p_value` is above 0.025. An error is at least as large as the mean gap, so the upper end is at
    least as far from 0 as the ends of `overconfidence_interval`.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    correct : ndarray of bool, shape (n,)
    bins : ndarray of int, shape (n,)
    seed : int
    by_chance : ndarray of float64, optional
        `calibrated_errors` of the same bins, if they were drawn already.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap methods and their application, section 5.4: inverting a test.
    """
    if not len(bins):
        return float("nan"), float("nan")
    n_bins, n = int(bins.max()) + 1, len(bins)
    by_chance = calibrated_errors(confidence, bins, seed) if by_chance is None else by_chance
    count = np.bincount(bins, minlength=n_bins)
    measured = np.bincount(bins, weights=correct - confidence, minlength=n_bins)
    rate = (np.bincount(bins, weights=correct, minlength=n_bins) + 0.5) / (count + 1)
    chance = np.random.default_rng([seed, 1]).binomial(count, rate, (MOST, n_bins)) - count * rate
    error = float(np.abs(measured).sum())

    def above(scale: float) -> bool:
        return bool((np.abs(scale * measured + chance).sum(axis=1) >= error - 1e-12).mean() > TAIL)

    def below(scale: float) -> bool:
        return bool((np.abs(scale * measured + chance).sum(axis=1) <= error + 1e-12).mean() > TAIL)

    ends = overconfidence_interval(confidence, correct)[1:]
    low = high = 0.0
    if error > 0:
        reachable = calibration_p_value(error / n, by_chance) > TAIL
        low = 0.0 if reachable else _edge(above, 1.0, 0.0)
        widest = 1 + float(np.quantile(np.abs(chance).sum(axis=1), 1 - TAIL)) / error
        high = _edge(below, 1.0, widest)
    return low * error / n, max(high * error / n, *(abs(end) for end in ends))


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where something that holds toward `inside` ends on the way to `outside`."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside


def resamples(n: int) -> int:
    """Return how often n samples are drawn again: 1,000 times, fewer for very many, at least 200."""
    return int(np.clip(MOST_DRAWS // max(n, 1), LEAST, MOST))


def _chunked(make: Any, n: int, n_bins: int) -> NDArray[np.float64]:
    total = resamples(n)
    size = max(1, _CHUNK // max(n, 1))
    parts = [make(min(size, total - start)) for start in range(0, total, size)]
    return np.concatenate(parts) if parts else np.zeros((0, n_bins))
