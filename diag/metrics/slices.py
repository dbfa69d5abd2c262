"""Groups of samples with more errors than the rest, and than their classes explain: tests, shrinkage, containment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOOR = 1e-20
"""No p-value is given smaller than this."""
SCREEN = 0.05
"""Where the normal approximation of either test gives more than this, it is kept; else both are computed exactly."""
CONTAINED = 0.8
"""A group lies inside a larger one that holds at least this share of it."""


def stratified_exact_test(
    in_group: NDArray[np.int64], wrong_in_group: NDArray[np.int64], total: NDArray[np.int64], wrong: NDArray[np.int64]
) -> float:
    """Return the one-sided p-value that a group has so many errors, were they spread by chance within each stratum.

    Given the margins of each stratum (the true class), the group's errors there are hypergeometric; over strata they
    add up. With one stratum this is Fisher's exact test. The distribution of the sum is computed by convolution.

    Parameters
    ----------
    in_group, wrong_in_group, total, wrong : ndarray of int, shape (s,)
        Of each stratum: samples and errors in the group, samples and errors in all.

    Returns
    -------
    float
        P(as many errors or more), not below `FLOOR`. 1 where no stratum can tell anything.

    Raises
    ------
    InvalidInputError
        If a count is larger than its margin.

    References
    ----------
    Mantel & Haenszel (1959), JNCI 22, 719-748; the exact form: Birch (1964), JRSS B 26, 313-324.

    Examples
    --------
    >>> tea = [np.array([count]) for count in (4, 3, 8, 4)]  # Fisher (1935), the lady tasting tea: 17/70
    >>> round(stratified_exact_test(*tea), 4)
    0.2429
    """
    bad = (wrong_in_group > np.minimum(in_group, wrong)) | (in_group > total) | (wrong > total)
    if bad.any() or (in_group - wrong_in_group > total - wrong).any():
        raise InvalidInputError("expected counts of a group no larger than those of all. Received: larger ones.")
    telling = (in_group > 0) & (in_group < total) & (wrong > 0) & (wrong < total)
    chance, first = np.ones(1), 0
    for n, e, g in zip(total[telling], wrong[telling], in_group[telling], strict=True):
        start, weights = _hypergeometric(int(n), int(e), int(g))
        first += start
        chance = np.convolve(chance, weights)
        heavy = np.flatnonzero(chance > FLOOR * 1e-6)
        first += int(heavy[0])
        chance = chance[heavy[0] : heavy[-1] + 1]
    place = max(0, int(wrong_in_group[telling].sum()) - first)
    return float(min(1.0, max(FLOOR, chance[place:].sum()))) if telling.any() else 1.0


def _hypergeometric(n: int, e: int, g: int) -> tuple[int, NDArray[np.float64]]:
    """Return the smallest count and the probabilities of the number of errors among g of n samples with e errors."""
    from scipy.special import gammaln

    mean, spread = g * e / n, np.sqrt(g * e / n * (1 - e / n) * (n - g) / max(n - 1, 1))
    low = max(0, g + e - n, int(mean - 12 * spread - 20))
    high = min(g, e, int(mean + 12 * spread + 20))
    j = np.arange(low, high + 1, dtype=np.float64)
    logs = -(gammaln(j + 1) + gammaln(e - j + 1) + gammaln(g - j + 1) + gammaln(n - e - g + j + 1))
    weights = np.exp(logs - logs.max())
    return low, weights / weights.sum()


def group_tests(
    codes: NDArray[np.int32], n_groups: int, strata: NDArray[np.int64], wrong: NDArray[np.bool_], smallest: int
) -> dict[str, NDArray[Any]]:
    """Return counts and tests of the groups of one grouping.

    Two one-sided exact tests are made of each group: against all other samples (Fisher), and within the classes
    (`stratified_exact_test`). The p-value is the larger one: a group counts as worse only if it is worse than the rest
    and its classes do not explain it. Such an intersection-union test keeps its level without a correction.

    Parameters
    ----------
    codes : ndarray of int32, shape (n,)
        The group of each sample, 0..n_groups-1, or -1.
    n_groups : int
    strata : ndarray of int64, shape (n,)
        Within these, errors are taken as spread by chance: the true class.
    wrong : ndarray of bool, shape (n,)
    smallest : int
        Groups with fewer samples, or all of them, are left out: a choice that does not look at errors.

    Returns
    -------
    dict of str to ndarray, each of shape (groups kept,)
        ``group``, ``n``, ``errors``, ``expected_errors`` (of that many samples of these classes) and ``p_value``.

    References
    ----------
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling. Technometrics 24, 295-300, theorem 1.
    """
    n_strata = int(strata.max()) + 1 if len(strata) else 1
    total = np.bincount(strata, minlength=n_strata)
    bad = np.bincount(strata[wrong], minlength=n_strata)
    inside = codes >= 0
    cells = codes.astype(np.int64) * n_strata + strata
    shape = (n_groups, n_strata)
    held = np.bincount(cells[inside], minlength=n_groups * n_strata).reshape(shape)
    missed = np.bincount(cells[inside & wrong], minlength=n_groups * n_strata).reshape(shape)
    sizes = held.sum(axis=1)
    kept = np.flatnonzero((sizes >= smallest) & (sizes < len(codes)))
    held, missed = held[kept], missed[kept]
    whole = (held.sum(axis=1, keepdims=True), missed.sum(axis=1, keepdims=True), total.sum()[None], bad.sum()[None])
    expected, p_values = _approximated(held, missed, total, bad)
    p_values = np.maximum(p_values, _approximated(*whole)[1])
    for row in np.flatnonzero(p_values < SCREEN):
        p_values[row] = stratified_exact_test(whole[0][row], whole[1][row], *whole[2:])
        if n_strata > 1 and p_values[row] < SCREEN:
            p_values[row] = max(p_values[row], stratified_exact_test(held[row], missed[row], total, bad))
    errors = whole[1][:, 0]
    return {"group": kept, "n": sizes[kept], "errors": errors, "expected_errors": expected, "p_value": p_values}


def _approximated(
    held: NDArray[np.int64], missed: NDArray[np.int64], total: NDArray[np.int64], bad: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return expected errors and approximate p-values of groups (rows), counted by stratum (columns)."""
    rate = bad / np.maximum(total, 1)
    expected: NDArray[np.float64] = held @ rate
    variance = (held * (total - held)) @ (rate * (1 - rate) / np.maximum(total - 1, 1))
    return expected, _normal(missed.sum(axis=1), expected, variance)


