"""Two one-sided tests of paired proportions: against the likelihood they come from, and enumerated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm

from diag.metrics.equivalence import equivalence_intervals, equivalence_p_values


@pytest.mark.parametrize(("n", "only_a", "only_b", "margin"), [(100, 3, 5, 0.1), (44, 0, 1, 0.1), (800, 30, 22, 0.02)])
def test_score_test_from_the_likelihood(n, only_a, only_b, margin):
    # Tango (1998): the variance of the difference is that of the most likely table whose difference is the margin,
    # found here by maximising the likelihood numerically. Half a sample toward the hypothesis.
    b, c = max(only_a, only_b), min(only_a, only_b)

    def surprise(share):
        rest = 1 - 2 * share - margin
        return -(b * np.log(share + margin) + c * np.log(share) + (n - b - c) * np.log(rest))

    top = (1 - margin) / 2
    share = minimize_scalar(surprise, bounds=(1e-12, top - 1e-12), method="bounded", options={"xatol": 1e-12}).x
    spread = np.sqrt(n * (2 * share + margin - margin**2))
    expected = norm.cdf((b - c + 0.5 - n * margin) / spread)
    assert equivalence_p_values(n, only_a, only_b, margin) == pytest.approx(expected, rel=1e-3)


def wrongly(n, discordance, difference, margin):
    """Return how often a pair with this true difference is called equivalent at the level 5 %, by enumeration."""
    first, second = (discordance + difference) / 2, (discordance - difference) / 2
    a, b = np.arange(binom.ppf(1 - 1e-9, n, first) + 2), np.arange(binom.ppf(1 - 1e-9, n, second) + 2)
    a, b = (each.ravel() for each in np.meshgrid(a, b))
    chance = binom.pmf(a, n, first) * binom.pmf(b, n - a, second / (1 - first))
    return float(chance[equivalence_p_values(n, a, b, margin) < 0.05].sum())


@pytest.mark.parametrize("n", [500, 800, 900, 1500, 2600, 5000])
@pytest.mark.parametrize("discordance", [0.005, 0.0055, 0.007, 0.01, 0.02])
def test_equivalence_is_wrong_at_most_at_its_level(n, discordance):
    assert wrongly(n, discordance, 0.005, 0.005) <= 0.05


def test_equivalence_is_found_with_enough_samples():
    assert wrongly(5000, 0.01, 0.0, 0.005) > 0.9


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5000), st.data())
def test_equivalent_is_the_interval_inside_the_margin(n, data):
    only_a = data.draw(st.integers(0, n))
    only_b = data.draw(st.integers(0, n - only_a))
    low, high = equivalence_intervals(n, only_a, only_b, 0.05)
    assert low - 1e-12 <= (only_a - only_b) / n <= high + 1e-12
    for margin in (0.005, 0.05, 0.3):
        inside = low > -margin and high < margin
        assert (equivalence_p_values(n, only_a, only_b, margin) < 0.05) == inside


def test_the_interval_turns_with_the_models_and_is_undefined_without_samples():
    low, high = equivalence_intervals([100, 0], [7, 0], [2, 0], 0.05)
    turned = equivalence_intervals([100, 0], [2, 0], [7, 0], 0.05)
    np.testing.assert_allclose(low, -turned[1])
    assert np.isnan([low[1], high[1]]).all()
    assert np.isnan(equivalence_p_values(0, 0, 0, 0.005))


def test_the_interval_covers():
    # At least 90 % of simulated pairs with a true difference of two points, few and many samples.
    rng = np.random.default_rng(0)
    for n in (100, 1000):
        only_a, only_b, _ = rng.multinomial(n, [0.05, 0.03, 0.92], size=2000).T
        low, high = equivalence_intervals(n, only_a, only_b, 0.05)
        assert np.mean((low <= 0.02) & (high >= 0.02)) > 0.89
