"""Whether one model is really better than another on the same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.intervals import Z95

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Parameters
    ----------
    only_a, only_b : int
        Samples that only the first, only the second model has right.

    References
    ----------
    McNemar (1947), Psychometrika 12, 153-157; exact form: a sign test on the discordant pairs.

    Examples
    --------
    >>> mcnemar_exact(0, 5)  # 2 * 0.5**5
    0.0625
    """
    n = only_a + only_b
    if n == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_a, n, 0.5).pvalue)


def paired_difference_interval(n: int, only_a: int, only_b: int) -> tuple[float, float, float]:
    """Return accuracy(a) - accuracy(b) on the same n samples, with its 95 % interval.

    References
    ----------
    Agresti & Min (2005), Statistics in Medicine 24, 729-740: Wald's interval after adding 0.5 to each cell of the
    2x2 table, which holds its level in small samples.

    Examples
    --------
    >>> [round(value, 4) for value in paired_difference_interval(100, 12, 4)]
    [0.08, 0.0007, 0.1562]
    """
    if n == 0:
        return (float("nan"),) * 3
    total, b, c = n + 2.0, only_a + 0.5, only_b + 0.5
    centre = (b - c) / total
    half = Z95 * np.sqrt((b + c) - (b - c) ** 2 / total) / total
    return (only_a - only_b) / n, float(centre - half), float(centre + half)


def holm_adjust(p_values: Sequence[float]) -> NDArray[Any]:
    """Return p-values adjusted for having made several tests.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure. Scand. J. Statist. 6, 65-70.

    Examples
    --------
    >>> holm_adjust([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted
