"""Tests between models, against SciPy, published examples and hand computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from diag.metrics.comparison import holm_adjust, mcnemar_exact, paired_difference_interval
from diag.metrics.intervals import wilson_interval


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_sign_test(only_a, only_b):
    # Two-sided and symmetric: twice the smaller tail of Binomial(n, 1/2), at most 1.
    n = only_a + only_b
    expected = min(1.0, 2 * binom.cdf(min(only_a, only_b), n, 0.5)) if n else 1.0
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected)
    assert mcnemar_exact(only_b, only_a) == mcnemar_exact(only_a, only_b)


def test_paired_difference_by_hand():
    # n = 100, 12 and 4 discordant: N = 102, b = 12.5, c = 4.5; centre 8/102, half 1.96 sqrt(17 - 64/102) / 102.
    difference, low, high = paired_difference_interval(100, 12, 4)
    assert difference == 0.08
    assert low == pytest.approx(8 / 102 - 1.959964 * np.sqrt(17 - 64 / 102) / 102, abs=1e-7)
    assert high - 8 / 102 == pytest.approx(8 / 102 - low)


def test_paired_interval_covers():
    # A seeded simulation of 2,000 pairs with a true difference of .05: at least 93.5 % of the intervals hold it.
    rng = np.random.default_rng(0)
    draws = rng.multinomial(300, [0.10, 0.05, 0.85], size=2000)
    held = [low <= 0.05 <= high for _, low, high in (paired_difference_interval(300, a, b) for a, b, _ in draws)]
    assert np.mean(held) > 0.935


def test_holm_by_hand():
    # Sorted .01 .03 .04 times 3 2 1 = .03 .06 .04; made non-decreasing: .03 .06 .06.
    np.testing.assert_allclose(holm_adjust([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert holm_adjust([]).tolist() == []
    assert holm_adjust([0.9, 0.8]).max() == 1


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3 (score without correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_published(successes, n, low, high):
    got = wilson_interval(successes, n)
    assert [round(float(end), 4) for end in got] == [low, high]


def test_wilson_of_nothing():
    assert np.isnan(wilson_interval(0, 0)).all()
    assert float(wilson_interval(5, 5)[1]) == 1
