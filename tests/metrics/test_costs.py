"""Costs of decisions: by hand, against brute force, and Elkan's threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.metrics.costs import (
    best_threshold,
    cost_by_threshold,
    cost_matrix,
    indifferent_threshold,
    mean_interval,
    minimal_decisions,
)

MISS = np.array([[0.0, 1.0], [9.0, 0.0]])


def calibrated(n, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return (rng.random(n) < score).astype(int), score


def test_decisions_equal_brute_force():
    rng = np.random.default_rng(0)
    proba, costs = rng.dirichlet(np.ones(4), 50), rng.random((4, 4))
    expected = [min(range(4), key=lambda j: sum(row[i] * costs[i, j] for i in range(4))) for row in proba]
    assert minimal_decisions(proba, costs).tolist() == expected
    assert (minimal_decisions(proba, cost_matrix(None, 4)) == proba.argmax(axis=1)).all()


def test_elkans_threshold():
    # A false alarm costs 1, a miss 9: say 1 from p = 1 / (1 + 9) on.
    assert indifferent_threshold(MISS) == pytest.approx(0.1)
    assert indifferent_threshold(cost_matrix(None, 2)) == 0.5
    assert np.isnan(indifferent_threshold(np.zeros((2, 2))))
    y_true, score = calibrated(20_000)
    assert best_threshold(y_true, score, MISS)["threshold"] == pytest.approx(0.1, abs=0.03)


def test_cost_by_threshold_by_hand():
    # At .5: .2 (true 1) is missed for 9, .6 (true 0) is a false alarm for 1: 10 over 4 samples.
    found = cost_by_threshold(np.array([1, 0, 1, 0]), np.array([0.2, 0.6, 0.9, 0.1]), MISS, np.array([0.0, 0.5, 2.0]))
    assert found["cost"].tolist() == [0.5, 2.5, 4.5]
    assert found["false_positives"].tolist() == [2, 1, 0]
    assert found["false_negatives"].tolist() == [0, 1, 2]


@given(st.integers(10, 60), st.integers(0, 40))
def test_the_best_threshold_is_no_worse_than_any(n, seed):
    y_true, score = calibrated(n, seed)
    score = score.round(1)
    best = best_threshold(y_true, score, MISS, seed)
    assert best["cost"] <= cost_by_threshold(y_true, score, MISS)["cost"].min() + 1e-9
    assert 0 <= best["threshold"] <= 1 or best["threshold"] == np.inf


def test_never_is_a_threshold_where_scores_are_saturated():
    # 30 negatives at 1 and 10 positives at .3. Saying 1 from 1 on: 30 false alarms at 10 and 10 misses at 1, 310 / 40.
    # Never: 10 misses, .25. A cut at 1 would not do: a score of 1 reaches it.
    y_true, score = np.repeat([0, 1], [30, 10]), np.repeat([1.0, 0.3], [30, 10])
    costs = np.array([[0.0, 10.0], [1.0, 0.0]])
    best = best_threshold(y_true, score, costs)
    assert best == {"threshold": np.inf, "cost": 0.25, "cross_validated_cost": 0.25}
    assert cost_by_threshold(y_true, score, costs, np.array([1.0, np.inf]))["cost"].tolist() == [7.75, 0.25]


def test_the_cost_of_the_chosen_threshold_is_too_low_where_it_was_chosen():
    # Over 100 data sets of 40 samples, the cross-validated cost is above the apparent one on average.
    found = [best_threshold(*calibrated(40, seed), MISS, seed) for seed in range(100)]
    assert np.mean([each["cross_validated_cost"] - each["cost"] for each in found]) > 0.02


def test_means_have_intervals():
    rng = np.random.default_rng(0)
    few, many = rng.integers(0, 2, 400).astype(float), rng.normal(size=1500)
    for values in (few, many):
        mean, low, high = mean_interval(values)
        half = 1.96 * values.std() / np.sqrt(len(values))
        assert mean == values.mean()
        assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.2 * half)
    assert np.isnan(mean_interval(np.zeros(0))).all()
    mean, low, high = mean_interval(np.ones(3))  # equal values show no spread
    assert (mean, np.isnan(low), np.isnan(high)) == (1, True, True)


@pytest.mark.parametrize("costs", [[[0, 1]], "costs", [[0, np.nan], [1, 0]], [[0, "a"], [1, 0]], np.zeros((3, 3))])
def test_costs_of_another_shape_are_refused(costs):
    with pytest.raises(InvalidInputError, match=r"costs: expected finite numbers of shape \(2, 2\)"):
        cost_matrix(costs, 2)


def test_no_samples():
    assert np.isnan(best_threshold(np.zeros(0, int), np.zeros(0), MISS)["cost"])
    assert np.isnan(cost_by_threshold(np.zeros(0, int), np.zeros(0), MISS)["cost"]).all()
