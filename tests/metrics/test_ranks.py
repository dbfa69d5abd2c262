"""Ranks against SciPy and against Demsar's tables and example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare, studentized_range

from diag.metrics.ranks import block_ranks, cliques, critical_difference, friedman, nemenyi_quantile

# Demsar (2006), JMLR 7, 1-30: the example of table 6, C4.5 with and without tuned m and cf on 14 data sets.
AVERAGE = np.array([3.143, 2.000, 2.893, 1.964])


def test_ranks_by_hand():
    np.testing.assert_array_equal(block_ranks(np.array([[0.9, 0.5, 0.9, 0.1]])), [[1.5, 3, 1.5, 4]])


def test_critical_values_published():
    # Demsar (2006), table 5 (a), q for alpha 0.05 and 0.10; three digits there.
    for level, values in (
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ):
        found = [nemenyi_quantile(m, level) for m in range(2, 11)]
        np.testing.assert_allclose(found, values, atol=1.1e-3)


def test_critical_values_as_in_scipy():
    for m in (2, 5, 20):
        expected = studentized_range.ppf(0.95, m, 1e6) / np.sqrt(2)
        assert nemenyi_quantile(m) == pytest.approx(expected, abs=1e-4)
    assert nemenyi_quantile(1) == 0


def test_demsars_example():
    # There: CD = 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25, at 0.10 2.291 sqrt(...) = 1.12. At 0.10 C4.5 is worse than C4.5+m
    # and C4.5+m+cf, and nothing is concluded about C4.5+cf.
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)
    assert cliques(AVERAGE, critical_difference(4, 14, 0.10)) == [(3, 1, 2), (2, 0)]
    assert cliques(AVERAGE, critical_difference(4, 14)) == [(3, 1, 2, 0)]
    assert np.isnan(critical_difference(4, 0))


def test_friedman_by_hand():
    # Two models, the first always better, n blocks: ranks 1 and 2; 12 n / 6 * (1 + 4 - 4.5) = n.
    statistic, p_value = friedman(np.array([[1.0, 2.0]] * 6))
    assert statistic == 6
    assert p_value == pytest.approx(0.01431, abs=1e-5)  # chi-squared with one degree of freedom
    assert friedman(np.array([[1.5, 1.5]] * 6)) == (0.0, 1.0)
    assert friedman(np.array([[1.0]])) == (0.0, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 6), st.integers(3, 20), st.integers(0, 99))
def test_friedman_as_in_scipy(m, blocks, seed):
    scores = np.random.default_rng(seed).random((blocks, m)).round(1)  # with ties
    expected = friedmanchisquare(*scores.T)
    statistic, p_value = friedman(block_ranks(scores))
    assert statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert p_value == pytest.approx(expected.pvalue, abs=1e-9)


@given(st.lists(st.floats(1, 9), min_size=1, max_size=9), st.floats(0.1, 5))
def test_cliques_are_the_largest_groups(ranks, difference):
    ranks = np.array(ranks)
    found = cliques(ranks, difference)
    for group in found:
        assert len(group) > 1
        assert np.ptp(ranks[list(group)]) < difference + 1e-9
    for a in range(len(ranks)):
        for b in range(a):
            together = any(a in group and b in group for group in found)
            apart = abs(ranks[a] - ranks[b])
            if abs(apart - difference) > 1e-9:
                assert together == (apart < difference)
