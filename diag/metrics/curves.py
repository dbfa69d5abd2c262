"""One class against the rest: ROC and precision-recall, the areas under them, and their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.intervals import Z95

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = 100
"""A curve has at most about twice as many points: even steps along both of its axes."""
FEW = 500
"""With fewer positives or negatives, DeLong's interval alone is too narrow."""
_HALVINGS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """How well a score separates samples of a class (positives) from the rest (negatives).

    Parameters
    ----------
    auc, auc_variance : float
        Area under the ROC curve, and its variance by DeLong's method; NaN without positives or without negatives.
    average_precision : float
        Mean precision at the positives' scores; NaN without positives.
    auc_influence, ap_influence : ndarray of float64, shape (n,)
        By how much each area would change, times n, if a sample had more weight (the derivative). They sum to 0.
    """

    auc: float
    auc_variance: float
    average_precision: float
    auc_influence: NDArray[np.float64]
    ap_influence: NDArray[np.float64]


def separation(score: NDArray[Any], positive: NDArray[np.bool_]) -> Separation:
    """Return both areas of one class against the rest, with what each sample adds to them.

    Parameters
    ----------
    score : ndarray of float, shape (n,)
        Equal scores count half in the ROC curve; in precision they are taken together.
    positive : ndarray of bool, shape (n,)

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated ROC curves. Biometrics 44,
    837-845, eq. 3-6. Average precision as in scikit-learn. Influence is the infinitesimal jackknife's: Jaeckel (1972);
    Efron (1982), The jackknife, the bootstrap and other resampling plans, ch. 6.

    Examples
    --------
    >>> found = separation(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]))
    >>> found.auc, round(found.average_precision, 4)  # (1 + 2/3) / 2
    (0.75, 0.8333)
    """
    n = len(score)
    ups, downs = np.flatnonzero(positive), np.flatnonzero(~positive)
    auc_influence, ap_influence = np.zeros(n), np.zeros(n)
    if not len(ups) or not len(downs):
        ap = 1.0 if len(ups) else float("nan")
        return Separation(float("nan"), float("nan"), ap, auc_influence, ap_influence)
    high, low = np.sort(score[ups]), np.sort(score[downs])
    below = np.searchsorted(low, score[ups], side="left")
    up_to = np.searchsorted(low, score[ups], side="right")
    under = np.searchsorted(high, score[downs], side="left")
    through = np.searchsorted(high, score[downs], side="right")
    beaten = (below + up_to) / (2 * len(downs))
    beating = 1 - (under + through) / (2 * len(ups))
    auc = float(beaten.mean())
    auc_influence[ups] = (beaten - auc) * n / len(ups)
    auc_influence[downs] = (beating - auc) * n / len(downs)
    variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else np.nan for part in (beaten, beating))

    # Precision at each positive's score: positives and negatives that score at least as much.
    order = np.argsort(score[ups], kind="stable")
    rights = len(ups) - np.searchsorted(high, high, side="left")
    falses = len(downs) - below[order]
    total = rights + falses
    precision = rights / total
    ap = float(precision.mean())
    # More weight on a sample changes the precision at every positive that does not score more than it.
    by_right = np.concatenate([[0.0], np.cumsum(falses / total**2)])
    by_false = np.concatenate([[0.0], np.cumsum(rights / total**2)])
    reached = np.searchsorted(high, high, side="right")
    ap_influence[ups[order]] = (precision - ap + by_right[reached]) * n / len(ups)
    ap_influence[downs] = -by_false[through] * n / len(ups)
    return Separation(auc, variance, ap, auc_influence, ap_influence)


def logit_interval(value: float, variance: float, critical: float = Z95) -> tuple[float, float]:
    """Return a 95 % interval of an area, made on the logit scale so that it stays within 0..1.

    NaN where the area is 0 or 1, or its variance is 0: such data do not say how far off it could be.

    References
    ----------
    Pepe (2003), The statistical evaluation of medical tests, section 5.2.3 (eq. 5.6 for the ROC curve).
    """
    if not (0 < value < 1) or not np.isfinite(variance) or variance <= 0:
        return float("nan"), float("nan")
    centre = np.log(value / (1 - value))
    half = critical * np.sqrt(variance) / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-(centre + sign * half)))) for sign in (-1, 1))
    return low, high


