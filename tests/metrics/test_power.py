"""Power of McNemar's exact test, against enumeration, simulation and Connor's formula."""

from __future__ import annotations

from math import factorial, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.metrics.comparison import mcnemar_exact, mcnemar_p_values
from diag.metrics.power import EXACT, mcnemar_power, samples_needed, smallest_detectable


@pytest.mark.parametrize(("n", "discordance", "difference"), [(12, 0.6, 0.5), (20, 0.4, 0.4), (8, 1.0, 0.9)])
def test_power_is_the_sum_over_all_tables(n, discordance, difference):
    # The definition: every table (only a, only b, the rest), its multinomial probability, whether the test finds it.
    first, second = (discordance + difference) / 2, (discordance - difference) / 2
    expected = 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            if mcnemar_exact(a, b) < 0.05:
                ways = factorial(n) / (factorial(a) * factorial(b) * factorial(n - a - b))
                expected += ways * first**a * second**b * (1 - discordance) ** (n - a - b)
    assert mcnemar_power(n, discordance, difference) == pytest.approx(expected, rel=1e-9)


def test_power_simulated():
    rng = np.random.default_rng(0)
    only_a, only_b, _ = rng.multinomial(797, [0.0235, 0.0065, 0.97], size=20_000).T
    found = np.mean(mcnemar_p_values(only_a, only_b) < 0.05)
    assert mcnemar_power(797, 0.03, 0.017) == pytest.approx(found, abs=0.01)


def test_smallest_difference_is_found_in_four_of_five():
    rng = np.random.default_rng(1)
    smallest = smallest_detectable(800, 0.05)
    draws = rng.multinomial(800, [(0.05 + smallest) / 2, (0.05 - smallest) / 2, 0.95], size=20_000)
    assert np.mean(mcnemar_p_values(draws[:, 0], draws[:, 1]) < 0.05) == pytest.approx(0.8, abs=0.012)


def test_samples_by_connors_formula():
    # Connor (1987), written out: (1.959964 sqrt(.1) + .841621 sqrt(.1 - .01^2))^2 / .01^2.
    expected = (1.959964 * sqrt(0.1) + 0.841621 * sqrt(0.1 - 0.0001)) ** 2 / 0.0001
    assert samples_needed(0.1, 0.01) == pytest.approx(expected, rel=0.03)  # the exact test needs a little more
    assert samples_needed(0.1, 0.01) >= expected
    assert samples_needed(0.1, 0.001) == pytest.approx(
        (1.959964 * sqrt(0.1) + 0.841621 * sqrt(0.1 - 1e-6)) ** 2 / 1e-6, abs=1.5
    )


def test_the_two_are_inverse():
    for n, discordance in ((300, 0.2), (800, 0.05), (5000, 0.02), (60_000, 0.1)):
        smallest = smallest_detectable(n, discordance)
        assert samples_needed(discordance, smallest) == pytest.approx(n, rel=0.03)


def test_approximation_joins_the_exact_power():
    just_below, just_above = (mcnemar_power(int(EXACT * 10 * by), 0.1, 0.005) for by in (0.999, 1.001))
    assert just_below == pytest.approx(just_above, abs=0.01)


def test_edges():
    assert np.isnan(smallest_detectable(5, 0.2))  # 2 (1/2)^5 > 0.05: five samples never suffice
    assert 0.7 < smallest_detectable(6, 0.0) <= 1  # all six must speak for one model: d^6 = 0.8
    assert smallest_detectable(6, 0.0) == pytest.approx(0.8 ** (1 / 6), abs=1e-4)
    assert np.isnan(samples_needed(0.1, 0.0))
    assert np.isnan(samples_needed(0.0, 0.0))
    assert mcnemar_power(0, 0.1, 0.05) == 0
    assert mcnemar_power(100, 0.1, 0.0) == 0
    assert mcnemar_power(50, 0.3, -0.2) == mcnemar_power(50, 0.3, 0.2)


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 3000), st.floats(0.01, 0.4))
def test_more_samples_show_smaller_differences(n, discordance):
    assert smallest_detectable(n + n // 5, discordance) <= smallest_detectable(n, discordance) + 1e-4
    assert smallest_detectable(n, discordance, 0.005) >= smallest_detectable(n, discordance, 0.05)
