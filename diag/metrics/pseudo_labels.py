"""Which answers to unlabelled samples are good enough to be labels, judged on labelled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.05
THRESHOLDS = 10
"""How many thresholds are tried; the level is shared out among them."""


def error_upper_bound(errors: Any, n: Any, level: float = LEVEL) -> NDArray[np.float64]:
    """Return the one-sided upper Clopper-Pearson bound of an error rate; 1 where n is 0.

    Parameters
    ----------
    errors, n : int or ndarray of int
    level : float
        The probability that the rate is larger.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits. Biometrika 26, 404-413.

    Examples
    --------
    >>> round(float(error_upper_bound(0, 100)), 5)  # 1 - 0.05 ** (1 / 100)
    0.02951
    """
    from scipy.stats import beta

    wrong, total = np.broadcast_arrays(np.asarray(errors, dtype=float), np.asarray(n, dtype=float))
    with np.errstate(invalid="ignore"):
        bound = beta.ppf(1 - level, wrong + 1, total - wrong)
    return np.where(wrong >= total, 1.0, bound)


def images_needed(max_error: float, level: float = LEVEL / THRESHOLDS) -> int:
    """Return how many labelled samples without any error show that the error rate is at most `max_error`.

    Examples
    --------
    >>> images_needed(0.01, 0.05)  # the smallest n with 0.99 ** n <= 0.05
    299
    """
    return int(np.ceil(np.log(level) / np.log1p(-max_error)))


@dataclass(frozen=True, slots=True)
class Tail:
    """The labelled samples from a confidence on.

    Parameters
    ----------
    threshold : float
        Their lowest confidence.
    n, errors : int
        How many there are, and how many are wrong.
    bound : float
        Upper bound of the error rate, at a level shared out among all thresholds tried.
    """

    threshold: float
    n: int
    errors: int
    bound: float


def reliable_tail(confidence: NDArray[Any], correct: NDArray[np.bool_], max_error: float) -> Tail | None:
    """Return the largest tail of confidence in which the error rate is at most `max_error`, at 95 %.

    Ten tails are tried, from the smallest that could pass to all samples, in equal ratios of size; each is tested by
    its Clopper-Pearson bound at a tenth of 5 % (Bonferroni), so that the chance of any wrong pass is at most 5 %.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    correct : ndarray of bool, shape (n,)
    max_error : float
        Between 0 and 1.

    Returns
    -------
    Tail or None
        None where no tail passes.

    References
    ----------
    Angelopoulos et al. (2021), Learn then test: calibrating predictive algorithms to achieve risk control, section 2.
    arXiv:2110.01052
    """
    n, least = len(confidence), images_needed(max_error)
    if n < least:
        return None
    order = np.argsort(-confidence, kind="stable")
    ordered = np.asarray(confidence, dtype=np.float64)[order]
    wrong = np.cumsum(~correct[order])
    sizes = np.unique(np.rint(np.geomspace(least, n, THRESHOLDS)).astype(np.int64))
    cuts = np.unique(ordered[sizes - 1])  # equal confidences belong together
    counts = np.searchsorted(-ordered, -cuts, side="right")
    errors = wrong[counts - 1]
    bounds = error_upper_bound(errors, counts, LEVEL / THRESHOLDS)
    passing = np.flatnonzero(bounds <= max_error)
    if not len(passing):
        return None
    best = int(passing[np.argmax(counts[passing])])
    return Tail(float(cuts[best]), int(counts[best]), int(errors[best]), float(bounds[best]))


def expected_errors(confidence: NDArray[Any], correct: NDArray[np.bool_], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """Return the error rate to expect at confidences, fitted as a falling function on labelled samples.

    Isotonic regression pools neighbouring samples into steps; each step's rate is ``(errors + 0.5) / (n + 1)``, which
    is never 0, kept falling.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Of labelled samples.
    correct : ndarray of bool, shape (n,)
    wanted : ndarray of float, shape (m,)
        Confidences to say it for; below the labelled ones the lowest step holds.

    Returns
    -------
    ndarray of float64, shape (m,)
        0..1; NaN where there is no labelled sample.

    References
    ----------
    Zadrozny & Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates. KDD.
    """
    if not len(confidence):
        return np.full(len(wanted), np.nan)
    from scipy.optimize import isotonic_regression

    values, place, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(place, weights=~correct, minlength=len(values))
    fitted = isotonic_regression(wrong / counts, weights=counts.astype(float), increasing=False)
    starts = np.asarray(fitted.blocks[:-1], dtype=np.int64)
    errors, sizes = np.add.reduceat(wrong, starts), np.add.reduceat(counts, starts)
    rates = np.minimum.accumulate((errors + 0.5) / (sizes + 1.0))
    step = np.searchsorted(values[starts], wanted, side="right") - 1
    found: NDArray[np.float64] = rates[np.maximum(step, 0)]
    return found


def share_distance(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the total variation distance of two tables of counts: the share that would have to move, 0..1.

    Examples
    --------
    >>> share_distance(np.array([1, 1]), np.array([3, 1]))
    0.25
    """
    if not first.sum() or not second.sum():
        return float("nan")
    return float(np.abs(first / first.sum() - second / second.sum()).sum() / 2)


def confidence_shift(first: NDArray[Any], second: NDArray[Any]) -> tuple[float, float]:
    """Return the two-sample Kolmogorov-Smirnov distance of confidences, and its p-value.

    References
    ----------
    Smirnov (1948), Table for estimating the goodness of fit of empirical distributions. Ann. Math. Stat. 19, 279-281.
    """
    from scipy.stats import ks_2samp

    found = ks_2samp(first, second, method="asymp")
    return float(found.statistic), float(found.pvalue)
