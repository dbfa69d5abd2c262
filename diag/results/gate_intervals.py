"""How far a change can reach that hardly any image shows: exact bounds where resamples and approximations fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.metrics.intervals import clopper_pearson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation

FEWEST = 6
"""With fewer images that differ between the models no sign test reaches 5 %, and resampling them says little."""
EQUAL = 1e-12
"""Rounding makes equal values differ by less."""


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Images that speak for and against NEW, one value a figure; all arrays have shape (m,).

    Parameters
    ----------
    n : ndarray of float64
        Images that the figure is of.
    hurts, helps : ndarray of float64
        How many of them NEW has newly wrong, and newly right.
    differing : ndarray of float64
        How many images that are, where `n` weighs them.
    """

    n: NDArray[np.float64]
    hurts: NDArray[np.float64]
    helps: NDArray[np.float64]
    differing: NDArray[np.float64]


def widened(
    low: NDArray[np.float64], high: NDArray[np.float64], change: NDArray[np.float64], moved: Moved
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of intervals, moved apart where fewer than `FEWEST` images differ or resamples do not vary.

    NEW cannot be worse by more than the share of images that it has newly wrong, nor better by more than the share that
    it has newly right. The interval then reaches at least to the upper ends of Clopper & Pearson's exact intervals of
    these shares, each of which is too low in at most 2.5 % of cases. Of n images without any that differ that is
    ``1 - 0.025^(1 / n)``, about 3.7 / n.

    Parameters
    ----------
    low, high, change : ndarray of float64, shape (m,)
        Ends that are NaN are replaced.
    moved : Moved

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial.
    Biometrika 26, 404-413.
    """
    worst, most = (
        clopper_pearson_interval(np.minimum(each, moved.n), moved.n)[1] for each in (moved.hurts, moved.helps)
    )
    few = (moved.differing < FEWEST) | ~(high - low > EQUAL)
    new_low = np.where(few, np.fmin(low, np.minimum(change, -worst)), low)
    return new_low, np.where(few, np.fmax(high, np.maximum(change, most)), high)


def moved_by_class(old: Evaluation, new: Evaluation, measure: str, numbers: NDArray[np.int64]) -> Moved:
    """Return what speaks for and against a class's precision or F1: images that got or lost the answer.

    Precision is of the images with that answer, of the model that gives it less often; F1 of the mean of the images
    with the class and those with the answer.
    """
    true, k = new.samples["y_true"], old.n_classes
    before, after = old.samples["y_pred"], new.samples["y_pred"]
    differ, helps, hurts = before != after, np.zeros(k), np.zeros(k)
    for answer, good, bad in ((after, helps, hurts), (before, hurts, helps)):
        for counts, right in ((good, True), (bad, False)):
            counts += np.bincount(answer[differ & ((answer == true) == right)], minlength=k)
    support, one, other = (np.bincount(each, minlength=k).astype(np.float64) for each in (true, before, after))
    n = np.minimum(one, other) if measure == "precision" else (2 * support + one + other) / 4
    return Moved(n[numbers], hurts[numbers], helps[numbers], (helps + hurts)[numbers])


def moved_of_classes(old: Evaluation, new: Evaluation) -> Moved:
    """Return what speaks for and against a mean over classes.

    An image weighs ``1 / (k n_c)``, so that all together count as ``k^2 / sum(1 / n_c)`` images of one weight.

    References
    ----------
    Kish (1965), Survey Sampling, section 11.2: the effective number.
    """
    true = new.samples["y_true"]
    weights = 1.0 / np.bincount(true, minlength=old.n_classes)[true]
    n = weights.sum() ** 2 / (weights**2).sum()
    sides = (old.correct_mask & ~new.correct_mask, new.correct_mask & ~old.correct_mask)
    hurts, helps = (np.array([n * weights[side].sum() / weights.sum()]) for side in sides)
    return Moved(np.array([n]), hurts, helps, np.array([float(sides[0].sum() + sides[1].sum())]))
