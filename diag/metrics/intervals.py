"""Confidence intervals of proportions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Z95 = 1.959963984540054
"""The 97.5 % point of the standard normal distribution: intervals cover 95 %."""


def wilson_interval(successes: ArrayLike, n: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lower and upper end of the 95 % score interval of a proportion.

    Parameters
    ----------
    successes, n : int or ndarray of int
        Broadcast against each other. Where n is 0 both ends are NaN.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22, 209-212, eq. 8.

    Examples
    --------
    >>> low, high = wilson_interval(81, 263)  # Newcombe (1998), table I: 0.2553 to 0.3662
    >>> round(float(low), 4), round(float(high), 4)
    (0.2553, 0.3662)
    """
    x, total = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(n, dtype=float))
    safe = np.where(total > 0, total, np.nan)
    share = x / safe
    z2 = Z95 * Z95
    centre = (share + z2 / (2 * safe)) / (1 + z2 / safe)
    half = Z95 / (1 + z2 / safe) * np.sqrt(share * (1 - share) / safe + z2 / (4 * safe * safe))
    low = np.where(x == 0, 0.0, centre - half)
    high = np.where(x == total, 1.0, centre + half)
    undefined = np.isnan(safe)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def clopper_pearson_interval(successes: ArrayLike, n: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lower and upper end of the exact 95 % interval of a proportion; it covers at least that often.

    Parameters
    ----------
    successes, n : int or ndarray of int
        Broadcast against each other. Where n is 0 both ends are NaN.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial.
    Biometrika 26, 404-413.

    Examples
    --------
    >>> low, high = clopper_pearson_interval(81, 263)  # Newcombe (1998), table I, method 5: 0.2527 to 0.3676
    >>> round(float(low), 4), round(float(high), 4)
    (0.2527, 0.3676)
    """
    from scipy.special import betaincinv

    x, total = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(n, dtype=float))
    low = np.where(x > 0, betaincinv(np.maximum(x, 1e-300), total - x + 1, 0.025), 0.0)
    high = np.where(x < total, betaincinv(x + 1, np.maximum(total - x, 1e-300), 0.975), 1.0)
    return np.where(total > 0, low, np.nan), np.where(total > 0, high, np.nan)
