"""Pseudo-labels: bounds by hand and by SciPy, isotonic steps by scikit-learn, and how often a threshold is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.isotonic import IsotonicRegression

from diag.metrics.pseudo_labels import (
    confidence_shift,
    error_upper_bound,
    expected_errors,
    images_needed,
    reliable_tail,
    share_distance,
)


@pytest.mark.parametrize(("errors", "n"), [(0, 300), (3, 50), (49, 50), (1, 1), (50, 50)])
def test_the_bound_is_scipys_exact_one(errors, n):
    expected = binomtest(errors, n, alternative="less").proportion_ci(0.95, "exact").high
    assert error_upper_bound(errors, n) == pytest.approx(expected)


def test_the_rule_of_three_and_the_images_that_are_needed():
    # With no error among n the bound is about 3 / n (Hanley & Lippman-Hand 1983, JAMA 249).
    assert error_upper_bound(0, 1000) == pytest.approx(3 / 1000, rel=5e-3)
    assert error_upper_bound(0, 0) == 1
    for rate in (0.01, 0.05, 0.2):
        n = images_needed(rate, 0.05)
        assert error_upper_bound(0, n) <= rate < error_upper_bound(0, n - 1)
    assert images_needed(0.01) == 528  # ln(0.005) / ln(0.99), rounded up
    assert images_needed(0.05) == 104


def test_expected_errors_are_isotonic_steps_that_are_never_zero():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 400).round(2)
    correct = rng.random(400) < confidence
    wanted = np.linspace(0, 1, 50)
    found = expected_errors(confidence, correct, wanted)
    assert (np.diff(found) <= 0).all()
    assert ((found > 0) & (found < 1)).all()
    plain = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(confidence, ~correct)
    steps = plain.predict(np.unique(confidence))
    ours = expected_errors(confidence, correct, np.unique(confidence))
    # Steps are scikit-learn's (some level with the next), and the rates but for half an error among those of a step.
    assert not (np.diff(ours)[np.diff(steps) > -1e-12] < 0).any()
    assert np.abs(steps - ours).max() < 0.2
    assert np.abs(steps - ours).mean() < 0.03


def test_expected_errors_by_hand():
    # Two of four wrong below 0.5, one of eight above: (2 + 0.5) / 5 and (1 + 0.5) / 9.
    confidence = np.repeat([0.4, 0.9], [4, 8])
    correct = np.array([0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1], dtype=bool)
    assert expected_errors(confidence, correct, np.array([0.1, 0.4, 0.7, 0.95])) == pytest.approx(
        [0.5, 0.5, 0.5, 1.5 / 9]
    )
    assert np.isnan(expected_errors(np.zeros(0), np.zeros(0, dtype=bool), np.array([0.5]))).all()


def test_the_tail_ends_where_errors_begin():
    confidence = np.linspace(1, 0.5, 2000)
    correct = np.arange(2000) < 1000  # the surer half is right, the other wrong
    tail = reliable_tail(confidence, correct, 0.01)
    assert tail.errors / tail.n < 0.01
    assert tail.bound <= 0.01
    assert tail.n == (confidence >= tail.threshold).sum()
    assert images_needed(0.01) <= tail.n <= 1010
    everyone = reliable_tail(confidence, np.ones(2000, dtype=bool), 0.01)
    assert (everyone.n, everyone.errors) == (2000, 0)


def test_no_tail_where_there_are_too_few_images_or_errors_everywhere():
    assert reliable_tail(np.ones(527), np.ones(527, dtype=bool), 0.01) is None
    assert reliable_tail(np.ones(528), np.ones(528, dtype=bool), 0.01) is not None
    assert reliable_tail(np.linspace(0, 1, 3000), np.arange(3000) % 10 > 0, 0.01) is None
    assert reliable_tail(np.zeros(0), np.zeros(0, dtype=bool), 0.5) is None


def test_a_constant_confidence_is_one_tail():
    tail = reliable_tail(np.full(1000, 0.7), np.arange(1000) > 0, 0.05)
    assert (tail.n, tail.errors, tail.threshold) == (1000, 1, 0.7)


def test_a_threshold_is_wrong_at_most_one_time_in_twenty():
    # Every answer is wrong with probability 2.1 %, whatever the confidence: each threshold for 2 % is a mistake.
    rng = np.random.default_rng(1)
    passed = [reliable_tail(rng.random(1500), rng.random(1500) >= 0.021, 0.02) is not None for _ in range(400)]
    assert np.mean(passed) <= 0.05


def test_distances():
    assert share_distance(np.array([5, 0]), np.array([0, 7])) == 1
    assert np.isnan(share_distance(np.array([0, 0]), np.array([1, 1])))
    values = np.linspace(0, 1, 200)
    assert confidence_shift(values, values)[0] == 0
    distance, p_value = confidence_shift(values, values / 2)
    assert distance == pytest.approx(0.5, abs=0.01)
    assert p_value < 1e-6
