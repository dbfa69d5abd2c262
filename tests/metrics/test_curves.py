"""ROC and precision-recall against scikit-learn; their intervals against the bootstrap, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from diag.metrics.curves import (
    auc_interval,
    influence_variance,
    logit_interval,
    precision_at,
    precision_interval,
    precision_recall_points,
    roc_points,
    separation,
)


def drawn(n, seed=0, share=0.3, digits=None):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < share
    score = rng.normal(size=n) + positive
    return (score if digits is None else score.round(digits)), positive


def test_areas_by_hand():
    # Positives .9 and .7, negatives .8 and .1: of 4 pairs 3 are in order. Precision 1/1 and 2/3.
    found = separation(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]))
    assert found.auc == 0.75
    assert found.average_precision == pytest.approx(5 / 6)
    # DeLong: positives beat 1 and .5 of the negatives (variance .125), negatives lose to .5 and 1: .125/2 + .125/2.
    assert found.auc_variance == pytest.approx(0.125)


@given(st.integers(4, 80), st.integers(0, 50), st.sampled_from([None, 1, 0]))
def test_areas_equal_scikit_learn(n, seed, digits):
    score, positive = drawn(n, seed, digits=digits)
    positive[:2] = True, False
    found = separation(score, positive)
    assert found.auc == pytest.approx(roc_auc_score(positive, score))
    assert found.average_precision == pytest.approx(average_precision_score(positive, score))
    assert found.auc_influence.sum() == pytest.approx(0, abs=1e-8)
    assert found.ap_influence.sum() == pytest.approx(0, abs=1e-8)


def test_influence_is_the_derivative_by_a_samples_weight():
    score, positive = drawn(200, 1, digits=1)
    found = separation(score, positive)
    for place in (0, 7, int(np.flatnonzero(positive)[2])):
        weight = np.ones(200)
        weight[place] += 1e-5
        for function, value, influence in (
            (roc_auc_score, found.auc, found.auc_influence),
            (average_precision_score, found.average_precision, found.ap_influence),
        ):
            changed = function(positive, score, sample_weight=weight)
            assert (changed - value) / 1e-5 * 200 == pytest.approx(influence[place], abs=1e-4)


def test_variances_equal_the_bootstraps():
    score, positive = drawn(400, 2, share=0.2)
    found = separation(score, positive)
    rng = np.random.default_rng(0)
    again = []
    for _ in range(600):
        rows = rng.integers(0, 400, 400)
        part = separation(score[rows], positive[rows])
        again.append((part.auc, part.average_precision))
    by_draw = np.var(again, axis=0)
    assert found.auc_variance == pytest.approx(by_draw[0], rel=0.15)
    assert influence_variance(found.auc_influence) == pytest.approx(found.auc_variance, rel=0.03)
    assert influence_variance(found.ap_influence) == pytest.approx(by_draw[1], rel=0.2)


def test_delongs_intervals_cover():
    # Normal scores a unit apart: the area is Phi(1 / sqrt 2) = .7602. 400 data sets: 92.5 % to 97.5 % hold it.
    truth = norm.cdf(1 / np.sqrt(2))
    held = []
    for seed in range(400):
        found = separation(*drawn(150, seed))
        low, high = logit_interval(found.auc, found.auc_variance)
        held.append(low <= truth <= high)
    assert 0.925 <= np.mean(held) <= 0.975


@pytest.mark.parametrize(("distance", "positives"), [(2.3, 10), (3.5, 10), (3.5, 20), (4.37, 80)])
def test_intervals_of_few_positives_cover(distance, positives):
    # Normal scores so far apart: the area is Phi(d / sqrt 2), .948 to .999. DeLong's alone holds it in 64 to 87 % of
    # these 200 data sets with 800 negatives.
    truth, held, alone = norm.cdf(distance / np.sqrt(2)), 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        score = rng.normal(size=800 + positives)
        score[:positives] += distance
        found = separation(score, np.arange(len(score)) < positives)
        low, high = auc_interval(found.auc, found.auc_variance, positives, 800)
        held += low <= truth <= high
        low, high = logit_interval(found.auc, found.auc_variance)
        alone += low <= truth <= high
    assert held >= 188
    assert alone < 182


def test_newcombes_interval_solves_its_equation():
    # Method 5: (t - A)^2 = z^2 t (1 - t) (1 + N ((1 - t) / (2 - t) + t / (1 + t))) / (m n), N = (m + n) / 2 - 1.
    low, high = auc_interval(0.8, 0.0, 12, 30)  # without a variance DeLong's is not there
    for end in (low, high):
        spread = end * (1 - end) * (1 + 20 * ((1 - end) / (2 - end) + end / (1 + end))) / 360
        assert (end - 0.8) ** 2 == pytest.approx(1.959964**2 * spread, rel=1e-5)
    assert low < 0.8 < high
    assert auc_interval(1.0, 0.0, 12, 30)[1] == 1
    assert auc_interval(0.0, 0.0, 12, 30)[0] == 0
    assert auc_interval(0.8, 0.0004, 900, 900) == logit_interval(0.8, 0.0004)
    assert np.isnan(auc_interval(0.8, 0.01, 1, 30)).all()
    assert np.isnan(precision_interval(0.8, 0.01, 1)).all()  # one positive tells no spread
    wide, narrow = precision_interval(0.8, 0.001, 5), logit_interval(0.8, 0.001)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert np.isnan(logit_interval(0.5, 0.0)).all()


def test_areas_that_cannot_be():
    score = np.array([0.2, 0.8])
    for positive in ([True, True], [False, False]):
        assert np.isnan(separation(score, np.array(positive)).auc)
    assert separation(score, np.array([True, True])).average_precision == 1
    assert np.isnan(separation(score, np.array([False, False])).average_precision)
    assert np.isnan(logit_interval(1.0, 0.0)).all()
    assert np.isnan(separation(score, np.array([False, True])).auc_variance)  # one positive tells no spread
    assert separation(np.full(4, 0.5), np.array([True, False, True, False])).auc == 0.5


@pytest.mark.parametrize("digits", [None, 1])
def test_curves_are_scikit_learns_thinned(digits):
    score, positive = drawn(5000, 3, digits=digits)
    points = roc_points(score, positive)
    false_rate, true_rate, _ = roc_curve(positive, score, drop_intermediate=False)
    assert len(points["threshold"]) <= 202
    np.testing.assert_allclose(
        np.interp(points["false_positive_rate"], false_rate, true_rate), points["true_positive_rate"], atol=0.01
    )
    area = auc(points["false_positive_rate"], points["true_positive_rate"])
    assert area == pytest.approx(roc_auc_score(positive, score), abs=2e-3)
    assert points["true_positive_rate"][-1] == 1
    assert points["false_positive_rate"][-1] == 1

    found = precision_recall_points(score, positive)
    precision, recall, cuts = precision_recall_curve(positive, score)
    assert len(found["threshold"]) <= 200
    place = np.searchsorted(cuts, found["threshold"])
    np.testing.assert_allclose(found["precision"], precision[place])
    np.testing.assert_allclose(found["recall"], recall[place])
    assert found["recall"][-1] == 1


def test_precision_for_a_recall_is_at_the_first_threshold_that_reaches_it():
    points = {"recall": np.array([0.5, 1.0]), "precision": np.array([1.0, 0.6])}
    assert precision_at(points, np.array([0.0, 0.5, 0.6, 1.0])).tolist() == [1.0, 1.0, 0.6, 0.6]
    empty = precision_recall_points(np.array([0.3]), np.array([False]))
    assert np.isnan(precision_at(empty, np.array([0.5]))).all()
