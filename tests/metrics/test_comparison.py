"""Tests between models, against SciPy, statsmodels, published examples and hand computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from diag.errors import InvalidInputError
from diag.metrics.comparison import (
    benjamini_hochberg,
    class_differences,
    holm_adjust,
    mcnemar_exact,
    mcnemar_p_values,
    pair_figures,
    paired_counts,
    paired_difference_interval,
    paired_difference_intervals,
)
from diag.metrics.intervals import wilson_interval

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_sign_test(only_a, only_b):
    # Two-sided and symmetric: twice the smaller tail of Binomial(n, 1/2), at most 1.
    n = only_a + only_b
    expected = min(1.0, 2 * binom.cdf(min(only_a, only_b), n, 0.5)) if n else 1.0
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected)
    assert mcnemar_exact(only_b, only_a) == mcnemar_exact(only_a, only_b)


@pytest.mark.parametrize(("only_a", "only_b"), [(86, 150), (0, 6), (5, 5), (0, 0), (700, 800)])
def test_mcnemar_as_in_statsmodels(only_a, only_b):
    from statsmodels.stats.contingency_tables import mcnemar

    expected = mcnemar([[794, only_a], [only_b, 570]], exact=True).pvalue if only_a + only_b else 1.0
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_paired_counts_by_hand():
    a, b = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 0], bool)
    assert paired_counts(a, b) == (1, 2, 1, 1)


def test_paired_difference_by_hand():
    # n = 100, 12 and 4 discordant: N = 102, b = 12.5, c = 4.5; centre 8/102, half 1.96 sqrt(17 - 64/102) / 102.
    difference, low, high = paired_difference_interval(100, 12, 4)
    assert difference == 0.08
    assert low == pytest.approx(8 / 102 - 1.959964 * np.sqrt(17 - 64 / 102) / 102, abs=1e-7)
    assert high - 8 / 102 == pytest.approx(8 / 102 - low)


def test_paired_difference_published():
    # Agresti (2002), Categorical Data Analysis, table 10.1: 86 and 150 of 1,600 changed their mind; 0.02 to 0.06.
    difference, low, high = paired_difference_interval(1600, 150, 86)
    assert (difference, round(low, 3), round(high, 3)) == (0.04, 0.021, 0.059)


def test_paired_difference_at_the_ends():
    assert paired_difference_interval(3, 3, 0)[2] == 1
    assert np.isnan(paired_difference_interval(0, 0, 0)).all()
    assert paired_difference_interval(100, 12, 4, 0.9)[1] > paired_difference_interval(100, 12, 4)[1]
    with pytest.raises(InvalidInputError, match=r"0\.95"):
        paired_difference_interval(3, 1, 0, 95)


def test_paired_interval_covers():
    # A seeded simulation of 2,000 pairs with a true difference of .05: at least 93.5 % of the intervals hold it.
    rng = np.random.default_rng(0)
    only_a, only_b, _ = rng.multinomial(300, [0.10, 0.05, 0.85], size=2000).T
    _, low, high = paired_difference_intervals(300, only_a, only_b)
    assert np.mean((low <= 0.05) & (high >= 0.05)) > 0.935


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1])
def test_a_difference_that_is_found_has_an_interval_without_0(level):
    # All tables with up to 250 discordant samples, and no others, which makes the interval widest: the exact test is
    # the stricter one, so a sentence never says "better" beside an interval that holds 0.
    a, b = np.meshgrid(np.arange(251), np.arange(251))
    a, b = a[a > b], b[a > b]
    found = mcnemar_p_values(a, b) < level
    for others in (0, 10, 10**6):
        _, low, _ = paired_difference_intervals(a + b + others, a, b, 1 - level)
        assert (low[found] > 0).all()


def test_holm_by_hand():
    # Sorted .01 .03 .04 times 3 2 1 = .03 .06 .04; made non-decreasing: .03 .06 .06.
    np.testing.assert_allclose(holm_adjust([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert holm_adjust([]).tolist() == []
    assert holm_adjust([0.9, 0.8]).max() == 1


def test_benjamini_hochberg_by_hand():
    # Sorted .01 .03 .04 times 3/1 3/2 3/3 = .03 .045 .04; made non-decreasing from the end: .03 .04 .04.
    np.testing.assert_allclose(benjamini_hochberg([0.01, 0.04, 0.03]), [0.03, 0.04, 0.04])
    with_gap = benjamini_hochberg([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(with_gap, [0.03, np.nan, 0.04, 0.04])
    assert benjamini_hochberg([]).tolist() == []


@settings(max_examples=40, deadline=None)
@given(P_VALUES)
def test_adjusted_as_in_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    np.testing.assert_allclose(holm_adjust(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p_values), multipletests(p_values, method="fdr_bh")[1], atol=1e-12)


def test_relations():
    # 400 against 100 of 100,000: better though only by 0.3 points. 60 against 60 of 100,000: equivalent. 3 against 2
    # of 100,000: equivalent. The same two in 100: undecided.
    found = pair_figures(100_000, [400, 100, 60, 3], [100, 400, 60, 2])
    assert found["relation"].tolist() == ["better", "worse", "equivalent", "equivalent"]
    assert pair_figures(100, [3], [2])["relation"].tolist() == ["undecided"]
    assert pair_figures(100, [3], [2], margin=0.2)["relation"].tolist() == ["equivalent"]


def test_relations_hold_for_the_family():
    # p = 2 * (1/2)^6 = 0.03125 alone; of two such tests both have 0.0625.
    assert pair_figures(100, [6], [0])["relation"].tolist() == ["better"]
    both = pair_figures(100, [6, 6], [0, 0])
    assert both["p_adjusted"].tolist() == [0.0625, 0.0625]
    assert both["relation"].tolist() == ["undecided", "undecided"]


@pytest.mark.parametrize(
    ("level", "margin"), [(0, 0.01), (0.5, 0.01), (95, 0.01), (0.05, 0), (0.05, 1), (0.05, float("nan"))]
)
def test_levels_that_are_none(level, margin):
    with pytest.raises(InvalidInputError, match="Received"):
        pair_figures(10, [1], [2], level, margin)


def test_class_differences_by_hand():
    # Class 0: eight images, six only a has right, p = 2 (1/2)^6. Class 1: two, one each. Class 2: none.
    y_true = np.array([0] * 8 + [1] * 2)
    a = np.array([1] * 7 + [0] + [1, 0], bool)
    b = np.array([1] + [0] * 7 + [0, 1], bool)
    found = class_differences(y_true, a, b, 3)
    assert found["support"].tolist() == [8, 2, 0]
    assert found["only_a"].tolist() == [6, 1, 0]
    np.testing.assert_allclose(found["difference"], [6 / 8, 0, np.nan])
    np.testing.assert_allclose(found["recall_a"], [7 / 8, 1 / 2, np.nan])
    np.testing.assert_allclose(found["p_value"], [0.03125, 1, np.nan])
    np.testing.assert_allclose(found["p_adjusted"], [0.0625, 1, np.nan])  # two classes were tested
    assert found["difference_low"][0] == pytest.approx(paired_difference_interval(8, 6, 0)[1])


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