def auc_interval(auc: float, variance: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    """Return a 95 % interval of an AUC: DeLong's on the logit scale, and for few samples no narrower than Newcombe's.

    DeLong's variance is measured on the samples. Of few positives that are nearly all in order it is far too small:
    the one that is out of order may be missing. Newcombe's method 5 takes the variance from the AUC instead, at each
    end of the interval the one that goes with that end. With fewer than `FEW` positives or negatives the interval
    spans both; it is there for an AUC of 1, too. NaN with fewer than 2 positives or 2 negatives.

    Parameters
    ----------
    auc, variance : float
        Of a `Separation`.
    n_positive, n_negative : int

    References
    ----------
    Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2.
    Statistics in Medicine 25, 559-573, method 5. The variance: Hanley & McNeil (1982), The meaning and use of the area
    under a ROC curve. Radiology 143, 29-36.

    Examples
    --------
    >>> [round(end, 3) for end in auc_interval(1.0, 0.0, 10, 1000)]  # all in order, but only ten positives
    [0.901, 1.0]
    """
    fewest = min(n_positive, n_negative)
    ends = logit_interval(auc, variance)
    if fewest < 2 or fewest >= FEW or np.isnan(auc):
        return ends if fewest >= 2 else (float("nan"), float("nan"))
    both = (_newcombe_end(auc, 0.0, n_positive, n_negative), _newcombe_end(auc, 1.0, n_positive, n_negative))
    return float(np.fmin(ends[0], both[0])), float(np.fmax(ends[1], both[1]))


def _newcombe_end(auc: float, toward: float, n_positive: int, n_negative: int) -> float:
    """Return the farthest area toward 0 or 1 that the AUC is within 1.96 of its standard errors of."""
    mean = (n_positive + n_negative) / 2 - 1
    inside, outside = auc, toward
    for _ in range(_HALVINGS):
        area = (inside + outside) / 2
        spread = area * (1 - area) * (1 + mean * ((1 - area) / (2 - area) + area / (1 + area)))
        held = (area - auc) ** 2 <= Z95 * Z95 * spread / (n_positive * n_negative)
        inside, outside = (area, outside) if held else (inside, area)
    return inside if auc != toward else toward


def precision_interval(average_precision: float, variance: float, n_positive: int) -> tuple[float, float]:
    """Return a 95 % interval of an average precision, on the logit scale; NaN for fewer than 2 positives.

    Student's t with one degree of freedom less than there are positives: of few positives the variance is not well
    known either.
    """
    from scipy.special import stdtrit

    if n_positive < 2:
        return float("nan"), float("nan")
    return logit_interval(average_precision, variance, float(stdtrit(n_positive - 1, 0.975)))


def influence_variance(influence: NDArray[np.float64]) -> float:
    """Return the variance of a figure from what each of its n independent samples adds to it."""
    n = len(influence)
    return float(np.square(influence).sum() / (n * (n - 1))) if n > 1 else float("nan")


def roc_points(score: NDArray[Any], positive: NDArray[np.bool_], half: int = HALF) -> dict[str, NDArray[np.float64]]:
    """Return points of the ROC curve: ``false_positive_rate``, ``true_positive_rate``, ``threshold``.

    All points lie on the curve, from (0, 0), whose threshold is infinite, to (1, 1). There are about 2 ``half`` at
    most: from one to the next, neither rate rises by more than 1 in ``half`` (but where many scores are equal).
    """
    high, low = np.sort(score[positive]), np.sort(score[~positive])
    cuts = np.unique(np.concatenate([_even(high, half), _even(low, half)]))[::-1].astype(float)
    with np.errstate(invalid="ignore"):
        true_rate = (len(high) - np.searchsorted(high, cuts)) / (len(high) or np.nan)
        false_rate = (len(low) - np.searchsorted(low, cuts)) / (len(low) or np.nan)
    return {
        "false_positive_rate": np.concatenate([[0.0], false_rate]),
        "true_positive_rate": np.concatenate([[0.0], true_rate]),
        "threshold": np.concatenate([[np.inf], cuts]),
    }


def precision_recall_points(
    score: NDArray[Any], positive: NDArray[np.bool_], half: int = HALF
) -> dict[str, NDArray[np.float64]]:
    """Return points of the precision-recall curve: ``recall`` (rising), ``precision``, ``threshold``.

    Thresholds are scores of positives: the first 20, and others at even steps of recall, about 2 ``half`` in all.
    """
    high, low = np.sort(score[positive]), np.sort(score[~positive])
    cuts = np.unique(np.concatenate([_even(high, 2 * half - 20), high[-20:]]))[::-1].astype(float)
    rights = len(high) - np.searchsorted(high, cuts)
    falses = len(low) - np.searchsorted(low, cuts)
    return {"recall": rights / max(len(high), 1), "precision": rights / (rights + falses), "threshold": cuts}


def precision_at(points: dict[str, NDArray[np.float64]], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the precision at the first threshold that reaches each recall, for averaging curves of several classes."""
    if not len(points["recall"]):
        return np.full(len(recall), np.nan)
    place = np.searchsorted(points["recall"], recall - 1e-12, side="left")
    values: NDArray[np.float64] = points["precision"][np.minimum(place, len(points["recall"]) - 1)]
    return values


def _even(ordered: NDArray[Any], count: int) -> NDArray[Any]:
    if not len(ordered):
        return ordered
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    chosen: NDArray[Any] = ordered[places]
    return chosen
