"""How small a difference between two models a test set can show, and how many samples a difference needs."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.comparison import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWER = 0.8
"""A difference that is found in four of five test sets counts as one that can be seen."""
EXACT = 3000
"""With more expected discordant samples than this the normal approximation stands for the exact power."""
_STEPS = 24


def mcnemar_power(n: int, discordance: float, difference: float, level: float = LEVEL) -> float:
    """Return the chance that McNemar's exact test finds a difference.

    Parameters
    ----------
    n : int
        Samples.
    discordance : float
        Expected share of samples that exactly one of the models has right.
    difference : float
        True difference of the accuracies, as a share; at most `discordance`.
    level : float
        The test's two-sided level.

    Notes
    -----
    The number of discordant samples is binomial, and of those the first model's share is: the power is summed over
    both. Beyond `EXACT` expected discordant samples it is Connor's approximation, there within half a per cent.

    References
    ----------
    Duffy (1984), Asymptotic and exact power for the McNemar test. Biometrics 40, 1005-1015.
    Connor (1987), Sample size for testing differences in proportions for the paired-sample design. Biometrics 43,
    207-211.

    Examples
    --------
    >>> round(mcnemar_power(797, 0.03, 0.017), 2)
    0.76
    """
    difference = abs(difference)
    if n < 1 or difference <= 0 or discordance <= 0:
        return 0.0
    difference = min(difference, discordance)
    if n * discordance > EXACT:
        return _normal_power(n, discordance, difference, level)
    from scipy.special import bdtr
    from scipy.stats import binom

    reach = 8 * sqrt(n * discordance) + 8
    counts = np.arange(max(0, int(n * discordance - reach)), min(n, int(n * discordance + reach)) + 1)
    critical = _critical(level)[counts]
    share = (1 + difference / discordance) / 2
    lost = np.maximum(critical, 0)
    found = np.where(critical >= 0, bdtr(lost, counts, share) + bdtr(lost, counts, 1 - share), 0.0)
    return float(np.sum(binom.pmf(counts, n, discordance) * found))


@lru_cache(maxsize=4096)
def smallest_detectable(n: int, discordance: float, level: float = LEVEL, power: float = POWER) -> float:
    """Return the smallest difference of accuracies that the test finds with the given power.

    Parameters
    ----------
    n : int
        Samples.
    discordance : float
        Share of samples that exactly one of the models has right.
    level : float
        The test's two-sided level.
    power : float

    Returns
    -------
    float
        As a share. Where it would exceed the discordance, all discordant samples are taken to speak for one model,
        and there are as many of them as it needs. NaN when even a difference of 1 is not found with so few samples.

    References
    ----------
    Connor (1987), Biometrics 43, 207-211, solved for the difference; here with the power of the exact test.

    Examples
    --------
    >>> round(smallest_detectable(797, 0.03), 4)
    0.0177
    """

    def found(difference: float) -> float:
        return mcnemar_power(n, max(discordance, difference), difference, level)

    if found(1.0) < power:
        return float("nan")
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high


@lru_cache(maxsize=4096)
def samples_needed(discordance: float, difference: float, level: float = LEVEL, power: float = POWER) -> float:
    """Return how many samples the test needs to find a difference with the given power.

    Parameters
    ----------
    discordance : float
        Share of samples that exactly one of the models has right.
    difference : float
        Difference of the accuracies, as a share.
    level, power : float

    Returns
    -------
    float
        A whole number; NaN for a difference of 0, which no number of samples shows.

    References
    ----------
    Connor (1987), Biometrics 43, 207-211 (after Miettinen 1968, Biometrics 24, 339-352); raised to what the
    exact test needs where discordant samples are few.

    Examples
    --------
    >>> samples_needed(0.03, 0.0)
    nan
    >>> round(samples_needed(0.03, 0.0177), -1)
    800.0
    """
    difference = abs(difference)
    if difference <= 0 or discordance <= 0:
        return float("nan")
    difference = min(difference, discordance)
    z_level, z_power = _quantile(1 - level / 2), _quantile(power)
    root = z_level * sqrt(discordance) + z_power * sqrt(discordance - difference**2)
    start = ceil((root / difference) ** 2)
    if start * discordance > EXACT:
        return float(start)
    low, high = 0, start
    while mcnemar_power(high, discordance, difference, level) < power and high * discordance <= EXACT:
        low, high = high, ceil(high * 1.25) + 1
    while high - low > max(1, high // 500):
        middle = (low + high) // 2
        enough = mcnemar_power(middle, discordance, difference, level) >= power
        low, high = (low, middle) if enough else (middle, high)
    return float(high)


def _normal_power(n: int, discordance: float, difference: float, level: float) -> float:
    from scipy.special import ndtr

    spread = sqrt(max(discordance - difference**2, 1e-300))
    return float(ndtr((sqrt(n) * difference - _quantile(1 - level / 2) * sqrt(discordance)) / spread))


@lru_cache(maxsize=64)
def _critical(level: float) -> NDArray[Any]:
    """Return, for each number of discordant samples, up to how few of one side the test finds a difference; or -1."""
    from scipy.stats import binom

    counts = np.arange(EXACT + int(8 * sqrt(EXACT)) + 10)
    return np.asarray(binom.ppf(level / 2, counts, 0.5) - 1)


def _quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))