def _normal(errors: NDArray[Any], expected: NDArray[Any], variance: NDArray[Any]) -> NDArray[Any]:
    """Return the normal approximation of the test's p-values, with the correction for continuity."""
    from scipy.special import ndtr

    spread = np.sqrt(np.maximum(variance, 0))
    z = np.divide(errors - expected - 0.5, spread, out=np.full(len(errors), -np.inf), where=spread > 1e-12)
    return np.where(spread > 1e-12, ndtr(-z), 1.0)


def shrunken_differences(errors: NDArray[Any], n: NDArray[Any], rate: float) -> tuple[NDArray[np.float64], float]:
    """Return each group's difference to the accuracy of all samples; the smaller the group, the nearer to 0.

    The difference d of a group has the variance v = q (1 - q) / n under chance, with q the share of errors in all.
    Differences of groups are taken as normal around 0 with a variance t2 that is estimated from all of them by
    moments; then d t2 / (t2 + v) is the expected true difference.

    Returns
    -------
    shrunken : ndarray of float64, shape (g,)
        Negative where a group is worse.
    t2 : float
        The estimated variance of true differences; 0 when groups differ no more than by chance.

    References
    ----------
    Efron & Morris (1975), Data analysis using Stein's estimator and its generalizations. JASA 70, 311-319.

    Examples
    --------
    >>> shrunken, t2 = shrunken_differences(np.array([8, 80]), np.array([10, 100]), 0.2)
    >>> shrunken.round(3).tolist()  # both are 60 points worse; the larger group is believed more
    [-0.574, -0.597]
    """
    n = np.asarray(n, dtype=float)
    v = rate * (1 - rate) / n
    d = rate - errors / n
    if len(n) == 0 or rate in (0, 1):
        return np.zeros(len(n)), 0.0
    t2 = float(max(0.0, np.sum(d**2 / v - 1) / np.sum(1 / v)))
    return d * t2 / (t2 + v), t2


def containers(members: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each group the largest group that holds at least 80 % of it, -1 where there is none.

    Parameters
    ----------
    members : ndarray of bool, shape (g, n)

    Examples
    --------
    >>> containers(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)).tolist()
    [-1, 0, -1]
    """
    if len(members) == 0:
        return np.empty(0, dtype=np.int64)
    sizes = members.sum(axis=1)
    as_float = members.astype(np.float32)
    shared = np.rint(as_float @ as_float.T)
    place = np.arange(len(sizes))
    larger = (sizes[None] > sizes[:, None]) | ((sizes[None] == sizes[:, None]) & (place[None] < place[:, None]))
    holds = larger & (shared >= CONTAINED * sizes[:, None])
    best = np.where(holds, sizes[None], -1).argmax(axis=1)
    found: NDArray[np.int64] = np.where(holds.any(axis=1), best, -1)
    return found
