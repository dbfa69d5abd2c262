"""Top-k accuracy and accuracy by coverage: by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from diag.metrics.intervals import wilson_interval
from diag.metrics.ranking import coverage_curve, selective_figures, top_k_accuracy
from diag.metrics.samples import sample_columns


def test_top_k_equals_scikit_learn():
    rng = np.random.default_rng(0)
    y_true, proba = rng.integers(0, 12, 300), rng.dirichlet(np.ones(12), 300)
    found = top_k_accuracy(sample_columns(y_true, proba)["rank"], 12)
    assert found["k"].tolist() == list(range(1, 11))
    expected = [top_k_accuracy_score(y_true, proba, k=k, labels=range(12)) for k in range(1, 11)]
    np.testing.assert_allclose(found["accuracy"], expected)
    np.testing.assert_allclose(found["accuracy_low"], wilson_interval(found["accuracy"] * 300, 300)[0])
    assert np.isnan(top_k_accuracy(np.zeros(0, int), 3)["accuracy"]).all()


def test_coverage_by_hand_with_ties():
    # Surest first: right; then right and wrong, equally sure, kept together; then wrong.
    curve = coverage_curve(np.array([0.3, 0.8, 0.9, 0.8]), np.array([False, True, True, False]))
    assert curve["coverage"].tolist() == [0.25, 0.75, 1.0]
    np.testing.assert_allclose(curve["accuracy"], [1, 2 / 3, 0.5])
    assert curve["threshold"].tolist() == [0.9, 0.8, 0.3]


def test_selective_figures_by_hand():
    # Errors among the surest 1, 2, 3, 4 answers: 0, .5 (a tie counts evenly), 1, 2; rates 0, .25, .333, .5.
    found = selective_figures(np.array([0.3, 0.8, 0.9, 0.8]), np.array([False, True, True, False]))
    assert found["aurc"] == pytest.approx((0.25 + 1 / 3 + 0.5) / 4)
    # A perfect order has both errors last: 0, 0, 1/3, 1/2.
    assert found["excess_aurc"] == pytest.approx(0.25 / 4)
    assert found["accuracy_at_coverage"] == 0.5  # 90 % of 4 are 4 answers
    assert found["coverage_at_accuracy"] == 0.25


def test_a_perfect_order_has_no_excess():
    confidence = np.linspace(0.99, 0.5, 200)
    correct = np.arange(200) < 190
    found = selective_figures(confidence, correct)
    assert found["excess_aurc"] == pytest.approx(0)
    assert found["accuracy_at_coverage"] == 1
    assert found["coverage_at_accuracy"] == pytest.approx(191 / 200)
    assert found["accuracy_at_coverage_low"] <= 1
    assert found["aurc_low"] < found["aurc"] < found["aurc_high"]


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("n", [1, 40])
def test_answers_that_are_all_alike_have_no_spread_to_resample(n, right):
    found = selective_figures(np.linspace(0.5, 0.9, n), np.full(n, right))
    assert found["aurc"] == 1 - right
    assert found["coverage_at_accuracy"] == right
    for name in ("aurc", "excess_aurc", "coverage_at_accuracy"):
        assert np.isnan([found[f"{name}_low"], found[f"{name}_high"]]).all()
    assert found["accuracy_at_coverage_low"] < found["accuracy_at_coverage_high"]  # Wilson's


def test_intervals_hold_the_truth_also_in_blocks():
    # Confidences uniform and true: the surest 90 % are right .55 of the time; 5,000 samples are taken in blocks.
    held = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        confidence = rng.random(5000)
        found = selective_figures(confidence, rng.random(5000) < confidence, seed)
        held += found["accuracy_at_coverage_low"] <= 0.55 <= found["accuracy_at_coverage_high"]
    assert held >= 8


@given(st.integers(1, 60), st.integers(0, 30))
def test_full_coverage_is_the_accuracy(n, seed):
    rng = np.random.default_rng(seed)
    confidence, correct = rng.random(n).round(1), rng.random(n) < 0.7
    curve = coverage_curve(confidence, correct)
    assert curve["coverage"][-1] == 1
    assert curve["accuracy"][-1] == pytest.approx(correct.mean())
    assert (np.diff(curve["coverage"]) > 0).all()


def test_many_samples_give_few_points_and_none_gives_nan():
    rng = np.random.default_rng(0)
    assert len(coverage_curve(rng.random(9000), rng.random(9000) < 0.9)["coverage"]) == 200
    assert len(coverage_curve(np.zeros(0), np.zeros(0, bool))["coverage"]) == 0
    assert np.isnan(list(selective_figures(np.zeros(0), np.zeros(0, bool)).values())).all()
