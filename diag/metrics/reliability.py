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
_WIDEST, _HALVINGS = 5.0, 12


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
    samples, is taken off. The result can fall below 0. A bin with one sample cannot tell its chance and adds nothing.

    References
    ----------
    Kumar, Liang & Ma (2019), Verified uncertainty calibration, section 5: the debiased estimator. arXiv:1909.10155
    """
    if not len(bins):
        return float("nan")
    count = np.bincount(bins).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.bincount(bins, weights=correct) / count
        gap = np.bincount(bins, weights=confidence) / count - accuracy
        terms = gap**2 - accuracy * (1 - accuracy) / (count - 1)
    return float((terms * count)[count > 1].sum() / len(bins))


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


def calibration_error_interval(
    confidence: NDArray[Any], correct: NDArray[np.bool_], bins: NDArray[np.int64], seed: int = 0
) -> tuple[float, float]:
    """Return a 95 % interval of the binned calibration error that the model would show with endless samples.

    Percentiles of a bootstrap will not do: chance makes every gap larger, in the estimate and once more in each
    resample, so that the interval of a calibrated model would never reach 0. Instead the test is turned round: gaps of
    s times those that were measured are held possible while the error that was measured is neither above 97.5 % nor
    below 2.5 % of the errors they give, with chance drawn by resampling the samples in their bins; the interval is from
    the least to the largest such s, times the measured error.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap methods and their application, section 5.4: inverting a test.
    """
    if not len(bins):
        return float("nan"), float("nan")
    gap, n_bins, n = correct - confidence, int(bins.max()) + 1, len(bins)
    rng = np.random.default_rng(seed)

    def sums(size: int) -> NDArray[np.float64]:
        rows = rng.integers(0, n, (size, n), dtype=np.int32)
        flat = (np.arange(size)[:, None] * n_bins + bins[rows]).ravel()
        total = np.bincount(flat, weights=gap[rows].ravel(), minlength=size * n_bins)
        return total.reshape(size, n_bins).astype(float)

    measured = np.bincount(bins, weights=gap, minlength=n_bins)
    chance = _chunked(sums, n, n_bins) - measured
    error = float(np.abs(measured).sum())

    def above(scale: float) -> bool:
        return bool((np.abs(scale * measured + chance).sum(axis=1) >= error - 1e-12).mean() > 0.025)

    def below(scale: float) -> bool:
        return bool((np.abs(scale * measured + chance).sum(axis=1) <= error + 1e-12).mean() > 0.025)

    low = 0.0 if above(0.0) else _edge(above, 1.0, 0.0)
    return low * error / n, max(_edge(below, 1.0, _WIDEST), low) * error / n


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
