"""Every class's probability against how often it is the true one: classwise errors, the parts of the Brier score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from diag.metrics.reliability import equal_width_bins
from diag.metrics.summaries import N_BINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ClassBins:
    """Sums over bins of each class's probability, all of shape (k, 15).

    Parameters
    ----------
    n : int
        Number of samples.
    count, total, square : ndarray of float64
        Samples, the sum of the class's probabilities, and of their squares.
    hits, product : ndarray of float64
        Samples of the class, and the sum of their probabilities of it.
    """

    n: int
    count: NDArray[np.float64]
    total: NDArray[np.float64]
    square: NDArray[np.float64]
    hits: NDArray[np.float64]
    product: NDArray[np.float64]

    @classmethod
    def from_probabilities(cls, y_true: NDArray[Any], proba: NDArray[Any]) -> Self:
        """Return the sums of labels (n,) and probabilities (n, k)."""
        n, k = proba.shape
        sums = np.zeros((5, k * N_BINS))
        offsets = np.arange(k) * N_BINS
        step = max(1, _CHUNK // max(k, 1))
        for start in range(0, n, step):
            part = np.asarray(proba[start : start + step], dtype=np.float64)
            label = y_true[start : start + step]
            place = equal_width_bins(part, N_BINS) + offsets
            own, p_true = place[np.arange(len(part)), label], part[np.arange(len(part)), label]
            flat = place.ravel()
            rows = (
                np.bincount(flat, minlength=k * N_BINS),
                np.bincount(flat, weights=part.ravel(), minlength=k * N_BINS),
                np.bincount(flat, weights=np.square(part).ravel(), minlength=k * N_BINS),
                np.bincount(own, minlength=k * N_BINS),
                np.bincount(own, weights=p_true, minlength=k * N_BINS),
            )
            sums += np.stack(rows)
        return cls(n, *sums.reshape(5, k, N_BINS))


def classwise_calibration_error(bins: ClassBins) -> NDArray[np.float64]:
    """Return each class's calibration error over 15 equal-width bins of its probability, shape (k,), 0..1.

    Their mean is the classwise ECE. With many classes nearly all probabilities are near 0 and so is the mean: compare
    it only between models of the same classes.

    References
    ----------
    Kull et al. (2019), Beyond temperature scaling, eq. 4: classwise-ECE. arXiv:1910.12656
    """
    if not bins.n:
        return np.full(len(bins.count), np.nan)
    errors: NDArray[np.float64] = np.abs(bins.hits - bins.total).sum(axis=1) / bins.n
    return errors


def brier_parts(bins: ClassBins) -> dict[str, float]:
    """Return what the Brier score is made of, summed over classes.

    Returns
    -------
    dict
        ``reliability`` (how far stated probabilities are from what happened; 0 is best), ``resolution`` (how far the
        bins' outcomes are from the mean; more is better), ``uncertainty`` (the score of always stating the classes'
        shares), ``within`` (what differs inside bins) and ``brier`` = reliability - resolution + uncertainty +
        within, exactly.

    References
    ----------
    Murphy (1973), A new vector partition of the probability score. J. Applied Meteorology 12, 595-600. The parts within
    bins: Stephenson, Coelho & Jolliffe (2008), Weather and Forecasting 23, 752-757.
    """
    names = ("reliability", "resolution", "uncertainty", "within", "brier")
    if not bins.n:
        return dict.fromkeys(names, float("nan"))
    with np.errstate(invalid="ignore", divide="ignore"):
        stated = np.nan_to_num(bins.total / bins.count)
        happened = np.nan_to_num(bins.hits / bins.count)
    base = bins.hits.sum(axis=1, keepdims=True) / bins.n
    spread = bins.square - bins.total * stated
    together = bins.product - bins.hits * stated
    parts = (
        (bins.count * (stated - happened) ** 2).sum() / bins.n,
        (bins.count * (happened - base) ** 2).sum() / bins.n,
        (base * (1 - base)).sum(),
        (spread - 2 * together).sum() / bins.n,
        (bins.square.sum() - 2 * bins.product.sum()) / bins.n + 1.0,
    )
    return {name: float(value) for name, value in zip(names, parts, strict=True)}
